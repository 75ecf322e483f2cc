"""From the documented features to the padded arrays that the compiled graphs take.

Padding goes to the end of tokens, atoms and alignment rows, and a mask says what is real; no mask-respecting
algorithm lets padding change an unpadded result.
"""

from collections.abc import Mapping

import numpy as np

from pfold.features.windows import N_QUERIES, atom_windows

Arrays = dict[str, np.ndarray]

# AF3 Algorithm 3.
R_MAX = 32
S_MAX = 2


def pad(x: np.ndarray, *lengths: int) -> np.ndarray:
    """Zero-pad the leading axes of `x` at their ends to the given lengths."""
    widths = [(0, length - size) for length, size in zip(lengths, x.shape, strict=False)]
    return np.pad(x, widths + [(0, 0)] * (x.ndim - len(lengths)))


def relative_positions(f: Mapping[str, np.ndarray], n_token: int) -> Arrays:
    """Bins of AF3 Algorithm 3: relative_residue, relative_token, relative_chain [N, N] int32, same_entity [N, N]."""
    ids = {
        k: pad(np.asarray(f[k], np.int64), n_token)
        for k in ("asym_id", "residue_index", "entity_id", "sym_id", "token_index")
    }

    def difference(key: str, bound: int) -> np.ndarray:
        return np.clip(ids[key][:, None] - ids[key][None] + bound, 0, 2 * bound)

    def same(key: str) -> np.ndarray:
        return ids[key][:, None] == ids[key][None]

    same_chain = same("asym_id")
    same_residue = same_chain & same("residue_index")
    return {
        "relative_residue": np.where(same_chain, difference("residue_index", R_MAX), 2 * R_MAX + 1).astype(np.int32),
        "relative_token": np.where(same_residue, difference("token_index", R_MAX), 2 * R_MAX + 1).astype(np.int32),
        "relative_chain": np.where(same("entity_id"), difference("sym_id", S_MAX), 2 * S_MAX + 1).astype(np.int32),
        "same_entity": same("entity_id").astype(np.float32),
    }


def atom_arrays(f: Mapping[str, np.ndarray], n_token: int, n_atom: int) -> Arrays:
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


def device_features(f: Mapping[str, np.ndarray], n_token: int | None = None, n_atom: int | None = None) -> Arrays:
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


def alignment_rows(f: Mapping[str, np.ndarray], rows: np.ndarray, n_msa: int, n_token: int) -> Arrays:
    """The chosen alignment rows, padded: msa [n_msa, n_token] int32, has_deletion, deletion_value, msa_mask [n_msa]."""
    arrays = {k: pad(np.asarray(f[k], np.float32)[rows], n_msa, n_token) for k in ("has_deletion", "deletion_value")}
    return arrays | {
        "msa": pad(np.asarray(f["msa"])[rows].astype(np.int32), n_msa, n_token),
        "msa_mask": pad(np.ones(len(rows), np.float32), n_msa),
    }


def template_arrays(f: Mapping[str, np.ndarray], n_token: int) -> list[tuple[Arrays, float]]:
    """Padded arrays of each distinct template and its share in the mean over all of them.

    Pair arrays are zero between chains, as the reference masks them: distogram [N, N, 39], pseudo_beta_mask and
    frame_mask [N, N], unit_vector [N, N, 3]; aatype [N] int32. Empty templates, which are equal, are embedded once.
    """
    asym_id = np.asarray(f["asym_id"])
    same_chain = (asym_id[:, None] == asym_id[None]).astype(np.float32)
    names = {
        "distogram": "template_distogram",
        "pseudo_beta_mask": "template_pseudo_beta_mask",
        "unit_vector": "template_unit_vector",
        "frame_mask": "template_backbone_frame_mask",
    }
    n_template = len(f["template_aatype"])
    found: dict[bytes, tuple[Arrays, float]] = {}
    for i in range(n_template):
        empty = not np.any(f["template_pseudo_beta_mask"][i]) and not np.any(f["template_backbone_frame_mask"][i])
        key = np.asarray(f["template_aatype"][i]).tobytes() if empty else i.to_bytes(4, "little")
        if key in found:
            found[key] = (found[key][0], found[key][1] + 1 / n_template)
            continue
        arrays = {"aatype": pad(np.asarray(f["template_aatype"][i]), n_token).astype(np.int32)}
        for name, feature in names.items():
            pairs = np.asarray(f[feature][i], np.float32)
            masked = pairs * (same_chain if pairs.ndim == 2 else same_chain[..., None])
            arrays[name] = pad(masked, n_token, n_token)
        found[key] = (arrays, 1 / n_template)
    return list(found.values())
