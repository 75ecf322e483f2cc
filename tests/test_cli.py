import pytest

from pfold.cli import main
from pfold.predict import batch as batches
from tests.runs import StandInModel, write_fasta


def test_fold_runs_every_stage(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "load_model", lambda *_: StandInModel())
    fasta = write_fasta(tmp_path / "p.fasta", a="MKTAYI")
    results = tmp_path / "out"
    assert main(["fold", str(fasta), "--results", str(results), "--weights", "untrained"]) == 0
    assert (results / "predictions/a/a_model.cif").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["plan", "--config", "gone.yaml"], 2, "gone.yaml: the configuration can't be read"),
        (["fold", "gone.fasta"], 2, "gone.fasta does not exist"),
        (["fold", "p.fasta", "--model", "protenix_big"], 2, 'model "protenix_big" is unknown; did you mean'),
        (["fold", "p.fasta", "--weights", "gone.pt"], 4, "gone.pt does not exist"),
        (["fold", "p.fasta"], 4, "pfold weights fetch protenix_base_default_v0.5.0"),
        (["fold", "p.fasta", "--weights", "untrained", "--database", "bad.fasta"], 5, "bad.fasta: can't be read"),
    ],
)
def test_errors_are_one_message_and_an_exit_code(tmp_path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PFOLD_WEIGHTS", str(tmp_path))
    write_fasta(tmp_path / "p.fasta", a="MKTAYI")
    (tmp_path / "bad.fasta").write_text("nonsense\n")
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_weights_list_says_what_the_cache_holds(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PFOLD_WEIGHTS", str(tmp_path))
    (tmp_path / "protenix_tiny_default_v0.5.0.pt").write_bytes(b"")
    assert main(["weights", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"protenix_tiny_default_v0.5.0\t{tmp_path}/protenix_tiny_default_v0.5.0.pt"
    assert lines[2].startswith("protenix_mini_default_v0.5.0\tnot fetched\thttps://")
