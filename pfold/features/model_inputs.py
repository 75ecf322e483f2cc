"""From the documented features to the padded arrays that the compiled graphs take.

Padding goes to the end of tokens, atoms and MSA rows, and a mask says what is real; no mask-respecting
algorithm lets padding change an unpadded result.
"""

from collections.abc import Sequence

import numpy as np

from pfold.constants import N_QUERIES, R_MAX, S_MAX
from pfold.features.schema import Features
from pfold.features.templates import template_pairs
from pfold.features.windows import atom_windows
from pfold.weights.published import ModelSettings

Arrays = dict[str, np.ndarray]


def pad(x: np.ndarray, *lengths: int) -> np.ndarray:
    """Zero-pad the leading axes of `x` at their ends to the given lengths."""
    widths = [(0, length - size) for length, size in zip(lengths, x.shape, strict=False)]
    return np.pad(x, widths + [(0, 0)] * (x.ndim - len(lengths)))


def relative_positions(f: Features, n_token: int) -> Arrays:
    """Bins of AF3 Algorithm 3: relative_residue, relative_token, relative_chain [N, N] int32, same_entity [N, N]."""
    ids = {
        k: pad(np.asarray(f[k], np.int64), n_token)
        for k in ("asym_id", "residue_index", "entity_id", "sym_id", "token_index")
    }

    def binned(key: str, bound: int, where: np.ndarray) -> np.ndarray:
        difference = np.clip(ids[key][:, None] - ids[key][None] + bound, 0, 2 * bound)
        return np.where(where, difference, 2 * bound + 1).astype(np.int32)

    def same(key: str) -> np.ndarray:
        return ids[key][:, None] == ids[key][None]

    same_chain = same("asym_id")
    same_residue = same_chain & same("residue_index")
    return {
        "relative_residue": binned("residue_index", R_MAX, same_chain),
        "relative_token": binned("token_index", R_MAX, same_residue),
        "relative_chain": binned("sym_id", S_MAX, same("entity_id")),
        "same_entity": same("entity_id").astype(np.float32),
    }


def atom_arrays(f: Features, n_token: int, n_atom: int) -> Arrays:
    """Padded per-atom arrays with their windows; n_atom is a multiple of 32."""
    count = len(f["atom_to_token_idx"])
    atom_mask = pad(np.ones(count, np.float32), n_atom)
    to_token = pad(np.asarray(f["atom_to_token_idx"]), n_atom).astype(np.int32)
    ref_pos = pad(np.asarray(f["ref_pos"], np.float32), n_atom)
    per_token = np.bincount(np.asarray(f["atom_to_token_idx"]), minlength=n_token)
    arrays = {k: pad(np.asarray(f[k], np.float32), n_atom) for k in ("ref_charge", "ref_mask", "ref_element")}
    return arrays | {
        "ref_pos": ref_pos,
        "ref_atom_name_chars": pad(np.asarray(f["ref_atom_name_chars"], np.float32), n_atom),
        "atom_mask": atom_mask,
        "atom_to_token_idx": to_token,
        "atoms_per_token": np.maximum(per_token, 1)[:, None].astype(np.float32),
        **atom_windows(ref_pos, pad(np.asarray(f["ref_space_uid"]), n_atom), to_token, atom_mask, n_token),
    }


def device_features(f: Features, n_token: int | None = None, n_atom: int | None = None) -> Arrays:
    """All arrays of one target except its alignment, padded to n_token tokens and n_atom atoms.

    f: features as in `pfold.features.schema`. Without lengths nothing is padded but atoms, to a multiple of 32.
    Returns float32 and int32 arrays.
    """
    n_token = n_token or len(f["token_index"])
    n_atom = -(-(n_atom or len(f["ref_pos"])) // N_QUERIES) * N_QUERIES
    arrays = {
        "token_mask": pad(np.ones(len(f["token_index"]), np.float32), n_token),
        "token_bonds": pad(np.asarray(f["token_bonds"], np.float32), n_token, n_token),
    }
    for key in ("restype", "profile", "deletion_mean"):
        arrays[key] = pad(np.asarray(f[key], np.float32), n_token)
    return arrays | relative_positions(f, n_token) | atom_arrays(f, n_token, n_atom)


# Indices into a target's own tokens, atoms or pairs; in a batch they count from the target's first.
_TOKEN_INDICES = ("atom_to_token_idx",)
_ATOM_INDICES = ("window_keys",)
_PAIR_INDICES = ("window_token_pair",)


def stack_targets(arrays: Sequence[Arrays], n_token: int = 0, n_atom: int = 0) -> Arrays:
    """The arrays of a batch's targets, all padded alike, below one another along their first axis."""
    steps = dict.fromkeys(_TOKEN_INDICES, n_token) | dict.fromkeys(_ATOM_INDICES, n_atom)
    steps |= dict.fromkeys(_PAIR_INDICES, n_token * n_token)
    stacked = {}
    for key in arrays[0]:
        step = np.int32(steps.get(key, 0))
        parts = [mine[key] + i * step if step and i else mine[key] for i, mine in enumerate(arrays)]
        stacked[key] = np.concatenate(parts) if len(parts) > 1 else parts[0]
    return stacked


def msa_arrays(f: Features, rows: np.ndarray, n_msa: int, n_token: int) -> Arrays:
    """The chosen MSA rows, padded: msa [n_msa, n_token] int32, has_deletion, deletion_value, msa_mask [n_msa]."""
    arrays = {k: pad(np.asarray(f[k], np.float32)[rows], n_msa, n_token) for k in ("has_deletion", "deletion_value")}
    return arrays | {
        "msa": pad(np.asarray(f["msa"])[rows].astype(np.int32), n_msa, n_token),
        "msa_mask": pad(np.ones(len(rows), np.float32), n_msa),
    }


def constraint_arrays(f: Features, n_token: int) -> Arrays | None:
    """Padded constraints: contact and contact_atom [N, N, 2], pocket [N, N, 1] (Å); None where there are none."""
    names = ("contact", "contact_atom", "pocket")
    if any(f"constraint_{name}" not in f for name in names):
        return None
    return {name: pad(np.asarray(f[f"constraint_{name}"], np.float32), n_token, n_token) for name in names}


def esm_array(f: Features, settings: ModelSettings, n_token: int) -> np.ndarray:
    """Padded language-model embeddings, [N, 2560] float32. Raises ValueError where the features have none."""
    if "esm_token_embedding" not in f:
        raise ValueError(
            f'{settings.name} needs the feature "esm_token_embedding" [N, 2560] (embeddings by {settings.esm}); '
            "make it with pfold.esm.features.esm_features"
        )
    return pad(np.asarray(f["esm_token_embedding"], np.float32), n_token)


def template_arrays(f: Features, n_token: int) -> list[tuple[Arrays, float]]:
    """Padded arrays of each distinct template and its share in the mean over all of them.

    Pair arrays are zero between chains, as the reference masks them: distogram [N, N, 39], pseudo_beta_mask and
    frame_mask [N, N], unit_vector [N, N, 3]; aatype [N] int32. They are computed from the template's atoms where the
    features do not have them. Empty templates, which are equal, are embedded once.
    """
    if "template_aatype" not in f:
        raise ValueError('the model takes templates, but the features have no "template_aatype" [4, N]')
    asym_id = np.asarray(f["asym_id"])
    same_chain = (asym_id[:, None] == asym_id[None]).astype(np.float32)
    n_template = len(f["template_aatype"])
    found: dict[bytes, tuple[Arrays, float]] = {}
    for i in range(n_template):
        aatype = np.asarray(f["template_aatype"][i])
        key = aatype.tobytes() if _is_empty(f, i) else i.to_bytes(4, "little")
        if key in found:
            found[key] = (found[key][0], found[key][1] + 1 / n_template)
            continue
        arrays = {"aatype": pad(aatype, n_token).astype(np.int32)}
        for name, pairs in _template_pairs(f, i).items():
            masked = pairs * (same_chain if pairs.ndim == 2 else same_chain[..., None])
            arrays[name] = pad(masked, n_token, n_token)
        found[key] = (arrays, 1 / n_template)
    return list(found.values())


# Pair features of a template and what they are called on the device.
_TEMPLATE_PAIRS = {
    "distogram": "distogram",
    "pseudo_beta_mask": "pseudo_beta_mask",
    "unit_vector": "unit_vector",
    "backbone_frame_mask": "frame_mask",
}


def _template_pairs(f: Features, index: int) -> Arrays:
    if "template_distogram" in f:
        return {new: np.asarray(f[f"template_{old}"][index], np.float32) for old, new in _TEMPLATE_PAIRS.items()}
    pairs = template_pairs(f, index)
    return {new: pairs[old] for old, new in _TEMPLATE_PAIRS.items()}


def _is_empty(f: Features, index: int) -> bool:
    if "template_atom_mask" in f:
        return not np.any(f["template_atom_mask"][index])
    return not np.any(f["template_pseudo_beta_mask"][index]) and not np.any(f["template_backbone_frame_mask"][index])
