"""MSA module (AF3 Algorithms 8-10); its pair stack, lines 9-13, is `pfold.model.pairformer.pair_stack`."""

from mindspore import Tensor, ops

import pfold.ops as kernels
from pfold.model.primitives import Params, key_bias, layer_norm, linear, transition

N_MSA_CLASSES = 32
AVERAGING_HEADS = 8


def embed_msa(p: Params, msa: Tensor, has_deletion: Tensor, deletion_value: Tensor, s_inputs: Tensor) -> Tensor:
    """MSA representation m, AF3 Algorithm 8, lines 1-4.

    msa [N_msa, N] int32, has_deletion and deletion_value [N_msa, N], s_inputs [N, c_s_inputs] -> [N_msa, N, c_m].
    The one-hot product of the paper is a row look-up in the weight matrix.
    """
    table = p["linear_no_bias_m.weight"].transpose(1, 0)
    m = ops.gather(table[:N_MSA_CLASSES], msa, 0)
    deletions = ops.stack([has_deletion, deletion_value], axis=-1)
    m = m + kernels.linear(deletions, table[N_MSA_CLASSES:].transpose(1, 0))
    return m + kernels.expand(linear(p, "linear_no_bias_s", s_inputs), m)


def outer_product_mean(p: Params, m: Tensor, msa_mask: Tensor) -> Tensor:
    """Outer product mean, AF3 Algorithm 9.  m [N_msa, N, c_m], msa_mask [N_msa] -> [N, N, c_z]."""
    h = layer_norm(p, "layer_norm", m)
    a, b = linear(p, "linear_1", h), linear(p, "linear_2", h)
    rows = kernels.expand(msa_mask[:, None, None], a)
    a, b = rows * a, rows * b
    norm = msa_mask.sum() + 1e-3
    return kernels.outer_product_mean(a, b, p["linear_out.weight"], p["linear_out.bias"], norm)


def msa_pair_weighted_averaging(p: Params, m: Tensor, z: Tensor, mask: Tensor) -> Tensor:
    """MSA pair-weighted averaging, AF3 Algorithm 10.  m [N_msa, N, c_m], z [N, N, c_z], mask [N] -> m's shape."""
    h = layer_norm(p, "layernorm_m", m)
    v = linear(p, "linear_no_bias_mv", h)
    v = v.reshape(v.shape[:-1] + (AVERAGING_HEADS, v.shape[-1] // AVERAGING_HEADS))
    bias = linear(p, "linear_no_bias_z", layer_norm(p, "layernorm_z", z)).transpose(2, 0, 1)
    w = ops.softmax(bias + kernels.expand(key_bias(mask), bias), axis=-1)
    g = ops.sigmoid(linear(p, "linear_no_bias_mg", h))
    o = kernels.pair_weighted_average(w, v).reshape(g.shape)
    return linear(p, "linear_no_bias_out", g * o)


def msa_communication(p: Params, m: Tensor, z: Tensor, msa_mask: Tensor) -> Tensor:
    """AF3 Algorithm 8, line 6.  m [N_msa, N, c_m], z [N, N, c_z], msa_mask [N_msa] -> [N, N, c_z]."""
    return z + outer_product_mean(p, m, msa_mask)


def msa_stack(p: Params, m: Tensor, z: Tensor, mask: Tensor) -> Tensor:
    """AF3 Algorithm 8, lines 7-8; a model's last block has none.  m [N_msa, N, c_m], z [N, N, c_z], mask [N]."""
    m = m + msa_pair_weighted_averaging(p["msa_pair_weighted_averaging"], m, z, mask)
    return m + transition(p["transition_m"], m)
