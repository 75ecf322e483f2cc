"""The truth with its equal chains and atoms as a prediction has them (AF3 supplement, section 4.2)."""

from collections.abc import Iterator

import numpy as np

from pfold.training.data.examples import Example
from pfold.training.labels import Truth, superposed

# Resolved atoms that a superposition takes at least.
_MIN_ATOMS = 3


def match_truth(example: Example, prediction: np.ndarray) -> Truth:
    """The truth of an example, chains and atoms permuted to match a prediction [A, 3] (Å).

    Copies of a chain are assigned as in AlphaFold-Multimer (section 7.3.1): one chain, of as few copies as there are,
    is superposed on each of its copies, the others are given the nearest copies that are left, and the best of these
    assignments is kept. What the crop left out of a copy counts too. Then each residue takes the order of equal atoms
    that is nearest.
    """
    if not example.symmetry:
        return example.truth
    source = _assign_copies(example, prediction)
    source = _order_atoms(example, source, prediction)
    whole, truth = example.whole, example.truth
    # Bonds between polymers and ligands are the crop's; what they join is the same in all copies.
    return Truth(whole.coordinate[source], whole.mask[source], truth.bonds, truth.resolution)


def _assign_copies(example: Example, prediction: np.ndarray) -> np.ndarray:
    """Atoms of the whole structure that the crop's atoms are taken to be, [A]."""
    best, least = example.origin, np.inf
    if not example.symmetry.copies:
        return best
    for source in _assignments(example, prediction):
        y, mask = example.whole.coordinate[source], example.whole.mask[source]
        if mask.sum() < _MIN_ATOMS:
            continue
        moved = superposed(y, prediction, mask)
        error = float((((moved - prediction) ** 2).sum(-1) * mask).sum() / mask.sum())
        # The own assignment comes first, and another must be better.
        if error < least - 1e-6:
            best, least = source, error
    return best


def _assignments(example: Example, prediction: np.ndarray) -> Iterator[np.ndarray]:
    """The file's own assignment, then one for each copy that the anchor may be."""
    origin, symmetry, whole = example.origin, example.symmetry, example.whole
    yield origin
    parts = _parts(example)
    anchor = min(range(len(parts)), key=lambda i: (len(parts[i][1]), -len(parts[i][0])))
    atoms, candidates = parts[anchor]
    for candidate in candidates:
        mask = whole.mask[candidate]
        if mask.sum() < _MIN_ATOMS:
            continue
        everywhere = superposed(whole.coordinate, prediction[atoms], mask, by=whole.coordinate[candidate])
        source, taken = origin.copy(), {int(symmetry.chain[candidate[0]])}
        source[atoms] = candidate
        for i in sorted(range(len(parts)), key=lambda i: -len(parts[i][0])):
            if i == anchor:
                continue
            others, of = parts[i]
            left = [c for c in of if int(symmetry.chain[c[0]]) not in taken]
            chosen = min(left, key=lambda c: _gap(everywhere[c], prediction[others], whole.mask[c]))
            taken.add(int(symmetry.chain[chosen[0]]))
            source[others] = chosen
        yield source


def _parts(example: Example) -> list[tuple[np.ndarray, list[np.ndarray]]]:
    """Of each chain of the crop: its atoms there, and the atoms of the whole structure that they may be."""
    chain = example.symmetry.chain[example.origin]
    of_chain = {
        int(example.symmetry.chain[copy[0]]): (copies, copy) for copies in example.symmetry.copies for copy in copies
    }
    parts = []
    for number in np.unique(chain):
        atoms = np.flatnonzero(chain == number)
        own = example.origin[atoms]
        if int(number) in of_chain:
            copies, mine = of_chain[int(number)]
            place = np.searchsorted(mine, own)
            parts.append((atoms, [copy[place] for copy in copies]))
        else:
            parts.append((atoms, [own]))
    return parts


def _gap(y: np.ndarray, x: np.ndarray, mask: np.ndarray) -> float:
    """Distance (Å) between the centres of the resolved atoms; infinite where none is."""
    if not mask.any():
        return float("inf")
    return float(np.linalg.norm(np.average(y, 0, mask) - np.average(x, 0, mask)))


def _order_atoms(example: Example, source: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """The assignment with the nearest order of each residue's equal atoms."""
    whole = example.whole
    mask = whole.mask[source]
    if mask.sum() < _MIN_ATOMS:
        return source
    found = source.copy()
    everywhere = superposed(whole.coordinate, prediction, mask, by=whole.coordinate[source])
    at = np.full(len(whole.mask), -1)
    at[source] = np.arange(len(source))
    for orders in example.symmetry.orders:
        places = at[orders[0]]
        # A crop may have a part of a ligand, which stays as it is.
        if (places < 0).any():
            continue
        squared = ((everywhere[orders] - prediction[places]) ** 2).sum(-1) * whole.mask[orders]
        error = squared.sum(1) / np.maximum(whole.mask[orders].sum(1), 1)
        found[places] = orders[int(np.argmin(error))]
    return found
