"""Interfaces of a prediction against those of a known structure: DockQ, by peppr."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import peppr

from pfold.evaluation.pairing import Pair


@dataclass(frozen=True)
class Interface:
    """Two chains that touch in the known structure, by their names there and in the prediction.

    dockq, fnat (share of contacts that are found): 0 to 1; irmsd, lrmsd (Å), as DockQ has them (Basu and Wallner 2016).
    """

    known_1: str
    known_2: str
    chain_1: str
    chain_2: str
    dockq: float
    fnat: float
    irmsd: float
    lrmsd: float


def interfaces(pair: Pair) -> Iterator[Interface]:
    """Each pair of chains with a contact (heavy atoms within 5 Å) in the known structure, the longer chain first."""
    predicted = pair.known.copy()
    predicted.coord = pair.predicted
    for chains in itertools.combinations(pair.chains, 2):
        # DockQ superposes the larger chain and measures where the smaller one is.
        (known_1, chain_1), (known_2, chain_2) = sorted(chains, key=lambda names: -_of(pair, names[0]).sum())
        receptor, ligand = _of(pair, known_1), _of(pair, known_2)
        found = peppr.dockq(pair.known[receptor], pair.known[ligand], predicted[receptor], predicted[ligand])
        # Not a number where the chains do not touch.
        if np.isfinite(found.score):
            scores = (float(x) for x in (found.score, found.fnat, found.irmsd, found.lrmsd))
            yield Interface(known_1, known_2, chain_1, chain_2, *scores)


def _of(pair: Pair, known_chain: str) -> np.ndarray:
    return np.asarray(pair.known.chain_id == known_chain)
