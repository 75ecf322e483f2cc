"""Pairformer (AF3 Algorithm 17). Pairs of a batch's targets are stacked: z [n_target * N, N, c_z] (`pfold.kernels`)."""

from mindspore import Tensor

from pfold import kernels
from pfold.model.primitives import Params, expand, layer_norm, linear, transition

# The updates of a stack in their order, by the checkpoint's names of their parameters.
PAIR_UPDATES = ("tri_mul_out", "tri_mul_in", "tri_att_start", "tri_att_end", "pair_transition")


def pair_stack(p: Params, z: Tensor, mask: Tensor, dropout: Params | None = None) -> Tensor:
    """The pair updates of AF3 Algorithm 17, lines 2-6.  z [N, N, c_z], mask [N] -> [N, N, c_z].

    dropout: masks of the updates by name, while training (`pfold.training.dropout`).
    """
    for i in range(len(PAIR_UPDATES)):
        z = update_pairs(PAIR_UPDATES[i], p[PAIR_UPDATES[i]], z, mask, dropout)
    return z


def update_pairs(name: str, p: Params, z: Tensor, mask: Tensor, dropout: Params | None = None) -> Tensor:
    """The update of `PAIR_UPDATES` with this name, by its own parameters; see `pair_stack`."""
    if name == "tri_mul_out":
        return drop(z, kernels.triangle_multiplication_outgoing(p, z, mask), dropout, "outgoing")
    if name == "tri_mul_in":
        return drop(z, kernels.triangle_multiplication_incoming(p, z, mask), dropout, "incoming")
    if name == "tri_att_start":
        return drop(z, kernels.triangle_attention_starting(p, z, mask), dropout, "starting")
    if name == "tri_att_end":
        return drop(z, kernels.triangle_attention_ending(p, z, mask), dropout, "ending")
    return kernels.row_transition(p, z, mask)


def drop(x: Tensor, updated: Tensor, dropout: Params | None, name: str) -> Tensor:
    """x with what dropout leaves of its update; no backend that updates in place is used with dropout."""
    if dropout is None:
        return updated
    return x + (updated - x) * expand(dropout[name], x)


def attention_pair_bias(p: Params, s: Tensor, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Single attention with pair bias, AF3 Algorithm 24 without conditioning.

    s [N, c_s], z [N, N, c_z], mask [N] -> update of s, and z to go on with.
    """
    bias, z = kernels.pair_bias(p, z, mask)
    return token_attention(p["attention"], layer_norm(p, "layernorm_a", s), bias, mask, 0, 1), z


def token_attention(p: Params, h: Tensor, bias: Tensor, mask: Tensor, block: int, n_block: int) -> Tensor:
    """Gated multi-head attention of AF3 Algorithm 24, lines 5-12.

    h [..., N, c]; bias [n_block * H, N, N] of all blocks of a stack, of which `block` is read; mask [N] -> [..., N, c].
    """
    return linear(p, "linear_o", attention_heads(p, h, bias, mask, block, n_block))


def attention_heads(p: Params, h: Tensor, bias: Tensor, mask: Tensor, block: int, n_block: int) -> Tensor:
    """The gated heads of `token_attention`, side by side, AF3 Algorithm 24, lines 5-11."""
    q, k, v = linear(p, "linear_q", h), linear(p, "linear_k", h), linear(p, "linear_v", h)
    return kernels.token_attention(q, k, v, linear(p, "linear_g", h), bias, mask, block, n_block)


def pairformer_block(
    p: Params, s: Tensor, z: Tensor, mask: Tensor, dropout: Params | None = None
) -> tuple[Tensor, Tensor]:
    """One Pairformer block, AF3 Algorithm 17, lines 2-8.  s [N, c_s], z [N, N, c_z], mask [N] -> s, z."""
    return update_single(p, s, pair_stack(p, z, mask, dropout), mask)


def update_single(p: Params, s: Tensor, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """What a Pairformer block does to s, AF3 Algorithm 17, lines 7 and 8 -> s, and z to go on with."""
    update, z = attention_pair_bias(p["attention_pair_bias"], s, z, mask)
    s = s + update
    return s + transition(p["single_transition"], s), z
