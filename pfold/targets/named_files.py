"""Which files the records of an input name: alignments, templates, ligands, components."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

_noted: ContextVar[set[Path] | None] = ContextVar("noted", default=None)


@contextlib.contextmanager
def noting_files() -> Iterator[set[Path]]:
    """Within it, the readers' files are put into the set; a file that was looked for and is not there, too."""
    named: set[Path] = set()
    token = _noted.set(named)
    try:
        yield named
    finally:
        _noted.reset(token)


def note_file(path: Path) -> None:
    """Say that a record names a file."""
    named = _noted.get()
    if named is not None:
        named.add(path)
