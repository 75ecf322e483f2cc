"""Atoms and tokens of a target's chains (AF3 supplement, section 2.6 and table 5)."""

import functools
from dataclasses import dataclass

import numpy as np
from rdkit.Chem import GetPeriodicTable
from scipy.spatial.transform import Rotation

from pfold.chem.components import component
from pfold.chem.conformers import reference_conformer
from pfold.chem.residues import PROTEIN_ONE_TO_THREE, RESTYPE_INDEX, RESTYPES
from pfold.targets.types import Target

Arrays = dict[str, np.ndarray]

N_ELEMENTS = 128
N_NAME_CHARS = 64
# How far random translation moves a reference conformer, Å (reference: utils/geometry.py).
MAX_TRANSLATION = 1.0


@dataclass(frozen=True, eq=False)
class Residue:
    """Heavy atoms of one residue of a chain; `slot` is each atom's number in the full component."""

    code: str
    atom_name: np.ndarray
    element: np.ndarray
    charge: np.ndarray
    slot: np.ndarray
    ref_pos: np.ndarray
    ref_mask: np.ndarray


@functools.cache
def build_residue(code: str, is_last: bool) -> Residue:
    """Heavy atoms of a protein residue: all but the leaving OXT, which only a chain's last residue keeps."""
    comp = component(code)
    positions, valid = reference_conformer(code)
    heavy = np.flatnonzero(comp.heavy)
    keep = np.ones(len(heavy), bool) if is_last else ~comp.leaving[heavy]
    atoms = heavy[keep]
    return Residue(
        code=code,
        atom_name=comp.atom_name[atoms],
        element=comp.element[atoms],
        charge=comp.charge[atoms],
        slot=np.flatnonzero(keep),
        ref_pos=positions[atoms],
        ref_mask=valid[atoms],
    )


def build_chain(sequence: str) -> list[Residue]:
    """Residues of a protein chain with their heavy atoms in CCD order."""
    last = len(sequence) - 1
    return [build_residue(PROTEIN_ONE_TO_THREE[letter], i == last) for i, letter in enumerate(sequence)]


def one_hot(index: np.ndarray, n_class: int, dtype: type) -> np.ndarray:
    """One-hot encoding along a new last axis."""
    return np.eye(n_class, dtype=dtype)[index]


def encode_atom_names(names: np.ndarray) -> np.ndarray:
    """Four characters of each atom name as one-hot ASCII - 32.  [N_atom] str -> [N_atom, 4, 64] int64."""
    codes = np.array([[ord(c) - 32 for c in name.ljust(4)[:4]] for name in names.tolist()], np.int64)
    return one_hot(codes.clip(0, N_NAME_CHARS - 1), N_NAME_CHARS, np.int64)


def encode_elements(elements: np.ndarray) -> np.ndarray:
    """Element symbols as one-hot atomic number - 1.  [N_atom] str -> [N_atom, 128] int64."""
    table = GetPeriodicTable()
    numbers = {e: table.GetAtomicNumber(e.capitalize()) for e in np.unique(elements).tolist()}
    return one_hot(np.array([numbers[e] - 1 for e in elements.tolist()]), N_ELEMENTS, np.int64)


def entity_numbers(target: Target) -> list[int]:
    """entity_id of each entity: the rank of its 1-based number as text, as the reference sorts them."""
    labels = [str(i + 1) for i in range(len(target.entities))]
    ranked = sorted(labels)
    return [ranked.index(label) for label in labels]


def token_and_atom_features(target: Target) -> Arrays:
    """Every feature that does not come from alignments or templates; ref_pos is centred but not yet augmented."""
    entity_ids = entity_numbers(target)
    residues: list[Residue] = []
    chain_of_residue: list[tuple[int, int, int, int]] = []  # asym_id, entity_id, sym_id, residue_index
    asym_id = 0
    for entity, entity_id in zip(target.entities, entity_ids, strict=True):
        chain = build_chain(entity.sequence)
        for sym_id in range(entity.count):
            residues += chain
            chain_of_residue += [(asym_id, entity_id, sym_id, i + 1) for i in range(len(chain))]
            asym_id += 1
    ids = np.array(chain_of_residue, np.int64)
    return _token_features(residues, ids) | _atom_features(residues, ids)


def _token_features(residues: list[Residue], ids: np.ndarray) -> Arrays:
    n_token = len(residues)
    restype = np.array([RESTYPE_INDEX[r.code] for r in residues])
    return {
        "token_index": np.arange(n_token, dtype=np.int64),
        "residue_index": ids[:, 3].copy(),
        "asym_id": ids[:, 0].copy(),
        "entity_id": ids[:, 1].copy(),
        "sym_id": ids[:, 2].copy(),
        "restype": one_hot(restype, len(RESTYPES), np.float32),
        # Polymer bonds between standard residues are not bonds of AF3's token_bonds.
        "token_bonds": np.zeros((n_token, n_token), np.float32),
    }


def _atom_features(residues: list[Residue], ids: np.ndarray) -> Arrays:
    counts = np.array([len(r.atom_name) for r in residues])
    token = np.repeat(np.arange(len(residues)), counts)
    starts = np.concatenate([[0], np.cumsum(counts)])[:-1]
    names = np.concatenate([r.atom_name for r in residues])
    codes = np.repeat([r.code for r in residues], counts)
    n_atom = len(names)

    backbone = np.array([[_find(r, name) for name in ("N", "CA", "C")] for r in residues])
    representative = np.where(codes == "GLY", names == "CA", names == "CB")
    chain = ids[token, 0]
    chain_start = starts[np.searchsorted(ids[:, 0], ids[:, 0])][token]
    zeros, ones = np.zeros(n_atom, np.int64), np.ones(n_atom, np.int64)
    return {
        "ref_pos": np.concatenate([r.ref_pos - r.ref_pos.mean(axis=0) for r in residues]).astype(np.float32),
        "ref_mask": np.concatenate([r.ref_mask for r in residues]).astype(np.int64),
        "ref_element": encode_elements(np.concatenate([r.element for r in residues])),
        "ref_charge": np.concatenate([r.charge for r in residues]).astype(np.int64),
        "ref_atom_name_chars": encode_atom_names(names),
        "ref_space_uid": token.astype(np.int64),
        "has_frame": np.ones(len(residues), np.int64),
        "frame_atom_index": (backbone + starts[:, None]).astype(np.int64),
        "atom_to_token_idx": token.astype(np.int64),
        "atom_to_tokatom_idx": np.concatenate([r.slot for r in residues]).astype(np.int64),
        "is_protein": ones,
        "is_ligand": zeros,
        "is_dna": zeros,
        "is_rna": zeros,
        "mol_id": chain,
        "mol_atom_index": np.arange(n_atom) - chain_start,
        "entity_mol_id": ids[token, 1].copy(),
        "pae_rep_atom_mask": (names == "CA").astype(np.int64),
        "plddt_m_rep_atom_mask": (names == "CA").astype(np.int64),
        "distogram_rep_atom_mask": representative.astype(np.int64),
    }


def _find(residue: Residue, name: str) -> int:
    return int(np.flatnonzero(residue.atom_name == name)[0])


def augment_reference(features: Arrays, seed: int) -> Arrays:
    """Features with every reference conformer randomly moved and turned (AF3 supplement, section 2.8).

    seed: the prediction's seed; residue i of a target always gets the same motion for it.
    """
    generator = np.random.default_rng(seed)
    space = features["ref_space_uid"]
    n_space = int(space.max()) + 1
    translation = generator.uniform(-MAX_TRANSLATION, MAX_TRANSLATION, (n_space, 3))
    rotation = Rotation.from_quat(generator.standard_normal((n_space, 4))).as_matrix()
    moved = features["ref_pos"] + translation[space]
    return features | {"ref_pos": np.einsum("aij,aj->ai", rotation[space], moved).astype(np.float32)}
