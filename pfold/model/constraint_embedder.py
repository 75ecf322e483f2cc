"""Constraint embedder of protenix_base_constraint (reference: embedders.py, ConstraintEmbedder)."""

from mindspore import Tensor, ops

from pfold.model.primitives import Params, expand, layer_norm, linear


def embed_constraints(p: Params, c: Params) -> Tensor:
    """What the constraints add to the initial pairs.

    c: contact and contact_atom [N, N, 2] (smallest and largest distance, Å), pocket [N, N, 1] (Å) -> [N, N, c_z].
    """
    z = linear(p, "pocket_z_embedder", c["pocket"]) + linear(p, "contact_z_embedder", c["contact"])
    z = z + linear(p, "contact_atom_z_embedder", c["contact_atom"])
    return z + expand(no_substructure(p["substructure_z_embedder"])[:, None], z)


def no_substructure(p: Params) -> Tensor:
    """The substructure embedder's output where no substructure is given -> [1, c_z].

    Its transformer then sees the same vector, zero, at every pair, and attention over equal vectors is their value.
    """
    layer = p["transformer.layers"][0]
    attention = layer["self_attn"]
    bias = attention["in_proj_bias"]
    value = bias[2 * (bias.shape[0] // 3) :][None]
    x = layer_norm(layer, "norm1", linear(attention, "out_proj", value))
    h = linear(layer, "linear2", ops.relu(linear(layer, "linear1", x)))
    return linear(p, "output_proj", layer_norm(layer, "norm2", x + h))
