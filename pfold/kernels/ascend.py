"""Ascend backend: attention by the NPU's flash attention, all else by the reference operators in the pairs' own type.

`flash_attention_score` takes bfloat16, at most 2,048 rows at a time, and heads of a multiple of 16 channels
(MindSpore's documentation); `flash_attention` brings any attention of the model into that form.
"""

from mindspore import Tensor, ops
from mindspore import dtype as mstype

from pfold.kernels.reference import (
    IN_PLACE,
    adaptive_norm,
    affine,
    confidence_pairs,
    diffusion_pairs,
    each_block_target,
    finish_updates,
    gated_sum,
    gated_transition,
    identity,
    layer_norm,
    outer_product_mean,
    pair_bias,
    pair_embedding,
    pair_logits,
    pair_weighted_averaging,
    refusal,
    release_memory,
    row_transition,
    symmetric_pair_logits,
    triangle_attention,
    triangle_multiplication_incoming,
    triangle_multiplication_outgoing,
)
from pfold.kernels.tensors import merge_heads, split_heads

__all__ = [
    "IN_PLACE",
    "adaptive_norm",
    "affine",
    "confidence_pairs",
    "diffusion_pairs",
    "finish_updates",
    "gated_sum",
    "gated_transition",
    "identity",
    "layer_norm",
    "outer_product_mean",
    "pair_bias",
    "pair_embedding",
    "pair_logits",
    "pair_weighted_averaging",
    "refusal",
    "release_memory",
    "row_transition",
    "symmetric_pair_logits",
    "token_attention",
    "triangle_attention_ending",
    "triangle_attention_starting",
    "triangle_multiplication_incoming",
    "triangle_multiplication_outgoing",
    "window_attention",
]

# Rows of a call, and what the channels of a head must be a multiple of.
MAX_ROWS = 2048
HEAD_STEP = 16

flash_attention_score = ops.flash_attention_score


def _whole_heads(x: Tensor) -> Tensor:
    """x [B, H, N, d] in bfloat16, its channels padded with zeros to a multiple of HEAD_STEP."""
    extra = -x.shape[-1] % HEAD_STEP
    x = x.astype(mstype.bfloat16)
    if extra == 0:
        return x
    return ops.concat([x, ops.zeros(x.shape[:-1] + (extra,), mstype.bfloat16)], axis=-1)


def flash_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v by `flash_attention_score`.

    q [B, H, N_q, d], k and v [B, H, N_k, d], bias [1 or B, H, N_q, N_k] -> [B, H, N_q, d] of q's type.
    """
    n_row, n_head, d = q.shape[0], q.shape[1], q.shape[3]
    wide_q, wide_k, wide_v, shift = _whole_heads(q), _whole_heads(k), _whole_heads(v), bias.astype(mstype.bfloat16)
    chunks = []
    for start in range(0, n_row, MAX_ROWS):
        stop = min(start + MAX_ROWS, n_row)
        o = flash_attention_score(
            wide_q[start:stop],
            wide_k[start:stop],
            wide_v[start:stop],
            n_head,
            real_shift=shift if bias.shape[0] == 1 else shift[start:stop],
            scalar_value=float(d) ** -0.5,
            input_layout="BNSD",
        )
        chunks.append(o)
    o = chunks[0] if len(chunks) == 1 else ops.concat(chunks, axis=0)
    return o[..., :d].astype(q.dtype)


def _attend_rows(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    return flash_attention(q, k, v, bias[None])


# AF3 Algorithms 14 and 15; see `pfold.kernels`.
triangle_attention_starting = triangle_attention(_attend_rows, ending=False)
triangle_attention_ending = triangle_attention(_attend_rows, ending=True)


def token_attention(
    q: Tensor, k: Tensor, v: Tensor, gate: Tensor, bias: Tensor, mask: Tensor, block: int, n_block: int
) -> Tensor:
    """AF3 Algorithm 24, lines 8-11; see `pfold.kernels`. Samples are the rows of a call."""
    return each_block_target(flash_attention, (q, k, v), gate, bias, block, n_block)


def window_attention(q: Tensor, k: Tensor, v: Tensor, gate: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    """AF3 Algorithm 7; see `pfold.kernels`. Windows are the rows of a call, one sample after another."""
    n_window, n_head, n_query = bias.shape[0], bias.shape[1], bias.shape[2]
    width = q.shape[-1]
    by_sample = q.reshape((-1, n_window, n_query, width))
    all_k, all_v = k.reshape((-1, k.shape[-2], width)), v.reshape((-1, v.shape[-2], width))
    outputs = []
    for i in range(by_sample.shape[0]):
        k_windows, v_windows = ops.gather(all_k[i], keys, 0), ops.gather(all_v[i], keys, 0)
        heads_k, heads_v = split_heads(k_windows, n_head), split_heads(v_windows, n_head)
        o = flash_attention(split_heads(by_sample[i], n_head), heads_k, heads_v, bias)
        outputs.append(merge_heads(o)[None])
    o = outputs[0] if len(outputs) == 1 else ops.concat(outputs, axis=0)
    return o.reshape(q.shape) * ops.sigmoid(gate)
