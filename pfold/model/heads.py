"""Distogram and confidence heads (AF3 Algorithm 31 and supplement section 4.4)."""

from mindspore import Tensor, ops

import pfold.ops as kernels
from pfold.model.primitives import Params, layer_norm, linear

# The trunk's single representation is clipped to this range before the confidence head (reference: confidence.py).
S_CLIP = 512.0


def distogram_head(p: Params, z: Tensor) -> Tensor:
    """Distogram logits, symmetric in i and j.  z [N, N, c_z] -> [N, N, 64]."""
    logits = linear(p, "linear", z)
    return logits + logits.transpose(1, 0, 2)


def init_confidence(p: Params, s_inputs: Tensor, s: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """AF3 Algorithm 31, line 1, shared by all samples.  s_inputs [N, c_s_inputs], s [N, c_s], z [N, N, c_z] -> s, z."""
    s = layer_norm(p, "input_strunk_ln", ops.clamp(s, -S_CLIP, S_CLIP))
    z = z + kernels.expand(linear(p, "linear_no_bias_s1", s_inputs)[None], z)
    return s, z + kernels.expand(linear(p, "linear_no_bias_s2", s_inputs)[:, None], z)


def embed_distances(p: Params, z: Tensor, x: Tensor) -> Tensor:
    """AF3 Algorithm 31, lines 2-3: distances of one sample's representative atoms.  z [N, N, c_z], x [N, 3] (Å)."""
    delta = x[:, None] - x[None]
    d = ops.sqrt((delta * delta).sum(axis=-1, keepdims=True))
    distances = ops.tile(d, (1, 1, p["lower_bins"].shape[0]))
    above = distances > kernels.expand(p["lower_bins"], distances)
    below = distances < kernels.expand(p["upper_bins"], distances)
    bins = ops.logical_and(above, below).astype(z.dtype)
    return z + linear(p, "linear_no_bias_d", bins) + linear(p, "linear_no_bias_d_wo_onehot", d)


def confidence_logits(p: Params, s: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """AF3 Algorithm 31, lines 5-9, after the pairformer blocks.  s [N, c_s], z [N, N, c_z].

    Returns pae [N, N, 64] and pde [N, N, 64]; plddt [N, 24, 50] and resolved [N, 24, 2] for every atom slot of a token.
    """
    pae = linear(p, "linear_no_bias_pae", layer_norm(p, "pae_ln", z))
    pde = linear(p, "linear_no_bias_pde", layer_norm(p, "pde_ln", z + z.transpose(1, 0, 2)))
    plddt = _per_atom_slot(layer_norm(p, "plddt_ln", s), p["plddt_weight"])
    resolved = _per_atom_slot(layer_norm(p, "resolved_ln", s), p["resolved_weight"])
    return pae, pde, plddt, resolved


def _per_atom_slot(s: Tensor, weight: Tensor) -> Tensor:
    """s [N, c_s] times a matrix per atom slot, weight [24, c_s, b] -> [N, 24, b]."""
    n_slot, c_s, n_bin = weight.shape
    flat = weight.transpose(1, 0, 2).reshape((c_s, n_slot * n_bin))
    return ops.matmul(s, flat).reshape((s.shape[0], n_slot, n_bin))
