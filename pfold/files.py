"""Atomic writes and content hashes: a file or folder is there whole or not at all."""

import contextlib
import errno
import functools
import glob
import gzip
import hashlib
import json
import logging
import os
import re
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfold.errors import PfoldError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

_LARGE = 64 * 1024 * 1024
# Most bytes that a compressed file may unpack to.
MAX_UNPACKED = 1 << 29
# The file by which a folder is known as pfold's own.
MARKER = ".pfold"


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
        # A folder in one that passes on its group (setgid) passes it on too.
        os.chmod(temporary, (0o777 & ~_umask()) | (temporary.stat().st_mode & stat.S_ISGID))
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
    if not path.parent.is_dir():
        return
    # tempfile's own part has no point: ".a.b.x1y2.tmp" is a leftover of "a.b", not of "a".
    leftover = re.compile(rf"\.{re.escape(path.name)}\.[^.]+\.(tmp|old)")
    for found in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if leftover.fullmatch(found.name):
            shutil.rmtree(found)


def claim_folder(path: Path) -> Path:
    """Make a folder that pfold fills and empties, known by a marker in it.

    Raises PfoldError for one that has files and no marker: it is somebody else's, and nothing in it is touched.
    """
    marker = path / MARKER
    if not marker.is_file():
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise PfoldError(
                f"{path} is there already and was not made by pfold; name another results folder, or move it away"
            )
        path.mkdir(parents=True, exist_ok=True)
        write_text(marker, "pfold made this folder and may remove what is in it.\n")
    return path


def empty_folder(path: Path) -> Path:
    """Claim a folder and remove everything in it but the marker. Raises PfoldError as `claim_folder`."""
    for child in claim_folder(path).iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        elif child.name != MARKER:
            child.unlink()
    return path


def read_unpacked(path: Path, most: int = MAX_UNPACKED) -> bytes:
    """A file's content, unpacked where it is gzipped.

    Raises OSError where it can't be read, is cut short, or has more than `most` bytes.
    """
    with open(path, "rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            content = gzip.GzipFile(fileobj=raw).read(most + 1) if packed else raw.read(most + 1)
        except (EOFError, zlib.error) as error:
            raise OSError(f"damaged gzip file: {error}") from None
    if len(content) > most:
        raise OSError(f"it has over {most / 2**20:.0f} MiB{' unpacked' if packed else ''}, more than is read")
    return content


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


def read_record(path: Path, *keys: str) -> dict[str, Any] | None:
    """The object of a JSON file that pfold wrote; None where there is none.

    A file that is damaged, or has not these keys, counts as none and is named in the log: what it stood for is made
    again.
    """
    try:
        record = read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        logger.warning("%s is damaged and passed over (%s)", path, error)
        return None
    if isinstance(record, dict) and all(key in record for key in keys):
        return record
    logger.warning("%s is damaged and passed over (it is not as pfold wrote it)", path)
    return None


def read_table(path: Path, remedy: str, **options: Any) -> "pd.DataFrame":
    """A Parquet table that pfold wrote. Raises PfoldError with the remedy where it is missing or damaged."""
    # Not at the top: set-up compiles the operators before there are packages.
    import pandas as pd

    try:
        return pd.read_parquet(path, **options)
    except FileNotFoundError:
        raise PfoldError(f"{path} is not there yet; {remedy}") from None
    except (OSError, ValueError, KeyError) as error:
        raise PfoldError(f"{path} is damaged ({str(error).splitlines()[0]}); {remedy}") from None


def write_table(table: "pd.DataFrame", path: Path) -> None:
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

    That of a file over 64 MB is taken once and kept beside it, or where that can't be written in the user's cache,
    together with the file's size and times, by which a change is seen.
    """
    if path.stat().st_size < _LARGE:
        return file_digest(path)
    return _large_digest(path.absolute(), file_state(path))


def file_state(path: Path) -> str:
    """Size and times of a file: while they stay the same, so does its content. Raises OSError where there is none."""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def files_digest(paths: Sequence[Path]) -> str:
    """Digest of the names and contents of many files; taken once, and kept in the user's cache while none changes."""
    stamp = digest([[path.name, file_state(path)] for path in paths])
    note = user_cache() / "digests" / f"{digest([str(path.absolute()) for path in paths])}.sha256"
    known = _noted(note, stamp)
    if known is None:
        known = digest([[path.name, file_digest(path)] for path in paths])
        write_text(note, f"{stamp} {known}")
    return known


@functools.lru_cache(maxsize=64)
def _large_digest(path: Path, stamp: str) -> str:
    beside = path.with_name(path.name + ".sha256")
    cached = user_cache() / "digests" / f"{digest(str(path))}.sha256"
    known = _noted(beside, stamp) or _noted(cached, stamp)
    if known is None:
        known = file_digest(path)
        write_text(beside if os.access(path.parent, os.W_OK) else cached, f"{stamp} {known}")
    return known


def _noted(note: Path, stamp: str) -> str | None:
    """The digest in a note, if it was taken of files in this state."""
    if not note.is_file():
        return None
    known, _, value = note.read_text().rpartition(" ")
    return value if known == stamp else None


def _sync(path: Path) -> None:
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
