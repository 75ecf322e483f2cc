"""Layers in plain MindSpore, of which the backends are made where they have nothing faster.

Models call `pfold.model.primitives`, which go through the backend in use.
"""

from mindspore import Tensor, ops
from mindspore import dtype as mstype

from pfold.kernels.chunks import row_chunks
from pfold.kernels.tensors import Params

_layer_norm = ops.LayerNorm(begin_norm_axis=-1, begin_params_axis=-1, epsilon=1e-5)
_matmul_transposed = ops.MatMul(transpose_b=True)


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


def plain_linear(p: Params, name: str, x: Tensor) -> Tensor:
    """The linear layer `name`, with or without bias, as the checkpoint has it.  x [..., c_in] -> [..., c_out]."""
    if name + ".bias" in p:
        return affine(x, p[name + ".weight"], p[name + ".bias"])
    return affine(x, p[name + ".weight"])


def plain_layer_norm(p: Params, name: str, x: Tensor) -> Tensor:
    """The layer norm `name` with its scale and, where the checkpoint has one, offset.  x [..., c] -> [..., c]."""
    if name + ".bias" in p:
        return normalise(x, p[name + ".weight"], p[name + ".bias"])
    return normalise(x, p[name + ".weight"])


def gated_transition(x: Tensor, weight_a: Tensor, weight_b: Tensor, weight_out: Tensor) -> Tensor:
    """Gated feed-forward silu(x A) * (x B) projected back, in chunks of rows.  x [..., c] -> [..., c_out]."""
    rows = x.reshape((-1, x.shape[-1]))
    chunks = []
    for start, stop in row_chunks(rows.shape[0], 3 * weight_a.shape[0]):
        part = rows[start:stop]
        chunks.append(affine(ops.silu(affine(part, weight_a)) * affine(part, weight_b), weight_out))
    y = chunks[0] if len(chunks) == 1 else ops.concat(chunks, axis=0)
    return y.reshape(x.shape[:-1] + (weight_out.shape[0],))


def plain_transition(p: Params, x: Tensor) -> Tensor:
    """Gated transition, AF3 Algorithm 11.  x [..., c] -> [..., c]."""
    a, b = p["linear_no_bias_a.weight"], p["linear_no_bias_b.weight"]
    return gated_transition(plain_layer_norm(p, "layernorm1", x), a, b, p["linear_no_bias.weight"])
