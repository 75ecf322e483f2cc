"""Windows of atoms for the atom transformer (AF3 Algorithm 7): 32 queries that see 128 keys around them."""

import numpy as np

from pfold.constants import MASKED, N_KEYS, N_QUERIES

Arrays = dict[str, np.ndarray]


def window_indices(n_atom: int) -> tuple[np.ndarray, np.ndarray]:
    """Key atoms of each query window.

    n_atom is a multiple of 32. Returns indices [n_atom / 32, 128] int32, clipped to the valid range, and which of them
    are inside it, bool of the same shape.
    """
    first = np.arange(n_atom // N_QUERIES) * N_QUERIES - (N_KEYS - N_QUERIES) // 2
    keys = first[:, None] + np.arange(N_KEYS)[None]
    inside = (keys >= 0) & (keys < n_atom)
    return np.clip(keys, 0, n_atom - 1).astype(np.int32), inside


def atom_windows(
    ref_pos: np.ndarray, ref_space_uid: np.ndarray, atom_to_token_idx: np.ndarray, atom_mask: np.ndarray, n_token: int
) -> Arrays:
    """Everything the atom transformer needs of the windows (AF3 Algorithm 5, lines 2-3).

    ref_pos [N_atom, 3] (Å), ref_space_uid, atom_to_token_idx and atom_mask [N_atom]; N_atom is a multiple of 32.
    Returns window_keys [W, 128] int32, window_bias [W, 128], window_token_pair [W, 32, 128] int32 (row of the
    flattened token pairs), d_lm [W, 32, 128, 3] (Å), v_lm [W, 32, 128, 1].
    """
    keys, inside = window_indices(len(ref_pos))
    queries = np.arange(len(ref_pos)).reshape(-1, N_QUERIES)
    present = inside & (atom_mask[keys] > 0)
    same_space = ref_space_uid[queries][:, :, None] == ref_space_uid[keys][:, None, :]
    token = atom_to_token_idx.astype(np.int32)
    return {
        "window_keys": keys,
        "window_bias": np.where(present, np.float32(0), np.float32(MASKED)),
        "window_token_pair": token[queries][:, :, None] * np.int32(n_token) + token[keys][:, None, :],
        "d_lm": (ref_pos[queries][:, :, None] - ref_pos[keys][:, None]).astype(np.float32),
        "v_lm": same_space[..., None].astype(np.float32),
    }
