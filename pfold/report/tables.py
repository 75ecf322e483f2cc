"""The tables of a run: a row per target and sample, failures and rejections included; a row per pair of chains."""

import difflib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pandas as pd

from pfold.config import RunConfig
from pfold.errors import InputError, TooManyFailedError, explain
from pfold.files import read_table, write_table
from pfold.results.interfaces import SCORES
from pfold.results.layout import sample_structure
from pfold.results.receipt import read_receipt
from pfold.run.failures import FailureStore
from pfold.run.identity import needs_search
from pfold.run.paths import RunPaths
from pfold.targets.table import NamedTarget, read_target_table
from pfold.targets.types import Rejection, Target

logger = logging.getLogger(__name__)


class Status(StrEnum):
    """What became of a target, in the summary table."""

    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    MISSING = "missing"


# Of targets that were accepted and have no result.
NOT_FOLDED = (Status.FAILED, Status.MISSING)

COLUMNS = (
    "name",
    "bait",
    "prey",
    "status",
    "reason",
    "rank",
    "seed",
    "sample",
    "n_cycle",
    "ranking_score",
    "plddt",
    "ptm",
    "iptm",
    "best_pair",
    "ipsae",
    "fraction_disordered",
    "has_clash",
    "gpde",
    "n_token",
    "n_chain",
    "n_msa",
    "search",
    "bucket",
    "seconds",
    "stopped",
    "model",
    "weights",
    "structure",
    "folder",
    "target_id",
    "result_id",
    "source",
)


# Of a pair of chains; the scores are those of both directions together.
PAIR_COLUMNS = ("name", "bait", "prey", "chain_1", "chain_2", "iptm", "pae_min", *SCORES, "folder")

_INTEGERS = ("rank", "seed", "sample", "n_cycle", "n_token", "n_chain", "n_msa", "bucket")
_DIGITS = {"ranking_score": 4, "plddt": 2, "ptm": 4, "iptm": 4, "fraction_disordered": 4, "gpde": 2, "seconds": 2}


@dataclass(frozen=True)
class Tables:
    """The tables of a run.

    summary: a row for each target and sample, `COLUMNS`: the best target first, and of a target the best sample; then
    what has no result, in the order of the input, and rejections. pairs: a row for each pair of chains of each target's
    best sample, `PAIR_COLUMNS`, the largest ipSAE first, then ipTM.
    """

    summary: pd.DataFrame
    pairs: pd.DataFrame


def summarise(config: RunConfig) -> Tables:
    """The tables of what the run has done so far."""
    paths = RunPaths(config.results)
    targets, rejections = read_target_table(paths.targets)
    plan = read_table(paths.plan_table, "make it with `pfold plan`").set_index("folder")
    rows: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    for named in targets:
        result_id = str(plan.at[named.folder, "result_id"])
        try:
            receipt = _finished(paths, named, result_id)
            rows += target_rows(named, result_id, receipt, config)
            pairs += _pair_rows(named, receipt)
        except Exception as error:
            reason = (
                f"{paths.predictions / named.folder}: its result can't be read ({explain(error)}); remove the folder"
            )
            logger.error("%s: %s", named.target.name, reason, exc_info=error)
            known = {"name": named.target.name, "folder": named.folder, "source": named.target.source}
            rows.append(known | {"status": Status.FAILED, "reason": reason})
    rows += [_rejection_row(rejection) for rejection in rejections]
    summary = _best_first(_typed(pd.DataFrame(rows, columns=list(COLUMNS))))
    counts = summary.drop_duplicates(["name", "status", "source"]).status.value_counts()
    logger.info("%s", ", ".join(f"{n} {status}" for status, n in counts.items()) or "no targets")
    table = pd.DataFrame(pairs, columns=list(PAIR_COLUMNS))
    return Tables(summary, table.sort_values(["ipsae", "iptm"], ascending=False, kind="stable", ignore_index=True))


def write_tables(tables: Tables, summary: Path, pairs: Path) -> None:
    """Write both tables, each as Parquet at its path and as CSV beside it."""
    write_table(tables.summary, summary)
    write_table(tables.pairs, pairs)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Integers as integers, where some rows have none too, and numbers of as many digits as mean something.

    The folder is text, also where no row has one: other tables are merged by it.
    """
    table = table.astype(dict.fromkeys(_INTEGERS, "Int64") | {"has_clash": "boolean", "folder": "object"})
    return table.astype(dict.fromkeys(_DIGITS, "float64")).round(_DIGITS)


def _best_first(table: pd.DataFrame) -> pd.DataFrame:
    """Targets by the ranking score of their best sample, of each the best sample first; the others stay behind them."""
    best = table.groupby("folder", dropna=False).ranking_score.transform("max")
    order = table.assign(best=best).sort_values(["best", "folder", "rank"], ascending=[False, True, True]).index
    done = order[(table.status == Status.DONE)[order]]
    return table.loc[[*done, *table.index[table.status != Status.DONE]]].reset_index(drop=True)


def _finished(paths: RunPaths, named: NamedTarget, result_id: str) -> dict[str, Any] | None:
    """The receipt of a target's result; None where it has none of this identity."""
    receipt = read_receipt(paths.predictions / named.folder)
    return receipt if receipt is not None and receipt["result_id"] == result_id else None


def _pair_rows(named: NamedTarget, receipt: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Rows of one target's pairs of chains; none without a result, or of one that an earlier version has written."""
    pairs = receipt.get("chain_pairs", []) if receipt else []
    target = named.target
    known = {"name": target.name, "bait": target.bait, "prey": target.prey, "folder": named.folder}
    return [known | pair for pair in pairs]


def target_rows(
    named: NamedTarget, result_id: str, receipt: Mapping[str, Any] | None, config: RunConfig
) -> list[dict[str, Any]]:
    """Rows of one target: one a sample if it is done, one row otherwise."""
    target, paths = named.target, RunPaths(config.results)
    common = {
        "name": target.name,
        "bait": target.bait,
        "prey": target.prey,
        "folder": named.folder,
        "n_token": named.n_token,
        "n_chain": len(target.chain_ids),
        "search": searched_by(target, config),
        "model": config.model.name,
        "weights": config.weights_kind,
        "target_id": target.id,
        "result_id": result_id,
        "source": target.source,
        "reason": "",
    }
    if receipt is not None:
        return [_sample_row(common, named, receipt, sample, config) for sample in receipt["samples"]]
    failure = FailureStore(paths.failures).read(named.folder, result_id)
    if failure is not None:
        return [common | {"status": Status.FAILED, "reason": f"{failure.reason}: {failure.message}"}]
    return [common | {"status": Status.MISSING, "reason": "not folded yet"}]


def searched_by(target: Target, config: RunConfig) -> str:
    """Where a target's alignments come from: the engine of the search, "own", or "none"."""
    if any(needs_search(entity, config) for entity in target.entities):
        return config.search.engine
    return "own" if any(entity.unpaired_msa or entity.paired_msa for entity in target.entities) else "none"


def _sample_row(
    common: Mapping[str, Any],
    named: NamedTarget,
    receipt: Mapping[str, Any],
    sample: Mapping[str, Any],
    config: RunConfig,
) -> dict[str, Any]:
    folder = RunPaths(config.results).predictions / named.folder
    path = sample_structure(folder, sample["rank"], sample["seed"], sample["sample"], receipt["keep"])
    # As seen from the table, so that a results folder can be moved.
    structure = "" if path is None else path.relative_to(config.results).as_posix()
    facts = {key: receipt[key] for key in ("n_msa", "bucket", "seconds")} | {"stopped": receipt.get("stopped", "")}
    single = {"iptm": None} if common["n_chain"] == 1 else {}
    return {**common, **facts, **sample, **single, "status": Status.DONE, "structure": structure}


def _rejection_row(rejection: Rejection) -> dict[str, Any]:
    known = {"name": rejection.name, "reason": rejection.reason, "source": rejection.source}
    return known | {"status": Status.REJECTED}


def best_samples(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a summary table that are the best sample of a target, the best target first."""
    return table[(table.status == Status.DONE) & (table["rank"] == 1)]


def target_summary(table: pd.DataFrame) -> pd.DataFrame:
    """A summary table's row for each target: its best sample, or why there is none; and for each rejected record."""
    return pd.concat([best_samples(table), table[table.status != Status.DONE]], ignore_index=True)


def finished_samples(results: Path, names: Sequence[str] = ()) -> pd.DataFrame:
    """The best samples of finished targets, of these names or all, by a run's summary table.

    Raises InputError for a name that is not among them.
    """
    best = best_samples(read_table(RunPaths(results).summary, "finish the run, or write it with `pfold summary`"))
    unknown = sorted(set(names) - set(best.name))
    if unknown:
        near = difflib.get_close_matches(unknown[0], best.name, 1)
        hint = f"did you mean {near[0]}?" if near else "`pfold status` lists them"
        raise InputError(f"{results}: no finished target is named {', '.join(unknown)}; {hint}")
    return best[best.name.isin(names)] if names else best


def best_results(table: pd.DataFrame, count: int = 5) -> list[str]:
    """A line for each of the best targets of a summary table, and one that says how many there are beside them."""
    best = best_samples(table)
    lines = []
    for row in best.head(count).to_dict("records"):
        scores = [f"ranking score {row['ranking_score']:.3f}", f"pLDDT {row['plddt']:.1f}", f"pTM {row['ptm']:.2f}"]
        scores += [
            f"{name} {row[key]:.2f}" for name, key in (("ipTM", "iptm"), ("ipSAE", "ipsae")) if pd.notna(row[key])
        ]
        lines.append(f"{row['name']}: {', '.join(scores)}: {row['structure']}")
    return [*lines, f"and {len(best) - count} more in the table"] if len(best) > count else lines


def check_failures(table: pd.DataFrame, max_failed: float) -> None:
    """Raises TooManyFailedError, naming targets and reasons, where more than this fraction was accepted but failed."""
    accepted = table[table.status != Status.REJECTED].drop_duplicates("folder")
    failed = accepted[accepted.status.isin(NOT_FOLDED)]
    if len(failed) > max_failed * len(accepted):
        lines = [f"  {row['name']}: {row['reason']}" for row in failed.head(20).to_dict("records")]
        more = [f"  and {len(failed) - 20} more in the summary table"] if len(failed) > 20 else []
        raise TooManyFailedError(
            "\n".join(
                [f"{len(failed)} of {len(accepted)} targets were not folded:", *lines, *more]
                + ["After mending the cause, `pfold retry` clears the failures for the next run."]
            )
        )
