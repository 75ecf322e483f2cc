"""The score that ranks samples (AF3 supplement, section 5.9.3)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pfold.chem.types import Assembly
from pfold.confidence.disorder import fraction_disordered


def ranking_scores(summary: Mapping[str, Any], assembly: Assembly, coordinate: np.ndarray) -> dict[str, float]:
    """AlphaFold 3's score of a sample, what it adds to the reference's, and the reference's own.

    summary: of `pfold.confidence.summary`; coordinate [N_atom, 3] (Å). ranking_score is 0.8 ipTM + 0.2 pTM, of a single
    chain pTM, + 0.5 fraction_disordered - 100 has_clash. reference_ranking_score has no disorder, and of a single chain
    0.2 pTM.
    """
    disordered = fraction_disordered(assembly, coordinate)
    single = len(assembly.chains) == 1
    tm_score = summary["ptm"] if single else 0.8 * summary["iptm"] + 0.2 * summary["ptm"]
    return {
        "fraction_disordered": disordered,
        "ranking_score": float(tm_score + 0.5 * disordered - 100 * summary["has_clash"]),
        "reference_ranking_score": float(summary["ranking_score"]),
    }
