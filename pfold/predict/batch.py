"""The batch runner: load the model once, fold one target after another, keep each result before the next."""

import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pfold.config import RunConfig
from pfold.errors import PfoldError
from pfold.features.atoms import augment_reference
from pfold.features.store import FeatureStore
from pfold.files import remove_leftovers
from pfold.logs import Progress
from pfold.predict.buckets import atom_bucket
from pfold.predict.memory import GIB, device_bytes, longest_target, most_targets, predicted_memory
from pfold.predict.model import Model, load_model
from pfold.predict.noise import noise_seed
from pfold.predict.outcome import (
    Failure,
    ResultInfo,
    Sample,
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
# (folder, target, samples, info, keep): writes a result folder atomically.
ResultWriter = Callable[[Path, Target, Sequence[Sample], ResultInfo, str], None]


class NotFiniteError(PfoldError):
    """A prediction with NaN or infinite coordinates."""


@dataclass(frozen=True)
class BatchOutcome:
    """Names of the targets of a batch by what became of them; retryable ones are left to the next attempt."""

    done: list[str]
    failed: list[str]
    retryable: list[str]


def run_batch(
    batch: Mapping[str, Any], targets: Mapping[str, Target], config: RunConfig, write_result: ResultWriter
) -> BatchOutcome:
    """Fold what is missing of a batch.

    batch: a job of the plan; targets: by folder. A target that fails does not stop the others.
    Raises WeightsError where the checkpoint can't be loaded.
    """
    paths = RunPaths(config.results)
    outcome, missing = _sort_out(batch["targets"], paths)
    if not missing:
        return outcome
    model = _load(config)
    size = config.targets_per_pass or most_targets(batch["bucket"])
    bar = Progress(missing, f"bucket {batch['bucket']}", "target")
    runner = _Runner(model, targets, batch["bucket"], config, write_result, bar.note)
    waiting: list[Mapping[str, Any]] = []
    for item in bar:
        waiting.append(item)
        if len(waiting) == size or item is missing[-1]:
            runner.fold(waiting, outcome)
            waiting = []
    return outcome


class _Runner:
    """Folds targets of a bucket together, as many as fit, and one by one where that fails."""

    def __init__(
        self,
        model: Model,
        targets: Mapping[str, Target],
        bucket: int,
        config: RunConfig,
        write_result: ResultWriter,
        note: Callable[[str], None],
    ) -> None:
        self.model, self.targets, self.bucket, self.config = model, targets, bucket, config
        self.write_result, self.note = write_result, note
        self.paths = RunPaths(config.results)

    def fold(self, items: Sequence[Mapping[str, Any]], outcome: BatchOutcome) -> None:
        """Fold items and enter what became of each; whatever one raises is its own failure."""
        for group in self._groups(items):
            try:
                self._fold_together(group)
            except Exception as error:
                if len(group) == 1:
                    failure = _record(error, group[0], self.paths)
                    (outcome.retryable if failure.retryable else outcome.failed).append(group[0]["name"])
                    continue
                names = ", ".join(item["name"] for item in group)
                logger.info("%s: not folded together (%s); one by one", names, str(error).splitlines()[:1])
                for item in group:
                    self.fold([item], outcome)
            else:
                outcome.done.extend(item["name"] for item in group)

    def _groups(self, items: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
        """Items with the same number of seeds, in the plan's order; one pass has one number of samples."""
        groups: list[list[Mapping[str, Any]]] = []
        for item in items:
            if not groups or len(groups[-1][0]["seeds"]) != len(item["seeds"]):
                groups.append([])
            groups[-1].append(item)
        return groups

    def _fold_together(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Fold targets with all their seeds and write their result folders and those of their copies."""
        start = time.perf_counter()
        for item in items:
            for _, folder in folders_of(item):
                remove_leftovers(self.paths.predictions / folder)
        store = FeatureStore(self.config.store / "features")
        features = [store.read(item["features_id"]) for item in items]
        self._check_memory(items, features)
        samples: list[list[Sample]] = [[] for _ in items]
        for i in range(len(items[0]["seeds"])):
            for mine, found in zip(samples, self._fold_seed(items, features, i), strict=True):
                mine.extend(found)
        seconds = (time.perf_counter() - start) / len(items)
        for item, f, mine in zip(items, features, samples, strict=True):
            self._write(item, f, mine, seconds)

    def _check_memory(self, items: Sequence[Mapping[str, Any]], features: Sequence[Features]) -> None:
        """Raise MemoryError where the plan says that the pass would not fit."""
        n_atom = max(atom_bucket(len(f["ref_pos"]), self.bucket) for f in features)
        n_msa = max(len(f["msa"]) for f in features)
        model, device = self.config.model, device_bytes(self.config.device_bytes)
        arguments = model, self.config.dtype, self.bucket, n_atom, n_msa, self.config.n_sample
        peak = predicted_memory(*arguments, len(items)).peak
        if peak > device:
            longest = longest_target(model, self.config.dtype, n_msa, self.config.n_sample, device)
            raise MemoryError(
                f"out of memory: {len(items)} target(s) of {self.bucket} tokens need {peak / GIB:.1f} GiB of "
                f"{device / GIB:.1f}; the longest target that fits has {longest} tokens"
            )

    def _fold_seed(
        self, items: Sequence[Mapping[str, Any]], features: Sequence[Features], index: int
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
            functools.partial(_report, self.note, f"{name}, seed {seeds[0]}"),
        )

    def _write(self, item: Mapping[str, Any], features: Features, samples: list[Sample], seconds: float) -> None:
        info = ResultInfo(
            result_id=item["result_id"],
            model=self.config.model.name,
            untrained=self.config.untrained,
            bucket=self.bucket,
            n_msa=len(features["msa"]),
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


def _sort_out(items: Sequence[Mapping[str, Any]], paths: RunPaths) -> tuple[BatchOutcome, list[Mapping[str, Any]]]:
    """What earlier attempts left of a batch: outcomes that are settled, and the targets still to fold."""
    outcome, missing = BatchOutcome([], [], []), []
    for item in items:
        earlier = read_failure(paths.failures, item["folder"], item["result_id"])
        if not _missing(item, paths):
            outcome.done.append(item["name"])
        elif earlier is not None and not earlier.retryable:
            outcome.failed.append(item["name"])
        else:
            missing.append(item)
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


def _missing(item: Mapping[str, Any], paths: RunPaths) -> bool:
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
    report: Callable[[str], None] | None = None,
) -> list[list[Sample]]:
    """All samples of a seed of each target, in one pass. Raises NotFiniteError for a prediction that is not finite."""
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
        report=report,
    )
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


def _record(error: Exception, item: Mapping[str, Any], paths: RunPaths) -> Failure:
    """Classify what a target raised, write it down and log it."""
    kind, retryable = classify(error)
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    failure = record_failures(paths.failures, item, kind, reason, retryable)
    what = "will be tried again" if failure.retryable else "is given up"
    show = None if isinstance(error, PfoldError) else error
    logger.error(
        "%s failed (%s, attempt %d) and %s: %s", item["name"], kind, failure.attempts, what, reason, exc_info=show
    )
    return failure


def classify(error: Exception) -> tuple[str, bool]:
    """Kind of a failure and whether another attempt may succeed."""
    if isinstance(error, NotFiniteError):
        return "not_finite", False
    if isinstance(error, PfoldError):
        return "bad_input", False
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return "out_of_memory", True
    return "error", True
