"""What needs no reference: predictions do not depend on padding, batch mates, order or number of samples."""

import numpy as np
import pytest

import pfold
from pfold.errors import ConfigError
from pfold.features.featurize import featurize
from pfold.inference.memory import Chunks
from pfold.inference.noise import draw_rows, make_noise
from pfold.inference.sampler import noise_schedule
from pfold.targets.formats.fasta import merge_chains
from pfold.targets.types import Target
from tests.conftest import load_golden

SETTINGS = {"n_cycle": 1, "n_step": 2, "n_sample": 2, "logits": False}


@pytest.fixture(scope="module")
def dimer():
    return featurize(Target("t", merge_chains(["MKTAYIAKQ", "GSWWC"])), seed=5)


@pytest.fixture(scope="module")
def folded(tiny_model, dimer):
    return tiny_model.predict(dimer, noise=9, **SETTINGS)


def test_output_has_the_documented_shapes(folded, dimer):
    n_atom, n_token = len(dimer["ref_pos"]), 14
    assert folded["coordinate"].shape == (2, n_atom, 3)
    assert folded["coordinate"].dtype == np.float32
    assert folded["contact_probs"].shape == (n_token, n_token)
    assert [len(folded[key]) for key in ("summary", "full_data")] == [2, 2]
    assert set(folded["timings"]) == {"trunk", "diffusion", "confidence", "compile"}
    assert np.isfinite(folded["coordinate"]).all()


def test_padding_and_number_of_samples_change_nothing(tiny_model, dimer, folded):
    padded = tiny_model.predict(dimer, noise=9, n_token=32, n_atom=256, **SETTINGS)
    np.testing.assert_allclose(padded["coordinate"], folded["coordinate"], atol=1e-3)
    for summary, expected in zip(padded["summary"], folded["summary"], strict=True):
        assert summary["plddt"] == pytest.approx(expected["plddt"], abs=0.05)
    single = tiny_model.predict(dimer, noise=9, **SETTINGS | {"n_sample": 1})
    np.testing.assert_allclose(single["coordinate"][0], folded["coordinate"][0], atol=1e-3)


def test_what_is_folded_before_changes_nothing(tiny_model, dimer, folded):
    other = featurize(Target("u", merge_chains(["WWCCHHKKMM"])))
    tiny_model.predict(other, noise=1, n_token=32, n_atom=256, **SETTINGS)
    again = tiny_model.predict(dimer, noise=9, **SETTINGS)
    np.testing.assert_allclose(again["coordinate"], folded["coordinate"], atol=1e-3)


def test_targets_of_a_batch_come_out_as_if_alone(tiny_model, dimer, folded):
    others = [featurize(Target("u", merge_chains(chains))) for chains in (["WWCCHHKKMM"], ["MAA", "GG", "PLKKE"])]
    batch = tiny_model.predict_batch([others[0], dimer, others[1]], noise=[1, 9, 2], n_token=16, **SETTINGS)
    alone = [
        tiny_model.predict(others[0], noise=1, **SETTINGS),
        folded,
        tiny_model.predict(others[1], noise=2, **SETTINGS),
    ]
    for found, expected in zip(batch, alone, strict=True):
        np.testing.assert_allclose(found["coordinate"], expected["coordinate"], atol=1e-3)
        np.testing.assert_allclose(found["contact_probs"], expected["contact_probs"], atol=1e-5)
        for summary, one in zip(found["summary"], expected["summary"], strict=True):
            assert summary["plddt"] == pytest.approx(one["plddt"], abs=0.05)
    launches = {out["launches"] for out in batch}
    assert launches == {folded["launches"]}


def test_batches_with_templates_and_constraints_come_out_as_if_alone():
    """Targets with other templates, and with fewer, in one pass; and contacts beside none."""
    for name in ("template", "contact"):
        golden = load_golden(name)
        model = pfold.load_model(golden.model, weights="untrained")
        settings = SETTINGS | {"n_sample": 1}
        second = dict(golden.features)
        for key, value in golden.features.items():
            if key.startswith(("template_", "constraint_")):
                second[key] = np.zeros_like(value)
        batch = model.predict_batch([golden.features, second], noise=[1, 2], **settings)
        for found, features, noise in zip(batch, (golden.features, second), (1, 2), strict=True):
            expected = model.predict(features, noise=noise, **settings)
            scale = np.abs(expected["coordinate"]).max()
            np.testing.assert_allclose(found["coordinate"], expected["coordinate"], atol=2e-5 * scale)
            np.testing.assert_allclose(found["contact_probs"], expected["contact_probs"], atol=1e-4)


def test_bfloat16_stays_near_float32(tiny_model, dimer, folded):
    model = pfold.load_model(tiny_model.settings.name, weights="untrained", dtype="bfloat16")
    found = model.predict(dimer, noise=9, **SETTINGS)
    error = found["coordinate"] - folded["coordinate"]
    assert 0 < np.sqrt((error**2).mean()) < 0.02 * np.sqrt((folded["coordinate"] ** 2).mean())
    error = found["contact_probs"] - folded["contact_probs"]
    assert np.sqrt((error**2).mean()) < 0.015


def test_chunks_change_nothing(tiny_model, dimer):
    """Samples in two parts and rows of logits in blocks, of which the last is cut short and others beyond a target."""
    other = featurize(Target("u", merge_chains(["WWCC"])))
    settings = SETTINGS | {"logits": True, "n_sample": 3}
    arguments = {"features": [dimer, other], "noise": [9, 1], **settings}
    whole = tiny_model.predict_batch(**arguments)
    cut = tiny_model.predict_batch(**arguments, chunks=Chunks(samples=2, rows=4))
    for found, expected in zip(cut, whole, strict=True):
        np.testing.assert_allclose(found["coordinate"], expected["coordinate"], atol=1e-3)
        for name in ("pae", "pde", "plddt", "contact_probs"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-3, err_msg=name)
        for part, one in zip(found["summary"], expected["summary"], strict=True):
            assert part["ptm"] == pytest.approx(one["ptm"], abs=1e-4)
            assert part["gpde"] == pytest.approx(one["gpde"], abs=1e-3)
    steps, blocks = SETTINGS["n_step"], 3
    assert cut[0]["launches"] - whole[0]["launches"] == steps + blocks + 3 * blocks


@pytest.mark.parametrize("n_cycle", [1, 2])
def test_launches_are_one_per_block_and_step_and_few_besides(tiny_model, dimer, n_cycle):
    settings = tiny_model.settings
    out = tiny_model.predict(dimer, noise=9, **SETTINGS | {"n_cycle": n_cycle})
    blocks = n_cycle * (settings.n_msa_block + settings.n_pairformer_block)
    assert 0 < out["launches"] - blocks - SETTINGS["n_step"] < 20
    assert out["compilations"] == 0 or n_cycle == 1


def test_what_is_being_done_is_reported(tiny_model, dimer):
    said: list[str] = []
    tiny_model.predict(dimer, noise=9, report=said.append, **SETTINGS)
    assert said == [
        "cycle 1 of 1",
        "step 1 of 2",
        "step 2 of 2",
        "confidence of sample 1 of 2",
        "confidence of sample 2 of 2",
    ]


def test_another_seed_gives_another_structure(tiny_model, dimer, folded):
    other = tiny_model.predict(dimer, noise=10, **SETTINGS)
    assert np.abs(other["coordinate"] - folded["coordinate"]).max() > 0.1


def test_wrong_arguments_are_named(tiny_model, dimer):
    with pytest.raises(ValueError, match="can't pad 14 tokens"):
        tiny_model.predict(dimer, n_token=8)
    incomplete = dict(make_noise(1, 2, 2, len(dimer["ref_pos"])))
    del incomplete["churn"]
    with pytest.raises(ValueError, match='noise has no "churn"'):
        tiny_model.predict(dimer, noise=incomplete, **SETTINGS)
    with pytest.raises(ConfigError, match='msa_rows is "some"'):
        tiny_model.predict(dimer, msa_rows="some")
    with pytest.raises(ConfigError, match='dtype is "float16"; use one of float32, bfloat16'):
        pfold.load_model("protenix_tiny_default_v0.5.0", weights="untrained", dtype="float16")


def test_noise_belongs_to_the_sample():
    many, few = make_noise(3, n_step=4, n_sample=3, n_atom=10), make_noise(3, n_step=4, n_sample=1, n_atom=10)
    assert np.array_equal(many["x0"][0], few["x0"][0])
    assert np.array_equal(many["churn"][:, 0], few["churn"][:, 0])
    assert not np.array_equal(many["x0"][0], many["x0"][1])
    identity = np.matmul(many["rot"], many["rot"].swapaxes(-1, -2))
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), identity.shape), atol=1e-6)


def test_rows_are_drawn_without_repeats_and_repeatably():
    rows = draw_rows(7, 0, 500, 16384)
    assert len(set(rows.tolist())) == len(rows) <= 500
    assert np.array_equal(rows, draw_rows(7, 0, 500, 16384))
    sizes = {len(draw_rows(7, cycle, 500, 16384)) for cycle in range(20)}
    assert len(sizes) > 10
    assert len(draw_rows(7, 0, 500, 4)) <= 4


def test_noise_schedule_falls_from_the_largest_level_to_zero():
    levels = noise_schedule(5)
    assert levels[0] == pytest.approx(16 * 160, rel=1e-5)
    assert levels[-1] == 0
    assert (np.diff(levels) < 0).all()
