"""Frames of tokens, in which PAE is measured (AF3 supplement, section 4.3.2; reference: core/featurizer.py)."""

import numpy as np
from scipy.spatial.distance import cdist

from pfold.chem.types import Residue
from pfold.features.tokens import Tokens
from pfold.targets.types import PROTEIN

_PROTEIN_FRAME = ("N", "CA", "C")
_NUCLEIC_FRAME = ("C1'", "C3'", "C4'")
# Three atoms closer to a line than this have no frame (degrees).
MIN_ANGLE = 25.0
_NO_ATOM = -1


def token_frames(tokens: Tokens, ref_pos: np.ndarray, ref_mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frame atoms of each token.

    A standard residue's are its backbone's, those of an atom are itself and its two nearest in the reference
    conformer. ref_pos [N_atom, 3] (Å), ref_mask [N_atom]. Returns has_frame [N] and frame_atom_index [N, 3] int64.
    """
    has_frame, atoms = [], []
    for i, residue in enumerate(tokens.residues):
        start = int(tokens.first_atom[i])
        if tokens.whole[i] and len(residue.atom_name) > 1:
            found = _backbone_frame(residue, start)
        else:
            stop = start + len(residue.atom_name)
            found = _nearest_frames(ref_pos[start:stop], ref_mask[start:stop], start)
        has_frame += [is_frame for is_frame, _ in found]
        atoms += [named for _, named in found]
    return np.array(has_frame, np.int64), np.array(atoms, np.int64)


# Whether the atoms make a frame, and the atoms.
_Frames = list[tuple[bool, tuple[int, int, int]]]


def _backbone_frame(residue: Residue, start: int) -> _Frames:
    names = _PROTEIN_FRAME if residue.mol_type == PROTEIN else _NUCLEIC_FRAME
    if residue.atom(names[0]) < 0:
        return [(False, (_NO_ATOM,) * 3)]
    a, b, c = (start + residue.atom(name) for name in names)
    return [(True, (a, b, c))]


def _nearest_frames(ref_pos: np.ndarray, ref_mask: np.ndarray, start: int) -> _Frames:
    n = len(ref_pos)
    if n < 3:
        return [(False, (_NO_ATOM, start + b, _NO_ATOM)) for b in range(n)]
    distance = cdist(ref_pos, ref_pos)
    np.fill_diagonal(distance, -1.0)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, 1:3]
    frames: _Frames = []
    for b, (a, c) in enumerate(nearest.tolist()):
        is_frame = bool(ref_mask[[a, b, c]].all()) and not _is_straight(ref_pos[a], ref_pos[b], ref_pos[c])
        frames.append((is_frame, (start + a, start + b, start + c)))
    return frames


def _is_straight(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> bool:
    first, second = b - a, c - b
    lengths = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    if np.isclose(np.linalg.norm(first), 0) or np.isclose(np.linalg.norm(second), 0):
        return True
    # 1e-4 as in the reference.
    angle = np.degrees(np.arccos(np.clip(float(first @ second) / (lengths + 1e-4), -1, 1)))
    return bool(angle <= MIN_ANGLE or angle >= 180 - MIN_ANGLE)
