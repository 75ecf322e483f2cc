"""Pair the MSA rows of a complex's chains by species (AF3 supplement, section 2.3; reference: msa_utils.py)."""

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

_UNIPROT = re.compile(r"(?:tr|sp)\|[A-Z0-9]{6,10}(?:_\d+)?\|(?:[A-Z0-9]{1,10}_)([A-Z0-9]{1,5})")
_UNIREF = re.compile(r"UniRef100_[^_]+_([^_/]+)")

# A UniRef cluster's header: "UniRef90_P12345 Some protein n=1 Tax=Homo sapiens TaxID=9606 RepID=...".
_CLUSTER = re.compile(r"UniRef\d+_([^_\s/]+)(?=[\s/])")
_TAXON = re.compile(r"\bTaxID=(\d+)")

# At most this many rows of one species take part (reference: FeatureAssemblyLine).
MAX_ROWS_PER_SPECIES = 600


def species_of(description: str) -> str:
    """Species of a UniProt ("sp|P12345|NAME_HUMAN") or UniRef ("UniRef100_ID_9606") header; "" where it has none."""
    description = description.strip()
    match = _UNIPROT.match(description) or _UNIREF.match(description)
    return match.group(1) if match else ""


def with_taxon(description: str) -> str:
    """A UniRef cluster's header as the name that pairing knows, "UniRef100_P12345_9606"; others as they are.

    The place of a hit ("/12-140") is kept.
    """
    cluster, taxon = _CLUSTER.match(description), _TAXON.search(description)
    if not cluster or not taxon:
        return description
    place = re.match(r"/\d+-\d+", description[cluster.end() :])
    return f"UniRef100_{cluster[1]}_{taxon[1]}{place[0] if place else ''}"


def _rows_by_species(descriptions: Sequence[str]) -> dict[str, np.ndarray]:
    species = np.array([species_of(d) for d in descriptions], dtype=object)
    if len(species) == 1 and not species[0]:
        return {}
    # Not a stable sort, on purpose: the order within a species is the reference's.
    order = species.argsort()
    names, starts = np.unique(species[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True))


def pair_rows(descriptions: Sequence[Sequence[str]], max_rows: int) -> np.ndarray:
    """Rows to put side by side, one column a chain.

    descriptions: headers of each chain's alignment, the query first. Returns row numbers [N_paired, N_chain] int32,
    -1 where a chain has no row of that species. The queries come first, then species found in most chains, best
    ranked rows first.
    """
    chains = [_rows_by_species(d) for d in descriptions]
    count: dict[str, int] = defaultdict(int)
    depth: dict[str, int] = {}
    for chain in chains:
        for species, rows in chain.items():
            count[species] += 1
            depth[species] = min(depth.get(species, MAX_ROWS_PER_SPECIES), len(rows))

    blocks = [np.zeros((1, len(chains)), np.int32)]
    total = 0
    for n_chain in sorted({c for s, c in count.items() if s and c > 1}, reverse=True):
        shared = [s for s, c in count.items() if s and c == n_chain]
        rows = np.concatenate([_species_block(s, chains, depth[s]) for s in shared])
        rank = np.log(np.abs(rows.astype(np.float32)) + 1e-10).sum(axis=1)
        blocks.append(rows[np.argsort(rank)])
        total += len(rows)
        if total >= max_rows:
            break
    return np.concatenate(blocks)[:max_rows]


def _species_block(species: str, chains: list[dict[str, np.ndarray]], depth: int) -> np.ndarray:
    absent = np.full(depth, -1, np.int32)
    columns = [chain[species][:depth] if species in chain else absent for chain in chains]
    return np.stack(columns, axis=1).astype(np.int32)
