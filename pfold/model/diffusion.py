"""Diffusion module: conditioning, transformer and denoising (AF3 Algorithms 20-23)."""

import math

from mindspore import Tensor, ops

import pfold.ops as kernels
from pfold.model.atom_attention import (
    ATOM_BLOCKS,
    atom_attention_decoder,
    atom_pair_biases,
    broadcast_pairs_to_windows,
    broadcast_tokens_to_atoms,
    combine_atom_pairs,
    embed_atom_pairs,
    embed_atoms,
    encode_atoms,
)
from pfold.model.embedders import relative_position_encoding
from pfold.model.pairformer import gated_attention, pair_bias
from pfold.model.primitives import (
    Params,
    adaptive_layer_norm,
    conditioned_transition,
    key_bias,
    layer_norm,
    linear,
    transition,
)

# Standard deviation of the training coordinates, Å (AF3 Algorithm 20).
SIGMA_DATA = 16.0
TOKEN_HEADS = 16


def condition_pairs(p: Params, f: Params, z: Tensor) -> Tensor:
    """Pair conditioning, AF3 Algorithm 21, lines 1-5.  z [N, N, c_z] -> [N, N, c_z]; the same in every step."""
    h = ops.concat([z, relative_position_encoding(p["relpe"], f)], axis=-1)
    h = linear(p, "linear_no_bias_z", layer_norm(p, "layernorm_z", h))
    h = h + transition(p["transition_z1"], h)
    return h + transition(p["transition_z2"], h)


def condition_single(p: Params, s_conditioning: Tensor, t_hat: Tensor) -> Tensor:
    """Noise level added to the single conditioning, AF3 Algorithm 21, lines 8-12.

    s_conditioning [N, c_s], t_hat [] (Å) -> [N, c_s].
    """
    noise = ops.log(t_hat / SIGMA_DATA) / 4.0
    n = ops.cos(2.0 * math.pi * (noise * p["fourier_embedding.w"] + p["fourier_embedding.b"]))
    s = s_conditioning + kernels.expand(
        linear(p, "linear_no_bias_n", layer_norm(p, "layernorm_n", n[None])), s_conditioning
    )
    s = s + transition(p["transition_s1"], s)
    return s + transition(p["transition_s2"], s)


def prepare_diffusion(p: Params, f: Params, s_inputs: Tensor, s: Tensor, z: Tensor) -> Params:
    """Everything of AF3 Algorithm 20 that no step changes: conditioning, atom pairs and all attention biases.

    s_inputs [N, c_s_inputs], s [N, c_s], z [N, N, c_z] of the trunk -> a dict that `denoise` takes as `cache`.
    """
    conditioning, encoder = p["diffusion_conditioning"], p["atom_attention_encoder"]
    z = condition_pairs(conditioning, f, z)
    single = ops.concat([s, s_inputs], axis=-1)
    single = linear(conditioning, "linear_no_bias_s", layer_norm(conditioning, "layernorm_s", single))

    token_pairs = linear(encoder, "linear_no_bias_z", layer_norm(encoder, "layernorm_z", z))
    pairs = embed_atom_pairs(encoder, f) + broadcast_pairs_to_windows(token_pairs, f)
    trunk_single = linear(encoder, "linear_no_bias_s", layer_norm(encoder, "layernorm_s", s))
    c = embed_atoms(encoder, f) + broadcast_tokens_to_atoms(trunk_single, f)
    pairs = combine_atom_pairs(encoder, f, c, pairs)

    masked = key_bias(f["token_mask"])
    biases = [pair_bias(block["attention_pair_bias"], z) for block in p["diffusion_transformer.blocks"]]
    return {
        "single": single,
        "c": c,
        "encoder_biases": atom_pair_biases(encoder[ATOM_BLOCKS], f, pairs),
        "decoder_biases": atom_pair_biases(p["atom_attention_decoder"][ATOM_BLOCKS], f, pairs),
        "token_biases": [bias + kernels.expand(masked, bias) for bias in biases],
    }


def diffusion_transformer(blocks: list[Params], a: Tensor, s: Tensor, biases: list[Tensor]) -> Tensor:
    """Diffusion transformer, AF3 Algorithm 23.  a [N_sample, N, c_token], s [N, c_s], biases [H, N, N] a block."""
    for i in range(len(blocks)):
        attention = blocks[i]["attention_pair_bias"]
        h = adaptive_layer_norm(attention["layernorm_a"], a, s)
        o = gated_attention(attention["attention"], h, h, biases[i], TOKEN_HEADS)
        a = a + kernels.expand(ops.sigmoid(linear(attention, "linear_a_last", s)), a) * o
        a = a + conditioned_transition(blocks[i]["conditioned_transition_block"], a, s)
    return a


def denoise(p: Params, f: Params, cache: Params, x_noisy: Tensor, t_hat: Tensor) -> Tensor:
    """One evaluation of the diffusion module, AF3 Algorithm 20.

    x_noisy [N_sample, N_atom, 3] (Å), t_hat [] (Å), cache: `prepare_diffusion` -> denoised positions, x_noisy's shape.
    """
    s = condition_single(p["diffusion_conditioning"], cache["single"], t_hat)
    r = x_noisy / ops.sqrt(SIGMA_DATA**2 + t_hat * t_hat)

    encoder = p["atom_attention_encoder"]
    q = linear(encoder, "linear_no_bias_r", r)
    q = q + kernels.expand(cache["c"], q)
    a, q = encode_atoms(encoder, f, q, cache["c"], cache["encoder_biases"])
    a = a + kernels.expand(linear(p, "linear_no_bias_s", layer_norm(p, "layernorm_s", s)), a)
    a = diffusion_transformer(p["diffusion_transformer.blocks"], a, s, cache["token_biases"])
    a = layer_norm(p, "layernorm_a", a)
    update = atom_attention_decoder(p["atom_attention_decoder"], f, a, q, cache["c"], cache["decoder_biases"])

    ratio = t_hat / SIGMA_DATA
    return x_noisy / (1.0 + ratio * ratio) + update * t_hat / ops.sqrt(1.0 + ratio * ratio)
