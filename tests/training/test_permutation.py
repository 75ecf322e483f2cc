"""The truth with its equal chains and atoms as a prediction has them."""

import dataclasses

import gemmi
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pfold.training.data.crop import take_tokens
from pfold.training.data.examples import read_example
from pfold.training.labels import Truth, distances
from pfold.training.permutation import match_truth

pytestmark = pytest.mark.shared


def moved(x: np.ndarray) -> np.ndarray:
    """Turned, moved and a little off."""
    generator = np.random.default_rng(5)
    rotation = Rotation.from_quat(generator.standard_normal(4)).as_matrix()
    return x @ rotation.T + [10, -20, 30] + generator.normal(scale=0.3, size=x.shape)


def distance_error(x: np.ndarray, truth: Truth) -> float:
    """Root mean square error of distances (Å)."""
    known = truth.mask > 0
    x, y = x[known], truth.coordinate[known]
    return float(np.sqrt(((distances(x, x) - distances(y, y)) ** 2).mean()))


@pytest.fixture(scope="module")
def trimer(structures, tmp_path_factory):
    """Three copies of a chain of 20 residues, in places that no motion exchanges, and another chain."""
    model = gemmi.Model(1)
    for name, source, shift in (("A", "2JOF_A", 0), ("B", "2JOF_A", 25), ("C", "2JOF_A", 70), ("D", "1D4T_B", 100)):
        of = gemmi.read_structure(str(structures / f"{source}.cif.gz"))
        of.setup_entities()
        chain = gemmi.Chain(name)
        for residue in of[0][0].get_polymer():
            placed = residue.clone()
            placed.subchain = name
            for atom in placed:
                atom.pos = gemmi.Position(atom.pos.x + shift, atom.pos.y + shift**2 / 100, atom.pos.z)
            chain.add_residue(placed)
        model.add_chain(chain)
    structure = gemmi.Structure()
    structure.add_model(model)
    structure.setup_entities()
    structure.assign_label_seq_id()
    path = tmp_path_factory.mktemp("trimer") / "trimer.cif"
    structure.make_mmcif_document().write_file(str(path))
    return read_example(path, use_msa=False)


def chain_atoms(example, number: int) -> np.ndarray:
    return np.flatnonzero(example.symmetry.chain[example.origin] == number)


def test_chains_are_assigned_as_predicted(trimer):
    first, second, third = (chain_atoms(trimer, i) for i in range(3))
    assert [copies.shape[0] for copies in trimer.symmetry.copies] == [3]
    x = trimer.truth.coordinate.copy()
    x[first], x[second], x[third] = (trimer.truth.coordinate[a] for a in (second, third, first))
    prediction = moved(x)
    assert distance_error(prediction, trimer.truth) > 20
    assert distance_error(prediction, match_truth(trimer, prediction)) < 1


def test_a_crop_may_be_of_another_copy(trimer):
    other = np.flatnonzero(trimer.chain == 3)
    crop = take_tokens(trimer, np.concatenate([np.arange(3, 15), other]))
    of_third = take_tokens(trimer, np.concatenate([np.arange(43, 55), other]))
    assert len(chain_atoms(crop, 0)) == len(chain_atoms(of_third, 2)) > 50
    prediction = moved(of_third.truth.coordinate)
    assert distance_error(prediction, crop.truth) > 10
    matched = match_truth(crop, prediction)
    assert np.array_equal(matched.coordinate, of_third.truth.coordinate)
    assert np.array_equal(matched.mask, of_third.truth.mask)


def test_equal_atoms_take_the_order_of_the_prediction(structures):
    example = read_example(structures / "1PPElu_B.cif.gz", use_msa=False)
    assert not example.symmetry.copies
    assert len(example.symmetry.orders) >= 2
    x = example.truth.coordinate.copy()
    for orders in example.symmetry.orders:
        x[orders[0]] = example.truth.coordinate[orders[1]]
    known = example.truth.mask > 0
    assert np.array_equal(match_truth(example, moved(x)).coordinate[known], x[known])
    # And stay as they are where the prediction has them so.
    as_is = match_truth(example, moved(example.truth.coordinate))
    assert np.array_equal(as_is.coordinate, example.truth.coordinate)


def test_a_ligand_takes_the_order_of_the_prediction(shared):
    example = read_example(shared / "data/mmcif/102m.cif.gz", use_msa=False)
    (heme,) = (orders for orders in example.symmetry.orders if orders.shape[1] == 43)
    assert len(heme) > 1
    x = example.truth.coordinate.copy()
    x[heme[0]] = example.truth.coordinate[heme[-1]]
    assert np.array_equal(match_truth(example, moved(x)).coordinate[heme[0]], x[heme[0]])


def test_a_structure_without_equals_is_left_alone(structures):
    example = read_example(structures / "2JOF_A.cif.gz", use_msa=False)
    plain = dataclasses.replace(example, symmetry=dataclasses.replace(example.symmetry, orders=()))
    assert match_truth(plain, moved(plain.truth.coordinate)) is plain.truth
