"""What every search engine is: its check, its files, the identity of what it finds, and the search itself."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pfold.errors import ConfigError, SearchError, explain, is_disk_full
from pfold.logs import progress
from pfold.msa.a3m import Alignment, query_only
from pfold.msa.settings import SearchSettings
from pfold.targets.types import PROTEIN

logger = logging.getLogger(__name__)

Found = Iterator[tuple[str, Alignment]]


@dataclass(frozen=True)
class Query:
    """A sequence to search: the key of its alignment, what it is, and the target's name, for the log."""

    key: str
    sequence: str
    kind: str = PROTEIN
    label: str = ""


class Engine(ABC):
    """A way to find homologs."""

    def __init__(self, settings: SearchSettings) -> None:
        self.settings = settings

    @abstractmethod
    def check(self) -> None:
        """Raises ConfigError, naming key and remedy, where the engine can't run with its settings."""

    @abstractmethod
    def files(self) -> list[Path]:
        """The files that a search reads."""

    @abstractmethod
    def identity(self) -> str:
        """Hash of everything but the sequence that changes an alignment, the databases' contents included."""

    @abstractmethod
    def search(self, queries: Sequence[Query], pending: Path, cpus: int) -> Found:
        """Key and alignment of each query, as they are found; the query is an alignment's first row.

        pending: a folder for notes of searches under way. A query whose search failed is named in the log and left out.
        Raises SearchError where no search can run, OSError where the disk is full.
        """

    def _limited(self, alignment: Alignment) -> Alignment:
        """The query and at most max_hits of its homologs, none twice."""
        return alignment.deduplicated().first(self.settings.max_hits + 1)

    def _require_databases(self) -> None:
        if not self.settings.databases:
            raise ConfigError(
                f'search.engine is "{self.settings.engine}" but search.databases is empty; '
                'name at least one FASTA file, or set search.engine to "none" to fold single sequences'
            )


class OneByOne(Engine):
    """An engine that searches sequence after sequence in this process."""

    @abstractmethod
    def search_database(self, sequence: str, path: Path, cpus: int) -> Alignment:
        """Homologs of a sequence in one of `files`, aligned to it, without the query.

        Raises SearchError for a database that can't be read.
        """

    def search_one(self, sequence: str, cpus: int = 1) -> Alignment:
        """Homologs of a sequence in all databases, aligned to it; the query is the first row."""
        merged = query_only(sequence)
        for path in self.files():
            merged = merged + self.search_database(sequence, path, cpus)
        return self._limited(merged)

    def search(self, queries: Sequence[Query], pending: Path, cpus: int) -> Found:
        """See `Engine.search`."""
        for query in progress(queries, "search", "sequence"):
            try:
                found = self.search_one(query.sequence, cpus)
            except Exception as error:
                if isinstance(error, SearchError) or is_disk_full(error):
                    raise
                logger.error("%s: its search failed: %s", query.label or query.key, explain(error), exc_info=error)
                continue
            yield query.key, found
