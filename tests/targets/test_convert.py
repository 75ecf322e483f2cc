import dataclasses
from pathlib import Path

import pytest

from pfold.errors import InputError
from pfold.stages import run_convert
from pfold.targets.read import read_targets
from pfold.targets.serial import target_from_json, target_to_json
from pfold.targets.types import Entity, Pocket, Target, TemplateStructure
from tests.conftest import DATA

FEATURES = DATA / "features"
CASES = sorted(path.stem for path in FEATURES.glob("*.json"))


@pytest.mark.parametrize("name", CASES)
def test_a_protenix_json_is_written_as_it_was_read(tmp_path, name):
    (target,) = read_targets(FEATURES / f"{name}.json")
    run_convert([str(FEATURES / f"{name}.json")], tmp_path / "out.json")
    (again,) = read_targets(tmp_path / "out.json")
    assert again.id == target.id
    resolved = [dataclasses.replace(e, unpaired_msa=None, paired_msa=None) for e in again.entities]
    assert resolved == [dataclasses.replace(e, unpaired_msa=None, paired_msa=None) for e in target.entities]
    assert [bool(e.unpaired_msa) for e in again.entities] == [bool(e.unpaired_msa) for e in target.entities]


@pytest.mark.parametrize("name", CASES)
def test_the_table_keeps_all_of_a_target(name):
    (target,) = read_targets(FEATURES / f"{name}.json")
    assert target_from_json(target_to_json(target), target.name, target.source) == target


def test_the_table_keeps_what_is_empty_on_purpose_and_structures():
    entity = Entity("protein", "MKT", ("A",), unpaired_msa="", templates=())
    given = Entity("protein", "MKT", ("B",), templates=(TemplateStructure(Path("t.cif"), "Q", ((0, 1),)),))
    target = Target("t", (entity, given), seeds=(3,), components="data_X")
    assert target_from_json(target_to_json(target), "t", "") == target


def test_a_boltz_file_becomes_a_protenix_json(tmp_path):
    (tmp_path / "b.yaml").write_text(
        "version: 1\nsequences:\n  - protein: {id: X, sequence: MKT, msa: empty}\n  - ligand: {id: Y, smiles: CCO}\n"
        "constraints:\n  - pocket: {binder: Y, contacts: [[X, 2]], max_distance: 5}\n"
    )
    run_convert([str(tmp_path / "b.yaml")], tmp_path / "out.json")
    (before,), (after,) = read_targets(tmp_path / "b.yaml"), read_targets(tmp_path / "out.json")
    assert after.entities == before.entities
    assert after.pockets == before.pockets


def test_a_ligand_with_coordinates_is_written_beside(tmp_path):
    from rdkit import Chem
    from rdkit.Chem import rdDistGeom

    molecule = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    rdDistGeom.EmbedMolecule(molecule, randomSeed=1)
    Chem.MolToMolFile(molecule, str(tmp_path / "a.mol"))
    Chem.MolToMolFile(molecule, str(tmp_path / "a.sdf"))
    (tmp_path / "in.json").write_text(
        '[{"name": "l", "sequences": [{"ligand": {"ligand": "FILE_a.sdf", "count": 1}}]}]'
    )
    run_convert([str(tmp_path / "in.json")], tmp_path / "out.json")
    (target,) = read_targets(tmp_path / "out.json")
    assert target.entities[0].molecule.count(" C ") == 2
    assert target.entities == read_targets(tmp_path / "in.json")[0].entities


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"components": "data_X"}, '"userCCD"'),
        ({"pockets": (Pocket("A", (), 5.0), Pocket("A", (), 5.0))}, "2 pockets; it has one"),
        ({"entities": (Entity("protein", "M", ("A",), templates=(TemplateStructure("x"),)),)}, "templates given as"),
    ],
)
def test_what_protenix_json_cannot_say_is_named(tmp_path, monkeypatch, parts, message):
    target = Target("t", (Entity("protein", "MKT", ("A",)),), "here")
    monkeypatch.setattr("pfold.stages.read_targets", lambda _: [dataclasses.replace(target, **parts)])
    with pytest.raises(InputError, match=f"here: a Protenix JSON can't say .*{message}"):
        run_convert(["x"], tmp_path / "out.json")
