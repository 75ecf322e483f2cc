"""A store: files under one folder, each named by the hash of what it was made from."""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pfold.errors import DamagedError, InputError
from pfold.files import atomic_file

V = TypeVar("V")
# What readers raise for a file that is not as it was written.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, IndexError, zipfile.BadZipFile, zlib.error, InputError)


class KeyedStore:
    """Files under one folder, in 256 subfolders by the key's first two digits."""

    suffix = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the file of a key is or will be."""
        return self.folder / key[:2] / f"{key}{self.suffix}"

    def __contains__(self, key: str) -> bool:
        return _is_there(self.path(key))

    def entries(self) -> Iterator[tuple[str, Path]]:
        """Keys and files of all that is there, in order."""
        for path in sorted(self.folder.glob(f"[0-9a-f][0-9a-f]/*{self.suffix}")):
            if not path.name.startswith("."):
                yield path.name.removesuffix(self.suffix), path

    def load(self, key: str, read: Callable[[Path], V], missing: str, remedy: str) -> V:
        """What `read` makes of the file of a key.

        Raises InputError, saying what is `missing`, where there is none, and DamagedError, having removed it, with the
        remedy for one that can't be read.
        """
        path = self.path(key)
        if not _is_there(path):
            raise InputError(missing)
        try:
            return read(path)
        except _DAMAGE as error:
            path.unlink(missing_ok=True)
            raise DamagedError(f"{path}: it can't be read ({error}). It is removed; {remedy}") from None

    def save(self, key: str, content: bytes) -> None:
        """Keep a file; it is whole or not there."""
        with atomic_file(self.path(key)) as temporary:
            temporary.write_bytes(content)


def _is_there(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
