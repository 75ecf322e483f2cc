"""Points as seen from frames of three atoms."""

import numpy as np


def in_frames(x: np.ndarray, frames: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Coordinates of the points in each frame, AF3 Algorithm 29.  x [A, 3], frames [N, 3], points [M] -> [N, M, 3] (Å).

    frames: of each the numbers of three atoms, of which the second is the origin.
    """
    a, b, c = x[frames[:, 0]], x[frames[:, 1]], x[frames[:, 2]]
    w1, w2 = _unit(a - b), _unit(c - b)
    e1, e2 = _unit(w1 + w2), _unit(w2 - w1)
    basis = np.stack([e1, e2, np.cross(e1, e2)], axis=1)
    return np.einsum("nmk,nik->nmi", x[points][None] - b[:, None], basis)


def _unit(v: np.ndarray) -> np.ndarray:
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-8))
