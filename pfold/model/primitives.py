"""Layers shared by all algorithms: linear, layer norm, transitions, adaptive layer norm (AF3 Algorithms 11, 25, 26)."""

from typing import Any

from mindspore import Tensor, ops

import pfold.ops as kernels

# Nested dict of parameters under one module's prefix, leaves are tensors.
Params = dict[str, Any]


def linear(p: Params, name: str, x: Tensor) -> Tensor:
    """The linear layer `name`, with or without bias, as the checkpoint has it.  x [..., c_in] -> [..., c_out]."""
    if name + ".bias" in p:
        return kernels.linear(x, p[name + ".weight"], p[name + ".bias"])
    return kernels.linear(x, p[name + ".weight"])


def layer_norm(p: Params, name: str, x: Tensor) -> Tensor:
    """The layer norm `name` with its scale and, where the checkpoint has one, offset.  x [..., c] -> [..., c]."""
    if name + ".bias" in p:
        return kernels.layer_norm(x, p[name + ".weight"], p[name + ".bias"])
    return kernels.layer_norm(x, p[name + ".weight"])


def transition(p: Params, x: Tensor) -> Tensor:
    """Gated transition, AF3 Algorithm 11.  x [..., c] -> [..., c]."""
    h = layer_norm(p, "layernorm1", x)
    a, b = p["linear_no_bias_a.weight"], p["linear_no_bias_b.weight"]
    return kernels.transition(h, a, b, p["linear_no_bias.weight"])


def adaptive_layer_norm(p: Params, a: Tensor, s: Tensor) -> Tensor:
    """Adaptive layer norm, AF3 Algorithm 26.  a [..., N, c_a], s broadcastable [..., N, c_s] -> [..., N, c_a]."""
    s = layer_norm(p, "layernorm_s", s)
    scale = kernels.expand(ops.sigmoid(linear(p, "linear_s", s)), a)
    return scale * kernels.layer_norm(a) + kernels.expand(linear(p, "linear_nobias_s", s), a)


def conditioned_transition(p: Params, a: Tensor, s: Tensor) -> Tensor:
    """Conditioned transition block, AF3 Algorithm 25.  a [..., N, c_a], s [..., N, c_s] -> [..., N, c_a]."""
    a = adaptive_layer_norm(p["adaln"], a, s)
    w1, w2 = p["linear_nobias_a1.weight"], p["linear_nobias_a2.weight"]
    gate = kernels.expand(ops.sigmoid(linear(p, "linear_s", s)), a)
    return gate * kernels.transition(a, w1, w2, p["linear_nobias_b.weight"])


def split_heads(x: Tensor, n_head: int) -> Tensor:
    """[..., N, H * d] -> [..., H, N, d]."""
    x = x.reshape(x.shape[:-1] + (n_head, x.shape[-1] // n_head))
    return ops.swapaxes(x, -2, -3)


def merge_heads(x: Tensor) -> Tensor:
    """[..., H, N, d] -> [..., N, H * d]."""
    x = ops.swapaxes(x, -2, -3)
    return x.reshape(x.shape[:-2] + (x.shape[-2] * x.shape[-1],))


def key_bias(mask: Tensor) -> Tensor:
    """Additive attention bias of a 0/1 key mask: 0 where present, a large negative number where masked."""
    return (1.0 - mask) * kernels.MASKED
