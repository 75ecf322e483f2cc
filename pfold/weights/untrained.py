"""Untrained stand-in weights: every tensor is a function of its checkpoint name and shape alone.

They test the arithmetic and the plumbing. What they fold is not a prediction, and every product made with them says so.
"""

import zlib

import numpy as np

from pfold.weights.layout import checkpoint_layout
from pfold.weights.published import ModelSettings


def untrained_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32 tensor of a checkpoint entry: matrices ~ N(0, 1 / fan_in), norm scales near 1, all others small.

    No tensor is zero, since zeros would hide errors in the layers behind them.
    """
    generator = np.random.Generator(np.random.Philox(zlib.crc32(name.encode())))
    values = generator.standard_normal(shape, dtype=np.float32)
    if len(shape) >= 2:
        return values / np.float32(np.sqrt(shape[-1]))
    if name.endswith("weight"):
        return np.float32(1.0) + np.float32(0.1) * values
    return np.float32(0.1) * values


def untrained_weights(settings: ModelSettings) -> dict[str, np.ndarray]:
    """The whole untrained checkpoint of a model: name -> float32 array."""
    return {name: untrained_tensor(name, shape) for name, shape in checkpoint_layout(settings).items()}
