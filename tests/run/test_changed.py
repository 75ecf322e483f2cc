"""What is replaced between the plan and the job that reads it is not kept under the identity of what was there."""

import json

import pandas as pd
import pytest

from pfold import stages
from pfold.errors import ChangedError
from pfold.run.paths import RunPaths
from tests.runs import make_config, write_fasta


def read_own_alignment(folder, alignment):
    """A run that has read its targets, "a" with an alignment of its own, and "b": configuration and alignment."""
    own = folder / "own.a3m"
    own.write_text(alignment)
    chain = {"sequence": "MKTAYI", "count": 1, "unpairedMsaPath": "own.a3m"}
    jobs = [{"name": "a", "sequences": [{"proteinChain": chain}]}, {"name": "b", "sequences": [{"ion": {"ion": "MG"}}]}]
    (folder / "j.json").write_text(json.dumps(jobs))
    config = make_config(folder, folder / "j.json")
    stages.run_targets(config)
    return config, own


def test_a_database_that_is_replaced_is_not_searched_under_the_old_ones_name(tmp_path):
    database = write_fasta(tmp_path / "db.fasta", hit="MKTAYIAKQRQISF")
    search = {"engine": "jackhmmer", "databases": [str(database)]}
    config = make_config(tmp_path, write_fasta(tmp_path / "p.fasta", a="MKTAYIAKQRQISFVK"), search=search)
    stages.run_targets(config)
    stages.run_plan(config)
    write_fasta(database, hit="MKTAYIAKQRQISW")
    (job,) = RunPaths(config.results).jobs("search")
    with pytest.raises(ChangedError, match="a has changed since the plan was made"):
        stages.run_search(config, job.stem)
    assert not list(config.store.rglob("*.a3m"))


def test_an_alignment_that_is_replaced_fails_its_target_until_the_next_plan(tmp_path):
    config, own = read_own_alignment(tmp_path, ">q\nMKTAYI\n>b\nMKTGYI\n")
    stages.run_plan(config)
    own.write_text(">q\nMKTAYI\n>b\nMKTHYI\n")
    (job,) = RunPaths(config.results).jobs("features")
    stages.run_features(config, job.stem)
    assert len(list(config.store.rglob("*.npz"))) == 1
    (failure,) = RunPaths(config.results).failures.glob("*.json")
    assert "a has changed since the plan was made" in json.loads(failure.read_text())["message"]
    before = pd.read_parquet(RunPaths(config.results).plan_table).set_index("name").features_id["a"]
    stages.run_targets(config)
    stages.run_plan(config)
    table = pd.read_parquet(RunPaths(config.results).plan_table).set_index("name")
    assert table.features_id["a"] != before
    assert table.state["a"] == "fold"
    for job in RunPaths(config.results).jobs("features"):
        stages.run_features(config, job.stem)
    assert len(list(config.store.rglob("*.npz"))) == 2


def test_an_alignment_that_is_gone_is_its_targets_own_failure(tmp_path):
    config, own = read_own_alignment(tmp_path, ">q\nMKTAYI\n")
    own.unlink()
    stages.run_plan(config)
    (job,) = RunPaths(config.results).jobs("features")
    stages.run_features(config, job.stem)
    (failure,) = RunPaths(config.results).failures.glob("*.json")
    assert "own.a3m: the alignment file does not exist" in json.loads(failure.read_text())["message"]
    assert len(list(config.store.rglob("*.npz"))) == 1
