"""What is written of a target: its samples, and what is recorded beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pfold.results.layout import sample_label
from pfold.weights.remarks import weights_remark


@dataclass(frozen=True)
class Sample:
    """One sample of a target: its seed and number, coordinates, and the scores of `pfold.confidence`."""

    seed: int
    number: int
    coordinate: np.ndarray
    summary: Mapping[str, Any]
    full_data: Mapping[str, np.ndarray]

    @property
    def label(self) -> str:
        """Name of the sample's folder."""
        return sample_label(self.seed, self.number)


@dataclass(frozen=True)
class ResultInfo:
    """What is recorded of a result besides its samples.

    weights: their kind (`pfold.weights.remarks`). seconds: the time the target took. databases: names of those that its
    alignments were searched in. stopped: why not all seeds were folded.
    """

    result_id: str
    model: str
    weights: str
    bucket: int
    n_msa: int
    seconds: float
    settings: Mapping[str, Any]
    databases: tuple[str, ...] = ()
    stopped: str = ""

    @property
    def remark(self) -> str:
        """What the result's files say where it is no prediction; "" where it is one."""
        return weights_remark(self.weights)
