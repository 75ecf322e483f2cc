"""The score that ranks samples (AF3 supplement, section 5.9.3)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pfold.chem.types import Assembly
from pfold.confidence.disorder import fraction_disordered
from pfold.confidence.summary import ranking_score


def ranking_scores(summary: Mapping[str, Any], assembly: Assembly, coordinate: np.ndarray) -> dict[str, float]:
    """AlphaFold 3's score of a sample, what it adds to the reference's, and the reference's own.

    summary: of `pfold.confidence.summary`; coordinate [N_atom, 3] (Å). ranking_score is 0.8 ipTM + 0.2 pTM, of a single
    chain pTM, + 0.5 fraction_disordered - 100 has_clash. reference_ranking_score has no disorder, and of a single chain
    0.2 pTM.
    """
    disordered = fraction_disordered(assembly, coordinate)
    # With pTM for ipTM, pTM alone counts.
    single = {"iptm": summary["ptm"]} if len(assembly.chains) == 1 else {}
    return {
        "fraction_disordered": disordered,
        "ranking_score": ranking_score({**summary, **single, "disorder": disordered}),
        "reference_ranking_score": float(summary["ranking_score"]),
    }
