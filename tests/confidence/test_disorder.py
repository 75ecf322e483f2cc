import gemmi
import numpy as np
import pytest

from pfold.chem.assembly import build_assembly
from pfold.confidence.disorder import (
    MAX_SURFACE,
    MIN_RSA,
    WINDOW,
    fraction_disordered,
    relative_accessibility,
    window_mean,
)
from pfold.confidence.ranking import ranking_scores
from pfold.targets.formats.fasta import merge_chains
from pfold.targets.types import Entity, Target

# What DSSP 4.2.2 says of 1AHO: accessible surface (Å²) of its 64 residues.
DSSP_1AHO = """
117 61 79 8 45 0 13 68 151 104 23 22 27 58 154 3 35 170 92 63 72 0 64 113 25 0 57 138 52 164 10 103 28 10 62 5 60 153 84
12 113 85 30 29 0 0 54 0 86 112 0 25 117 160 17 155 32 32 29 135 52 210 33 194
"""


def apart(n_atom: int, distance: float) -> np.ndarray:
    """Atoms on a line, so far from each other (Å)."""
    return np.arange(n_atom)[:, None] * np.array([[distance, 0.0, 0.0]])


def test_residues_in_the_open_are_disordered_and_those_in_a_heap_are_not():
    assembly = build_assembly(Target("t", merge_chains(["MKTAYIAKQR" * 3])))
    n = assembly.n_atom
    assert fraction_disordered(assembly, apart(n, 20.0)) == 1.0
    heap = np.random.default_rng(0).normal(size=(n, 3))
    assert fraction_disordered(assembly, heap) == 0.0


def test_chains_are_taken_alone_copies_like_the_first_and_other_molecules_not_at_all():
    entities = (*merge_chains(["MKTAYIAKQR" * 3, "GSGSGSGSGS" * 3, "MKTAYIAKQR" * 3]), Entity("dna", "GATC", ("D",)))
    assembly = build_assembly(Target("t", entities))
    sizes = [chain.n_atom for chain in assembly.chains]
    assert [chain.id for chain in assembly.chains] == ["A", "C", "B", "D"]
    heap = np.random.default_rng(0).normal(size=(max(sizes), 3))
    open_, shut = apart(max(sizes), 20.0), heap
    # A in a heap, its copy in the open; B in the open, in the same place as A; DNA in the open.
    x = np.concatenate([place[:n] for place, n in zip((shut, open_, open_, open_), sizes, strict=True)])
    assert fraction_disordered(assembly, x) == pytest.approx(30 / 90)


def test_the_ends_of_a_chain_are_mirrored():
    rsa = np.zeros(40)
    rsa[1] = 1.0
    mean = window_mean(rsa)
    half = WINDOW // 2
    # The residue after the first one is seen twice from the first: by itself and in the mirror.
    assert mean[0] == pytest.approx(2 / WINDOW)
    assert mean[half + 1] == pytest.approx(1 / WINDOW)
    assert mean[half + 2] == pytest.approx(0.0)
    assert len(window_mean(np.ones(3))) == 3


@pytest.mark.shared
def test_accessibility_is_that_of_dssp(shared):
    path = shared / "data/structures/1AHO_A.cif.gz"
    structure = gemmi.read_structure(str(path))
    structure.remove_alternative_conformations()
    structure.remove_hydrogens()
    structure.remove_ligands_and_waters()
    sequence = gemmi.one_letter_code([residue.name for residue in structure[0][0]])
    (chain,) = build_assembly(Target("1AHO", merge_chains([sequence]))).chains
    found = {(i, a.name): a.pos.tolist() for i, r in enumerate(structure[0][0]) for a in r}
    names = [(i, str(name)) for i, residue in enumerate(chain.residues) for name in residue.atom_name]
    assert set(found) == set(names)
    surface = np.array([int(x) for x in DSSP_1AHO.split()])
    rsa = relative_accessibility(chain, np.array([found[name] for name in names]))
    assert len(rsa) == len(surface) == 64
    largest = np.array([MAX_SURFACE[residue.code] for residue in chain.residues])
    assert np.abs(rsa - np.minimum(surface / largest, 1.0)).max() < 0.05
    assert (window_mean(rsa) > MIN_RSA).sum() == 0


def test_the_ranking_score_is_alphafold_3s():
    summary = {"ptm": 0.5, "iptm": 0.8, "has_clash": False, "ranking_score": 0.1}
    single = build_assembly(Target("t", merge_chains(["MKTAYIAKQR" * 3])))
    n = single.n_atom
    scores = ranking_scores(summary, single, apart(n, 20.0))
    assert scores == {"fraction_disordered": 1.0, "ranking_score": 1.0, "reference_ranking_score": 0.1}
    pair = build_assembly(Target("t", merge_chains(["MKTAYIAKQR" * 3, "MKTAYIAKQR" * 3])))
    heap = np.random.default_rng(0).normal(size=(2 * n, 3))
    assert ranking_scores(summary, pair, heap)["ranking_score"] == pytest.approx(0.74)
    assert ranking_scores(summary | {"has_clash": True}, pair, heap)["ranking_score"] == pytest.approx(-99.26)
