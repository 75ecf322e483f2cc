"""Interface scores of a sample as square matrices over its chains."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pfold.chem.types import Assembly, Residue
from pfold.confidence.interfaces import InterfaceResidues, InterfaceScores, both_directions, interface_scores
from pfold.results.sample import Sample
from pfold.targets.types import DNA, POLYMERS, RNA

# Atoms that stand for a residue's token, and for its position, of proteins or nucleotides: the first that is there.
_TOKEN_ATOMS, _BETA_ATOMS = ("CA", "C1'"), ("CB", "CA", "C3'")
# Keys of the summary: chain_pair_NAME.
SCORES = tuple(name for name in InterfaceScores.__dataclass_fields__ if not name.startswith("n0"))

Matrix = list[list[float | None]]


@dataclass(frozen=True)
class ChainPairScores:
    """Interface scores of a sample: of each ordered pair of its polymer chains, by the numbers of the chains.

    Entry (i, j) is aligned on chain i.
    """

    chain_ids: tuple[str, ...]
    ordered: Mapping[tuple[int, int], InterfaceScores]

    def together(self) -> dict[tuple[int, int], dict[str, float]]:
        """Scores of both directions together, of each pair (i, j) with i < j; rounded."""
        pairs = {(i, j): both_directions(x, self.ordered[j, i]) for (i, j), x in self.ordered.items() if i < j}
        return {pair: {name: round(getattr(x, name), 4) for name in SCORES} for pair, x in pairs.items()}

    def matrices(self) -> dict[str, Matrix]:
        """The keys "chain_pair_ipsae" and so on, [N_chain][N_chain]; None where i is j, or one is no polymer."""
        n_chain = len(self.chain_ids)
        found: dict[str, Matrix] = {}
        for name in SCORES:
            matrix: Matrix = [[None] * n_chain for _ in range(n_chain)]
            found[f"chain_pair_{name}"] = matrix
            for (i, j), scores in self.ordered.items():
                matrix[i][j] = round(getattr(scores, name), 4)
        return found

    def best(self) -> dict[str, Any] | None:
        """The pair with the largest ipSAE: its chain_ids, and its scores together; None without two polymers."""
        pairs = self.together()
        if not pairs:
            return None
        i, j = max(pairs, key=lambda pair: pairs[pair]["ipsae"])
        return {"chain_ids": [self.chain_ids[i], self.chain_ids[j]], **pairs[i, j]}


def chain_pair_scores(sample: Sample, assembly: Assembly) -> ChainPairScores:
    """Interface scores of a sample."""
    x = _residues(sample, assembly)
    present = np.unique(x.chain).tolist()
    ordered = {(i, j): interface_scores(x, i, j) for i in present for j in present if i != j}
    return ChainPairScores(tuple(chain.id for chain in assembly.chains), ordered)


def _residues(sample: Sample, assembly: Assembly) -> InterfaceResidues:
    """The residues of polymer chains that have the atoms to be told by."""
    token, beta, chain, nucleic = [], [], [], []
    first = 0
    for number, part in enumerate(assembly.chains):
        for residue in part.residues:
            if part.kind in POLYMERS:
                a, b = _first_of(residue, _TOKEN_ATOMS), _first_of(residue, _BETA_ATOMS)
                if a >= 0 and b >= 0:
                    token.append(first + a)
                    beta.append(first + b)
                    chain.append(number)
                    nucleic.append(part.kind in (DNA, RNA))
            first += len(residue.atom_name)
    full = sample.full_data
    tokens = np.asarray(full["atom_to_token_idx"])[np.array(token, np.int64)]
    pairs = np.ix_(tokens, tokens)
    return InterfaceResidues(
        chain=np.array(chain, np.int64),
        nucleic=np.array(nucleic, bool),
        pae=np.asarray(full["token_pair_pae"])[pairs],
        beta=np.asarray(sample.coordinate, np.float64)[np.array(beta, np.int64)],
        plddt=100 * np.asarray(full["atom_plddt"], np.float64)[np.array(beta, np.int64)],
        contact_probs=np.asarray(full["contact_probs"])[pairs],
        n_token=len(full["token_pair_pae"]),
    )


def _first_of(residue: Residue, names: tuple[str, ...]) -> int:
    """Number of the first of these atoms that a residue has; -1 where it has none."""
    return next((found for name in names if (found := residue.atom(name)) >= 0), -1)
