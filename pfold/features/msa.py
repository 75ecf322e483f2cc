"""Alignment features of a target (AF3 supplement, section 2.8; reference: data/msa/msa_featurizer.py)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pfold.chem.residues import GAP, RESTYPES
from pfold.search.a3m import Alignment, query_only, to_arrays
from pfold.search.pairing import pair_rows
from pfold.targets.types import Target

Arrays = dict[str, np.ndarray]

MAX_MSA_ROWS = 16384
MAX_PAIRED_ROWS = MAX_MSA_ROWS // 2
# Chains this short get no alignment (reference: FeatureAssemblyLine).
SHORTEST_ALIGNED = 5


@dataclass(frozen=True)
class ChainAlignments:
    """Alignments of one entity: rows to pair by species with other chains, and rows that stand alone."""

    unpaired: Alignment | None = None
    paired: Alignment | None = None


@dataclass
class _Chain:
    """Rows of one chain under way: msa and deletions of unpaired and paired rows, [N_row, N] int32."""

    msa: np.ndarray
    deletion_matrix: np.ndarray
    msa_paired: np.ndarray
    deletion_matrix_paired: np.ndarray
    headers_paired: tuple[str, ...]
    profile: np.ndarray
    deletion_mean: np.ndarray


def _make_chain(sequence: str, alignments: ChainAlignments, pairing: bool, pair_as_unpair: bool) -> _Chain:
    unpaired, paired = alignments.unpaired, alignments.paired
    if len(sequence) < SHORTEST_ALIGNED:
        unpaired = paired = None
    if pair_as_unpair and paired is not None:
        unpaired = paired + unpaired if unpaired is not None else paired
    unpaired = (unpaired or query_only(sequence)).deduplicated()
    paired = (paired if pairing else None) or query_only(sequence)
    msa, deletions = to_arrays(unpaired)
    msa_paired, deletions_paired = to_arrays(paired)
    profile = (msa[..., None] == np.arange(len(RESTYPES))).sum(axis=0) / len(msa)
    return _Chain(msa, deletions, msa_paired, deletions_paired, paired.descriptions, profile, deletions.mean(axis=0))


def _pair_chains(chains: list[_Chain]) -> None:
    """Reorder the paired rows of all chains by species and drop unpaired rows that are among them."""
    rows = pair_rows([c.headers_paired for c in chains], MAX_PAIRED_ROWS)
    for chain, selected in zip(chains, rows.T, strict=True):
        gap_row = np.full((1, chain.msa_paired.shape[1]), GAP, np.int32)
        chain.msa_paired = np.concatenate([chain.msa_paired, gap_row])[selected]
        chain.deletion_matrix_paired = np.concatenate([chain.deletion_matrix_paired, 0 * gap_row])[selected]
        known = {row.tobytes() for row in chain.msa_paired}
        keep = [row.tobytes() not in known for row in chain.msa]
        chain.msa, chain.deletion_matrix = chain.msa[keep], chain.deletion_matrix[keep]


def _drop_gap_rows(chains: list[_Chain]) -> None:
    """Drop paired rows that are gaps in every chain."""
    filled = (np.concatenate([c.msa_paired for c in chains], axis=1) != GAP).any(axis=1)
    for chain in chains:
        chain.msa_paired = chain.msa_paired[filled]
        chain.deletion_matrix_paired = chain.deletion_matrix_paired[filled]


def _side_by_side(blocks: Sequence[np.ndarray], fill: int) -> np.ndarray:
    """Concatenate blocks along columns, shorter ones filled up with rows of `fill`."""
    depth = max(len(b) for b in blocks)
    padded = [np.pad(b, ((0, depth - len(b)), (0, 0)), constant_values=fill) for b in blocks]
    return np.concatenate(padded, axis=1)


def msa_features(target: Target, alignments: Sequence[ChainAlignments], msa_pair_as_unpair: bool = True) -> Arrays:
    """Alignment features of all chains side by side.

    alignments: one of each entity. msa_pair_as_unpair: paired rows also serve as unpaired ones, as the reference does.
    """
    distinct = {e.sequence for e in target.entities}
    pairing = len(distinct) > 1
    chains = [
        _make_chain(entity.sequence, entity_alignments, pairing, msa_pair_as_unpair)
        for entity, entity_alignments in zip(target.entities, alignments, strict=True)
        for _ in entity.ids
    ]
    if pairing:
        _pair_chains(chains)
    _drop_gap_rows(chains)
    n_paired = min(len(chains[0].msa_paired), MAX_PAIRED_ROWS)
    n_unpaired = max(min(len(c.msa), MAX_MSA_ROWS - n_paired) for c in chains)
    paired = np.concatenate([c.msa_paired[:n_paired] for c in chains], axis=1)
    paired_deletions = np.concatenate([c.deletion_matrix_paired[:n_paired] for c in chains], axis=1)
    unpaired = _side_by_side([c.msa[:n_unpaired] for c in chains], GAP)
    unpaired_deletions = _side_by_side([c.deletion_matrix[:n_unpaired] for c in chains], 0)
    deletions = np.clip(np.concatenate([paired_deletions, unpaired_deletions]), 0, 127)
    msa = np.concatenate([paired, unpaired]).astype(np.int64)
    counts = _row_counts(n_paired, n_unpaired)
    return counts | {
        "msa": msa,
        "msa_mask": np.ones(msa.shape, bool),
        "deletion_value": (np.arctan(deletions / 3.0) * (2.0 / np.pi)).astype(np.float32),
        "has_deletion": np.clip(deletions, 0, 1).astype(np.float32),
        "profile": np.concatenate([c.profile for c in chains]).astype(np.float32),
        "deletion_mean": np.concatenate([c.deletion_mean for c in chains]).astype(np.float32),
    }


def _row_counts(n_paired: int, n_unpaired: int) -> Arrays:
    """Row counts, under both spellings that the reference has."""
    counts = {
        "prot_unpaired_num_alignments": n_unpaired,
        "prot_unpair_num_alignments": n_unpaired,
        "prot_paired_num_alignments": n_paired,
        "prot_pair_num_alignments": n_paired,
        "rna_unpaired_num_alignments": 1,
        "rna_unpair_num_alignments": 1,
        "rna_pair_num_alignments": 1,
    }
    return {name: np.array(count, np.int64) for name, count in counts.items()}
