"""The summary table of a run: a row per target and sample, failures and rejections included."""

import logging
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pandas as pd

from pfold.config import RunConfig
from pfold.errors import TooManyFailedError, explain
from pfold.files import read_table
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
    "status",
    "reason",
    "rank",
    "seed",
    "sample",
    "ranking_score",
    "plddt",
    "ptm",
    "iptm",
    "gpde",
    "has_clash",
    "n_token",
    "n_chain",
    "n_msa",
    "search",
    "bucket",
    "seconds",
    "model",
    "weights",
    "structure",
    "folder",
    "target_id",
    "result_id",
    "source",
)


def summarise(config: RunConfig) -> pd.DataFrame:
    """The table of a run: a row for each target and sample.

    status is one of `Status`; rows follow the input, best samples first.
    """
    paths = RunPaths(config.results)
    targets, rejections = read_target_table(paths.targets)
    plan = read_table(paths.plan_table, "make it with `pfold plan`").set_index("folder")
    rows: list[dict[str, Any]] = []
    for named in targets:
        try:
            rows += target_rows(named, str(plan.at[named.folder, "result_id"]), config, paths)
        except Exception as error:
            reason = (
                f"{paths.predictions / named.folder}: its result can't be read ({explain(error)}); remove the folder"
            )
            logger.error("%s: %s", named.target.name, reason, exc_info=error)
            known = {"name": named.target.name, "folder": named.folder, "source": named.target.source}
            rows.append(known | {"status": Status.FAILED, "reason": reason})
    rows += [_rejection_row(rejection) for rejection in rejections]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {"rank": "Int64", "seed": "Int64", "sample": "Int64", "bucket": "Int64", "n_msa": "Int64"}
    )
    counts = table.drop_duplicates(["name", "status", "source"]).status.value_counts()
    logger.info("%s", ", ".join(f"{n} {status}" for status, n in counts.items()) or "no targets")
    return table


def target_rows(named: NamedTarget, result_id: str, config: RunConfig, paths: RunPaths) -> list[dict[str, Any]]:
    """Rows of one target: one a sample if it is done, one row otherwise."""
    target = named.target
    common = {
        "name": target.name,
        "folder": named.folder,
        "n_token": named.n_token,
        "n_chain": len(target.chain_ids),
        "search": searched_by(target, config),
        "model": config.model.name,
        "weights": "untrained" if config.untrained else "published",
        "target_id": target.id,
        "result_id": result_id,
        "source": target.source,
        "reason": "",
    }
    receipt = read_receipt(paths.predictions / named.folder)
    if receipt is not None and receipt["result_id"] == result_id:
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
    structure = sample_structure(folder, sample["rank"], sample["seed"], sample["sample"], receipt["keep"])
    facts = {key: receipt[key] for key in ("n_msa", "bucket", "seconds")}
    single = {"iptm": None} if common["n_chain"] == 1 else {}
    return {**common, **facts, **sample, **single, "status": Status.DONE, "structure": str(structure or "")}


def _rejection_row(rejection: Rejection) -> dict[str, Any]:
    known = {"name": rejection.name, "reason": rejection.reason, "source": rejection.source}
    return known | {"status": Status.REJECTED}


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
