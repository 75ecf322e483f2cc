"""Which atoms of a structure may take each other's place: copies of a chain, and equal atoms of a residue or ligand."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from pfold.chem.types import Residue
from pfold.features.tokens import Tokens

# Orders of the atoms of one ligand that are tried at most.
_MAX_ORDERS = 128
# Equal atoms of standard residues (AlphaFold 2 supplement, table 3).
_SWAPS = {
    "ASP": (("OD1", "OD2"),),
    "GLU": (("OE1", "OE2"),),
    "PHE": (("CD1", "CD2"), ("CE1", "CE2")),
    "TYR": (("CD1", "CD2"), ("CE1", "CE2")),
}


@dataclass(frozen=True, eq=False)
class Symmetry:
    """Atoms that are equal, by their numbers in the whole structure.

    copies: [n_copy, n] of each entity of several chains: atom k of one copy is atom k of another. orders: [n_order, n]
    of each residue with equal atoms, the first of them as they are. chain: number of each atom's chain.
    """

    copies: tuple[np.ndarray, ...]
    orders: tuple[np.ndarray, ...]
    chain: np.ndarray

    def __bool__(self) -> bool:
        return bool(self.copies or self.orders)


def find_symmetry(tokens: Tokens) -> Symmetry:
    """The symmetry of a target's atoms."""
    chain = tokens.chain_of_residue[tokens.residue_of_atom]
    entities: dict[int, list[np.ndarray]] = {}
    for number, of in enumerate(tokens.assembly.chains):
        entities.setdefault(of.entity, []).append(np.flatnonzero(chain == number))
    copies = [np.stack(atoms) for atoms in entities.values() if len(atoms) > 1]
    orders = [
        tokens.first_atom[i] + order
        for i, residue in enumerate(tokens.residues)
        for order in _orders(residue)
        if len(order) > 1
    ]
    return Symmetry(tuple(copies), tuple(orders), chain)


def _orders(residue: Residue) -> Iterator[np.ndarray]:
    """Orders [n_order, n] of a residue's atoms."""
    names = list(residue.atom_name)
    if residue.is_standard:
        pairs = [pair for pair in _SWAPS.get(residue.code, ()) if set(pair) <= set(names)]
        if pairs:
            swapped = np.arange(len(names))
            for pair in pairs:
                first, second = (names.index(name) for name in pair)
                swapped[[first, second]] = second, first
            yield np.stack([np.arange(len(names)), swapped])
    elif len(names) > 1:
        yield _automorphisms(residue)


def _automorphisms(residue: Residue) -> np.ndarray:
    """All orders of the atoms in which elements and bonds are the same; orders of bonds and charges may move."""
    molecule = Chem.RWMol()
    for element in residue.element:
        molecule.AddAtom(Chem.Atom(str(element).capitalize()))
    for first, second in residue.bonds:
        molecule.AddBond(int(first), int(second), Chem.BondType.SINGLE)
    with BlockLogs():
        molecule.UpdatePropertyCache(strict=False)
        found = molecule.GetSubstructMatches(molecule, uniquify=False, maxMatches=_MAX_ORDERS)
    own = tuple(range(len(residue.element)))
    return np.array([own, *(order for order in found if order != own)])
