"""Checked access to the parts of a JSON or YAML input; every error names the key and where it stands."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pfold.errors import InputError
from pfold.targets.types import DNA, PROTEIN, RNA, AtomRef, Entity, Modification, bad_letter, chain_ids

Item = Mapping[str, Any]

# Keys of a modification's component and position in Protenix and AlphaFold 3 JSON.
MODIFICATION_KEYS = {
    PROTEIN: ("ptmType", "ptmPosition"),
    DNA: ("modificationType", "basePosition"),
    RNA: ("modificationType", "basePosition"),
}


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
    if not isinstance(value, list) or len(value) != 3 or not isinstance(value[1], int):
        raise InputError(f'{where}: {value!r} is not an atom, such as ["A", 1, "CA"]')
    return AtomRef(str(value[0]), value[1], str(value[2]))


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


def whole(item: Item, key: str, where: str, default: int | None = None) -> int:
    """A whole number above 0. Raises InputError for anything else."""
    value = item.get(key, default)
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f'{where}: "{key}" is {value!r}, not a whole number above 0')
    return value


def number(item: Item, key: str, where: str, default: float | None = None) -> float:
    """A number not below 0. Raises InputError for anything else."""
    value = item.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise InputError(f'{where}: "{key}" is {value!r}, not a distance in Å')
    return float(value)


def text(item: Item, key: str, where: str) -> str:
    """A text that is not empty. Raises InputError for anything else."""
    value = item.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f'{where}: "{key}" is missing or empty')
    return value.strip()


def existing_file(folder: Path, value: Any, key: str, where: str) -> Path:
    """A file named relative to the input's folder. Raises InputError where it does not exist."""
    path = folder / Path(str(value)).expanduser()
    if not path.is_file():
        raise InputError(f'{where}: "{key}": the file {path} does not exist')
    return path


def own_alignment(item: Item, key: str, where: str, folder: Path) -> Path | str | None:
    """The alignment of a key, as text, or of its "...Path", as a file. Raises InputError where both are given."""
    inline, path = item.get(key), item.get(f"{key}Path")
    if inline is not None and path:
        raise InputError(f'{where}: "{key}" and "{key}Path" are both given; keep one')
    if path:
        return existing_file(folder, path, f"{key}Path", where)
    return None if inline is None else str(inline)


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
        if isinstance(seed, str) and seed.isdigit():
            seed = int(seed)
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise InputError(f'{where}: "modelSeeds" is not a list of whole numbers: {seed!r}')
        seeds.append(seed)
    return tuple(seeds)


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
        return Draft(entity, where, (), whole(item, "count", where, 1))
    ids = [ids] if isinstance(ids, str | int) else ids
    if not isinstance(ids, list) or not all(isinstance(i, str | int) for i in ids):
        raise InputError(f'{where}: "id" is not a chain id or a list of them')
    names = tuple(str(i) for i in ids)
    count = whole(item, "count", where, len(names))
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
