"""Parity with the reference, stage by stage, with seeded weights and its recorded noise."""

import numpy as np
import pytest

import pfold
from pfold.targets.types import Entity, Target
from tests.conftest import SHARED, Golden, load_golden

# max |d| / max |reference| of stages, and rms error / rms of the confidence head's logits.
STAGE_TOLERANCE = 2e-5
# The distogram's logits reach 30, so that rounding of 1e-6 of them moves a probability by 3e-5.
CONTACT_TOLERANCE = {"hetero": 1e-4, "contact": 5e-5, "template": 5e-5}
LOGIT_TOLERANCE = 0.02
LOGITS = ("plddt", "pae", "pde", "resolved")
# With made-up weights the base models place atoms a thousand Å apart, where distances in float32 change bins; the
# reference's own rounding moves summary values by up to 4e-3.
SUMMARY_TOLERANCE = {"contact": 4e-3}

CASES = [
    pytest.param(("monomer", {}), marks=pytest.mark.shared, id="monomer"),
    pytest.param(("monomer", {"n_token": 64, "n_atom": 512}), marks=pytest.mark.shared, id="monomer-padded"),
    pytest.param(("complex", {}), marks=pytest.mark.shared, id="complex"),
    pytest.param(("nucleic_template", {"n_token": 64, "n_atom": 1024}), marks=pytest.mark.shared, id="template-padded"),
    pytest.param(("hetero", {"n_token": 96, "n_atom": 768}), id="hetero-padded"),
    # Contacts, contacts of atoms and a pocket; embeddings of a language model; protenix-v2 with a template.
    pytest.param(("contact", {"n_token": 64, "n_atom": 256}), id="contact-padded"),
    pytest.param(("embedded", {"n_token": 32, "n_atom": 256}), id="embedded-padded"),
    pytest.param(("template", {}), id="v2-template"),
]


@pytest.fixture(scope="module", params=CASES)
def case(request, tiny_model):
    name, padding = request.param
    golden = load_golden(name)
    base = golden.model != tiny_model.settings.name
    model = pfold.load_model(golden.model, weights="untrained") if base else tiny_model
    features = golden.features
    out = model.predict(features, noise=golden.noise, stages=True, **golden.sampling, **padding)
    return name, golden, out


def worst(golden: Golden, out: dict, names: list[str]) -> dict[str, float]:
    """max |d| / max |reference| of each array."""
    errors = {}
    for name in names:
        expected = golden.arrays[name]
        assert out[name].shape == expected.shape, name
        errors[name] = float(np.abs(out[name] - expected).max() / np.abs(expected).max())
    return errors


def test_every_stage_and_the_coordinates(case):
    name, golden, out = case
    names = [key for key in golden.arrays if key.startswith("stage_")]
    assert len(names) == {"monomer": 12, "complex": 0, "nucleic_template": 8}.get(name, 3)
    errors = worst(golden, out, [*names, "coordinate"])
    assert max(errors.values()) <= STAGE_TOLERANCE, errors


def test_contact_probabilities(case):
    name, golden, out = case
    assert worst(golden, out, ["contact_probs"])["contact_probs"] <= CONTACT_TOLERANCE.get(name, STAGE_TOLERANCE)


def recorded_logits(golden: Golden, out: dict) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Logits, and what the reference's were: all, or of goldens in tests/data those of some atoms and rows of pairs."""
    if "kept_rows" not in golden.arrays:
        return {key: (out[key], golden.arrays[key]) for key in LOGITS}
    kept = {"plddt": "atoms", "resolved": "atoms", "pae": "rows", "pde": "rows"}
    at = {key: golden.arrays[f"kept_{kept[key]}"] for key in LOGITS}
    return {key: (out[key][:, at[key]], golden.arrays[f"kept_{key}"]) for key in LOGITS}


def test_confidence_logits(case):
    _, golden, out = case
    compared = recorded_logits(golden, out)
    assert len(compared) == 4
    for key, (found, expected) in compared.items():
        assert found.shape == expected.shape
        assert found.size > 30
        error = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
        assert error <= LOGIT_TOLERANCE, key


def test_summary_values(case):
    name, golden, out = case
    compared = 0
    for i, summary in enumerate(out["summary"]):
        for key, value in summary.items():
            expected = np.asarray(golden.arrays[f"summary_{i}_{key}"], np.float64)
            scale = max(1.0, float(np.abs(expected).max()))
            assert np.abs(np.asarray(value, np.float64) - expected).max() / scale <= SUMMARY_TOLERANCE.get(
                name, 1e-3
            ), key
            compared += 1
    assert compared == 16 * golden.sampling["n_sample"]


@pytest.mark.shared
def test_a_real_protein_with_its_real_alignments_folds(tiny_model):
    """The protein chain of 7r6r: 203 residues, 703 MSA rows. With untrained weights only sanity can be asked."""
    folder = SHARED / "data/7r6r"
    sequence = (SHARED / "data/real_queries.fasta").read_text().split("\n")[1]
    entity = Entity("protein", sequence, ("A",), folder / "non_pairing.a3m", folder / "pairing.a3m")
    features = pfold.featurize(Target("7r6r", (entity,)))
    assert features["msa"].shape == (703, 203)
    out = tiny_model.predict(features, n_cycle=1, n_step=1, n_sample=1, noise=1, logits=False)
    assert np.isfinite(out["coordinate"]).all()
    assert out["coordinate"].shape == (1, len(features["ref_pos"]), 3)
    assert 0 < out["summary"][0]["plddt"] < 100
