"""Configurations of small trainings."""

from pathlib import Path
from typing import Any

from pfold.training.config import StepSettings, TrainConfig, parse_train_config


def keys(structures: Path, results: Path, **changed: Any) -> dict[str, Any]:
    """Of a training on a folder's structures."""
    return {
        "model": "pfold_demo",
        "results": str(results),
        "n_step": 6,
        "data": {"train": [{"structures": str(structures), "resolution": 2.0}], "n_worker": 0},
        "crop": {"n_token": 32, "buckets": [32]},
        "diffusion_batch": 2,
        "max_n_cycle": 2,
        "mini_rollout": {"n_step": 2, "every": 2},
        "optimizer": {"warmup_steps": 2},
        "checkpoint_every": 2,
    } | changed


def config(structures: Path, results: Path, **changed: Any) -> TrainConfig:
    return parse_train_config(keys(structures, results, **changed), Path(), "train.yaml")


def step_settings(n_token: int) -> StepSettings:
    crop = {"n_token": n_token, "buckets": [n_token]}
    return config(Path(__file__).parent, Path("unused"), crop=crop).settings_of(0)
