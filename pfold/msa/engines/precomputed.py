"""Alignments made elsewhere: folders of a3m files, found by the query that stands first in each."""

import functools
import gzip
import logging
import operator
from collections.abc import Sequence
from pathlib import Path

from pfold.errors import ConfigError, InputError, SearchError
from pfold.files import digest, files_digest
from pfold.msa.a3m import read_a3m
from pfold.msa.engines.engine import Engine, Found, Query

logger = logging.getLogger(__name__)

_SUFFIXES = (".a3m", ".a3m.gz")


def a3m_files(folder: Path) -> list[Path]:
    """All alignments in a folder and below it, in order of names."""
    return sorted(path for path in folder.rglob("*") if path.name.endswith(_SUFFIXES))


def _files_by_query(folders: Sequence[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in folders:
        for path in a3m_files(folder):
            found.setdefault(_query(path), []).append(path)
    return found


def _query(path: Path) -> str:
    """The first sequence of an alignment, without gaps; "" for a file that can't be read."""
    opener = gzip.open if path.suffix == ".gz" else open
    parts: list[str] = []
    try:
        with opener(path, "rt", encoding="ascii") as handle:
            for line in handle:
                if line.startswith(">"):
                    if parts:
                        break
                elif not line.startswith("#"):
                    parts.append(line.strip().replace("-", ""))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise SearchError(f"{path}: the alignment can't be read ({error})") from None
    return "".join(parts).upper()


class Precomputed(Engine):
    """The engine "precomputed": `databases` are folders, and a query's alignments in all of them are merged."""

    def check(self) -> None:
        """See `Engine.check`."""
        self._require_databases()
        for folder in self.settings.databases:
            if not folder.is_dir() or not a3m_files(folder):
                raise ConfigError(f"search.databases: {folder} is no folder of .a3m (or .a3m.gz) files")

    def files(self) -> list[Path]:
        """The folders."""
        return list(self.settings.databases)

    def identity(self) -> str:
        """See `Engine.identity`."""
        files = [path for folder in self.settings.databases for path in a3m_files(folder)]
        return digest(self.settings.engine, files_digest(files), self.settings.max_hits)

    def search(self, queries: Sequence[Query], pending: Path, cpus: int) -> Found:
        """See `Engine.search`; the features of targets that no folder has an alignment of fail by name."""
        files = _files_by_query(self.settings.databases)
        for query in queries:
            try:
                found = [read_a3m(path, query.sequence) for path in files.get(query.sequence, [])]
            except InputError as error:
                logger.error("%s", error)
                continue
            if found:
                yield query.key, self._limited(functools.reduce(operator.add, found))
