"""Predicted TM-scores of the whole, of chains and of chain pairs (AF3 supplement, section 5.9.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pfold.confidence.bins import PAE_RANGE, bin_centers, row_chunks


@dataclass(frozen=True, eq=False)
class TmScore:
    """A score to compute: over these tokens (indices), and for interfaces only over pairs of different chains."""

    tokens: np.ndarray
    interface: bool


def tm_normalization(n_token: int) -> float:
    """The TM-score's length scale d0 (Å), with at least 19 tokens."""
    return 1.24 * (max(n_token, 19) - 15) ** (1 / 3) - 1.8


def tm_terms(n_token: int, n_bin: int) -> np.ndarray:
    """The TM-score's term of each PAE bin for a normalization length, [n_bin] float32."""
    centers = bin_centers(PAE_RANGE, n_bin)
    return (1 / (1 + (centers / tm_normalization(n_token)) ** 2)).astype(np.float32)


def tm_scores(pae: np.ndarray, has_frame: np.ndarray, asym_id: np.ndarray, scores: Sequence[TmScore]) -> list[float]:
    """pTM or ipTM of each set of tokens; 0 where none of its tokens has a frame.

    pae [N, N, 64] logits, of which a few rows are made probabilities at a time; has_frame [N] bool, asym_id [N].
    """
    best = [0.0] * len(scores)
    for start, prob in row_chunks(pae):
        terms: dict[int, np.ndarray] = {}
        for i, score in enumerate(scores):
            rows = score.tokens[(score.tokens >= start) & (score.tokens < start + len(prob))]
            rows = rows[has_frame[rows]]
            if not len(rows):
                continue
            length = len(score.tokens)
            if length not in terms:
                terms[length] = prob @ tm_terms(length, prob.shape[-1])
            tm = terms[length][np.ix_(rows - start, score.tokens)]
            best[i] = max(best[i], float(_row_means(tm, rows, score, asym_id).max()))
    return best


def _row_means(tm: np.ndarray, rows: np.ndarray, score: TmScore, asym_id: np.ndarray) -> np.ndarray:
    if not score.interface:
        return np.asarray(tm.mean(axis=-1))
    other = asym_id[rows][:, None] != asym_id[score.tokens][None]
    return np.asarray((tm * other).sum(axis=-1) / (1e-8 + other.sum(axis=-1)))
