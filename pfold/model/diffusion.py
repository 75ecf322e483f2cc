"""Diffusion module: conditioning, transformer and denoising (AF3 Algorithms 20-23)."""

import math
from typing import Any

from mindspore import Tensor, ops

from pfold import kernels
from pfold.constants import SIGMA_DATA
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
from pfold.model.pairformer import token_attention
from pfold.model.primitives import (
    Params,
    adaptive_layer_norm,
    conditioned_transition,
    expand,
    layer_norm,
    linear,
    transition,
)


def condition_single(p: Params, s_conditioning: Tensor, t_hat: Tensor) -> Tensor:
    """Noise level added to the single conditioning, AF3 Algorithm 21, lines 8-12.

    s_conditioning [N, c_s], t_hat [] (Å) -> [N, c_s].
    """
    noise = ops.log(t_hat / SIGMA_DATA) / 4.0
    n = ops.cos(2.0 * math.pi * (noise * p["fourier_embedding.w"] + p["fourier_embedding.b"]))
    s = s_conditioning + expand(linear(p, "linear_no_bias_n", layer_norm(p, "layernorm_n", n[None])), s_conditioning)
    s = s + transition(p["transition_s1"], s)
    return s + transition(p["transition_s2"], s)


def prepare_diffusion(p: Params, f: Params, s_inputs: Tensor, s: Tensor, z: Tensor) -> tuple[Any, ...]:
    """Everything of AF3 Algorithm 20 that no step changes: conditioning, atom pairs and all attention biases.

    s_inputs [N, c_s_inputs], s [N, c_s], z [N, N, c_z] of the trunk -> a tuple that `denoise` takes as `cache`.
    """
    conditioning, encoder = p["diffusion_conditioning"], p["atom_attention_encoder"]
    attentions = [block["attention_pair_bias"] for block in p["diffusion_transformer.blocks"]]
    token_biases, token_pairs = kernels.diffusion_pairs(conditioning, encoder, attentions, z, f["token_mask"], f)
    single = ops.concat([s, s_inputs], axis=-1)
    single = linear(conditioning, "linear_no_bias_s", layer_norm(conditioning, "layernorm_s", single))

    pairs = embed_atom_pairs(encoder, f) + broadcast_pairs_to_windows(token_pairs, f)
    trunk_single = linear(encoder, "linear_no_bias_s", layer_norm(encoder, "layernorm_s", s))
    c = embed_atoms(encoder, f) + broadcast_tokens_to_atoms(trunk_single, f)
    pairs = combine_atom_pairs(encoder, f, c, pairs)

    encoder_biases = atom_pair_biases(encoder[ATOM_BLOCKS], f, pairs)
    decoder_biases = atom_pair_biases(p["atom_attention_decoder"][ATOM_BLOCKS], f, pairs)
    return single, c, encoder_biases, decoder_biases, token_biases


def diffusion_transformer(blocks: list[Params], a: Tensor, s: Tensor, biases: Tensor, mask: Tensor) -> Tensor:
    """Diffusion transformer, AF3 Algorithm 23.

    a [N_sample, N, c_token], s [N, c_s], biases [n_block * H, N, N], mask [N] -> a's shape.
    """
    for i in range(len(blocks)):
        attention = blocks[i]["attention_pair_bias"]
        h = adaptive_layer_norm(attention["layernorm_a"], a, s)
        o = token_attention(attention["attention"], h, biases, mask, i, len(blocks))
        a = kernels.gated_sum(a, linear(attention, "linear_a_last", s), o)
        a = conditioned_transition(blocks[i]["conditioned_transition_block"], a, s)
    return a


def denoise(p: Params, f: Params, cache: tuple[Any, ...], x_noisy: Tensor, t_hat: Tensor) -> Tensor:
    """One evaluation of the diffusion module, AF3 Algorithm 20.

    x_noisy [N_sample, N_atom, 3] (Å), t_hat [] (Å), cache: `prepare_diffusion` -> denoised positions, x_noisy's shape.
    """
    single, c, encoder_biases, decoder_biases, token_biases = cache
    s = condition_single(p["diffusion_conditioning"], single, t_hat)
    r = x_noisy / ops.sqrt(SIGMA_DATA**2 + t_hat * t_hat)

    encoder = p["atom_attention_encoder"]
    q = linear(encoder, "linear_no_bias_r", r)
    q = q + expand(c, q)
    a, q = encode_atoms(encoder, f, q, c, encoder_biases)
    a = a + expand(linear(p, "linear_no_bias_s", layer_norm(p, "layernorm_s", s)), a)
    a = diffusion_transformer(p["diffusion_transformer.blocks"], a, s, token_biases, f["token_mask"])
    a = layer_norm(p, "layernorm_a", a)
    update = atom_attention_decoder(p["atom_attention_decoder"], f, a, q, c, decoder_biases)

    ratio = t_hat / SIGMA_DATA
    return x_noisy / (1.0 + ratio * ratio) + update * t_hat / ops.sqrt(1.0 + ratio * ratio)
