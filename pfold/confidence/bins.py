"""Binned logits to expected values."""

import math
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


def probability_chunks(logits: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """First row and probabilities of a few rows of pair logits at a time, so that no second copy of all is made.

    logits [R, N, n_bin] -> (start, [rows, N, n_bin]).
    """
    rows = max(1, _CHUNK_ELEMENTS // max(1, math.prod(logits.shape[1:])))
    for start in range(0, len(logits), rows):
        yield start, softmax(logits[start : start + rows])


def expected_pair_value(logits: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """Mean of the binned distribution of each pair.  logits [R, N, n_bin] -> [R, N]."""
    return _mean(logits, bin_centers(bounds, logits.shape[-1]))


def _mean(logits: np.ndarray, of_bins: np.ndarray) -> np.ndarray:
    """Mean of a value of each bin.  logits [R, N, n_bin], of_bins [n_bin] -> [R, N]; R may be 0."""
    means = np.empty(logits.shape[:2], np.float32)
    for start, prob in probability_chunks(logits):
        means[start : start + len(prob)] = prob @ of_bins
    return means


def expected_value(logits: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """Mean of the binned distribution.  logits [..., n_bin] -> [...]."""
    return softmax(logits) @ bin_centers(bounds, logits.shape[-1])


def contact_probabilities(distogram: np.ndarray) -> np.ndarray:
    """Probability that two tokens are within 8 Å.  distogram: logits [R, N, 64] of R rows -> [R, N]."""
    centers = bin_centers(DISTOGRAM_RANGE, distogram.shape[-1])
    return _mean(distogram, (centers < CONTACT_DISTANCE).astype(np.float32))
