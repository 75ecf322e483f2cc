"""Which example a step sees: sets of structures, drawn by weight, the same for the same seed and step."""

import csv
import datetime
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pfold.config import RunConfig
from pfold.errors import ConfigError, DamagedError, InputError
from pfold.training.data.examples import Example, StoredFeatures, read_example, read_fragments, structure_files

logger = logging.getLogger(__name__)

# Weights of chain kinds in the choice of an example (AF3 supplement, section 2.5.1).
_KIND_WEIGHTS = {"protein": 3.0, "dna": 3.0, "rna": 3.0, "ligand": 1.0, "ion": 0.0}


@dataclass(frozen=True)
class StructureSet:
    """A folder of structures and which of them are used; the keys of `train.schema.yaml`, `data.train`."""

    structures: Path
    table: Path | None
    split: str | None
    weight: float
    min_tokens: int
    max_tokens: int
    resolution: float | None
    max_resolution: float | None
    max_date: datetime.date | None
    fragments: tuple[int, int] | None = None
    run: RunConfig | None = None
    max_examples: int | None = None


@dataclass(frozen=True, eq=False)
class Examples:
    """The examples of a set with the chance of each to be drawn; rejected: those that were left out, and why."""

    found: Sequence[Example]
    share: np.ndarray
    rejected: dict[str, str]


def read_set(chosen: StructureSet, *, use_msa: bool) -> Examples:
    """Read a set's structures; a bad file is named, counted and left out. Raises ConfigError where none is left."""
    clusters = _clusters(chosen)
    stored = StoredFeatures(chosen.run) if chosen.run is not None else None
    found: list[Example] = []
    of_file: list[str] = []
    rejected: dict[str, str] = {}
    for path in structure_files(chosen.structures):
        name = path.name.removesuffix(".gz").rpartition(".")[0]
        if clusters is not None and name not in clusters:
            continue
        try:
            examples = _read(path, chosen, stored, use_msa=use_msa)
        except (InputError, DamagedError) as error:
            rejected[name] = str(error)
            logger.warning("%s is left out: %s", name, error)
            continue
        for example in examples:
            reason = _unsuitable(example, chosen)
            if reason:
                rejected[example.name] = reason
            else:
                found.append(example)
                of_file.append(name)
    if not found:
        raise ConfigError(f"{chosen.structures}: no structure is left to train on; {len(rejected)} were left out")
    if chosen.max_examples is not None and len(found) > chosen.max_examples:
        kept = np.linspace(0, len(found) - 1, chosen.max_examples).round().astype(int)
        found, of_file = [found[i] for i in kept], [of_file[i] for i in kept]
    return Examples(found, _shares(found, of_file, clusters), rejected)


def _read(path: Path, chosen: StructureSet, stored: StoredFeatures | None, *, use_msa: bool) -> list[Example]:
    if chosen.fragments is None:
        return [read_example(path, use_msa=use_msa, resolution=chosen.resolution, stored=stored)]
    return read_fragments(path, chosen.fragments, use_msa=use_msa, resolution=chosen.resolution, stored=stored)


def _clusters(chosen: StructureSet) -> dict[str, str] | None:
    """Cluster of each structure that the table has in the split; None without a table."""
    if chosen.table is None:
        return None
    try:
        with chosen.table.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ConfigError(f"{chosen.table}: the table can't be read ({error.strerror})") from None
    missing = {"name", "cluster", "split"} - set(rows[0] if rows else ())
    if missing:
        raise ConfigError(f"{chosen.table}: the table has no column {', '.join(sorted(missing))}")
    return {row["name"]: row["cluster"] for row in rows if chosen.split in (None, row["split"])}


def _unsuitable(example: Example, chosen: StructureSet) -> str:
    if not chosen.min_tokens <= example.n_token <= chosen.max_tokens:
        return f"{example.n_token} tokens"
    if chosen.max_resolution is not None and example.truth.resolution > chosen.max_resolution:
        return f"resolution {example.truth.resolution} Å"
    if chosen.max_date is not None and (example.date is None or example.date > chosen.max_date):
        return f"deposited {example.date or 'at an unknown date'}"
    return ""


def _shares(found: Sequence[Example], of_file: Sequence[str], clusters: dict[str, str] | None) -> np.ndarray:
    """Chance of each example: by its chains' kinds, over the size of its cluster (AF3 supplement, section 2.5.1).

    of_file: name of the file of each, by which the table has its cluster.
    """
    weight = np.array([sum(_KIND_WEIGHTS[kind] for kind in example.kinds) for example in found])
    if clusters is not None:
        names = [clusters[name] for name in of_file]
        weight = weight / np.array([names.count(name) for name in names])
    return np.asarray(weight / weight.sum())


def draw(sets: Sequence[tuple[float, Examples]], generator: np.random.Generator) -> Example:
    """One example: a set by its weight, then one of it by its chance."""
    weights = np.array([weight for weight, _ in sets])
    examples = sets[generator.choice(len(sets), p=weights / weights.sum())][1]
    return examples.found[generator.choice(len(examples.found), p=examples.share)]
