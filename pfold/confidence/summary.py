"""All scores of one sample, with the reference's names (reference: sample_confidence.py)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pfold.confidence.bins import PLDDT_RANGE, expected_value
from pfold.confidence.clash import has_clash
from pfold.confidence.pairs import PairConfidence
from pfold.confidence.ptm import chain_pairs, tokens_of_chains

Arrays = Mapping[str, np.ndarray]


def confidence_of_sample(
    features: Arrays,
    coordinate: np.ndarray,
    plddt: np.ndarray,
    pairs: PairConfidence,
    contact_probs: np.ndarray,
    n_cycle: int,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Scores of one sample.

    features: `pfold.features.schema`; coordinate [N_atom, 3] (Å); plddt: logits [N_atom, 50]; pairs: of all rows;
    contact_probs [N, N]. Returns the summary (scalars and values per chain and chain pair) and the full data
    (atom_plddt [N_atom] in 0..1, token_pair_pae and token_pair_pde [N, N] in Å, and the arrays that index them).
    """
    asym_id = pairs.asym_id
    atom_chain = asym_id[features["atom_to_token_idx"]]
    is_polymer = np.asarray(features["is_ligand"]) == 0

    atom_plddt = expected_value(plddt, PLDDT_RANGE)
    pde = pairs.token_pair_pde
    summary: dict[str, Any] = {
        "plddt": float(atom_plddt.mean() * 100),
        "gpde": float((pde * contact_probs).sum() / contact_probs.sum()),
        **chain_gpde(pde, contact_probs, asym_id),
        **tm_summary(pairs.tm.values, pairs.has_frame, asym_id, _ligand_tokens(features, len(asym_id))),
        **chain_plddt(atom_plddt, atom_chain),
        "has_clash": has_clash(coordinate, atom_chain, is_polymer),
        "num_recycles": n_cycle,
        # The reference computes no disorder term; results have AlphaFold 3's (pfold.confidence.ranking).
        "disorder": 0.0,
    }
    summary["ranking_score"] = ranking_score(summary)
    full = {
        "atom_plddt": atom_plddt,
        "token_pair_pae": pairs.token_pair_pae,
        "token_pair_pde": pde,
        "contact_probs": contact_probs,
        "token_has_frame": pairs.has_frame,
        "token_asym_id": np.asarray(features["asym_id"]),
        "token_res_id": np.asarray(features["residue_index"]),
        "atom_to_token_idx": np.asarray(features["atom_to_token_idx"]),
        "atom_is_polymer": is_polymer,
        "atom_coordinate": coordinate,
    }
    return summary, full


def ranking_score(summary: Mapping[str, Any]) -> float:
    """0.8 ipTM + 0.2 pTM + 0.5 disorder - 100 clash, by which samples are ranked."""
    score = 0.8 * summary["iptm"] + 0.2 * summary["ptm"] + 0.5 * summary["disorder"]
    return float(score - 100 * summary["has_clash"])


def _ligand_tokens(features: Arrays, n_token: int) -> np.ndarray:
    ligand_atoms = np.bincount(features["atom_to_token_idx"], weights=features["is_ligand"], minlength=n_token)
    return ligand_atoms > 0


def tm_summary(
    scores: Sequence[float], has_frame: np.ndarray, asym_id: np.ndarray, is_ligand: np.ndarray
) -> dict[str, Any]:
    """ptm, iptm; chain_ptm and chain_iptm [N_chain]; chain_pair_iptm and chain_pair_iptm_global [N_chain, N_chain].

    scores: values of the sets of tokens of `pfold.confidence.ptm.scores_of_chains`.
    """
    chains = tokens_of_chains(asym_id)
    n = len(chains)
    pair = np.zeros((n, n), np.float32)
    for (i, j), score in zip(chain_pairs(n), scores[2 + n :], strict=True):
        pair[i, j] = pair[j, i] = score
    framed = np.array([has_frame[tokens].any() for tokens in chains])
    mean = _chain_iptm(pair, framed)
    ligand = [is_ligand[tokens].sum() >= len(tokens) // 2 for tokens in chains]
    return {
        "ptm": scores[0],
        "iptm": scores[1],
        "chain_ptm": np.array(scores[2 : 2 + n], np.float32),
        "chain_iptm": mean,
        "chain_pair_iptm": pair,
        "chain_pair_iptm_global": _pair_iptm_global(mean, ligand),
    }


def _chain_iptm(pair: np.ndarray, framed: np.ndarray) -> np.ndarray:
    """Mean ipTM of each chain with all others, over the pairs whose first chain has a frame.  [N_chain]."""
    n = len(pair)
    mean = np.zeros(n, np.float32)
    for c in range(n):
        values = [pair[i, j] for i in range(n) for j in range(n) if i != j and c in (i, j) and framed[i]]
        mean[c] = np.mean(values) if values else 0.0
    return mean


def _pair_iptm_global(mean: np.ndarray, ligand: list[bool]) -> np.ndarray:
    """Of a pair with a ligand the ligand's mean ipTM, else the mean of both.  [N_chain, N_chain]."""
    n = len(mean)
    overall = np.zeros((n, n), np.float32)
    for i in range(n):
        for j in range(n):
            if i != j:
                overall[i, j] = mean[i] if ligand[i] else mean[j] if ligand[j] else (mean[i] + mean[j]) / 2
    return overall


def chain_gpde(pde: np.ndarray, contact_probs: np.ndarray, asym_id: np.ndarray) -> dict[str, np.ndarray]:
    """Contact-weighted mean PDE (Å) within chains, chain_gpde [N_chain], and between them, chain_pair_gpde."""
    membership = np.eye(asym_id.max() + 1, dtype=np.float32)[asym_id]
    weighted = membership.T @ (pde * contact_probs) @ membership
    total = membership.T @ contact_probs @ membership
    gpde = weighted / (total + 1e-8)
    # The reference takes the upper triangle for both halves.
    between = np.triu(gpde, 1)
    return {"chain_gpde": np.diag(gpde).copy(), "chain_pair_gpde": between + between.T}


def chain_plddt(atom_plddt: np.ndarray, atom_chain: np.ndarray) -> dict[str, np.ndarray]:
    """Mean pLDDT (0..1) of chains, chain_plddt [N_chain], and of chain pairs, chain_pair_plddt."""
    count = np.bincount(atom_chain).astype(np.float64)
    total = np.bincount(atom_chain, weights=atom_plddt)
    pair = (total[:, None] + total[None]) / (count[:, None] + count[None])
    np.fill_diagonal(pair, 0.0)
    return {"chain_plddt": (total / count).astype(np.float32), "chain_pair_plddt": pair.astype(np.float32)}
