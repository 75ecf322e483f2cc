"""One training step against the reference's: every loss, and the gradient of every parameter."""

import numpy as np
import pytest

from pfold import kernels
from pfold.features.schema import Features
from pfold.training.dropout import DropoutMasks, DropoutRates
from pfold.training.forward import TrainingNoise, TrainingPass
from pfold.training.labels import Truth
from pfold.training.losses import LOSS_WEIGHTS
from pfold.training.names import SegmentNames
from pfold.training.parameters import Gradients, Parameters
from pfold.weights.published import model_settings
from tests.training.conftest import training_golden

shared = pytest.mark.shared

LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-3
# The reference measures some distances by products of coordinates 80 Å from the origin (torch.cdist), wrong by up to
# 0.06 Å, where the same golden with exact distances agrees to 1e-6: labels change their bins, and inputs.
INEXACT_LOSSES = {"monomer": {"pde_loss": 3e-4}, "complex": {"plddt_loss": 7e-4}, "template": {}}
# Gradients that are zero but for rounding: softmax does not see a bias that all keys share.
_VANISHING = "attention_pair_bias.layernorm_z.bias", "msa_pair_weighted_averaging.layernorm_z.bias"


@pytest.fixture(
    scope="module", params=[pytest.param("monomer", marks=shared), pytest.param("complex", marks=shared), "template"]
)
def case(request):
    golden = training_golden(request.param)
    return request.param, golden, golden.step()


def test_losses(case):
    name, golden, out = case
    assert set(out["losses"]) == set(LOSS_WEIGHTS)
    for loss, value in out["losses"].items():
        tolerance = INEXACT_LOSSES[name].get(loss, LOSS_TOLERANCE)
        assert value == pytest.approx(float(golden.arrays[f"loss_{loss}"]), rel=tolerance), loss
    assert out["total"] == pytest.approx(float(golden.arrays["total_all"]), rel=1e-5)
    expected = golden.arrays["coordinate"]
    assert np.abs(out["coordinate"] - expected).max() / np.abs(expected).max() < 1e-5


def test_gradients(case):
    _, golden, out = case
    weights, a, n_compared = golden.weights, golden.arrays, 0
    # The confidence losses weigh 1e-4: what reaches a tensor is compared with what reaches the largest beside it.
    beyond = []
    for name, norm, product in zip(map(str, a["names"]), a["grad_norm"], a["grad_dot"], strict=True):
        mine = out["gradients"][name].astype(np.float64)
        if norm == 0:
            assert not mine.any(), name
            continue
        if name.endswith(_VANISHING):
            assert np.linalg.norm(mine) < 1e-6, name
            continue
        scale = norm * np.linalg.norm(weights[name])
        error = max(abs(np.linalg.norm(mine) - norm) / norm, abs((mine * weights[name]).sum() - product) / scale)
        n_compared += 1
        if error > GRADIENT_TOLERANCE:
            beyond.append((name, error))
    assert n_compared > 1000
    # Those of the confidence head on inexact distances, as above.
    assert all(name.startswith("confidence_head.") and error < 0.05 for name, error in beyond), beyond
    assert len(beyond) < 40


@shared
def test_the_place_of_the_truth_changes_nothing(monomer):
    """The published port rounds coordinates before it subtracts them, and its labels change with the place."""
    a = monomer.arguments()
    far = np.asarray(a["labels"]["coordinate"], np.float64) + 200.0
    here, there = monomer.step(), monomer.step(labels=a["labels"] | {"coordinate": far})
    for name, value in here["losses"].items():
        assert there["losses"][name] == pytest.approx(value, rel=1e-5), name


@shared
def test_every_weight_counts(monomer):
    """The published port has no weights for PAE and bonds, whatever its configuration says."""
    heavy = {"pae_loss": 1.0, "bond_loss": 8.0}
    out, other = monomer.step(), monomer.step(loss_weights=monomer.loss_weights | heavy)
    expected = sum(
        (heavy.get(name, monomer.loss_weights[name]) - monomer.loss_weights[name]) * out["losses"][name]
        for name in out["losses"]
    )
    assert other["total"] - out["total"] == pytest.approx(expected, rel=1e-5)
    for name in ("confidence_head.linear_no_bias_pae.weight", "diffusion_module.layernorm_a.weight"):
        assert np.abs(other["gradients"][name] - out["gradients"][name]).max() > 0


@shared
def test_no_confidence_is_learned_from_a_poor_resolution(monomer):
    out = monomer.step(labels=monomer.arguments()["labels"] | {"resolution": 9.0})
    for name, gradient in out["gradients"].items():
        if name.startswith("confidence_head."):
            assert not gradient.any(), name


@shared
def test_an_unknown_loss_is_refused(monomer):
    with pytest.raises(ValueError, match="unknown losses: plddt; there are smooth_lddt_loss"):
        monomer.step(loss_weights={"plddt": 1.0})


@shared
def test_a_diffusion_batch_in_parts_gives_the_same(monomer):
    a, settings = monomer.arguments(), model_settings(monomer.model)
    parameters, f, truth = Parameters(settings, a["weights"]), Features(a["features"]), Truth.of(a["labels"])
    names, noise = SegmentNames(settings), TrainingNoise(**a["noise"])
    assert len(noise.sigma) == 4
    found = []
    for at_once in (None, 2):
        gradients = Gradients(parameters.layout)
        with kernels.differentiable():
            step = TrainingPass(settings, parameters, names, f, truth)
            s_inputs, s, z = step.trunk(1, [np.arange(8)])
            x = step.diffusion(s_inputs, s, z, noise, monomer.loss_weights, at_once)
            step.backward(gradients)
        found.append((x, step.losses, gradients.flat))
    (x, together, whole), (y, apart, sums) = found
    np.testing.assert_allclose(x, y, atol=1e-4)
    assert apart == pytest.approx(together, rel=1e-5)
    assert np.linalg.norm(whole - sums) < 1e-5 * np.linalg.norm(whole)


@shared
def test_what_is_computed_anew_changes_nothing(monomer):
    """Updates whose inputs are kept have the gradients of blocks whose inputs are, with dropout too."""
    a, settings = monomer.arguments(), model_settings(monomer.model)
    parameters, f, truth = Parameters(settings, a["weights"]), Features(a["features"]), Truth.of(a["labels"])
    names, noise = SegmentNames(settings), TrainingNoise(**a["noise"]).part(slice(0, 2))
    found = []
    for recompute in ("block", "update"):
        gradients = Gradients(parameters.layout)
        with kernels.differentiable():
            step = TrainingPass(settings, parameters, names, f, truth, recompute=recompute)
            dropout = DropoutMasks(DropoutRates(0.25, 0.15), 3, step.n_token)
            s_inputs, s, z = step.trunk(1, [np.arange(8)], dropout)
            step.distogram(z, monomer.loss_weights)
            step.diffusion(s_inputs, s, z, noise, monomer.loss_weights)
            step.confidence(s_inputs, s, z, a["coordinate_mini"][0], monomer.loss_weights)
            step.backward(gradients)
        found.append((step.losses, gradients.named()))
    (losses, of_blocks), (same_losses, of_updates) = found
    assert same_losses == pytest.approx(losses, rel=1e-5)
    n_compared = 0
    for name, gradient in of_blocks.items():
        if name.endswith(_VANISHING):
            continue
        assert np.abs(of_updates[name] - gradient).max() <= 1e-4 * np.abs(gradient).max(), name
        n_compared += bool(gradient.any())
    assert n_compared > 1000


def test_dropout_leaves_out_whole_rows_of_an_update_and_keeps_its_mean():
    masks = DropoutMasks(DropoutRates(pair=0.25, msa=0.15), seed=3, n_token=50)
    first, second = masks.of_block(64, 32), masks.of_block(64)
    assert {name: mask.shape for name, mask in first.items()} == {
        "outgoing": (1, 50, 64),
        "incoming": (1, 50, 64),
        "starting": (1, 50, 64),
        "ending": (50, 1, 64),
        "msa": (1, 50, 32),
    }
    assert not np.array_equal(first["outgoing"], second["outgoing"])
    values = np.unique(np.concatenate([mask.ravel() for name, mask in first.items() if name != "msa"]))
    np.testing.assert_allclose(values, [0, 1 / 0.75])
    assert first["outgoing"].mean() == pytest.approx(1, abs=0.03)
    again = DropoutMasks(DropoutRates(pair=0.25, msa=0.15), seed=3, n_token=50).of_block(64, 32)
    assert all(np.array_equal(mask, again[name]) for name, mask in first.items())


@shared
def test_a_step_with_dropout_is_another_and_the_same_for_the_same_masks(monomer):
    a, settings = monomer.arguments(), model_settings(monomer.model)
    parameters, f, truth = Parameters(settings, a["weights"]), Features(a["features"]), Truth.of(a["labels"])
    names, found = SegmentNames(settings), []
    for pair in (None, 0.0, 0.25, 0.25):
        gradients = Gradients(parameters.layout)
        with kernels.differentiable():
            step = TrainingPass(settings, parameters, names, f, truth)
            masks = None if pair is None else DropoutMasks(DropoutRates(pair, pair), 5, step.n_token)
            _, _, z = step.trunk(1, [np.arange(8)], masks)
            step.distogram(z, monomer.loss_weights)
            step.backward(gradients)
        found.append((step.losses["distogram_loss"], gradients.flat))
    (without, g0), (nothing, g1), (some, g2), (again, g3) = found
    assert nothing == pytest.approx(without, rel=1e-5)
    assert np.linalg.norm(g1 - g0) < 1e-4 * np.linalg.norm(g0)
    assert some == again
    assert np.array_equal(g2, g3)
    assert abs(some - without) > 1e-4 * without
