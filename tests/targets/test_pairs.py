"""Screens: every bait with every prey."""

import pytest

from pfold.errors import ConfigError, InputError
from pfold.targets.pair_settings import PairSettings
from pfold.targets.pairs import join_targets, pair_files, read_pairs
from pfold.targets.serial import target_from_json, target_to_json
from pfold.targets.types import AtomRef, Bond, Entity, Pocket, Rejection, Target
from tests.runs import write_fasta


@pytest.fixture
def files(tmp_path):
    baits = write_fasta(tmp_path / "baits.fasta", b1="MKTAYI", b2="GGGSW:MKTAYI")
    preys = write_fasta(tmp_path / "preys.fasta", p1="MKTAYI", p2="WWGG", p3="AAAA")
    return str(baits), str(preys)


def names(pairs):
    return [record.name for record in read_pairs(pairs)]


def test_every_bait_with_every_prey(files):
    baits, preys = files
    found = list(read_pairs(PairSettings((baits,), (preys,))))
    expected = ["b1__p1", "b1__p2", "b1__p3", "b2__p1", "b2__p2", "b2__p3"]
    assert [target.name for target in found] == expected
    assert [(t.bait, t.prey) for t in found][:2] == [("b1", "p1"), ("b1", "p2")]
    # The same protein is two copies of one entity; others are entities of their own.
    assert found[0].entities == (Entity("protein", "MKTAYI", ("A", "B")),)
    assert [(e.sequence, e.ids) for e in found[3].entities] == [("GGGSW", ("A",)), ("MKTAYI", ("B", "C"))]
    assert [(e.sequence, e.ids) for e in found[1].entities] == [("MKTAYI", ("A",)), ("WWGG", ("B",))]
    assert found[1].file == baits
    assert 'record 2 ("p2")' in found[1].source


def test_without_preys_all_against_all_and_each_against_itself(files):
    found = names(PairSettings((files[1],)))
    assert found == ["p1__p1", "p1__p2", "p1__p3", "p2__p2", "p2__p3", "p3__p3"]


def test_a_table_names_the_pairs(files, tmp_path):
    table = tmp_path / "pairs.csv"
    table.write_text("prey,note,bait\np3,x,b2\np1,,b1\n")
    pairs = PairSettings((files[0],), (files[1],), table)
    assert names(pairs) == ["b2__p3", "b1__p1"]
    assert pair_files(pairs)[-1] == table


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bait,prey\nb1,p1\nb9,p1\n", 'pairs.csv, line 3: no bait is named "b9"'),
        ("bait,prey\nb1,b2\n", 'pairs.csv, line 2: no prey is named "b2"'),
        ("bait,prey\nb1\n", 'pairs.csv, line 2: no prey is named "None"'),
        ("a,b\nb1,p1\n", 'pairs.csv, line 1: expected the columns "bait" and "prey"'),
        ("", 'pairs.csv, line 1: expected the columns "bait" and "prey"'),
    ],
)
def test_a_wrong_table_is_named_with_its_line(files, tmp_path, text, message):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        names(PairSettings((files[0],), (files[1],), tmp_path / "pairs.csv"))


def test_a_table_that_is_no_text_is_named(files, tmp_path):
    (tmp_path / "pairs.csv").write_bytes(b"bait,prey\n\xff\xfe,p1\n")
    with pytest.raises(InputError, match=r"pairs.csv: the table can't be read"):
        names(PairSettings((files[0],), (files[1],), tmp_path / "pairs.csv"))


def test_a_missing_file_is_named(files, tmp_path):
    with pytest.raises(ConfigError, match=r"gone.csv does not exist"):
        pair_files(PairSettings((files[0],), (), tmp_path / "gone.csv"))
    with pytest.raises(ConfigError, match=r"gone.fasta does not exist"):
        pair_files(PairSettings((str(tmp_path / "gone.fasta"),)))


def test_a_bait_that_can_not_be_folded_is_rejected_once_and_the_others_paired(tmp_path):
    baits = write_fasta(tmp_path / "baits.fasta", good="MKTAYI", bad="MKTJ")
    preys = write_fasta(tmp_path / "preys.fasta", p1="WWGG", p2="AAAA")
    found = list(read_pairs(PairSettings((str(baits),), (str(preys),))))
    assert [record.name for record in found] == ["bad", "good__p1", "good__p2"]
    assert isinstance(found[0], Rejection)


def test_ligands_bonds_and_pockets_of_the_prey_follow_its_chains():
    bait = Target("b", (Entity("protein", "MKNST", ("A",)), Entity("ligand", "", ("B",), codes=("ATP",))))
    glycan = Entity("ligand", "", ("G",), codes=("NAG",))
    prey = Target(
        "p",
        (Entity("protein", "MNST", ("A",)), glycan),
        seeds=(7,),
        bonds=(Bond(AtomRef("A", 2, "ND2"), AtomRef("G", 1, "C1")),),
        pockets=(Pocket("G", (AtomRef("A", 1),), 6.0),),
    )
    joined = join_targets(bait, prey)
    assert [(e.kind, e.ids) for e in joined.entities] == [
        ("protein", ("A",)),
        ("ligand", ("B",)),
        ("protein", ("C",)),
        ("ligand", ("D",)),
    ]
    assert joined.bonds == (Bond(AtomRef("C", 2, "ND2"), AtomRef("D", 1, "C1")),)
    assert joined.pockets == (Pocket("D", (AtomRef("C", 1),), 6.0),)
    assert joined.seeds == (7,)
    assert target_from_json(target_to_json(joined), joined.name, joined.source) == joined
