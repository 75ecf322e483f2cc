"""The state of a training on disk: one folder a checkpoint, whole or not there, and the newest is what goes on.

A checkpoint holds the weights, both moments, the averaged weights and what was measured so far, so that a training that
goes on from it is bit for bit the one that was never ended. The averaged weights are a checkpoint of the model: what
`pfold fold` takes.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from pfold.errors import PfoldError
from pfold.files import atomic_folder, write_json
from pfold.training.optimizer import Optimizer
from pfold.training.parameters import FlatLayout

# The averaged weights by checkpoint name: what predictions are made with.
WEIGHTS = "weights.safetensors"
_STATE, _FACTS, _LOSSES, _VALIDATION = "state.safetensors", "facts.json", "losses.parquet", "validation.parquet"


@dataclass(eq=False)
class Measured:
    """Rows of what was measured: losses of each step, scores of each validated structure."""

    losses: list[dict[str, Any]]
    validation: list[dict[str, Any]]


def checkpoint_folder(results: Path, step: int) -> Path:
    """Where the checkpoint after `step` steps is."""
    return results / "checkpoints" / f"step_{step:08d}"


def newest_checkpoint(results: Path) -> Path | None:
    """The checkpoint with most steps; None where there is none."""
    return max((results / "checkpoints").glob("step_????????"), default=None)


def save_checkpoint(
    results: Path, step: int, layout: FlatLayout, optimizer: Optimizer, measured: Measured, identity: str
) -> Path:
    """Write the checkpoint after `step` steps, then remove all older ones but the last before it."""
    folder = checkpoint_folder(results, step)
    with atomic_folder(folder) as temporary:
        state = {"parameters": optimizer.parameters, "m": optimizer.m, "v": optimizer.v, "ema": optimizer.ema}
        save_file(state, temporary / _STATE)
        save_file(layout.views(optimizer.ema), temporary / WEIGHTS)
        write_json(temporary / _FACTS, {"step": step, "n_update": optimizer.n_update, "identity": identity})
        pd.DataFrame(measured.losses).to_parquet(temporary / _LOSSES)
        pd.DataFrame(measured.validation).to_parquet(temporary / _VALIDATION)
    for old in sorted((results / "checkpoints").glob("step_????????"))[:-2]:
        shutil.rmtree(old)
    return folder


def load_checkpoint(folder: Path, optimizer: Optimizer, identity: str) -> tuple[int, Measured]:
    """Put a checkpoint's state into the optimizer and its parameters -> steps that were made, and what was measured.

    Raises PfoldError where the checkpoint is another training's, as its identity tells.
    """
    facts = json.loads((folder / _FACTS).read_text())
    if facts["identity"] != identity:
        raise PfoldError(
            f"{folder} is the checkpoint of a training with another model, data, seed or start; "
            "name another results folder, or remove this one"
        )
    state = load_file(folder / _STATE)
    for name, buffer in (("parameters", optimizer.parameters), ("m", optimizer.m), ("v", optimizer.v)):
        np.copyto(buffer, state[name])
    np.copyto(optimizer.ema, state["ema"])
    optimizer.n_update = facts["n_update"]
    losses, validation = pd.read_parquet(folder / _LOSSES), pd.read_parquet(folder / _VALIDATION)
    measured = Measured(losses.to_dict("records"), validation.to_dict("records"))  # type: ignore[arg-type]
    return int(facts["step"]), measured
