"""Read target files of any supported format, plain or gzipped."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from pfold.errors import ConfigError, InputError
from pfold.targets.fasta import read_fasta
from pfold.targets.protenix_json import read_protenix_json
from pfold.targets.types import Rejection, Target

FASTA_SUFFIXES = (".fasta", ".fa", ".faa", ".fas")
JSON_SUFFIXES = (".json",)


def _format_suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def target_files(paths: list[str | Path]) -> list[Path]:
    """The files that the paths name: files as they are, of a folder all target files in it, sorted by name.

    Raises ConfigError for a path that does not exist, a folder without target files, or an unknown file type.
    """
    known = FASTA_SUFFIXES + JSON_SUFFIXES
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.is_file() and _format_suffix(p) in known)
            if not found:
                raise ConfigError(
                    f"targets: the folder {path} has no file ending in {', '.join(known)} (or those + .gz)"
                )
            files += found
        elif not path.exists():
            raise ConfigError(f"targets: {path} does not exist")
        elif _format_suffix(path) not in known:
            raise ConfigError(f"targets: {path} does not end in {', '.join(known)} (or those + .gz)")
        else:
            files.append(path)
    return files


def read_records(path: Path) -> Iterator[Target | Rejection]:
    """Targets and rejections of one file; a file that can't be read is itself one rejection."""
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        text = raw.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        yield Rejection(path.name, f"the file can't be read: {error}", str(path))
        return
    if not text.strip():
        yield Rejection(path.name, "the file is empty", str(path))
    elif _format_suffix(path) in JSON_SUFFIXES:
        yield from read_protenix_json(text, path)
    else:
        yield from read_fasta(io.StringIO(text, newline=None), path)


def read_targets(path: str | Path) -> list[Target]:
    """The targets of a FASTA or Protenix JSON file, or of all such files in a folder.

    Raises InputError, naming file, record and reason, if any record can't be folded.
    """
    targets: list[Target] = []
    for file in target_files([path]):
        for record in read_records(file):
            if isinstance(record, Rejection):
                raise InputError(f"{record.source}: {record.reason}")
            targets.append(record)
    return targets
