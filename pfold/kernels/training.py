"""Training backend for CPUs: the fused C++ operators with their derivatives, float32, one target; see `pfold.kernels`.

Nothing is updated in place. What C++ has no derivative for is plain MindSpore, whose own it has.
"""

from collections.abc import Callable
from typing import Any

import mindspore as ms
from mindspore import Tensor, ops

from pfold.kernels import cpu, reference
from pfold.kernels.library import ABSENT, operator, read_weights
from pfold.kernels.library import refusal as refusal
from pfold.kernels.library import release_memory as release_memory
from pfold.kernels.tensors import Params, expand, key_bias

IN_PLACE = False

Shape = tuple[int, ...]

confidence_pairs = reference.confidence_pairs
diffusion_pairs = reference.diffusion_pairs
pair_weighted_averaging = reference.pair_weighted_averaging
relative_position_encoding = reference.relative_position_encoding
finish_updates, identity = reference.finish_updates, cpu.identity


def _float32s(count: int) -> Callable[..., tuple[Any, ...]]:
    """Types of an operator's outputs."""

    def types(*_: Any) -> tuple[Any, ...]:
        return (ms.float32,) * count

    return types


def _gradient(name: str, inputs: str, weights: str, of: tuple[int, ...]) -> ops.Custom:
    """A derivative, whose outputs have the shapes of the inputs with the numbers `of`."""

    def shapes(*given: Shape) -> tuple[list[int], ...]:
        return tuple(list(given[i]) for i in of)

    return operator(f"{name}Gradient", inputs, weights, shapes, _float32s(len(of)))


def _or_zero(gradient: Tensor, x: Tensor) -> Tensor:
    """The gradient of an input, or of one that is left out zero in its own type."""
    return ops.zeros_like(x) if x.dtype == ms.bool_ else gradient


def _joined(found: tuple[Tensor, ...], mask: Tensor, weights: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Gradients of z, of the mask and of each weight, in the order of an operator on pairs."""
    joined: tuple[Tensor, ...] = (found[0], ops.zeros_like(mask))
    for i in range(len(weights)):
        joined = joined + (_or_zero(found[1 + i], weights[i]),)
    return joined


def _copying(name: str, inputs: str, weights: str, bprop: Callable[..., Any]) -> ops.Custom:
    """An operator that changes its first input, on a copy of it."""
    return operator(f"{name}Copy", inputs, weights, cpu.first, cpu.first, bprop)


# MindSpore counts the arguments of a derivative: they can't be gathered by "*".
def _multiplication(name: str) -> ops.Custom:
    gradient = _gradient(name, "z mask dout", "TriangleMultiplication", (0, *range(3, 13)))

    def bprop(z, mask, a, b, c, d, e, f, g, h, i, j, out, dout):  # type: ignore[no-untyped-def]
        return _joined(gradient(z, mask, dout, a, b, c, d, e, f, g, h, i, j), mask, (a, b, c, d, e, f, g, h, i, j))

    return _copying(name, "z mask", "TriangleMultiplication", bprop)


def _attention(name: str) -> ops.Custom:
    gradient = _gradient(name, "z mask dout", "TriangleAttention", (0, *range(3, 11)))

    def bprop(z, mask, a, b, c, d, e, f, g, h, out, dout):  # type: ignore[no-untyped-def]
        return _joined(gradient(z, mask, dout, a, b, c, d, e, f, g, h), mask, (a, b, c, d, e, f, g, h))

    return _copying(name, "z mask", "TriangleAttention", bprop)


_row_transition_gradient = _gradient("RowTransition", "x mask dout", "Transition", (0, *range(3, 8)))


def _row_transition_bprop(x, mask, a, b, c, d, e, out, dout):  # type: ignore[no-untyped-def]
    return _joined(_row_transition_gradient(x, mask, dout, a, b, c, d, e), mask, (a, b, c, d, e))


_outer_product_gradient = _gradient("OuterProductMean", "m msa_mask dout", "OuterProductMean", (0, *range(3, 9)))


def _outer_product_bprop(z, mask, m, msa_mask, a, b, c, d, e, f, out, dout):  # type: ignore[no-untyped-def]
    found = _outer_product_gradient(m, msa_mask, dout, a, b, c, d, e, f)
    return (dout, ops.zeros_like(mask), *_joined(found, msa_mask, (a, b, c, d, e, f)))


_multiply_outgoing = _multiplication("TriangleMultiplicationOutgoing")
_multiply_incoming = _multiplication("TriangleMultiplicationIncoming")
_attend_starting = _attention("TriangleAttentionStarting")
_attend_ending = _attention("TriangleAttentionEnding")
_row_transition = _copying("RowTransition", "x mask", "Transition", _row_transition_bprop)
_outer_product_mean = _copying("OuterProductMean", "z mask m msa_mask", "OuterProductMean", _outer_product_bprop)


def triangle_multiplication_outgoing(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 12; see `pfold.kernels`."""
    return _multiply_outgoing(z, mask, *read_weights(p, cpu.TRIANGLE_MULTIPLICATION))


def triangle_multiplication_incoming(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 13; see `pfold.kernels`."""
    return _multiply_incoming(z, mask, *read_weights(p, cpu.TRIANGLE_MULTIPLICATION))


def triangle_attention_starting(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 14; see `pfold.kernels`."""
    return _attend_starting(z, mask, *read_weights(p, cpu.TRIANGLE_ATTENTION))


def triangle_attention_ending(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 15; see `pfold.kernels`."""
    return _attend_ending(z, mask, *read_weights(p, cpu.TRIANGLE_ATTENTION))


def row_transition(p: Params, x: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 11; see `pfold.kernels`."""
    return _row_transition(x, mask, *read_weights(p, cpu.TRANSITION))


def outer_product_mean(p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> Tensor:
    """AF3 Algorithm 9; see `pfold.kernels`."""
    return _outer_product_mean(z, mask, m, msa_mask, *read_weights(p, cpu.OUTER_PRODUCT_MEAN))


def _affine_gradient_shapes(x: Shape, weight: Shape, dout: Shape) -> tuple[list[int], list[int], list[int]]:
    return list(x), list(weight), [weight[0]]


_affine_gradient = operator("AffineGradient", "x weight dout", "", _affine_gradient_shapes, _float32s(3))


def _affine_bprop(x: Tensor, weight: Tensor, bias: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor, ...]:
    dx, dweight, dbias = _affine_gradient(x, weight, dout)
    return dx, dweight, _or_zero(dbias, bias)


_affine = operator("Affine", "x weight bias", "", cpu.affine_shape, cpu.first, _affine_bprop)


def affine(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """See `pfold.kernels`."""
    return _affine(x, weight, ABSENT if bias is None else bias)


_layer_norm_gradient = _gradient("LayerNorm", "x dout", "Norm", (0, 2, 3))


def _layer_norm_bprop(x: Tensor, weight: Tensor, bias: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor, ...]:
    dx, dweight, dbias = _layer_norm_gradient(x, dout, weight, bias)
    return dx, _or_zero(dweight, weight), _or_zero(dbias, bias)


_layer_norm = operator("LayerNorm", "x", "Norm", cpu.first, cpu.first, _layer_norm_bprop)


def layer_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """See `pfold.kernels`."""
    return _layer_norm(x, ABSENT if weight is None else weight, ABSENT if bias is None else bias)


_transition_gradient = _gradient("GatedTransition", "x weight_a weight_b weight_out dout", "", (0, 1, 2, 3))


def _transition_bprop(
    x: Tensor, a: Tensor, b: Tensor, project: Tensor, out: Tensor, dout: Tensor
) -> tuple[Tensor, ...]:
    return _transition_gradient(x, a, b, project, dout)


_gated_transition = operator(
    "GatedTransition", "x weight_a weight_b weight_out", "", cpu.transition_shape, cpu.first, _transition_bprop
)


def gated_transition(x: Tensor, weight_a: Tensor, weight_b: Tensor, weight_out: Tensor) -> Tensor:
    """See `pfold.kernels`."""
    return _gated_transition(x, weight_a, weight_b, weight_out)


_adaptive_norm_gradient = _gradient("AdaptiveNorm", "a scale dout", "", (0, 1, 1))
_gated_sum_gradient = _gradient("GatedSum", "gate x dout", "", (0, 1))


def _adaptive_norm_bprop(a: Tensor, scale: Tensor, shift: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor, ...]:
    return _adaptive_norm_gradient(a, scale, dout)


def _gated_sum_bprop(a: Tensor, gate: Tensor, x: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor, ...]:
    dgate, dx = _gated_sum_gradient(gate, x, dout)
    return dout, dgate, dx


_adaptive_norm = operator("AdaptiveNorm", "a scale shift", "", cpu.first, cpu.first, _adaptive_norm_bprop)
_gated_sum = operator("GatedSum", "a gate x", "", cpu.first, cpu.first, _gated_sum_bprop)


def adaptive_norm(a: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """AF3 Algorithm 26; see `pfold.kernels`."""
    return _adaptive_norm(a, scale, shift)


def gated_sum(a: Tensor, gate: Tensor, x: Tensor) -> Tensor:
    """See `pfold.kernels`."""
    return _gated_sum(a, gate, x)


_token_gradient = _gradient("TokenAttention", "q k v gate bias dout", "", (0, 1, 2, 3, 4))
_window_gradient = _gradient("WindowAttention", "q k v gate keys bias dout", "", (0, 1, 2, 3, 5))


def _token_bprop(q, k, v, gate, bias, mask, block, out, dout):  # type: ignore[no-untyped-def]
    dq, dk, dv, dgate, dbias = _token_gradient(q, k, v, gate, bias, dout)
    return dq, dk, dv, dgate, dbias, ops.zeros_like(mask), ops.zeros_like(block)


def _window_bprop(q, k, v, gate, keys, bias, out, dout):  # type: ignore[no-untyped-def]
    dq, dk, dv, dgate, dbias = _window_gradient(q, k, v, gate, keys, bias, dout)
    return dq, dk, dv, dgate, ops.zeros_like(keys), dbias


_token_attention = operator("TokenAttention", "q k v gate bias mask block", "", cpu.first, cpu.first, _token_bprop)
_window_attention = operator("WindowAttention", "q k v gate keys bias", "", cpu.first, cpu.first, _window_bprop)


def token_attention(
    q: Tensor, k: Tensor, v: Tensor, gate: Tensor, bias: Tensor, mask: Tensor, block: int, n_block: int
) -> Tensor:
    """AF3 Algorithm 24, lines 8-11, of a stack of one block; see `pfold.kernels`."""
    return _token_attention(q, k, v, gate, bias, mask, ms.Tensor([block, n_block], ms.int32))


def window_attention(q: Tensor, k: Tensor, v: Tensor, gate: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    """AF3 Algorithm 7; see `pfold.kernels`."""
    return _window_attention(q, k, v, gate, keys, bias)


def _bias(p: Params, name: str) -> Tensor | None:
    return p[name + ".bias"] if name + ".bias" in p else None  # noqa: SIM401, which graphs can't compile


def _linear(p: Params, name: str, x: Tensor) -> Tensor:
    return affine(x, p[name + ".weight"], _bias(p, name))


def _norm(p: Params, name: str, x: Tensor) -> Tensor:
    return layer_norm(x, p[name + ".weight"], _bias(p, name))


def pair_bias(p: Params, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """AF3 Algorithm 24, line 8; see `pfold.kernels`."""
    bias = _linear(p, "linear_nobias_z", _norm(p, "layernorm_z", z)).transpose(2, 0, 1)
    return bias + expand(key_bias(mask), bias), z


def pair_embedding(p: Params, z: Tensor, mask: Tensor, f: Params, of_i: Tensor, of_j: Tensor) -> Tensor:
    """AF3 Algorithm 1, lines 3-5 and 8; see `pfold.kernels`."""
    x = _linear(p, "linear_no_bias_z_cycle", _norm(p, "layernorm_z_cycle", z))
    return reference.embed_pairs(p, x, f, of_i, of_j)


def pair_logits(p: Params, norm: str, layer: str, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """See `pfold.kernels`."""
    return _linear(p, layer, _norm(p, norm, ops.gather(z, rows, 0)))


_mirror_gradient = operator("Mirror", "z", "", cpu.first, cpu.first)


def _mirror_bprop(z: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
    return (_mirror_gradient(dout),)


_mirror = operator("Mirror", "z", "", cpu.first, cpu.first, _mirror_bprop)


def symmetric_pair_logits(p: Params, norm: str, layer: str, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """See `pfold.kernels`."""
    x = ops.gather(_mirror(z), rows, 0)
    return _linear(p, layer, x if norm == "" else _norm(p, norm, x))


def condition_pairs(p: Params, f: Params, z: Tensor) -> Tensor:
    """AF3 Algorithm 21, lines 1-5; see `pfold.kernels.reference`."""
    h = ops.concat([z, relative_position_encoding(p["relpe"], f)], axis=-1)
    h = _linear(p, "linear_no_bias_z", _norm(p, "layernorm_z", h))
    mask = f["token_mask"]
    return row_transition(p["transition_z2"], row_transition(p["transition_z1"], h, mask), mask)


def _smooth_lddt_bprop(x, distance, mask, out, dout):  # type: ignore[no-untyped-def]
    to_x = out[1] * ops.tile(dout[0].reshape((-1, 1, 1)), (1, x.shape[1], 3))
    return to_x, ops.zeros_like(distance), ops.zeros_like(mask)


def _smooth_lddt_shapes(x: Shape, distance: Shape, mask: Shape) -> tuple[list[int], list[int]]:
    return [x[0]], list(x)


_smooth_lddt = operator("SmoothLddt", "x distance mask", "", _smooth_lddt_shapes, _float32s(2), _smooth_lddt_bprop)


def smooth_lddt(x: Tensor, distance: Tensor, mask: Tensor) -> Tensor:
    """Smooth lDDT of each sample, AF3 Algorithm 27; see `pfold.kernels`."""
    return _smooth_lddt(x, distance, mask)[0]
