"""Identities of features and results: what they are made of, and that no other change of code changes them."""

from dataclasses import replace

import pytest

from pfold.config import parse_config
from pfold.run.identity import entity_alignment, features_id, result_id, run_identity
from tests.runs import TINY
from tests.targets.test_identity import PLAIN, RICH


def identities(target, **changes) -> tuple[str, str]:
    config = parse_config(TINY | {"targets": ["x.fasta"]} | changes)
    run = run_identity(config)
    alignments = [entity_alignment(entity, run, config) for entity in target.entities]
    features = features_id(target, alignments, run)
    return features, result_id(target, features, run, config)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(PLAIN, ("577542505ea89dab", "569aeffa15106aa4"), id="plain"),
        pytest.param(RICH, ("a8c3472cb795e724", "2f2871f5f33fb4a1"), id="rich"),
    ],
)
def test_identities_of_a_run_are_pinned(target, expected):
    assert identities(target) == expected


def test_what_changes_features_and_results():
    features, result = identities(PLAIN)
    assert identities(PLAIN, n_step=2)[0] == features
    assert identities(PLAIN, use_msa=False)[0] != features
    results = {result} | {identities(PLAIN, **one)[1] for one in ({"n_step": 2}, {"seeds": [1]}, {"keep": "best"})}
    assert len(results) == 4
    assert identities(replace(PLAIN, name="other")) == (features, result)
