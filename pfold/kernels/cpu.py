"""CPU backend: the fused C++ operators of kernels/cpu, as MindSpore custom operators; see `pfold.kernels`.

Updates of pairs and MSA rows happen in place: the tensor that was passed in changes, and graphs must read on from what
the operator returned. Nothing is computed for padding.

Inputs and weights of an operator are declared once, in kernels/cpu/operators.h. Here each operator names them, and
weights also what the checkpoint calls them; where the two differ, the library is refused when it is loaded.
"""

from typing import Any

import mindspore as ms
from mindspore import Tensor, ops

from pfold.kernels import plain
from pfold.kernels.library import ABSENT, LIBRARY, entries, in_place, operator, read_weights
from pfold.kernels.library import refusal as refusal
from pfold.kernels.library import release_memory as release_memory
from pfold.kernels.tensors import Params

# Whether updates of pairs and MSA rows change the tensor that is passed in.
IN_PLACE = True

_depend = ops.Depend()

Shape = tuple[int, ...]


def identity() -> str:
    """The library's name, which holds a digest of its sources."""
    return str(LIBRARY)


def first(*inputs: Any) -> Any:
    """Shape or type of an output: the first input's."""
    return inputs[0]


def _float32(*_: Any) -> Any:
    return ms.float32


TRIANGLE_MULTIPLICATION = entries(
    "TriangleMultiplication",
    norm_in="layer_norm_in.weight",
    norm_in_bias="layer_norm_in.bias",
    a_gate="linear_a_g.weight",
    a="linear_a_p.weight",
    b_gate="linear_b_g.weight",
    b="linear_b_p.weight",
    norm_out="layer_norm_out.weight",
    norm_out_bias="layer_norm_out.bias",
    gate="linear_g.weight",
    out="linear_z.weight",
)
_multiply_outgoing = in_place("TriangleMultiplicationOutgoing", "z mask", "TriangleMultiplication")
_multiply_incoming = in_place("TriangleMultiplicationIncoming", "z mask", "TriangleMultiplication")


def triangle_multiplication_outgoing(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 12; see `pfold.kernels`."""
    return _depend(z, _multiply_outgoing(z, mask, *read_weights(p, TRIANGLE_MULTIPLICATION)))


def triangle_multiplication_incoming(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 13; see `pfold.kernels`."""
    return _depend(z, _multiply_incoming(z, mask, *read_weights(p, TRIANGLE_MULTIPLICATION)))


TRIANGLE_ATTENTION = entries(
    "TriangleAttention",
    norm="layer_norm.weight",
    norm_bias="layer_norm.bias",
    bias="linear.weight",
    q="mha/linear_q.weight",
    k="mha/linear_k.weight",
    v="mha/linear_v.weight",
    gate="mha/linear_g.weight",
    out="mha/linear_o.weight",
)
_attend_starting = in_place("TriangleAttentionStarting", "z mask", "TriangleAttention")
_attend_ending = in_place("TriangleAttentionEnding", "z mask", "TriangleAttention")


def triangle_attention_starting(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 14; see `pfold.kernels`."""
    return _depend(z, _attend_starting(z, mask, *read_weights(p, TRIANGLE_ATTENTION)))


def triangle_attention_ending(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 15; see `pfold.kernels`."""
    return _depend(z, _attend_ending(z, mask, *read_weights(p, TRIANGLE_ATTENTION)))


TRANSITION = entries(
    "Transition",
    norm="layernorm1.weight",
    norm_bias="layernorm1.bias",
    a="linear_no_bias_a.weight",
    b="linear_no_bias_b.weight",
    out="linear_no_bias.weight",
)
_row_transition = in_place("RowTransition", "x mask", "Transition")


def row_transition(p: Params, x: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 11; see `pfold.kernels`."""
    return _depend(x, _row_transition(x, mask, *read_weights(p, TRANSITION)))


OUTER_PRODUCT_MEAN = entries(
    "OuterProductMean",
    norm="layer_norm.weight",
    norm_bias="layer_norm.bias",
    a="linear_1.weight",
    b="linear_2.weight",
    out="linear_out.weight",
    out_bias="linear_out.bias",
)
_outer_product_mean = in_place("OuterProductMean", "z mask m msa_mask", "OuterProductMean")


def outer_product_mean(p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> Tensor:
    """AF3 Algorithm 9; see `pfold.kernels`."""
    return _depend(z, _outer_product_mean(z, mask, m, msa_mask, *read_weights(p, OUTER_PRODUCT_MEAN)))


_PAIR_WEIGHTED_AVERAGING = entries(
    "PairWeightedAveraging",
    norm_m="layernorm_m.weight",
    norm_m_bias="layernorm_m.bias",
    v="linear_no_bias_mv.weight",
    norm_z="layernorm_z.weight",
    norm_z_bias="layernorm_z.bias",
    bias="linear_no_bias_z.weight",
    gate="linear_no_bias_mg.weight",
    out="linear_no_bias_out.weight",
)
_pair_weighted_averaging = in_place("PairWeightedAveraging", "z mask m msa_mask", "PairWeightedAveraging")


def pair_weighted_averaging(p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> tuple[Tensor, Tensor]:
    """AF3 Algorithm 10; see `pfold.kernels`."""
    done = _pair_weighted_averaging(z, mask, m, msa_mask, *read_weights(p, _PAIR_WEIGHTED_AVERAGING))
    return _depend(m, done), _depend(z, done)


def _bias_shape(z: Shape, mask: Shape, norm: Shape, weight: Shape, norm_bias: Shape) -> list[int]:
    return [z[0] // z[1] * weight[0], z[1], z[1]]


_PAIR_BIAS = entries(
    "PairBias", norm="layernorm_z.weight", norm_bias="layernorm_z.bias", weight="linear_nobias_z.weight"
)
_pair_bias = operator("PairBias", "z mask", "PairBias", _bias_shape, _float32)


def pair_bias(p: Params, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """AF3 Algorithm 24, line 8; see `pfold.kernels`."""
    bias = _pair_bias(z, mask, *read_weights(p, _PAIR_BIAS))
    return bias, _depend(z, bias)


def _relative_position(f: Params) -> tuple[Tensor, ...]:
    return (f["relative_residue"], f["relative_token"], f["relative_chain"], f["same_entity"])


_PAIR_EMBEDDING = entries(
    "PairEmbedding",
    norm="layernorm_z_cycle.weight",
    norm_bias="layernorm_z_cycle.bias",
    recycle="linear_no_bias_z_cycle.weight",
    relative_position="relative_position_encoding/linear_no_bias.weight",
    bond="linear_no_bias_token_bond.weight",
)
_pair_embedding = in_place("PairEmbedding", "z mask residue token chain same_entity bonds of_i of_j", "PairEmbedding")


def pair_embedding(p: Params, z: Tensor, mask: Tensor, f: Params, of_i: Tensor, of_j: Tensor) -> Tensor:
    """AF3 Algorithm 1, lines 3-5 and 8; see `pfold.kernels`."""
    inputs = (z, mask, *_relative_position(f), f["token_bonds"], of_i, of_j)
    return _depend(z, _pair_embedding(*inputs, *read_weights(p, _PAIR_EMBEDDING)))


_DISTANCE_EMBEDDING = entries(
    "DistanceEmbedding",
    lower="lower_bins",
    upper="upper_bins",
    bins="linear_no_bias_d.weight",
    distance="linear_no_bias_d_wo_onehot.weight",
)
_confidence_pairs = operator("ConfidencePairs", "z mask of_i of_j x", "DistanceEmbedding", first, first)


def confidence_pairs(p: Params, z: Tensor, mask: Tensor, of_i: Tensor, of_j: Tensor, x: Tensor) -> Tensor:
    """AF3 Algorithm 31, lines 1-3; see `pfold.kernels`."""
    return _confidence_pairs(z, mask, of_i, of_j, x, *read_weights(p, _DISTANCE_EMBEDDING))


def _logits_shape(z: Shape, mask: Shape, rows: Shape, weight: Shape, *_: Shape) -> list[int]:
    return [rows[0], z[1], weight[0]]


# Their layers have other names in each head: here they are those of `_logits_weights`.
_LOGITS = entries("PairLogits", weight="weight", norm="norm", norm_bias="norm_bias", bias="bias")
_pair_logits = operator("PairLogits", "z mask rows", "PairLogits", _logits_shape, _float32)
_symmetric_pair_logits = operator("SymmetricPairLogits", "z mask rows", "PairLogits", _logits_shape, _float32)


def _logits_weights(p: Params, norm: str, layer: str) -> tuple[Tensor, ...]:
    named = {"weight": p[layer + ".weight"]}
    if norm + ".weight" in p:
        named["norm"] = p[norm + ".weight"]
    if norm + ".bias" in p:
        named["norm_bias"] = p[norm + ".bias"]
    if layer + ".bias" in p:
        named["bias"] = p[layer + ".bias"]
    return read_weights(named, _LOGITS)


def pair_logits(p: Params, norm: str, layer: str, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """See `pfold.kernels`."""
    return _pair_logits(z, mask, rows, *_logits_weights(p, norm, layer))


def symmetric_pair_logits(p: Params, norm: str, layer: str, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """See `pfold.kernels`."""
    return _symmetric_pair_logits(z, mask, rows, *_logits_weights(p, norm, layer))


_CONDITIONING = entries(
    "PairConditioning",
    norm="layernorm_z.weight",
    norm_bias="layernorm_z.bias",
    linear="linear_no_bias_z.weight",
    relative_position="relpe/linear_no_bias.weight",
)
# The atom encoder's name for the layer that makes the token pairs' part of the atom pairs.
_ATOM_PAIRS = entries(
    "PairBias", norm="layernorm_z.weight", norm_bias="layernorm_z.bias", weight="linear_no_bias_z.weight"
)
_DIFFUSION_INPUTS = "z mask residue token chain same_entity"
# Where the shapes of the two weights that outputs depend on are: those of the atom pairs, and of the first block.
_ATOM_LAYER = len(_DIFFUSION_INPUTS.split()) + len(_CONDITIONING) + 2 * len(TRANSITION)
_BLOCK = _ATOM_LAYER + len(_PAIR_BIAS)
_WEIGHT = [entry for _, entry, _ in _PAIR_BIAS].index("linear_nobias_z.weight")


def _diffusion_shapes(*inputs: Shape) -> tuple[list[int], list[int]]:
    z, n_atom_pair, n_head = inputs[0], inputs[_ATOM_LAYER + _WEIGHT][0], inputs[_BLOCK + _WEIGHT][0]
    n_block = (len(inputs) - _BLOCK) // len(_PAIR_BIAS)
    return [z[0] // z[1] * n_block * n_head, z[1], z[1]], [z[0], z[1], n_atom_pair]


def _diffusion_types(*inputs: Any) -> tuple[Any, Any]:
    return inputs[0], ms.float32


_diffusion_pairs = operator(
    "DiffusionPairs",
    _DIFFUSION_INPUTS,
    "PairConditioning Transition Transition PairBias PairBias...",
    _diffusion_shapes,
    _diffusion_types,
)


def diffusion_pairs(
    p: Params, encoder: Params, blocks: list[Params], z: Tensor, mask: Tensor, f: Params
) -> tuple[Tensor, Tensor]:
    """AF3 Algorithms 5 (line 10), 21 and 24 (line 8); see `pfold.kernels`."""
    weights = read_weights(p, _CONDITIONING)
    weights = weights + read_weights(p["transition_z1"], TRANSITION) + read_weights(p["transition_z2"], TRANSITION)
    weights = weights + read_weights(encoder, _ATOM_PAIRS)
    for block in blocks:
        weights = weights + read_weights(block, _PAIR_BIAS)
    return _diffusion_pairs(z, mask, *_relative_position(f), *weights)


_token_attention = operator("TokenAttention", "q k v gate bias mask block", "", first, first)
_window_attention = operator("WindowAttention", "q k v gate keys bias", "", first, first)


def token_attention(
    q: Tensor, k: Tensor, v: Tensor, gate: Tensor, bias: Tensor, mask: Tensor, block: int, n_block: int
) -> Tensor:
    """AF3 Algorithm 24, lines 8-11; see `pfold.kernels`."""
    return _token_attention(q, k, v, gate, bias, mask, ms.Tensor([block, n_block], ms.int32))


def window_attention(q: Tensor, k: Tensor, v: Tensor, gate: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    """AF3 Algorithm 7; see `pfold.kernels`."""
    return _window_attention(q, k, v, gate, keys, bias)


def affine_shape(x: Shape, weight: Shape, bias: Shape) -> list[int]:
    """Shape of what an affine layer gives."""
    return [*x[:-1], weight[0]]


def transition_shape(x: Shape, weight_a: Shape, weight_b: Shape, weight_out: Shape) -> list[int]:
    """Shape of what a gated transition gives."""
    return [*x[:-1], weight_out[0]]


_affine = operator("Affine", "x weight bias", "", affine_shape, first)
_gated_transition = operator("GatedTransition", "x weight_a weight_b weight_out", "", transition_shape, first)
_layer_norm = operator("LayerNorm", "x", "Norm", first, first)
_adaptive_norm = operator("AdaptiveNorm", "a scale shift", "", first, first)
_gated_sum = operator("GatedSum", "a gate x", "", first, first)


def affine(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """See `pfold.kernels`."""
    if x.dtype != ms.float32:
        return plain.affine(x, weight, bias)
    return _affine(x, weight, ABSENT if bias is None else bias)


def gated_transition(x: Tensor, weight_a: Tensor, weight_b: Tensor, weight_out: Tensor) -> Tensor:
    """See `pfold.kernels`."""
    if x.dtype == ms.float32:
        return _gated_transition(x, weight_a, weight_b, weight_out)
    return plain.gated_transition(x, weight_a, weight_b, weight_out)


def layer_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """See `pfold.kernels`."""
    return _layer_norm(x, ABSENT if weight is None else weight, ABSENT if bias is None else bias)


def adaptive_norm(a: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """AF3 Algorithm 26; see `pfold.kernels`."""
    return _adaptive_norm(a, scale, shift)


def gated_sum(a: Tensor, gate: Tensor, x: Tensor) -> Tensor:
    """See `pfold.kernels`."""
    return _gated_sum(a, gate, x)


_touch = in_place("Touch", "x")


def finish_updates(z: Tensor) -> Tensor:
    """A token, since pairs and MSA rows changed in place."""
    return _touch(z)
