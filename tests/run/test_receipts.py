"""Receipts say what is true, and are removed where it no longer is."""

import json
import shutil

import pandas as pd
import pytest

from pfold import stages
from pfold.errors import ConfigError
from pfold.run import batch as batches
from pfold.run.paths import RunPaths
from pfold.run.receipts import CHECK, PLAN, STAGES, SUMMARY, TARGETS, settle_receipts
from tests.runs import StandInModel, make_config, write_fasta


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A finished run of two targets: its configuration and paths."""
    monkeypatch.setattr(batches, "load_model", lambda *_: StandInModel())
    fasta = write_fasta(tmp_path / "p.fasta", a="MKTAYI", b="GGGSSGGG")
    config = make_config(tmp_path, fasta, max_failed=1.0)
    stages.run_all(config)
    return config, RunPaths(config.results)


def there(paths: RunPaths) -> list[str]:
    return [stage for stage in STAGES if paths.stage_receipt(stage).is_file()]


def test_all_receipts_of_a_finished_run_are_true(finished):
    config, paths = finished
    assert settle_receipts(config) == {}
    assert there(paths) == list(STAGES)


def test_a_summary_of_an_unfinished_run_is_not_taken_for_the_runs(tmp_path):
    config = make_config(tmp_path, write_fasta(tmp_path / "p.fasta", a="MKTAYI"), max_failed=1.0)
    stages.run_targets(config)
    stages.run_plan(config)
    stages.run_summary(config)
    stages.run_check(config)
    paths = RunPaths(config.results)
    assert pd.read_csv(config.results / "summary.csv").status.tolist() == ["missing"]
    assert SUMMARY not in there(paths)
    settle_receipts(config)
    assert there(paths) == [TARGETS, PLAN]


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("targets.parquet", []),
        ("targets.csv", []),
        ("receipts/targets.json", []),
        ("plan/plan.parquet", [TARGETS]),
        ("receipts/plan.json", [TARGETS]),
        ("summary.csv", [TARGETS, PLAN]),
        ("report/index.html", [TARGETS, PLAN]),
        ("receipts/summary.json", [TARGETS, PLAN]),
        ("receipts/check.json", [TARGETS, PLAN, SUMMARY]),
    ],
)
@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_what_is_gone_or_changed_takes_the_receipts_from_there_on(finished, name, left, harm):
    config, paths = finished
    if harm == "gone":
        (config.results / name).unlink()
    else:
        (config.results / name).write_text("{}")
    settle_receipts(config)
    assert there(paths) == left


def test_settings_and_inputs_take_what_depends_on_them(finished, tmp_path):
    config, paths = finished
    other = make_config(tmp_path, tmp_path / "p.fasta", max_failed=0.5)
    settle_receipts(other)
    assert there(paths) == [TARGETS, PLAN, SUMMARY]
    stages.run_check(config)
    settle_receipts(make_config(tmp_path, tmp_path / "p.fasta", max_failed=1.0, n_step=7))
    assert there(paths) == [TARGETS]
    write_fasta(tmp_path / "p.fasta", a="MKTAYI", b="GGGSSGGA")
    settle_receipts(config)
    assert there(paths) == []


def test_a_batch_without_its_receipt_takes_the_summarys(finished):
    config, paths = finished
    (job,) = paths.jobs("predict")
    paths.receipt("predict", job.stem).write_text("")
    assert settle_receipts(config) == {}
    assert there(paths) == [TARGETS, PLAN]
    assert not paths.receipt("predict", job.stem).exists()


def test_a_lost_result_takes_the_plans_receipt_and_is_named(finished):
    config, paths = finished
    (paths.predictions / "b/b_model.cif").unlink()
    shutil.rmtree(paths.predictions / "a")
    assert settle_receipts(config) == {"a": "gone", "b": "damaged"}
    assert there(paths) == [TARGETS]


def test_targets_that_are_gone_are_an_error(finished, tmp_path):
    config, paths = finished
    (tmp_path / "p.fasta").unlink()
    with pytest.raises(ConfigError, match=r"p\.fasta does not exist"):
        settle_receipts(config)
    assert CHECK in there(paths)


def test_a_given_up_target_is_no_lost_one(finished):
    config, paths = finished
    failure = {"name": "b", "reason": "oom", "message": "x", "retryable": False, "attempts": 3}
    receipt = json.loads((paths.predictions / "b/result.json").read_text())
    paths.failures.mkdir(exist_ok=True)
    (paths.failures / "b.json").write_text(json.dumps(failure | {"result_id": receipt["result_id"]}))
    (paths.predictions / "b/b_model.cif").unlink()
    assert settle_receipts(config) == {}
