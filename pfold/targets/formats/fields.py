"""Checked access to the parts of a JSON or YAML input; every error names the key and where it stands."""

import contextlib
import difflib
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pfold.errors import InputError
from pfold.targets.named_files import note_file
from pfold.targets.types import DNA, PROTEIN, RNA, AtomRef, Entity, Modification, bad_letter, chain_ids, printable

Item = Mapping[str, Any]

# Largest whole number of an input but for seeds: of copies, positions and entities. No model takes as many.
MAX_WHOLE = 1_000_000
MAX_COPIES = 10_000
MAX_SEED = 2**63 - 1
# Chain ids stand in mmCIF tables, where they may have no blank, and in names of files.
_CHAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,19}")

# Keys of a modification's component and position in Protenix and AlphaFold 3 JSON.
MODIFICATION_KEYS = {
    PROTEIN: ("ptmType", "ptmPosition"),
    DNA: ("modificationType", "basePosition"),
    RNA: ("modificationType", "basePosition"),
}


def shown(value: Any) -> str:
    """A value of the input for a message, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # A number of thousands of digits, or what is nested as deeply.
        return "a value too large to show"
    return printable(text if len(text) <= 80 else f"{text[:80]}...")


def as_object(value: Any, where: str) -> Item:
    """The value as an object. Raises InputError for anything else."""
    if not isinstance(value, Mapping):
        raise InputError(f"{where} is not an object with keys and values")
    return value


def as_list(value: Any, where: str) -> Sequence[Any]:
    """The value as a list; nothing is an empty one. Raises InputError for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise InputError(f"{where} is not a list")
    return value


def sequence_list(job: Item) -> Sequence[Any]:
    """The "sequences" of an input. Raises InputError where there is none."""
    sequences = as_list(job.get("sequences"), '"sequences"')
    if not sequences:
        raise InputError('"sequences" is not a list of at least one sequence')
    return sequences


def file_target_name(path: Path) -> str:
    """Name of the target of a file that holds one: the file's, without its endings."""
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def atom_ref(value: Any, where: str) -> AtomRef:
    """An atom as [chain id, residue number, atom name]. Raises InputError for anything else."""
    if not isinstance(value, list) or len(value) != 3 or not all(isinstance(value[i], str | int) for i in (0, 1, 2)):
        raise InputError(f'{where}: {shown(value)} is not an atom, such as ["A", 1, "CA"]')
    return AtomRef(str(value[0]), position(value[1], where), str(value[2]))


def position(value: Any, where: str) -> int:
    """The number of a residue. Raises InputError for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_WHOLE:
        raise InputError(f"{where}: {shown(value)} is not the number of a residue")
    return value


def only_key(value: Any, where: str) -> tuple[str, Any]:
    """Key and value of an object with one key. Raises InputError for anything else."""
    item = as_object(value, where)
    if len(item) != 1:
        raise InputError(f"{where} is not an object with one key that says what it is, such as a protein or ligand")
    ((key, inner),) = item.items()
    return str(key), inner


def refuse_unknown(item: Item, known: Iterable[str], where: str) -> None:
    """Raises InputError, naming the nearest known key, for a key that is none of the known ones."""
    known = sorted(known)
    for key in item:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else f"; known are {', '.join(known)}"
            raise InputError(f'{where}: the key "{key}" is not supported{hint}')


def refuse_used(item: Item, unsupported: Mapping[str, str], where: str) -> None:
    """Raises InputError for a key that is set and that pfold can't do, saying what to do instead."""
    for key, advice in unsupported.items():
        if item.get(key):
            raise InputError(f'{where}: "{key}" is not supported: {advice}')


def whole(item: Item, key: str, where: str, default: int | None = None, most: int = MAX_WHOLE) -> int:
    """A whole number from 1 to `most`. Raises InputError for anything else."""
    value = _as_int(item.get(key, default))
    if value is None or value < 1:
        raise InputError(f'{where}: "{key}" is {shown(item.get(key, default))}, not a whole number above 0')
    if value > most:
        raise InputError(f'{where}: "{key}" is {shown(value)}, over the limit of {most}')
    return value


def _as_int(value: Any) -> int | None:
    """A whole number, which may be written as text of decimal digits; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(item: Item, key: str, where: str, default: float | None = None) -> float:
    """A number not below 0. Raises InputError for anything else."""
    value = item.get(key, default)
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if not known or not math.isfinite(min(value, MAX_WHOLE)) or not 0 <= value <= MAX_WHOLE:
        raise InputError(f'{where}: "{key}" is {shown(value)}, not a distance in Å')
    return float(value)


def text(item: Item, key: str, where: str) -> str:
    """A text that is not empty. Raises InputError for anything else."""
    value = item.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f'{where}: "{key}" is missing or empty')
    return value.strip()


def existing_file(folder: Path, value: Any, key: str, where: str) -> Path:
    """A file named relative to the input's folder. Raises InputError for one that does not exist or can't be named."""
    path = named_path(folder, value, key, where)
    if not path.is_file():
        raise InputError(f'{where}: "{key}": the file {printable(str(path))} does not exist')
    return path


def named_path(folder: Path, value: Any, key: str, where: str) -> Path:
    """A path named relative to the input's folder. Raises InputError for what can't be one."""
    if not isinstance(value, str):
        raise InputError(f'{where}: "{key}" is {shown(value)}, not the path of a file')
    try:
        path = folder / Path(value).expanduser()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.stat(path)
    except (OSError, ValueError, RuntimeError):  # Too long, with a NUL or a lone surrogate, or of an unknown user.
        raise InputError(f'{where}: "{key}" is {shown(value)}, which is not the path of a file') from None
    note_file(path)
    return path


def own_alignment(item: Item, key: str, where: str, folder: Path) -> Path | str | None:
    """The alignment of a key, as text, or of its "...Path", as a file. Raises InputError where both are given."""
    inline, path = item.get(key), item.get(f"{key}Path")
    if inline is not None and path:
        raise InputError(f'{where}: "{key}" and "{key}Path" are both given; keep one')
    if path:
        return existing_file(folder, path, f"{key}Path", where)
    if inline is not None and not isinstance(inline, str):
        raise InputError(f'{where}: "{key}" is {shown(inline)}, not the text of an alignment')
    return inline


def polymer_sequence(item: Item, kind: str, where: str) -> str:
    """The sequence of a polymer, in capitals. Raises InputError, naming the position, for a letter it can't have."""
    value = item.get("sequence")
    sequence = "".join(value.split()).upper() if isinstance(value, str) else ""
    if not sequence:
        raise InputError(f'{where}: "sequence" is empty')
    problem = bad_letter(sequence, kind)
    if problem:
        raise InputError(f"{where}, {problem}")
    return sequence


def modifications(items: Any, code_key: str, position_key: str, where: str) -> tuple[Modification, ...]:
    """Modified residues of a chain; a code may begin with "CCD_". Raises InputError naming the entry."""
    found = []
    for i, entry in enumerate(as_list(items, f'{where}: "modifications"'), start=1):
        place = f"{where}, modifications[{i}]"
        item = as_object(entry, place)
        refuse_unknown(item, (code_key, position_key), place)
        code = text(item, code_key, place).removeprefix("CCD_")
        found.append(Modification(whole(item, position_key, place), code))
    return tuple(found)


def model_seeds(items: Any, where: str) -> tuple[int, ...]:
    """Seeds as whole numbers, which may be written as text. Raises InputError for anything else."""
    seeds = []
    for seed in as_list(items, f'{where}: "modelSeeds"'):
        known = _as_int(seed)
        if known is None or not 0 <= known <= MAX_SEED:
            raise InputError(f'{where}: "modelSeeds" is not a list of whole numbers: {shown(seed)}')
        seeds.append(known)
    return tuple(dict.fromkeys(seeds))


def ccd_codes(codes: Sequence[Any], where: str) -> tuple[str, ...]:
    """CCD codes of a ligand, one a residue. Raises InputError for what can't be one, and for none at all."""
    for code in codes:
        if not isinstance(code, str | int) or not _CHAIN_ID.fullmatch(str(code)):
            raise InputError(f"{where}: {shown(code)} is no code of the Chemical Component Dictionary")
    if not codes:
        raise InputError(f"{where}: there is no CCD code")
    return tuple(str(code) for code in codes)


@dataclass(frozen=True)
class Draft:
    """An entity that has no chain ids yet: those the input gives, or how many copies there are."""

    entity: Entity
    where: str
    ids: tuple[str, ...] = ()
    count: int = 1


def draft(entity: Entity, item: Item, where: str) -> Draft:
    """A draft with "id" (a text or a list of them) and "count" of the input; either or both may be given."""
    ids = item.get("id")
    if ids in (None, "", []):
        return Draft(entity, where, (), whole(item, "count", where, 1, MAX_COPIES))
    ids = [ids] if isinstance(ids, str | int) else ids
    if not isinstance(ids, list) or not all(isinstance(i, str | int) for i in ids):
        raise InputError(f'{where}: "id" is not a chain id or a list of them')
    names = tuple(str(i) for i in ids)
    for name in names:
        if not _CHAIN_ID.fullmatch(name):
            raise InputError(f'{where}: "id": {shown(name)} is no chain id; use up to 20 letters and digits')
    count = whole(item, "count", where, len(names), MAX_COPIES)
    if len(set(names)) != count:
        raise InputError(f'{where}: "id" must be a list of {count} different chain ids')
    return Draft(entity, where, names, count)


def with_chain_ids(drafts: Sequence[Draft]) -> tuple[Entity, ...]:
    """Entities with the ids that the input gives and, for the others, the next free letters.

    Raises InputError for an id that is used twice.
    """
    taken: set[str] = set()
    for entry in drafts:
        again = taken.intersection(entry.ids)
        if again:
            raise InputError(f"{entry.where}: chain ids {sorted(again)} are used twice")
        taken.update(entry.ids)
    entities = []
    for entry in drafts:
        ids = entry.ids or tuple(chain_ids(entry.count, taken))
        taken.update(ids)
        entities.append(replace(entry.entity, ids=ids))
    return tuple(entities)
