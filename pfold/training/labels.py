"""What the losses compare with, made of the known structure on the host in float64: bins, masks and distances.

Differences of coordinates are taken before anything is rounded, so that no label depends on where the structure is.
Reference: protenix/model/loss.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pfold.confidence.frames import in_frames
from pfold.constants import LDDT_THRESHOLDS
from pfold.features.schema import Features

# Radius (Å) within which distances count, around atoms of nucleotides and around others (AF3 Algorithm 27).
NUCLEOTIDE_RADIUS, OTHER_RADIUS = 30.0, 15.0
# Confidence is learned from structures of these resolutions alone (Å).
RESOLUTION_RANGE = (0.1, 4.0)
EPS = 1e-6
# Weights of atoms in the aligned mean square error: 1 plus these (AF3 supplement, equation 4).
NUCLEOTIDE_WEIGHT, LIGAND_WEIGHT = 5.0, 10.0


@dataclass(frozen=True, eq=False)
class Truth:
    """The known structure of an example.

    coordinate [A, 3] (Å), mask [A]: 1 for resolved atoms, bonds [n, 2]: pairs of atoms for the bond loss, each once
    in every direction that counts; resolution (Å).
    """

    coordinate: np.ndarray
    mask: np.ndarray
    bonds: np.ndarray
    resolution: float

    @classmethod
    def of(cls, labels: Mapping[str, np.ndarray]) -> "Truth":
        """From coordinate [A, 3], mask [A], bond_mask [A, A], resolution."""
        mask = np.asarray(labels["mask"], np.float64)
        bonds = np.argwhere(np.asarray(labels["bond_mask"]) * mask[:, None] * mask[None] > 0)
        coordinate = np.asarray(labels["coordinate"], np.float64)
        return cls(coordinate, mask, bonds, float(labels["resolution"]))

    @property
    def teaches_confidence(self) -> bool:
        """Whether its resolution is good enough for the confidence losses."""
        return RESOLUTION_RANGE[0] <= self.resolution <= RESOLUTION_RANGE[1]


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distances (Å) between the points a [..., n, 3] and b [..., m, 3] -> [..., n, m] float64."""
    difference = np.asarray(a, np.float64)[..., :, None, :] - np.asarray(b, np.float64)[..., None, :, :]
    return np.asarray(np.sqrt((difference**2).sum(-1)))


def _bins(values: np.ndarray, start: float, end: float, n_bin: int) -> np.ndarray:
    """Number of the bin of each value, between n_bin + 1 edges; values beyond them are in the outer bins."""
    edges = np.linspace(start, end, n_bin + 1, dtype=np.float32)
    return np.clip(np.searchsorted(edges, values, side="left") - 1, 0, n_bin - 1).astype(np.int32)


def distogram_labels(f: Features, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """Bins of the distances of tokens' representative atoms, [N, N] int32, and the weight of each in the loss."""
    representative = np.flatnonzero(f["distogram_rep_atom_mask"])
    x, present = truth.coordinate[representative], truth.mask[representative]
    # 63 boundaries from 2.3125 to 21.6875 Å make 64 bins (AF3 supplement, section 4.4).
    edges = np.linspace(2.3125, 21.6875, 63, dtype=np.float32)
    bins = np.searchsorted(edges, distances(x, x), side="left").astype(np.int32)
    return bins, _mean_weights(present[:, None] * present[None])


def _mean_weights(mask: np.ndarray) -> np.ndarray:
    """Weights that make a sum of what the mask leaves a mean."""
    return np.asarray(mask / (mask.sum() + EPS), np.float32)


def pde_labels(f: Features, truth: Truth, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bins of the errors of distances in a prediction [A, 3], [N, N] int32, and the weight of each in the loss."""
    representative = np.flatnonzero(f["distogram_rep_atom_mask"])
    x, y, present = prediction[representative], truth.coordinate[representative], truth.mask[representative]
    error = np.abs(distances(x, x) - distances(y, y))
    return _bins(error, 0.0, 32.0, 64), _mean_weights(present[:, None] * present[None])


def pae_labels(f: Features, truth: Truth, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bins of the alignment error of tokens j in the frames of tokens i (AF3 Algorithm 30), and their weights."""
    representative, frames = np.flatnonzero(f["pae_rep_atom_mask"]), np.asarray(f["frame_atom_index"])
    # Tokens without a frame have no atoms there; what they get is masked.
    has_frame = np.asarray(f["has_frame"], bool)
    frames = np.where(has_frame[:, None], frames, 0)
    known = has_frame & (truth.mask[frames].sum(1) >= 3)
    mask = known[:, None] * truth.mask[representative][None]
    predicted = in_frames(np.asarray(prediction, np.float64), frames, representative)
    true = in_frames(truth.coordinate, frames, representative)
    error = np.sqrt(((predicted - true) ** 2).sum(-1)) * mask
    bins = np.where(mask > 0, _bins(error, 0.0, 32.0, 64), 63).astype(np.int32)
    return bins, _mean_weights(mask)


def plddt_labels(f: Features, truth: Truth, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bins of each atom's lDDT to the polymers' representative atoms, [A] int32, and the weight of each in the loss.

    As the reference has it: the share of its distances that are kept, by the difference of distances.
    """
    present = truth.mask > 0
    to = np.flatnonzero(present & np.asarray(f["plddt_m_rep_atom_mask"], bool) & ~np.asarray(f["is_ligand"], bool))
    nucleotide = is_nucleotide(f)[to]
    true = distances(truth.coordinate, truth.coordinate[to])
    error = np.abs(distances(prediction, np.asarray(prediction)[to]) - true)
    kept = sum((error < threshold).astype(np.float64) for threshold in LDDT_THRESHOLDS) / len(LDDT_THRESHOLDS)
    counts = true < np.where(nucleotide, NUCLEOTIDE_RADIUS, OTHER_RADIUS)[None]
    counts[to, np.arange(len(to))] = False
    lddt = (kept * counts).sum(1) / (counts.sum(1) + EPS)
    bins = np.clip(np.searchsorted(np.linspace(0, 1, 51), lddt, side="left") - 1, 0, 49).astype(np.int32)
    return bins, np.asarray(present / max(present.sum(), 1), np.float32)


def is_nucleotide(f: Features) -> np.ndarray:
    """Whether each atom belongs to DNA or RNA, [A] bool."""
    return np.asarray(f["is_dna"], bool) | np.asarray(f["is_rna"], bool)


def lddt_pairs(f: Features, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """True distances [A, A] (Å) and the mask [A, A] of those that count in smooth lDDT (AF3 Algorithm 27)."""
    true = distances(truth.coordinate, truth.coordinate)
    radius = np.where(is_nucleotide(f), NUCLEOTIDE_RADIUS, OTHER_RADIUS)[:, None]
    counts = (true < radius) * truth.mask[:, None] * truth.mask[None]
    np.fill_diagonal(counts, 0)
    return true.astype(np.float32), counts.astype(np.float32)


def atom_weights(f: Features, truth: Truth) -> np.ndarray:
    """Weights of atoms in the aligned mean square error, [A] float64; 0 for atoms that are not resolved."""
    weight = 1 + NUCLEOTIDE_WEIGHT * is_nucleotide(f) + LIGAND_WEIGHT * np.asarray(f["is_ligand"], np.float64)
    return np.asarray(weight * truth.mask)


def superposed(y: np.ndarray, x: np.ndarray, weight: np.ndarray, by: np.ndarray | None = None) -> np.ndarray:
    """Points y [m, 3] (Å), moved as `by` [n, 3] (y itself by default) is moved onto x [n, 3] with weights [n]."""
    by = y if by is None else by
    share = weight / weight.sum()
    y_centre, x_centre = share @ by, share @ np.asarray(x, np.float64)
    u, _, vt = np.linalg.svd(np.einsum("a,ai,aj->ij", share, x - x_centre, by - y_centre))
    u[:, 2] *= np.sign(np.linalg.det(u @ vt))
    return np.asarray((y - y_centre) @ (u @ vt).T + x_centre)


def aligned_truth(f: Features, truth: Truth, x: np.ndarray) -> np.ndarray:
    """The truth moved onto each sample x [S, A, 3] by a weighted rigid alignment, AF3 Algorithm 28 -> [S, A, 3]."""
    weight, y = atom_weights(f, truth), truth.coordinate * truth.mask[:, None]
    return np.stack([superposed(y, one, weight) for one in np.asarray(x, np.float64)]).astype(np.float32)
