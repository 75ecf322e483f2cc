"""Scores of the interface of two chains, from PAE, pLDDT, positions and contacts of their residues.

ipSAE and its kin: Dunbrack 2025 (ipsae.py, version 4). pDockQ: Bryant et al. 2022; pDockQ2: Zhu et al. 2023. LIS: Kim
et al. 2024; cLIS and iLIS: the same group's AFM-LIS. actifpTM: Varga et al. 2025.
"""

import math
from dataclasses import dataclass, fields

import numpy as np

from pfold.confidence.ptm import tm_normalization

# PAE (Å) below which a pair of residues counts for ipSAE, and for LIS.
PAE_CUTOFF, LIS_CUTOFF = 10.0, 12.0
# Distance of Cβ atoms (Å) within which two residues are in contact.
CONTACT_DISTANCE = 8.0
# The d0 (Å) of pDockQ2.
PDOCKQ2_D0 = 10.0
# Contact probability from which a residue belongs to the interface of actifpTM.
CONTACT_PROBABILITY = 0.6
# The TM-score's length scale d0 (Å) is at least this; larger with a nucleic acid, whose residues are larger.
MIN_D0, MIN_D0_NUCLEIC = 1.0, 2.0


@dataclass(frozen=True, eq=False)
class InterfaceResidues:
    """The residues of all polymer chains, one entry each.

    chain [R] int: number of the chain; nucleic [R] bool; pae [R, R] (Å); beta [R, 3]: positions (Å) of Cβ, Cα of
    glycine, C3' of nucleotides; plddt [R]: theirs (0 to 100); contact_probs [R, R]; n_token: of the whole prediction.
    """

    chain: np.ndarray
    nucleic: np.ndarray
    pae: np.ndarray
    beta: np.ndarray
    plddt: np.ndarray
    contact_probs: np.ndarray
    n_token: int


@dataclass(frozen=True)
class InterfaceScores:
    """Scores of chain 1 seen from chain 2 (aligned on chain 1's residues, errors of chain 2's), or of both.

    n0res, n0chn, n0dom: residues that set the d0 of ipsae, ipsae_d0chn (and iptm_d0chn), ipsae_d0dom.
    """

    ipsae: float
    ipsae_d0chn: float
    ipsae_d0dom: float
    iptm_d0chn: float
    pdockq: float
    pdockq2: float
    lis: float
    clis: float
    ilis: float
    actifptm: float
    n0res: int
    n0chn: int
    n0dom: int


def tm_length_scale(n: np.ndarray | float, *, nucleic: bool) -> np.ndarray:
    """d0 (Å) of the TM-score for n residues: 1.24 (n - 15)^(1/3) - 1.8, with a lower bound."""
    length = np.maximum(np.asarray(n, np.float64), 26.0)
    return np.maximum(MIN_D0_NUCLEIC if nucleic else MIN_D0, 1.24 * np.cbrt(length - 15) - 1.8)


def interface_scores(x: InterfaceResidues, first: int, second: int) -> InterfaceScores:
    """Scores of the ordered pair of chains `first`, `second`, by their numbers; both have residues."""
    a, b = np.flatnonzero(x.chain == first), np.flatnonzero(x.chain == second)
    pae = x.pae[np.ix_(a, b)].astype(np.float64)
    nucleic = bool(x.nucleic[a].any() or x.nucleic[b].any())
    near = pae < PAE_CUTOFF
    n0chn = len(a) + len(b)
    n0dom = int(near.any(axis=1).sum() + near.any(axis=0).sum())
    per_row = near.sum(axis=1)
    d0chn, d0dom = (tm_length_scale(n, nucleic=nucleic) for n in (n0chn, n0dom))
    by_residue = _mean_where(_tm(pae, tm_length_scale(per_row, nucleic=nucleic)[:, None]), near)
    best = int(by_residue.argmax())
    contact = np.linalg.norm(x.beta[a][:, None] - x.beta[b][None], axis=-1) <= CONTACT_DISTANCE
    lis, clis = _lis(pae, pae < LIS_CUTOFF), _lis(pae, (pae < LIS_CUTOFF) & contact)
    plddt = x.plddt[[*a[contact.any(axis=1)], *b[contact.any(axis=0)]]]
    pdockq, pdockq2 = _pdockq(plddt, pae[contact])
    return InterfaceScores(
        ipsae=float(by_residue[best]),
        ipsae_d0chn=float(_mean_where(_tm(pae, d0chn), near).max()),
        ipsae_d0dom=float(_mean_where(_tm(pae, d0dom), near).max()),
        iptm_d0chn=float(_tm(pae, d0chn).mean(axis=1).max()),
        pdockq=pdockq,
        pdockq2=pdockq2,
        lis=lis,
        clis=clis,
        ilis=math.sqrt(lis * clis),
        actifptm=_actifptm(x, a, b, pae),
        n0res=int(per_row[best]),
        n0chn=n0chn,
        n0dom=n0dom,
    )


def both_directions(forward: InterfaceScores, backward: InterfaceScores) -> InterfaceScores:
    """Scores of an unordered pair: the larger of both directions, of LIS and cLIS their mean."""
    values = {f.name: max(getattr(forward, f.name), getattr(backward, f.name)) for f in fields(InterfaceScores)}
    better, domain = (
        forward if getattr(forward, name) >= getattr(backward, name) else backward for name in ("ipsae", "ipsae_d0dom")
    )
    lis, clis = (forward.lis + backward.lis) / 2, (forward.clis + backward.clis) / 2
    values |= {"lis": lis, "clis": clis, "ilis": math.sqrt(lis * clis)}
    return InterfaceScores(**values | {"n0res": better.n0res, "n0dom": domain.n0dom})


def _tm(pae: np.ndarray, d0: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + (pae / d0) ** 2)


def _mean_where(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Mean of each row over the entries that count, 0 where none does."""
    return np.asarray((values * where).sum(axis=1) / np.maximum(where.sum(axis=1), 1))


def _lis(pae: np.ndarray, where: np.ndarray) -> float:
    """Local interaction score: mean of (12 - PAE) / 12 over the pairs that count."""
    return float(((LIS_CUTOFF - pae[where]) / LIS_CUTOFF).mean()) if where.any() else 0.0


def _pdockq(plddt: np.ndarray, pae: np.ndarray) -> tuple[float, float]:
    """pDockQ and pDockQ2, with the fits of their papers.  plddt: of residues in contact; pae: of pairs in contact."""
    if len(pae) == 0:
        return 0.0, 0.0
    mean = float(plddt.mean())
    pdockq = 0.724 / (1 + math.exp(-0.052 * (mean * math.log10(len(pae)) - 152.611))) + 0.018
    error = float(_tm(pae, np.array(PDOCKQ2_D0)).mean())
    return pdockq, 1.31 / (1 + math.exp(-0.075 * (mean * error - 84.733))) + 0.005


def _actifptm(x: InterfaceResidues, a: np.ndarray, b: np.ndarray, pae: np.ndarray) -> float:
    """ipTM over the residues that are in contact with the other chain by the distogram; 0 where there are none.

    Of PAE values, with the d0 of the whole prediction; ColabFold takes the distribution of the error.
    """
    contact = x.contact_probs[np.ix_(a, b)] >= CONTACT_PROBABILITY
    rows, columns = contact.any(axis=1), contact.any(axis=0)
    if not contact.any():
        return 0.0
    terms = _tm(pae[np.ix_(rows, columns)], np.array(tm_normalization(x.n_token)))
    return float(terms.mean(axis=1).max())
