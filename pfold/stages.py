"""The stages of a run, one function each: what a rule of the workflow or a subcommand of `pfold` calls."""

import functools
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pfold.chem.components import use_components
from pfold.config import RunConfig, parse_config
from pfold.errors import InputError, PfoldError, exit_code, explained_full_disk
from pfold.features.constraints import constraint_features
from pfold.features.store import FeatureStore
from pfold.features.tokens import count_tokens, tokenize
from pfold.files import read_json, write_json
from pfold.logs import progress, start_logging
from pfold.predict.device import claim_npu
from pfold.predict.inputs import embed_missing, target_features
from pfold.predict.outcome import BAD_INPUT, pardon, record_failures
from pfold.predict.paths import RunPaths
from pfold.predict.plan import make_plan
from pfold.results.report import write_report
from pfold.results.status import format_status, run_progress
from pfold.results.tables import check_failures, summarise
from pfold.search.store import AlignmentStore
from pfold.targets.convert import write_protenix_json
from pfold.targets.read import read_targets, target_files
from pfold.targets.table import collect_targets, read_target_table, write_targets
from pfold.targets.types import PROTEIN, RNA, Target

logger = logging.getLogger(__name__)


class RetryableLeftError(PfoldError):
    """Targets of a batch failed in a way that another attempt may mend."""


def run_targets(config: RunConfig) -> None:
    """Read all target files into the table of targets."""
    use_components(config.components)
    files = target_files(list(config.targets))
    records = collect_targets(files, functools.partial(_check_target, config=config), config.max_tokens)
    write_targets(records, RunPaths(config.results).targets)


def _check_target(target: Target, config: RunConfig) -> int:
    """Number of tokens of a target. Raises InputError for what can't be built or what the model can't take."""
    if (target.contacts or target.pockets) and not config.model.constraints:
        raise InputError(
            f"{config.model.name} takes no contacts and pockets; fold this target with protenix_base_constraint_v0.5.0"
        )
    for entity in target.entities:
        if entity.templates and not config.use_templates:
            logger.warning("%s: its templates are not used: %s takes none", target.name, config.model.name)
        if entity.kind == RNA and entity.has_own_msa and not config.use_rna_msa:
            logger.warning("%s: its alignment of RNA is not used (use_rna_msa)", target.name)
        if entity.kind == PROTEIN and entity.has_own_msa and not config.use_msa:
            logger.warning("%s: its alignments are not used (use_msa)", target.name)
    if not target.contacts and not target.pockets:
        return count_tokens(target)
    tokens = tokenize(target)
    constraint_features(target, tokens)
    return tokens.n_token


def run_convert(files: Sequence[str], output: Path) -> None:
    """Write the targets of files of any format as one Protenix JSON. Raises InputError for what it can't say."""
    write_protenix_json([target for file in files for target in read_targets(file)], output)


def run_plan(config: RunConfig) -> None:
    """Plan what is missing: search shards, features shards and batches."""
    make_plan(config)


def _job(config: RunConfig, stage: str, name: str) -> dict[str, Any]:
    path = RunPaths(config.results).job(stage, name)
    if not path.is_file():
        raise PfoldError(f"{path}: the plan has no such {stage} job; make the plan anew")
    return dict(read_json(path))


def _targets_of(folders: Sequence[str], paths: RunPaths) -> dict[str, Target]:
    """Targets by results folder."""
    return {named.folder: named.target for named in read_target_table(paths.targets, folders)[0]}


def run_search(config: RunConfig, shard: str, cpus: int = 1) -> None:
    """Search the sequences of a shard."""
    # Imported here: only this stage needs HMMER.
    from pfold.search.shard import Query, search_shard

    items = _job(config, "search", shard)["items"]
    queries = [Query(item["alignment_id"], item["sequence"], item["kind"], item["name"]) for item in items]
    search_shard(queries, config.search, AlignmentStore(config.store / "alignments"), cpus)
    write_json(RunPaths(config.results).receipt("search", shard), {"alignments": sorted(q.key for q in queries)})


def run_features(config: RunConfig, shard: str, cpus: int = 1) -> None:
    """Make the features of the targets of a shard; one with a bad alignment fails, and the others go on."""
    use_components(config.components)
    store = FeatureStore(config.store / "features")
    paths = RunPaths(config.results)
    items = _job(config, "features", shard)["items"]
    targets = _targets_of([item["targets"][0]["folder"] for item in items], paths)
    if config.model.esm:
        embed_missing([targets[item["targets"][0]["folder"]] for item in items], config)
    for item in progress(items, "features", "target"):
        target = targets[item["targets"][0]["folder"]]
        try:
            if item["features_id"] not in store:
                features = target_features(target, item["alignments"], config, cpus)
                store.write(item["features_id"], features)
                n_token, n_msa = len(features["token_index"]), len(features["msa"])
                logger.info("%s: %d tokens, %d alignment rows", target.name, n_token, n_msa)
        except InputError as error:
            for place in item["targets"]:
                record_failures(paths.failures, place, BAD_INPUT, str(error), retryable=False)
            logger.error("%s failed and is given up: %s", target.name, error)
    write_json(paths.receipt("features", shard), {"features": sorted(item["features_id"] for item in items)})


def run_predict(config: RunConfig, batch: str, threads: int | None = None, profile: Path | None = None) -> None:
    """Fold the targets of a batch with so many CPU threads, by default all; profile it into a folder if one is given.

    Raises RetryableLeftError where another attempt may fold what failed.
    """
    # Before MindSpore is imported, which is here, as only this stage needs it.
    os.environ.setdefault("GLOG_v", "3")
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    claim_npu()
    from mindspore import set_context

    if threads:
        set_context(runtime_num_threads=threads)
    from pfold.predict.batch import run_batch
    from pfold.predict.profile import profiled
    from pfold.results.folder import write_result

    use_components(config.components)
    paths = RunPaths(config.results)
    job = _job(config, "predict", batch)
    targets = _targets_of([item["folder"] for item in job["targets"]], paths)
    with profiled(profile):
        outcome = run_batch(batch, job, targets, config, write_result)
    logger.info(
        "batch %s: %d done, %d failed, %d to try again",
        batch,
        len(outcome.done),
        len(outcome.failed),
        len(outcome.retryable),
    )
    if outcome.retryable:
        raise RetryableLeftError(f"batch {batch}: to try again: {', '.join(outcome.retryable)}")
    write_json(paths.receipt("predict", batch), {"done": outcome.done, "failed": outcome.failed})


def run_summary(config: RunConfig) -> None:
    """Write the summary table and the report."""
    write_report(summarise(config), config)


def run_partial_summary(config: RunConfig) -> None:
    """The summary of a run that failed, where it came as far as a plan."""
    if (RunPaths(config.results).plan / "plan.parquet").is_file():
        run_summary(config)


def run_check(config: RunConfig) -> None:
    """Raises TooManyFailedError where more targets failed than max_failed allows."""
    check_failures(pd.read_parquet(RunPaths(config.results).summary), config.max_failed)


def run_retry(config: RunConfig, reason: str | None = None) -> list[str]:
    """Let the next run fold failed targets again, all or those of one reason; returns their names."""
    paths = RunPaths(config.results)
    pardoned = pardon(paths.failures, reason)
    if pardoned:
        # The workflow does not ask for a plan that is gone, but makes one anew where this note has changed.
        shutil.rmtree(paths.plan, ignore_errors=True)
        write_json(paths.lost, {"lost": [], "retry": pardoned, "since": time.time_ns()})
    return pardoned


def run_status(config: RunConfig) -> str:
    """What is done, running, failed and left of a run, as text. Raises PfoldError before there is a plan."""
    return format_status(run_progress(config))


def run_all(config: RunConfig, cpus: int = 1) -> None:
    """Run all stages one after another in this process; what an earlier run finished is kept."""
    run_targets(config)
    run_plan(config)
    paths = RunPaths(config.results)

    def jobs(stage: str) -> list[str]:
        return sorted(path.stem for path in (paths.plan / stage).glob("*.json"))

    for shard in jobs("search"):
        run_search(config, shard, cpus)
    for shard in jobs("features"):
        run_features(config, shard, cpus)
    left = []
    for batch in jobs("predict"):
        try:
            run_predict(config, batch)
        except RetryableLeftError as error:
            left.append(str(error))
    run_summary(config)
    if left:
        raise RetryableLeftError("\n".join(left))
    run_check(config)


def run_rule(raw_config: Mapping[str, Any], log: str, stage: Callable[[RunConfig], None]) -> None:
    """Run a stage for a rule of the workflow: log to the rule's file too, and end with the error's exit code."""
    start_logging(Path(log))
    try:
        with explained_full_disk():
            stage(parse_config(raw_config))
    except PfoldError as error:
        logger.error("%s", error)
        sys.exit(exit_code(error))
