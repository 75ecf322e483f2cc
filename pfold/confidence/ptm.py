"""Predicted TM-scores of the whole, of chains and of chain pairs (AF3 supplement, section 5.9.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pfold.confidence.bins import PAE_RANGE, bin_centers


@dataclass(frozen=True, eq=False)
class TmScore:
    """A score to compute: over these tokens (indices), and for interfaces only over pairs of different chains."""

    tokens: np.ndarray
    interface: bool


def tokens_of_chains(asym_id: np.ndarray) -> list[np.ndarray]:
    """Indices of the tokens of each chain.  asym_id [N]: numbers of chains from 0 on."""
    return [np.flatnonzero(asym_id == c) for c in range(asym_id.max() + 1)]


def chain_pairs(n_chain: int) -> list[tuple[int, int]]:
    """Pairs of chains, in the order of their scores."""
    return [(i, j) for i in range(n_chain) for j in range(i + 1, n_chain)]


def scores_of_chains(asym_id: np.ndarray) -> list[TmScore]:
    """The scores of a prediction: pTM and ipTM of the whole, pTM of each chain, ipTM of each pair of chains."""
    chains, every = tokens_of_chains(asym_id), np.arange(len(asym_id))
    within = [TmScore(tokens, False) for tokens in chains]
    both = [np.sort(np.concatenate([chains[i], chains[j]])) for i, j in chain_pairs(len(chains))]
    return [TmScore(every, False), TmScore(every, True), *within, *(TmScore(tokens, True) for tokens in both)]


def tm_normalization(n_token: int) -> float:
    """The TM-score's length scale d0 (Å), with at least 19 tokens."""
    return 1.24 * (max(n_token, 19) - 15) ** (1 / 3) - 1.8


def tm_terms(n_token: int, n_bin: int) -> np.ndarray:
    """The TM-score's term of each PAE bin for a normalization length, [n_bin] float32."""
    centers = bin_centers(PAE_RANGE, n_bin)
    return (1 / (1 + (centers / tm_normalization(n_token)) ** 2)).astype(np.float32)


class TmScores:
    """pTM or ipTM of sets of tokens, over the rows of PAE that have been added; 0 for a set without frames.

    values: one float for each score.
    """

    def __init__(self, has_frame: np.ndarray, asym_id: np.ndarray, scores: Sequence[TmScore]) -> None:
        """Begin with no row.  has_frame [N] bool, asym_id [N]."""
        self.has_frame, self.asym_id, self.scores = has_frame, asym_id, scores
        self.values = [0.0] * len(scores)

    def add(self, start: int, prob: np.ndarray) -> None:
        """Take the rows from `start` on into account.  prob [rows, N, 64]: probabilities of the PAE bins."""
        terms: dict[int, np.ndarray] = {}
        for i, score in enumerate(self.scores):
            rows = score.tokens[(score.tokens >= start) & (score.tokens < start + len(prob))]
            rows = rows[self.has_frame[rows]]
            if not len(rows):
                continue
            length = len(score.tokens)
            if length not in terms:
                terms[length] = prob @ tm_terms(length, prob.shape[-1])
            tm = terms[length][np.ix_(rows - start, score.tokens)]
            self.values[i] = max(self.values[i], float(_row_means(tm, rows, score, self.asym_id).max()))


def _row_means(tm: np.ndarray, rows: np.ndarray, score: TmScore, asym_id: np.ndarray) -> np.ndarray:
    if not score.interface:
        return np.asarray(tm.mean(axis=-1))
    other = asym_id[rows][:, None] != asym_id[score.tokens][None]
    return np.asarray((tm * other).sum(axis=-1) / (1e-8 + other.sum(axis=-1)))
