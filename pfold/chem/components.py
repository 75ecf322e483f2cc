"""Components of the Chemical Component Dictionary (CCD): biotite's copy, or a file of the user's."""

import functools
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from pfold.errors import ConfigError, InputError
from pfold.files import file_state, read_unpacked
from pfold.targets.types import DNA, LIGAND, PROTEIN, RNA


@dataclass(frozen=True, eq=False)
class Component:
    """One CCD component with all its atoms, hydrogens included, in the dictionary's order."""

    code: str
    type: str
    one_letter_code: str
    atom_name: np.ndarray  # [N] str
    element: np.ndarray  # [N] str, upper case
    charge: np.ndarray  # [N] int, formal charge
    leaving: np.ndarray  # [N] bool, atoms that leave when the component is linked
    ideal: np.ndarray  # [N, 3] float32, ideal coordinates (Å), NaN where the dictionary has none
    bonds: tuple[tuple[int, int, str], ...]  # first atom, second atom, order ("SING", "DOUB", "TRIP", ...)

    @property
    def heavy(self) -> np.ndarray:
        """Which atoms are not hydrogens, [N] bool."""
        return ~np.isin(self.element, ("H", "D"))

    @property
    def mol_type(self) -> str:
        """ "protein", "dna", "rna" or "ligand", by the component's type."""
        if "PEPTIDE" in self.type and self.type != "PEPTIDE-LIKE":
            return PROTEIN
        if "DNA" in self.type:
            return DNA
        return RNA if "RNA" in self.type else LIGAND

    @functools.cached_property
    def leaving_groups(self) -> dict[str, list[list[str]]]:
        """Groups of heavy atoms that leave with a bond to an atom, by its name.

        Empty where a leaving group is bound to more than one atom that stays, as in the reference.
        """
        heavy = self.heavy
        neighbours: dict[int, set[int]] = defaultdict(set)
        for first, second, _ in self.bonds:
            if heavy[first] and heavy[second]:
                neighbours[first].add(second)
                neighbours[second].add(first)
        groups: dict[str, list[list[str]]] = defaultdict(list)
        for centre in np.flatnonzero(heavy & ~self.leaving).tolist():
            for start in sorted(n for n in neighbours[centre] if self.leaving[n]):
                neighbours[centre].discard(start)
                neighbours[start].discard(centre)
                group = _connected(start, neighbours)
                if not all(self.leaving[i] for i in group):
                    return {}
                groups[str(self.atom_name[centre])].append([str(self.atom_name[i]) for i in group])
        return dict(groups)


def _connected(start: int, neighbours: dict[int, set[int]]) -> list[int]:
    found, todo = {start}, [start]
    while todo:
        for atom in neighbours[todo.pop()] - found:
            found.add(atom)
            todo.append(atom)
    return sorted(found)


class _UserDictionary:
    """Components of an mmCIF text, one block each."""

    def __init__(self, text: str, source: str) -> None:
        try:
            document = gemmi.cif.read_string(text)
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{source}: the components can't be read as mmCIF ({error})") from None
        self.blocks = {_block_code(block): block for block in document}
        self.source = source
        self.state = ""  # of the file, by which a change is seen


def _block_code(block: gemmi.cif.Block) -> str:
    return gemmi.cif.as_string(block.find_value("_chem_comp.id") or block.name)


# The file that `use_components` named; it is looked up before biotite's dictionary.
_user_file: _UserDictionary | None = None


def use_components(path: Path | None) -> None:
    """Look components up in this components.cif (plain or .gz) first; None forgets it.

    Raises ConfigError for a file that can't be read.
    """
    global _user_file
    if path is None:
        changed, _user_file = _user_file is not None, None
    else:
        state = _state_of(path)
        changed = _user_file is None or (_user_file.source, _user_file.state) != (str(path), state)
        if changed:
            _user_file = _read_dictionary(path)
            _user_file.state = state
    if changed:
        component.cache_clear()


def _state_of(path: Path) -> str:
    try:
        return file_state(path)
    except OSError:
        return ""


def _read_dictionary(path: Path) -> _UserDictionary:
    try:
        return _UserDictionary(read_unpacked(path).decode(), str(path))
    except (OSError, UnicodeDecodeError, InputError) as error:
        raise ConfigError(f"components: {path} can't be read as a CCD mmCIF file ({error})") from None


@functools.lru_cache(maxsize=8)
def _target_dictionary(text: str) -> _UserDictionary:
    return _UserDictionary(text, "userCCD")


@functools.cache
def component(code: str, own: str = "") -> Component:
    """The component of a code.

    own: mmCIF text of components that go before the dictionary's. Raises InputError for a code that neither has.
    """
    for dictionary in (_target_dictionary(own) if own else None, _user_file):
        if dictionary is not None and code in dictionary.blocks:
            return _checked(_from_block(code, dictionary.blocks[code], dictionary.source), dictionary.source)
    row = _component_row().get(code)
    if row is None:
        raise InputError(f'"{code}" is not a component of the Chemical Component Dictionary')
    return _checked(_bundled(code, row), "the Chemical Component Dictionary")


def _checked(found: Component, source: str) -> Component:
    """Raises InputError, naming the atom, for a component whose atoms and bonds make no molecule."""
    where = f'{source}: the component "{found.code}"'
    names = found.atom_name.tolist()
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if twice:
        raise InputError(f"{where} has atoms of one name: {', '.join(sorted(twice))}")
    for name, element in zip(names, found.element.tolist(), strict=True):
        if element != "D" and gemmi.Element(element.capitalize()).atomic_number == 0:
            raise InputError(f'{where}: the element "{element}" of atom {name} is unknown, and so can\'t be folded')
    for first, second, _ in found.bonds:
        if first == second:
            raise InputError(f"{where} binds atom {names[first]} to itself")
    return found


def _from_block(code: str, block: gemmi.cif.Block, source: str) -> Component:
    def column(category: str, name: str, default: str = "") -> list[str]:
        values = [gemmi.cif.as_string(v) for v in block.find_values(f"_{category}.{name}")]
        return values or [default] * len(block.find_values(f"_{category}.atom_id"))

    names = np.array(column("chem_comp_atom", "atom_id"), dtype=str)
    if not len(names):
        raise InputError(f'{source}: the component "{code}" has no atoms (_chem_comp_atom)')
    axes = [
        [gemmi.cif.as_number(v) for v in column("chem_comp_atom", f"pdbx_model_Cartn_{a}_ideal", "?")] for a in "xyz"
    ]
    charges = [int(c) if re.fullmatch(r"[+-]?[0-9]{1,3}", c) else 0 for c in column("chem_comp_atom", "charge", "0")]
    first, second = (column("chem_comp_bond", f"atom_id_{i}") for i in (1, 2))
    orders = [o.upper() for o in column("chem_comp_bond", "value_order")]
    if not len(first) == len(second) == len(orders):
        raise InputError(
            f"{source}: the bonds of the component {code} lack a column; "
            "_chem_comp_bond needs atom_id_1, atom_id_2 and value_order"
        )
    return Component(
        code=code,
        type=(gemmi.cif.as_string(block.find_value("_chem_comp.type") or "NON-POLYMER")).upper(),
        one_letter_code=gemmi.cif.as_string(block.find_value("_chem_comp.one_letter_code") or "?") or "?",
        atom_name=names,
        element=np.char.upper(np.array(column("chem_comp_atom", "type_symbol"), dtype=str)),
        charge=np.array(charges, int),
        leaving=np.array(column("chem_comp_atom", "pdbx_leaving_atom_flag", "N")) == "Y",
        ideal=np.array(axes, np.float32).T,
        bonds=_bonds(names, first, second, orders, f'{source}: the component "{code}"'),
    )


@functools.cache
def _ccd() -> Any:
    """biotite's dictionary; imported here because jobs that need no chemistry read this module too."""
    from biotite.structure.info.ccd import get_ccd

    return get_ccd()


@functools.cache
def _rows(table: str) -> dict[str, slice]:
    """Rows of a CCD table per component; the dictionary keeps each component's rows together."""
    codes = _ccd()[table]["comp_id"].as_array(str)
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    ends = np.r_[starts[1:], len(codes)]
    return {str(codes[a]): slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True)}


@functools.cache
def _column(table: str, name: str) -> np.ndarray:
    return _ccd()[table][name].as_array(str)


@functools.cache
def _floats(name: str) -> np.ndarray:
    return _ccd()["chem_comp_atom"][name].as_array(np.float32, masked_value=np.nan)


@functools.cache
def _component_row() -> dict[str, int]:
    return {str(code): i for i, code in enumerate(_ccd()["chem_comp"]["id"].as_array(str))}


def _bundled(code: str, row: int) -> Component:
    """The component of a row of biotite's dictionary."""
    atoms = _rows("chem_comp_atom").get(code, slice(0, 0))
    bonds = _rows("chem_comp_bond").get(code, slice(0, 0))
    names = _column("chem_comp_atom", "atom_id")[atoms]
    ideal = [_floats(f"pdbx_model_Cartn_{axis}_ideal")[atoms] for axis in "xyz"]
    first, second, order = (
        _column("chem_comp_bond", c)[bonds].tolist() for c in ("atom_id_1", "atom_id_2", "value_order")
    )
    return Component(
        code=code,
        type=str(_column("chem_comp", "type")[row]).upper(),
        one_letter_code=str(_column("chem_comp", "one_letter_code")[row]),
        atom_name=names,
        element=np.char.upper(_column("chem_comp_atom", "type_symbol")[atoms]),
        charge=_column("chem_comp_atom", "charge")[atoms].astype(int),
        leaving=_column("chem_comp_atom", "pdbx_leaving_atom_flag")[atoms] == "Y",
        ideal=np.stack(ideal, axis=1),
        bonds=_bonds(names, first, second, order, code),
    )


def _bonds(
    names: np.ndarray, first: list[str], second: list[str], order: list[str], where: str
) -> tuple[tuple[int, int, str], ...]:
    index = {str(name): i for i, name in enumerate(names)}
    for atom in (*first, *second):
        if atom not in index:
            raise InputError(f'{where} has a bond to "{atom}", which is none of its atoms')
    return tuple((index[a], index[b], o) for a, b, o in zip(first, second, order, strict=True))
