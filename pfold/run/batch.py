"""A batch: load the model once, fold one pass of targets after another, keep each result before the next."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pfold.config import RunConfig
from pfold.errors import CrashedError, StoppedError
from pfold.files import remove_leftovers
from pfold.inference.memory import max_targets
from pfold.inference.model import Model, load_model
from pfold.logs import Progress
from pfold.results.receipt import is_done
from pfold.run.attempt import Attempt, begin_attempt
from pfold.run.failures import FailureStore
from pfold.run.fold import PassRunner
from pfold.run.identity import require_planned, result_id, run_identity
from pfold.run.jobs import PREDICT, Batch, PlannedPrediction
from pfold.run.paths import RunPaths
from pfold.targets.types import Target

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchOutcome:
    """Names of the targets of a batch by what became of them; retryable ones are left to the next attempt."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    retryable: list[str] = field(default_factory=list)


def run_batch(name: str, batch: Batch, targets: Mapping[str, Target], config: RunConfig) -> BatchOutcome:
    """Fold what is missing of a batch.

    name, batch: a job of the plan; targets: by folder. A target that fails does not stop the others; one that an
    earlier attempt failed or died with is folded alone, after them.
    Raises WeightsError where the checkpoint can't be loaded, ChangedError where it or the settings are others than were
    planned, StoppedError when told to stop (SIGTERM).
    """
    paths = RunPaths(config.results)
    with begin_attempt(paths.job(PREDICT, name), paths.running / f"{name}.json") as attempt:
        outcome, missing = _sort_out(batch.targets, paths, attempt)
        if not missing:
            return outcome
        run = run_identity(config)
        for planned in missing:
            now = result_id(targets[planned.folder], planned.features_id, run, config)
            require_planned(planned.result_id, now, planned.name)
        # Where recycling may stop early, each target has cycles of its own.
        most = 1 if config.recycle_tolerance else config.targets_per_pass or max_targets(batch.bucket)
        passes = cut_passes(missing, paths, most)
        bar = Progress(passes, f"bucket {batch.bucket}", "pass")
        runner = PassRunner(_load(config), targets, batch.bucket, config, attempt, bar.note)
        for planned_together in bar:
            if attempt.stopping:
                raise StoppedError(f"batch {name}: stopped; what is finished is kept, and the next attempt goes on")
            done, failures = runner.run(planned_together)
            outcome.done.extend(done)
            for failure in failures:
                (outcome.retryable if failure.retryable else outcome.failed).append(failure.name)
    return outcome


def cut_passes(planned: Iterable[PlannedPrediction], paths: RunPaths, size: int) -> list[list[PlannedPrediction]]:
    """Targets that go through the model together: up to `size` with the same number of seeds.

    Those that failed before are alone, and last, the most suspicious at the end.
    """
    failures = FailureStore(paths.failures)
    together: dict[int, list[PlannedPrediction]] = {}
    alone: list[tuple[int, PlannedPrediction]] = []
    for p in planned:
        failure = failures.read(p.folder, p.result_id)
        if failure is None:
            together.setdefault(len(p.seeds), []).append(p)
        else:
            alone.append((failure.attempts, p))
    passes = [same[i : i + size] for same in together.values() for i in range(0, len(same), size)]
    return passes + [[p] for _, p in sorted(alone, key=lambda suspect: suspect[0])]


def _sort_out(
    planned: Sequence[PlannedPrediction], paths: RunPaths, attempt: Attempt
) -> tuple[BatchOutcome, list[PlannedPrediction]]:
    """What earlier attempts left of a batch: outcomes that are settled, and the targets still to fold.

    Those that an attempt died with have one failure more.
    """
    failures = FailureStore(paths.failures)
    outcome, missing = BatchOutcome(), []
    for p in planned:
        interrupted = p.folder in attempt.interrupted
        if interrupted:
            for place in p.places:
                remove_leftovers(paths.predictions / place.folder)
        if all(is_done(paths.predictions / place.folder, p.result_id) for place in p.places):
            outcome.done.append(p.name)
            continue
        if interrupted:
            failures.record(CrashedError("the job died while folding it"), p)
        earlier = failures.read(p.folder, p.result_id)
        if earlier is not None and not earlier.retryable:
            outcome.failed.append(p.name)
        else:
            missing.append(p)
    attempt.forget()
    if len(missing) < len(planned):
        logger.info(
            "of %d targets %d are done, %d given up, %d to fold",
            len(planned),
            len(outcome.done),
            len(outcome.failed),
            len(missing),
        )
    return outcome, missing


def _load(config: RunConfig) -> Model:
    start = time.perf_counter()
    model = load_model(config.model.name, config.weights, config.dtype)
    logger.info("%s loaded in %.1f s (%s)", config.model.name, time.perf_counter() - start, config.dtype)
    if config.remark:
        logger.warning("%s", config.remark)
    return model
