"""The layer norm by which the confidence head reads the trunk's single representation, measured on examples.

Where the trunk's s is nearly one vector for all tokens, little is left of what differs once it is normalised, and pLDDT
learns nothing: of the demonstration weights' s, what differs is 2 % of its length. Set by data (Krähenbühl et al. 2016,
arXiv:1511.06856), channels come to the head with mean 0 and variance 1.
"""

from collections.abc import Sequence

import numpy as np

from pfold.model.heads import S_CLIP
from pfold.training.config import StepSettings
from pfold.training.data.crop import crop_example
from pfold.training.data.sets import Examples, draw
from pfold.training.random import generator_of
from pfold.training.step import Learner, prepare

INPUT_NORM = "confidence_head.input_strunk_ln"
_N_EXAMPLE = 64
_EPSILON = 1e-5
# A channel that hardly changes is not scaled beyond this.
_MAX_WEIGHT = 1000.0


def measure_confidence_norm(
    learner: Learner, sets: Sequence[tuple[float, Examples]], settings: StepSettings, seed: int
) -> None:
    """Set the norm's weight and bias so that over examples of the sets each channel has mean 0 and variance 1.

    Changes the learner's parameters. The examples are a function of the seed: all processes measure the same.
    """
    generator, found = generator_of(seed, INPUT_NORM), []
    for _ in range(_N_EXAMPLE):
        example = crop_example(draw(sets, generator), settings.crop, generator)
        found.append(learner.single(prepare(example, settings, generator), settings))
    weight, bias = standardizing_norm(np.concatenate(found))
    layout, flat = learner.parameters.layout, learner.parameters.flat
    layout.view(flat, f"{INPUT_NORM}.weight")[...] = weight
    layout.view(flat, f"{INPUT_NORM}.bias")[...] = bias


def standardizing_norm(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias [c] float32 of the layer norm that gives rows s [n, c] channels of mean 0 and variance 1."""
    x = np.clip(s.astype(np.float64), -S_CLIP, S_CLIP)
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + _EPSILON)
    weight = 1 / np.maximum(x.std(0), 1 / _MAX_WEIGHT)
    return weight.astype(np.float32), (-x.mean(0) * weight).astype(np.float32)
