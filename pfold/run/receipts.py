"""Receipts of a run's stages: from what each was made and what it made, both by content.

The workflow sees receipts alone. One that is no longer true is removed before it looks, with those of all later stages:
so what has changed is told by what is in the files, not by a clock, and nothing that a failed run leaves is mistaken
for something done.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from pfold import __version__
from pfold.config import RunConfig
from pfold.errors import PfoldError
from pfold.features.store import FeatureStore
from pfold.files import digest, file_digest, read_record, read_table, write_json
from pfold.msa.store import AlignmentStore
from pfold.results.receipt import is_done
from pfold.run.failures import FailureStore
from pfold.run.identity import run_identity
from pfold.run.jobs import FEATURES, PREDICT, SEARCH, read_batch, read_search_shard
from pfold.run.paths import RunPaths
from pfold.run.sources import source_files

logger = logging.getLogger(__name__)

# In the order in which they run; search, features and predict have receipts of each job between plan and summary.
TARGETS, PLAN, SUMMARY, CHECK = STAGES = ("targets", "plan", "summary", "check")


def begin_stage(paths: RunPaths, stage: str) -> None:
    """Forget the receipts of a stage that is about to run and of those after it."""
    for later in STAGES[STAGES.index(stage) :]:
        paths.stage_receipt(later).unlink(missing_ok=True)


def end_stage(paths: RunPaths, stage: str, made_from: str, files: Iterable[Path], **more: object) -> None:
    """Write the receipt of a stage that is done.

    made_from: hash of what it depends on; files: what it made; more: kept for the next look.
    """
    made = {str(path.relative_to(paths.results)): file_digest(path) for path in sorted(files)}
    write_json(paths.stage_receipt(stage), {"from": made_from, "files": made, **more})


def settle_receipts(config: RunConfig) -> dict[str, str]:
    """Remove the receipts that are no longer true; returns the targets whose results are lost: name -> gone or damaged.

    Raises ConfigError or WeightsError where targets, databases or weights are missing.
    """
    paths = RunPaths(config.results)
    lost: dict[str, str] = {}
    checks: dict[str, Callable[[], bool]] = {
        TARGETS: lambda: _sources_are_the_same(config, paths),
        PLAN: lambda: _holds(paths, PLAN, plan_source(config, paths)) and not lost and inputs_are_there(config, paths),
        SUMMARY: lambda: _holds(paths, SUMMARY, summary_source(paths)),
        CHECK: lambda: _holds(paths, CHECK, check_source(config, paths)),
    }
    for stage, holds in checks.items():
        if stage == PLAN and paths.stage_receipt(PLAN).is_file():
            lost = lost_results(paths)
        if not holds():
            begin_stage(paths, stage)
            break
    return lost


def _holds(paths: RunPaths, stage: str, made_from: str) -> bool:
    receipt = read_record(paths.stage_receipt(stage), "from", "files")
    return receipt is not None and receipt["from"] == made_from and _made(paths, receipt["files"])


def _made(paths: RunPaths, files: dict[str, str]) -> bool:
    return all(_digest_of(paths.results / name) == known for name, known in files.items())


def _digest_of(path: Path) -> str:
    """Digest of a file; "" where there is none that can be read."""
    try:
        return file_digest(path)
    except (OSError, ValueError):
        return ""


def targets_source(config: RunConfig) -> str:
    """Hash of everything but the files' contents that the table of targets depends on."""
    components = file_digest(config.components) if config.components else ""
    uses = config.use_msa, config.use_rna_msa, config.use_templates
    files = [str(path) for path in source_files(config)]
    return digest(__version__, files, config.model.name, config.max_tokens, components, uses)


def source_digests(files: Iterable[Path]) -> dict[str, str]:
    """Path -> digest of the files that targets come from; "" for those that are missing."""
    return {str(path): _digest_of(path) for path in sorted(files)}


def _sources_are_the_same(config: RunConfig, paths: RunPaths) -> bool:
    receipt = read_record(paths.stage_receipt(TARGETS), "from", "files", "sources")
    if receipt is None or receipt["from"] != targets_source(config) or not _made(paths, receipt["files"]):
        return False
    return all(_digest_of(Path(name)) == known for name, known in receipt["sources"].items())


def plan_source(config: RunConfig, paths: RunPaths) -> str:
    """Hash of everything that the plan depends on, but results: targets, databases, weights and settings."""
    settings = [
        [config.model.name, *config.seeds, config.sampling(), config.keep, config.targets_per_pass],
        [config.max_tokens, config.buckets, config.device_bytes, str(config.store)],
    ]
    return digest(__version__, _digest_of(paths.stage_receipt(TARGETS)), asdict(run_identity(config)), settings)


def summary_source(paths: RunPaths) -> str:
    """Hash of what the summary is made from: the plan, and the receipts of its batches."""
    batches = [paths.receipt(PREDICT, path.stem) for path in paths.jobs(PREDICT)]
    return digest(_digest_of(paths.stage_receipt(PLAN)), [_digest_of(path) for path in batches])


def check_source(config: RunConfig, paths: RunPaths) -> str:
    """Hash of what the check is made from."""
    return digest(_digest_of(paths.stage_receipt(SUMMARY)), config.max_failed)


def inputs_are_there(config: RunConfig, paths: RunPaths) -> bool:
    """Whether the store still has what finished jobs have put there for batches that are not finished.

    Where somebody has removed it, a new plan finds out what is missing.
    """
    features, alignments = FeatureStore(config.store / "features"), AlignmentStore(config.store / "alignments")

    def done(kind: str, name: str) -> bool:
        return paths.receipt(kind, name).is_file()

    failures = FailureStore(paths.failures)
    for job in paths.jobs(PREDICT):
        batch = read_batch(job)
        if done(PREDICT, job.stem) or not all(done(FEATURES, name) for name in batch.needs):
            continue
        for planned in batch.targets:
            failed = failures.read(planned.folder, planned.result_id) is not None
            if planned.features_id not in features and not failed:
                return False
    # A folder of precomputed alignments need not have one for each sequence; features that are made need none.
    if config.search.engine == "precomputed" or all(done(FEATURES, job.stem) for job in paths.jobs(FEATURES)):
        return True
    searched = [job for job in paths.jobs(SEARCH) if done(SEARCH, job.stem)]
    return all(item.alignment_id in alignments for job in searched for item in read_search_shard(job).items)


def lost_results(paths: RunPaths) -> dict[str, str]:
    """Targets that the plan or a batch's receipt calls settled, but whose results are "gone" or "damaged", by name.

    A damaged receipt of a batch is removed.
    """
    try:
        table = read_table(paths.plan_table, "it is made again")
    except PfoldError as error:
        logger.warning("%s", error)
        return {}
    settled = {""}
    for job in paths.jobs(PREDICT):
        receipt = paths.receipt(PREDICT, job.stem)
        if read_record(receipt, "done", "failed") is not None:
            settled.add(job.stem)
        else:
            receipt.unlink(missing_ok=True)
    lost = {}
    failures = FailureStore(paths.failures)
    for row in table.to_dict("records"):
        folder = paths.predictions / row["folder"]
        if row["batch"] not in settled or is_done(folder, row["result_id"]):
            continue
        failure = failures.read(row["folder"], row["result_id"])
        if failure is None or failure.retryable:
            lost[row["name"]] = "damaged" if folder.exists() else "gone"
    return lost
