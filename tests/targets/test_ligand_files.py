import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from pfold.errors import InputError
from pfold.targets.formats.ligand_files import read_ligand


def ethanol() -> Chem.Mol:
    molecule = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    rdDistGeom.EmbedMolecule(molecule, randomSeed=1)
    return molecule


def test_every_file_type_gives_the_heavy_atoms(tmp_path):
    molecule = ethanol()
    Chem.MolToMolFile(molecule, str(tmp_path / "e.mol"))
    Chem.MolToMolFile(molecule, str(tmp_path / "e.sdf"))
    Chem.MolToPDBFile(Chem.RemoveHs(molecule), str(tmp_path / "e.pdb"))
    (tmp_path / "e.mol2").write_text(
        "@<TRIPOS>MOLECULE\ne\n3 2 1 0 0\nSMALL\nNO_CHARGES\n@<TRIPOS>ATOM\n1 C1 0.0 0.0 0.0 C.3 1 E 0\n"
        "2 C2 1.5 0.0 0.0 C.3 1 E 0\n3 O1 2.0 1.3 0.4 O.3 1 E 0\n@<TRIPOS>BOND\n1 1 2 1\n2 2 3 1\n"
    )
    for suffix in ("mol", "sdf", "pdb", "mol2"):
        block = read_ligand(tmp_path / f"e.{suffix}")
        assert Chem.MolFromMolBlock(block).GetNumAtoms() == 3, suffix


def test_what_is_wrong_is_named(tmp_path):
    Chem.MolToMolFile(Chem.MolFromSmiles("CCO"), str(tmp_path / "flat.sdf"))
    (tmp_path / "bad.sdf").write_text("nonsense\n")
    (tmp_path / "x.xyz").write_text("")
    for name, message in (
        ("gone.sdf", "does not exist"),
        ("x.xyz", "a ligand file must end in"),
        ("flat.sdf", "no 3D coordinates"),
        ("bad.sdf", "can't read the ligand"),
    ):
        with pytest.raises(InputError, match=message):
            read_ligand(tmp_path / name)
