from pathlib import Path

import pytest
import yaml

from pfold.config import config_schema, load_config, parse_config
from pfold.errors import ConfigError

EXAMPLE = Path(__file__).parents[1] / "config/config.yaml"


def test_the_example_is_valid_and_has_every_key():
    config = load_config(EXAMPLE)
    assert config.model.name == "protenix_tiny_default_v0.5.0"
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
        ({}, "'targets' is a required property"),
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
