"""Where a run's targets come from: target files, and screens of pairs."""

import itertools
from collections.abc import Iterator
from pathlib import Path

from pfold.config import RunConfig
from pfold.errors import ConfigError
from pfold.targets.pairs import pair_files, read_pairs
from pfold.targets.read import read_records, target_files
from pfold.targets.types import Rejection, Target


def source_files(config: RunConfig) -> list[Path]:
    """All files that targets are read from. Raises ConfigError for one that does not exist or is of no known type."""
    if config.only is not None and not config.only.is_file():
        raise ConfigError(f"only: {config.only} does not exist")
    only = [config.only] if config.only else []
    return target_files(list(config.targets)) + pair_files(config.pairs) + only


def read_sources(config: RunConfig) -> Iterator[Target | Rejection]:
    """All records of target files, then the complexes of the screen; of these those that `only` names, if it is set.

    Raises InputError for a wrong table of pairs.
    """
    records = itertools.chain(
        itertools.chain.from_iterable(map(read_records, target_files(list(config.targets)))), read_pairs(config.pairs)
    )
    if config.only is None:
        yield from records
        return
    names = set(config.only.read_text().splitlines())
    yield from (record for record in records if record.name in names)
