"""Features of tokens and atoms (AF3 supplement, section 2.8 and table 5; reference: core/featurizer.py, parser.py)."""

import numpy as np
from rdkit.Chem import GetPeriodicTable
from scipy.spatial.transform import Rotation

from pfold.chem.residues import RESTYPE_INDEX, RESTYPES, canonical_restype
from pfold.chem.types import Residue
from pfold.features.frames import token_frames
from pfold.features.schema import Features
from pfold.features.tokens import Tokens
from pfold.targets.types import DNA, LIGAND, PROTEIN, RNA, Target

Arrays = dict[str, np.ndarray]

N_ELEMENTS = 128
N_NAME_CHARS = 64
# How far random translation moves a reference conformer, Å (reference: utils/geometry.py).
MAX_TRANSLATION = 1.0
# Atom of the distogram of nucleotides; Cβ stands for an amino acid, Cα for glycine.
_NUCLEOTIDE_REPRESENTATIVE = {
    **dict.fromkeys(("DA", "DG", "A", "G"), "C4"),
    **dict.fromkeys(("DC", "DT", "C", "U"), "C2"),
    **dict.fromkeys(("DN", "N"), "C1'"),
}


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


def entity_numbers(n_entity: int) -> np.ndarray:
    """entity_id of each entity: the rank of its 1-based number as text, as the reference sorts them.  [n_entity]."""
    labels = [str(i + 1) for i in range(n_entity)]
    ranked = sorted(labels)
    return np.array([ranked.index(label) for label in labels])


def token_and_atom_features(target: Target, tokens: Tokens) -> Arrays:
    """Every feature that does not come from alignments or templates; ref_pos is centred but not yet augmented."""
    return _token_features(target, tokens) | _reference_features(tokens) | _atom_features(target, tokens)


def _chain_numbers(target: Target, tokens: Tokens) -> Arrays:
    """asym_id, entity_id and sym_id of each chain, [N_chain]."""
    chains = tokens.assembly.chains
    return {
        "asym_id": np.arange(len(chains), dtype=np.int64),
        "entity_id": entity_numbers(len(target.entities))[[chain.entity for chain in chains]].astype(np.int64),
        "sym_id": np.array([chain.copy for chain in chains], np.int64),
    }


def _token_features(target: Target, tokens: Tokens) -> Arrays:
    residue = tokens.residue_of_token
    chain = tokens.chain_of_residue[residue]
    names = [canonical_restype(r.mol_type, r.one_letter_code) for r in tokens.residues]
    restype = np.array([RESTYPE_INDEX[name] for name in names])[residue]
    return {
        "token_index": np.arange(tokens.n_token, dtype=np.int64),
        "residue_index": tokens.position[residue].astype(np.int64),
        **{name: ids[chain] for name, ids in _chain_numbers(target, tokens).items()},
        "restype": one_hot(restype, len(RESTYPES), np.float32),
        "token_bonds": token_bonds(tokens),
    }


def token_bonds(tokens: Tokens) -> np.ndarray:
    """1 where a bond joins two tokens (AF3 supplement, section 2.8), [N, N] float32.

    Bonds between neighbouring residues of a polymer do not count, modified or not.
    """
    matrix = np.zeros((tokens.n_token, tokens.n_token), np.float32)
    first, second = tokens.bonds[:, 0], tokens.bonds[:, 1]
    polymer = np.array([r.mol_type != LIGAND for r in tokens.residues])
    a, b = tokens.residue_of_atom[first], tokens.residue_of_atom[second]
    apart = (tokens.chain_of_residue[a] != tokens.chain_of_residue[b]) | (
        abs(tokens.position[a] - tokens.position[b]) > 1
    )
    kept = (a == b) | ~(polymer[a] & polymer[b]) | apart
    i, j = tokens.token_of_atom[first[kept]], tokens.token_of_atom[second[kept]]
    matrix[i, j] = matrix[j, i] = 1
    return matrix


def _reference_features(tokens: Tokens) -> Arrays:
    """Reference conformers of all residues, each centred."""
    residues = tokens.residues
    names = np.concatenate([r.atom_name for r in residues])
    ref_pos = np.concatenate([r.ref_pos - r.ref_pos.mean(axis=0) for r in residues]).astype(np.float32)
    ref_mask = np.concatenate([r.ref_mask for r in residues]).astype(np.int64)
    has_frame, frame_atom_index = token_frames(tokens, ref_pos, ref_mask)
    return {
        "ref_pos": ref_pos,
        "ref_mask": ref_mask,
        "ref_element": encode_elements(np.concatenate([r.element for r in residues])),
        "ref_charge": np.concatenate([r.charge for r in residues]).astype(np.int64),
        "ref_atom_name_chars": encode_atom_names(names),
        "ref_space_uid": tokens.residue_of_atom.astype(np.int64),
        "has_frame": has_frame,
        "frame_atom_index": frame_atom_index,
    }


def _atom_features(target: Target, tokens: Tokens) -> Arrays:
    residues, residue = tokens.residues, tokens.residue_of_atom
    names = np.concatenate([r.atom_name for r in residues])
    standard = np.array([r.is_standard for r in residues])[residue]
    expanded = tokens.expanded[residue]
    slot = np.concatenate([r.slot for r in residues])
    centre = ~standard | expanded | np.isin(names, ("CA", "C1'"))
    representative = np.concatenate([_representative(r) for r in residues]) | ~standard | expanded
    return {
        "atom_to_token_idx": tokens.token_of_atom.astype(np.int64),
        "atom_to_tokatom_idx": np.where(expanded, 0, slot).astype(np.int64),
        **_chain_kinds(tokens),
        **_molecules(target, tokens, names),
        "pae_rep_atom_mask": centre.astype(np.int64),
        "plddt_m_rep_atom_mask": (standard & np.isin(names, ("CA", "C1'"))).astype(np.int64),
        "distogram_rep_atom_mask": representative.astype(np.int64),
    }


def _representative(residue: Residue) -> np.ndarray:
    """The atom that stands for a standard residue in the distogram, [N] bool; the first where it is missing."""
    name = "CA" if residue.code == "GLY" else _NUCLEOTIDE_REPRESENTATIVE.get(residue.code, "CB")
    mask: np.ndarray = residue.atom_name == name
    if not mask.any():
        mask = np.arange(len(mask)) == 0
    return mask


def _chain_kinds(tokens: Tokens) -> Arrays:
    """is_protein, is_ligand, is_dna, is_rna of each atom: the type of most atoms of its chain."""
    kinds = (PROTEIN, LIGAND, DNA, RNA)
    features = {f"is_{kind}": np.zeros(len(tokens.residue_of_atom), np.int64) for kind in kinds}
    mol_type = np.array([r.mol_type for r in tokens.residues])[tokens.residue_of_atom]
    chain = tokens.chain_of_residue[tokens.residue_of_atom]
    for number in range(len(tokens.assembly.chains)):
        atoms = chain == number
        found, first, counts = np.unique(mol_type[atoms], return_index=True, return_counts=True)
        # Of types with as many atoms the chain's first one, as the reference counts them.
        most = min(range(len(found)), key=lambda i: (-counts[i], first[i]))
        features[f"is_{found[most]}"][atoms] = 1
    return features


def _molecules(target: Target, tokens: Tokens, names: np.ndarray) -> Arrays:
    """Every chain is a molecule, numbered by the rank of its id; equal ones have one entity_mol_id."""
    chains = tokens.assembly.chains
    chain = tokens.chain_of_residue[tokens.residue_of_atom]
    ranked = sorted(c.id for c in chains)
    mol_id = np.array([ranked.index(c.id) for c in chains])
    starts = np.searchsorted(chain, np.arange(len(chains)))
    return {
        "mol_id": mol_id[chain].astype(np.int64),
        "mol_atom_index": (np.arange(len(chain)) - starts[chain]).astype(np.int64),
        "entity_mol_id": _entity_molecules(tokens, names, chain)[chain].astype(np.int64),
    }


def _entity_molecules(tokens: Tokens, names: np.ndarray, chain: np.ndarray) -> np.ndarray:
    """entity_mol_id of each chain; copies that lost other atoms to bonds are other molecules.  [N_chain]."""
    chains = tokens.assembly.chains
    by_entity: dict[int, list[int]] = {}
    for i in sorted(range(len(chains)), key=lambda i: chains[i].id):
        by_entity.setdefault(chains[i].entity, []).append(i)
    numbers, number = np.zeros(len(chains), int), 0
    for members in by_entity.values():
        seen: dict[tuple[str, ...], int] = {}
        for i in members:
            atoms = tuple(names[chain == i].tolist())
            if atoms not in seen:
                number += bool(seen)
                seen[atoms] = number
            numbers[i] = seen[atoms]
        number += 1
    return numbers


def augment_reference(features: Features, seed: int) -> Features:
    """Features with every reference conformer randomly moved and turned (AF3 supplement, section 2.8).

    seed: the prediction's seed; residue i of a target always gets the same motion for it.
    """
    generator = np.random.default_rng(seed)
    space = features["ref_space_uid"]
    n_space = int(space.max()) + 1
    translation = generator.uniform(-MAX_TRANSLATION, MAX_TRANSLATION, (n_space, 3))
    rotation = Rotation.from_quat(generator.standard_normal((n_space, 4))).as_matrix()
    moved = features["ref_pos"] + translation[space]
    return Features(features | {"ref_pos": np.einsum("aij,aj->ai", rotation[space], moved).astype(np.float32)})
