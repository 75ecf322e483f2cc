"""Recorded training steps of the reference, and small structures to learn from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pfold.training import loss_and_gradients
from pfold.weights.published import model_settings
from pfold.weights.untrained import untrained_weights
from tests.conftest import SHARED

DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class TrainingGolden:
    """A training step that the reference made (shared/reference/training_golden.py)."""

    arrays: dict[str, np.ndarray]

    @property
    def model(self) -> str:
        return str(self.arrays["model"])

    @property
    def weights(self) -> dict[str, np.ndarray]:
        return untrained_weights(model_settings(self.model))

    @property
    def loss_weights(self) -> dict[str, float]:
        initial = dict(zip(map(str, self.arrays["losses"]), map(float, self.arrays["weights_initial"]), strict=True))
        return initial | {"bond_loss": initial["mse_loss"], "pae_loss": initial["plddt_loss"]}

    def arguments(self) -> dict[str, Any]:
        a = self.arrays
        return {
            "weights": self.weights,
            "features": {key[5:]: a[key] for key in a if key.startswith("feat_")},
            "labels": {
                "coordinate": a["label_coordinate"],
                "mask": a["label_mask"],
                "bond_mask": a["bond_mask"],
                "resolution": 2.0,
            },
            "noise": {key: a[f"noise_{key}"] for key in ("sigma", "rot", "trans", "x")},
            "coordinate_mini": a["coordinate_mini"],
            "n_cycle": int(a["n_cycle"]),
            "loss_weights": self.loss_weights,
        }

    def step(self, **changed: Any) -> dict[str, Any]:
        return loss_and_gradients(self.model, **self.arguments() | changed)


def training_golden(case: str) -> TrainingGolden:
    """A recorded step of the shared folder, or of the tests' own data."""
    (path,) = [p for folder in (SHARED / "goldens", DATA) for p in folder.glob(f"training_{case}.*.npz")]
    return TrainingGolden(dict(np.load(path)))


@pytest.fixture(scope="session")
def monomer() -> TrainingGolden:
    return training_golden("monomer")


@pytest.fixture(scope="session")
def structures() -> Path:
    return SHARED / "data/structures"
