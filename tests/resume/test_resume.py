"""The same command always finishes the run, whatever has ended it in the middle of whichever rule.

Every rule of the real Snakefile with every fault; nothing that was finished is folded twice. A run begins where the
rule that meets the fault is next: what comes before it is taken from one run that finished.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import REPOSITORY
from tests.workflow.workspaces import SEQUENCES, TIMEOUT, new_workspace

# What each rule leaves in the results folder, in the order in which they run.
RULES = {
    "targets": ("targets.*", "receipts/targets.json"),
    "plan": ("plan", "receipts/plan.json"),
    "search": ("store/alignments", "receipts/search"),
    "features": ("store/features", "receipts/features"),
    "predict": ("predictions", "receipts/predict", "logs/predict"),
    "summary": ("summary.*", "pairs.*", "report", "receipts/summary.json", "receipts/check.json"),
}
FAULTS = ("SIGINT", "SIGTERM", "SIGKILL", "kill-job", "disk-full")
FOLDED = re.compile(r"INFO (\S+): \d+ tokens, \d+ MSA rows, pLDDT")


def mounted(folder: Path) -> bool:
    """Put a small file system at a folder; False where that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0


def new_folder(folder: Path) -> Path:
    """A folder with the configuration and targets of the runs here."""
    # One target at a time, so that a fault finds some of a batch done and some not.
    new_workspace(folder, **SEQUENCES).configure(targets_per_pass=1)
    (folder / "results").mkdir()
    return folder


@pytest.fixture(scope="session")
def finished_folder(tmp_path_factory):
    """A folder whose run finished, not to be changed."""
    folder = new_folder(tmp_path_factory.mktemp("finished") / "run")
    code, output = run(folder)
    assert code == 0, output
    for rule, left in RULES.items():
        assert all(list((folder / "results").glob(pattern)) for pattern in left), rule
    return folder


@pytest.fixture
def folder(tmp_path):
    yield new_folder(tmp_path)
    subprocess.run(["umount", "--lazy", str(tmp_path / "results")], check=False, capture_output=True)


def begin_before(rule: str, folder: Path, finished_folder: Path) -> None:
    """Bring a new folder to where the rule comes next, with what the rules before it have made."""
    later = list(RULES)[list(RULES).index(rule) :]
    if later == list(RULES):
        return
    for name in ("results", ".snakemake"):
        shutil.copytree(finished_folder / name, folder / name, dirs_exist_ok=True)
    for pattern in (p for name in later for p in RULES[name]):
        for path in (folder / "results").glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def heed_interrupts() -> None:
    """As in a terminal, where the run is no background job: a shell lets those ignore SIGINT, and so their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(folder: Path, fault: str = "", profile: bool = True) -> tuple[int, str]:
    """Exit code and output of the one command that a user gives."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "2"]
    command += ["--configfile", "my.yaml"]
    command += ["--profile", str(REPOSITORY / "profiles/local")] if profile else []
    environment = dict(os.environ)
    if fault:
        faults = str(Path(__file__).parent / "faults")
        environment |= {"PFOLD_FAULT": fault, "PYTHONPATH": os.pathsep.join([faults, str(REPOSITORY)])}
    with open(folder / "output", "w") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=heed_interrupts,
        )
        (folder / "snakemake.part").write_text(str(process.pid))
        (folder / "snakemake.part").rename(folder / "snakemake.pid")
        code = process.wait(TIMEOUT)
    return code, (folder / "output").read_text()


def folds(folder: Path) -> Counter:
    """How often each target was folded, by the logs of all attempts."""
    logs = (folder / "results/logs/predict/history").glob("*.log")
    return Counter(name for log in logs for name in FOLDED.findall(log.read_text()))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("rule", RULES)
def test_the_same_command_finishes_the_run(folder, finished_folder, rule, fault):
    results = folder / "results"
    if fault == "disk-full" and not mounted(results):
        pytest.skip("a small file system can't be mounted here")
    begin_before(rule, folder, finished_folder)
    # One fault is met without a profile, by Snakemake's own defaults.
    profile = fault != "SIGKILL"
    code, output = run(folder, f"{rule} {fault} {folder}", profile)
    assert (folder / "done").exists(), output
    # Jobs of search, features and predict are tried again by Snakemake itself.
    assert code != 0 or fault == "kill-job", output
    if fault == "disk-full":
        assert "the disk is full" in output
        (results / "ballast").unlink()
    if rule == "predict" and fault in ("SIGINT", "SIGTERM"):
        assert set(pd.read_csv(results / "summary_partial.csv").status) <= {"done", "missing"}
        assert not (results / "summary.csv").exists()
    if code == 0:
        assert rule in ("search", "features", "predict")

    code, output = run(folder, profile=profile)
    assert code == 0, output
    table = pd.read_csv(results / "summary.csv")
    assert set(table.name[table.status == "done"]) == set(SEQUENCES)
    assert set(table.status) == {"done"}
    assert folds(folder) == dict.fromkeys(SEQUENCES, 1)
    assert not list(results.glob("*_partial*"))
    code, output = run(folder, profile=profile)
    assert code == 0
    assert "Nothing to be done" in output
