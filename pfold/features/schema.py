"""Every feature: name, dtype, shape and meaning. Names, dtypes and shapes are the reference's.

Lengths: N tokens, A atoms, M MSA rows. A token is a standard residue, or an atom of anything else.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Feature:
    """One input array; a length of the shape is a number or one of "N", "A", "M"."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    meaning: str


FEATURES = (
    Feature("token_index", "int64", ("N",), "number of the token, from 0"),
    Feature("residue_index", "int64", ("N",), "number of the residue in its chain, from 1"),
    Feature("asym_id", "int64", ("N",), "number of the chain, from 0"),
    Feature("entity_id", "int64", ("N",), "number of the distinct molecule, from 0"),
    Feature("sym_id", "int64", ("N",), "number of the copy among chains of the same entity, from 0"),
    Feature("restype", "float32", ("N", 32), "one-hot residue type (pfold.chem.residues.RESTYPES)"),
    Feature("token_bonds", "float32", ("N", "N"), "1 where a bond other than a standard polymer bond joins two tokens"),
    Feature("ref_pos", "float32", ("A", 3), "reference conformer of the residue, randomly moved and turned (Å)"),
    Feature("ref_mask", "int64", ("A",), "1 where the reference position is known"),
    Feature("ref_element", "int64", ("A", 128), "one-hot atomic number - 1"),
    Feature("ref_charge", "int64", ("A",), "formal charge"),
    Feature("ref_atom_name_chars", "int64", ("A", 4, 64), "four characters of the atom name, one-hot ASCII - 32"),
    Feature("ref_space_uid", "int64", ("A",), "number of the reference conformer: chain and residue"),
    Feature("has_frame", "int64", ("N",), "1 where the token has a frame"),
    Feature(
        "frame_atom_index",
        "int64",
        ("N", 3),
        "atoms of the frame: N, Cα, C; C1', C3', C4'; or an atom between its nearest two",
    ),
    Feature("atom_to_token_idx", "int64", ("A",), "token of the atom"),
    Feature("atom_to_tokatom_idx", "int64", ("A",), "number of the atom in its standard residue, 0 elsewhere"),
    Feature("is_protein", "int64", ("A",), "1 for atoms of proteins"),
    Feature("is_ligand", "int64", ("A",), "1 for atoms of ligands"),
    Feature("is_dna", "int64", ("A",), "1 for atoms of DNA"),
    Feature("is_rna", "int64", ("A",), "1 for atoms of RNA"),
    Feature("mol_id", "int64", ("A",), "number of the covalently joined molecule"),
    Feature("mol_atom_index", "int64", ("A",), "number of the atom in its molecule"),
    Feature("entity_mol_id", "int64", ("A",), "number of the distinct molecule"),
    Feature("pae_rep_atom_mask", "int64", ("A",), "1 for the atom that represents the token in PAE "),
    Feature("plddt_m_rep_atom_mask", "int64", ("A",), "1 for the atom that represents the token in pLDDT (Cα)"),
    Feature("distogram_rep_atom_mask", "int64", ("A",), "1 for the atom of the distogram (Cβ, Cα of glycine)"),
    Feature("constraint_contact", "float32", ("N", "N", 2), "smallest and largest distance of a contact (Å)"),
    Feature("constraint_contact_atom", "float32", ("N", "N", 2), "the same of a contact between atoms (Å)"),
    Feature("constraint_pocket", "float32", ("N", "N", 1), "largest distance of binder (row) and pocket (Å)"),
    Feature("esm_token_embedding", "float32", ("N", 2560), "the residue's embedding by ESM-2, 0 where there is none"),
    Feature("template_aatype", "int64", (4, "N"), "residue type of each template"),
    Feature("template_atom_positions", "float32", (4, "N", 24, 3), "template atoms (Å)"),
    Feature("template_atom_mask", "bool", (4, "N", 24), "where template atoms are known"),
    Feature("template_pseudo_beta_mask", "float32", (4, "N", "N"), "1 where both residues have a Cβ in the template"),
    Feature("template_distogram", "float32", (4, "N", "N", 39), "one-hot Cβ distance in the template"),
    Feature("template_unit_vector", "float32", (4, "N", "N", 3), "direction to the other residue in the own frame"),
    Feature("template_backbone_frame_mask", "float32", (4, "N", "N"), "1 where both residues have a frame"),
    Feature("msa", "int64", ("M", "N"), "residue type in each MSA row; paired rows, then unpaired ones"),
    Feature("msa_mask", "bool", ("M", "N"), "where the alignment counts"),
    Feature("deletion_value", "float32", ("M", "N"), "2/π arctan(insertions before the column / 3)"),
    Feature("has_deletion", "float32", ("M", "N"), "1 where the row has insertions before the column"),
    Feature("profile", "float32", ("N", 32), "frequency of residue types in the unpaired rows"),
    Feature("deletion_mean", "float32", ("N",), "mean number of insertions in the unpaired rows"),
    Feature("prot_unpaired_num_alignments", "int64", (), "unpaired protein rows"),
    Feature("prot_paired_num_alignments", "int64", (), "paired protein rows"),
    Feature("rna_unpaired_num_alignments", "int64", (), "unpaired RNA rows"),
    Feature("rna_pair_num_alignments", "int64", (), "paired RNA rows"),
    Feature("prot_pair_num_alignments", "int64", (), "paired protein rows (the reference's other spelling)"),
    Feature("prot_unpair_num_alignments", "int64", (), "unpaired protein rows (the reference's other spelling)"),
    Feature("rna_unpair_num_alignments", "int64", (), "unpaired RNA rows (the reference's other spelling)"),
)


_BY_NAME = {feature.name: feature for feature in FEATURES}
# Not every target or model has these.
_OPTIONAL = ("constraint_", "template_", "esm_")


class Features(dict[str, np.ndarray]):
    """The features of a target by name, checked: all that a model reads are there, each with its dtype and shape.

    Constraints, templates and embeddings may be left out. Raises ValueError, naming the array, for one that is missing,
    unknown, or of another dtype or shape.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        super().__init__(arrays)
        self._check()

    def _check(self) -> None:
        for name in self:
            if name not in _BY_NAME:
                nearest = difflib.get_close_matches(name, _BY_NAME, n=1, cutoff=0.0)[0]
                raise ValueError(f'the feature "{name}" is unknown; did you mean "{nearest}"?')
        lengths: dict[str, int] = {}
        for feature in FEATURES:
            array = self.get(feature.name)
            if array is not None:
                _check_array(feature, array, lengths)
            elif not feature.name.startswith(_OPTIONAL):
                raise ValueError(f'feature "{feature.name}" is missing: {feature.meaning}')


def _check_array(feature: Feature, array: np.ndarray, lengths: dict[str, int]) -> None:
    expected = tuple(lengths.get(axis, axis) if isinstance(axis, str) else axis for axis in feature.shape)
    fits = len(array.shape) == len(expected) and all(
        isinstance(known, str) or known == n for known, n in zip(expected, array.shape, strict=True)
    )
    if not fits or str(array.dtype) != feature.dtype:
        shape = ", ".join(map(str, expected))
        raise ValueError(
            f'feature "{feature.name}" is {array.dtype} {array.shape}, expected {feature.dtype} ({shape}): '
            f"{feature.meaning}"
        )
    lengths.update({axis: n for axis, n in zip(feature.shape, array.shape, strict=True) if isinstance(axis, str)})
