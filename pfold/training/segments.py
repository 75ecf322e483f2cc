"""The segments of a training pass: the functions of `pfold.model`, as `pfold.training.tape` takes them."""

from mindspore import Tensor, ops

from pfold import kernels
from pfold.model import (
    constraint_embedder,
    diffusion,
    embedders,
    heads,
    msa_module,
    pairformer,
    primitives,
    template_embedder,
)
from pfold.model.atom_attention import ATOM_BLOCKS, atom_attention_decoder
from pfold.model.primitives import Params, adaptive_layer_norm, layer_norm, linear
from pfold.training import losses
from pfold.training.tape import Segment

Inputs = tuple[Tensor, ...]


def _embed_inputs(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    return (embedders.embed_tokens(p, c),)


def _add_esm(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    return (embedders.add_esm(p, c, x[0]),)


def _init_trunk(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    s_inputs = x[0]
    return embedders.init_trunk(p, s_inputs)


def _begin_cycle(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    s_inputs, s_init, of_i, of_j = x
    s = embedders.recycle_single(p, s_init, c["s"])
    z = kernels.pair_embedding(p, c["z"], c["f"]["token_mask"], c["f"], of_i, of_j)
    return s, z, msa_module.embed_msa(p["msa_module"], c["msa"], s_inputs)


def _add_constraints(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    return (x[0] + constraint_embedder.embed_constraints(p, c),)


def _embed_template(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    z, mask = x[0], c["token_mask"]
    return (template_embedder.embed_template(p["head"], p["blocks"], z, mask, c["template"], c["share"]),)


def _add_templates(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    total = x[1]
    for i in range(2, len(x)):
        total = total + x[i]
    return (x[0] + template_embedder.project_templates(p, total),)


def _msa_block(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    z, m = x
    return msa_module.msa_block(p, z, c["token_mask"], m, c["msa_mask"], _dropout(c))


def _last_msa_block(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    z, m = x
    return (msa_module.msa_block(p, z, c["token_mask"], m, c["msa_mask"], _dropout(c))[0],)


def _pairformer_block(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    s, z = x
    return pairformer.pairformer_block(p, s, z, c["token_mask"], _dropout(c))


def _dropout(c: Params) -> Params | None:
    return c["dropout"] if "dropout" in c else None  # noqa: SIM401, which graphs can't compile


def _pair_update(name: str) -> Segment:
    def update(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
        return (pairformer.update_pairs(name, p, x[0], c["token_mask"], _dropout(c)),)

    update.__qualname__ = f"_{name}"
    return Segment(update)


def _update_single(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    s, z = x
    return (pairformer.update_single(p, s, z, c["token_mask"])[0],)


def _distogram(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    z = x[0]
    logits = heads.distogram_head(p, z, c["token_mask"], c["rows"])
    return (losses.cross_entropy(logits, c["bins"], c["weight"]),)


def _condition_pairs(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    z = x[0]
    z = kernels.condition_pairs(p["diffusion_conditioning"], c, z)
    encoder = p["atom_attention_encoder"]
    return z, linear(encoder, "linear_no_bias_z", layer_norm(encoder, "layernorm_z", z))


def _pair_bias(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    z = x[0]
    return (kernels.pair_bias(p["attention_pair_bias"], z, c["token_mask"])[0],)


def _prepare_atoms(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    s_inputs, s, token_pairs = x
    modules = p["diffusion_conditioning"], p["atom_attention_encoder"], p[f"atom_attention_decoder.{ATOM_BLOCKS}"]
    single, atoms, encoder, decoder = diffusion.prepare_atoms(*modules, c, s_inputs, s, token_pairs)
    return single, atoms, *encoder, *decoder


def _condition_single(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    return (diffusion.condition_single(p, x[0], c["sigma"]),)


def _embed_noisy(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    r = diffusion.scale_noisy(c["x_noisy"], c["t_hat"])
    return diffusion.embed_noisy_atoms(p, c["f"], x[0], list(x[1:]), r)


def _add_conditioning(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    a, s = x
    return (diffusion.add_conditioning(p, a, s),)


def _diffusion_block(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    a, s, bias = x
    return (diffusion.diffusion_block(p, a, s, bias, c["token_mask"], 0, 1),)


def _adaptive_norm(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    a, s = x
    return (adaptive_layer_norm(p, a, s),)


def _attention_heads(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    h, bias = x
    return (pairformer.attention_heads(p, h, bias, c["token_mask"], 0, 1),)


def _add_attention(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    a, s, heads = x
    return (diffusion.add_attention(p, a, s, heads),)


def _transition_update(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    return (primitives.transition_update(p, x[0]),)


def _add_transition(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    a, s, update = x
    return (primitives.add_transition(p, a, s, update),)


def _norm_tokens(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    return (layer_norm(p, "layernorm_a", x[0]),)


def _denoised(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    a, q, atoms = x[0], x[1], x[2]
    update = atom_attention_decoder(p, c["f"], a, q, atoms, list(x[3:]))
    return (diffusion.denoised_positions(c["x_noisy"], c["t_hat"], update),)


def _coordinates(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    return losses.coordinate_losses(c, x[0])


def _embed_sample(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    return heads.embed_sample(p, c["s_inputs"], c["s"], c["z"], c["token_mask"], c["x"])


def _pair_errors(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    z = x[0]
    pae, pde = heads.pair_error_logits(p, z, c["token_mask"], c["rows"])
    return (
        losses.cross_entropy(pae, c["pae_bins"], c["pae_weight"]),
        losses.cross_entropy(pde, c["pde_bins"], c["pde_weight"]),
    )


def _atom_scores(p: Params, c: Params, x: Inputs) -> tuple[Tensor, ...]:
    s = x[0]
    plddt, resolved = heads.atom_logits(p, s)
    plddt = ops.gather(plddt.reshape((-1, plddt.shape[-1])), c["slot"], 0)
    resolved = ops.gather(resolved.reshape((-1, resolved.shape[-1])), c["slot"], 0)
    return (
        losses.cross_entropy(plddt, c["plddt_bins"], c["plddt_weight"]),
        losses.cross_entropy(resolved, c["resolved_bins"], c["resolved_weight"]),
    )


embed_inputs = Segment(_embed_inputs)
add_esm = Segment(_add_esm)
init_trunk = Segment(_init_trunk)
begin_cycle = Segment(_begin_cycle)
add_constraints = Segment(_add_constraints)
embed_template = Segment(_embed_template)
add_templates = Segment(_add_templates)
msa_block = Segment(_msa_block)
last_msa_block = Segment(_last_msa_block)
pairformer_block = Segment(_pairformer_block)
# The same in pieces: by the name of their parameters the updates of the pairs, then that of s.
pair_updates = {name: _pair_update(name) for name in pairformer.PAIR_UPDATES}
update_single = Segment(_update_single)
distogram = Segment(_distogram)
condition_pairs = Segment(_condition_pairs)
pair_bias = Segment(_pair_bias)
prepare_atoms = Segment(_prepare_atoms)
condition_single = Segment(_condition_single)
embed_noisy = Segment(_embed_noisy)
add_conditioning = Segment(_add_conditioning)
norm_tokens = Segment(_norm_tokens)
diffusion_block = Segment(_diffusion_block)
# The same in pieces: the attention in three, and the transition in three of which the first is the attention's.
adaptive_norm = Segment(_adaptive_norm)
attention_heads = Segment(_attention_heads)
add_attention = Segment(_add_attention)
transition_update = Segment(_transition_update)
add_transition = Segment(_add_transition)
denoised = Segment(_denoised)
coordinates = Segment(_coordinates)
embed_sample = Segment(_embed_sample)
pair_errors = Segment(_pair_errors)
atom_scores = Segment(_atom_scores)
