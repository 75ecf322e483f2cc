"""Steric clashes between polymer chains (AF3 supplement, section 5.9.2)."""

import numpy as np
from scipy.spatial import cKDTree

CLASH_DISTANCE = 1.1
MAX_CLASHES = 100
MAX_CLASH_FRACTION = 0.5


def has_clash(coordinate: np.ndarray, atom_chain: np.ndarray, is_polymer: np.ndarray) -> bool:
    """Whether two polymer chains have over 100 atom pairs, or over half of the smaller chain's count, within 1.1 Å.

    coordinate [N_atom, 3] (Å), atom_chain [N_atom] (chain number of each atom), is_polymer [N_atom] bool.
    """
    chains = [np.flatnonzero((atom_chain == c) & is_polymer) for c in np.unique(atom_chain)]
    trees = [cKDTree(coordinate[atoms]) for atoms in chains if len(atoms)]
    for i, first in enumerate(trees):
        for second in trees[i + 1 :]:
            clashes = first.count_neighbors(second, CLASH_DISTANCE)
            if clashes > MAX_CLASHES or clashes / min(first.n, second.n) > MAX_CLASH_FRACTION:
                return True
    return False
