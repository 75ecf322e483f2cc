import gzip

import pytest

from pfold.features.tokens import count_tokens
from pfold.targets.read import read_records, read_targets
from pfold.targets.types import AtomRef, Bond, Modification, Rejection

PDB = """\
SEQRES   1 A    4  GLY SEP ALA LYS
SEQRES   1 B    2   DG  DC
ATOM      1  N   GLY A   1       0.000   0.000   0.000  1.00  0.00           N
ATOM      2  CA  GLY A   1       1.400   0.000   0.000  1.00  0.00           C
ATOM      3  C   GLY A   1       2.000   1.300   0.000  1.00  0.00           C
HETATM    4  N   SEP A   2       3.300   1.300   0.000  1.00  0.00           N
HETATM    5  CA  SEP A   2       4.000   2.500   0.000  1.00  0.00           C
HETATM    6  C   SEP A   2       5.400   2.500   0.000  1.00  0.00           C
ATOM      7  N   ALA A   3       6.300   3.300   0.000  1.00  0.00           N
ATOM      8  CA  ALA A   3       7.000   4.500   0.000  1.00  0.00           C
TER       9      ALA A   3
ATOM     10  P    DG B   1      20.000   0.000   0.000  1.00  0.00           P
ATOM     11  C1'  DG B   1      21.000   0.000   0.000  1.00  0.00           C
ATOM     12  P    DC B   2      26.000   0.000   0.000  1.00  0.00           P
TER      13       DC B   2
HETATM   14 MG    MG A 101      30.000   0.000   0.000  1.00  0.00          MG
HETATM   15  O   HOH A 201      40.000   0.000   0.000  1.00  0.00           O
END
"""


def test_a_pdb_file_gives_what_is_in_it_but_water(tmp_path):
    (tmp_path / "s.pdb").write_text(PDB)
    (target,) = read_targets(tmp_path / "s.pdb")
    assert target.name == "s"
    found = {e.kind: e for e in target.entities}
    assert found["protein"].sequence == "GSAK"
    assert found["protein"].modifications == (Modification(2, "SEP"),)
    assert found["dna"].sequence == "GC"
    assert found["ion"].codes == ("MG",)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "entities", "n_token"),
    [("102m", ["protein", "ligand", "ligand"], 154 + 5 + 43), ("1k1a", ["protein"], 241), ("2lwu", ["protein"], 15)],
)
def test_experimental_structures(shared, tmp_path, name, entities, n_token):
    (tmp_path / f"{name}.cif.gz").write_bytes((shared / f"data/mmcif/{name}.cif.gz").read_bytes())
    (target,) = read_targets(tmp_path / f"{name}.cif.gz")
    assert [e.kind for e in target.entities] == entities
    assert count_tokens(target) == n_token


@pytest.mark.shared
def test_covalent_links_are_kept(shared, tmp_path):
    (tmp_path / "2lwu.cif").write_bytes(gzip.decompress((shared / "data/mmcif/2lwu.cif.gz").read_bytes()))
    (target,) = read_targets(tmp_path / "2lwu.cif")
    assert target.bonds == (Bond(AtomRef("A", 1, "N"), AtomRef("A", 15, "C")),)


def test_files_that_cannot_be_folded_are_named(tmp_path):
    (tmp_path / "bad.cif").write_text("this is no CIF\n")
    (tmp_path / "empty.pdb").write_text("REMARK nothing\nEND\n")
    (found,) = read_records(tmp_path / "bad.cif")
    assert isinstance(found, Rejection)
    assert "the structure can't be read" in found.reason
    (found,) = read_records(tmp_path / "empty.pdb")
    assert isinstance(found, Rejection)
    assert "the first model has no polymer and no ligand" in found.reason


def test_unknown_atoms_are_left_out_with_a_word(tmp_path, caplog):
    unknown = "HETATM   16 UNK  UNX A 301      50.000   0.000   0.000  1.00  0.00           X\nEND\n"
    (tmp_path / "s.pdb").write_text(PDB.replace("END\n", unknown))
    (target,) = read_targets(tmp_path / "s.pdb")
    assert [e.kind for e in target.entities] == [e.kind for e in read_targets(_plain(tmp_path))[0].entities]
    assert "is left out: what UNX is, is unknown" in caplog.text


def _plain(folder):
    (folder / "plain.pdb").write_text(PDB)
    return folder / "plain.pdb"


def test_a_file_without_chain_ids_is_read(tmp_path):
    lines = [line[:21] + " " + line[22:] if line.startswith(("ATOM", "HETATM")) else line for line in PDB.splitlines()]
    (tmp_path / "blank.pdb").write_text("\n".join(line for line in lines if not line.startswith("SEQRES")) + "\n")
    (target,) = read_targets(tmp_path / "blank.pdb")
    # Without SEQRES the residues that are there are the sequence.
    assert [(e.kind, e.sequence) for e in target.entities] == [("protein", "GSA"), ("dna", "GC"), ("ion", "")]
    assert len(set(target.chain_ids)) == 3
    assert count_tokens(target) == 15
