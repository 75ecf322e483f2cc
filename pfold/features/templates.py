"""Template features (AF3 supplement, section 2.8, table 5; reference: template_featurizer.py, template_utils.py)."""

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from pfold.chem.components import component
from pfold.chem.residues import GAP, MSA_TABLES, PROTEIN_ONE_TO_THREE, RESTYPE_INDEX, RESTYPES, UNKNOWN
from pfold.features.tokens import n_column
from pfold.targets.types import PROTEIN, Target
from pfold.templates.structures import ATOM37, Template

Arrays = dict[str, np.ndarray]

N_TEMPLATE = 4
N_TEMPLATE_ATOM = 24
N_DISTOGRAM_BIN = 39
DISTOGRAM_RANGE = (3.25, 50.75)
# Chains this short get no template (reference: TemplateFeatureAssemblyLine).
MIN_CHAIN_LENGTH = 5
_EPSILON = 1e-6


@functools.cache
def _dense_atoms() -> np.ndarray:
    """For each residue class, which of the 37 atoms stands in each of 24 slots; 0 in slots without one, as the
    reference has it.  [32, 24]."""
    table = np.zeros((len(RESTYPES), N_TEMPLATE_ATOM), np.int64)
    for code in PROTEIN_ONE_TO_THREE.values():
        if code != "UNK":
            comp = component(code)
            names = [name for name in comp.atom_name[comp.heavy].tolist() if name != "OXT"]
            table[RESTYPE_INDEX[code], : len(names)] = [ATOM37.index(name) for name in names]
    return table


def template_features(target: Target, columns: np.ndarray, templates: Sequence[Sequence[Template]]) -> Arrays:
    """template_aatype, template_atom_positions and template_atom_mask of a target.

    columns: the column of each token in the chains side by side (`pfold.features.msa.chain_columns`); templates: those
    of each entity. Pair features come from `with_pair_features`.
    """
    chains = []
    for entity, own in zip(target.entities, templates, strict=True):
        usable = own if entity.kind == PROTEIN and n_column(entity) >= MIN_CHAIN_LENGTH else ()
        chains += [_chain_arrays(n_column(entity), usable)] * entity.count
    aatype, positions, mask = (np.concatenate(parts, axis=1)[:, columns] for parts in zip(*chains, strict=True))
    return {"template_aatype": aatype, "template_atom_positions": positions, "template_atom_mask": mask}


def _chain_arrays(length: int, templates: Sequence[Template]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residue classes [4, L], positions [4, L, 24, 3] and mask [4, L, 24] of a chain; one of gaps where it has none."""
    aatype = np.zeros((N_TEMPLATE, length), np.int64)
    positions = np.zeros((N_TEMPLATE, length, N_TEMPLATE_ATOM, 3), np.float32)
    mask = np.zeros((N_TEMPLATE, length, N_TEMPLATE_ATOM), bool)
    if not templates:
        aatype[0] = GAP
    for i, template in enumerate(templates[:N_TEMPLATE]):
        letters = np.frombuffer(template.sequence.encode("ascii"), np.uint8)
        classes = MSA_TABLES[PROTEIN][letters]
        aatype[i] = np.where(classes < 0, UNKNOWN, classes)
        slots = _dense_atoms()[aatype[i]]
        mask[i] = np.take_along_axis(template.mask, slots, axis=1)
        chosen = np.take_along_axis(template.positions, slots[..., None], axis=1)
        positions[i] = np.where(mask[i][..., None], chosen, 0)
    return aatype, positions, mask


def empty_templates(n_token: int) -> Arrays:
    """The features of a target without templates: one template of gaps, padded to four; zeros are views of one."""
    aatype = np.zeros((N_TEMPLATE, n_token), np.int64)
    aatype[0] = GAP
    return {
        "template_aatype": aatype,
        "template_atom_positions": np.broadcast_to(np.float32(0), (N_TEMPLATE, n_token, N_TEMPLATE_ATOM, 3)),
        "template_atom_mask": np.broadcast_to(np.bool_(False), (N_TEMPLATE, n_token, N_TEMPLATE_ATOM)),
    }


def is_empty(features: Mapping[str, np.ndarray]) -> bool:
    """Whether no template has an atom."""
    return not np.any(features["template_atom_mask"])


def with_pair_features(features: Arrays) -> Arrays:
    """Features with the pair features of all templates, which take 43 x 4 float32 a token pair.

    Those of empty templates are views of one zero.
    """
    n_token = features["template_aatype"].shape[1]
    if is_empty(features):
        zero = np.float32(0)
        pairs = (N_TEMPLATE, n_token, n_token)
        return features | {
            "template_pseudo_beta_mask": np.broadcast_to(zero, pairs),
            "template_distogram": np.broadcast_to(zero, (*pairs, N_DISTOGRAM_BIN)),
            "template_unit_vector": np.broadcast_to(zero, (*pairs, 3)),
            "template_backbone_frame_mask": np.broadcast_to(zero, pairs),
        }
    each = [template_pairs(features, i) for i in range(N_TEMPLATE)]
    return features | {f"template_{name}": np.stack([pairs[name] for pairs in each]) for name in each[0]}


def template_pairs(features: Mapping[str, np.ndarray], index: int) -> Arrays:
    """pseudo_beta_mask and backbone_frame_mask [N, N], distogram [N, N, 39] and unit_vector [N, N, 3] of a template."""
    aatype = np.asarray(features["template_aatype"][index])
    mask = np.asarray(features["template_atom_mask"][index])
    positions = np.asarray(features["template_atom_positions"][index], np.float32) * mask[..., None]
    standard = aatype < UNKNOWN
    glycine = aatype == RESTYPE_INDEX["GLY"]
    # Slots of a standard residue: N, CA, C, O, CB; all else is measured from its first slot, as in the reference.
    beta = np.where(standard, np.where(glycine, 1, 4), 0)
    residue = np.arange(len(aatype))
    beta_mask = mask[residue, beta].astype(np.float32)
    beta_pairs = beta_mask[:, None] * beta_mask[None]
    n, ca, c = (np.where(standard, slot, 0) for slot in (0, 1, 2))
    framed = (mask[residue, n] & mask[residue, ca] & mask[residue, c]).astype(np.float32)
    frame_pairs = framed[:, None] * framed[None]
    vectors = _unit_vectors(positions[residue, n], positions[residue, ca], positions[residue, c])
    return {
        "pseudo_beta_mask": beta_pairs,
        "distogram": _distogram(positions[residue, beta]) * beta_pairs[..., None],
        "unit_vector": vectors * frame_pairs[..., None],
        "backbone_frame_mask": frame_pairs,
    }


def _distogram(x: np.ndarray) -> np.ndarray:
    """One-hot distance bins.  x [N, 3] (Å) -> [N, N, 39] float32."""
    lower = np.square(np.linspace(*DISTOGRAM_RANGE, N_DISTOGRAM_BIN, dtype=np.float32))
    upper = np.append(lower[1:], np.float32(1e8))
    delta = x[:, None] - x[None]
    square = np.einsum("ijk,ijk->ij", delta, delta)[..., None]
    return ((square > lower) & (square < upper)).astype(np.float32)


def _unit_vectors(n: np.ndarray, ca: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Direction to every other Cα in each residue's frame.  n, ca, c [N, 3] (Å) -> [N, N, 3] float32."""
    e1 = _normalised(c - ca)
    v2 = n - ca
    e2 = _normalised(v2 - np.einsum("ij,ij->i", v2, e1)[:, None] * e1)
    frames = np.stack([e1, e2, np.cross(e1, e2)], axis=-1)
    return _normalised(np.einsum("ilk,ijl->ijk", frames, ca[None] - ca[:, None])).astype(np.float32)


def _normalised(v: np.ndarray) -> np.ndarray:
    return v / (np.sqrt(np.einsum("...k,...k->...", v, v))[..., None] + _EPSILON)
