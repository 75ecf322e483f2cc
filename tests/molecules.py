"""Targets of every kind of molecule."""

from pfold.targets.formats.fasta import merge_chains
from pfold.targets.types import AtomRef, Bond, Entity, Modification, Target

GLYCAN_BONDS = (
    Bond(AtomRef("A", 2, "ND2"), AtomRef("G", 1, "C1")),
    Bond(AtomRef("G", 1, "O4"), AtomRef("G", 2, "C1")),
    Bond(AtomRef("G", 2, "O4"), AtomRef("G", 3, "C1")),
)
TARGETS = {
    "monomer": Target("monomer", merge_chains(["MKTAYIAKQR"])),
    "complex": Target(
        "complex",
        (
            *merge_chains(["MKTAYI", "GGG", "MKTAYI"]),
            Entity("ligand", "", ("D",), codes=("ATP",)),
            Entity("ion", "", ("E", "F"), codes=("MG",)),
        ),
    ),
    "nucleic": Target("nucleic", (Entity("dna", "GATC", ("A",)), Entity("rna", "GAUC", ("C",)))),
    "glycan": Target(
        "glycan",
        (Entity("protein", "MNSTK", ("A",)), Entity("ligand", "", ("G",), codes=("NAG", "NAG", "BMA"))),
        bonds=GLYCAN_BONDS,
    ),
    "modified": Target(
        "modified",
        (
            Entity("protein", "MKSTK", ("A",), modifications=(Modification(3, "SEP"),)),
            Entity("ligand", "", ("L",), smiles="CC[O-]"),
        ),
    ),
}
