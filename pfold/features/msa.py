"""Alignment features of a target (AF3 supplement, section 2.8; reference: data/msa/msa_featurizer.py)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pfold.chem.residues import GAP, RESTYPES, UNKNOWN
from pfold.features.tokens import Tokens, n_column
from pfold.msa.a3m import Alignment, query_only, to_arrays
from pfold.msa.pairing import pair_rows
from pfold.targets.types import DNA, LIGAND, PROTEIN, RNA, Entity, Target

Arrays = dict[str, np.ndarray]

MAX_MSA_ROWS = 16384
MAX_PAIRED_ROWS = MAX_MSA_ROWS // 2
# Chains this short get no alignment (reference: FeatureAssemblyLine).
MIN_ALIGNED_LENGTH = 5


@dataclass(frozen=True)
class ChainAlignments:
    """Alignments of one entity: rows to pair by species with other chains, and rows that stand alone."""

    unpaired: Alignment | None = None
    paired: Alignment | None = None


NO_ALIGNMENT = ChainAlignments()


@dataclass
class _Chain:
    """Rows of one chain under way: msa and deletions of unpaired and paired rows, [N_row, N] int32."""

    kind: str
    msa: np.ndarray
    deletion_matrix: np.ndarray
    msa_paired: np.ndarray
    deletion_matrix_paired: np.ndarray
    headers_paired: tuple[str, ...]
    profile: np.ndarray
    deletion_mean: np.ndarray


def _polymer_chain(entity: Entity, alignments: ChainAlignments, *, pairing: bool, pair_as_unpair: bool) -> _Chain:
    sequence, kind = entity.sequence, entity.kind
    unpaired, paired = alignments.unpaired, alignments.paired
    if len(sequence) < MIN_ALIGNED_LENGTH or kind == DNA:
        unpaired = paired = None
    if kind == RNA:
        paired = None
    if pair_as_unpair and paired is not None:
        unpaired = paired + unpaired if unpaired is not None else paired
    unpaired = (unpaired or query_only(sequence)).deduplicated()
    paired = (paired if pairing else None) or query_only(sequence)
    msa, deletions = to_arrays(unpaired, kind)
    msa_paired, deletions_paired = to_arrays(paired, kind)
    profile = (msa[..., None] == np.arange(len(RESTYPES))).sum(axis=0) / len(msa)
    mean = deletions.mean(axis=0)
    return _Chain(kind, msa, deletions, msa_paired, deletions_paired, paired.descriptions, profile, mean)


def _ligand_chain(kind: str) -> _Chain:
    """One column of an unknown residue, which all atoms of the ligand share."""
    unknown, none = np.full((1, 1), UNKNOWN, np.int32), np.zeros((1, 1), np.int32)
    profile = np.eye(len(RESTYPES))[[UNKNOWN]]
    return _Chain(kind, unknown, none, unknown, none, ("",), profile, np.zeros(1))


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


def chain_columns(target: Target, tokens: Tokens) -> np.ndarray:
    """The column of each token in the chains' arrays (`n_column`) side by side, [N].

    An ion has none and reads the last column of all, as in the reference, which leaves ions out (msa_featurizer.py,
    map_to_standard).
    """
    lengths = np.array([n_column(entity) for entity in target.entities for _ in entity.ids])
    residue = tokens.residue_of_token
    chain = tokens.chain_of_residue[residue]
    first, length = (np.cumsum(lengths) - lengths)[chain], lengths[chain]
    column = first + np.minimum(tokens.position[residue], length) - 1
    return np.where(length > 0, column, max(lengths.sum(), 1) - 1)


def msa_features(
    target: Target, tokens: Tokens, alignments: Sequence[ChainAlignments], *, msa_pair_as_unpair: bool = True
) -> Arrays:
    """Alignment features of all chains side by side.

    alignments: one of each entity. msa_pair_as_unpair: paired rows also serve as unpaired ones, as the reference does.
    """
    pairing = len({e.sequence for e in target.entities if e.kind == PROTEIN}) > 1
    chains: list[_Chain] = []
    for entity, own in zip(target.entities, alignments, strict=True):
        for _ in entity.ids:
            if entity.is_polymer:
                chains.append(_polymer_chain(entity, own, pairing=pairing, pair_as_unpair=msa_pair_as_unpair))
            elif entity.kind == LIGAND:
                chains.append(_ligand_chain(entity.kind))
    # Ions alone still need a column to read.
    chains = chains or [_ligand_chain(LIGAND)]
    if pairing:
        _pair_chains(chains)
    _drop_gap_rows(chains)
    return _merge(chains, chain_columns(target, tokens))


def distinct_rows(msa: np.ndarray) -> int:
    """Rows of an alignment [N_msa, N] that differ: 1 where nothing but the query was found."""
    return len({row.tobytes() for row in msa.astype(np.int8)})


def single_row_features(restype: np.ndarray) -> Arrays:
    """Alignment features of the target's residues alone (reference: make_dummy_feature).  restype [N, 32]."""
    msa = restype.argmax(axis=-1)[None].astype(np.int64)
    zeros = np.zeros(msa.shape, np.float32)
    names = ("prot_unpaired", "prot_unpair", "prot_paired", "prot_pair", "rna_unpaired", "rna_unpair", "rna_pair")
    return {f"{name}_num_alignments": np.array(0, np.int64) for name in names} | {
        "msa": msa,
        "msa_mask": np.ones(msa.shape, bool),
        "deletion_value": zeros,
        "has_deletion": zeros,
        "profile": restype.astype(np.float32),
        "deletion_mean": zeros[0],
    }


def _merge(chains: list[_Chain], columns: np.ndarray) -> Arrays:
    """Paired rows, then unpaired ones, of all chains, at the column of each token."""
    n_paired = min(len(chains[0].msa_paired), MAX_PAIRED_ROWS)
    n_unpaired = [min(len(c.msa), MAX_MSA_ROWS - n_paired) for c in chains]
    paired = np.concatenate([c.msa_paired[:n_paired] for c in chains], axis=1)
    paired_deletions = np.concatenate([c.deletion_matrix_paired[:n_paired] for c in chains], axis=1)
    unpaired = _side_by_side([c.msa[:n] for c, n in zip(chains, n_unpaired, strict=True)], GAP)
    unpaired_deletions = _side_by_side([c.deletion_matrix[:n] for c, n in zip(chains, n_unpaired, strict=True)], 0)
    msa = np.concatenate([paired, unpaired])
    _fill_gap_rows(msa, chains)
    msa = msa[:, columns].astype(np.int64)
    deletions = np.clip(np.concatenate([paired_deletions, unpaired_deletions]), 0, 127)[:, columns]
    return _row_counts(chains, n_paired, n_unpaired) | {
        "msa": msa,
        "msa_mask": np.ones(msa.shape, bool),
        "deletion_value": (np.arctan(deletions / 3.0) * (2.0 / np.pi)).astype(np.float32),
        "has_deletion": np.clip(deletions, 0, 1).astype(np.float32),
        "profile": np.concatenate([c.profile for c in chains]).astype(np.float32)[columns],
        "deletion_mean": np.concatenate([c.deletion_mean for c in chains]).astype(np.float32)[columns],
    }


def _fill_gap_rows(msa: np.ndarray, chains: list[_Chain]) -> None:
    """Rows that are gaps throughout a chain which is no protein repeat the chain's first row."""
    start = 0
    for chain in chains:
        stop = start + chain.msa.shape[1]
        if chain.kind != PROTEIN:
            gaps = (msa[:, start:stop] == GAP).all(axis=1)
            msa[gaps, start:stop] = msa[0, start:stop]
        start = stop


def _row_counts(chains: list[_Chain], n_paired: int, n_unpaired: list[int]) -> Arrays:
    """Row counts, under both spellings that the reference has."""
    protein = max([1, *(n for c, n in zip(chains, n_unpaired, strict=True) if c.kind == PROTEIN)])
    rna = max([1, *(n for c, n in zip(chains, n_unpaired, strict=True) if c.kind == RNA)])
    counts = {
        "prot_unpaired_num_alignments": protein,
        "prot_unpair_num_alignments": protein,
        "prot_paired_num_alignments": n_paired,
        "prot_pair_num_alignments": n_paired,
        "rna_unpaired_num_alignments": rna,
        "rna_unpair_num_alignments": rna,
        "rna_pair_num_alignments": 1,
    }
    return {name: np.array(count, np.int64) for name, count in counts.items()}
