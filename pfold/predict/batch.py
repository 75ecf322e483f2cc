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
    bar = Progress(missing, f"bucket {batch['bucket']}", "target")
    for item in bar:
        try:
            _fold(model, item, targets[item["folder"]], batch["bucket"], config, write_result, bar.note)
            outcome.done.append(item["name"])
        # Whatever one target raises is recorded for it, and the others go on.
        except Exception as error:
            failure = _record(error, item, paths)
            (outcome.retryable if failure.retryable else outcome.failed).append(item["name"])
    return outcome


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
    model = load_model(config.model.name, config.weights)
    logger.info("%s loaded in %.1f s", config.model.name, time.perf_counter() - start)
    if config.untrained:
        logger.warning("UNTRAINED WEIGHTS: what follows tests the software; the results are no predictions")
    return model


def _missing(item: Mapping[str, Any], paths: RunPaths) -> bool:
    return not all(is_done(paths.predictions / folder, item["result_id"]) for _, folder in folders_of(item))


def _fold(
    model: Model,
    item: Mapping[str, Any],
    target: Target,
    bucket: int,
    config: RunConfig,
    write_result: ResultWriter,
    note: Callable[[str], None],
) -> None:
    """Fold one target with all its seeds and write its result folder and those of its copies."""
    start = time.perf_counter()
    paths = RunPaths(config.results)
    for _, folder in folders_of(item):
        remove_leftovers(paths.predictions / folder)
    features = FeatureStore(config.store / "features").read(item["features_id"])
    samples: list[Sample] = []
    for seed in item["seeds"]:
        report = functools.partial(_report, note, f"{item['name']}, seed {seed}")
        samples += predict_seed(model, augment_reference(features, seed), target, seed, bucket, config, report)
    seconds = time.perf_counter() - start
    info = ResultInfo(
        result_id=item["result_id"],
        model=config.model.name,
        untrained=config.untrained,
        bucket=bucket,
        n_msa=len(features["msa"]),
        seconds=seconds,
        settings=config.sampling() | {"seeds": item["seeds"]},
    )
    for name, folder in folders_of(item):
        write_result(paths.predictions / folder, replace(target, name=name), samples, info, config.keep)
        clear_failure(paths.failures, folder)
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


def _report(note: Callable[[str], None], what: str, doing: str) -> None:
    note(f"{what}: {doing}")


def predict_seed(
    model: Model,
    features: Mapping[str, np.ndarray],
    target: Target,
    seed: int,
    bucket: int,
    config: RunConfig,
    report: Callable[[str], None] | None = None,
) -> list[Sample]:
    """All samples of one seed. Raises NotFiniteError for a prediction that is not finite."""
    out = model.predict(
        features,
        n_cycle=config.n_cycle,
        n_step=config.n_step,
        n_sample=config.n_sample,
        noise=noise_seed(target.id, seed),
        msa_rows=config.msa_rows,
        n_token=bucket,
        n_atom=atom_bucket(len(features["ref_pos"]), bucket),
        logits=False,
        report=report,
    )
    if not np.isfinite(out["coordinate"]).all():
        raise NotFiniteError(f"seed {seed}: the predicted coordinates are not finite numbers")
    parts = zip(out["coordinate"], out["summary"], out["full_data"], strict=True)
    return [Sample(seed, i, x, summary, full) for i, (x, summary, full) in enumerate(parts)]


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
