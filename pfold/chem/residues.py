"""Residue types and how alignments spell them (reference: data/constants.py)."""

import numpy as np

# One-letter code -> CCD code of protein residues; X is an unknown residue.
PROTEIN_ONE_TO_THREE = {
    "A": "ALA",
    "R": "ARG",
    "N": "ASN",
    "D": "ASP",
    "C": "CYS",
    "Q": "GLN",
    "E": "GLU",
    "G": "GLY",
    "H": "HIS",
    "I": "ILE",
    "L": "LEU",
    "K": "LYS",
    "M": "MET",
    "F": "PHE",
    "P": "PRO",
    "S": "SER",
    "T": "THR",
    "W": "TRP",
    "Y": "TYR",
    "V": "VAL",
    "X": "UNK",
}

RNA_RESIDUES = ("A", "G", "C", "U", "N")
DNA_RESIDUES = ("DA", "DG", "DC", "DT", "DN")
# The 32 classes of `restype`, `msa` and `profile`: 21 protein, 5 RNA, 5 DNA, gap.
RESTYPES = (*PROTEIN_ONE_TO_THREE.values(), *RNA_RESIDUES, *DNA_RESIDUES, "-")
RESTYPE_INDEX = {name: i for i, name in enumerate(RESTYPES)}
GAP = RESTYPE_INDEX["-"]

# Letters of alignments that stand for another residue: ambiguity codes, selenocysteine, pyrrolysine.
_ALIASES = {"B": "D", "J": "X", "O": "X", "U": "C", "Z": "E"}


def _protein_msa_table() -> np.ndarray:
    table = np.full(128, -1, np.int32)
    for letter, name in PROTEIN_ONE_TO_THREE.items():
        table[ord(letter)] = RESTYPE_INDEX[name]
    for letter, alias in _ALIASES.items():
        table[ord(letter)] = table[ord(alias)]
    table[ord("-")] = GAP
    return table


# ASCII code of an a3m character -> class of an aligned residue, or -1 for an insertion or anything else.
PROTEIN_MSA_TABLE = _protein_msa_table()
