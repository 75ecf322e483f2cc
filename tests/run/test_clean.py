"""`pfold clean` finds what no input needs, and removes no more than that."""

import pytest
import yaml

from pfold import cli, stages
from pfold.config import load_config
from pfold.run import batch as batches
from pfold.run.lock import results_held
from tests.runs import TINY, StandInModel, write_fasta


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A configuration and its finished run of three targets, one of which has left the input since."""
    monkeypatch.setattr(batches, "load_model", lambda *_: StandInModel())
    write_fasta(tmp_path / "p.fasta", a="MKTAYI", b="GGGSW:GGGSW", c="MKTAYIAK")
    keys = TINY | {"targets": [str(tmp_path / "p.fasta")], "results": str(tmp_path / "results")}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(keys | {"search": {"engine": "none"}}))
    stages.run_all(load_config(tmp_path / "my.yaml"))
    write_fasta(tmp_path / "p.fasta", a="MKTAYI", b="GGGSW:GGGSW")
    return tmp_path


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_removed_unless_asked_for(run, capsys):
    before = files(run / "results/predictions") | files(run / "results/store")
    assert cli.main(["clean", str(run / "my.yaml"), "--stores"]) == 0
    said = capsys.readouterr()
    kinds = [line.split("\t")[0] for line in said.out.splitlines()]
    assert kinds == ["result", "features"]
    assert "2 files and folders" in said.err
    assert "--delete removes it" in said.err
    assert files(run / "results/predictions") | files(run / "results/store") == before


def test_what_no_input_needs_is_removed_and_the_rest_is_not_made_again(run, capsys):
    (run / "results/predictions/notes").mkdir()
    (run / "results/predictions/notes/mine.txt").write_text("keep me")
    assert cli.main(["clean", str(run / "my.yaml"), "--stores", "--delete"]) == 0
    assert "2 files and folders" in capsys.readouterr().err
    assert {path.name for path in (run / "results/predictions").iterdir()} == {"a", "b", "notes"}
    assert len(files(run / "results/store/features")) == 2
    made = {path: path.stat().st_mtime_ns for path in (run / "results/predictions").glob("*/result.json")}
    stages.run_all(load_config(run / "my.yaml"))
    assert {path: path.stat().st_mtime_ns for path in (run / "results/predictions").glob("*/result.json")} == made
    assert len(made) == 2
    assert cli.main(["clean", str(run / "my.yaml"), "--stores"]) == 0
    assert "0 files and folders" in capsys.readouterr().err


def test_a_store_is_left_alone_unless_named(run, capsys):
    assert cli.main(["clean", str(run / "my.yaml"), "--delete"]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == ["result"]
    assert len(files(run / "results/store/features")) == 3


def test_runs_that_share_a_store_keep_what_either_needs(run, capsys):
    text = (run / "my.yaml").read_text()
    write_fasta(run / "q.fasta", c="MKTAYIAK")
    other = text.replace(str(run / "p.fasta"), str(run / "q.fasta")).replace(str(run / "results"), str(run / "other"))
    (run / "other.yaml").write_text(other + f"store: {run / 'results/store'}\n")
    assert cli.main(["clean", str(run / "my.yaml"), str(run / "other.yaml"), "--stores"]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == ["result"]


def test_a_run_at_work_is_not_cleaned_under(run, capsys):
    with results_held(run / "results"):
        assert cli.main(["clean", str(run / "my.yaml"), "--delete"]) != 0
    assert (run / "results/predictions/c").is_dir()
