"""`snakemake --profile ascend-cluster` on a real SLURM with two NPU slots: undisturbed, and with all going wrong.

SLURM is started here; where it is not installed the tests are skipped (`make test-cluster` installs it).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml

from pfold.features.schema import FEATURES
from pfold.features.store import FeatureStore
from tests.cluster.slurm import Slurm, missing_programs
from tests.conftest import REPOSITORY

MISSING = missing_programs()
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"SLURM is not installed ({', '.join(MISSING)}); `make test-cluster` installs it"
)

TIMEOUT = 1500
# The demo's proteome, folded with less; four batches of three, one target at a time.
SETTINGS = {
    "targets": ["config/demo/proteome.fasta"],
    "model": "protenix_tiny_default_v0.5.0",
    "weights": "untrained",
    "n_cycle": 1,
    "n_step": 2,
    "n_sample": 1,
    "buckets": [256],
    "max_tokens": 256,
    "targets_per_pass": 1,
    "search": {"engine": "jackhmmer", "databases": ["config/demo/database.fasta"]},
    "batch": {"max_targets": 3},
    "store": "store",
}
N_BATCH = 4
# A line of the log that says that a target is folded.
FOLDED = re.compile(r"INFO (\S+): \d+ tokens, \d+ MSA rows, pLDDT")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


class Workspace:
    """What the repository looks like to its user, in a folder of its own."""

    def __init__(self, folder: Path, slurm: Slurm) -> None:
        self.folder, self.slurm = folder, slurm
        self.results = folder / "results"
        folder.mkdir(parents=True)
        for name in ("Snakefile", "workflow", "config"):
            (folder / name).symlink_to(REPOSITORY / name)
        # As `make setup` links it.
        (folder / "ascend-cluster").symlink_to(REPOSITORY / "profiles/ascend-cluster")
        (folder / "my.yaml").write_text(yaml.safe_dump(SETTINGS))

    def start(self) -> subprocess.Popen:
        """The user's command, but quicker to ask SLURM for news."""
        bin_folder = Path(sys.executable).parent
        environment = self.slurm.environment | {"PATH": f"{bin_folder}:{self.slurm.environment['PATH']}"}
        command = ["snakemake", "--profile", "ascend-cluster", "--configfile", "my.yaml"]
        command += ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10"]
        with open(self.folder / "snakemake.log", "w") as log:
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)

    def log(self) -> str:
        """What Snakemake has said."""
        return (self.folder / "snakemake.log").read_text()

    def batch_logs(self) -> str:
        """What all predict jobs have said, failed attempts included."""
        return "\n".join(path.read_text() for path in sorted(self.results.glob("logs/predict/history/*.log")))

    def batches(self) -> dict[str, list[str]]:
        """Result folders of each batch of the plan."""
        jobs = {path.stem: json.loads(path.read_text()) for path in self.results.glob("plan/predict/*.json")}
        return {name: [item["folder"] for item in job["targets"]] for name, job in jobs.items()}

    def done(self) -> set[str]:
        """Folders of finished results."""
        return {path.parent.name for path in self.results.glob("predictions/[!.]*/result.json")}

    def content(self) -> dict[str, object]:
        """All files of all results, times left out."""
        found: dict[str, object] = {}
        for path in sorted(self.results.glob("predictions/**/*")):
            if path.name == "result.json":
                receipt = json.loads(path.read_text())
                receipt.pop("seconds")
                found[str(path.relative_to(self.results))] = receipt
            elif path.is_file():
                found[str(path.relative_to(self.results))] = path.read_bytes()
        return found

    def summary(self) -> pd.DataFrame:
        return pd.read_csv(self.results / "summary.csv").drop(columns="seconds")


def finish(workspace: Workspace, process: subprocess.Popen, step: Callable[[], None] = lambda: None) -> None:
    """Wait for Snakemake's end, calling `step` now and then, and assert that all went well in the end."""
    deadline = time.monotonic() + TIMEOUT
    try:
        while process.poll() is None:
            assert time.monotonic() < deadline, workspace.log() + workspace.slurm.logs()
            step()
            time.sleep(0.2)
    finally:
        if process.poll() is None:
            process.terminate()
    assert process.returncode == 0, workspace.log() + workspace.batch_logs()


@pytest.fixture(scope="module")
def undisturbed(slurm, tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("undisturbed") / "w", slurm)
    finish(workspace, workspace.start())
    return workspace


def test_the_demo_runs_on_the_cluster(undisturbed):
    table = undisturbed.summary()
    assert table.status.tolist() == ["done"] * 12
    assert len(undisturbed.batches()) == N_BATCH
    assert Counter(FOLDED.findall(undisturbed.batch_logs())) == Counter(table.name)
    submitted = re.findall(r"Job \d+ has been submitted with SLURM jobid", undisturbed.log())
    assert len(submitted) == N_BATCH + len(list(undisturbed.results.glob("plan/[sf]*/*.json")))


class Faults:
    """A target whose features lack an atom until it fails, faults for three batches, and one for the controller."""

    def __init__(self, workspace: Workspace, damaged: Path, failure: Path) -> None:
        self.workspace, self.damaged, self.failure = workspace, damaged, failure
        self.whole = damaged.read_bytes()
        # What can't be read would be made again: these can be read and folded, but have an atom less than the target.
        with np.load(damaged) as stored:
            features = dict(stored)
        atomwise = [feature.name for feature in FEATURES if feature.shape[:1] == ("A",)]
        np.savez(damaged, **features | {name: features[name][:-1] for name in atomwise})
        self.struck: dict[str, str] = {}
        self.first_written: dict[str, int] = {}

    def step(self) -> None:
        """Strike where the time has come."""
        self._note_results()
        if "raised" not in self.struck and self.failure.is_file():
            self.damaged.write_bytes(self.whole)
            self.struck["raised"] = ""
        for batch, folders in self.workspace.batches().items():
            begun = self.workspace.done() & set(folders)
            # One result and two to go: it is folding still when the process is found.
            if batch in self.struck.values() or len(begun) != 1:
                continue
            self._strike_batch(batch)

    def _strike_batch(self, batch: str) -> None:
        """The next fault that strikes a batch which has one result and is folding the next."""
        process = predict_process(self.workspace, batch)
        if process is None:
            return
        job = slurm_job(process)
        if "killed" not in self.struck:
            process.kill()
            self.struck["killed"] = batch
        elif "cancelled" not in self.struck:
            # Halted, so that it can't end before SLURM, which lets it go on, tells it to stop.
            process.suspend()
            self.workspace.slurm.client("scancel", job)
            self.struck["cancelled"] = batch
        elif "timed out" not in self.struck:
            # A hanging process, which the time limit ends.
            process.suspend()
            self.workspace.slurm.client("scontrol", "update", f"JobId={job}", "TimeLimit=1")
            self.struck["timed out"] = batch
        if "controller" not in self.struck:
            self.workspace.slurm.stop_controller()
            time.sleep(5)
            self.workspace.slurm.start_controller()
            self.struck["controller"] = ""

    def _note_results(self) -> None:
        """No finished result is ever written again."""
        for path in self.workspace.results.glob("predictions/[!.]*/result.json"):
            written = path.stat().st_mtime_ns
            assert self.first_written.setdefault(path.parent.name, written) == written


def predict_process(workspace: Workspace, batch: str) -> psutil.Process | None:
    """The process that folds a batch."""
    for process in psutil.process_iter():
        try:
            command, folder = process.cmdline(), process.cwd()
            opened = [file.path for file in process.open_files()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        log = f"logs/predict/{batch}.log"
        if folder == str(workspace.folder) and "python" in command[0] and any(path.endswith(log) for path in opened):
            return process
    return None


def slurm_job(process: psutil.Process) -> str:
    """The SLURM job that a process is part of."""
    return process.environ()["SLURM_JOB_ID"]


def test_nothing_is_lost_and_nothing_folded_twice_whatever_happens(undisturbed, slurm, tmp_path):
    workspace = Workspace(tmp_path / "w", slurm)
    shutil.copytree(undisturbed.folder / "store", workspace.folder / "store")
    plan = pd.read_parquet(undisturbed.results / "plan/plan.parquet")
    damaged = FeatureStore(workspace.folder / "store/features").path(plan.features_id[0])
    faults = Faults(workspace, damaged, workspace.results / f"failures/{plan.folder[0]}.json")
    finish(workspace, workspace.start(), faults.step)

    assert set(faults.struck) == {"raised", "killed", "cancelled", "timed out", "controller"}, workspace.log()
    assert workspace.content() == undisturbed.content()
    pd.testing.assert_frame_equal(workspace.summary(), undisturbed.summary())
    logs = workspace.batch_logs()
    assert Counter(FOLDED.findall(logs)) == Counter(undisturbed.summary().name)
    # What was retried is in the logs: the target that raised, the one that a killed process was folding, the stops.
    assert re.search(rf"{plan.name[0]} failed \(error, attempt 1\) and will be tried again", logs)
    assert re.search(r"failed \(crashed, attempt 1\) and will be tried again: the job died while folding it", logs)
    assert logs.count("told to stop (SIGTERM)") >= 2
    assert "Trying to restart job" in workspace.log()
    assert not list(workspace.results.glob("failures/*.json"))
    assert not list(workspace.results.glob("running/*.json"))
    assert not list(workspace.results.glob("predictions/.*"))
    assert os.listdir(workspace.results / "receipts/predict")
    # What SLURM said of the jobs that failed.
    assert list(workspace.results.glob("logs/slurm/**/*.log"))
