"""Layers in plain MindSpore that every backend has: linear, layer norm, attention, transition.

Every function runs eagerly and inside `ms.jit`; shapes are static, so the chunk loops unroll when a graph is compiled.
"""

from typing import Any

from mindspore import Tensor, ops
from mindspore import dtype as mstype
from mindspore.ops import constexpr

from pfold.ops.chunks import row_chunks

# Nested dict of parameters under one module's prefix, leaves are tensors.
Params = dict[str, Any]

# Additive bias of a masked attention key: exp() of it is zero in float32.
MASKED = -1e9

_layer_norm = ops.LayerNorm(begin_norm_axis=-1, begin_params_axis=-1, epsilon=1e-5)
_matmul_transposed = ops.MatMul(transpose_b=True)
_scores = ops.BatchMatMul(transpose_b=True)
_weighted_sum = ops.BatchMatMul()


@constexpr  # type: ignore[untyped-decorator]
def _repeats(shape: tuple[int, ...], like: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n // m for n, m in zip(like, (1,) * (len(like) - len(shape)) + shape, strict=True))


def expand(x: Tensor, like: Tensor) -> Tensor:
    """Repeat `x` along its axes of length 1, and missing leading ones, to the shape of `like`.

    Used before sums and products: on CPU, MindSpore's arithmetic with an operand that is broadcast keeps 16 bytes of
    indices for each element of the result as long as the graph lives, and takes long to compile.
    """
    return x if x.shape == like.shape else ops.tile(x, _repeats(x.shape, like.shape))


def normalise(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Layer norm over the last axis in float32, eps 1e-5.  x [..., c], weight and bias [c] or absent -> [..., c]."""
    c = x.shape[-1:]
    gamma = ops.ones(c, mstype.float32) if weight is None else weight
    beta = ops.zeros(c, mstype.float32) if bias is None else bias
    return _layer_norm(x.astype(mstype.float32), gamma, beta)[0].astype(x.dtype)


def affine(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., c_in] times weight [c_out, c_in] transposed, plus bias [c_out] -> [..., c_out] of x's type.

    Where one of x and weight is bfloat16, so is the product.
    """
    c_out = weight.shape[0]
    rows = x.reshape((-1, x.shape[-1])).astype(weight.dtype if weight.dtype == mstype.bfloat16 else x.dtype)
    y = _matmul_transposed(rows, weight.astype(rows.dtype)).astype(x.dtype)
    if bias is not None:
        y = ops.bias_add(y, bias.astype(x.dtype))
    return y.reshape(x.shape[:-1] + (c_out,))


def linear(p: Params, name: str, x: Tensor) -> Tensor:
    """The linear layer `name`, with or without bias, as the checkpoint has it.  x [..., c_in] -> [..., c_out]."""
    if name + ".bias" in p:
        return affine(x, p[name + ".weight"], p[name + ".bias"])
    return affine(x, p[name + ".weight"])


def layer_norm(p: Params, name: str, x: Tensor) -> Tensor:
    """The layer norm `name` with its scale and, where the checkpoint has one, offset.  x [..., c] -> [..., c]."""
    if name + ".bias" in p:
        return normalise(x, p[name + ".weight"], p[name + ".bias"])
    return normalise(x, p[name + ".weight"])


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v.

    q [..., N_q, d], k and v [..., N_k, d]; bias broadcasts to [..., N_q, N_k] -> [..., N_q, d].
    """
    scores = _scores(q * (q.shape[-1] ** -0.5), k)
    return _weighted_sum(ops.softmax(scores + expand(bias, scores), axis=-1), v)


def gated_transition(x: Tensor, weight_a: Tensor, weight_b: Tensor, weight_out: Tensor) -> Tensor:
    """Gated feed-forward silu(x A) * (x B) projected back, in chunks of rows.  x [..., c] -> [..., c_out]."""
    rows = x.reshape((-1, x.shape[-1]))
    chunks = []
    for start, stop in row_chunks(rows.shape[0], 3 * weight_a.shape[0]):
        part = rows[start:stop]
        chunks.append(affine(ops.silu(affine(part, weight_a)) * affine(part, weight_b), weight_out))
    y = chunks[0] if len(chunks) == 1 else ops.concat(chunks, axis=0)
    return y.reshape(x.shape[:-1] + (weight_out.shape[0],))


def transition(p: Params, x: Tensor) -> Tensor:
    """Gated transition, AF3 Algorithm 11.  x [..., c] -> [..., c]."""
    a, b = p["linear_no_bias_a.weight"], p["linear_no_bias_b.weight"]
    return gated_transition(layer_norm(p, "layernorm1", x), a, b, p["linear_no_bias.weight"])


def outer_sum(z: Tensor, of_i: Tensor, of_j: Tensor) -> Tensor:
    """z_ij + of_i + of_j.  z [n_target * N, N, c], of_i and of_j [n_target * N, c] -> z's shape."""
    n, c = z.shape[1], z.shape[2]
    z = z + expand(of_i[:, None], z)
    by_target = z.reshape((z.shape[0] // n, n, n, c))
    return (by_target + expand(of_j.reshape((z.shape[0] // n, 1, n, c)), by_target)).reshape(z.shape)


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
    return (1.0 - mask) * MASKED
