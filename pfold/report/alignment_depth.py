"""How deep a target's alignment is along its sequence, as ColabFold draws it (Mirdita et al. 2022)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pfold.chem.residues import GAP

# Rows of the picture: of a deeper alignment, each is one of several.
MAX_PICTURE_ROWS = 200
# Of a position that a row does not cover.
NOT_COVERED = 255


@dataclass(frozen=True)
class AlignmentDepth:
    """Depth of an alignment of n_row MSA rows.

    coverage [N_token] int64: rows without a gap there. identity [rows, N_token] uint8: per cent of the query's residues
    that a row shares, `NOT_COVERED` at its gaps; rows by identity, the query's last; at most `MAX_PICTURE_ROWS`.
    """

    n_row: int
    coverage: np.ndarray
    identity: np.ndarray


def alignment_depth(features: Mapping[str, np.ndarray]) -> AlignmentDepth:
    """The depth of the alignment in a target's features (msa [n_row, N_token], residue classes)."""
    msa = np.unique(np.asarray(features["msa"]), axis=0)
    query = np.asarray(features["msa"])[0]
    covered = msa != GAP
    identity = (msa == query).mean(axis=1)
    order = np.argsort(identity, kind="stable")
    shown = order[np.linspace(0, len(order) - 1, min(len(order), MAX_PICTURE_ROWS)).round().astype(np.int64)]
    percent = np.rint(100 * identity[shown]).astype(np.uint8)
    return AlignmentDepth(len(msa), covered.sum(axis=0), np.where(covered[shown], percent[:, None], NOT_COVERED))
