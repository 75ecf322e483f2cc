"""Reference backend: the operators of the model in plain MindSpore, as the AF3 supplement writes them.

Pairs z are [n_target * N, N, c_z]: the targets of a batch below one another, all padded to N tokens. Singles, masks and
alignments are stacked likewise: [n_target * N, ...], [n_target * N_msa, N, c_m].
"""

from collections.abc import Callable
from typing import Any

from mindspore import Tensor, ops
from mindspore import dtype as mstype

from pfold.constants import LDDT_THRESHOLDS, N_POSITION_BINS
from pfold.errors import PfoldError
from pfold.kernels.chunks import row_chunks
from pfold.kernels.plain import affine as affine
from pfold.kernels.plain import gated_transition as gated_transition
from pfold.kernels.plain import normalise, plain_layer_norm, plain_linear, plain_transition
from pfold.kernels.tensors import Params, attention, expand, key_bias, merge_heads, outer_sum, split_heads

layer_norm = normalise
# Whether updates of pairs and MSA rows change the tensor that is passed in.
IN_PLACE = False
# Channels of a head of triangle attention (AF3 supplement, section 3.6).
TRIANGLE_HEAD_CHANNELS = 32

_outgoing_product = ops.BatchMatMul(transpose_b=True)
_product = ops.BatchMatMul()


def each_target(function: Callable[..., Tensor], p: Any, z: Tensor, *others: Tensor) -> Tensor:
    """Apply function(p, z, *others) to each target's rows of z and of the others, and stack the results."""
    n_target = z.shape[0] // z.shape[1]
    if n_target == 1:
        return function(p, z, *others)
    results = []
    for i in range(n_target):
        mine = []
        for x in others:
            mine.append(x[i * (x.shape[0] // n_target) : (i + 1) * (x.shape[0] // n_target)])
        results.append(function(p, z[i * z.shape[1] : (i + 1) * z.shape[1]], *mine))
    return ops.concat(results, axis=0)


def _triangle_operands(p: Params, h: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    a = ops.sigmoid(plain_linear(p, "linear_a_g", h)) * plain_linear(p, "linear_a_p", h)
    b = ops.sigmoid(plain_linear(p, "linear_b_g", h)) * plain_linear(p, "linear_b_p", h)
    present = expand((mask[:, None] * mask[None, :])[:, :, None], a)
    return present * a, present * b


def _multiply(p: Params, z: Tensor, mask: Tensor, product: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    h = plain_layer_norm(p, "layer_norm_in", z)
    a, b = _triangle_operands(p, h, mask)
    update = plain_linear(p, "linear_z", plain_layer_norm(p, "layer_norm_out", product(a, b)))
    return z + update * ops.sigmoid(plain_linear(p, "linear_g", h))


def _outgoing(a: Tensor, b: Tensor) -> Tensor:
    return _outgoing_product(a.transpose(2, 0, 1), b.transpose(2, 0, 1)).transpose(1, 2, 0)


def _incoming(a: Tensor, b: Tensor) -> Tensor:
    return _product(a.transpose(2, 1, 0), b.transpose(2, 0, 1)).transpose(1, 2, 0)


def _multiply_outgoing(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    return _multiply(p, z, mask, _outgoing)


def _multiply_incoming(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    return _multiply(p, z, mask, _incoming)


def triangle_multiplication_outgoing(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """Triangle multiplicative update with outgoing edges, AF3 Algorithm 12; see `pfold.kernels`."""
    return each_target(_multiply_outgoing, p, z, mask)


def triangle_multiplication_incoming(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """Triangle multiplicative update with incoming edges, AF3 Algorithm 13; see `pfold.kernels`."""
    return each_target(_multiply_incoming, p, z, mask)


def triangle_heads(p: Params, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """AF3 Algorithm 14, lines 1-4: normalised pairs h, q, k, v [N, H, N, d] and bias [H, N, N] of absent keys too."""
    h = plain_layer_norm(p, "layer_norm", z)
    mha = p["mha"]
    n_head = mha["linear_q.weight"].shape[0] // TRIANGLE_HEAD_CHANNELS
    q, k = split_heads(plain_linear(mha, "linear_q", h), n_head), split_heads(plain_linear(mha, "linear_k", h), n_head)
    v = split_heads(plain_linear(mha, "linear_v", h), n_head)
    bias = plain_linear(p, "linear", h).transpose(2, 0, 1)
    return h, q, k, v, bias + expand(key_bias(mask), bias)


def gated_heads(p: Params, z: Tensor, h: Tensor, o: Tensor) -> Tensor:
    """AF3 Algorithm 14, lines 6-7, added to z.  h [N, N, c_z], o [N, H, N, d] -> [N, N, c_z]."""
    mha = p["mha"]
    return z + plain_linear(mha, "linear_o", merge_heads(o) * ops.sigmoid(plain_linear(mha, "linear_g", h)))


def _attend_rows(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    chunks = []
    for start, stop in row_chunks(q.shape[0], 3 * bias.shape[0] * q.shape[0] * q.shape[0]):
        chunks.append(attention(q[start:stop], k[start:stop], v[start:stop], bias))
    return chunks[0] if len(chunks) == 1 else ops.concat(chunks, axis=0)


def triangle_attention(attend: Callable[..., Tensor], *, ending: bool) -> Callable[[Params, Tensor, Tensor], Tensor]:
    """Triangle self-attention around the starting or the ending node by an attention of rows.

    attend: q, k, v [N, H, N, d], bias [H, N, N] -> [N, H, N, d].
    """

    def update(p: Params, z: Tensor, mask: Tensor) -> Tensor:
        rows = z.transpose(1, 0, 2) if ending else z
        h, q, k, v, bias = triangle_heads(p, rows, mask)
        updated = gated_heads(p, rows, h, attend(q, k, v, bias))
        return updated.transpose(1, 0, 2) if ending else updated

    def update_each(p: Params, z: Tensor, mask: Tensor) -> Tensor:
        return each_target(update, p, z, mask)

    return update_each


# AF3 Algorithms 14 and 15; see `pfold.kernels`.
triangle_attention_starting = triangle_attention(_attend_rows, ending=False)
triangle_attention_ending = triangle_attention(_attend_rows, ending=True)


def row_transition(p: Params, x: Tensor, mask: Tensor) -> Tensor:
    """Gated transition of pairs or of MSA rows, AF3 Algorithm 11; see `pfold.kernels`."""
    return x + plain_transition(p, x)


def _outer_product_mean(p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> Tensor:
    h = plain_layer_norm(p, "layer_norm", m)
    a, b = plain_linear(p, "linear_1", h), plain_linear(p, "linear_2", h)
    rows = expand(msa_mask[:, None, None], a)
    a, b = rows * a, rows * b
    n_msa, n, c = a.shape
    right = b.reshape((n_msa, n * c))
    chunks = []
    for start, stop in row_chunks(n, 2 * n * c * c):
        left = a[:, start:stop].reshape((n_msa, (stop - start) * c))
        outer = ops.matmul(left.transpose(1, 0), right).reshape((stop - start, c, n, c))
        chunks.append(plain_linear(p, "linear_out", outer.transpose(0, 2, 1, 3).reshape((stop - start, n, c * c))))
    x = chunks[0] if len(chunks) == 1 else ops.concat(chunks, axis=0)
    return z + x / (msa_mask.sum() + 1e-3)


def outer_product_mean(p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> Tensor:
    """Outer product mean, AF3 Algorithm 9; see `pfold.kernels`."""
    return each_target(_outer_product_mean, p, z, mask, m, msa_mask)


def _average(p: Params, z: Tensor, mask: Tensor, m: Tensor) -> Tensor:
    h = plain_layer_norm(p, "layernorm_m", m)
    n_head = p["linear_no_bias_z.weight"].shape[0]
    v = plain_linear(p, "linear_no_bias_mv", h)
    n_msa, n, c = v.shape[0], v.shape[1], v.shape[2] // n_head
    bias = plain_linear(p, "linear_no_bias_z", plain_layer_norm(p, "layernorm_z", z)).transpose(2, 0, 1)
    w = ops.softmax(bias + expand(key_bias(mask), bias), axis=-1)
    columns = v.reshape((n_msa, n, n_head, c)).transpose(2, 1, 0, 3).reshape((n_head, n, n_msa * c))
    o = _product(w, columns).reshape((n_head, n, n_msa, c)).transpose(2, 1, 0, 3).reshape(v.shape)
    return m + plain_linear(p, "linear_no_bias_out", ops.sigmoid(plain_linear(p, "linear_no_bias_mg", h)) * o)


def pair_weighted_averaging(p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> tuple[Tensor, Tensor]:
    """MSA pair-weighted averaging, AF3 Algorithm 10; see `pfold.kernels`."""
    return each_target(_average, p, z, mask, m), z


def _bias(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    bias = plain_linear(p, "linear_nobias_z", plain_layer_norm(p, "layernorm_z", z)).transpose(2, 0, 1)
    return bias + expand(key_bias(mask), bias)


def pair_bias(p: Params, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Attention bias of each head from pairs, AF3 Algorithm 24, line 8; see `pfold.kernels`."""
    return each_target(_bias, p, z, mask), z


def relative_position_encoding(p: Params, f: Params) -> Tensor:
    """Relative position encoding, AF3 Algorithm 3.  f: device features -> [N, N, c_z].

    The product with a concatenation of one-hot vectors is a sum of look-ups in the weight matrix.
    """
    table = p["linear_no_bias.weight"].transpose(1, 0)
    position = table[:N_POSITION_BINS]
    token = table[N_POSITION_BINS : 2 * N_POSITION_BINS]
    same_entity = table[2 * N_POSITION_BINS]
    chain = table[2 * N_POSITION_BINS + 1 :]
    x = ops.gather(position, f["relative_residue"], 0) + ops.gather(token, f["relative_token"], 0)
    x = x + ops.gather(chain, f["relative_chain"], 0)
    return x + affine(f["same_entity"][:, :, None], same_entity[:, None])


def pair_embedding(p: Params, z: Tensor, mask: Tensor, f: Params, of_i: Tensor, of_j: Tensor) -> Tensor:
    """Pairs of a recycling cycle, AF3 Algorithm 1, lines 3-5 and 8; see `pfold.kernels`."""
    x = plain_linear(p, "linear_no_bias_z_cycle", plain_layer_norm(p, "layernorm_z_cycle", z))
    return embed_pairs(p, x, f, of_i, of_j)


def embed_pairs(p: Params, x: Tensor, f: Params, of_i: Tensor, of_j: Tensor) -> Tensor:
    """Relative positions, bonds and both tokens added to recycled pairs x [N, N, c_z]."""
    x = x + relative_position_encoding(p["relative_position_encoding"], f)
    x = x + plain_linear(p, "linear_no_bias_token_bond", f["token_bonds"][:, :, None])
    return outer_sum(x, of_i, of_j)


def pair_logits(p: Params, norm: str, layer: str, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """Layer norm and linear layer of rows of the pairs, by their names; see `pfold.kernels`."""
    return plain_linear(p, layer, plain_layer_norm(p, norm, ops.gather(z, rows, 0)))


def _mirror(_: Any, z: Tensor) -> Tensor:
    return z + z.transpose(1, 0, 2)


def symmetric_pair_logits(p: Params, norm: str, layer: str, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """As `pair_logits`, of z_ij + z_ji; an empty name of the layer norm leaves it out; see `pfold.kernels`."""
    x = ops.gather(each_target(_mirror, p, z), rows, 0)
    return plain_linear(p, layer, x if norm == "" else plain_layer_norm(p, norm, x))


def _embed_distances(p: Params, z: Tensor, x: Tensor) -> Tensor:
    delta = expand(x[:, None], ops.tile(x[None], (x.shape[0], 1, 1))) - ops.tile(x[None], (x.shape[0], 1, 1))
    d = ops.sqrt((delta * delta).sum(axis=-1, keepdims=True))
    distances = ops.tile(d, (1, 1, p["lower_bins"].shape[0]))
    above = distances > expand(p["lower_bins"], distances)
    below = distances < expand(p["upper_bins"], distances)
    bins = ops.logical_and(above, below).astype(z.dtype)
    return z + plain_linear(p, "linear_no_bias_d", bins) + plain_linear(p, "linear_no_bias_d_wo_onehot", d)


def confidence_pairs(p: Params, z: Tensor, mask: Tensor, of_i: Tensor, of_j: Tensor, x: Tensor) -> Tensor:
    """Pairs of the confidence head, AF3 Algorithm 31, lines 1-3; z stays as it is; see `pfold.kernels`."""
    return each_target(_embed_distances, p, outer_sum(z, of_i, of_j), x)


def condition_pairs(p: Params, f: Params, z: Tensor) -> Tensor:
    """Pair conditioning, AF3 Algorithm 21, lines 1-5.  z [N, N, c_z] -> [N, N, c_z]; the same in every step."""
    h = ops.concat([z, relative_position_encoding(p["relpe"], f)], axis=-1)
    h = plain_linear(p, "linear_no_bias_z", plain_layer_norm(p, "layernorm_z", h))
    h = h + plain_transition(p["transition_z1"], h)
    return h + plain_transition(p["transition_z2"], h)


def diffusion_pairs(
    p: Params, encoder: Params, blocks: list[Params], z: Tensor, mask: Tensor, f: Params
) -> tuple[Tensor, Tensor]:
    """AF3 Algorithms 5 (line 10), 21 and 24 (line 8); see `pfold.kernels`."""
    z = condition_pairs(p, f, z)
    n = z.shape[1]
    biases = []
    for target in range(z.shape[0] // n):
        for block in blocks:
            biases.append(_bias(block, z[target * n : (target + 1) * n], mask[target * n : (target + 1) * n]))
    return ops.concat(biases, axis=0), plain_linear(
        encoder, "linear_no_bias_z", plain_layer_norm(encoder, "layernorm_z", z)
    )


def each_block_target(
    attend: Callable[..., Tensor], rows: tuple[Tensor, ...], gate: Tensor, bias: Tensor, block: int, n_block: int
) -> Tensor:
    """Gated attention of each target's tokens with the biases of one block.

    attend: function of q, k, v [n_sample, H, N, d] and bias [1, H, N, N]; rows: q, k and v, as `gate` and the result.
    """
    n = bias.shape[-1]
    n_target = gate.shape[-2] // n
    n_head = bias.shape[0] // (n_target * n_block)
    outputs = []
    for i in range(n_target):
        first = (i * n_block + block) * n_head
        heads = []
        for x in rows:
            mine = x[..., i * n : (i + 1) * n, :]
            heads.append(split_heads(mine.reshape((-1, n, mine.shape[-1])), n_head))
        o = merge_heads(attend(heads[0], heads[1], heads[2], bias[first : first + n_head][None]))
        outputs.append(o.reshape(gate.shape[:-2] + (n, gate.shape[-1])))
    o = outputs[0] if n_target == 1 else ops.concat(outputs, axis=-2)
    return o * ops.sigmoid(gate)


def token_attention(
    q: Tensor, k: Tensor, v: Tensor, gate: Tensor, bias: Tensor, mask: Tensor, block: int, n_block: int
) -> Tensor:
    """Gated attention of tokens, AF3 Algorithm 24, lines 8-11; see `pfold.kernels`."""
    return each_block_target(attention, (q, k, v), gate, bias, block, n_block)


def window_attention(q: Tensor, k: Tensor, v: Tensor, gate: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    """Gated attention over windows of atoms, AF3 Algorithm 7; see `pfold.kernels`."""
    n_window, n_head, n_query = bias.shape[0], bias.shape[1], bias.shape[2]
    windows = q.reshape(q.shape[:-2] + (n_window, n_query, q.shape[-1]))
    k, v = ops.gather(k, keys, k.ndim - 2), ops.gather(v, keys, v.ndim - 2)
    o = attention(split_heads(windows, n_head), split_heads(k, n_head), split_heads(v, n_head), bias)
    return merge_heads(o).reshape(q.shape) * ops.sigmoid(gate)


def adaptive_norm(a: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """sigmoid(scale) * layer norm of a + shift, AF3 Algorithm 26; see `pfold.kernels`."""
    return expand(ops.sigmoid(scale), a) * normalise(a) + expand(shift, a)


def gated_sum(a: Tensor, gate: Tensor, x: Tensor) -> Tensor:
    """a + sigmoid(gate) * x; see `pfold.kernels`."""
    return a + expand(ops.sigmoid(gate), x) * x


def smooth_lddt(x: Tensor, distance: Tensor, mask: Tensor) -> Tensor:
    """Smooth lDDT of each sample, AF3 Algorithm 27; see `pfold.kernels`."""
    n_atom = x.shape[1]
    scores = []
    for i in range(x.shape[0]):
        y = x[i]
        difference = ops.tile(y[:, None], (1, n_atom, 1)) - ops.tile(y[None], (n_atom, 1, 1))
        # Absent atoms may coincide: their distance has no derivative, and does not count.
        d = ops.sqrt(ops.maximum((difference * difference).sum(axis=-1), Tensor(1e-12, mstype.float32)))
        error = ops.abs(d - distance)
        kept = ops.zeros_like(error)
        for threshold in LDDT_THRESHOLDS:
            kept = kept + ops.sigmoid(threshold - error)
        scores.append((kept * mask).sum() / (len(LDDT_THRESHOLDS) * (mask.sum() + 1e-10)))
    return ops.stack(scores)


def finish_updates(z: Tensor) -> Tensor:
    """What a graph returns for pairs or MSA rows it has updated: the new ones, or a token where they are in place."""
    return z


def release_memory() -> None:
    """Give back scratch memory that operators keep from one to the next; called between stages."""


def refusal() -> PfoldError | None:
    """What an operator has refused to do since the last look, in its words; None where none has."""
    return None


def identity() -> str:
    """What tells compiled graphs with these operators from those with others of the same backend."""
    return ""
