"""Where a run's targets come from: target files, and screens of pairs."""

from collections.abc import Iterator
from pathlib import Path

from pfold.config import RunConfig
from pfold.targets.pairs import pair_files, read_pairs
from pfold.targets.read import read_records, target_files
from pfold.targets.types import Rejection, Target


def source_files(config: RunConfig) -> list[Path]:
    """All files that targets are read from. Raises ConfigError for one that does not exist or is of no known type."""
    return target_files(list(config.targets)) + pair_files(config.pairs)


def read_sources(config: RunConfig) -> Iterator[Target | Rejection]:
    """All records of target files, then the complexes of the screen. Raises InputError for a wrong table of pairs."""
    for file in target_files(list(config.targets)):
        yield from read_records(file)
    yield from read_pairs(config.pairs)
