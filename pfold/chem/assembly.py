"""From a target to the heavy atoms and bonds of its chains (reference: json_parser.py, json_to_feature.py)."""

import functools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pfold.chem.components import Component, component
from pfold.chem.conformers import reference_conformer
from pfold.chem.ligands import molecule_residue, smiles_residue
from pfold.chem.residues import POLYMER_CODES, STANDARD_RESIDUES
from pfold.chem.types import Assembly, Chain, Residue
from pfold.errors import InputError
from pfold.targets.types import DNA, LIGAND, PROTEIN, RNA, AtomRef, Entity, Target

# Names of atoms that a chain's bonds to other residues start from, by residue number (from 0).
Linked = dict[int, list[str]]

_NUCLEIC = (DNA, RNA)


def build_assembly(target: Target) -> Assembly:
    """All chains of a target with what leaves at their bonds taken off, and its bonds.

    Raises InputError for unknown CCD codes, unreadable ligands, and bonds to atoms that do not exist.
    """
    linked = _linked_atoms(target)
    chains: list[Chain] = []
    bonds: list[tuple[tuple[int, int, int], tuple[int, int, int]]] = []
    unnamed = _unnamed_ligands(target)
    for number, entity in enumerate(target.entities):
        for copy, chain_id in enumerate(entity.ids):
            residues, links = _build_chain(entity, target.components, linked.get(chain_id, {}), unnamed.get(number))
            for first, second in links:
                bonds.append(((len(chains), *first), (len(chains), *second)))
            chains.append(Chain(chain_id, entity.kind, number, copy, residues))
    number_of = {chain.id: i for i, chain in enumerate(chains)}
    joined: set[frozenset[tuple[int, int, int]]] = set()
    for bond in target.bonds:
        ends = find_atom(chains, number_of, bond.first), find_atom(chains, number_of, bond.second)
        if ends[0] == ends[1]:
            ref = bond.first
            raise InputError(f"a bond joins atom {ref.atom} of chain {ref.chain}, residue {ref.position}, to itself")
        if frozenset(ends) in joined:
            atoms = [f"{r.atom} of chain {r.chain}, residue {r.position}" for r in (bond.first, bond.second)]
            raise InputError(f"the bond between {', and '.join(atoms)}, is given twice")
        joined.add(frozenset(ends))
        bonds.append(ends)
    return Assembly(tuple(chains), tuple(bonds))


def find_atom(chains: Sequence[Chain], number_of: dict[str, int], ref: AtomRef) -> tuple[int, int, int]:
    """(chain, residue, atom) numbers of a named atom. Raises InputError, naming it, where it does not exist."""
    residue = find_residue(chains, number_of, ref)
    atom = chains[residue[0]].residues[residue[1]].atom(ref.atom)
    if atom < 0:
        code = chains[residue[0]].residues[residue[1]].code
        raise InputError(f'chain {ref.chain}, residue {ref.position} ({code}) has no atom "{ref.atom}"')
    return (*residue, atom)


def find_residue(chains: Sequence[Chain], number_of: dict[str, int], ref: AtomRef) -> tuple[int, int]:
    """(chain, residue) numbers of a named residue. Raises InputError, naming it, where it does not exist."""
    if ref.chain not in number_of:
        raise InputError(f'there is no chain "{ref.chain}"; the chains are {", ".join(number_of)}')
    chain = number_of[ref.chain]
    if not 1 <= ref.position <= len(chains[chain].residues):
        raise InputError(f"chain {ref.chain} has no residue {ref.position}; it has {len(chains[chain].residues)}")
    return chain, ref.position - 1


def _linked_atoms(target: Target) -> dict[str, Linked]:
    linked: dict[str, Linked] = defaultdict(lambda: defaultdict(list))
    for bond in target.bonds:
        for ref in (bond.first, bond.second):
            linked[ref.chain][ref.position - 1].append(ref.atom)
    return linked


def residue_codes(entity: Entity) -> list[str]:
    """CCD code of every residue of a polymer or CCD ligand. Raises InputError for a modification outside the chain."""
    if not entity.is_polymer:
        return list(entity.codes)
    table = POLYMER_CODES[entity.kind]
    codes = [table[letter] for letter in entity.sequence]
    for modification in entity.modifications:
        if not 1 <= modification.position <= len(codes):
            raise InputError(
                f"the modification {modification.code} is at position {modification.position}, "
                f"but the chain has {len(codes)} residues"
            )
        codes[modification.position - 1] = modification.code
    return codes


Links = list[tuple[tuple[int, int], tuple[int, int]]]


def _unnamed_ligands(target: Target) -> dict[int, Residue]:
    """Entity number -> residue of the ligands that are SMILES or files, called l01, l02, ... as in the reference."""
    ligands = [(i, e) for i, e in enumerate(target.entities) if e.smiles or e.molecule]
    return {
        i: replace(smiles_residue(e.smiles) if e.smiles else molecule_residue(e.molecule), code=f"l{n:02d}")
        for n, (i, e) in enumerate(ligands, start=1)
    }


def _build_chain(
    entity: Entity, own: str, linked: Linked, unnamed: Residue | None
) -> tuple[tuple[Residue, ...], Links]:
    """Residues of a chain, and its links that the model is told of as ((residue, atom), (residue, atom))."""
    if unnamed is not None:
        return (unnamed,), []
    codes = residue_codes(entity)
    if not entity.is_polymer:
        return tuple(build_residue(c, tuple(linked.get(i, ())), own=own) for i, c in enumerate(codes)), []
    return _build_polymer(codes, own, linked)


def _build_polymer(codes: list[str], own: str, linked: Linked) -> tuple[tuple[Residue, ...], Links]:
    joints = _polymer_joints(codes, own)
    caps = _cap_joints(codes, own)
    bonded: Linked = defaultdict(list)
    for i, (here, there) in joints.items():
        bonded[i].append(here)
        bonded[i + 1].append(there)
    residues = []
    last = len(codes) - 1
    for i, code in enumerate(codes):
        joined = [k in joints or k in caps for k in (i - 1, i) if 0 <= k < last]
        residues.append(
            build_residue(
                code,
                tuple(sorted(bonded.get(i, []))) + tuple(linked.get(i, ())),
                bare=not all(joined),
                first=i == 0,
                last=i == last,
                own=own,
            )
        )
    links = []
    for i, (here, there) in caps.items():
        links.append(((i, residues[i].atom(here)), (i + 1, residues[i + 1].atom(there))))
    return tuple(residues), links


def _polymer_joints(codes: list[str], own: str) -> dict[int, tuple[str, str]]:
    """Names of the atoms that join residue i to residue i + 1, where the two can be joined."""
    joints = {}
    for i in range(len(codes) - 1):
        here, there = component(codes[i], own), component(codes[i + 1], own)
        if here.mol_type == PROTEIN and there.mol_type == PROTEIN:
            names = ("C", "N")
        elif here.mol_type in _NUCLEIC and there.mol_type in _NUCLEIC:
            names = ("O3'", "P")
        else:
            continue
        if names[0] in here.atom_name and names[1] in there.atom_name:
            joints[i] = names
    return joints


def _cap_joints(codes: list[str], own: str) -> dict[int, tuple[str, str]]:
    """The joints of an acetyl group (ACE) at the start and a methylamine (NME) at the end of a chain."""
    joints = {}
    if len(codes) > 1 and codes[0] == "ACE" and "N" in component(codes[1], own).atom_name:
        joints[0] = ("C", "N")
    if len(codes) > 1 and codes[-1] == "NME" and "C" in component(codes[-2], own).atom_name:
        joints[len(codes) - 2] = ("C", "N")
    return joints


def build_residue(
    code: str,
    linked: tuple[str, ...] = (),
    own: str = "",
    *,
    bare: bool = False,
    first: bool = False,
    last: bool = False,
) -> Residue:
    """Heavy atoms of a residue of a chain.

    linked: atoms with a bond to another residue, each of which a leaving group gives way to. bare: the residue can't
    be joined to a neighbour, and all its leaving atoms go, but the ends' of the chain. Raises InputError for a code
    that is not in the CCD.
    """
    return _component_residue(component(code, own), linked, bare=bare, first=first, last=last)


@functools.lru_cache(maxsize=65536)
def _component_residue(comp: Component, linked: tuple[str, ...], *, bare: bool, first: bool, last: bool) -> Residue:
    """`build_residue` of a component."""
    code = comp.code
    heavy = np.flatnonzero(comp.heavy)
    if not len(heavy):
        raise InputError(f'the component "{code}" has no heavy atoms')
    positions, valid = reference_conformer(comp)
    keep = np.isin(comp.atom_name[heavy], _removed(comp, linked), invert=True)
    if bare:
        ends = ["OP3"] * (first and comp.mol_type in _NUCLEIC) + ["OXT"] * (last and comp.mol_type == PROTEIN)
        keep &= ~comp.leaving[heavy] | np.isin(comp.atom_name[heavy], ends)
    atoms = heavy[keep]
    if not len(atoms):
        raise InputError(f'the component "{code}" has no atom left that does not leave with its bonds')
    index = np.full(len(comp.atom_name), -1)
    index[atoms] = np.arange(len(atoms))
    bonds = np.array([(index[i], index[j]) for i, j, _ in comp.bonds], int).reshape(-1, 2)
    residue = Residue(
        code=code,
        mol_type=comp.mol_type,
        one_letter_code=comp.one_letter_code,
        atom_name=comp.atom_name[atoms],
        element=comp.element[atoms],
        charge=comp.charge[atoms],
        slot=np.flatnonzero(keep)
        if code in STANDARD_RESIDUES and comp.mol_type != LIGAND
        else np.zeros(len(atoms), int),
        ref_pos=positions[atoms],
        ref_mask=valid[atoms],
        bonds=bonds[(bonds >= 0).all(axis=1)],
    )
    return _as_methionine(residue) if code == "MSE" else residue


def _removed(comp: Component, linked: tuple[str, ...]) -> list[str]:
    """Names of the atoms that leave for the given bonds: one leaving group a bond."""
    removed: list[str] = []
    for name in dict.fromkeys(linked):
        for group in comp.leaving_groups.get(name, [])[: linked.count(name)]:
            removed += group
    return removed


def _as_methionine(residue: Residue) -> Residue:
    """Selenomethionine as methionine, on its own conformer, as the reference takes it."""
    selenium = residue.atom_name == "SE"
    names = np.where(selenium, "SD", residue.atom_name)
    order = component("MET").atom_name[component("MET").heavy].tolist()
    return Residue(
        code="MET",
        mol_type=residue.mol_type,
        one_letter_code="M",
        atom_name=names,
        element=np.where(selenium, "S", residue.element),
        charge=residue.charge,
        slot=np.array([order.index(name) for name in names]),
        ref_pos=residue.ref_pos,
        ref_mask=residue.ref_mask,
        bonds=residue.bonds,
    )
