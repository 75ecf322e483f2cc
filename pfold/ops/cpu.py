"""CPU backend: the fused C++ operators of kernels/cpu, as MindSpore custom operators.

Same functions as `pfold.ops.reference`. Updates of pairs and alignments happen in place: the tensor that was passed in
changes, and graphs must read on from what the operator returned. Nothing is computed for padding.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from pfold.errors import OperatorError, OutOfMemoryError, PfoldError
from pfold.ops import layers
from pfold.ops.build import kernel_library
from pfold.ops.layers import Params

LIBRARY = kernel_library()
_library = ctypes.CDLL(str(LIBRARY))
_library.pfold_isa.restype = ctypes.c_char_p
_library.pfold_take_refusal.restype = ctypes.c_int

# Stands for a parameter that the checkpoint does not have.
_NONE = Tensor(np.zeros(1, np.float32))
_depend = ops.Depend()
# What pfold_take_refusal returns where memory was short (kernels/cpu/library.cpp).
_NO_MEMORY = 2

Shape = tuple[int, ...]


def instruction_set() -> str:
    """Which copy of the operators runs: portable, avx2, avx512 or avx512_bf16."""
    return str(_library.pfold_isa().decode())


def use_instruction_set(name: str) -> bool:
    """Run a copy for a narrower instruction set; False where the CPU lacks it."""
    return int(_library.pfold_use_isa(name.encode())) == 0


def take_refusal() -> PfoldError | None:
    """What an operator refused to do since the last look, in its words; None where none did."""
    words = ctypes.create_string_buffer(512)
    kind = _library.pfold_take_refusal(words, len(words))
    if kind == 0:
        return None
    said = words.value.decode(errors="replace")
    return OutOfMemoryError(f"out of memory: {said}") if kind == _NO_MEMORY else OperatorError(said)


def _operator(name: str, shape: Callable[..., Any], dtype: Callable[..., Any]) -> ops.Custom:
    return ops.Custom(f"{LIBRARY}:{name}", shape, dtype, func_type="aot")


def _in_place(name: str) -> ops.Custom:
    return _operator(name, lambda *_: [1], lambda *_: ms.float32)


def _first(*inputs: Any) -> Any:
    return inputs[0]


def _float32(*_: Any) -> Any:
    return ms.float32


def _bias_shape(z: Shape, mask: Shape, norm: Shape, offset: Shape, weight: Shape) -> list[int]:
    return [z[0] // z[1] * weight[0], z[1], z[1]]


def _logits_shape(
    z: Shape, mask: Shape, rows: Shape, norm: Shape, offset: Shape, weight: Shape, bias: Shape
) -> list[int]:
    return [rows[0], z[1], weight[0]]


def _linear_shape(x: Shape, weight: Shape, bias: Shape) -> list[int]:
    return [*x[:-1], weight[0]]


def _transition_shape(x: Shape, weight_a: Shape, weight_b: Shape, weight_out: Shape) -> list[int]:
    return [*x[:-1], weight_out[0]]


# Inputs of DiffusionPairs before the three of the atom pairs and of each block.
_DIFFUSION_INPUTS = 20


def _diffusion_shapes(*inputs: Shape) -> tuple[list[int], list[int]]:
    z, atom_pairs, block = inputs[0], inputs[_DIFFUSION_INPUTS + 2], inputs[_DIFFUSION_INPUTS + 5]
    n_block = (len(inputs) - _DIFFUSION_INPUTS) // 3 - 1
    return [z[0] // z[1] * n_block * block[0], z[1], z[1]], [z[0], z[1], atom_pairs[0]]


def _diffusion_types(*inputs: Any) -> tuple[Any, Any]:
    return inputs[0], ms.float32


_multiply_outgoing = _in_place("TriangleMultiplicationOutgoing")
_multiply_incoming = _in_place("TriangleMultiplicationIncoming")
_attend_starting = _in_place("TriangleAttentionStarting")
_attend_ending = _in_place("TriangleAttentionEnding")
_transition = _in_place("Transition")
_outer_product_mean = _in_place("OuterProductMean")
_pair_weighted_averaging = _in_place("PairWeightedAveraging")
_pair_embedding = _in_place("PairEmbedding")
_pair_bias = _operator("PairBias", _bias_shape, _float32)
_pair_linear = _operator("PairLinear", _logits_shape, _float32)
_pair_linear_symmetric = _operator("PairLinearSymmetric", _logits_shape, _float32)
_confidence_pairs = _operator("ConfidencePairs", _first, _first)
_diffusion_pairs = _operator("DiffusionPairs", _diffusion_shapes, _diffusion_types)
_token_attention = _operator("TokenAttention", _first, _first)
_window_attention = _operator("WindowAttention", _first, _first)
_row_linear = _operator("RowLinear", _linear_shape, _first)
_row_transition = _operator("RowTransition", _transition_shape, _first)
_layer_norm = _operator("LayerNorm", _first, _first)
_adaptive_norm = _operator("AdaptiveNorm", _first, _first)
_gated_sum = _operator("GatedSum", _first, _first)
_touch = _in_place("Touch")


def _optional(p: Params, name: str) -> Tensor:
    return p[name] if name in p else _NONE  # noqa: SIM401 (graphs know no dict.get)


def _multiplication_weights(p: Params) -> tuple[Tensor, ...]:
    norm = (p["layer_norm_in.weight"], _optional(p, "layer_norm_in.bias"))
    a = (p["linear_a_g.weight"], p["linear_a_p.weight"])
    b = (p["linear_b_g.weight"], p["linear_b_p.weight"])
    out = (p["layer_norm_out.weight"], _optional(p, "layer_norm_out.bias"), p["linear_g.weight"], p["linear_z.weight"])
    return norm + a + b + out


def triangle_multiplication_outgoing(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 12; see `pfold.ops.reference`."""
    return _depend(z, _multiply_outgoing(z, mask, *_multiplication_weights(p)))


def triangle_multiplication_incoming(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 13; see `pfold.ops.reference`."""
    return _depend(z, _multiply_incoming(z, mask, *_multiplication_weights(p)))


def _attention_weights(p: Params) -> tuple[Tensor, ...]:
    mha = p["mha"]
    norm = (p["layer_norm.weight"], _optional(p, "layer_norm.bias"), p["linear.weight"])
    heads = (mha["linear_q.weight"], mha["linear_k.weight"], mha["linear_v.weight"])
    return norm + heads + (mha["linear_g.weight"], mha["linear_o.weight"])


def triangle_attention_starting(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 14; see `pfold.ops.reference`."""
    return _depend(z, _attend_starting(z, mask, *_attention_weights(p)))


def triangle_attention_ending(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 15; see `pfold.ops.reference`."""
    return _depend(z, _attend_ending(z, mask, *_attention_weights(p)))


def _transition_weights(p: Params) -> tuple[Tensor, ...]:
    norm = (p["layernorm1.weight"], _optional(p, "layernorm1.bias"))
    return norm + (p["linear_no_bias_a.weight"], p["linear_no_bias_b.weight"], p["linear_no_bias.weight"])


def row_transition(p: Params, x: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 11; see `pfold.ops.reference`."""
    return _depend(x, _transition(x, mask, *_transition_weights(p)))


def outer_product_mean(p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> Tensor:
    """AF3 Algorithm 9; see `pfold.ops.reference`."""
    norm = (p["layer_norm.weight"], _optional(p, "layer_norm.bias"))
    layers = (p["linear_1.weight"], p["linear_2.weight"], p["linear_out.weight"], p["linear_out.bias"])
    return _depend(z, _outer_product_mean(z, mask, m, msa_mask, *norm, *layers))


def pair_weighted_averaging(p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> Tensor:
    """AF3 Algorithm 10; see `pfold.ops.reference`."""
    norm_m = (p["layernorm_m.weight"], _optional(p, "layernorm_m.bias"), p["linear_no_bias_mv.weight"])
    norm_z = (p["layernorm_z.weight"], _optional(p, "layernorm_z.bias"), p["linear_no_bias_z.weight"])
    out = (p["linear_no_bias_mg.weight"], p["linear_no_bias_out.weight"])
    return _depend(m, _pair_weighted_averaging(z, mask, m, msa_mask, *norm_m, *norm_z, *out))


def pair_bias(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 24, line 8; see `pfold.ops.reference`."""
    return _pair_bias(z, mask, *_bias_weights(p))


def _bias_weights(p: Params) -> tuple[Tensor, ...]:
    return (p["layernorm_z.weight"], _optional(p, "layernorm_z.bias"), p["linear_nobias_z.weight"])


def _relative_position(f: Params) -> tuple[Tensor, ...]:
    return (f["relative_residue"], f["relative_token"], f["relative_chain"], f["same_entity"])


def pair_embedding(p: Params, z: Tensor, mask: Tensor, f: Params, of_i: Tensor, of_j: Tensor) -> Tensor:
    """AF3 Algorithm 1, lines 3-5 and 8; see `pfold.ops.reference`."""
    norm = (p["layernorm_z_cycle.weight"], _optional(p, "layernorm_z_cycle.bias"), p["linear_no_bias_z_cycle.weight"])
    bond = p["linear_no_bias_token_bond.weight"].reshape((-1,))
    layers = norm + (p["relative_position_encoding"]["linear_no_bias.weight"], bond)
    return _depend(z, _pair_embedding(z, mask, *_relative_position(f), f["token_bonds"], *layers, of_i, of_j))


def pair_logits(p: Params, norm: str, layer: str, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """See `pfold.ops.reference`."""
    return _pair_linear(z, mask, rows, *_logits_weights(p, norm, layer))


def symmetric_pair_logits(p: Params, norm: str, layer: str, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """See `pfold.ops.reference`."""
    return _pair_linear_symmetric(z, mask, rows, *_logits_weights(p, norm, layer))


def _logits_weights(p: Params, norm: str, layer: str) -> tuple[Tensor, ...]:
    norms = (_optional(p, norm + ".weight"), _optional(p, norm + ".bias"))
    return norms + (p[layer + ".weight"], _optional(p, layer + ".bias"))


def confidence_pairs(p: Params, z: Tensor, mask: Tensor, of_i: Tensor, of_j: Tensor, x: Tensor) -> Tensor:
    """AF3 Algorithm 31, lines 1-3; see `pfold.ops.reference`."""
    bins = (p["lower_bins"], p["upper_bins"], p["linear_no_bias_d.weight"])
    distance = p["linear_no_bias_d_wo_onehot.weight"].reshape((-1,))
    return _confidence_pairs(z, mask, of_i, of_j, x, *bins, distance)


def diffusion_pairs(
    p: Params, encoder: Params, blocks: list[Params], z: Tensor, mask: Tensor, f: Params
) -> tuple[Tensor, Tensor]:
    """AF3 Algorithms 5 (line 10), 21 and 24 (line 8); see `pfold.ops.reference`."""
    norm = (p["layernorm_z.weight"], _optional(p, "layernorm_z.bias"), p["linear_no_bias_z.weight"])
    layers: tuple[Tensor, ...] = norm + (p["relpe"]["linear_no_bias.weight"],)
    layers = layers + _transition_weights(p["transition_z1"]) + _transition_weights(p["transition_z2"])
    atoms = (encoder["layernorm_z.weight"], _optional(encoder, "layernorm_z.bias"), encoder["linear_no_bias_z.weight"])
    layers = layers + atoms
    for block in blocks:
        layers = layers + _bias_weights(block)
    return _diffusion_pairs(z, mask, *_relative_position(f), *layers)


def token_attention(
    q: Tensor, k: Tensor, v: Tensor, gate: Tensor, bias: Tensor, mask: Tensor, block: int, n_block: int
) -> Tensor:
    """AF3 Algorithm 24, lines 8-11; see `pfold.ops.reference`."""
    return _token_attention(q, k, v, gate, bias, mask, ms.Tensor([block, n_block], ms.int32))


def window_attention(q: Tensor, k: Tensor, v: Tensor, gate: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    """AF3 Algorithm 7; see `pfold.ops.reference`."""
    return _window_attention(q, k, v, gate, keys, bias)


def affine(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """See `pfold.ops.layers`."""
    if x.dtype != ms.float32:
        return layers.affine(x, weight, bias)
    if bias is not None and bias.shape[0] == 1:  # The operator takes one element for none.
        return _row_linear(x, weight, _NONE) + bias
    return _row_linear(x, weight, _NONE if bias is None else bias)


def gated_transition(x: Tensor, weight_a: Tensor, weight_b: Tensor, weight_out: Tensor) -> Tensor:
    """See `pfold.ops.layers`."""
    if x.dtype == ms.float32:
        return _row_transition(x, weight_a, weight_b, weight_out)
    return layers.gated_transition(x, weight_a, weight_b, weight_out)


def layer_norm(p: Params, name: str, x: Tensor) -> Tensor:
    """See `pfold.ops.layers`."""
    return _layer_norm(x, p[name + ".weight"], _optional(p, name + ".bias"))


def adaptive_norm(a: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """AF3 Algorithm 26; see `pfold.ops.reference`."""
    return _adaptive_norm(a, scale, shift)


def gated_sum(a: Tensor, gate: Tensor, x: Tensor) -> Tensor:
    """See `pfold.ops.reference`."""
    return _gated_sum(a, gate, x)


def after(z: Tensor, read: Tensor) -> Tensor:
    """See `pfold.ops.reference`: no update in place may overtake what still reads z."""
    return _depend(z, read)


def release_memory() -> None:
    """See `pfold.ops.reference`."""
    _library.pfold_release_memory()


def updated(z: Tensor) -> Tensor:
    """What a graph returns for pairs (or an alignment) it has updated: a token, since they changed in place."""
    return _touch(z)
