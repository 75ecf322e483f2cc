"""Alignments made elsewhere: folders of a3m files, found by the query that stands first in each."""

import functools
import gzip
import logging
import operator
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pfold.errors import InputError, SearchError
from pfold.search.a3m import Alignment, read_a3m
from pfold.search.settings import SearchSettings

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


def search(sequences: Mapping[str, str], settings: SearchSettings) -> Iterator[tuple[str, Alignment]]:
    """The alignments of sequences (key -> sequence) in all folders, one merged for each that has any.

    Raises SearchError for an alignment that can't be read.
    """
    files = _files_by_query(settings.databases)
    for key, sequence in sequences.items():
        try:
            found = [read_a3m(path, sequence) for path in files.get(sequence, [])]
        except InputError as error:
            logger.error("%s", error)
            continue
        if found:
            merged = functools.reduce(operator.add, found)
            yield key, merged.deduplicated().first(settings.max_hits + 1)
