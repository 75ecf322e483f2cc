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
from pfold.model.pairformer import attention_heads
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

    s_conditioning [N, c_s], t_hat [] (Å) -> [N, c_s]; with a noise level of each sample, t_hat [S] -> [S, N, c_s].
    """
    noise = ops.log(t_hat / SIGMA_DATA).reshape((-1, 1)) / 4.0
    w, b = p["fourier_embedding.w"][None], p["fourier_embedding.b"][None]
    n = ops.cos(2.0 * math.pi * (noise * w + b))
    n = linear(p, "linear_no_bias_n", layer_norm(p, "layernorm_n", n))
    s = s_conditioning
    if t_hat.ndim == 1:
        s, n = ops.tile(s[None], (t_hat.shape[0], 1, 1)), n[:, None]
    s = s + expand(n, s)
    s = s + transition(p["transition_s1"], s)
    return s + transition(p["transition_s2"], s)


def prepare_diffusion(p: Params, f: Params, s_inputs: Tensor, s: Tensor, z: Tensor) -> tuple[Any, ...]:
    """Everything of AF3 Algorithm 20 that no step changes: conditioning, atom pairs and all attention biases.

    s_inputs [N, c_s_inputs], s [N, c_s], z [N, N, c_z] of the trunk -> a tuple that `denoise` takes as `cache`.
    """
    conditioning, encoder = p["diffusion_conditioning"], p["atom_attention_encoder"]
    attentions = [block["attention_pair_bias"] for block in p["diffusion_transformer.blocks"]]
    token_biases, token_pairs = kernels.diffusion_pairs(conditioning, encoder, attentions, z, f["token_mask"], f)
    decoder_blocks = p["atom_attention_decoder"][ATOM_BLOCKS]
    return *prepare_atoms(conditioning, encoder, decoder_blocks, f, s_inputs, s, token_pairs), token_biases


def prepare_atoms(
    conditioning: Params,
    encoder: Params,
    decoder_blocks: list[Params],
    f: Params,
    s_inputs: Tensor,
    s: Tensor,
    token_pairs: Tensor,
) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    """What no step changes of singles and atoms, AF3 Algorithms 5 (lines 1-14) and 21 (lines 6-7).

    token_pairs [N, N, c_atompair] -> single conditioning [N, c_s], that of atoms c [N_atom, c_atom], and the attention
    biases of the encoder's and decoder's blocks.
    """
    single = ops.concat([s, s_inputs], axis=-1)
    single = linear(conditioning, "linear_no_bias_s", layer_norm(conditioning, "layernorm_s", single))

    pairs = embed_atom_pairs(encoder, f) + broadcast_pairs_to_windows(token_pairs, f)
    trunk_single = linear(encoder, "linear_no_bias_s", layer_norm(encoder, "layernorm_s", s))
    c = embed_atoms(encoder, f) + broadcast_tokens_to_atoms(trunk_single, f)
    pairs = combine_atom_pairs(encoder, f, c, pairs)

    encoder_biases = atom_pair_biases(encoder[ATOM_BLOCKS], f, pairs)
    decoder_biases = atom_pair_biases(decoder_blocks, f, pairs)
    return single, c, encoder_biases, decoder_biases


def diffusion_block(p: Params, a: Tensor, s: Tensor, biases: Tensor, mask: Tensor, block: int, n_block: int) -> Tensor:
    """One block of the diffusion transformer, AF3 Algorithm 23, lines 2-3.

    a [N_sample, N, c_token], s [N, c_s] or of each sample, biases [n_block * H, N, N], mask [N] -> a's shape.
    """
    a = diffusion_attention(p["attention_pair_bias"], a, s, biases, mask, block, n_block)
    return conditioned_transition(p["conditioned_transition_block"], a, s)


def diffusion_attention(
    p: Params, a: Tensor, s: Tensor, biases: Tensor, mask: Tensor, block: int, n_block: int
) -> Tensor:
    """a with its attention, AF3 Algorithm 23, line 2; see `diffusion_block`."""
    h = adaptive_layer_norm(p["layernorm_a"], a, s)
    return add_attention(p, a, s, attention_heads(p["attention"], h, biases, mask, block, n_block))


def add_attention(p: Params, a: Tensor, s: Tensor, heads: Tensor) -> Tensor:
    """a with the output of attention heads, gated by s, AF3 Algorithm 24, lines 12-14."""
    return kernels.gated_sum(a, linear(p, "linear_a_last", s), linear(p["attention"], "linear_o", heads))


def embed_noisy_atoms(encoder: Params, f: Params, c: Tensor, biases: list[Tensor], r: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens a [N_sample, N, c_token] and atoms q of scaled positions r [N_sample, N_atom, 3], Algorithm 20, line 3."""
    q = linear(encoder, "linear_no_bias_r", r)
    return encode_atoms(encoder, f, q + expand(c, q), c, biases)


def add_conditioning(p: Params, a: Tensor, s: Tensor) -> Tensor:
    """Single conditioning s [N, c_s], or of each sample, added to tokens a [N_sample, N, c_token], Algorithm 20, 4."""
    return a + expand(linear(p, "linear_no_bias_s", layer_norm(p, "layernorm_s", s)), a)


def scale_noisy(x_noisy: Tensor, t_hat: Tensor) -> Tensor:
    """Positions (Å) scaled to unit variance, AF3 Algorithm 20, line 2.  t_hat: a number, or of x_noisy's shape (Å)."""
    return x_noisy / ops.sqrt(SIGMA_DATA**2 + t_hat * t_hat)


def denoised_positions(x_noisy: Tensor, t_hat: Tensor, update: Tensor) -> Tensor:
    """Noisy positions and the scaled update joined, AF3 Algorithm 20, line 8.  Å; t_hat as in `scale_noisy`."""
    ratio = t_hat / SIGMA_DATA
    return x_noisy / (1.0 + ratio * ratio) + update * t_hat / ops.sqrt(1.0 + ratio * ratio)


def denoise(p: Params, f: Params, cache: tuple[Any, ...], x_noisy: Tensor, t_hat: Tensor) -> Tensor:
    """One evaluation of the diffusion module, AF3 Algorithm 20.

    x_noisy [N_sample, N_atom, 3] (Å), t_hat [] (Å), cache: `prepare_diffusion` -> denoised positions, x_noisy's shape.
    """
    single, c, encoder_biases, decoder_biases, token_biases = cache
    s = condition_single(p["diffusion_conditioning"], single, t_hat)
    a, q = embed_noisy_atoms(p["atom_attention_encoder"], f, c, encoder_biases, scale_noisy(x_noisy, t_hat))
    a = add_conditioning(p, a, s)
    blocks = p["diffusion_transformer.blocks"]
    for i in range(len(blocks)):
        a = diffusion_block(blocks[i], a, s, token_biases, f["token_mask"], i, len(blocks))
    a = layer_norm(p, "layernorm_a", a)
    update = atom_attention_decoder(p["atom_attention_decoder"], f, a, q, c, decoder_biases)
    return denoised_positions(x_noisy, t_hat, update)
