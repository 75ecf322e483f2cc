"""What left each stage of a forward pass, kept to be compared with the reference."""

from collections.abc import Callable
from typing import Protocol

import numpy as np


class Recorder(Protocol):
    """Is told what leaves a stage."""

    def __call__(self, stage: str, values: Callable[[], np.ndarray]) -> None:
        """stage: the reference's name of it. values: makes the array, of the pass's first target."""


def keep_nothing(stage: str, values: Callable[[], np.ndarray]) -> None:
    """The recorder of a prediction: nothing is even made."""


class StageRecorder:
    """Keeps copies, since tensors may be updated in place later: "stage_" and the stage's name -> array.

    What is told of a stage in parts is put together along their first axis.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def __call__(self, stage: str, values: Callable[[], np.ndarray]) -> None:
        """See `Recorder`."""
        name, array = f"stage_{stage}", values().copy()
        earlier = self.arrays.get(name)
        self.arrays[name] = array if earlier is None else np.concatenate([earlier, array])
