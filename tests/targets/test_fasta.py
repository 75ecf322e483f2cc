import gzip
from pathlib import Path

import pytest

from pfold.errors import ConfigError, InputError
from pfold.targets.read import read_records, read_targets, target_files
from pfold.targets.types import Modification, Rejection, Target


def records(tmp_path: Path, text: str | bytes, name: str = "p.fasta") -> list[Target | Rejection]:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_records(path))


def rejection(tmp_path: Path, text: str | bytes, name: str = "p.fasta") -> str:
    """The message of the one rejection of a file: where, and why."""
    (found,) = [r for r in records(tmp_path, text, name) if isinstance(r, Rejection)]
    return f"{found.source}: {found.reason}"


def test_one_record_is_one_target(tmp_path):
    a, b = records(tmp_path, ">first some words\nMKT\nAYI\n\n>second\nGGG*\n")
    assert (a.name, a.entities[0].sequence) == ("first", "MKTAYI")
    assert (b.name, b.entities[0].sequence) == ("second", "GGG")
    assert a.source == f'{tmp_path}/p.fasta, record 1 ("first"), line 1'


def test_lower_case_windows_lines_byte_order_mark_and_gzip(tmp_path):
    text = b"\xef\xbb\xbf>a\r\nmkt\r\nayi\r\n>b\r\nGG\r\n"
    plain = records(tmp_path, text)
    packed = records(tmp_path, gzip.compress(text), "p.fasta.gz")
    assert [t.entities for t in plain] == [t.entities for t in packed]
    assert [t.entities[0].sequence for t in plain] == ["MKTAYI", "GG"]


def test_colon_makes_a_complex_and_equal_chains_one_entity(tmp_path):
    (target,) = records(tmp_path, ">c\nMKT:GG:MKT\n")
    assert [(e.sequence, e.ids) for e in target.entities] == [("MKT", ("A", "C")), ("GG", ("B",))]


def test_identity_is_what_is_folded_not_its_name(tmp_path):
    a, b, c = records(tmp_path, ">a\nMKT\n>b\nmkt\n>c\nMKTA\n")
    assert a.id == b.id != c.id


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">ok\nMK\n>empty\n>ok2\nMK\n", 'record 2 ("empty"), line 3: the record is empty'),
        (
            ">bad\nMKTJ\n",
            'record 1 ("bad"), line 1: position 4: "J" is not an amino acid (allowed: ARNDCQEGHILKMFPSTWYVX)',
        ),
        (">c\nMK:\n", 'record 1 ("c"), line 1: chain 2 of 2 is empty'),
        (">c\nMK:MB\n", 'chain 2 of 2, position 2: "B" is not an amino acid'),
        (">\nMK\n", 'record 1 (""), line 1: the record has no name'),
        ("MKTAYI\n", 'the file does not start with a ">" line'),
        ("", "the file is empty"),
    ],
)
def test_bad_records_say_file_record_line_and_reason(tmp_path, text, message):
    found = rejection(tmp_path, text)
    assert str(tmp_path / "p.fasta") in found
    assert message in found


def test_bad_record_leaves_the_others(tmp_path):
    found = records(tmp_path, ">a\nMK\n>bad\nM1\n>c\nGG\n")
    assert [type(r).__name__ for r in found] == ["Target", "Rejection", "Target"]


def test_unreadable_files_are_rejected_by_name(tmp_path):
    assert "the file can't be read" in rejection(tmp_path, b">a\n\xff\xfe\x00MK\n")
    broken = gzip.compress(b">a\nMKTAYIAKQRQ\n" * 50)[:-20]
    assert "p.fasta.gz: the file can't be read" in rejection(tmp_path, broken, "p.fasta.gz")


def test_folders_are_read_in_order_and_missing_paths_named(tmp_path):
    (tmp_path / "b.fa").write_text(">b\nGG\n")
    (tmp_path / "a.fasta").write_text(">a\nMK\n")
    (tmp_path / "notes.txt").write_text("no targets\n")
    assert [path.name for path in target_files([tmp_path])] == ["a.fasta", "b.fa"]
    with pytest.raises(ConfigError, match=r"missing\.fasta does not exist"):
        target_files([tmp_path / "missing.fasta"])
    with pytest.raises(ConfigError, match=r"notes.txt does not end in \.fasta"):
        target_files([tmp_path / "notes.txt"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="has no file ending in"):
        target_files([tmp_path / "empty"])


def test_read_targets_raises_the_first_rejection(tmp_path):
    path = tmp_path / "p.fasta"
    path.write_text(">a\nMK\n>bad\nM1\n")
    with pytest.raises(InputError, match=r'record 2 \("bad"\), line 3: position 2: "1" is not an amino acid'):
        read_targets(path)
    path.write_text(">a\nMK\n")
    assert [t.name for t in read_targets(path)] == ["a"]


def test_a_boltz_fasta_is_one_target(tmp_path):
    (tmp_path / "a.a3m").write_text(">q\nMKT\n")
    path = tmp_path / "complex.fasta"
    path.write_text(">A|protein|a.a3m\nMKT\n>B|protein|empty\nGGG\n>C|rna\nGGCU\n>D|smiles\nCC(=O)O\n>E|ccd\nSAH\n")
    (target,) = read_records(path)
    a, b, c, d, e = target.entities
    assert target.name == "complex"
    assert (a.ids, a.unpaired_msa, b.unpaired_msa) == (("A",), tmp_path / "a.a3m", "")
    assert (c.kind, d.smiles, e.codes) == ("rna", "CC(=O)O", ("SAH",))


def test_a_chai_fasta_is_one_target_with_modified_residues(tmp_path):
    path = tmp_path / "c.fasta"
    path.write_text(">protein|name=kinase\nMK(SEP)T\n>ligand|name=x\nC[N+](C)C\n>dna|d\nGATT\n")
    (target,) = read_records(path)
    protein, ligand, dna = target.entities
    assert (protein.sequence, protein.modifications) == ("MKXT", (Modification(3, "SEP"),))
    assert (ligand.smiles, dna.sequence, dna.ids) == ("C[N+](C)C", "GATT", ("C",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">A|protein\nMKT\n>B|protein|gone.a3m\nGG\n", "gone.a3m does not exist"),
        (">A|protein\nMKT\n>B|dna|x.a3m\nGA\n", 'the alignment "x.a3m" is not supported'),
        (">A|protein\nMKT\n>other\nGA\n", "not a header such as"),
        (">A|protein\nMKJ\n", '"J" is not an amino acid'),
        (">protein|a\nMKT\n>glycan|g\nNAG\n", '"glycan" is not supported'),
        (">A|protein\n", "the sequence is empty"),
    ],
)
def test_what_is_wrong_in_a_complex_is_named(tmp_path, text, message):
    assert message in rejection(tmp_path, text)
