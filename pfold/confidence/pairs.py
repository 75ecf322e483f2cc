"""What the scores of a sample take from its pair logits, a block of rows at a time: all of them need never exist."""

import numpy as np

from pfold.confidence.bins import PAE_RANGE, PDE_RANGE, bin_centers, expected_pair_value, probability_chunks
from pfold.confidence.ptm import TmScores, scores_of_chains
from pfold.features.schema import Features


class PairConfidence:
    """Expected errors and TM-scores of one sample; whole once every row has been added.

    token_pair_pae, token_pair_pde [N, N] float32 (Å); tm: the scores of `scores_of_chains`; asym_id [N] counts chains
    from 0 on, has_frame [N] bool.
    """

    def __init__(self, features: Features) -> None:
        """Begin with no row.  features: `pfold.features.schema`."""
        self.asym_id: np.ndarray = np.unique(features["asym_id"], return_inverse=True)[1]
        self.has_frame = np.asarray(features["has_frame"]).astype(bool)
        n = len(self.asym_id)
        self.token_pair_pae, self.token_pair_pde = np.zeros((n, n), np.float32), np.zeros((n, n), np.float32)
        self.tm = TmScores(self.has_frame, self.asym_id, scores_of_chains(self.asym_id))

    def add(self, start: int, pae: np.ndarray, pde: np.ndarray) -> None:
        """Take the rows from `start` on.  pae and pde: their logits [rows, N, 64]."""
        centers = bin_centers(PAE_RANGE, pae.shape[-1])
        for offset, prob in probability_chunks(pae):
            first = start + offset
            self.token_pair_pae[first : first + len(prob)] = prob @ centers
            self.tm.add(first, prob)
        self.token_pair_pde[start : start + len(pde)] = expected_pair_value(pde, PDE_RANGE)
