"""Input embedding of tokens and pairs, and recycling (AF3 Algorithms 1-3)."""

from mindspore import Tensor, ops

import pfold.ops as kernels
from pfold.model.atom_attention import atom_attention_encoder, embed_atom_pairs, embed_atoms
from pfold.model.primitives import Params, layer_norm, linear

# Relative position bins of AF3 Algorithm 3: r_max = 32 residues, s_max = 2 copies.
R_MAX = 32
S_MAX = 2
N_POSITION_BINS = 2 * R_MAX + 2


def input_feature_embedder(p: Params, f: Params) -> Tensor:
    """Per-token input embedding, AF3 Algorithm 2.  f: device features -> s_inputs [N, c_s_inputs].

    Models that take a language model's embeddings of proteins add them (reference: embedders.py, linear_esm).
    """
    encoder = p["atom_attention_encoder"]
    c = embed_atoms(encoder, f)
    pairs = embed_atom_pairs(encoder, f)
    a, _, _ = atom_attention_encoder(encoder, f, c, c, pairs)
    s_inputs = ops.concat([a, f["restype"], f["profile"], f["deletion_mean"][:, None]], axis=-1)
    if "linear_esm.weight" in p:
        s_inputs = s_inputs + linear(p, "linear_esm", f["esm_token_embedding"])
    return s_inputs


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
    return x + kernels.linear(f["same_entity"][:, :, None], same_entity[:, None])


def init_trunk(p: Params, f: Params, s_inputs: Tensor) -> tuple[Tensor, Tensor]:
    """AF3 Algorithm 1, lines 2-5.

    f: device features, s_inputs [N, c_s_inputs] -> s_init [N, c_s], z_init [N, N, c_z].
    """
    s = linear(p, "linear_no_bias_sinit", s_inputs)
    z = relative_position_encoding(p["relative_position_encoding"], f)
    z = z + linear(p, "linear_no_bias_token_bond", f["token_bonds"][:, :, None])
    z = z + kernels.expand(linear(p, "linear_no_bias_zinit1", s)[:, None], z)
    return s, z + kernels.expand(linear(p, "linear_no_bias_zinit2", s)[None], z)


def recycle_pair(p: Params, z_init: Tensor, z: Tensor) -> Tensor:
    """AF3 Algorithm 1, line 8: what the last cycle left, added to the initial pairs.  [N, N, c_z]."""
    return z_init + linear(p, "linear_no_bias_z_cycle", layer_norm(p, "layernorm_z_cycle", z))


def recycle_single(p: Params, s_init: Tensor, s: Tensor) -> Tensor:
    """AF3 Algorithm 1, line 11: what the last cycle left, added to the initial singles.  [N, c_s]."""
    return s_init + linear(p, "linear_no_bias_s", layer_norm(p, "layernorm_s", s))
