"""Residue types and how sequences and alignments spell them (reference: data/constants.py)."""

import numpy as np

from pfold.targets.types import DNA, PROTEIN, RNA

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
_DNA_CODES = {"A": "DA", "G": "DG", "C": "DC", "T": "DT", "N": "DN", "X": "DN", "I": "DI", "U": "DU"}
_RNA_CODES = {"A": "A", "G": "G", "C": "C", "U": "U", "N": "N", "X": "N", "I": "I"}
# One-letter code -> CCD code, by kind of polymer.
POLYMER_CODES = {PROTEIN: PROTEIN_ONE_TO_THREE, DNA: _DNA_CODES, RNA: _RNA_CODES}

RNA_RESIDUES = ("A", "G", "C", "U", "N")
DNA_RESIDUES = ("DA", "DG", "DC", "DT", "DN")
# The 32 classes of `restype`, `msa` and `profile`: 21 protein, 5 RNA, 5 DNA, gap.
RESTYPES = (*PROTEIN_ONE_TO_THREE.values(), *RNA_RESIDUES, *DNA_RESIDUES, "-")
RESTYPE_INDEX = {name: i for i, name in enumerate(RESTYPES)}
GAP = RESTYPE_INDEX["-"]
UNKNOWN = RESTYPE_INDEX["UNK"]
# Residues that are one token; atoms of all others are a token each.
STANDARD_RESIDUES = frozenset(RESTYPES) - {"-"}

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


def _nucleic_msa_table(residues: dict[str, str], unknown: str) -> np.ndarray:
    table = np.full(128, -1, np.int32)
    table[ord("A") : ord("Z") + 1] = RESTYPE_INDEX[unknown]
    for letter, name in residues.items():
        table[ord(letter)] = RESTYPE_INDEX[name]
    table[ord("-")] = GAP
    return table


# By kind of polymer: ASCII code of an a3m character -> class of an aligned residue, -1 for an insertion.
MSA_TABLES = {
    PROTEIN: _protein_msa_table(),
    DNA: _nucleic_msa_table({"A": "DA", "G": "DG", "C": "DC", "T": "DT"}, "DN"),
    RNA: _nucleic_msa_table({"A": "A", "G": "G", "C": "C", "U": "U"}, "N"),
}


def canonical_restype(mol_type: str, one_letter_code: str) -> str:
    """The class of `RESTYPES` of a component of this type and parent, as the reference maps it."""
    known = len(one_letter_code) == 1 and one_letter_code not in "?."
    if mol_type == PROTEIN:
        return PROTEIN_ONE_TO_THREE.get(one_letter_code, "UNK") if known else "UNK"
    if mol_type == DNA:
        name = f"D{one_letter_code}" if known else "DN"
        return name if name in DNA_RESIDUES else "DN"
    if mol_type == RNA:
        name = one_letter_code if known else "N"
        return name if name in RNA_RESIDUES else "N"
    return "UNK"
