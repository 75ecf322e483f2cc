"""Distogram and confidence heads (AF3 Algorithm 31 and supplement section 4.4)."""

from mindspore import Tensor, ops

from pfold import kernels
from pfold.model.pairformer import pairformer_block
from pfold.model.primitives import Params, layer_norm, linear

# The trunk's single representation is clipped to this range before the confidence head (reference: confidence.py).
S_CLIP = 512.0


def distogram_head(p: Params, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """Rows of the distogram logits, symmetric in i and j.  z [N, N, c_z], mask [N], rows [R] -> [R, N, 64] float32.

    The reference adds the linear layer's output at (i, j) and (j, i), its bias twice.
    """
    twice = {"linear.weight": p["linear.weight"], "linear.bias": 2.0 * p["linear.bias"]}
    return kernels.symmetric_pair_logits(twice, "", "linear", z, mask, rows)


def confidence_head(
    p: Params, blocks: list[Params], s_inputs: Tensor, s: Tensor, z: Tensor, mask: Tensor, x: Tensor, rows: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """AF3 Algorithm 31 on one sample, without its scores.

    s_inputs [N, c_s_inputs], s [N, c_s] and z [N, N, c_z] of the trunk, mask [N], x [N, 3]: positions of the tokens'
    representative atoms (Å); rows [R] of the pairs. Returns pae and pde [R, N, 64] of these rows; plddt [N, 24, 50] and
    resolved [N, 24, 2] for every atom slot of a token, all float32; and the head's pairs, for other rows.
    """
    s, z = embed_sample(p, s_inputs, s, z, mask, x)
    for i in range(len(blocks)):
        s, z = pairformer_block(blocks[i], s, z, mask)
    pae, pde = pair_error_logits(p, z, mask, rows)
    plddt, resolved = atom_logits(p, s)
    return pae, pde, plddt, resolved, z


def embed_sample(p: Params, s_inputs: Tensor, s: Tensor, z: Tensor, mask: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the confidence head's blocks begin with, AF3 Algorithm 31, lines 1-3 -> s [N, c_s], z [N, N, c_z]."""
    s = layer_norm(p, "input_strunk_ln", ops.clamp(s, -S_CLIP, S_CLIP))
    of_i, of_j = linear(p, "linear_no_bias_s2", s_inputs), linear(p, "linear_no_bias_s1", s_inputs)
    return s, kernels.confidence_pairs(p, z, mask, of_i, of_j, x)


def atom_logits(p: Params, s: Tensor) -> tuple[Tensor, Tensor]:
    """AF3 Algorithm 31, lines 7 and 8, for every atom slot of a token: plddt [N, 24, 50] and resolved [N, 24, 2]."""
    plddt = _per_atom_slot(layer_norm(p, "plddt_ln", s), p["plddt_weight"])
    return plddt, _per_atom_slot(layer_norm(p, "resolved_ln", s), p["resolved_weight"])


def pair_error_logits(p: Params, z: Tensor, mask: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """AF3 Algorithm 31, lines 5 and 6, for rows [R] of the confidence head's pairs -> pae and pde [R, N, 64]."""
    pae = kernels.pair_logits(p, "pae_ln", "linear_no_bias_pae", z, mask, rows)
    return pae, kernels.symmetric_pair_logits(p, "pde_ln", "linear_no_bias_pde", z, mask, rows)


def _per_atom_slot(s: Tensor, weight: Tensor) -> Tensor:
    """s [N, c_s] times a matrix per atom slot, weight [24, c_s, b] -> [N, 24, b]."""
    n_slot, c_s, n_bin = weight.shape
    flat = weight.transpose(1, 0, 2).reshape((c_s, n_slot * n_bin))
    return ops.matmul(s, flat).reshape((s.shape[0], n_slot, n_bin))
