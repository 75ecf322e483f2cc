"""Components of the Chemical Component Dictionary (CCD), read from the copy that biotite bundles."""

import functools
from dataclasses import dataclass

import numpy as np
from biotite.structure.info.ccd import get_ccd

from pfold.errors import InputError


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


@functools.cache
def _rows(table: str) -> dict[str, slice]:
    """Rows of a CCD table per component; the dictionary keeps each component's rows together."""
    codes = get_ccd()[table]["comp_id"].as_array(str)
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    ends = np.r_[starts[1:], len(codes)]
    return {str(codes[a]): slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True)}


@functools.cache
def _column(table: str, name: str) -> np.ndarray:
    return get_ccd()[table][name].as_array(str)


@functools.cache
def _floats(name: str) -> np.ndarray:
    return get_ccd()["chem_comp_atom"][name].as_array(np.float32, masked_value=np.nan)


@functools.cache
def _component_row() -> dict[str, int]:
    return {str(code): i for i, code in enumerate(get_ccd()["chem_comp"]["id"].as_array(str))}


@functools.cache
def component(code: str) -> Component:
    """The CCD component of a code. Raises InputError for a code that the dictionary does not have."""
    row = _component_row().get(code)
    if row is None:
        raise InputError(f'"{code}" is not a component of the Chemical Component Dictionary')
    atoms = _rows("chem_comp_atom").get(code, slice(0, 0))
    names = _column("chem_comp_atom", "atom_id")[atoms]
    ideal = [_floats(f"pdbx_model_Cartn_{axis}_ideal")[atoms] for axis in "xyz"]
    return Component(
        code=code,
        type=str(_column("chem_comp", "type")[row]).upper(),
        one_letter_code=str(_column("chem_comp", "one_letter_code")[row]),
        atom_name=names,
        element=np.char.upper(_column("chem_comp_atom", "type_symbol")[atoms]),
        charge=_column("chem_comp_atom", "charge")[atoms].astype(int),
        leaving=_column("chem_comp_atom", "pdbx_leaving_atom_flag")[atoms] == "Y",
        ideal=np.stack(ideal, axis=1),
        bonds=_bonds(code, names),
    )


def _bonds(code: str, names: np.ndarray) -> tuple[tuple[int, int, str], ...]:
    rows = _rows("chem_comp_bond").get(code, slice(0, 0))
    index = {str(name): i for i, name in enumerate(names)}
    first, second, order = (_column("chem_comp_bond", c)[rows] for c in ("atom_id_1", "atom_id_2", "value_order"))
    return tuple((index[str(a)], index[str(b)], str(o)) for a, b, o in zip(first, second, order, strict=True))
