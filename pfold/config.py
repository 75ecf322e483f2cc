"""The configuration of a run: one YAML, checked by a schema, defaults filled in."""

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator, ValidationError

from pfold.errors import ConfigError
from pfold.search.settings import SearchSettings
from pfold.weights.published import ModelSettings, model_settings


@dataclass(frozen=True)
class BatchSettings:
    """How targets are cut into jobs; changing it recomputes nothing."""

    max_targets: int
    max_tflop: float
    shard_size: int
    device_gflops: float


@dataclass(frozen=True)
class RunConfig:
    """A checked configuration; the keys of `config.schema.yaml` with the model's defaults filled in."""

    targets: tuple[str, ...]
    results: Path
    store: Path
    model: ModelSettings
    weights: str
    seeds: tuple[int, ...]
    n_cycle: int
    n_step: int
    n_sample: int
    msa_rows: str
    msa_pair_as_unpair: bool
    max_tokens: int
    buckets: tuple[int, ...]
    keep: str
    max_failed: float
    search: SearchSettings
    batch: BatchSettings

    def sampling(self) -> dict[str, Any]:
        """The settings of a prediction that are part of a result's identity."""
        return {
            "n_cycle": self.n_cycle,
            "n_step": self.n_step,
            "n_sample": self.n_sample,
            "msa_rows": self.msa_rows,
        }


@functools.cache
def config_schema() -> dict[str, Any]:
    """The JSON schema of the configuration."""
    return dict(yaml.safe_load(files("pfold").joinpath("config.schema.yaml").read_text()))


def load_config(path: Path) -> RunConfig:
    """Read a configuration file. Raises ConfigError for a file that can't be read or is wrong."""
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: the configuration can't be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    return parse_config(raw or {}, str(path))


def parse_config(raw: Mapping[str, Any], source: str = "the configuration") -> RunConfig:
    """Check a configuration and fill in defaults.

    Raises ConfigError naming the key, and for an unknown key the nearest known one.
    """
    error = next(iter(sorted(Draft202012Validator(config_schema()).iter_errors(dict(raw)), key=_importance)), None)
    if error is not None:
        raise ConfigError(f"{source}: {_explain(error)}")
    value = _with_defaults(dict(raw), config_schema())
    model = model_settings(value["model"])
    search = value["search"]
    if max(value["buckets"]) < value["max_tokens"]:
        raise ConfigError(
            f"{source}: max_tokens is {value['max_tokens']} but the largest of buckets is {max(value['buckets'])}; "
            "add a bucket or lower max_tokens"
        )
    results = Path(value["results"])
    return RunConfig(
        targets=tuple(value["targets"]),
        results=results,
        store=Path(value["store"]) if value["store"] else results / "store",
        model=model,
        weights=value["weights"],
        seeds=tuple(value["seeds"]),
        n_cycle=value["n_cycle"] or model.n_cycle,
        n_step=value["n_step"] or model.n_step,
        n_sample=value["n_sample"] or model.n_sample,
        msa_rows=value["msa_rows"],
        msa_pair_as_unpair=value["msa_pair_as_unpair"],
        max_tokens=value["max_tokens"],
        buckets=tuple(sorted(value["buckets"])),
        keep=value["keep"],
        max_failed=value["max_failed"],
        search=SearchSettings(**search | {"databases": tuple(Path(p).expanduser() for p in search["databases"])}),
        batch=BatchSettings(**value["batch"]),
    )


def _importance(error: ValidationError) -> tuple[bool, list[str]]:
    return error.validator != "additionalProperties", [str(part) for part in error.absolute_path]


def _with_defaults(value: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    filled = dict(value)
    for key, rule in schema["properties"].items():
        if "default" in rule:
            filled.setdefault(key, rule["default"])
        if rule.get("type") == "object":
            filled[key] = _with_defaults(filled[key] or {}, rule)
    return filled


def _explain(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    schema = cast(dict[str, Any], error.schema)
    if error.validator == "additionalProperties":
        known = list(schema["properties"])
        unknown = next(key for key in cast(dict[str, Any], error.instance) if key not in known)
        nearest = difflib.get_close_matches(str(unknown), known, n=1, cutoff=0.0)[0]
        key = f"{where}.{unknown}" if where else unknown
        return f'the key "{key}" is unknown; did you mean "{nearest}"?'
    meaning = schema.get("description", "")
    return f'"{where}": {error.message}' + (f" ({meaning})" if meaning else "") if where else error.message
