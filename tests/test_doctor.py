import pytest
import yaml

from pfold import cli
from pfold.doctor import _device, format_findings, inspect_machine
from pfold.errors import PfoldError
from tests.runs import TINY, make_config, write_fasta


def test_a_machine_with_everything_passes(tmp_path):
    config = make_config(tmp_path, write_fasta(tmp_path / "p.fasta", a="MKT"))
    findings = {finding.subject: finding for finding in inspect_machine(config)}
    assert all(finding.good for finding in findings.values()), format_findings(list(findings.values()))
    assert "no NPU here" in findings["device"].text
    assert "UNTRAINED" in findings["weights"].text
    assert "writable" in findings["results"].text
    assert "targets of up to" in findings["memory"].text


def test_npus_need_cann(tmp_path, monkeypatch):
    for name in ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("davinci0", "davinci1", "davinci_manager", "set_env.sh"):
        (tmp_path / name).touch()
    fasta = write_fasta(tmp_path / "p.fasta", a="MKT")
    with pytest.raises(PfoldError, match=r"2 NPU\(s\), but CANN is not set up: name its set_env.sh as `environment`"):
        list(_device(make_config(tmp_path, fasta), tmp_path))
    script = str(tmp_path / "set_env.sh")
    found = list(_device(make_config(tmp_path, fasta, environment=script), tmp_path))
    assert found == ["2 NPU(s): davinci0, davinci1", f"CANN by {script}"]
    with pytest.raises(PfoldError, match=r"gone\.sh, which every job sources, does not exist here"):
        list(_device(make_config(tmp_path, fasta, environment="gone.sh"), tmp_path))


def test_what_is_missing_is_named_with_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PFOLD_WEIGHTS", str(tmp_path / "nothing"))
    (tmp_path / "file").touch()
    settings = TINY | {
        "targets": [str(tmp_path / "gone.fasta")],
        "results": str(tmp_path / "file" / "results"),
        "weights": "auto",
        "search": {"engine": "jackhmmer", "databases": [str(tmp_path / "gone.db")]},
        "device_bytes": 1e6,
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
    assert cli.main(["doctor", "--config", str(tmp_path / "my.yaml")]) == cli.EXIT_UNFIT
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines() if line.startswith("MISSING")}
    assert set(lines) == {"memory", "targets", "weights", "databases", "results", "store"}
    assert "gone.fasta does not exist" in lines["targets"]
    assert "pfold weights fetch protenix_tiny_default_v0.5.0" in lines["weights"]
    assert "gone.db does not exist" in lines["databases"]
    assert "too little for protenix_tiny_default_v0.5.0" in lines["memory"]
