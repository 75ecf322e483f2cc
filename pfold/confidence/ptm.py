"""Predicted TM-scores of the whole, of chains and of chain pairs (AF3 supplement, section 5.9.1)."""

import numpy as np

from pfold.confidence.bins import PAE_RANGE, bin_centers


def tm_normalization(n_token: int) -> float:
    """The TM-score's length scale d0 (Å), with at least 19 tokens."""
    return 1.24 * (max(n_token, 19) - 15) ** (1 / 3) - 1.8


def token_pair_tm(pae_prob: np.ndarray, n_token: int) -> np.ndarray:
    """Expected TM-score term of each token pair for a normalization length.  pae_prob [N, N, 64] -> [N, N]."""
    centers = bin_centers(PAE_RANGE, pae_prob.shape[-1])
    return pae_prob @ (1 / (1 + (centers / tm_normalization(n_token)) ** 2)).astype(np.float32)


def ptm(pae_prob: np.ndarray, has_frame: np.ndarray, tokens: np.ndarray) -> float:
    """pTM of the given tokens (indices); 0 where none of them has a frame.  pae_prob [N, N, 64], has_frame [N]."""
    framed = tokens[has_frame[tokens]]
    if len(framed) == 0:
        return 0.0
    tm = token_pair_tm(pae_prob[np.ix_(framed, tokens)], len(tokens))
    return float(tm.mean(axis=-1).max())


def iptm(pae_prob: np.ndarray, has_frame: np.ndarray, asym_id: np.ndarray, tokens: np.ndarray) -> float:
    """ipTM of the given tokens (indices): only pairs of different chains count; 0 where no token has a frame."""
    framed = tokens[has_frame[tokens]]
    if len(framed) == 0:
        return 0.0
    tm = token_pair_tm(pae_prob[np.ix_(framed, tokens)], len(tokens))
    other = asym_id[framed][:, None] != asym_id[tokens][None]
    return float(((tm * other).sum(axis=-1) / (1e-8 + other.sum(axis=-1))).max())
