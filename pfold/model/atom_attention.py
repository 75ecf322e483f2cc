"""Attention over windows of atoms (AF3 Algorithms 5-7).

Atoms are cut into windows of 32 queries that see 128 keys around them. Window indices and masks are made once on
the host (`pfold.features.windows`): `window_keys` [N_window, 128] int32, `window_bias` [N_window, 128] (0 or MASKED).
"""

from mindspore import Tensor, ops

from pfold import kernels
from pfold.constants import N_QUERIES
from pfold.model.primitives import Params, adaptive_layer_norm, conditioned_transition, expand, layer_norm, linear

# Where an atom encoder or decoder keeps the blocks of its atom transformer.
ATOM_BLOCKS = "atom_transformer.diffusion_transformer.blocks"


def embed_atoms(p: Params, f: Params) -> Tensor:
    """Single conditioning of atoms, AF3 Algorithm 5, line 1.  f: device features -> c [N_atom, c_atom]."""
    mask = f["ref_mask"][:, None]
    chars = f["ref_atom_name_chars"].reshape((-1, 4 * 64))
    c = linear(p, "linear_no_bias_ref_pos", f["ref_pos"])
    c = c + linear(p, "linear_no_bias_ref_charge", ops.asinh(f["ref_charge"])[:, None])
    c = c + linear(p, "linear_no_bias_f", ops.concat([mask, f["ref_element"], chars], axis=-1))
    return c * expand(mask, c)


def embed_atom_pairs(p: Params, f: Params) -> Tensor:
    """Reference geometry of atom pairs in a window, AF3 Algorithm 5, lines 2-6.

    f: device features, with d_lm [N_window, 32, 128, 3] (Å) and v_lm [N_window, 32, 128, 1]
    -> [N_window, 32, 128, c_atompair].
    """
    d, v = f["d_lm"], f["v_lm"]
    inverse = 1.0 / (1.0 + (d * d).sum(axis=-1, keepdims=True))
    pairs = linear(p, "linear_no_bias_d", d) + linear(p, "linear_no_bias_invd", inverse)
    return pairs * expand(v, pairs) + linear(p, "linear_no_bias_v", v)


def broadcast_pairs_to_windows(z: Tensor, f: Params) -> Tensor:
    """Token pairs seen by the atom pairs of each window.  z [n_target * N, N, c] -> [N_window, 32, 128, c]."""
    return ops.gather(z.reshape((-1, z.shape[-1])), f["window_token_pair"], 0)


def to_windows(x: Tensor) -> Tensor:
    """Cut atoms into query windows.  x [..., N_atom, c] -> [..., N_window, 32, c]."""
    return x.reshape(x.shape[:-2] + (x.shape[-2] // N_QUERIES, N_QUERIES, x.shape[-1]))


def combine_atom_pairs(p: Params, f: Params, c: Tensor, pairs: Tensor) -> Tensor:
    """Add the atoms' single conditioning to their pairs, AF3 Algorithm 5, lines 13-14.

    c [N_atom, c_atom], pairs [N_window, 32, 128, c_atompair] -> pairs' shape.
    """
    h = ops.relu(c)
    queries = to_windows(linear(p, "linear_no_bias_cl", h))
    keys = ops.gather(linear(p, "linear_no_bias_cm", h), f["window_keys"], 0)
    pairs = pairs + expand(queries[:, :, None], pairs) + expand(keys[:, None], pairs)
    mlp = p["small_mlp"]
    h = linear(mlp, "1", ops.relu(pairs))
    h = linear(mlp, "3", ops.relu(h))
    return pairs + linear(mlp, "5", ops.relu(h))


def atom_pair_biases(blocks: list[Params], f: Params, pairs: Tensor) -> list[Tensor]:
    """Attention bias of every block of an atom transformer; the same in each diffusion step.

    pairs [N_window, 32, 128, c_atompair] -> a list of [N_window, H, 32, 128].
    """
    masked = f["window_bias"][:, None, None]
    biases = []
    for block in blocks:
        attention = block["attention_pair_bias"]
        bias = linear(attention, "linear_nobias_z", layer_norm(attention, "layernorm_z", pairs)).transpose(0, 3, 1, 2)
        biases.append(bias + expand(masked, bias))
    return biases


def window_attention(p: Params, a: Tensor, kv: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    """Gated attention of AF3 Algorithm 24 over windows of atoms.

    a and kv [..., N_atom, c_atom], keys [N_window, 128] int32, bias [N_window, H, 32, 128] -> [..., N_atom, c_atom].
    """
    q, k, v = linear(p, "linear_q", a), linear(p, "linear_k", kv), linear(p, "linear_v", kv)
    return linear(p, "linear_o", kernels.window_attention(q, k, v, linear(p, "linear_g", a), keys, bias))


def atom_transformer(blocks: list[Params], f: Params, q: Tensor, c: Tensor, biases: list[Tensor]) -> Tensor:
    """Atom transformer, AF3 Algorithm 7.  q [..., N_atom, c_atom], c [N_atom, c_atom], biases: `atom_pair_biases`.

    As in the reference, keys and values are normalised a second time (`layernorm_kv` on the normalised queries).
    """
    for i in range(len(blocks)):
        block = blocks[i]
        attention = block["attention_pair_bias"]
        a = adaptive_layer_norm(attention["layernorm_a"], q, c)
        kv = adaptive_layer_norm(attention["layernorm_kv"], a, c)
        o = window_attention(attention["attention"], a, kv, f["window_keys"], biases[i])
        q = kernels.gated_sum(q, linear(attention, "linear_a_last", c), o)
        q = conditioned_transition(block["conditioned_transition_block"], q, c)
    return q


def aggregate_atoms_to_tokens(x: Tensor, f: Params) -> Tensor:
    """Mean of each token's atoms.  x [N_atom, c] or [N_sample, N_atom, c] -> [..., N, c]."""
    x = x * expand(f["atom_mask"][:, None], x)
    n_token, token = f["atoms_per_token"].shape[0], f["atom_to_token_idx"]
    if x.ndim == 2:
        mean = ops.unsorted_segment_sum(x, token, n_token)
    else:
        # Samples below one another: transposing them would keep indices of all entries as long as the graph lives.
        n_sample, c = x.shape[0], x.shape[2]
        first = ops.arange(0, n_sample * n_token, n_token).astype(token.dtype)
        below = ops.tile(token[None], (n_sample, 1)) + ops.tile(first[:, None], (1, token.shape[0]))
        mean = ops.unsorted_segment_sum(x.reshape((-1, c)), below.reshape((-1,)), n_sample * n_token)
        mean = mean.reshape((n_sample, n_token, c))
    return mean / expand(f["atoms_per_token"], mean)


def broadcast_tokens_to_atoms(x: Tensor, f: Params) -> Tensor:
    """Copy each token's row to its atoms.  x [..., N, c] -> [..., N_atom, c]."""
    return ops.gather(x, f["atom_to_token_idx"], x.ndim - 2)


def encode_atoms(p: Params, f: Params, q: Tensor, c: Tensor, biases: list[Tensor]) -> tuple[Tensor, Tensor]:
    """AF3 Algorithm 5, lines 15-16.  q [..., N_atom, c_atom] -> tokens a [..., N, c_token] and atoms q."""
    q = atom_transformer(p[ATOM_BLOCKS], f, q, c, biases)
    return aggregate_atoms_to_tokens(ops.relu(linear(p, "linear_no_bias_q", q)), f), q


def atom_attention_encoder(p: Params, f: Params, q: Tensor, c: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Atom attention encoder, AF3 Algorithm 5, from line 13 on.

    q and c [N_atom, c_atom], pairs [N_window, 32, 128, c_atompair] -> a [N, c_token], q, pairs.
    """
    pairs = combine_atom_pairs(p, f, c, pairs)
    a, q = encode_atoms(p, f, q, c, atom_pair_biases(p[ATOM_BLOCKS], f, pairs))
    return a, q, pairs


def atom_attention_decoder(p: Params, f: Params, a: Tensor, q_skip: Tensor, c: Tensor, biases: list[Tensor]) -> Tensor:
    """Atom attention decoder, AF3 Algorithm 6.

    a [..., N, c_token], q_skip [..., N_atom, c_atom], c [N_atom, c_atom] -> position update [..., N_atom, 3] (scaled).
    """
    q = broadcast_tokens_to_atoms(linear(p, "linear_no_bias_a", a), f) + q_skip
    q = atom_transformer(p[ATOM_BLOCKS], f, q, c, biases)
    return linear(p, "linear_no_bias_out", layer_norm(p, "layernorm_q", q))
