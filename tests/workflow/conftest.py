"""A finished run, and copies of it to change."""

import shutil

import pytest

from tests.workflow.workspaces import SEQUENCES, Workspace, new_workspace


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished run of three targets, not to be changed."""
    workspace = new_workspace(tmp_path_factory.mktemp("finished"), **SEQUENCES)
    run = workspace.run()
    assert run.code == 0, run.output
    assert run.rules == {"targets": 1, "plan": 1, "search": 1, "features": 1, "predict": 1, "summary": 1, "check": 1}
    assert set(workspace.receipts()) == set(SEQUENCES)
    return workspace


@pytest.fixture
def workspace(finished, tmp_path):
    """A copy of the finished run, times of files kept."""
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    return Workspace(tmp_path / "copy")
