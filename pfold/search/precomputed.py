"""Alignments made elsewhere: folders of a3m files, found by the query that stands first in each."""

import functools
import gzip
from pathlib import Path

from pfold.errors import SearchError
from pfold.search.a3m import Alignment, read_a3m
from pfold.search.settings import SearchSettings

_SUFFIXES = (".a3m", ".a3m.gz")


def a3m_files(folder: Path) -> list[Path]:
    """All alignments in a folder and below it, in order of names."""
    return sorted(path for path in folder.rglob("*") if path.name.endswith(_SUFFIXES))


@functools.lru_cache(maxsize=16)
def _files_by_query(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
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


def search(sequence: str, settings: SearchSettings) -> Alignment | None:
    """The alignments of a sequence in all folders, merged; None where no folder has one.

    Raises SearchError for an alignment that can't be read.
    """
    paths = [path for folder in settings.databases for path in _files_by_query(folder).get(sequence, [])]
    if not paths:
        return None
    merged = read_a3m(paths[0], sequence)
    for path in paths[1:]:
        merged = merged + read_a3m(path, sequence)
    return merged.deduplicated().first(settings.max_hits + 1)
