"""One pass of targets through the model: their features, the samples of all seeds, and their result folders."""

import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pfold import kernels
from pfold.config import RunConfig, StopAt
from pfold.errors import (
    DamagedError,
    DiskFullError,
    InputError,
    NotFiniteError,
    OutOfMemoryError,
    explain,
    is_disk_full,
)
from pfold.features.atoms import augment_reference
from pfold.features.msa import distinct_rows
from pfold.features.schema import Features
from pfold.features.store import FeatureStore
from pfold.inference.buckets import atom_bucket
from pfold.inference.memory import GIB, WHOLE, Chunks, Sizes, device_bytes, longest_target, memory_plan
from pfold.inference.model import Model
from pfold.inference.noise import noise_seed
from pfold.results.folder import copy_result, write_result
from pfold.results.sample import ResultInfo, Sample
from pfold.run.attempt import Attempt
from pfold.run.failures import Failure, FailureStore
from pfold.run.identity import run_identity, searched_databases
from pfold.run.inputs import embed_missing, planned_features
from pfold.run.jobs import PlannedPrediction
from pfold.run.paths import RunPaths
from pfold.targets.types import Target

logger = logging.getLogger(__name__)

Planned = Sequence[PlannedPrediction]


class PassRunner:
    """Folds targets of a bucket together, and in halves where that fails, down to the one that is to blame."""

    def __init__(
        self,
        model: Model,
        targets: Mapping[str, Target],
        bucket: int,
        config: RunConfig,
        attempt: Attempt,
        note: Callable[[str], None],
    ) -> None:
        self.model, self.targets, self.bucket, self.config = model, targets, bucket, config
        self.attempt, self.note = attempt, note
        self.paths = RunPaths(config.results)
        self.failures = FailureStore(self.paths.failures)

    def run(self, planned: Planned) -> tuple[list[str], list[Failure]]:
        """Fold targets in one pass; returns the names of those that are done and the failures of the others.

        Whatever a target raises is its own failure. Raises OSError where the disk is full, which is no target's.
        """
        try:
            with self.attempt.in_hand([p.folder for p in planned]):
                self._fold_together(planned)
        except Exception as error:
            if is_disk_full(error) or isinstance(error, DiskFullError):
                raise
            if len(planned) == 1:
                return [], [self.failures.record(error, planned[0])]
            names = ", ".join(p.name for p in planned)
            logger.info("%s: not folded together (%s); in halves", names, explain(error))
            middle = len(planned) // 2
            done, failures = self.run(planned[:middle])
            more_done, more_failures = self.run(planned[middle:])
            return done + more_done, failures + more_failures
        return [p.name for p in planned], []

    def _fold_together(self, planned: Planned) -> None:
        """Fold targets with all their seeds and write their result folders and those of their copies."""
        start = time.perf_counter()
        features = [self._features(p) for p in planned]
        chunks = self._plan_chunks(planned, features)
        samples: list[list[Sample]] = [[] for _ in planned]
        seconds = [0.0 for _ in planned]
        going = list(range(len(planned)))
        for i in range(len(planned[0].seeds)):
            found = self._fold_seed([planned[k] for k in going], [features[k] for k in going], i, chunks)
            now = time.perf_counter()
            for k, of_seed in zip(going, found, strict=True):
                samples[k].extend(of_seed)
                seconds[k] += (now - start) / len(going)
            start, going = now, [k for k in going if not reached(samples[k], self.config.stop_at)]
            if not going:
                break
        for p, f, mine, taken in zip(planned, features, samples, seconds, strict=True):
            self._write(p, f, mine, taken)

    def _features(self, planned: PlannedPrediction) -> Features:
        """The features of a target from the store; made again where they are gone or can't be read any more."""
        store = FeatureStore(self.config.store / "features")
        try:
            return store.read(planned.features_id)
        except (DamagedError, InputError) as error:
            logger.warning("%s: %s", planned.name, error)
        target = self.targets[planned.folder]
        if self.config.model.esm:
            embed_missing([target], self.config)
        features = planned_features(target, planned, run_identity(self.config), self.config)
        store.write(planned.features_id, features)
        return store.read(planned.features_id)

    def _plan_chunks(self, planned: Planned, features: Sequence[Features]) -> Chunks:
        """The pieces in which the pass fits into memory. Raises OutOfMemoryError where it would not fit in any."""
        model, dtype, device = self.config.model, self.config.dtype, device_bytes(self.config.device_bytes)
        sizes = Sizes(
            n_token=self.bucket,
            n_atom=max(atom_bucket(len(f["ref_pos"]), self.bucket) for f in features),
            n_msa=max(len(f["msa"]) for f in features),
            n_sample=self.config.n_sample,
            n_target=len(planned),
        )
        plan = memory_plan(model, dtype, sizes, device)
        if plan.peak > device:
            longest = longest_target(model, dtype, sizes, device)
            raise OutOfMemoryError(
                f"out of memory: {len(planned)} target(s) of {self.bucket} tokens need {plan.peak / GIB:.1f} GiB of "
                f"{device / GIB:.1f}; the longest target that fits has {longest} tokens"
            )
        if plan.chunks != WHOLE:
            logger.info("%s: to fit into %.1f GiB, %s", planned[0].name, device / GIB, plan.chunks)
        return plan.chunks

    def _fold_seed(
        self, planned: Planned, features: Sequence[Features], index: int, chunks: Chunks
    ) -> list[list[Sample]]:
        seeds = [p.seeds[index] for p in planned]
        name = planned[0].name if len(planned) == 1 else f"{planned[0].name} and {len(planned) - 1} more"
        return predict_seeds(
            self.model,
            [augment_reference(f, seed) for f, seed in zip(features, seeds, strict=True)],
            [self.targets[p.folder] for p in planned],
            seeds,
            self.bucket,
            self.config,
            chunks,
            functools.partial(_report, self.note, f"{name}, seed {seeds[0]}"),
        )

    def _write(self, planned: PlannedPrediction, features: Features, samples: list[Sample], seconds: float) -> None:
        target = self.targets[planned.folder]
        info = ResultInfo(
            result_id=planned.result_id,
            model=self.config.model.name,
            weights=self.config.weights_kind,
            bucket=self.bucket,
            n_msa=distinct_rows(features["msa"]),
            seconds=seconds,
            settings=self.config.sampling() | {"seeds": list(planned.seeds)},
            databases=searched_databases(target, self.config),
            stopped=_stopped(planned.seeds, samples, self.config.stop_at),
        )
        folder, config = self.paths.predictions / planned.folder, self.config
        best = write_result(folder, target, samples, info, config.keep, config.confidences)[0]
        for copy in planned.copies:
            copy_result(folder, self.paths.predictions / copy.folder, replace(target, name=copy.name))
        for place in planned.places:
            self.failures.clear(place.folder)
        logger.info(
            "%s: %d tokens, %d MSA rows, pLDDT %.1f, pTM %.2f, ranking score %.3f, %.1f s",
            planned.name,
            len(features["token_index"]),
            info.n_msa,
            best.summary["plddt"],
            best.summary["ptm"],
            best.summary["ranking_score"],
            seconds,
        )


def reached(samples: Sequence[Sample], stop_at: StopAt | None) -> bool:
    """Whether a sample has the score at which no further seeds are folded."""
    return stop_at is not None and any(sample.summary[stop_at.score] >= stop_at.value for sample in samples)


def _stopped(seeds: Sequence[int], samples: Sequence[Sample], stop_at: StopAt | None) -> str:
    """Why not all seeds of a target were folded; empty where they were."""
    n_folded = len({sample.seed for sample in samples})
    if stop_at is None or n_folded == len(seeds):
        return ""
    best = max(float(sample.summary[stop_at.score]) for sample in samples)
    return f"after {n_folded} of {len(seeds)} seeds: {stop_at.score} {best:.4g}"


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
            recycle_tolerance=config.recycle_tolerance,
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
