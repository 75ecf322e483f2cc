"""Labels of the losses, by hand."""

import numpy as np
import pytest

from pfold.training import labels
from pfold.training.labels import Truth


def two_tokens(**features):
    """Two tokens of one atom each, 3 Å apart."""
    ones = np.ones(2, np.int64)
    zeros = np.zeros(2, np.int64)
    f = {
        "distogram_rep_atom_mask": ones,
        "plddt_m_rep_atom_mask": ones,
        "is_ligand": zeros,
        "is_dna": zeros,
        "is_rna": zeros,
    }
    truth = Truth(np.array([[0.0, 0, 0], [3.0, 0, 0]]), np.ones(2), np.zeros((0, 2), int), 2.0)
    return f | features, truth


def test_distogram_bins_have_the_published_edges():
    f, truth = two_tokens()
    bins, weight = labels.distogram_labels(f, truth)
    # 63 edges from 2.3125 Å, 0.3125 Å apart: 3 Å lies behind the third.
    assert bins.tolist() == [[0, 3], [3, 0]]
    assert weight.sum() == pytest.approx(1, abs=1e-6)


def test_the_distogram_does_not_depend_on_the_place():
    """Two fifths of the published port's labels change 200 Å from the origin."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) * 15
    f = {"distogram_rep_atom_mask": np.ones(300, np.int64)}
    bins = [labels.distogram_labels(f, Truth(x + at, np.ones(300), np.zeros((0, 2), int), 2.0))[0] for at in (0, 200)]
    assert np.array_equal(*bins)


def test_only_nucleotides_see_far():
    """The published port's ~(is_nucleotide.int()) is true everywhere, so that all atoms have both radii."""
    x = np.array([[0.0, 0, 0], [20.0, 0, 0], [40.0, 0, 0]])
    truth = Truth(x, np.ones(3), np.zeros((0, 2), int), 2.0)
    f = {"is_dna": np.array([1, 0, 0]), "is_rna": np.zeros(3, np.int64)}
    _, counts = labels.lddt_pairs(f, truth)
    assert counts.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_pde_and_plddt_of_a_perfect_and_of_a_moved_prediction():
    f, truth = two_tokens()
    assert labels.pde_labels(f, truth, truth.coordinate)[0].tolist() == [[0, 0], [0, 0]]
    assert labels.plddt_labels(f, truth, truth.coordinate)[0].tolist() == [49, 49]
    moved = truth.coordinate + [[0, 0, 0], [1.5, 0, 0]]
    assert labels.pde_labels(f, truth, moved)[0].tolist() == [[0, 2], [2, 0]]
    # Within 2 and 4 Å but not within 0.5 and 1: half of the thresholds, in bin 24 of 50.
    assert labels.plddt_labels(f, truth, moved)[0].tolist() == [24, 24]


def test_the_alignment_is_rigid_and_weighted():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20, 3)) * 5
    f = {key: np.zeros(20, np.int64) for key in ("is_dna", "is_rna", "is_ligand")}
    mask = np.ones(20)
    mask[3] = 0
    truth = Truth(x, mask, np.zeros((0, 2), int), 2.0)
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    samples = np.stack([x @ turn.T + 7, -x])
    aligned = labels.aligned_truth(f, truth, samples)[:, mask > 0]
    samples, x = samples[:, mask > 0], x[mask > 0]
    assert np.abs(aligned[0] - samples[0]).max() < 1e-5
    # A mirror image is no rigid motion.
    assert np.sqrt(((aligned[1] - samples[1]) ** 2).sum(-1).mean()) > 1
    assert np.abs(labels.distances(aligned[1], aligned[1]) - labels.distances(x, x)).max() < 1e-4
