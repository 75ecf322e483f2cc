"""Parity with the reference, stage by stage, with seeded weights and its recorded noise."""

import numpy as np
import pytest

pytestmark = pytest.mark.shared

# max |d| / max |reference| of stages, and rms error / rms of the confidence head's logits.
STAGE_TOLERANCE = 2e-5
LOGIT_TOLERANCE = 0.02
SUMMARY_TOLERANCE = 1e-3


@pytest.fixture(scope="module", params=[{}, {"n_token": 64, "n_atom": 512}], ids=["exact", "padded"])
def prediction(request, tiny_model, monomer):
    return tiny_model.predict(monomer.features, noise=monomer.noise, stages=True, **monomer.sampling, **request.param)


def stage_names(golden) -> list[str]:
    return [name for name in golden.arrays if name.startswith("stage_")]


def test_stages_coordinates_and_contacts(prediction, monomer):
    names = [*stage_names(monomer), "coordinate", "contact_probs"]
    assert len(names) == 14
    errors = {}
    for name in names:
        expected = monomer.arrays[name]
        assert prediction[name].shape == expected.shape, name
        errors[name] = float(np.abs(prediction[name] - expected).max() / np.abs(expected).max())
    assert max(errors.values()) <= STAGE_TOLERANCE, errors


@pytest.mark.parametrize("name", ["plddt", "pae", "pde", "resolved"])
def test_confidence_logits(prediction, monomer, name):
    expected = monomer.arrays[name]
    error = np.sqrt(np.mean((prediction[name] - expected) ** 2) / np.mean(expected**2))
    assert error <= LOGIT_TOLERANCE


def test_summary_values(prediction, monomer):
    for i, summary in enumerate(prediction["summary"]):
        for name, value in summary.items():
            expected = np.asarray(monomer.arrays[f"summary_{i}_{name}"], np.float64)
            scale = max(1.0, float(np.abs(expected).max()))
            assert np.abs(np.asarray(value, np.float64) - expected).max() / scale <= SUMMARY_TOLERANCE, name
