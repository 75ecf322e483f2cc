"""Ligands that are no CCD components: SMILES strings and molecules with coordinates (reference: json_parser.py)."""

import functools
from collections import Counter

import numpy as np
from rdkit import Chem
from rdkit.Chem.rdDistGeom import EmbedMolecule
from rdkit.rdBase import BlockLogs

from pfold.chem.conformers import etkdg
from pfold.chem.types import Residue
from pfold.errors import InputError
from pfold.targets.types import LIGAND

# Code of a ligand without one, until it is numbered in its target.
UNNAMED = "UNL"
# Most heavy atoms of a SMILES: RDKit's distance geometry takes minutes beyond them, and hours further on.
MAX_ATOMS = 400
_AS_FILE = "give so large a molecule as a file with coordinates"
# RDKit's own seed: the reference, which gives none, draws the same conformer for the first SMILES of a program.
CONFORMER_SEED = 42


@functools.lru_cache(maxsize=4096)
def smiles_residue(smiles: str) -> Residue:
    """A SMILES string as one residue, its conformer by ETKDG with a fixed seed.

    Raises InputError for a string that RDKit can't read or embed, that has no heavy atom, or over 400.
    """
    # A SMILES has four characters an atom at most times; what is far longer is not even read.
    if len(smiles) > 50 * MAX_ATOMS:
        raise InputError(f"the SMILES has {len(smiles)} characters; {_AS_FILE}")
    with BlockLogs():
        molecule = Chem.MolFromSmiles(smiles) if smiles.isascii() else None
    if molecule is None:
        raise InputError(f'the SMILES "{smiles[:200]}" can\'t be read; check it, or name the ligand by its CCD code')
    n_heavy = molecule.GetNumHeavyAtoms()
    if n_heavy == 0:
        raise InputError(f'the SMILES "{smiles}" has no atom but hydrogen')
    if n_heavy > MAX_ATOMS:
        raise InputError(f"the SMILES has {n_heavy} heavy atoms, over {MAX_ATOMS}; {_AS_FILE}")
    molecule = Chem.AddHs(molecule)
    # Random starting coordinates, as in the reference, for molecules that distance geometry starts badly with.
    if all(EmbedMolecule(molecule, etkdg(CONFORMER_SEED, random_start=start)) != 0 for start in (False, True)):
        raise InputError(f'the SMILES "{smiles}" gives no 3D conformer; give the ligand as a file with coordinates')
    return _to_residue(molecule)


@functools.lru_cache(maxsize=256)
def molecule_residue(block: str) -> Residue:
    """An MDL mol block with 3D coordinates as one residue. Raises InputError where RDKit can't read it."""
    molecule = Chem.MolFromMolBlock(block)
    if molecule is None:
        raise InputError("the ligand's mol block can't be read")
    if molecule.GetNumHeavyAtoms() == 0:
        raise InputError("the ligand's file has no atom but hydrogen")
    return _to_residue(molecule)


def _to_residue(molecule: Chem.Mol) -> Residue:
    """Atoms are named by element and number, as the reference names them; hydrogens are left out."""
    count: Counter[str] = Counter()
    names, numbers, mapped = [], {}, {}
    for atom in molecule.GetAtoms():
        element = atom.GetSymbol().upper()
        count[element] += 1
        names.append(f"{element}{count[element]}")
        numbers[atom.GetIdx()] = names[-1]
        if atom.GetAtomMapNum():
            mapped[atom.GetAtomMapNum()] = names[-1]
    elements = np.array([atom.GetSymbol().upper() for atom in molecule.GetAtoms()])
    heavy = elements != "H"
    index = np.cumsum(heavy) - 1
    pairs = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in molecule.GetBonds()]
    bonds = [(index[i], index[j]) for i, j in pairs if heavy[i] and heavy[j]]
    n = int(heavy.sum())
    return Residue(
        code=UNNAMED,
        mol_type=LIGAND,
        one_letter_code="?",
        atom_name=np.array(names)[heavy],
        element=elements[heavy],
        charge=np.array([atom.GetFormalCharge() for atom in molecule.GetAtoms()], int)[heavy],
        slot=np.zeros(n, int),
        ref_pos=molecule.GetConformer().GetPositions().astype(np.float32)[heavy],
        ref_mask=np.ones(n, bool),
        bonds=np.array(bonds, int).reshape(-1, 2),
        numbered=mapped or numbers,
    )
