"""Scores of a prediction against a known structure: lDDT and RMSD by biotite, TM-score by TM-align."""

from dataclasses import dataclass

import biotite.structure as struc
import numpy as np
import tmtools

from pfold.evaluation.pairing import Pair

# Distances (Å) of GDT, total score and high accuracy.
_GDT_TS, _GDT_HA = (1.0, 2.0, 4.0, 8.0), (0.5, 1.0, 2.0, 4.0)
# Residues of the first superpositions that GDT is searched from, and rounds of each search.
_SEED, _ROUNDS = 4, 20


@dataclass(frozen=True, eq=False)
class Scores:
    """lddt of all atoms, lddt_ca, tm_score, gdt_ts, gdt_ha: 0 to 1; rmsd_ca (Å). residue_lddt [n_residue]."""

    n_residue: int
    lddt: float
    lddt_ca: float
    tm_score: float
    gdt_ts: float
    gdt_ha: float
    rmsd_ca: float
    residue_lddt: np.ndarray


def score(pair: Pair) -> Scores:
    """All scores of a pair; TM-score and GDT count the known residues that the prediction lacks."""
    ca = pair.ca
    known, predicted = pair.known[ca], pair.predicted[ca]
    moved, _ = struc.superimpose(known.coord, predicted)
    by_residue = np.asarray(struc.lddt(pair.known, pair.predicted, aggregation=pair.known.res_id))
    return Scores(
        n_residue=len(pair.plddt),
        lddt=float(struc.lddt(pair.known, pair.predicted)),
        lddt_ca=float(struc.lddt(known, predicted)),
        tm_score=tm_score(known.coord, predicted, pair.n_known_residue),
        gdt_ts=gdt(known.coord, predicted, _GDT_TS, pair.n_known_residue),
        gdt_ha=gdt(known.coord, predicted, _GDT_HA, pair.n_known_residue),
        rmsd_ca=float(struc.rmsd(known.coord, moved)),
        residue_lddt=by_residue,
    )


def tm_score(known: np.ndarray, predicted: np.ndarray, n_residue: int) -> float:
    """TM-score (TM-align) of Cα positions [n, 3], of the n_residue that the known structure has."""
    letters = "A" * len(known)
    found = tmtools.tm_align(predicted.astype(np.float64), known.astype(np.float64), letters, letters)
    return float(found.tm_norm_chain2) * len(known) / n_residue


def gdt(known: np.ndarray, predicted: np.ndarray, cutoffs: tuple[float, ...], n_residue: int) -> float:
    """Mean over the cutoffs (Å) of the largest share of residues that one superposition brings that near.

    Searched from all runs of four residues, each superposition fitted again to the residues it brought near.
    """
    return float(np.mean([_largest_set(known, predicted, cutoff) for cutoff in cutoffs]) / n_residue)


def _largest_set(known: np.ndarray, predicted: np.ndarray, cutoff: float) -> int:
    n, best = len(known), 0
    starts = [np.ones(n, bool)]
    for i in range(max(1, n - _SEED + 1)):
        chosen = np.zeros(n, bool)
        chosen[i : i + _SEED] = True
        starts.append(chosen)
    for start in starts:
        chosen = start
        for _ in range(_ROUNDS):
            if chosen.sum() < 3:
                break
            _, transform = struc.superimpose(known[chosen], predicted[chosen])
            distance = np.linalg.norm(transform.apply(predicted) - known, axis=-1)
            near = distance < cutoff
            best = max(best, int(near.sum()))
            if np.array_equal(near, chosen):
                break
            chosen = near
    return best
