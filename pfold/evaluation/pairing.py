"""Which atoms of a prediction are which of a known structure: chains by sequence and place, residues by alignment."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import biotite.structure as struc
import gemmi
import numpy as np
from Bio.Align import PairwiseAligner

from pfold.errors import InputError
from pfold.targets.formats.structure_file import load_structure

# Assignments of equal chains that are tried, one after another.
_MAX_ASSIGNMENTS = 5040


@dataclass(frozen=True, eq=False)
class Chain:
    """A polymer chain: one letter a residue, and each residue's number and atoms by name.

    places: position (Å) of each atom; plddt: B factor of the residue's first atom.
    """

    id: str
    sequence: str
    numbers: Sequence[int]
    places: Sequence[dict[str, np.ndarray]]
    plddt: Sequence[float]


@dataclass(frozen=True, eq=False)
class Pair:
    """The atoms that a prediction and a known structure both have, in the same order.

    res_id of `known` counts the residues of both, from 0; plddt [n_residue] is theirs, and residues are their chains
    and numbers in the prediction. chains: names of each chain in the known structure and in the prediction.
    """

    known: struc.AtomArray
    predicted: np.ndarray
    plddt: np.ndarray
    residues: Sequence[tuple[str, int]]
    n_known_residue: int
    chains: Sequence[tuple[str, str]]

    @property
    def ca(self) -> np.ndarray:
        """Which atoms are Cα (C1' of nucleotides), [n_atom] bool."""
        return np.asarray(np.isin(self.known.atom_name, ("CA", "C1'")))


def read_chains(path: Path) -> list[Chain]:
    """The polymer chains of a structure's first model. Raises InputError for a file that has none."""
    structure = load_structure(path)
    structure.remove_alternative_conformations()
    structure.remove_hydrogens()
    chains = []
    for chain in structure[0]:
        polymer = chain.get_polymer()
        if len(polymer) == 0:
            continue
        residues = list(polymer)
        letters = [gemmi.find_tabulated_residue(r.name).one_letter_code.upper().strip() or "X" for r in residues]
        places = [{atom.name: np.array(atom.pos.tolist()) for atom in r if atom.occ > 0} for r in residues]
        numbers, plddt = [int(r.seqid.num or 0) for r in residues], [r[0].b_iso if len(r) else 0.0 for r in residues]
        chains.append(Chain(chain.name, "".join(letters), numbers, places, plddt))
    if not chains:
        raise InputError(f"{path}: there is no polymer in the first model")
    return chains


def pair_structures(predicted: Path, known: Path) -> Pair:
    """The atoms that both structures have, chains assigned as fits best.

    Raises InputError where no chain of the prediction has a sequence like one of the known structure.
    """
    mine, theirs = read_chains(predicted), read_chains(known)
    best: Pair | None = None
    lowest = np.inf
    for assignment in itertools.islice(_assignments(mine, theirs), _MAX_ASSIGNMENTS):
        pair = _pair(assignment, sum(len(chain.sequence) for chain in theirs))
        if pair is None:
            continue
        ca = pair.ca if pair.ca.sum() >= 3 else np.ones(len(pair.predicted), bool)
        moved, _ = struc.superimpose(pair.known.coord[ca], pair.predicted[ca])
        distance = float(struc.rmsd(pair.known.coord[ca], moved))
        if distance < lowest:
            best, lowest = pair, distance
    if best is None:
        raise InputError(f"{predicted}: no chain is like one of {known}")
    return best


def _aligned(mine: Chain, theirs: Chain) -> list[tuple[int, int]]:
    """Residues of both chains that an alignment puts together; none where fewer than nine tenths of them are equal."""
    aligner = PairwiseAligner(mode="global", match_score=2, mismatch_score=-1, open_gap_score=-3, extend_gap_score=-0.2)
    aligner.end_gap_score = 0.0
    alignment = aligner.align(mine.sequence, theirs.sequence)[0]
    pairs = [
        (i, j)
        for (a, b), (c, d) in zip(*alignment.aligned, strict=True)
        for i, j in zip(range(a, b), range(c, d), strict=True)
    ]
    equal = sum(mine.sequence[i] == theirs.sequence[j] for i, j in pairs)
    return pairs if pairs and equal >= 0.9 * len(pairs) else []


_Assignment = list[tuple[Chain, Chain, list[tuple[int, int]]]]


def _assignments(mine: Sequence[Chain], theirs: Sequence[Chain]) -> Iterator[_Assignment]:
    """Ways to give each known chain a predicted one of its sequence, each at most once."""
    fitting = [[(chain, pairs) for chain in mine if (pairs := _aligned(chain, other))] for other in theirs]
    known = [(other, choices) for other, choices in zip(theirs, fitting, strict=True) if choices]
    for chosen in itertools.product(*(choices for _, choices in known)):
        if len({id(chain) for chain, _ in chosen}) == len(chosen) and chosen:
            yield [(chain, other, pairs) for (other, _), (chain, pairs) in zip(known, chosen, strict=True)]


def _pair(assignment: _Assignment, n_known_residue: int) -> Pair | None:
    known, predicted, names, chain_ids, residue = [], [], [], [], []
    plddt: list[float] = []
    residues: list[tuple[str, int]] = []
    for mine, theirs, pairs in assignment:
        for i, j in pairs:
            shared = [name for name in theirs.places[j] if name in mine.places[i]]
            if not shared:
                continue
            for name in shared:
                known.append(theirs.places[j][name])
                predicted.append(mine.places[i][name])
                names.append(name)
                chain_ids.append(theirs.id)
                residue.append(len(plddt))
            plddt.append(mine.plddt[i])
            residues.append((mine.id, mine.numbers[i]))
    if len(known) < 3:
        return None
    array = struc.AtomArray(len(known))
    array.coord, array.atom_name = np.array(known, np.float32), np.array(names)
    array.chain_id, array.res_id = np.array(chain_ids), np.array(residue)
    chains = [(theirs.id, mine.id) for mine, theirs, _ in assignment]
    return Pair(array, np.array(predicted, np.float32), np.array(plddt), residues, n_known_residue, chains)
