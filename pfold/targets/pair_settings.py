"""Settings of a screen of pairs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PairSettings:
    """Which pairs to fold: files of baits and preys; without preys all baits against one another.

    table: a CSV file with the columns bait and prey, names of records in those files: only these pairs.
    """

    baits: tuple[str, ...] = ()
    preys: tuple[str, ...] = ()
    table: Path | None = None
