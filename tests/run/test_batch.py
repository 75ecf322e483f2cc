import dataclasses

import numpy as np
import pytest

from pfold import stages
from pfold.errors import ChangedError, PfoldError
from pfold.files import read_json
from pfold.report.tables import summarise
from pfold.run import batch as batches
from pfold.run.failures import MAX_ATTEMPTS
from pfold.run.paths import RunPaths
from tests.runs import StandInModel, make_config, write_fasta


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A planned run of three targets in one batch, its configuration, and a function that folds the batch."""
    fasta = write_fasta(tmp_path / "p.fasta", a="M" * 20, b="G" * 25, c="A" * 30)
    config = make_config(tmp_path, fasta)
    stages.run_targets(config)
    stages.run_plan(config)
    for path in (config.results / "plan/features").glob("*.json"):
        stages.run_features(config, path.stem)
    (job,) = (config.results / "plan/predict").glob("*.json")

    def fold(model):
        monkeypatch.setattr(batches, "load_model", lambda *_: model)
        stages.run_predict(config, job.stem)

    return config, fold, RunPaths(config.results), job.stem


def statuses(config):
    table = summarise(config).summary.drop_duplicates("name").set_index("name")
    return table.status.to_dict(), table.reason.to_dict()


def test_all_targets_are_folded_and_the_receipt_written(run):
    config, fold, paths, name = run
    model = StandInModel()
    fold(model)
    assert model.folded == [30, 25, 20]
    assert read_json(paths.receipt("predict", name)) == {"done": ["c", "b", "a"], "failed": []}
    assert statuses(config)[0] == {"a": "done", "b": "done", "c": "done"}


def test_a_failed_target_does_not_stop_the_others_and_is_retried(run):
    config, fold, paths, name = run
    failing = StandInModel({25: MemoryError("64 GB are not to be had")})
    with pytest.raises(stages.RetryableLeftError, match="to try again: b"):
        fold(failing)
    assert failing.folded == [30, 20]
    assert not paths.receipt("predict", name).exists()
    mended = StandInModel()
    fold(mended)
    assert mended.folded == [25]
    assert statuses(config)[0]["b"] == "done"
    assert not list(paths.failures.glob("*"))


def test_the_last_attempt_is_final_and_the_reason_stands_in_the_table(run):
    config, fold, _, _ = run
    for _ in range(MAX_ATTEMPTS - 1):
        with pytest.raises(stages.RetryableLeftError):
            fold(StandInModel({25: RuntimeError("Allocate memory failed")}))
    fold(StandInModel({25: RuntimeError("Allocate memory failed")}))
    status, reason = statuses(config)
    assert status == {"a": "done", "b": "failed", "c": "done"}
    assert reason["b"] == "oom: Allocate memory failed"
    untouched = StandInModel()
    fold(untouched)
    assert untouched.folded == []
    assert stages.run_retry(config) == ["b"]
    assert not (config.results / "receipts/plan.json").exists()


def test_a_prediction_that_is_not_finite_is_refused_for_good(run):
    config, fold, _, _ = run

    class Nan(StandInModel):
        def predict(self, features, **kwargs):
            out = super().predict(features, **kwargs)
            if len(features["token_index"]) == 25:
                out["coordinate"][0, 0] = np.nan
            return out

    fold(Nan())
    status, reason = statuses(config)
    assert status["b"] == "failed"
    assert reason["b"] == "not_finite: seed 101: the predicted coordinates are not finite numbers"


def test_an_unexpected_error_is_logged_with_its_traceback(run, caplog):
    _, fold, _, _ = run
    with caplog.at_level("ERROR", logger="pfold"), pytest.raises(stages.RetryableLeftError):
        fold(StandInModel({25: KeyError("surprise")}))
    assert "b failed (error, attempt 1) and will be tried again" in caplog.text
    assert "KeyError" in caplog.text


def test_copies_get_folders_of_their_own(tmp_path, monkeypatch):
    config = make_config(tmp_path, write_fasta(tmp_path / "p.fasta", one="MKTAYI", two="mktayi"), keep="best")
    model = StandInModel()
    monkeypatch.setattr(batches, "load_model", lambda *_: model)
    stages.run_all(config)
    assert model.folded == [6]
    for name in ("one", "two"):
        folder = config.results / "predictions" / name
        text = (folder / f"{name}_model.cif").read_text()
        assert f"Predicted structure of {name}" in text


def test_a_bad_alignment_fails_its_target_only(tmp_path, monkeypatch):
    (tmp_path / "bad.a3m").write_text(">q\nMKT\n")
    (tmp_path / "jobs.json").write_text(
        '[{"name": "bad", "sequences": [{"proteinChain": {"sequence": "MKTAYI", "unpairedMsaPath": "bad.a3m"}}]},'
        ' {"name": "good", "sequences": [{"proteinChain": {"sequence": "GGGSWW"}}]}]'
    )
    config = make_config(tmp_path, tmp_path / "jobs.json")
    monkeypatch.setattr(batches, "load_model", lambda *_: StandInModel())
    with pytest.raises(PfoldError, match=r"1 of 2 targets were not folded:\n  bad: bad_input: .*3 aligned columns"):
        stages.run_all(config)
    assert statuses(config)[0] == {"bad": "failed", "good": "done"}


def test_what_has_changed_since_the_plan_is_not_folded_under_the_old_identity(run):
    config, fold, _, _ = run
    changed = dataclasses.replace(config, n_step=config.n_step + 1)
    (job,) = RunPaths(config.results).jobs("predict")
    with pytest.raises(ChangedError, match="c has changed since the plan was made"):
        stages.run_predict(changed, job.stem)
    assert not list(RunPaths(config.results).predictions.glob("*/result.json"))
    fold(StandInModel())
    assert set(statuses(config)[0].values()) == {"done"}
