"""A cascade: runs over fewer and fewer targets, each with its own model and settings (`pfold cascade`).

Each step is a run of its own below the results folder, with its tables and report; all share one store. What a step
lets go on is named in a file, which the next step's configuration names (`only`). So a step that ran is not run again,
and another threshold folds only what is new.
"""

import copy
import functools
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from pfold.chem.components import use_components
from pfold.config import CascadeStep, RunConfig, parse_config
from pfold.config_file import merge_keys, with_paths
from pfold.errors import ConfigError
from pfold.files import read_table, write_table, write_text
from pfold.inference.buckets import token_bucket
from pfold.report.tables import Status, target_summary
from pfold.run.cost import run_tflop
from pfold.run.identity import target_seeds
from pfold.run.paths import RunPaths
from pfold.run.resources import predicted_minutes
from pfold.run.sources import read_sources
from pfold.stages import check_target
from pfold.targets.table import Counted, collect_targets

logger = logging.getLogger(__name__)

# Of the cascade's table: the step that a target came to, and why it went no further.
_OWN_COLUMNS = ["step", "stopped_at"]
_COLUMNS = ["name", "bait", "prey", "status", "ranking_score", "plddt", "ptm", "iptm", "ipsae", "n_token", "structure"]


def run_cascade(config: RunConfig, run: Callable[[Path], int]) -> int:
    """Run the steps one after another; returns the exit code of the one that failed, or 0.

    run: runs the workflow of a configuration file and returns its exit code. Raises ConfigError without a cascade.
    """
    outcomes: list[pd.DataFrame] = []
    names: list[str] | None = None
    for number, step in enumerate(_steps(config), start=1):
        path = write_step(config, step, names)
        logger.info("cascade: step %d of %d, %s: %s", number, len(config.cascade), step.name, _amount(names))
        code = run(path)
        if code != 0:
            logger.error(
                "cascade: step %s ended with exit code %d; the same command goes on from there", step.name, code
            )
            return code
        outcome = step_outcome(config, step, last=number == len(config.cascade))
        outcomes.append(outcome)
        names = outcome.name[outcome.stopped_at == ""].tolist()
        if not names:
            logger.info("cascade: no target goes on after step %s", step.name)
            break
    table = cascade_table(outcomes)
    write_table(table, config.results / "cascade.parquet")
    counts = ", ".join(f"{n} ended in {step}" for step, n in table.step.value_counts(sort=False).items())
    logger.info("cascade: %s: %s", counts, config.results / "cascade.csv")
    return 0


def _steps(config: RunConfig) -> tuple[CascadeStep, ...]:
    if not config.cascade:
        raise ConfigError("the configuration has no cascade: name its steps under that key (docs/workflow.md#cascades)")
    return config.cascade


def _amount(names: list[str] | None) -> str:
    return "all targets" if names is None else f"{len(names)} targets"


def step_keys(config: RunConfig, step: CascadeStep) -> dict[str, Any]:
    """The keys of a step's configuration: the cascade's, and over them the step's own."""
    keys: dict[str, Any] = copy.deepcopy(dict(config.keys))
    merge_keys(keys, step.keys)
    del keys["cascade"]
    return keys | {"results": str(config.results / step.name), "store": str(config.store)}


def write_step(config: RunConfig, step: CascadeStep, names: list[str] | None) -> Path:
    """Write a step's configuration, and the names of its targets if they are some; returns the configuration's path."""
    folder = config.results / "cascade"
    keys = step_keys(config, step)
    if names is not None:
        keys["only"] = str(folder / f"{step.name}.txt")
        write_text(folder / f"{step.name}.txt", "".join(f"{name}\n" for name in names))
    path = folder / f"{step.name}.yaml"
    parse_config(keys, f"cascade, step {step.name}")
    # Relative paths would be taken from the file's folder.
    write_text(path, yaml.safe_dump(_absolute(keys), sort_keys=False))
    return path


def _absolute(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys with paths that hold from any folder."""

    def walk(value: Any, relative: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: walk(item, relative[key]) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [walk(item, other) for item, other in zip(value, relative, strict=True)]
        # What reads differently from another folder is a path.
        return str(Path(value).absolute()) if value != relative else value

    elsewhere = with_paths(keys, Path("/nowhere"))
    return {key: walk(value, elsewhere[key]) for key, value in keys.items()}


def step_outcome(config: RunConfig, step: CascadeStep, *, last: bool) -> pd.DataFrame:
    """A row for each target of a step that has run: `_COLUMNS`, step, and stopped_at, empty for what goes on."""
    results = config.results / step.name
    summary = read_table(RunPaths(results).summary, f"step {step.name} has not finished")
    rows = target_summary(summary)
    stopped = [_stopped(row, step, last=last) for row in rows.to_dict("records")]
    table = rows[_COLUMNS].assign(step=step.name, stopped_at=stopped)
    places = [f"{step.name}/{place}" if isinstance(place, str) and place else "" for place in table.structure]
    return table.assign(structure=places)


def _stopped(row: Mapping[Any, Any], step: CascadeStep, *, last: bool) -> str:
    """Why a target goes no further; empty where it does."""
    if row["status"] != Status.DONE:
        return f"{row['status']}: {row['reason']}"
    if last:
        return "last step"
    unmet = []
    for score, (low, high) in step.go_on.items():
        value = row[score]
        if pd.notna(value) and low <= value <= high:
            return ""
        wanted = f"{low:g} or more" if math.isinf(high) else f"{low:g} to {high:g}"
        unmet.append(f"{score} {'none' if pd.isna(value) else f'{value:g}'}, not {wanted}")
    return "; ".join(unmet)


def cascade_table(outcomes: list[pd.DataFrame]) -> pd.DataFrame:
    """A row for each target, with the last step it came to; those that came furthest first, then by ranking score."""
    ended = [outcome[outcome.stopped_at != ""] for outcome in outcomes]
    ordered = [rows.sort_values("ranking_score", ascending=False, kind="stable") for rows in reversed(ended)]
    return pd.concat(ordered, ignore_index=True)[["name", *_OWN_COLUMNS, *_COLUMNS[1:]]]


def forecast(config: RunConfig) -> Iterator[str]:
    """What each step would cost (device minutes): of the targets that are known to go on, or at most, of all."""
    names: set[str] | None = None
    for number, step in enumerate(_steps(config)):
        own = parse_config(step_keys(config, step), f"cascade, step {step.name}")
        if number == 0:
            use_components(own.components)
            check = functools.partial(check_target, config=own)
            records = collect_targets(read_sources(own), check, own.max_tokens)
            targets = [record for record in records if isinstance(record, Counted)]
        chosen = [x for x in targets if names is None or x.target.name in names]
        minutes = sum(
            predicted_minutes(
                own, run_tflop(own, token_bucket(x.n_token, own.buckets), len(target_seeds(x.target, own)))
            )
            for x in chosen
        )
        known = number == 0 or names is not None
        yield f"step {step.name}: {'' if known else 'at most '}{len(chosen)} targets, {minutes:.2f} device minutes"
        if known and RunPaths(own.results).summary.is_file():
            outcome = step_outcome(config, step, last=number == len(config.cascade) - 1)
            names = set(outcome.name[outcome.stopped_at == ""])
        else:
            names = None
