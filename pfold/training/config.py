"""The configuration of a training: one YAML, checked by `train.schema.yaml`; the defaults are the published recipe."""

import datetime
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from pfold.config import load_config
from pfold.config_file import merge_keys, read_keys
from pfold.config_schema import checked, with_defaults
from pfold.errors import ConfigError
from pfold.training.data.crop import CropSettings
from pfold.training.data.sets import StructureSet
from pfold.training.dropout import DropoutRates
from pfold.training.optimizer import OptimizerSettings
from pfold.training.parameters import FIXED
from pfold.weights.layout import checkpoint_layout
from pfold.weights.published import AUTO, ModelSettings, model_settings

SCRATCH = "scratch"
# `recompute` is chosen by the memory plan.
AUTO_RECOMPUTE = "auto"
# Keys that a later stage may set.
_STAGE_KEYS = (
    *("crop", "diffusion_at_once", "diffusion_batch", "dropout", "examples_per_step", "frozen", "loss_weights"),
    *("max_n_cycle", "mini_rollout", "n_variant", "noise", "optimizer", "recompute", "trained"),
)


@dataclass(frozen=True)
class StepSettings:
    """What a step of a stage does."""

    frozen: tuple[str, ...]
    trained: tuple[str, ...]
    crop: CropSettings
    buckets: tuple[int, ...]
    examples_per_step: int
    diffusion_batch: int
    diffusion_at_once: int | None
    recompute: str
    n_variant: int | None
    max_n_cycle: int
    max_msa_rows: int
    rollout_steps: int
    rollout_every: int
    rollout_start: int
    noise_mean: float
    noise_deviation: float
    dropout: DropoutRates
    loss_weights: Mapping[str, float]
    optimizer: OptimizerSettings

    def learns(self, name: str) -> bool:
        """Whether the checkpoint's entry of this name changes."""
        chosen = not self.trained or any(part in name for part in self.trained)
        return chosen and not any(part in name for part in self.frozen) and not name.endswith(FIXED)

    def learns_confidence(self, step: int) -> bool:
        """Whether a step predicts, and learns confidence of what it predicted."""
        return step >= self.rollout_start and step % self.rollout_every == 0


@dataclass(frozen=True)
class TrainConfig:
    """A checked configuration; keys of `train.schema.yaml`. stages: first step -> settings, the first from 0."""

    model: ModelSettings
    start: str
    results: Path
    seed: int
    n_step: int
    train: tuple[StructureSet, ...]
    validation: tuple[StructureSet, ...]
    validate_every: int
    validation_n_step: int
    n_worker: int
    checkpoint_every: int
    log_every: int
    measure_confidence_norm: bool
    device_bytes: float | None
    stages: tuple[tuple[int, StepSettings], ...]
    keys: Mapping[str, Any]

    def settings_of(self, step: int) -> StepSettings:
        """The settings of the stage that a step is in."""
        return next(settings for first, settings in reversed(self.stages) if step >= first)


@functools.cache
def train_schema() -> dict[str, Any]:
    """The JSON schema of a training's configuration."""
    return dict(yaml.safe_load(files("pfold.training").joinpath("train.schema.yaml").read_text()))


def load_train_config(path: Path) -> TrainConfig:
    """Read a configuration; its paths are relative to it. Raises ConfigError naming the file and the key."""
    return parse_train_config(read_keys(path, "results: training"), path.parent, str(path))


def parse_train_config(raw: Mapping[str, Any], folder: Path, source: str) -> TrainConfig:
    """Check a configuration and fill in defaults. Raises ConfigError naming the key."""
    value = checked(raw, train_schema(), source)
    start = value["start"]
    stages = [(0, value)]
    for stage in value["stages"]:
        unknown = set(stage["set"]) - set(_STAGE_KEYS)
        if unknown:
            raise ConfigError(
                f'{source}: "stages": a stage can\'t set {", ".join(sorted(unknown))}; '
                f"it can set {', '.join(_STAGE_KEYS)}"
            )
        merged: dict[str, Any] = {}
        merge_keys(merged, _plain(raw))
        merge_keys(merged, stage["set"])
        stages.append((stage["from"], checked(merged, train_schema(), f"{source}, stage from {stage['from']}")))
    if [first for first, _ in stages] != sorted({first for first, _ in stages}):
        raise ConfigError(f'{source}: "stages": they must begin one after another')
    data, model = value["data"], model_settings(value["model"])
    steps = tuple((first, _step_settings(keys)) for first, keys in stages)
    for first, settings in steps:
        _require_learning(settings, model, f"{source}, stage from {first}" if first else source)
    return TrainConfig(
        model=model,
        start=start if start in (SCRATCH, AUTO) else str(folder / Path(start).expanduser()),
        results=folder / Path(value["results"]).expanduser(),
        seed=value["seed"],
        n_step=value["n_step"],
        train=tuple(_set(one, model, folder, source) for one in data["train"]),
        validation=tuple(_set(one, model, folder, source) for one in data["validation"]),
        validate_every=value["validation"]["every"],
        validation_n_step=value["validation"]["n_step"],
        n_worker=data["n_worker"],
        checkpoint_every=value["checkpoint_every"],
        log_every=value["log_every"],
        measure_confidence_norm=value["measure_confidence_norm"],
        device_bytes=value["device_bytes"],
        stages=steps,
        keys=dict(raw),
    )


def _plain(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A copy whose inner mappings can be changed."""
    return {key: _plain(child) if isinstance(child, Mapping) else child for key, child in raw.items()}


def _step_settings(value: Mapping[str, Any]) -> StepSettings:
    crop, rollout, noise = value["crop"], value["mini_rollout"], value["noise"]
    buckets: Sequence[int] = crop["buckets"] or [crop["n_token"] // 4, crop["n_token"] // 2, crop["n_token"]]
    return StepSettings(
        frozen=tuple(value["frozen"]),
        trained=tuple(value["trained"]),
        crop=CropSettings(crop["n_token"], crop["contiguous"], crop["spatial"], crop["interface"]),
        buckets=tuple(sorted({*buckets, crop["n_token"]})),
        examples_per_step=value["examples_per_step"],
        diffusion_batch=value["diffusion_batch"],
        diffusion_at_once=value["diffusion_at_once"],
        recompute=value["recompute"],
        max_n_cycle=value["max_n_cycle"],
        max_msa_rows=value["max_msa_rows"],
        rollout_steps=rollout["n_step"],
        rollout_every=rollout["every"],
        rollout_start=rollout["start"],
        noise_mean=noise["mean"],
        noise_deviation=noise["deviation"],
        n_variant=value["n_variant"],
        dropout=DropoutRates(**value["dropout"]),
        loss_weights=value["loss_weights"],
        optimizer=OptimizerSettings(**value["optimizer"]),
    )


def _require_learning(settings: StepSettings, model: ModelSettings, source: str) -> None:
    if not any(settings.learns(name) for name in checkpoint_layout(model)):
        raise ConfigError(f'{source}: "trained" and "frozen" leave no weight of {model.name} that learns')


def _set(keys: Mapping[str, Any], model: ModelSettings, folder: Path, source: str) -> StructureSet:
    filled = with_defaults(keys, train_schema()["properties"]["data"]["properties"]["train"]["items"])
    filled["structures"] = folder / Path(filled["structures"]).expanduser()
    filled["table"] = folder / Path(filled["table"]).expanduser() if filled["table"] else None
    try:
        filled["max_date"] = datetime.date.fromisoformat(filled["max_date"]) if filled["max_date"] else None
    except ValueError as error:
        raise ConfigError(f'{source}: "data": max_date: {error}') from None
    if not filled["structures"].is_dir():
        raise ConfigError(f'{source}: "data": {filled["structures"]} is no folder')
    if filled["fragments"]:
        shortest, longest = filled["fragments"]
        if shortest > longest:
            raise ConfigError(f'{source}: "data": fragments: {shortest} is more than {longest}')
        filled["fragments"] = shortest, longest
    if filled["run"]:
        filled["run"] = load_config(folder / Path(filled["run"]).expanduser())
        if filled["run"].model.name != model.name:
            raise ConfigError(
                f'{source}: "data": run: it is a run of {filled["run"].model.name}, and {model.name} is trained; '
                "models differ in what they are told"
            )
    return StructureSet(**filled)
