"""The jobs of a plan: what a search shard, a features shard and a batch are told, each kept as a JSON file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pfold.errors import PfoldError
from pfold.files import read_record, write_json

# Kinds of jobs, and of the rules that run them, in the order in which they run.
SEARCH, FEATURES, PREDICT = JOB_KINDS = ("search", "features", "predict")

Resources = Mapping[str, int]


@dataclass(frozen=True)
class Place:
    """A target's name and the name of its result folder."""

    name: str
    folder: str


@dataclass(frozen=True)
class PlannedResult(Place):
    """A result that is to be made; copies: targets of other names and the same molecules, which get it too."""

    result_id: str
    copies: tuple[Place, ...] = ()

    @property
    def places(self) -> tuple[Place, ...]:
        """The target's own place and those of its copies."""
        return (self, *self.copies)


@dataclass(frozen=True)
class PlannedPrediction(PlannedResult):
    """A target of a batch. alignments: identities of its entities' alignments, "" for none."""

    features_id: str = ""
    alignments: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class PlannedFeatures:
    """Features that are to be made, and the results that wait for them."""

    features_id: str
    alignments: tuple[str, ...]
    targets: tuple[PlannedResult, ...]


@dataclass(frozen=True)
class PlannedSearch:
    """A sequence that is to be searched.

    kind: PROTEIN or RNA. name: the first target that has it, and of a complex its chains there, for the log.
    """

    alignment_id: str
    sequence: str
    kind: str
    name: str


@dataclass(frozen=True)
class Job:
    """needs: names of the jobs of the kind before that it waits for. resources: mem_mb (MiB) and runtime (minutes)."""

    needs: tuple[str, ...]
    resources: Resources


@dataclass(frozen=True)
class SearchShard(Job):
    """Sequences to search."""

    items: tuple[PlannedSearch, ...]


@dataclass(frozen=True)
class FeaturesShard(Job):
    """Features to make."""

    items: tuple[PlannedFeatures, ...]


@dataclass(frozen=True)
class Batch(Job):
    """Targets to fold, padded to `bucket` tokens; tflop: their predicted arithmetic."""

    bucket: int
    tflop: float
    targets: tuple[PlannedPrediction, ...] = field(default_factory=tuple)


def write_job(path: Path, job: Job) -> None:
    """Write the file of a job."""
    write_json(path, asdict(job))


def read_search_shard(path: Path) -> SearchShard:
    """The search shard of a file. Raises PfoldError where there is none or it is damaged."""
    return _read(path, lambda r: SearchShard(*_job(r), tuple(PlannedSearch(**item) for item in r["items"])))


def read_features_shard(path: Path) -> FeaturesShard:
    """The features shard of a file. Raises PfoldError where there is none or it is damaged."""
    return _read(path, lambda r: FeaturesShard(*_job(r), tuple(_planned_features(item) for item in r["items"])))


def read_batch(path: Path) -> Batch:
    """The batch of a file. Raises PfoldError where there is none or it is damaged."""
    return _read(
        path, lambda r: Batch(*_job(r), r["bucket"], r["tflop"], tuple(_planned_prediction(t) for t in r["targets"]))
    )


T = TypeVar("T")


def _read(path: Path, parse: Callable[[Mapping[str, Any]], T]) -> T:
    record = read_record(path, "needs", "resources")
    try:
        if record is not None:
            return parse(record)
    except (KeyError, TypeError, ValueError):
        pass
    raise PfoldError(f"{path}: the plan has no such job, or its file is damaged; make the plan anew")


def _job(record: Mapping[str, Any]) -> tuple[tuple[str, ...], Resources]:
    return tuple(record["needs"]), record["resources"]


def _places(records: Sequence[Mapping[str, Any]]) -> tuple[Place, ...]:
    return tuple(Place(**record) for record in records)


def _planned_features(item: Mapping[str, Any]) -> PlannedFeatures:
    targets = tuple(PlannedResult(**target | {"copies": _places(target["copies"])}) for target in item["targets"])
    return PlannedFeatures(item["features_id"], tuple(item["alignments"]), targets)


def _planned_prediction(target: Mapping[str, Any]) -> PlannedPrediction:
    lists = {key: tuple(target[key]) for key in ("alignments", "seeds")}
    return PlannedPrediction(**dict(target) | lists | {"copies": _places(target["copies"])})
