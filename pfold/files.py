"""Atomic writes and content hashes: a file or folder is there whole or not at all."""

import contextlib
import errno
import functools
import glob
import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

_LARGE = 64 * 1024 * 1024


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name, after fsync, when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:60]}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that replaces it, its files synced, when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        os.chmod(temporary, 0o777 & ~_umask())
        _replace_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace_folder(temporary: Path, path: Path) -> None:
    """Give a folder the name `path`, whatever has it; of two processes that do so the last one wins."""
    while True:
        try:
            temporary.rename(path)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        retired = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
        # Another process may have moved it away first.
        with contextlib.suppress(FileNotFoundError):
            path.rename(retired / path.name)
        shutil.rmtree(retired)


def user_cache() -> Path:
    """Folder of what is kept between runs and projects: $PFOLD_CACHE, or ~/.cache/pfold."""
    return Path(os.environ.get("PFOLD_CACHE") or Path.home() / ".cache/pfold")


def remove_leftovers(path: Path) -> None:
    """Remove what a killed `atomic_folder(path)` left; only for the one process that writes this folder."""
    if path.parent.is_dir():
        for suffix in ("tmp", "old"):
            for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.{suffix}"):
                shutil.rmtree(leftover)


def read_unpacked(path: Path) -> bytes:
    """A file's content, unpacked where it is gzipped. Raises OSError where it can't be read or is cut short."""
    raw = path.read_bytes()
    try:
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (EOFError, zlib.error) as error:
        raise OSError(f"damaged gzip file: {error}") from None


def keyed_path(folder: Path, key: str, suffix: str) -> Path:
    """Where a key's file is in a store, in one of 256 subfolders."""
    return folder / key[:2] / f"{key}{suffix}"


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text())


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet at `path` and as CSV beside it, both atomically."""
    with atomic_file(path) as temporary:
        table.to_parquet(temporary, index=False)
    with atomic_file(path.with_suffix(".csv")) as temporary:
        table.to_csv(temporary, index=False)


def digest(*parts: Any, length: int = 16) -> str:
    """Hex digits of a hash over JSON-like values; the same values give the same digest everywhere."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def large_file_digest(path: Path) -> str:
    """`file_digest` of a checkpoint or database.

    That of a file over 64 MB is kept beside it while it does not change, where its folder can be written.
    """
    status = path.stat()
    if status.st_size < _LARGE:
        return file_digest(path)
    return _large_digest(path, f"{status.st_size} {status.st_mtime_ns}")


@functools.lru_cache(maxsize=64)
def _large_digest(path: Path, stamp: str) -> str:
    note = path.with_name(path.name + ".sha256")
    if note.is_file():
        known, _, value = note.read_text().rpartition(" ")
        if known == stamp:
            return value
    value = file_digest(path)
    if os.access(path.parent, os.W_OK):
        write_text(note, f"{stamp} {value}")
    return value


def _sync(path: Path) -> None:
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
