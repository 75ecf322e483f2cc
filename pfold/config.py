"""The configuration of a run: one YAML, checked by a schema, defaults filled in."""

import datetime
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from pfold.config_file import read_config
from pfold.config_schema import checked
from pfold.errors import ConfigError
from pfold.msa.settings import SearchSettings
from pfold.targets.pair_settings import PairSettings
from pfold.templates.settings import TemplateSettings
from pfold.weights.published import AUTO, DEMO, UNTRAINED, ModelSettings, model_settings
from pfold.weights.remarks import DEMONSTRATION, PUBLISHED, weights_remark


@dataclass(frozen=True)
class BatchSettings:
    """How targets are cut into jobs; changing it recomputes nothing."""

    max_targets: int
    max_tflop: float
    shard_size: int
    device_gflops: float


@dataclass(frozen=True)
class StopAt:
    """No further seeds of a target are folded once a sample's score ("plddt", "ptm" or "iptm") has this value."""

    score: str
    value: float


@dataclass(frozen=True)
class CascadeStep:
    """A step of a cascade: its name, keys that are other in it, and score -> (minimum, maximum) of what goes on."""

    name: str
    keys: Mapping[str, Any]
    go_on: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class RunConfig:
    """A checked configuration; the keys of `config.schema.yaml` with the model's defaults filled in."""

    targets: tuple[str, ...]
    pairs: PairSettings
    only: Path | None
    cascade: tuple[CascadeStep, ...]
    results: Path
    store: Path
    model: ModelSettings
    weights: str
    esm_weights: str
    components: Path | None
    environment: Path | None
    dtype: str
    seeds: tuple[int, ...]
    n_cycle: int
    recycle_tolerance: float | None
    n_step: int
    n_sample: int
    msa_rows: str
    msa_pair_as_unpair: bool
    use_msa: bool
    use_rna_msa: bool
    use_templates: bool
    max_tokens: int
    buckets: tuple[int, ...]
    device_bytes: float | None
    targets_per_pass: int | None
    keep: str
    confidences: str
    stop_at: StopAt | None
    max_failed: float
    search: SearchSettings
    templates: TemplateSettings
    batch: BatchSettings
    keys: Mapping[str, Any] = field(repr=False)
    """The configuration as it was given, paths relative to the working directory."""

    @property
    def weights_kind(self) -> str:
        """What kind the weights are: UNTRAINED where any are stand-ins, DEMONSTRATION, or PUBLISHED."""
        if self.weights == UNTRAINED or (self.model.esm and self.esm_weights == UNTRAINED):
            return UNTRAINED
        return DEMONSTRATION if self.model.name == DEMO.name else PUBLISHED

    @property
    def remark(self) -> str:
        """What every product says where it is no prediction; "" where it is one."""
        return weights_remark(self.weights_kind)

    def sampling(self) -> dict[str, Any]:
        """The settings of a prediction that are part of a result's identity."""
        stop: dict[str, Any] = {} if self.stop_at is None else {"stop_at": asdict(self.stop_at)}
        if self.recycle_tolerance is not None:
            stop["recycle_tolerance"] = self.recycle_tolerance
        return stop | {
            "n_cycle": self.n_cycle,
            "n_step": self.n_step,
            "n_sample": self.n_sample,
            "msa_rows": self.msa_rows,
            "dtype": self.dtype,
        }


@functools.cache
def config_schema() -> dict[str, Any]:
    """The JSON schema of the configuration."""
    return dict(yaml.safe_load(files("pfold").joinpath("config.schema.yaml").read_text()))


def load_config(path: Path) -> RunConfig:
    """Read a configuration file. Raises ConfigError for a file that can't be read or is wrong."""
    return parse_config(read_config(path), str(path))


def parse_config(raw: Mapping[str, Any], source: str = "the configuration") -> RunConfig:
    """Check a configuration, whose paths are relative to the working directory, and fill in defaults.

    Raises ConfigError naming the key, and for an unknown key the nearest known one.
    """
    value = checked(raw, config_schema(), source)
    targets, pairs = _listed(value["targets"]), value["pairs"]
    screen = PairSettings(_listed(pairs["baits"]), _listed(pairs["preys"]), _path(pairs["table"]))
    if not targets and not screen.baits:
        raise ConfigError(f"{source}: there is nothing to fold: name targets, or pairs.baits")
    if not screen.baits and (screen.preys or screen.table):
        raise ConfigError(f"{source}: pairs.preys and pairs.table need pairs.baits")
    model = model_settings(value["model"])
    if max(value["buckets"]) < value["max_tokens"]:
        raise ConfigError(
            f"{source}: max_tokens is {value['max_tokens']} but the largest of buckets is {max(value['buckets'])}; "
            "add a bucket or lower max_tokens"
        )
    results = Path(value["results"])
    use_msa = model.use_msa if value["use_msa"] is None else value["use_msa"]
    if value["use_templates"] and not model.n_template_block:
        raise ConfigError(
            f"{source}: use_templates is true, but {model.name} takes no templates; use a v1.0.0 or v2 model"
        )
    return RunConfig(
        targets=targets,
        pairs=screen,
        only=_path(value["only"]),
        cascade=_cascade(value["cascade"], source),
        results=results,
        store=Path(value["store"]) if value["store"] else results / "store",
        model=model,
        weights=value["weights"],
        esm_weights=_esm_weights(value),
        components=_path(value["components"]),
        environment=_path(value["environment"]),
        dtype=value["dtype"],
        seeds=tuple(value["seeds"]),
        recycle_tolerance=value["recycle_tolerance"],
        n_cycle=value["n_cycle"] or model.n_cycle,
        n_step=value["n_step"] or model.n_step,
        n_sample=value["n_sample"] or model.n_sample,
        msa_rows=value["msa_rows"],
        msa_pair_as_unpair=value["msa_pair_as_unpair"],
        use_msa=use_msa,
        use_rna_msa=use_msa and (model.use_rna_msa if value["use_rna_msa"] is None else value["use_rna_msa"]),
        use_templates=model.n_template_block > 0 if value["use_templates"] is None else value["use_templates"],
        max_tokens=value["max_tokens"],
        buckets=tuple(sorted(value["buckets"])),
        device_bytes=value["device_bytes"],
        targets_per_pass=value["targets_per_pass"],
        keep=value["keep"],
        confidences=value["confidences"],
        stop_at=StopAt(**value["stop_at"]) if value["stop_at"] else None,
        max_failed=value["max_failed"],
        search=_search_settings(value["search"]),
        templates=_template_settings(value["search"]["templates"], source),
        batch=BatchSettings(**value["batch"]),
        keys=dict(raw),
    )


def _cascade(steps: Sequence[Mapping[str, Any]], source: str) -> tuple[CascadeStep, ...]:
    names = [step["name"] for step in steps]
    if len(set(names)) < len(names):
        raise ConfigError(f'{source}: "cascade": two steps have the same name')
    for step in steps[:-1]:
        if "go_on" not in step:
            raise ConfigError(
                f'{source}: "cascade": step {step["name"]} needs go_on: which targets the next step folds'
            )
    return tuple(
        CascadeStep(
            step["name"],
            step.get("set", {}),
            {score: _bounds(bound) for score, bound in step.get("go_on", {}).items()},
        )
        for step in steps
    )


def _bounds(bound: float | Sequence[float]) -> tuple[float, float]:
    return (bound[0], bound[1]) if isinstance(bound, Sequence) else (bound, math.inf)


def _esm_weights(value: Mapping[str, Any]) -> str:
    """The language model is untrained where the model is and nothing else is asked for."""
    both_left = value["weights"] == UNTRAINED and value["esm_weights"] == AUTO
    return UNTRAINED if both_left else str(value["esm_weights"])


def _path(value: str | None) -> Path | None:
    return Path(value).expanduser() if value else None


def _search_settings(search: Mapping[str, Any]) -> SearchSettings:
    return SearchSettings(
        engine=search["engine"],
        databases=_paths(search["databases"]),
        rna_databases=_paths(search["rna_databases"]),
        server=search["server"].rstrip("/"),
        n_iterations=search["n_iterations"],
        e_value=search["e_value"],
        max_hits=search["max_hits"],
    )


def _paths(values: Sequence[str]) -> tuple[Path, ...]:
    return tuple(Path(value).expanduser() for value in values)


def _template_settings(templates: Mapping[str, Any], source: str) -> TemplateSettings:
    try:
        max_date = datetime.date.fromisoformat(templates["max_date"])
    except ValueError as error:
        raise ConfigError(f'{source}: "search.templates.max_date": {error}') from None
    return TemplateSettings(_path(templates["seqres"]), _path(templates["mmcif"]), max_date)


def _listed(value: str | Sequence[str]) -> tuple[str, ...]:
    """A key that is one path or a list of them."""
    return (value,) if isinstance(value, str) else tuple(value)
