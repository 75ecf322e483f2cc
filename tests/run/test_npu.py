import os
import subprocess
import sys

import pytest

from pfold.errors import PfoldError
from pfold.run.npu import VISIBLE, claim_npu
from tests.conftest import REPOSITORY

CLAIM = """
import sys
from pathlib import Path
from pfold.run.npu import claim_npu
print(claim_npu(Path(sys.argv[1]), Path(sys.argv[2])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node with two NPUs."""
    monkeypatch.delenv(VISIBLE, raising=False)
    for name in ("davinci0", "davinci1", "davinci_manager"):
        (tmp_path / name).touch()
    return tmp_path


def claim_elsewhere(node):
    """A job that claims an NPU and lives on."""
    command = [sys.executable, "-c", CLAIM, str(node), str(node)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    job = subprocess.Popen(command, cwd=REPOSITORY, text=True, **pipes)
    return job, job.stdout.readline().strip()


def test_jobs_of_a_node_get_an_npu_each_and_give_it_back(node, monkeypatch):
    first, of_first = claim_elsewhere(node)
    second, of_second = claim_elsewhere(node)
    assert (of_first, of_second) == ("0", "1")
    with pytest.raises(PfoldError, match="all 2 NPUs of this node are used by other jobs"):
        claim_npu(node, node)
    first.kill()
    first.wait()
    # Set by claim_npu, taken back after the test.
    monkeypatch.setenv(VISIBLE, "")
    monkeypatch.delenv(VISIBLE)
    assert claim_npu(node, node) == 0
    assert os.environ[VISIBLE] == "0"
    second.kill()
    second.wait()


def test_what_the_scheduler_named_is_kept(node, monkeypatch):
    monkeypatch.setenv(VISIBLE, "3")
    assert claim_npu(node, node) is None
    assert os.environ[VISIBLE] == "3"


def test_a_node_without_npus_has_none_to_claim(tmp_path, monkeypatch):
    monkeypatch.delenv(VISIBLE, raising=False)
    assert claim_npu(tmp_path, tmp_path) is None
    assert VISIBLE not in os.environ
