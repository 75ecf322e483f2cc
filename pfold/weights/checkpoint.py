"""A published checkpoint: where it is, and what tensors are read of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pfold.weights.layout import checkpoint_layout
from pfold.weights.published import ModelSettings

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Checkpoint:
    """A published file.

    layout: names and shapes of its tensors. tensors: those that are read of the file, under the layout's names.
    as_float32: whether a conversion turns them into float32.
    """

    name: str
    file: str
    url: str
    layout: Callable[[], Mapping[str, tuple[int, ...]]]
    tensors: Callable[[Tensors], Tensors]
    as_float32: bool


def model_checkpoint(settings: ModelSettings) -> Checkpoint:
    """The published checkpoint of a model."""
    return Checkpoint(
        settings.name, settings.file, settings.url, lambda: checkpoint_layout(settings), lambda t: t, as_float32=True
    )
