"""Layers shared by all algorithms: linear, layer norm, transitions, adaptive layer norm (AF3 Algorithms 11, 25, 26)."""

from mindspore import Tensor

from pfold import kernels
from pfold.kernels.tensors import Params, expand, merge_heads, outer_sum, split_heads

__all__ = [
    "Params",
    "adaptive_layer_norm",
    "add_transition",
    "conditioned_transition",
    "expand",
    "layer_norm",
    "linear",
    "merge_heads",
    "outer_sum",
    "split_heads",
    "transition",
    "transition_update",
]


def linear(p: Params, name: str, x: Tensor) -> Tensor:
    """The linear layer `name`, with or without bias, as the checkpoint has it.  x [..., c_in] -> [..., c_out]."""
    if name + ".bias" in p:
        return kernels.affine(x, p[name + ".weight"], p[name + ".bias"])
    return kernels.affine(x, p[name + ".weight"])


def layer_norm(p: Params, name: str, x: Tensor) -> Tensor:
    """The layer norm `name` with its scale and, where the checkpoint has one, offset.  x [..., c] -> [..., c]."""
    if name + ".bias" in p:
        return kernels.layer_norm(x, p[name + ".weight"], p[name + ".bias"])
    return kernels.layer_norm(x, p[name + ".weight"])


def transition(p: Params, x: Tensor) -> Tensor:
    """Gated transition, AF3 Algorithm 11.  x [..., c] -> [..., c]."""
    a, b = p["linear_no_bias_a.weight"], p["linear_no_bias_b.weight"]
    return kernels.gated_transition(layer_norm(p, "layernorm1", x), a, b, p["linear_no_bias.weight"])


def adaptive_layer_norm(p: Params, a: Tensor, s: Tensor) -> Tensor:
    """Adaptive layer norm, AF3 Algorithm 26.  a [..., N, c_a], s [N, c_s] -> [..., N, c_a]."""
    s = layer_norm(p, "layernorm_s", s)
    return kernels.adaptive_norm(a, linear(p, "linear_s", s), linear(p, "linear_nobias_s", s))


def conditioned_transition(p: Params, a: Tensor, s: Tensor) -> Tensor:
    """Conditioned transition block, AF3 Algorithm 25, added to a.  a [..., N, c_a], s [N, c_s] -> [..., N, c_a]."""
    return add_transition(p, a, s, transition_update(p, adaptive_layer_norm(p["adaln"], a, s)))


def transition_update(p: Params, h: Tensor) -> Tensor:
    """What a conditioned transition makes of normalised tokens, AF3 Algorithm 25, line 2.  h [..., c] -> [..., c]."""
    a, b = p["linear_nobias_a1.weight"], p["linear_nobias_a2.weight"]
    return kernels.gated_transition(h, a, b, p["linear_nobias_b.weight"])


def add_transition(p: Params, a: Tensor, s: Tensor, update: Tensor) -> Tensor:
    """a with the update of a conditioned transition, gated by s, AF3 Algorithm 25, line 3."""
    return kernels.gated_sum(a, linear(p, "linear_s", s), update)
