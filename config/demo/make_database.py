"""Make database.fasta: simulated homologs of the demo proteome, so that the demo's search works offline.

Each chain evolves along one random tree of species. Sites have their own rates, substitutions follow BLOSUM62, and
now and then a few residues are lost or gained. Headers are UniRef-style with a made-up species number, shared by the
chains of a species, so that the chains of a complex can be paired. The seed is fixed: the file is always the same.

    python config/demo/make_database.py > config/demo/database.fasta
"""

from pathlib import Path

import numpy as np
from Bio.Align import substitution_matrices

SEED = 20240508
N_SPECIES = 28
AMINO_ACIDS = "ARNDCQEGHILKMFPSTWYV"
# Expected substitutions a site from the root to a leaf; at most a few residues an insertion or deletion.
TREE_HEIGHT = 0.9
INDELS_PER_SITE = 0.015
MAX_INDEL = 3


def read_chains(path: Path) -> list[tuple[str, str]]:
    """Distinct chains of the proteome: (name, sequence)."""
    chains: dict[str, str] = {}
    for record in path.read_text().split(">")[1:]:
        header, *lines = record.splitlines()
        for sequence in "".join(lines).split(":"):
            chains.setdefault(sequence, header.split()[0])
    return [(name, sequence) for sequence, name in chains.items()]


def substitution_probabilities() -> np.ndarray:
    """Probability of each amino acid replacing another, from BLOSUM62's log-odds, [20, 20]."""
    blosum = substitution_matrices.load("BLOSUM62")
    odds = np.array([[2.0 ** (blosum[a][b] / 2) for b in AMINO_ACIDS] for a in AMINO_ACIDS])
    np.fill_diagonal(odds, 0.0)
    return odds / odds.sum(axis=1, keepdims=True)


def random_tree(generator: np.random.Generator) -> list[tuple[int, float]]:
    """(parent, branch length) of each node; node 0 is the root, the last N_SPECIES nodes are the leaves."""
    n_inner = N_SPECIES - 1
    parents = [(0, 0.0)]
    for node in range(1, n_inner + N_SPECIES):
        parent = int(generator.integers(0, min(node, n_inner)))
        parents.append((parent, TREE_HEIGHT * float(generator.gamma(2.0, 0.12))))
    return parents


def evolve(
    sequence: str, length: float, rates: np.ndarray, chances: np.ndarray, generator: np.random.Generator
) -> tuple[str, np.ndarray]:
    """One branch: substitutions at each site's rate, then insertions and deletions."""
    residues = list(sequence)
    for i in np.flatnonzero(generator.random(len(residues)) < 1 - np.exp(-length * rates)):
        residues[i] = AMINO_ACIDS[generator.choice(20, p=chances[AMINO_ACIDS.index(residues[i])])]
    for _ in range(generator.poisson(INDELS_PER_SITE * length * len(residues))):
        at, size = int(generator.integers(1, len(residues) - MAX_INDEL)), int(generator.integers(1, MAX_INDEL + 1))
        if generator.random() < 0.5:
            del residues[at : at + size]
            rates = np.delete(rates, slice(at, at + size))
        else:
            residues[at:at] = [AMINO_ACIDS[i] for i in generator.integers(0, 20, size)]
            rates = np.insert(rates, at, np.ones(size))
    return "".join(residues), rates


def main() -> None:
    """Print the database."""
    generator = np.random.default_rng(SEED)
    chances = substitution_probabilities()
    tree = random_tree(generator)
    for number, (name, sequence) in enumerate(read_chains(Path(__file__).parent / "proteome.fasta"), start=1):
        nodes = [(sequence, generator.gamma(1.0, 1.0, len(sequence)))]
        for parent, length in tree[1:]:
            nodes.append(evolve(nodes[parent][0], length, nodes[parent][1], chances, generator))
        for species, (homolog, _) in enumerate(nodes[-N_SPECIES:], start=1):
            print(f">UniRef100_SIM{number:02d}{species:03d}_{9000 + species} simulated homolog of {name}\n{homolog}")


if __name__ == "__main__":
    main()
