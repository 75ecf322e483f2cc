"""Binned logits to expected values."""

from collections.abc import Iterator

import numpy as np

# (lowest bin edge, highest bin edge) of each head; reference: loss settings in configs_base.py.
PLDDT_RANGE = (0.0, 1.0)
PAE_RANGE = (0.0, 32.0)
PDE_RANGE = (0.0, 32.0)
DISTOGRAM_RANGE = (2.3125, 21.6875)
CONTACT_DISTANCE = 8.0
# Probabilities held at a time: 4 MiB, which stay in a CPU's cache.
_CHUNK_ELEMENTS = 1024 * 1024


def bin_centers(bounds: tuple[float, float], n_bin: int) -> np.ndarray:
    """Centres of n_bin equal bins, [n_bin] float32."""
    low, high = bounds
    width = (high - low) / n_bin
    return (low + width * (np.arange(n_bin) + 0.5)).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    e /= e.sum(axis=-1, keepdims=True)
    return e


def row_chunks(logits: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """First row and probabilities of a few rows of pair logits at a time, so that no second [N, N, n_bin] is made.

    logits [N, N, n_bin] -> (start, [rows, N, n_bin]).
    """
    rows = max(1, _CHUNK_ELEMENTS // max(1, logits[0].size))
    for start in range(0, len(logits), rows):
        yield start, softmax(logits[start : start + rows])


def expected_pair_value(logits: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """Mean of the binned distribution of each pair.  logits [N, N, n_bin] -> [N, N]."""
    centers = bin_centers(bounds, logits.shape[-1])
    return np.concatenate([prob @ centers for _, prob in row_chunks(logits)])


def expected_value(logits: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """Mean of the binned distribution.  logits [..., n_bin] -> [...]."""
    return softmax(logits) @ bin_centers(bounds, logits.shape[-1])


def contact_probabilities(distogram: np.ndarray) -> np.ndarray:
    """Probability that two tokens are within 8 Å.  distogram logits [N, N, 64] -> [N, N]."""
    centers = bin_centers(DISTOGRAM_RANGE, distogram.shape[-1])
    near = (centers < CONTACT_DISTANCE).astype(np.float32)
    return np.concatenate([prob @ near for _, prob in row_chunks(distogram)])
