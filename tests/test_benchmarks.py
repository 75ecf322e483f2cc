"""The benchmarks start: what they import of pfold is there."""

import subprocess
import sys

import pytest

from benchmarks.synthetic import random_features
from tests.conftest import REPOSITORY


@pytest.mark.parametrize("name", ["bench", "fold", "operators", "scale"])
def test_a_benchmark_says_how_it_is_used(name):
    command = [sys.executable, str(REPOSITORY / f"benchmarks/{name}.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


def test_features_that_are_made_up_are_whole():
    features = random_features(20, 7)
    assert features["msa"].shape == features["msa_mask"].shape == (7, 20)
    assert features["msa_mask"].all()
