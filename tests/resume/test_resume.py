"""The same command always finishes the run, whatever has ended it in the middle of whichever rule.

Every rule of the real Snakefile with every fault; nothing that was finished is folded twice.
"""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.runs import TINY, write_fasta

SEQUENCES = {"trp_cage": "NLYIQWLKDGGPSSGRPPPS", "insulin_a": "GIVEQCCTSICSLYQLENYCN", "poly": "GGGSSGGGSSGGGSSGGGSS"}
RULES = ("targets", "plan", "search", "features", "predict", "summary")
FAULTS = ("SIGINT", "SIGTERM", "SIGKILL", "kill-job", "disk-full")
TIMEOUT = 300
FOLDED = re.compile(r"INFO (\S+): \d+ tokens, \d+ MSA rows, pLDDT")


def mounted(folder: Path) -> bool:
    """Put a small file system at a folder; False where that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def folder(tmp_path):
    write_fasta(tmp_path / "p.fasta", **SEQUENCES)
    search = {"engine": "jackhmmer", "databases": [str(REPOSITORY / "config/demo/database.fasta")]}
    # One target at a time, so that a fault finds some of a batch done and some not.
    config = TINY | {"targets": "p.fasta", "search": search, "targets_per_pass": 1, "results": "results"}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "results").mkdir()
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path / "results")], check=False, capture_output=True)


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
def test_the_same_command_finishes_the_run(folder, rule, fault):
    results = folder / "results"
    if fault == "disk-full" and not mounted(results):
        pytest.skip("a small file system can't be mounted here")
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
