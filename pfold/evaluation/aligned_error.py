"""PAE against what happened: the error of each residue's Cα when the backbone of another is superposed."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from pfold.confidence.frames import in_frames
from pfold.evaluation.pairing import Pair

_FRAME = ("N", "CA", "C")


def aligned_errors(pair: Pair, confidences: Mapping[str, Any]) -> np.ndarray:
    """PAE beside the error of each ordered pair of residues, [n_pair, 2] (Å).

    The error is AF3's (supplement, section 4.3.2): the distance between the Cα of the second residue in the prediction
    and in the known structure, both seen from the frame of N, Cα and C of the first. Residues of proteins that both
    have, and that are one token, count. confidences: of `pfold.results.confidences.read_confidences`.
    """
    token = _tokens(confidences)
    frames, tokens = [], []
    for number, residue in enumerate(pair.residues):
        place = {str(pair.known.atom_name[i]): i for i in np.flatnonzero(pair.known.res_id == number)}
        if residue in token and all(name in place for name in _FRAME):
            frames.append([place[name] for name in _FRAME])
            tokens.append(token[residue])
    if not frames:
        return np.zeros((0, 2))
    atoms = np.array(frames)
    seen = [in_frames(np.asarray(x, np.float64), atoms, atoms[:, 1]) for x in (pair.predicted, pair.known.coord)]
    others = ~np.eye(len(tokens), dtype=bool)
    error = np.linalg.norm(seen[0] - seen[1], axis=-1)[others]
    return np.stack([np.asarray(confidences["pae"])[np.ix_(tokens, tokens)][others], error], axis=1)


def _tokens(confidences: Mapping[str, Any]) -> dict[tuple[str, int], int]:
    """The token of each residue, by chain and number, of those that are one token."""
    keys = list(zip(confidences["token_chain_ids"].tolist(), confidences["token_res_ids"].tolist(), strict=True))
    count = Counter(keys)
    return {key: i for i, key in enumerate(keys) if count[key] == 1}
