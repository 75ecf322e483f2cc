"""Early stop of recycling."""

import numpy as np
import pandas as pd
import pytest

from pfold import stages
from pfold.features.featurize import featurize
from pfold.targets.formats.fasta import merge_chains
from pfold.targets.types import Target
from tests.runs import make_config, write_fasta

SETTINGS = {"n_step": 1, "n_sample": 1, "logits": False, "noise": 9}


@pytest.fixture(scope="module")
def features():
    return featurize(Target("t", merge_chains(["MKTAYIAKQ", "GSWWC"])), seed=5)


def test_it_ends_early_and_gives_what_fewer_cycles_give(tiny_model, features):
    stopped = tiny_model.predict(features, n_cycle=4, recycle_tolerance=50.0, **SETTINGS)
    assert stopped["summary"][0]["num_recycles"] == 2
    two = tiny_model.predict(features, n_cycle=2, **SETTINGS)
    np.testing.assert_array_equal(stopped["coordinate"], two["coordinate"])
    np.testing.assert_array_equal(stopped["full_data"][0]["token_pair_pae"], two["full_data"][0]["token_pair_pae"])


def test_what_does_not_settle_takes_all_cycles(tiny_model, features):
    every = tiny_model.predict(features, n_cycle=3, recycle_tolerance=1e-12, **SETTINGS)
    without = tiny_model.predict(features, n_cycle=3, **SETTINGS)
    assert every["summary"][0]["num_recycles"] == without["summary"][0]["num_recycles"] == 3
    np.testing.assert_array_equal(every["coordinate"], without["coordinate"])


def test_several_targets_are_refused(tiny_model, features):
    with pytest.raises(ValueError, match="one by one"):
        tiny_model.predict_batch([features] * 2, noise=[1, 2], n_cycle=2, recycle_tolerance=1.0)


def test_a_run_says_how_many_cycles_were_made(tmp_path):
    fasta = write_fasta(tmp_path / "p.fasta", a="MKTAYI", b="GGGSWA")
    config = make_config(tmp_path, fasta, n_cycle=4, n_sample=1, recycle_tolerance=50.0)
    stages.run_all(config)
    table = pd.read_csv(config.results / "summary.csv")
    assert table.n_cycle.tolist() == [2, 2]
    assert config.sampling()["recycle_tolerance"] == 50.0
