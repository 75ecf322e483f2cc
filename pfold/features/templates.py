"""Template features of a target without templates: one empty template of gaps, padded to four (reference layout)."""

import numpy as np

from pfold.chem.residues import GAP

N_TEMPLATE = 4
N_TEMPLATE_ATOM = 24
N_DISTOGRAM_BIN = 39


def empty_templates(n_token: int) -> dict[str, np.ndarray]:
    """The template_* features when no template is used; zero arrays are views of one element and take no memory."""

    def zeros(*shape: int, dtype: type = np.float32) -> np.ndarray:
        return np.broadcast_to(np.zeros((), dtype), shape)

    aatype = np.zeros((N_TEMPLATE, n_token), np.int64)
    aatype[0] = GAP
    pairs = (N_TEMPLATE, n_token, n_token)
    return {
        "template_aatype": aatype,
        "template_atom_positions": zeros(N_TEMPLATE, n_token, N_TEMPLATE_ATOM, 3),
        "template_atom_mask": zeros(N_TEMPLATE, n_token, N_TEMPLATE_ATOM, dtype=bool),
        "template_pseudo_beta_mask": zeros(*pairs),
        "template_distogram": zeros(*pairs, N_DISTOGRAM_BIN),
        "template_unit_vector": zeros(*pairs, 3),
        "template_backbone_frame_mask": zeros(*pairs),
    }
