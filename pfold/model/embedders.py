"""Input embedding of tokens, and recycling (AF3 Algorithms 1 and 2); pairs: `pfold.kernels.pair_embedding`."""

from mindspore import Tensor, ops

from pfold.model.atom_attention import atom_attention_encoder, embed_atom_pairs, embed_atoms
from pfold.model.primitives import Params, layer_norm, linear


def input_feature_embedder(p: Params, f: Params) -> Tensor:
    """Per-token input embedding, AF3 Algorithm 2.  f: device features -> s_inputs [N, c_s_inputs].

    Models that take a language model's embeddings of proteins add them (reference: embedders.py, linear_esm).
    """
    s_inputs = embed_tokens(p["atom_attention_encoder"], f)
    return add_esm(p, f, s_inputs) if "linear_esm.weight" in p else s_inputs


def embed_tokens(encoder: Params, f: Params) -> Tensor:
    """Atoms, residue types and profile of each token, AF3 Algorithm 2 -> [N, c_s_inputs]."""
    c = embed_atoms(encoder, f)
    a, _, _ = atom_attention_encoder(encoder, f, c, c, embed_atom_pairs(encoder, f))
    return ops.concat([a, f["restype"], f["profile"], f["deletion_mean"][:, None]], axis=-1)


def add_esm(p: Params, f: Params, s_inputs: Tensor) -> Tensor:
    """The language model's embeddings of the tokens, added to s_inputs [N, c_s_inputs]."""
    return s_inputs + linear(p, "linear_esm", f["esm_token_embedding"])


def init_trunk(p: Params, s_inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """AF3 Algorithm 1, lines 2-3.

    s_inputs [N, c_s_inputs] -> s_init [N, c_s] and what it adds to pairs, of_i and of_j [N, c_z].
    """
    s = linear(p, "linear_no_bias_sinit", s_inputs)
    return s, linear(p, "linear_no_bias_zinit1", s), linear(p, "linear_no_bias_zinit2", s)


def recycle_single(p: Params, s_init: Tensor, s: Tensor) -> Tensor:
    """AF3 Algorithm 1, line 11: what the last cycle left, added to the initial singles.  [N, c_s]."""
    return s_init + linear(p, "linear_no_bias_s", layer_norm(p, "layernorm_s", s))
