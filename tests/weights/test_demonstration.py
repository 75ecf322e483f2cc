"""The demonstration weights that come with pfold: they are there, whole, and recall a protein they were trained on."""

import numpy as np
import pytest

import pfold
from pfold.features.featurize import featurize
from pfold.targets.formats.fasta import merge_chains
from pfold.targets.read import read_records
from pfold.targets.types import Target
from pfold.weights.checkpoint import model_checkpoint
from pfold.weights.fetch import fetch_weights
from pfold.weights.load import DEMO_FILE, load_weights, resolve_weights
from pfold.weights.published import AUTO, model_settings
from tests.conftest import DEMO
from tests.runs import make_config

SETTINGS = model_settings("pfold_demo")


def test_they_come_with_pfold():
    assert resolve_weights(SETTINGS, AUTO) == DEMO_FILE
    assert 10_000_000 < DEMO_FILE.stat().st_size < 12_000_000
    weights = load_weights(SETTINGS, AUTO)
    assert all(np.isfinite(array).all() for name, array in weights.items() if not name.endswith("_bins"))


def test_there_is_nothing_to_fetch():
    assert fetch_weights(model_checkpoint(SETTINGS)) == DEMO_FILE


def test_runs_with_them_say_what_they_are(tmp_path):
    config = make_config(tmp_path, tmp_path, model="pfold_demo", weights="auto")
    assert config.weights_kind == "demonstration"
    assert config.remark.startswith("DEMONSTRATION WEIGHTS")
    assert make_config(tmp_path, tmp_path, model="pfold_demo", weights="untrained").weights_kind == "untrained"


def test_they_fold_a_chain():
    """Trp-cage, of the training chains: consecutive Cα are a peptide bond apart, and the chain is compact."""
    features = featurize(Target("trp_cage", merge_chains(["DAYAQWLKDGGPSSGRPPPS"])))
    out = pfold.load_model("pfold_demo").predict(features, noise=101, n_sample=1)
    ca = out["coordinate"][0][np.asarray(features["plddt_m_rep_atom_mask"], bool)]
    steps = np.linalg.norm(np.diff(ca, axis=0), axis=-1)
    assert np.median(steps) == pytest.approx(3.8, abs=0.3)
    assert np.linalg.norm(ca - ca.mean(0), axis=-1).max() < 16


def test_they_know_what_they_recall():
    """Villin's headpiece, of the training chains, has a high pLDDT; a GA module, which is none of them, a low one."""
    sequences = {target.name: target.entities[0].sequence for target in read_records(DEMO / "recalled.fasta")}
    model, plddt = pfold.load_model("pfold_demo"), {}
    for name in ("villin_headpiece", "ga_module"):
        features = featurize(Target(name, merge_chains([sequences[name]])))
        plddt[name] = model.predict(features, noise=101, n_sample=1)["summary"][0]["plddt"]
    assert plddt["villin_headpiece"] > 75
    assert plddt["ga_module"] < 55
