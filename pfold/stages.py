"""The stages of a run, one function each: what a rule of the workflow or a subcommand of `pfold` calls."""

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pfold.chem.components import use_components
from pfold.config import RunConfig, parse_config
from pfold.errors import (
    ConfigError,
    InputError,
    PfoldError,
    RetryableLeftError,
    RunningError,
    exit_code,
    explained_os_errors,
    is_disk_full,
)
from pfold.features.constraints import constraint_features
from pfold.features.msa import distinct_rows
from pfold.features.store import FeatureStore
from pfold.features.tokens import count_tokens, tokenize
from pfold.files import read_table, write_json, write_text
from pfold.logs import progress, start_logging
from pfold.msa.engines.engine import Query
from pfold.msa.shard import search_shard
from pfold.msa.store import AlignmentStore
from pfold.report.page import write_report
from pfold.report.prediction import read_prediction
from pfold.report.status import format_status, run_progress
from pfold.report.tables import best_results, check_failures, summarise, write_tables
from pfold.run.clean import Leftover, find_leftovers, remove_leftovers
from pfold.run.failures import FailureStore
from pfold.run.identity import check_databases, require_planned, run_identity, searched_alignment, weights_files
from pfold.run.inputs import embed_missing, planned_features
from pfold.run.jobs import FEATURES, JOB_KINDS, PREDICT, SEARCH, read_batch, read_features_shard, read_search_shard
from pfold.run.killed import forget_killed_run
from pfold.run.lock import results_held
from pfold.run.npu import claim_npu
from pfold.run.paths import RunPaths
from pfold.run.plan import make_plan
from pfold.run.receipts import (
    CHECK,
    PLAN,
    SUMMARY,
    TARGETS,
    begin_stage,
    check_source,
    end_stage,
    plan_source,
    settle_receipts,
    source_digests,
    summary_source,
    targets_source,
)
from pfold.run.sources import read_sources, source_files
from pfold.targets.convert import write_protenix_json
from pfold.targets.named_files import noting_files
from pfold.targets.read import read_targets
from pfold.targets.table import collect_targets, read_target_table, write_targets
from pfold.targets.types import PROTEIN, RNA, Target

logger = logging.getLogger(__name__)


NO_SEARCH = (
    "NO ALIGNMENTS ARE SEARCHED: no database and no server is named (--database, --engine, --config). Chains that "
    "bring no alignment of their own are folded as single sequences, which is much less accurate"
)


def begin_run(config: RunConfig) -> list[str]:
    """Look at what an earlier run has left, before a workflow does; returns lines to tell the user.

    Receipts that are no longer true are removed, unless another run is at work in the folder.
    Raises ConfigError or WeightsError where targets, databases or weights are missing.
    """
    check_databases(config)
    weights_files(config)
    source_files(config)
    if config.components is not None and not config.components.is_file():
        raise ConfigError(f"components: {config.components} does not exist")
    if not config.results.is_dir():
        return []
    try:
        with explained_os_errors(), results_held(config.results):
            forget_killed_run(config.results)
            lost = settle_receipts(config)
            return [f"{name}: its result is {what} and will be made again" for name, what in lost.items()]
    except RunningError as error:
        return [f"{error}. What that run leaves is not looked at"]


def run_targets(config: RunConfig) -> None:
    """Read all target files into the table of targets."""
    paths = RunPaths(config.results)
    begin_stage(paths, TARGETS)
    write_json(paths.configuration, {"folder": os.getcwd(), "keys": config.keys})
    use_components(config.components)
    files = source_files(config)
    # Taken before the files are read: one that changes meanwhile is read again by the next run.
    made_from, sources = targets_source(config), source_digests(files)
    with noting_files() as named:
        records = collect_targets(
            read_sources(config), functools.partial(check_target, config=config), config.max_tokens
        )
    write_targets(records, paths.targets)
    made = (paths.targets, paths.targets.with_suffix(".csv"))
    end_stage(paths, TARGETS, made_from, made, sources=source_digests(named) | sources)


def check_target(target: Target, config: RunConfig) -> int:
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
    """Plan what is missing: search shards, features shards and batches. Raises PfoldError before `run_targets`."""
    paths = RunPaths(config.results)
    begin_stage(paths, PLAN)
    made_from = plan_source(config, paths)
    make_plan(config)
    jobs = [path for kind in JOB_KINDS for path in paths.jobs(kind)]
    end_stage(paths, PLAN, made_from, [paths.plan_table, *jobs])


def _targets_of(folders: Sequence[str], paths: RunPaths) -> dict[str, Target]:
    """Targets by results folder."""
    return {named.folder: named.target for named in read_target_table(paths.targets, folders)[0]}


def run_search(config: RunConfig, shard: str, cpus: int = 1) -> None:
    """Search the sequences of a shard."""
    paths = RunPaths(config.results)
    items = read_search_shard(paths.job(SEARCH, shard)).items
    run = run_identity(config)
    for item in items:
        require_planned(item.alignment_id, searched_alignment(item.sequence, item.kind, run), item.name)
    queries = [Query(item.alignment_id, item.sequence, item.kind, item.name) for item in items]
    search_shard(queries, config.search, AlignmentStore(config.store / "alignments"), cpus)
    write_json(paths.receipt(SEARCH, shard), {"alignments": sorted(query.key for query in queries)})


def run_features(config: RunConfig, shard: str, cpus: int = 1) -> None:
    """Make the features of the targets of a shard; one with a bad alignment fails, and the others go on."""
    use_components(config.components)
    store = FeatureStore(config.store / "features")
    paths = RunPaths(config.results)
    failures = FailureStore(paths.failures)
    items = read_features_shard(paths.job(FEATURES, shard)).items
    targets = _targets_of([item.targets[0].folder for item in items], paths)
    run = run_identity(config)
    if config.model.esm:
        embed_missing([targets[item.targets[0].folder] for item in items], config)
    for item in progress(items, "features", "target"):
        target = targets[item.targets[0].folder]
        try:
            if item.features_id not in store:
                features = planned_features(target, item, run, config, cpus)
                store.write(item.features_id, features)
                n_token, n_msa = len(features["token_index"]), distinct_rows(features["msa"])
                logger.info("%s: %d tokens, %d MSA rows", target.name, n_token, n_msa)
        except Exception as error:
            if is_disk_full(error):
                raise
            for planned in item.targets:
                failures.record(error, planned)
    write_json(paths.receipt(FEATURES, shard), {"features": sorted(item.features_id for item in items)})


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
    from pfold.inference.profile import profiled
    from pfold.run.batch import run_batch

    use_components(config.components)
    paths = RunPaths(config.results)
    job = read_batch(paths.job(PREDICT, batch))
    targets = _targets_of([planned.folder for planned in job.targets], paths)
    with profiled(profile):
        outcome = run_batch(batch, job, targets, config)
    logger.info(
        "batch %s: %d done, %d failed, %d to try again",
        batch,
        len(outcome.done),
        len(outcome.failed),
        len(outcome.retryable),
    )
    if outcome.retryable:
        raise RetryableLeftError(f"batch {batch}: to try again: {', '.join(outcome.retryable)}")
    write_json(paths.receipt(PREDICT, batch), {"done": outcome.done, "failed": outcome.failed})


def run_summary(config: RunConfig, cpus: int = 1) -> pd.DataFrame:
    """Write the tables and the report, and return the summary; what a run that failed has left of them goes.

    Before every batch is finished they say what there is so far, and nothing is taken for done.
    """
    paths = RunPaths(config.results)
    begin_stage(paths, SUMMARY)
    made_from = summary_source(paths)
    tables = summarise(config)
    write_tables(tables, paths.summary, paths.pairs)
    write_report(tables, config, paths.report, cpus=cpus)
    partial_report = (paths.partial_report, paths.partial_report.with_suffix(".js"))
    for left in (*_both(paths.partial_summary), *_both(paths.partial_pairs), *partial_report):
        left.unlink(missing_ok=True)
    if all(paths.receipt(PREDICT, job.stem).is_file() for job in paths.jobs(PREDICT)):
        report = (paths.report, paths.report.with_suffix(".js"))
        end_stage(paths, SUMMARY, made_from, (*_both(paths.summary), *_both(paths.pairs), *report))
    return tables.summary


def run_report(config: RunConfig, name: str | None = None, single: Path | None = None, cpus: int = 1) -> str:
    """Write the report of what the run has done so far, or one target's page as a single file; returns where it is.

    Raises InputError for a target that is not done, ConfigError for a single file of no target.
    """
    if single is not None:
        if name is None:
            raise ConfigError("--single needs the name of a target: pfold report TARGET --single FILE")
        write_text(single, read_prediction(config.results, name).page())
        return str(single)
    front = write_report(summarise(config), config, RunPaths(config.results).report, cpus=cpus).absolute()
    if name is None:
        return str(front)
    folder = read_prediction(config.results, name).folder.name
    return f"{front.with_name('target.html').as_uri()}#{folder}"


def _both(table: Path) -> tuple[Path, Path]:
    """A table as Parquet and as CSV."""
    return table, table.with_suffix(".csv")


def run_partial_summary(config: RunConfig) -> None:
    """What a run that failed has done so far, in files of their own, where it came from a plan to no summary."""
    paths = RunPaths(config.results)
    if paths.stage_receipt(PLAN).is_file() and not paths.stage_receipt(SUMMARY).is_file():
        tables = summarise(config)
        write_tables(tables, paths.partial_summary, paths.partial_pairs)
        logger.info("so far: %s", write_report(tables, config, paths.partial_report))


def run_check(config: RunConfig) -> None:
    """Raises TooManyFailedError where more targets failed than max_failed allows."""
    paths = RunPaths(config.results)
    begin_stage(paths, CHECK)
    made_from = check_source(config, paths)
    check_failures(read_table(paths.summary, "write it with `pfold summary`"), config.max_failed)
    end_stage(paths, CHECK, made_from, ())


def run_retry(config: RunConfig, reason: str | None = None) -> list[str]:
    """Let the next run fold failed targets again, all or those of one reason; returns their names."""
    paths = RunPaths(config.results)
    with results_held(config.results):
        pardoned = FailureStore(paths.failures).pardon(reason)
        if pardoned:
            begin_stage(paths, PLAN)
    return pardoned


def run_clean(configs: Sequence[RunConfig], *, delete: bool, stores: bool) -> list[Leftover]:
    """Find, and with `delete` remove, what no input of these runs needs any more (`pfold.run.clean`).

    Target files that have changed are read anew. Raises RunningError where another run is at work in a results folder.
    """
    with contextlib.ExitStack() as held:
        for config in configs:
            held.enter_context(results_held(config.results))
            settle_receipts(config)
            if not RunPaths(config.results).stage_receipt(TARGETS).is_file():
                run_targets(config)
        leftovers = find_leftovers(configs, stores=stores)
        if delete:
            remove_leftovers(leftovers)
    return leftovers


def run_status(config: RunConfig) -> str:
    """What is done, running, failed and left of a run, as text. Raises PfoldError before there is a plan."""
    return format_status(run_progress(config))


def run_all(config: RunConfig, cpus: int = 1) -> None:
    """Run all stages one after another in this process; what an earlier run finished is kept.

    Raises RunningError where another run is at work in the results folder.
    """
    check_databases(config)
    with results_held(config.results):
        _run_stages(config, cpus)


def _run_stages(config: RunConfig, cpus: int) -> None:
    paths = RunPaths(config.results)
    no_search = config.search.engine == "none" and config.use_msa
    if no_search:
        logger.warning("%s", NO_SEARCH)
    run_targets(config)
    run_plan(config)
    for job in paths.jobs(SEARCH):
        run_search(config, job.stem, cpus)
    for job in paths.jobs(FEATURES):
        run_features(config, job.stem, cpus)
    left = []
    for job in paths.jobs(PREDICT):
        try:
            run_predict(config, job.stem)
        except RetryableLeftError as error:
            left.append(str(error))
    for line in best_results(run_summary(config, cpus)):
        logger.info("%s", line)
    if config.remark:
        logger.warning("%s", config.remark)
    logger.info("results: %s", paths.summary.with_suffix(".csv"))
    if no_search:
        logger.warning("%s", NO_SEARCH)
    if left:
        raise RetryableLeftError("\n".join(left))
    run_check(config)


def run_rule(raw_config: Mapping[str, Any], log: str, stage: Callable[[RunConfig], object]) -> None:
    """Run a stage for a rule of the workflow: log to the rule's file too, and end with the error's exit code."""
    start_logging(Path(log))
    try:
        with explained_os_errors():
            stage(parse_config(raw_config))
    except PfoldError as error:
        logger.error("%s", error)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        logger.warning("stopped; what is finished is kept, and the same command goes on from there")
        sys.exit(1)
