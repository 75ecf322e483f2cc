"""Read target files of any supported format, plain or gzipped."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

from pfold.errors import ConfigError, InputError, explain
from pfold.files import read_unpacked
from pfold.targets.formats.alphafold3_json import DIALECT as ALPHAFOLD3
from pfold.targets.formats.alphafold3_json import read_alphafold3
from pfold.targets.formats.boltz_yaml import read_boltz
from pfold.targets.formats.fasta import read_fasta
from pfold.targets.formats.protenix_json import read_protenix_jobs
from pfold.targets.formats.structure_file import read_structure_file
from pfold.targets.rejected import rejected
from pfold.targets.types import Rejection, Target, bad_name

FASTA_SUFFIXES = (".fasta", ".fa", ".faa", ".fas")
JSON_SUFFIXES = (".json",)
YAML_SUFFIXES = (".yaml", ".yml")
STRUCTURE_SUFFIXES = (".cif", ".mmcif", ".pdb", ".ent")
SUFFIXES = FASTA_SUFFIXES + JSON_SUFFIXES + YAML_SUFFIXES + STRUCTURE_SUFFIXES


def _format_suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def target_files(paths: list[str | Path]) -> list[Path]:
    """The files that the paths name: files as they are, of a folder all target files in it, sorted by name.

    Raises ConfigError for a path that does not exist, a folder without target files, or an unknown file type.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.is_file() and _format_suffix(p) in SUFFIXES)
            if not found:
                raise ConfigError(
                    f"targets: the folder {path} has no file ending in {', '.join(SUFFIXES)} (or those + .gz)"
                )
            files += found
        elif not path.exists():
            raise ConfigError(f"targets: {path} does not exist")
        elif _format_suffix(path) not in SUFFIXES:
            raise ConfigError(f"targets: {path} does not end in {', '.join(SUFFIXES)} (or those + .gz)")
        else:
            files.append(path)
    return files


def read_records(path: Path) -> Iterator[Target | Rejection]:
    """Targets and rejections of one file; a file that can't be read, or holds nothing, is itself one rejection."""
    n_record = 0
    try:
        for record in _read_file(path):
            n_record += 1
            problem = bad_name(record.name) if isinstance(record, Target) else ""
            yield Rejection(record.name, problem, record.source) if problem else record
    except Exception as error:
        yield rejected(error, path.name, str(path))
        return
    if not n_record:
        yield Rejection(path.name, "the file has no record in it", str(path))


def _read_file(path: Path) -> Iterator[Target | Rejection]:
    try:
        text = read_unpacked(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the file can't be read: {error}") from None
    if not text.strip():
        raise InputError("the file is empty")
    suffix = _format_suffix(path)
    if suffix in JSON_SUFFIXES:
        yield from _read_json(text, path)
    elif suffix in YAML_SUFFIXES:
        yield read_boltz(text, path)
    elif suffix in STRUCTURE_SUFFIXES:
        yield read_structure_file(text, path)
    else:
        yield from read_fasta(io.StringIO(text, newline=None), path)


def _read_json(text: str, path: Path) -> Iterator[Target | Rejection]:
    """A JSON of Protenix, AlphaFold 3 or the AlphaFold Server, told apart by its "dialect"."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        yield Rejection(path.name, f"the JSON can't be read: {error.msg}", f"{path}, line {error.lineno}")
        return
    except (ValueError, RecursionError) as error:
        yield Rejection(path.name, f"the JSON can't be read: {explain(error)}", str(path))
        return
    if isinstance(content, dict) and content.get("dialect") == ALPHAFOLD3:
        yield read_alphafold3(content, path)
    elif isinstance(content, dict) and "sequences" in content:
        yield from read_protenix_jobs([content], path)
    elif isinstance(content, list):
        yield from read_protenix_jobs(content, path)
    else:
        yield Rejection(path.name, "expected a list of jobs: [{...}, ...]", f"{path}, line 1")


def read_targets(path: str | Path) -> list[Target]:
    """The targets of a file of any supported format, or of all such files in a folder.

    Raises InputError, naming file, record and reason, if any record can't be folded.
    """
    targets: list[Target] = []
    for file in target_files([path]):
        for record in read_records(file):
            if isinstance(record, Rejection):
                raise InputError(f"{record.source}: {record.reason}")
            targets.append(record)
    return targets
