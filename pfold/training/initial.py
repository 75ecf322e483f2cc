"""Weights to begin a training from nothing with, drawn as the reference draws them (model/modules/primitives.py)."""

import re

import numpy as np
from scipy.stats import truncnorm

from pfold.training.random import generator_of
from pfold.weights.layout import checkpoint_layout
from pfold.weights.published import ModelSettings

# Layers that begin as zero: what ends a residual branch, gates, logits, and what scales an adaptive norm.
_ZERO = re.compile(
    r"(linear_o|linear_z|linear_out|linear_no_bias_out|linear_g|linear_[ab]_g|adaln\.linear_s|layernorm_(a|kv)\.linear_s"
    r"|(adaln|layernorm_a|layernorm_kv)\.linear_nobias_s|linear_a_last|conditioned_transition_block\.linear_s"
    r"|transition\w*\.linear_no_bias|(pair|single)_transition\.linear_no_bias|linear_no_bias_(pae|pde)|distogram_head\.linear"
    r"|linear_no_bias_z_cycle|linear_esm|linear_no_bias_u)\.weight$|(plddt|resolved)_weight$"
)
# Layers before a gate of their own: twice the variance.
_GATED = re.compile(r"(linear_no_bias_[ab]|linear_nobias_a[12]|small_mlp\.\d)\.weight$")
# Output gates of the diffusion module begin nearly shut (AF3 Algorithms 24 and 25).
_SHUT = re.compile(r"(linear_a_last|conditioned_transition_block\.linear_s)\.bias$")
# Distances (Å) that the confidence head tells apart (AF3 Algorithm 31).
_DISTANCES = np.arange(3.25, 52.0, 1.25)


def initial_tensor(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """A tensor of the checkpoint, float32: a function of its name, its shape and the seed."""
    generator = generator_of(seed, name)
    if "fourier_embedding" in name:
        return generator.standard_normal(shape, dtype=np.float32)
    if name.endswith("_bins"):
        edges = _DISTANCES if name.endswith("lower_bins") else np.append(_DISTANCES[1:], 1e6)
        return edges.astype(np.float32)
    if _ZERO.search(name):
        return np.zeros(shape, np.float32)
    if len(shape) == 1:
        value = 1.0 if name.endswith("weight") else -2.0 if _SHUT.search(name) else 0.0
        return np.full(shape, value, np.float32)
    scale = np.sqrt((2.0 if _GATED.search(name) else 1.0) / shape[-1]) / truncnorm.std(-2, 2)
    uniform = generator.random(shape)
    return np.asarray(scale * truncnorm.ppf(uniform, -2, 2), np.float32)


def initial_weights(settings: ModelSettings, seed: int) -> dict[str, np.ndarray]:
    """The whole checkpoint of a model before its first step: name -> float32 array."""
    return {name: initial_tensor(name, shape, seed) for name, shape in checkpoint_layout(settings).items()}
