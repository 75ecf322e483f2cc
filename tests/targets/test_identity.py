"""Identities are written out by hand: these never change, or every structure that pfold predicts changes with them."""

from pfold.inference.noise import noise_seed
from pfold.targets.types import AtomRef, Bond, Contact, Entity, Modification, Pocket, Target

UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"
PLAIN = Target("ubiquitin", (Entity("protein", UBIQUITIN, ("A",)),))
RICH = Target(
    "anything",
    (
        Entity("protein", "MKTAYI", ("A", "B"), modifications=(Modification(2, "MSE"),)),
        Entity("ligand", "", ("C",), codes=("NAG", "NAG")),
        Entity("ligand", "", ("D",), smiles="CCO"),
        Entity("rna", "GGC", ("E",), unpaired_msa="", templates=()),
    ),
    "file.json, record 3",
    (7,),
    bonds=(Bond(AtomRef("A", 1, "CB"), AtomRef("C", 1, "C1")), Bond(AtomRef("C", 1, "O4"), AtomRef("C", 2, "C1"))),
    contacts=(Contact(AtomRef("A", 1), AtomRef("B", 2, "N"), 8.0, 2.5),),
    pockets=(Pocket("D", (AtomRef("A", 3), AtomRef("A", 4)), 6.0),),
    components="data_X",
)


def test_identities_are_those_of_every_release():
    assert PLAIN.id == "ce4ee3004738908a"
    assert RICH.id == "5cb6c064f6f6eee4"
    assert noise_seed(PLAIN.id, 101) == 13438659064219391014


def test_names_sources_seeds_and_alignments_are_no_part_of_it():
    from dataclasses import replace

    assert replace(RICH, name="other", source="elsewhere", seeds=()).id == RICH.id
    changed = [
        replace(RICH, bonds=RICH.bonds[:1]),
        replace(RICH, contacts=()),
        replace(RICH, pockets=()),
        replace(RICH, components=""),
        replace(RICH, entities=RICH.entities[:3]),
    ]
    assert len({target.id for target in [RICH, *changed]}) == 6
