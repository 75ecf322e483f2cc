"""The plan: what is missing, cut into search shards, features shards and batches of one bucket."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import pandas as pd

from pfold.config import RunConfig
from pfold.errors import OOM, ReplacedError
from pfold.features.store import FeatureStore
from pfold.files import digest, empty_folder, write_table
from pfold.inference.buckets import token_bucket
from pfold.msa.store import AlignmentStore
from pfold.results.folder import copy_result
from pfold.results.layout import RECEIPT
from pfold.results.receipt import is_done, is_intact, is_result_folder, read_receipt
from pfold.run.cost import run_tflop
from pfold.run.failures import Failure, FailureStore
from pfold.run.identity import (
    RunIdentity,
    entity_alignment,
    features_id,
    needs_search,
    result_id,
    run_identity,
    target_seeds,
)
from pfold.run.jobs import (
    FEATURES,
    JOB_KINDS,
    PREDICT,
    SEARCH,
    Batch,
    FeaturesShard,
    Job,
    Place,
    PlannedFeatures,
    PlannedPrediction,
    PlannedResult,
    PlannedSearch,
    SearchShard,
    write_job,
)
from pfold.run.paths import RunPaths
from pfold.run.resources import predict_resources, predicted_minutes, shard_resources
from pfold.targets.table import NamedTarget, read_target_table
from pfold.targets.types import Entity, Rejection, Target

logger = logging.getLogger(__name__)


class State(StrEnum):
    """What the plan does with a target: fold it, or copy the result of one that is equal; or nothing any more."""

    FOLD = "fold"
    COPY = "copy"
    DONE = "done"
    FAILED = "failed"


@dataclass
class PlannedTarget:
    """A target with its identities and place in the plan."""

    named: NamedTarget
    alignments: list[str]
    features_id: str
    result_id: str
    bucket: int
    tflop: float
    seeds: tuple[int, ...]
    state: State = State.FOLD
    result: str = ""  # folder of the finished result that a copy is made of now; "" for one that is still to be folded
    rescue: bool = False  # ran out of memory before
    batch: str = ""
    copies: list[NamedTarget] = field(default_factory=list)

    @property
    def planned_result(self) -> PlannedResult:
        """The target's place, result and copies, as jobs are told."""
        return PlannedResult(self.named.target.name, self.named.folder, self.result_id, self._copies)

    @property
    def planned_prediction(self) -> PlannedPrediction:
        """All that a batch is told of the target."""
        return PlannedPrediction(
            self.named.target.name,
            self.named.folder,
            self.result_id,
            self._copies,
            self.features_id,
            tuple(self.alignments),
            self.seeds,
        )

    @property
    def _copies(self) -> tuple[Place, ...]:
        return tuple(Place(copy.target.name, copy.folder) for copy in self.copies)


def make_plan(config: RunConfig) -> None:
    """Write the plan of what is missing, from the table of targets; results under other names are copied.

    Receipts of planned jobs are removed: what a planned job makes is
    missing, so an older receipt is out of date.
    Raises ConfigError or WeightsError where databases or weights are missing, ReplacedError where results of other
    inputs are in the way.
    """
    paths = RunPaths(config.results)
    named, rejections = read_target_table(paths.targets)
    run = run_identity(config)
    planned = plan_targets(named, config, run, paths)
    _refuse_replacing(planned, paths)
    for p in planned:
        if p.result:
            copy_result(paths.predictions / p.result, paths.predictions / p.named.folder, p.named.target)
    batches = cut_batches((p for p in planned if p.state == State.FOLD), config)
    # Shards in the order of batches, so that a batch waits for few of them, and the longest targets' come first.
    to_fold = [p for batch in batches for p in batch]
    empty_folder(paths.plan)
    for kind in JOB_KINDS:
        (paths.plan / kind).mkdir()

    search_shard_of = _write_search_shards(to_fold, config, paths)
    features_shard_of = _write_features_shards(to_fold, config, paths, search_shard_of)
    for batch in batches:
        _write_batch(batch, config, paths, features_shard_of)
    _write_table(planned, rejections, config, paths)


def _refuse_replacing(planned: Sequence[PlannedTarget], paths: RunPaths) -> None:
    """Raises ReplacedError where a target's folder holds the result of another target, of another file."""
    replaced = []
    for p in planned:
        if p.state not in (State.FOLD, State.COPY):
            continue
        folder = paths.predictions / p.named.folder
        receipt, now = read_receipt(folder), p.named.target.file_from(folder)
        if receipt is None:
            if not is_result_folder(folder):
                replaced.append(f"{p.named.target.source} would replace {folder}, which pfold has not made")
        elif receipt.get("target_id") != p.named.target.id and receipt.get("input", "") not in ("", now):
            before = os.path.abspath(folder / receipt["input"])
            replaced.append(f"{p.named.target.name} of {p.named.target.file} would replace that of {before}")
    if replaced:
        shown = "\n  ".join(replaced[:10] + (["..."] if len(replaced) > 10 else []))
        raise ReplacedError(
            f"{paths.predictions} has results of other inputs with the same names:\n  {shown}\n"
            "Name another results folder, rename the targets, or remove these results"
        )


def plan_targets(
    targets: Sequence[NamedTarget], config: RunConfig, run: RunIdentity, paths: RunPaths
) -> list[PlannedTarget]:
    """Identities, buckets, costs and states of all targets; equal ones are folded once and copied.

    Results that are there under other names serve too.
    """
    first: dict[str, PlannedTarget] = {}
    elsewhere: dict[str, str] | None = None
    failures = FailureStore(paths.failures)
    planned = []
    for named in targets:
        target = named.target
        alignments = [entity_alignment(entity, run, config) for entity in target.entities]
        features = features_id(target, alignments, run)
        seeds = target_seeds(target, config)
        bucket = token_bucket(named.n_token, config.buckets)
        p = PlannedTarget(
            named=named,
            alignments=alignments,
            features_id=features,
            result_id=result_id(target, features, run, config),
            bucket=bucket,
            tflop=run_tflop(config, bucket, len(seeds)),
            seeds=seeds,
        )
        planned.append(p)
        failure = failures.read(named.folder, p.result_id)
        p.state = _state(p, failure, paths)
        p.rescue = failure is not None and failure.reason == OOM
        if p.state == State.FOLD:
            elsewhere = _finished_results(paths) if elsewhere is None else elsewhere
            p.result = elsewhere.get(p.result_id, "")
        if p.result:
            p.state = State.COPY
        elif p.state == State.FOLD:
            original = first.setdefault(p.result_id, p)
            if original is not p:
                p.state = State.COPY
                original.copies.append(named)
    return planned


def _finished_results(paths: RunPaths) -> dict[str, str]:
    """Result id -> folder of every finished result, under whatever name."""
    found = {}
    for path in sorted(paths.predictions.glob(f"[!.]*/{RECEIPT}")):
        receipt = read_receipt(path.parent)
        if receipt is not None and is_intact(path.parent, receipt):
            found[receipt["result_id"]] = path.parent.name
    return found


def _state(p: PlannedTarget, failure: Failure | None, paths: RunPaths) -> State:
    if is_done(paths.predictions / p.named.folder, p.result_id):
        return State.DONE
    return State.FAILED if failure is not None and not failure.retryable else State.FOLD


def cut_batches(planned: Iterable[PlannedTarget], config: RunConfig) -> list[list[PlannedTarget]]:
    """Batches of one bucket, bounded in number of targets and predicted cost; the longest buckets first.

    Targets that ran out of memory before are in rescue batches, which ask for more of it.
    """
    batches: list[list[PlannedTarget]] = []
    cost = 0.0
    for p in sorted(planned, key=lambda p: (-p.bucket, p.rescue, -p.named.n_token, p.result_id)):
        last = batches[-1] if batches else []
        full = len(last) >= config.batch.max_targets or cost + p.tflop > config.batch.max_tflop
        if full or not last or (last[0].bucket, last[0].rescue) != (p.bucket, p.rescue):
            batches.append([])
            cost = 0.0
        batches[-1].append(p)
        cost += p.tflop
    return batches


def _cut(keys: Sequence[str], size: int) -> dict[str, str]:
    """Key -> name of its shard, for shards of `size` keys named by their content."""
    parts = [keys[i : i + size] for i in range(0, len(keys), size)]
    return {key: name for part in parts for name in [digest(sorted(part), length=8)] for key in part}


def _write(kind: str, name: str, job: Job, paths: RunPaths) -> None:
    write_job(paths.job(kind, name), job)
    paths.receipt(kind, name).unlink(missing_ok=True)


def _by_shard(shard_of: Mapping[str, str]) -> dict[str, list[str]]:
    """Name of a shard -> its keys."""
    keys: dict[str, list[str]] = {}
    for key, shard in shard_of.items():
        keys.setdefault(shard, []).append(key)
    return keys


def _write_search_shards(planned: Sequence[PlannedTarget], config: RunConfig, paths: RunPaths) -> dict[str, str]:
    """Write a shard for every few alignments that are missing; returns alignment id -> shard."""
    store = AlignmentStore(config.store / "alignments")
    items: dict[str, PlannedSearch] = {}
    for p in planned:
        for entity, key in zip(p.named.target.entities, p.alignments, strict=True):
            if needs_search(entity, config) and key not in items and key not in store:
                items[key] = PlannedSearch(key, entity.sequence, entity.kind, _label(p.named.target, entity))
    logger.info("plan: %d sequences to search, each once", len(items))
    shard_of = _cut(list(items), config.batch.shard_size)
    for shard, keys in _by_shard(shard_of).items():
        asked = shard_resources(config, SEARCH, len(keys))
        _write(SEARCH, shard, SearchShard((), asked, tuple(items[key] for key in keys)), paths)
    return shard_of


def _label(target: Target, entity: Entity) -> str:
    """What a search is called in the log: the target, and of a complex the chains."""
    return target.name if len(target.chain_ids) == 1 else f"{target.name}, chain {', '.join(entity.ids)}"


def _write_features_shards(
    planned: Sequence[PlannedTarget], config: RunConfig, paths: RunPaths, search_shard_of: Mapping[str, str]
) -> dict[str, str]:
    """Write a shard for every few targets without features; returns features id -> shard."""
    store = FeatureStore(config.store / "features")
    waiting: dict[str, list[PlannedTarget]] = {}
    for p in planned:
        if p.features_id in waiting or p.features_id not in store:
            waiting.setdefault(p.features_id, []).append(p)
    logger.info("plan: features of %d targets to make", len(waiting))
    shard_of = _cut(list(waiting), config.batch.shard_size)
    for shard, keys in _by_shard(shard_of).items():
        of_shard = [waiting[key] for key in keys]
        searched = {search_shard_of[key] for ps in of_shard for key in ps[0].alignments if key in search_shard_of}
        items = tuple(
            PlannedFeatures(ps[0].features_id, tuple(ps[0].alignments), tuple(p.planned_result for p in ps))
            for ps in of_shard
        )
        asked = shard_resources(config, FEATURES, len(items))
        _write(FEATURES, shard, FeaturesShard(tuple(sorted(searched)), asked, items), paths)
    return shard_of


def _write_batch(
    batch: Sequence[PlannedTarget], config: RunConfig, paths: RunPaths, features_shard_of: Mapping[str, str]
) -> None:
    name = digest(sorted(p.result_id for p in batch), sorted(p.named.folder for p in batch), length=8)
    for p in batch:
        p.batch = name
    bucket, tflop = batch[0].bucket, sum(p.tflop for p in batch)
    needs = tuple(sorted({features_shard_of[p.features_id] for p in batch if p.features_id in features_shard_of}))
    asked = predict_resources(config, bucket, len(batch), tflop, rescue=batch[0].rescue)
    _write(PREDICT, name, Batch(needs, asked, bucket, tflop, tuple(p.planned_prediction for p in batch)), paths)


def _write_table(
    planned: Sequence[PlannedTarget], rejections: Sequence[Rejection], config: RunConfig, paths: RunPaths
) -> None:
    batch_of = {p.result_id: p.batch for p in planned if p.batch}
    rows = [
        {
            "name": p.named.target.name,
            "folder": p.named.folder,
            "state": p.state.value,
            "n_token": p.named.n_token,
            "bucket": p.bucket,
            "batch": batch_of.get(p.result_id, "") if p.state in (State.FOLD, State.COPY) and not p.result else "",
            "tflop": round(p.tflop, 3),
            "minutes": round(predicted_minutes(config, p.tflop), 4),
            "target_id": p.named.target.id,
            "features_id": p.features_id,
            "result_id": p.result_id,
        }
        for p in planned
    ]
    # Numbers also where there is no row.
    table = pd.DataFrame(rows, columns=list(PLAN_COLUMNS)).astype({"tflop": float, "minutes": float})
    write_table(table, paths.plan_table)
    fold = table[table.state == State.FOLD]
    counts = table.state.value_counts()
    states = ", ".join(f"{counts[state]} {state}" for state in State if state in counts)
    logger.info("plan: %s; %d rejected", states or "nothing to fold", len(rejections))
    for bucket, group in fold.groupby("bucket"):
        minutes, n_batch = group.minutes.sum(), group.batch.nunique()
        logger.info("bucket %d: targets %d, batches %d, about %.1f minutes", bucket, len(group), n_batch, minutes)


PLAN_COLUMNS = (
    "name",
    "folder",
    "state",
    "n_token",
    "bucket",
    "batch",
    "tflop",
    "minutes",
    "target_id",
    "features_id",
    "result_id",
)
