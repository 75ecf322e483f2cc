from pathlib import Path

import pytest
import yaml

from pfold.config import config_schema, load_config, parse_config
from pfold.config_file import layered_config
from pfold.errors import ConfigError

EXAMPLE = Path(__file__).parents[1] / "config/config.yaml"


def test_the_example_is_valid_and_has_every_key():
    config = load_config(EXAMPLE)
    assert (config.model.name, config.weights) == ("pfold_demo", "auto")
    raw = yaml.safe_load(EXAMPLE.read_text())
    assert set(raw) == set(config_schema()["properties"])
    for part in ("search", "batch"):
        assert set(raw[part]) == set(config_schema()["properties"][part]["properties"])
    templates = config_schema()["properties"]["search"]["properties"]["templates"]["properties"]
    assert set(raw["search"]["templates"]) == set(templates)


def test_defaults_come_from_the_schema_and_the_model():
    config = parse_config({"targets": ["x.fasta"]})
    assert config.model.name == "protenix_base_default_v0.5.0"
    assert (config.n_cycle, config.n_step, config.n_sample) == (10, 200, 5)
    assert config.store == Path("results/store")
    assert config.weights == "auto"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"targets": ["x"], "n_steps": 5}, 'the key "n_steps" is unknown; did you mean "n_step"?'),
        ({"targets": ["x"], "search": {"evalue": 1}}, 'the key "search.evalue" is unknown; did you mean "e_value"?'),
        ({}, "there is nothing to fold: name targets, or pairs.baits"),
        ({"pairs": {"preys": ["x"]}, "targets": ["x"]}, "pairs.preys and pairs.table need pairs.baits"),
        ({"pairs": {"bait": ["x"]}}, 'the key "pairs.bait" is unknown; did you mean "baits"?'),
        ({"targets": ["x"], "n_step": "many"}, "\"n_step\": 'many' is not of type"),
        ({"targets": ["x"], "keep": "some"}, "\"keep\": 'some' is not one of"),
        ({"targets": ["x"], "search": {"max_hits": 0}}, '"search.max_hits": 0 is less than the minimum of 1'),
        ({"targets": ["x"], "model": "protenix_tiny"}, 'did you mean "protenix_tiny_default_v0.5.0"?'),
        (
            {"targets": ["x"], "use_templates": True},
            "use_templates is true, but protenix_base_default_v0.5.0 takes no templates",
        ),
        ({"targets": ["x"], "search": {"templates": {"max_date": "2021-13-01"}}}, "month must be in 1..12"),
        ({"targets": ["x"], "max_tokens": 9000}, "max_tokens is 9000 but the largest of buckets is 5120"),
    ],
)
def test_mistakes_are_named(raw, message):
    with pytest.raises(ConfigError) as error:
        parse_config(raw)
    assert message in str(error.value)


def test_files_that_can_not_be_read_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.yaml: the configuration can't be read"):
        load_config(tmp_path / "gone.yaml")
    (tmp_path / "bad.yaml").write_text("targets: [")
    with pytest.raises(ConfigError, match=r"bad\.yaml: not YAML"):
        load_config(tmp_path / "bad.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("targets: x\nn_step: 5.0", "\"n_step\": 5.0 is not of type 'integer'"),
        ("targets: x\ndevice_bytes: .nan", "\"device_bytes\": nan is not of type 'number'"),
        ("targets: x\ndevice_bytes: .inf", "\"device_bytes\": inf is not of type 'number'"),
        ("targets: x\nsearch: {e_value: 1e-4, e_value: 1}", 'line 2: the key "e_value" stands there twice'),
        ("targets: x\ntargets: y", 'line 2: the key "targets" stands there twice'),
        ("targets: ~nosuchuser/x.fasta", '"targets": ~nosuchuser/x.fasta'),
        ("- targets", "expected keys and values"),
        ("targets: []", "there is nothing to fold"),
    ],
)
def test_a_file_is_read_strictly(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(tmp_path / "c.yaml")
    assert message in str(error.value)


def test_numbers_are_read_as_the_docs_write_them(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "targets: x.fasta\ndevice_bytes: 6.4e10\nmax_failed: 1e-1\nsearch: {e_value: 1e-4}"
    )
    config = load_config(tmp_path / "c.yaml")
    assert (config.device_bytes, config.max_failed, config.search.e_value) == (6.4e10, 0.1, 1e-4)


def test_paths_are_relative_to_the_file_and_a_tilde_is_the_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    (tmp_path / "sub").mkdir()
    templates = "templates: {seqres: s.txt, mmcif: ~/mmcif}"
    (tmp_path / "sub/c.yaml").write_text(
        "targets: x.fasta\nresults: ../out\nstore: ~/store\nweights: w.pt\ncomponents: c.cif\nenvironment: /etc/e.sh\n"
        f"search: {{databases: [db.fasta, ~/d.fasta], rna_databases: [r.fasta], {templates}}}\n"
    )
    config = load_config(tmp_path / "sub/c.yaml")
    assert config.targets == ("sub/x.fasta",)
    assert (config.results, config.store) == (Path("out"), Path("/home/someone/store"))
    assert (config.weights, config.components) == ("sub/w.pt", Path("sub/c.cif"))
    assert config.environment == Path("/etc/e.sh")
    assert config.search.databases == (Path("sub/db.fasta"), Path("/home/someone/d.fasta"))
    assert config.search.rna_databases == (Path("sub/r.fasta"),)
    assert config.templates.seqres == Path("sub/s.txt")
    assert config.templates.mmcif == Path("/home/someone/mmcif")
    assert load_config(tmp_path / "sub/c.yaml").results == Path("out")


def test_later_files_and_the_command_line_replace_keys(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("targets: a.fasta\nn_step: 3\nsearch: {max_hits: 5, engine: none}\n")
    (tmp_path / "b.yaml").write_text("n_step: 4\nsearch: {max_hits: 6}\n")
    keys = layered_config([tmp_path / "a.yaml", tmp_path / "b.yaml"], {"targets": "c.fasta", "keep": "best"})
    assert keys == {
        "targets": "c.fasta",
        "n_step": 4,
        "search": {"max_hits": 6, "engine": "none"},
        "keep": "best",
    }
