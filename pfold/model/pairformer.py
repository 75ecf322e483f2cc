"""Pairformer: triangle updates and attention with pair bias (AF3 Algorithms 12-15, 17, 24)."""

from mindspore import Tensor, ops

import pfold.ops as kernels
from pfold.model.primitives import (
    Params,
    key_bias,
    layer_norm,
    linear,
    merge_heads,
    split_heads,
    transition,
)

# Heads that the checkpoint's shapes do not tell (AF3 supplement, sections 3.6 and 3.7).
TRIANGLE_HEAD_CHANNELS = 32
SINGLE_HEADS = 16


def triangle_multiplication(p: Params, z: Tensor, pair_mask: Tensor, outgoing: bool) -> Tensor:
    """Triangle multiplicative update, AF3 Algorithms 12 (outgoing) and 13.  z [N, N, c_z], pair_mask [N, N]."""
    h = layer_norm(p, "layer_norm_in", z)
    a = ops.sigmoid(linear(p, "linear_a_g", h)) * linear(p, "linear_a_p", h)
    b = ops.sigmoid(linear(p, "linear_b_g", h)) * linear(p, "linear_b_p", h)
    present = kernels.expand(pair_mask[:, :, None], a)
    a, b = present * a, present * b
    x = layer_norm(p, "layer_norm_out", kernels.triangle_product(a, b, outgoing))
    return linear(p, "linear_z", x) * ops.sigmoid(linear(p, "linear_g", h))


def triangle_attention(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """Triangle self-attention around the starting node, AF3 Algorithm 14.  z [N, N, c_z], mask [N] -> [N, N, c_z].

    Algorithm 15 (ending node) is this function on the transposed pair representation.
    """
    h = layer_norm(p, "layer_norm", z)
    mha = p["mha"]
    n_head = mha["linear_q.weight"].shape[0] // TRIANGLE_HEAD_CHANNELS
    q = split_heads(linear(mha, "linear_q", h), n_head)
    k = split_heads(linear(mha, "linear_k", h), n_head)
    v = split_heads(linear(mha, "linear_v", h), n_head)
    bias = linear(p, "linear", h).transpose(2, 0, 1)
    o = merge_heads(kernels.triangle_attention(q, k, v, bias, key_bias(mask)))
    return linear(mha, "linear_o", o * ops.sigmoid(linear(mha, "linear_g", h)))


def gated_attention(p: Params, q_x: Tensor, kv_x: Tensor, bias: Tensor, n_head: int) -> Tensor:
    """Gated multi-head attention of AF3 Algorithm 24, lines 5-12.

    q_x [..., N_q, c], kv_x [..., N_k, c]; bias broadcasts to [..., H, N_q, N_k] -> [..., N_q, c].
    """
    q = split_heads(linear(p, "linear_q", q_x), n_head)
    k = split_heads(linear(p, "linear_k", kv_x), n_head)
    v = split_heads(linear(p, "linear_v", kv_x), n_head)
    o = merge_heads(kernels.attention(q, k, v, bias))
    return linear(p, "linear_o", o * ops.sigmoid(linear(p, "linear_g", q_x)))


def pair_bias(p: Params, z: Tensor) -> Tensor:
    """Attention bias of each head from pairs, AF3 Algorithm 24, line 8.  z [..., N, N, c_z] -> [..., H, N, N]."""
    bias = linear(p, "linear_nobias_z", layer_norm(p, "layernorm_z", z))
    axes = tuple(range(bias.ndim - 3)) + (bias.ndim - 1, bias.ndim - 3, bias.ndim - 2)
    return bias.transpose(axes)


def attention_pair_bias(p: Params, s: Tensor, z: Tensor, mask: Tensor) -> Tensor:
    """Single attention with pair bias, AF3 Algorithm 24 without conditioning.  s [N, c_s], z [N, N, c_z], mask [N]."""
    h = layer_norm(p, "layernorm_a", s)
    bias = pair_bias(p, z)
    return gated_attention(p["attention"], h, h, bias + kernels.expand(key_bias(mask), bias), SINGLE_HEADS)


def pair_stack(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """The pair updates of AF3 Algorithm 17, lines 2-6.  z [N, N, c_z], mask [N] -> [N, N, c_z]."""
    pair_mask = mask[:, None] * mask[None, :]
    z = z + triangle_multiplication(p["tri_mul_out"], z, pair_mask, True)
    z = z + triangle_multiplication(p["tri_mul_in"], z, pair_mask, False)
    z = z + triangle_attention(p["tri_att_start"], z, mask)
    z = z.transpose(1, 0, 2)
    z = z + triangle_attention(p["tri_att_end"], z, mask)
    z = z.transpose(1, 0, 2)
    return z + transition(p["pair_transition"], z)


def single_update(p: Params, s: Tensor, z: Tensor, mask: Tensor) -> Tensor:
    """The single updates of AF3 Algorithm 17, lines 7-8.  s [N, c_s], z [N, N, c_z], mask [N] -> [N, c_s]."""
    s = s + attention_pair_bias(p["attention_pair_bias"], s, z, mask)
    return s + transition(p["single_transition"], s)
