"""What becomes of a batch when its process is killed, told to stop, doubled, or runs out of disk."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading

import pytest
import yaml

from pfold import files, stages
from pfold.errors import OOM, StoppedError, is_disk_full
from pfold.files import read_json, write_json
from pfold.report.status import format_status, run_progress
from pfold.run import batch as batches
from pfold.run.paths import RunPaths
from tests.conftest import REPOSITORY
from tests.runs import TINY, StandInModel, make_config, write_fasta

SEQUENCES = {"a": "M" * 20, "b": "G" * 25, "c": "A" * 30}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A planned batch of three targets: its configuration, paths, name, and a function that folds it."""
    config = make_config(tmp_path, write_fasta(tmp_path / "p.fasta", **SEQUENCES), targets_per_pass=1)
    paths, name = plan(config)

    def fold(model):
        monkeypatch.setattr(batches, "load_model", lambda *_: model)
        stages.run_predict(config, name)

    return config, paths, name, fold


def plan(config):
    stages.run_targets(config)
    stages.run_plan(config)
    for path in (config.results / "plan/features").glob("*.json"):
        stages.run_features(config, path.stem)
    (job,) = (config.results / "plan/predict").glob("*.json")
    return RunPaths(config.results), job.stem


# A process that is killed whenever it folds the target of 25 residues.
KILLED = """
import os, signal, sys
from pathlib import Path
from pfold import stages
from pfold.config import load_config
from pfold.logs import start_logging
from pfold.run import batch
from tests.runs import StandInModel

class Killed(StandInModel):
    def predict_batch(self, features, **settings):
        if any(len(f["token_index"]) == 25 for f in features):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().predict_batch(features, **settings)

batch.load_model = lambda *_: Killed()
start_logging()
stages.run_predict(load_config(Path(sys.argv[1])), sys.argv[2])
"""


def test_a_target_that_kills_its_process_is_found_and_takes_no_other_with_it(tmp_path):
    write_fasta(tmp_path / "p.fasta", **SEQUENCES)
    settings = TINY | {"targets": [str(tmp_path / "p.fasta")], "results": str(tmp_path / "results")}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
    config = make_config(tmp_path, tmp_path / "p.fasta")
    paths, name = plan(config)

    def attempt():
        command = [sys.executable, "-c", KILLED, str(tmp_path / "my.yaml"), name]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    # All three died together; then each is alone, and those that did not crash again come first.
    assert attempt().returncode == -signal.SIGKILL
    assert read_json(paths.running / f"{name}.json") == {"folders": ["c", "b", "a"]}
    assert attempt().returncode == -signal.SIGKILL
    assert attempt().returncode == -signal.SIGKILL
    last = attempt()
    assert last.returncode == 0, last.stderr
    assert read_json(paths.receipt("predict", name)) == {"done": ["c", "a"], "failed": ["b"]}
    assert "b failed (crashed, attempt 3) and is given up: the job died while folding it" in last.stderr
    assert not list(paths.running.iterdir())


def test_the_note_of_what_is_in_hand_lasts_as_long_as_the_fold(run):
    _, paths, name, fold = run
    seen = []

    class Curious(StandInModel):
        def predict_batch(self, features, **settings):
            seen.append(read_json(paths.running / f"{name}.json")["folders"])
            return super().predict_batch(features, **settings)

    fold(Curious())
    assert seen == [["c"], ["b"], ["a"]]
    assert not list(paths.running.iterdir())


def test_told_to_stop_a_job_finishes_the_target_in_hand_and_the_next_attempt_goes_on(run):
    _, paths, name, fold = run

    class Stopped(StandInModel):
        def predict_batch(self, features, **settings):
            os.kill(os.getpid(), signal.SIGTERM)
            return super().predict_batch(features, **settings)

    with pytest.raises(StoppedError, match=f"batch {name}: stopped"):
        fold(stopped := Stopped())
    assert stopped.folded == [30]
    assert not list(paths.running.iterdir())
    assert not list(paths.failures.glob("*.json"))
    fold(next_attempt := StandInModel())
    assert next_attempt.folded == [25, 20]


def test_a_second_process_waits_and_folds_nothing_again(run):
    _, paths, name, fold = run
    model = StandInModel()
    with open(paths.job("predict", name)) as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = threading.Thread(target=fold, args=(model,))
        second.start()
        second.join(1.0)
        assert second.is_alive()
        assert model.folded == []
    second.join(60)
    assert model.folded == [30, 25, 20]


def test_a_full_disk_stops_the_job_and_leaves_nothing_half_written(run, monkeypatch, tmp_path, caplog):
    config, paths, name, fold = run
    monkeypatch.setattr(batches, "load_model", lambda *_: StandInModel())
    sync = files._sync

    def full(path):
        if "predictions" in path.parts:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        sync(path)

    monkeypatch.setattr(files, "_sync", full)
    with pytest.raises(OSError, match="No space left") as raised:
        stages.run_predict(config, name)
    assert is_disk_full(raised.value)
    assert not list(paths.failures.glob("*.json"))
    assert not list(paths.predictions.iterdir())
    raw = TINY | {"targets": [str(tmp_path / "p.fasta")], "results": str(config.results)}
    with pytest.raises(SystemExit) as ended:
        stages.run_rule(raw, str(tmp_path / "rule.log"), lambda config: stages.run_predict(config, name))
    assert ended.value.code == 1
    assert "the disk is full" in (tmp_path / "rule.log").read_text()
    monkeypatch.undo()
    fold(model := StandInModel())
    assert model.folded == [30, 25, 20]


def test_two_writers_of_one_folder_leave_one_whole(tmp_path):
    def write(text):
        for _ in range(50):
            with files.atomic_folder(tmp_path / "result") as out:
                for name in "xyz":
                    (out / name).write_text(text)

    writers = [threading.Thread(target=write, args=(text,)) for text in ("first", "second")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len({(tmp_path / "result" / name).read_text() for name in "xyz"}) == 1
    assert os.listdir(tmp_path) == ["result"]


def test_targets_that_ran_out_of_memory_are_rescued_with_more(run):
    config, paths, _, fold = run
    (batch,) = (paths.plan / "predict").glob("*.json")
    usual = read_json(batch)["resources"]
    for _ in range(3):
        try:
            fold(StandInModel({25: MemoryError("64 GB are not to be had")}))
        except stages.RetryableLeftError:
            continue
    progress = run_progress(config)
    assert (progress.done, progress.failed, progress.left) == (["a", "c"], {OOM: ["b"]}, [])

    assert stages.run_retry(config, "error") == []
    assert stages.run_retry(config, OOM) == ["b"]
    stages.run_plan(config)
    (rescue,) = (paths.plan / "predict").glob("*.json")
    assert [item["name"] for item in read_json(rescue)["targets"]] == ["b"]
    assert read_json(rescue)["resources"]["mem_mb"] == 2 * usual["mem_mb"]
    progress = run_progress(config)
    assert (progress.done, progress.failed, progress.left) == (["a", "c"], {}, ["b"])
    assert progress.hours_left > 0


def test_status_counts_and_names(run):
    config, paths, name, fold = run
    with pytest.raises(stages.RetryableLeftError):
        fold(StandInModel({25: RuntimeError("a fault"), 20: RuntimeError("a fault")}))
    write_json(paths.running / f"{name}.json", {"folders": ["b"]})
    lines = format_status(run_progress(config)).splitlines()
    assert lines[:5] == ["done      1", "running   1  b", "failed    0", "left      1  a", "rejected  0"]
    assert lines[5].startswith("predicted device time left: ")
