"""The batch runner: load the model once, fold one target after another, keep each result before the next."""

import functools
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import pfold.ops as kernels
from pfold.config import RunConfig
from pfold.errors import (
    CrashedError,
    DamagedError,
    DiskFullError,
    InputError,
    NotFiniteError,
    OutOfMemoryError,
    PfoldError,
    explain,
    is_disk_full,
)
from pfold.features.atoms import augment_reference
from pfold.features.msa import distinct_rows
from pfold.features.store import FeatureStore
from pfold.files import remove_leftovers
from pfold.logs import Progress
from pfold.predict.attempt import Attempt, StoppedError, begin_attempt
from pfold.predict.buckets import atom_bucket
from pfold.predict.identity import require_planned, result_id, run_identity
from pfold.predict.inputs import embed_missing, planned_features
from pfold.predict.memory import GIB, WHOLE, Chunks, device_bytes, longest_target, memory_plan, most_targets
from pfold.predict.model import Model, load_model
from pfold.predict.noise import noise_seed
from pfold.predict.outcome import (
    Failure,
    ResultInfo,
    Sample,
    classify,
    clear_failure,
    folders_of,
    is_done,
    read_failure,
    record_failures,
)
from pfold.predict.paths import RunPaths
from pfold.targets.types import Target

logger = logging.getLogger(__name__)

Features = dict[str, np.ndarray]
# A target of a job of the plan.
Item = Mapping[str, Any]
# (folder, target, samples, info, keep): writes a result folder atomically.
ResultWriter = Callable[[Path, Target, Sequence[Sample], ResultInfo, str], None]


@dataclass(frozen=True)
class BatchOutcome:
    """Names of the targets of a batch by what became of them; retryable ones are left to the next attempt."""

    done: list[str]
    failed: list[str]
    retryable: list[str]


def run_batch(
    name: str, batch: Mapping[str, Any], targets: Mapping[str, Target], config: RunConfig, write_result: ResultWriter
) -> BatchOutcome:
    """Fold what is missing of a batch.

    name, batch: a job of the plan; targets: by folder. A target that fails does not stop the others; one that an
    earlier attempt failed or died with is folded alone, after them.
    Raises WeightsError where the checkpoint can't be loaded, ChangedError where it or the settings are others than were
    planned, StoppedError when told to stop (SIGTERM).
    """
    paths = RunPaths(config.results)
    with begin_attempt(paths.job("predict", name), paths.running / f"{name}.json") as attempt:
        outcome, missing = _sort_out(batch["targets"], paths, attempt)
        if not missing:
            return outcome
        run = run_identity(config)
        for item in missing:
            now = result_id(targets[item["folder"]], item["features_id"], run, config)
            require_planned(item["result_id"], now, item["name"])
        passes = cut_passes(missing, paths, config.targets_per_pass or most_targets(batch["bucket"]))
        bar = Progress(passes, f"bucket {batch['bucket']}", "pass")
        runner = _Runner(_load(config), targets, batch["bucket"], config, write_result, attempt, bar.note)
        for items in bar:
            if attempt.stopping:
                raise StoppedError(f"batch {name}: stopped; what is finished is kept, and the next attempt goes on")
            runner.fold(items, outcome)
    return outcome


def cut_passes(items: Iterable[Item], paths: RunPaths, size: int) -> list[list[Item]]:
    """Targets that go through the model together: up to `size` with the same number of seeds.

    Those that failed before are alone, and last, the most suspicious at the end.
    """
    together: dict[int, list[Item]] = {}
    alone: list[tuple[int, Item]] = []
    for item in items:
        failure = read_failure(paths.failures, item["folder"], item["result_id"])
        if failure is None:
            together.setdefault(len(item["seeds"]), []).append(item)
        else:
            alone.append((failure.attempts, item))
    passes = [same[i : i + size] for same in together.values() for i in range(0, len(same), size)]
    return passes + [[item] for _, item in sorted(alone, key=lambda suspect: suspect[0])]


class _Runner:
    """Folds targets of a bucket together, and in halves where that fails, down to the one that is to blame."""

    def __init__(
        self,
        model: Model,
        targets: Mapping[str, Target],
        bucket: int,
        config: RunConfig,
        write_result: ResultWriter,
        attempt: Attempt,
        note: Callable[[str], None],
    ) -> None:
        self.model, self.targets, self.bucket, self.config = model, targets, bucket, config
        self.write_result, self.attempt, self.note = write_result, attempt, note
        self.paths = RunPaths(config.results)

    def fold(self, items: Sequence[Item], outcome: BatchOutcome) -> None:
        """Fold targets in one pass and enter what became of each; whatever one raises is its own failure.

        Raises OSError where the disk is full, which is no target's failure.
        """
        try:
            with self.attempt.in_hand([item["folder"] for item in items]):
                self._fold_together(items)
        except Exception as error:
            if is_disk_full(error) or isinstance(error, DiskFullError):
                raise
            if len(items) == 1:
                _enter(_record(error, items[0], self.paths), outcome)
                return
            names = ", ".join(item["name"] for item in items)
            logger.info("%s: not folded together (%s); in halves", names, explain(error))
            middle = len(items) // 2
            self.fold(items[:middle], outcome)
            self.fold(items[middle:], outcome)
        else:
            outcome.done.extend(item["name"] for item in items)

    def _fold_together(self, items: Sequence[Item]) -> None:
        """Fold targets with all their seeds and write their result folders and those of their copies."""
        start = time.perf_counter()
        features = [self._features(item) for item in items]
        chunks = self._plan_chunks(items, features)
        samples: list[list[Sample]] = [[] for _ in items]
        for i in range(len(items[0]["seeds"])):
            for mine, found in zip(samples, self._fold_seed(items, features, i, chunks), strict=True):
                mine.extend(found)
        seconds = (time.perf_counter() - start) / len(items)
        for item, f, mine in zip(items, features, samples, strict=True):
            self._write(item, f, mine, seconds)

    def _features(self, item: Item) -> Features:
        """The features of a target from the store; made again where they are gone or can't be read any more."""
        store = FeatureStore(self.config.store / "features")
        try:
            return store.read(item["features_id"])
        except (DamagedError, InputError) as error:
            logger.warning("%s: %s", item["name"], error)
        target = self.targets[item["folder"]]
        if self.config.model.esm:
            embed_missing([target], self.config)
        features = planned_features(target, item, run_identity(self.config), self.config)
        store.write(item["features_id"], features)
        return store.read(item["features_id"])

    def _plan_chunks(self, items: Sequence[Item], features: Sequence[Features]) -> Chunks:
        """The pieces in which the pass fits into memory. Raises OutOfMemoryError where it would not fit in any."""
        n_atom = max(atom_bucket(len(f["ref_pos"]), self.bucket) for f in features)
        n_msa = max(len(f["msa"]) for f in features)
        model, device = self.config.model, device_bytes(self.config.device_bytes)
        sizes = self.bucket, n_atom, n_msa, self.config.n_sample, len(items)
        plan = memory_plan(model, self.config.dtype, *sizes, device)
        if plan.peak > device:
            longest = longest_target(model, self.config.dtype, n_msa, self.config.n_sample, device)
            raise OutOfMemoryError(
                f"out of memory: {len(items)} target(s) of {self.bucket} tokens need {plan.peak / GIB:.1f} GiB of "
                f"{device / GIB:.1f}; the longest target that fits has {longest} tokens"
            )
        if plan.chunks != WHOLE:
            logger.info("%s: to fit into %.1f GiB, %s", items[0]["name"], device / GIB, plan.chunks)
        return plan.chunks

    def _fold_seed(
        self, items: Sequence[Item], features: Sequence[Features], index: int, chunks: Chunks
    ) -> list[list[Sample]]:
        seeds = [item["seeds"][index] for item in items]
        name = items[0]["name"] if len(items) == 1 else f"{items[0]['name']} and {len(items) - 1} more"
        return predict_seeds(
            self.model,
            [augment_reference(f, seed) for f, seed in zip(features, seeds, strict=True)],
            [self.targets[item["folder"]] for item in items],
            seeds,
            self.bucket,
            self.config,
            chunks,
            functools.partial(_report, self.note, f"{name}, seed {seeds[0]}"),
        )

    def _write(self, item: Item, features: Features, samples: list[Sample], seconds: float) -> None:
        info = ResultInfo(
            result_id=item["result_id"],
            model=self.config.model.name,
            untrained=self.config.untrained,
            bucket=self.bucket,
            n_msa=distinct_rows(features["msa"]),
            seconds=seconds,
            settings=self.config.sampling() | {"seeds": item["seeds"]},
        )
        target = self.targets[item["folder"]]
        for name, folder in folders_of(item):
            written = replace(target, name=name)
            self.write_result(self.paths.predictions / folder, written, samples, info, self.config.keep)
            clear_failure(self.paths.failures, folder)
        best = max(samples, key=lambda s: s.summary["ranking_score"])
        logger.info(
            "%s: %d tokens, %d alignment rows, pLDDT %.1f, pTM %.2f, ranking score %.3f, %.1f s",
            item["name"],
            len(features["token_index"]),
            info.n_msa,
            best.summary["plddt"],
            best.summary["ptm"],
            best.summary["ranking_score"],
            seconds,
        )


def _sort_out(items: Sequence[Item], paths: RunPaths, attempt: Attempt) -> tuple[BatchOutcome, list[Item]]:
    """What earlier attempts left of a batch: outcomes that are settled, and the targets still to fold.

    Those that an attempt died with have one failure more.
    """
    outcome, missing = BatchOutcome([], [], []), []
    for item in items:
        interrupted = item["folder"] in attempt.interrupted
        if interrupted:
            for _, folder in folders_of(item):
                remove_leftovers(paths.predictions / folder)
        if not _missing(item, paths):
            outcome.done.append(item["name"])
            continue
        if interrupted:
            _record(CrashedError("the job died while folding it"), item, paths)
        earlier = read_failure(paths.failures, item["folder"], item["result_id"])
        if earlier is not None and not earlier.retryable:
            outcome.failed.append(item["name"])
        else:
            missing.append(item)
    attempt.forget()
    if len(missing) < len(items):
        logger.info(
            "of %d targets %d are done, %d given up, %d to fold",
            len(items),
            len(outcome.done),
            len(outcome.failed),
            len(missing),
        )
    return outcome, missing


def _load(config: RunConfig) -> Model:
    start = time.perf_counter()
    model = load_model(config.model.name, config.weights, config.dtype)
    logger.info("%s loaded in %.1f s (%s)", config.model.name, time.perf_counter() - start, config.dtype)
    if config.untrained:
        logger.warning("UNTRAINED WEIGHTS: what follows tests the software; the results are no predictions")
    return model


def _missing(item: Item, paths: RunPaths) -> bool:
    return not all(is_done(paths.predictions / folder, item["result_id"]) for _, folder in folders_of(item))


def _report(note: Callable[[str], None], what: str, doing: str) -> None:
    note(f"{what}: {doing}")


def predict_seeds(
    model: Model,
    features: Sequence[Features],
    targets: Sequence[Target],
    seeds: Sequence[int],
    bucket: int,
    config: RunConfig,
    chunks: Chunks = WHOLE,
    report: Callable[[str], None] | None = None,
) -> list[list[Sample]]:
    """All samples of a seed of each target, in one pass. Raises NotFiniteError, naming the stage that made NaN."""
    try:
        outputs = model.predict_batch(
            features,
            noise=[noise_seed(target.id, seed) for target, seed in zip(targets, seeds, strict=True)],
            n_cycle=config.n_cycle,
            n_step=config.n_step,
            n_sample=config.n_sample,
            msa_rows=config.msa_rows,
            n_token=bucket,
            n_atom=max(atom_bucket(len(f["ref_pos"]), bucket) for f in features),
            logits=False,
            chunks=chunks,
            report=report,
        )
    except RuntimeError as error:
        raise kernels.explained(error) from error
    if outputs[0].get("compilations"):
        compile_seconds = outputs[0]["timings"]["compile"]
        logger.info("bucket %d: %d graphs made in %.1f s", bucket, outputs[0]["compilations"], compile_seconds)
    found = []
    for out, seed in zip(outputs, seeds, strict=True):
        if not np.isfinite(out["coordinate"]).all():
            raise NotFiniteError(f"seed {seed}: the predicted coordinates are not finite numbers")
        parts = zip(out["coordinate"], out["summary"], out["full_data"], strict=True)
        found.append([Sample(seed, i, x, summary, full) for i, (x, summary, full) in enumerate(parts)])
    return found


def _enter(failure: Failure, outcome: BatchOutcome) -> None:
    (outcome.retryable if failure.retryable else outcome.failed).append(failure.name)


def _record(error: Exception, item: Item, paths: RunPaths) -> Failure:
    """Classify what a target raised, write it down and log it."""
    reason, retryable = classify(error)
    message = explain(error)
    failure = record_failures(paths.failures, item, reason, message, retryable)
    what = "will be tried again" if failure.retryable else "is given up"
    show = None if isinstance(error, PfoldError) else error
    logger.error(
        "%s failed (%s, attempt %d) and %s: %s", item["name"], reason, failure.attempts, what, message, exc_info=show
    )
    return failure
