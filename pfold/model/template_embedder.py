"""Template embedder (AF3 Algorithm 16); its pairs have 64 channels."""

from mindspore import Tensor, ops
from mindspore import dtype as mstype

from pfold import kernels
from pfold.model.pairformer import pair_stack
from pfold.model.primitives import Params, expand, layer_norm, linear, outer_sum

# Columns of `linear_no_bias_a`: distogram, pseudo-Cβ mask, residue types of j and i, unit vector, frame mask.
N_DISTOGRAM = 39
N_RESTYPE = 32


def template_pairs(p: Params, z: Tensor, mask: Tensor, t: Params) -> Tensor:
    """One template's pairs before its pair stack, AF3 Algorithm 16, lines 1-8.

    z [N, N, c_z]; t: distogram [N, N, 39], pseudo_beta_mask and frame_mask [N, N], unit_vector [N, N, 3], all zero
    between chains and in padding, and aatype [N] int32 -> [N, N, c].
    """
    weight = p["linear_no_bias_a.weight"]
    restype = N_DISTOGRAM + 1
    geometry = ops.concat([t["distogram"], t["pseudo_beta_mask"][:, :, None]], axis=-1)
    frames = ops.concat([t["unit_vector"], t["frame_mask"][:, :, None]], axis=-1)
    rows = ops.arange(z.shape[0], dtype=mstype.int32)
    v = kernels.pair_logits(p, "layernorm_z", "linear_no_bias_z", z, mask, rows)
    v = v + kernels.affine(geometry, weight[:, :restype])
    v = v + kernels.affine(frames, weight[:, restype + 2 * N_RESTYPE :])
    types = weight[:, restype : restype + 2 * N_RESTYPE].transpose(1, 0)
    of_j = ops.gather(types[:N_RESTYPE], t["aatype"], 0)
    of_i = ops.gather(types[N_RESTYPE:], t["aatype"], 0)
    return outer_sum(v, of_i, of_j)


def embed_template(p: Params, blocks: list[Params], z: Tensor, mask: Tensor, t: Params, share: Tensor) -> Tensor:
    """One template's part of the mean over templates, AF3 Algorithm 16, lines 1-11.

    z [N, N, c_z], mask [N], t: `template_pairs`, share [N, 1, 1] of the template -> [N, N, c].
    """
    v = template_pairs(p, z, mask, t).astype(z.dtype)
    for i in range(len(blocks)):
        v = pair_stack(blocks[i], v, mask)
    v = layer_norm(p, "layernorm_v", v.astype(share.dtype))
    return v * expand(share, v)


def project_templates(p: Params, u: Tensor) -> Tensor:
    """AF3 Algorithm 16, lines 12-13.  u [N, N, c] -> update of the pairs [N, N, c_z]."""
    return linear(p, "linear_no_bias_u", ops.relu(u))
