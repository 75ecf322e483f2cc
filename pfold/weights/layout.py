"""Names and shapes of a model's checkpoint, written down module by module (AF3 supplement, section 3 and 4)."""

from collections.abc import Iterator

from pfold.constants import N_POSITION_BINS, S_MAX
from pfold.weights.published import ModelSettings

Layout = dict[str, tuple[int, ...]]
Entry = tuple[str, tuple[int, ...]]

C_ATOMPAIR = 16
N_ATOM_HEAD = 4
# Atoms that a standard residue may have; each has a matrix of its own in the confidence head.
N_ATOM_SLOT = 24
# Residue and token offsets, same entity, chain offsets (AF3 Algorithm 3).
N_RELATIVE = 2 * N_POSITION_BINS + 1 + 2 * S_MAX + 2
N_TEMPLATE_FEATURES = 108
# Channels of ESM2-3B's embeddings.
C_ESM = 2560
C_TEMPLATE = 64
# Hidden channels of triangle products and attentions, where they are not scaled.
C_TRIANGLE = 128
TRIANGLE_HEAD_CHANNELS = 32
C_CONSTRAINT = 128


def checkpoint_layout(settings: ModelSettings) -> Layout:
    """Checkpoint name -> shape of every tensor of the model."""
    return dict(_model(settings))


def _prefixed(prefix: str, entries: Iterator[Entry]) -> Iterator[Entry]:
    for name, shape in entries:
        yield f"{prefix}.{name}", shape


def _norm(name: str, c: int, *, offset: bool = True) -> Iterator[Entry]:
    yield f"{name}.weight", (c,)
    if offset:
        yield f"{name}.bias", (c,)


def _linear(name: str, c_in: int, c_out: int, *, bias: bool = False) -> Iterator[Entry]:
    yield f"{name}.weight", (c_out, c_in)
    if bias:
        yield f"{name}.bias", (c_out,)


def _transition(name: str, c: int, n: int) -> Iterator[Entry]:
    yield from _norm(f"{name}.layernorm1", c)
    yield from _linear(f"{name}.linear_no_bias_a", c, n * c)
    yield from _linear(f"{name}.linear_no_bias_b", c, n * c)
    yield from _linear(f"{name}.linear_no_bias", n * c, c)


def _attention(name: str, c: int, c_hidden: int | None = None, *, q_bias: bool) -> Iterator[Entry]:
    c_hidden = c_hidden or c
    yield from _linear(f"{name}.linear_q", c, c_hidden, bias=q_bias)
    for projection in ("k", "v", "g"):
        yield from _linear(f"{name}.linear_{projection}", c, c_hidden)
    yield from _linear(f"{name}.linear_o", c_hidden, c)


def _pair_stack(c_z: int, c_triangle: int, n_transition: int = 4) -> Iterator[Entry]:
    for name in ("tri_mul_out", "tri_mul_in"):
        yield from _linear(f"{name}.linear_g", c_z, c_z)
        yield from _linear(f"{name}.linear_z", c_triangle, c_z)
        for projection in ("a_p", "a_g", "b_p", "b_g"):
            yield from _linear(f"{name}.linear_{projection}", c_z, c_triangle)
        yield from _norm(f"{name}.layer_norm_in", c_z)
        yield from _norm(f"{name}.layer_norm_out", c_triangle)
    for name in ("tri_att_start", "tri_att_end"):
        yield from _norm(f"{name}.layer_norm", c_z)
        yield from _linear(f"{name}.linear", c_z, c_triangle // TRIANGLE_HEAD_CHANNELS)
        yield from _attention(f"{name}.mha", c_z, q_bias=False, c_hidden=c_triangle)
    yield from _transition("pair_transition", c_z, n_transition)


def _pairformer_block(settings: ModelSettings) -> Iterator[Entry]:
    c_s, c_z = settings.c_s, settings.c_z
    yield from _pair_stack(c_z, c_z)
    yield from _norm("attention_pair_bias.layernorm_a", c_s)
    yield from _attention("attention_pair_bias.attention", c_s, q_bias=True)
    yield from _norm("attention_pair_bias.layernorm_z", c_z)
    yield from _linear("attention_pair_bias.linear_nobias_z", c_z, settings.n_head)
    yield from _transition("single_transition", c_s, 4)


def _adaptive_norm(name: str, c_a: int, c_s: int) -> Iterator[Entry]:
    yield from _norm(f"{name}.layernorm_s", c_s, offset=False)
    yield from _linear(f"{name}.linear_s", c_s, c_a, bias=True)
    yield from _linear(f"{name}.linear_nobias_s", c_s, c_a)


def _diffusion_block(c_a: int, c_s: int, c_z: int, n_head: int, *, cross: bool) -> Iterator[Entry]:
    attention, conditioned = "attention_pair_bias", "conditioned_transition_block"
    yield from _adaptive_norm(f"{attention}.layernorm_a", c_a, c_s)
    if cross:
        yield from _adaptive_norm(f"{attention}.layernorm_kv", c_a, c_s)
    yield from _attention(f"{attention}.attention", c_a, q_bias=True)
    yield from _norm(f"{attention}.layernorm_z", c_z, offset=False)
    yield from _linear(f"{attention}.linear_nobias_z", c_z, n_head)
    yield from _linear(f"{attention}.linear_a_last", c_s, c_a, bias=True)
    yield from _adaptive_norm(f"{conditioned}.adaln", c_a, c_s)
    yield from _linear(f"{conditioned}.linear_nobias_a1", c_a, 2 * c_a)
    yield from _linear(f"{conditioned}.linear_nobias_a2", c_a, 2 * c_a)
    yield from _linear(f"{conditioned}.linear_nobias_b", 2 * c_a, c_a)
    yield from _linear(f"{conditioned}.linear_s", c_s, c_a, bias=True)


def _atom_transformer(n_block: int, c_atom: int) -> Iterator[Entry]:
    for i in range(n_block):
        prefix = f"atom_transformer.diffusion_transformer.blocks.{i}"
        yield from _prefixed(prefix, _diffusion_block(c_atom, c_atom, C_ATOMPAIR, N_ATOM_HEAD, cross=True))


def _atom_encoder(settings: ModelSettings, n_block: int, c_token: int, *, noisy: bool) -> Iterator[Entry]:
    c_s, c_z, c_atom = settings.c_s, settings.c_z, settings.c_atom
    yield from _linear("linear_no_bias_ref_pos", 3, c_atom)
    yield from _linear("linear_no_bias_ref_charge", 1, c_atom)
    yield from _linear("linear_no_bias_f", 1 + 128 + 4 * 64, c_atom)
    yield from _linear("linear_no_bias_d", 3, C_ATOMPAIR)
    yield from _linear("linear_no_bias_invd", 1, C_ATOMPAIR)
    yield from _linear("linear_no_bias_v", 1, C_ATOMPAIR)
    if noisy:
        yield from _norm("layernorm_s", c_s, offset=False)
        yield from _linear("linear_no_bias_s", c_s, c_atom)
        yield from _norm("layernorm_z", c_z, offset=False)
        yield from _linear("linear_no_bias_z", c_z, C_ATOMPAIR)
        yield from _linear("linear_no_bias_r", 3, c_atom)
    yield from _linear("linear_no_bias_cl", c_atom, C_ATOMPAIR)
    yield from _linear("linear_no_bias_cm", c_atom, C_ATOMPAIR)
    for layer in (1, 3, 5):
        yield from _linear(f"small_mlp.{layer}", C_ATOMPAIR, C_ATOMPAIR)
    yield from _atom_transformer(n_block, c_atom)
    yield from _linear("linear_no_bias_q", c_atom, c_token)


def _template_embedder(settings: ModelSettings) -> Iterator[Entry]:
    c_triangle = C_TEMPLATE if settings.scaled_triangles else C_TRIANGLE
    yield from _linear("linear_no_bias_z", settings.c_z, C_TEMPLATE)
    yield from _norm("layernorm_z", settings.c_z)
    yield from _linear("linear_no_bias_a", N_TEMPLATE_FEATURES, C_TEMPLATE)
    for i in range(settings.n_template_block):
        yield from _prefixed(f"pairformer_stack.blocks.{i}", _pair_stack(C_TEMPLATE, c_triangle, n_transition=2))
    yield from _norm("layernorm_v", C_TEMPLATE)
    yield from _linear("linear_no_bias_u", C_TEMPLATE, settings.c_z)


def _msa_module(settings: ModelSettings) -> Iterator[Entry]:
    yield from _linear("linear_no_bias_m", 34, settings.c_m)
    yield from _linear("linear_no_bias_s", settings.c_s_inputs, settings.c_m)
    for i in range(settings.n_msa_block):
        last = i + 1 == settings.n_msa_block
        yield from _prefixed(f"blocks.{i}", _msa_block(settings.c_m, settings.c_z, last=last))


def _msa_block(c_m: int, c_z: int, *, last: bool) -> Iterator[Entry]:
    yield from _norm("outer_product_mean_msa.layer_norm", c_m)
    yield from _linear("outer_product_mean_msa.linear_1", c_m, 32)
    yield from _linear("outer_product_mean_msa.linear_2", c_m, 32)
    yield from _linear("outer_product_mean_msa.linear_out", 32 * 32, c_z, bias=True)
    if not last:
        averaging = "msa_stack.msa_pair_weighted_averaging"
        yield from _norm(f"{averaging}.layernorm_m", c_m)
        yield from _linear(f"{averaging}.linear_no_bias_mv", c_m, 64)
        yield from _norm(f"{averaging}.layernorm_z", c_z)
        yield from _linear(f"{averaging}.linear_no_bias_z", c_z, 8)
        yield from _linear(f"{averaging}.linear_no_bias_mg", c_m, 64)
        yield from _linear(f"{averaging}.linear_no_bias_out", 64, c_m)
        yield from _transition("msa_stack.transition_m", c_m, 4)
    yield from _prefixed("pair_stack", _pair_stack(c_z, c_z))


def _diffusion_module(settings: ModelSettings) -> Iterator[Entry]:
    conditioning, c_z, c_s, c_token = "diffusion_conditioning", settings.c_z, settings.c_s, settings.c_token
    yield from _linear(f"{conditioning}.relpe.linear_no_bias", N_RELATIVE, c_z)
    yield from _norm(f"{conditioning}.layernorm_z", 2 * c_z, offset=False)
    yield from _linear(f"{conditioning}.linear_no_bias_z", 2 * c_z, c_z)
    yield from _transition(f"{conditioning}.transition_z1", c_z, 2)
    yield from _transition(f"{conditioning}.transition_z2", c_z, 2)
    yield from _norm(f"{conditioning}.layernorm_s", c_s + settings.c_s_inputs, offset=False)
    yield from _linear(f"{conditioning}.linear_no_bias_s", c_s + settings.c_s_inputs, c_s)
    yield f"{conditioning}.fourier_embedding.w", (256,)
    yield f"{conditioning}.fourier_embedding.b", (256,)
    yield from _norm(f"{conditioning}.layernorm_n", 256, offset=False)
    yield from _linear(f"{conditioning}.linear_no_bias_n", 256, c_s)
    yield from _transition(f"{conditioning}.transition_s1", c_s, 2)
    yield from _transition(f"{conditioning}.transition_s2", c_s, 2)
    encoder = _atom_encoder(settings, settings.n_atom_block, c_token, noisy=True)
    yield from _prefixed("atom_attention_encoder", encoder)
    yield from _norm("layernorm_s", c_s, offset=False)
    yield from _linear("linear_no_bias_s", c_s, c_token)
    for i in range(settings.n_diffusion_block):
        block = _diffusion_block(c_token, c_s, c_z, settings.n_head, cross=False)
        yield from _prefixed(f"diffusion_transformer.blocks.{i}", block)
    yield from _norm("layernorm_a", c_token, offset=False)
    yield from _linear("atom_attention_decoder.linear_no_bias_a", c_token, settings.c_atom)
    yield from _norm("atom_attention_decoder.layernorm_q", settings.c_atom, offset=False)
    yield from _linear("atom_attention_decoder.linear_no_bias_out", settings.c_atom, 3)
    yield from _prefixed("atom_attention_decoder", _atom_transformer(settings.n_atom_block, settings.c_atom))


def _confidence_head(settings: ModelSettings) -> Iterator[Entry]:
    c_s, c_z = settings.c_s, settings.c_z
    yield "lower_bins", (39,)
    yield "upper_bins", (39,)
    yield "plddt_weight", (N_ATOM_SLOT, c_s, 50)
    yield "resolved_weight", (N_ATOM_SLOT, c_s, 2)
    yield from _linear("linear_no_bias_s1", settings.c_s_inputs, c_z)
    yield from _linear("linear_no_bias_s2", settings.c_s_inputs, c_z)
    yield from _linear("linear_no_bias_d", 39, c_z)
    yield from _linear("linear_no_bias_d_wo_onehot", 1, c_z)
    for i in range(settings.n_confidence_block):
        yield from _prefixed(f"pairformer_stack.blocks.{i}", _pairformer_block(settings))
    yield from _linear("linear_no_bias_pae", c_z, 64)
    yield from _linear("linear_no_bias_pde", c_z, 64)
    yield from _norm("input_strunk_ln", c_s)
    for name, c in (("pae_ln", c_z), ("pde_ln", c_z), ("plddt_ln", c_s), ("resolved_ln", c_s)):
        yield from _norm(name, c)


def _constraint_embedder(c_z: int) -> Iterator[Entry]:
    c, transformer = C_CONSTRAINT, "substructure_z_embedder.transformer.layers.0"
    yield from _linear("pocket_z_embedder", 1, c_z)
    yield from _linear("contact_z_embedder", 2, c_z)
    yield from _linear("contact_atom_z_embedder", 2, c_z)
    yield from _linear("substructure_z_embedder.input_proj", 4, c)
    yield f"{transformer}.self_attn.in_proj_weight", (3 * c, c)
    yield f"{transformer}.self_attn.in_proj_bias", (3 * c,)
    yield from _linear(f"{transformer}.self_attn.out_proj", c, c, bias=True)
    yield from _linear(f"{transformer}.linear1", c, 4 * c, bias=True)
    yield from _linear(f"{transformer}.linear2", 4 * c, c, bias=True)
    yield from _norm(f"{transformer}.norm1", c)
    yield from _norm(f"{transformer}.norm2", c)
    yield from _linear("substructure_z_embedder.output_proj", c, c_z)


def _model(settings: ModelSettings) -> Iterator[Entry]:
    c_z = settings.c_z
    encoder = _atom_encoder(settings, settings.n_input_atom_block, settings.c_token_input, noisy=False)
    yield from _prefixed("input_embedder.atom_attention_encoder", encoder)
    if settings.esm:
        yield from _linear("input_embedder.linear_esm", C_ESM, settings.c_s_inputs)
    yield from _linear("relative_position_encoding.linear_no_bias", N_RELATIVE, c_z)
    yield from _prefixed("template_embedder", _template_embedder(settings))
    yield from _prefixed("msa_module", _msa_module(settings))
    if settings.constraints:
        yield from _prefixed("constraint_embedder", _constraint_embedder(c_z))
    for i in range(settings.n_pairformer_block):
        yield from _prefixed(f"pairformer_stack.blocks.{i}", _pairformer_block(settings))
    yield from _prefixed("diffusion_module", _diffusion_module(settings))
    yield from _linear("distogram_head.linear", c_z, 64, bias=True)
    yield from _prefixed("confidence_head", _confidence_head(settings))
    yield from _linear("linear_no_bias_sinit", settings.c_s_inputs, settings.c_s)
    yield from _linear("linear_no_bias_zinit1", settings.c_s, c_z)
    yield from _linear("linear_no_bias_zinit2", settings.c_s, c_z)
    yield from _linear("linear_no_bias_token_bond", 1, c_z)
    yield from _linear("linear_no_bias_z_cycle", c_z, c_z)
    yield from _linear("linear_no_bias_s", settings.c_s, settings.c_s)
    yield from _norm("layernorm_z_cycle", c_z)
    yield from _norm("layernorm_s", settings.c_s)
