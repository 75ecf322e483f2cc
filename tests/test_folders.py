"""Folders and people: what is somebody else's stays, and several people can share what is meant to be shared."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pfold.cli import main
from tests.conftest import REPOSITORY
from tests.runs import write_fasta

SEQUENCE = "MKTAYIAKQRQISFVKSHFSRQ"
TINY = ["--model", "protenix_tiny_default_v0.5.0", "--weights", "untrained"]


pytestmark = pytest.mark.usefixtures("stand_in_here")


def fold(*arguments: str) -> int:
    return main(["fold", *arguments, *TINY])


def test_a_folder_of_the_users_own_is_not_emptied(capsys):
    write_fasta(Path("p.fasta"), a=SEQUENCE)
    Path("plan").mkdir()
    Path("plan/thesis.txt").write_text("three years")
    assert fold("p.fasta", "--results", ".") == 1
    assert "plan is there already and was not made by pfold" in capsys.readouterr().err
    assert Path("plan/thesis.txt").read_text() == "three years"
    Path("plan").rename("mine")
    assert fold("p.fasta", "--results", ".") == 0
    assert fold("p.fasta", "--results", ".") == 0
    assert Path("plan/.pfold").is_file()
    # So is one where a result would go.
    Path("predictions/b").mkdir()
    Path("predictions/b/notes.txt").write_text("mine")
    write_fasta(Path("p.fasta"), a=SEQUENCE, b="GGGSSGGGSS")
    assert fold("p.fasta", "--results", ".") == 1
    assert "would replace predictions/b, which pfold has not made" in capsys.readouterr().err
    assert Path("predictions/b/notes.txt").read_text() == "mine"


def test_the_second_of_two_runs_in_a_folder_says_who_is_there(capsys):
    write_fasta(Path("p.fasta"), a=SEQUENCE)
    program = "from pathlib import Path; from pfold.run.lock import hold_results; hold_results(Path('results')); "
    command = [sys.executable, "-c", program + "print('held', flush=True); input()"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as first:
        assert first.stdout.readline() == "held\n"
        assert fold("p.fasta") == 1
        error = capsys.readouterr().err
        assert "results: another run is at work there (" in error
        assert f"process {first.pid}" in error
        assert not Path("results/predictions").exists()
        # A killed process leaves no lock.
        first.kill()
    assert fold("p.fasta") == 0


def test_results_of_another_input_are_not_replaced_without_a_word(capsys):
    write_fasta(Path("one.fasta"), a=SEQUENCE, b="GGGSSGGGSS")
    write_fasta(Path("two.fasta"), a=SEQUENCE[::-1], c="GGGSSGG")
    assert fold("one.fasta") == 0
    before = Path("results/predictions/a/result.json").read_bytes()
    assert fold("two.fasta") == 1
    error = capsys.readouterr().err
    assert f"a of {Path('two.fasta').absolute()} would replace that of {Path('one.fasta').absolute()}" in error
    assert Path("results/predictions/a/result.json").read_bytes() == before
    assert not Path("results/predictions/c").exists()
    # The same file with another sequence is a new version of it.
    write_fasta(Path("one.fasta"), a=SEQUENCE[::-1], b="GGGSSGGGSS")
    assert fold("one.fasta") == 0
    assert Path("results/predictions/a/result.json").read_bytes() != before


SHARED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {repository!r})
from pfold.config import parse_config
from pfold import stages
from pfold.errors import PfoldError, explained_os_errors

def stages_of(folder, fasta, store):
    search = {{"engine": "jackhmmer", "databases": [{database!r}]}}
    config = parse_config({{"targets": fasta, "results": folder, "store": store, "search": search}} | {tiny!r})
    stages.run_targets(config)
    stages.run_plan(config)
    paths = stages.RunPaths(config.results)
    for job in paths.jobs("search"):
        stages.run_search(config, job.stem, 1)
    for job in paths.jobs("features"):
        stages.run_features(config, job.stem, 1)
    return len(paths.jobs("search"))

os.environ["HOME"] = {home!r}
# Once as root, so that everything is imported: other users can't read where the tests' Python is.
warm = f"warm{{os.getpid()}}"
stages_of(warm, "p.fasta", f"{{warm}}/store")
os.umask(int({umask!r}, 8))
os.setgroups([{group}])
os.setegid({group})
os.seteuid(int(sys.argv[1]))
try:
    with explained_os_errors():
        print("searches", stages_of(sys.argv[2], sys.argv[3], "store"))
except PfoldError as error:
    print("refused:", error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")
def test_two_users_share_a_store(tmp_path):
    group = 4321
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(path.stat().st_mode | 0o055)
    write_fasta(Path("p.fasta"), a="NLYIQWLKDGGPSSGRPPPS", b="GGGSSGGGSSGG")
    write_fasta(Path("q.fasta"), a="NLYIQWLKDGGPSSGRPPPS", c="GIVEQCCTSICSLYQLENYCN")
    for name, owner in (("store", 1111), ("one", 1111), ("two", 2222), ("home", 1111)):
        Path(name).mkdir()
        os.chown(name, owner, group)
        Path(name).chmod(0o2775)
    database = REPOSITORY / "config/demo/database.fasta"
    Path("db.fasta").write_bytes(database.read_bytes())

    def act_as(user: int, results: str, fasta: str, umask: str = "002") -> str:
        tiny = {"model": "protenix_tiny_default_v0.5.0", "weights": "untrained"}
        values = {"repository": str(REPOSITORY), "database": "db.fasta", "tiny": tiny, "home": str(tmp_path / "home")}
        program = SHARED.format(**values, umask=umask, group=group)
        command = [sys.executable, "-c", program, str(user), results, fasta]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"GLOG_v": "3"})
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "searches 1" in act_as(1111, "one", "p.fasta")
    alignments = set(Path("store/alignments").rglob("*.a3m"))
    assert len(alignments) == 2
    assert "searches 1" in act_as(2222, "two", "q.fasta")
    # The second user has searched one sequence more, into folders of the first.
    new = set(Path("store/alignments").rglob("*.a3m")) - alignments
    assert len(new) == 1
    assert {path.stat().st_uid for path in alignments} == {1111}
    assert {path.stat().st_uid for path in new} == {2222}
    for path in Path("store").rglob("*"):
        status = path.stat()
        assert status.st_gid == group
        assert status.st_mode & 0o060 == 0o060, path
        if path.is_dir():
            assert status.st_mode & stat.S_ISGID, path
    # A store that the others may not write is an error that says what to do.
    for path in (Path("store"), *Path("store").rglob("*")):
        path.chmod(path.stat().st_mode & ~0o022)
    write_fasta(Path("q.fasta"), d="MKTAYIAKQRQISFVK")
    assert "refused: " in (output := act_as(2222, "two", "q.fasta"))
    assert "Permission denied" in output
    assert "chmod g+rws" in output


def test_a_results_folder_that_can_not_be_written_is_an_error(capsys):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    write_fasta(Path("p.fasta"), a=SEQUENCE)
    Path("results").mkdir(mode=0o555)
    assert fold("p.fasta") == 1
    assert "results" in capsys.readouterr().err


def test_a_damaged_note_of_who_is_there_is_no_obstacle(capsys):
    write_fasta(Path("p.fasta"), a=SEQUENCE)
    Path("results").mkdir()
    Path("results/.lock").write_text("nonsense")
    assert fold("p.fasta") == 0
    assert json.loads(Path("results/.lock").read_text())["pid"] == os.getpid()
    assert set(pd.read_csv("results/summary.csv").status) == {"done"}
