"""Cascades: each step folds what the step before lets go on."""

import pandas as pd
import pytest
import yaml

from pfold import cli, stages
from pfold.cascade import forecast, run_cascade, write_step
from pfold.config import load_config
from pfold.errors import ConfigError
from pfold.run import batch as batches
from tests.runs import TINY, StandInModel, write_fasta

LENGTHS = {"short": 5, "middle": 6, "long": 7}


class ByLength(StandInModel):
    """The longer, the better: pLDDT is ten times the number of residues."""

    def predict(self, features, n_sample, noise, **settings):
        out = super().predict(features, n_sample, noise, **settings)
        n_token = len(features["token_index"])
        return out | {"summary": [summary | {"plddt": 10.0 * n_token} for summary in out["summary"]]}


@pytest.fixture
def cascade(tmp_path, monkeypatch):
    """Writes a configuration of two steps, and runs it; returns the model that has folded, and the configuration."""
    fasta = write_fasta(tmp_path / "p.fasta", **{name: "MKTAYIA"[:n] for name, n in LENGTHS.items()})

    def fold(go_on, run=None):
        keys = TINY | {"targets": [fasta.name], "results": "out", "max_failed": 1.0}
        keys["cascade"] = [
            {"name": "quick", "set": {"n_sample": 1}, "go_on": go_on},
            {"name": "full", "set": {"n_sample": 3, "keep": "best"}},
        ]
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(keys))
        config, model = load_config(path), ByLength()
        monkeypatch.setattr(batches, "load_model", lambda *_: model)
        code = run_cascade(config, run or run_in_this_process)
        return code, model, config

    return fold


def run_in_this_process(path):
    stages.run_all(load_config(path))
    return 0


def read_table(config):
    return pd.read_csv(config.results / "cascade.csv", keep_default_na=False).set_index("name")


def test_only_what_passed_is_folded_again_and_the_table_says_why(cascade):
    code, model, config = cascade({"plddt": 60})
    assert code == 0
    assert sorted(model.folded) == [5, 6, 6, 7, 7]
    table = read_table(config)
    assert table.step.to_dict() == {"long": "full", "middle": "full", "short": "quick"}
    assert table.index.tolist()[-1] == "short"
    assert table.stopped_at["short"] == "plddt 50, not 60 or more"
    assert table.stopped_at["long"] == "last step"
    assert all((config.results / place).is_file() for place in table.structure)
    steps = {name: pd.read_csv(config.results / name / "summary.csv") for name in ("quick", "full")}
    assert {name: len(rows) for name, rows in steps.items()} == {"quick": 3, "full": 6}
    assert set(steps["full"].name) == {"middle", "long"}


def test_another_threshold_folds_only_what_is_new(cascade):
    cascade({"plddt": 70})
    code, model, config = cascade({"plddt": 60})
    assert code == 0
    assert model.folded == [6]
    assert read_table(config).step.to_dict() == {"long": "full", "middle": "full", "short": "quick"}
    _, model, config = cascade({"plddt": 70})
    assert model.folded == []
    assert read_table(config).stopped_at["middle"] == "plddt 60, not 70 or more"


def test_between_two_values_and_one_of_several_scores(cascade):
    _, model, config = cascade({"plddt": [55, 65], "iptm": 0.9})
    assert sorted(model.folded) == [5, 6, 6, 7]
    assert read_table(config).stopped_at["long"] == "iptm none, not 0.9 or more; plddt 70, not 55 to 65"


def test_a_cascade_may_end_before_its_last_step(cascade):
    _, model, config = cascade({"plddt": 90})
    assert sorted(model.folded) == [5, 6, 7]
    assert set(read_table(config).step) == {"quick"}
    assert not (config.results / "full").exists()


def test_a_step_that_fails_ends_the_cascade_with_its_code(cascade):
    code, model, config = cascade({"plddt": 60}, run=lambda path: 3)
    assert code == 3
    assert model.folded == []
    assert not (config.results / "cascade.csv").exists()


def test_the_forecast_knows_who_goes_on(cascade):
    _, _, config = cascade({"plddt": 90}, run=lambda path: 3)
    first = list(forecast(config))
    assert first[0].startswith("step quick: 3 targets, ")
    assert first[1].startswith("step full: at most 3 targets, ")
    _, _, config = cascade({"plddt": 60})
    second = list(forecast(config))
    assert second[1].startswith("step full: 2 targets, ")
    minutes = [float(line.split()[-3]) for line in (*first, *second)]
    assert minutes[0] == minutes[2]
    assert minutes[3] <= minutes[1]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"name": "a"}, {"name": "b"}], "step a needs go_on"),
        ([{"name": "a", "go_on": {"plddt": 1}}, {"name": "a"}], "same name"),
        ([{"name": "a", "go_on": {"pldt": 1}}, {"name": "b"}], "pldt"),
        ([{"name": "a", "set": {"targets": ["x"]}}], "targets"),
        ([{"name": "A b"}], "A b"),
    ],
)
def test_a_wrong_cascade_is_named(tmp_path, steps, said):
    fasta = write_fasta(tmp_path / "p.fasta", a="MKTAY")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(TINY | {"targets": [str(fasta)], "cascade": steps}))
    with pytest.raises(ConfigError, match=said):
        load_config(tmp_path / "c.yaml")


def test_a_step_s_own_keys_are_merged_and_their_paths_are_the_file_s(tmp_path, monkeypatch):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    write_fasta(folder / "p.fasta", a="MKTAY")
    keys = TINY | {
        "targets": ["p.fasta"],
        "results": "out",
        "search": {"engine": "none", "templates": {"mmcif": "pdb"}},
    }
    own = {"weights": "my.safetensors", "search": {"templates": {"seqres": "seqres.fasta"}}}
    keys["cascade"] = [{"name": "only", "set": own}]
    (folder / "c.yaml").write_text(yaml.safe_dump(keys))
    monkeypatch.chdir(tmp_path)
    config = load_config(folder / "c.yaml")
    step = load_config(write_step(config, config.cascade[0], None))
    monkeypatch.chdir("/")
    for path, expected in (
        (step.weights, "my.safetensors"),
        (step.templates.seqres, "seqres.fasta"),
        (step.templates.mmcif, "pdb"),
        (step.targets[0], "p.fasta"),
        (step.results, "out/only"),
    ):
        assert (tmp_path / path).resolve() == (folder / expected).resolve()


def test_without_a_cascade_the_command_says_what_to_write(tmp_path, capsys):
    fasta = write_fasta(tmp_path / "p.fasta", a="MKTAY")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(TINY | {"targets": [str(fasta)]}))
    assert cli.main(["cascade", "--config", str(tmp_path / "c.yaml")]) == 2
    assert "has no cascade" in capsys.readouterr().err


def test_names_that_only_lists_are_folded_alone(tmp_path, monkeypatch):
    fasta = write_fasta(tmp_path / "p.fasta", a="MKTAY", b="MKTAYI", c="MKTAYIA")
    (tmp_path / "some.txt").write_text("c\na\n")
    keys = TINY | {"targets": [str(fasta)], "results": str(tmp_path / "out"), "only": str(tmp_path / "some.txt")}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(keys))
    stages.run_targets(load_config(tmp_path / "c.yaml"))
    assert pd.read_csv(tmp_path / "out/targets.csv").name.tolist() == ["a", "c"]
    (tmp_path / "some.txt").unlink()
    with pytest.raises(ConfigError, match=r"some\.txt does not exist"):
        stages.run_targets(load_config(tmp_path / "c.yaml"))
