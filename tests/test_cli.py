import pytest

from pfold.cli import main
from pfold.run import batch as batches
from pfold.targets.read import read_targets
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
        (
            ["fold", "p.fasta", "--weights", "untrained", "--database", "bad.fasta"],
            2,
            'bad.fasta is no FASTA: it begins with "nonsense"',
        ),
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


def test_weights_verify_and_unknown_names(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PFOLD_WEIGHTS", str(tmp_path))
    assert main(["weights", "verify", "protenix-v2"]) == 4
    assert "protenix-v2 is not in the cache" in capsys.readouterr().err
    assert main(["weights", "fetch", "protenix_v3"]) == 2
    assert 'did you mean "protenix-v2"' in capsys.readouterr().err


def test_convert_writes_protenix_json(tmp_path, capsys):
    fasta = write_fasta(tmp_path / "p.fasta", a="MKTAYI:MKTAYI", b="GGG")
    assert main(["convert", str(fasta), str(tmp_path / "out.json")]) == 0
    assert [t.name for t in read_targets(tmp_path / "out.json")] == ["a", "b"]
    (tmp_path / "bad.json").write_text('[{"name": "x", "sequences": [{"peptide": {}}]}]')
    assert main(["convert", str(tmp_path / "bad.json"), str(tmp_path / "out.json")]) == 3
    assert '"peptide" is no kind of molecule' in capsys.readouterr().err


def test_a_stopped_command_says_that_it_goes_on(tmp_path, monkeypatch, capsys):
    fasta = write_fasta(tmp_path / "p.fasta", a="MKTAYI")
    arguments = ["fold", str(fasta), "--results", str(tmp_path / "out"), "--weights", "untrained"]

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(batches, "load_model", interrupted)
    assert main(arguments) == 130
    assert "stopped; what is finished is kept" in capsys.readouterr().err
    monkeypatch.setattr(batches, "load_model", lambda *_: StandInModel())
    assert main(arguments) == 0
