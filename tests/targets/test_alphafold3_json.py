import json

import pytest

from pfold.targets.read import read_records, read_targets
from pfold.targets.types import AtomRef, Bond, Modification, Rejection, TemplateStructure

PROTEIN = {"id": ["A", "B"], "sequence": "MKTAYI"}


def job(*sequences: dict, **keys: object) -> dict:
    content = {"dialect": "alphafold3", "version": 4, "name": "x", "modelSeeds": [7], "sequences": list(sequences)}
    return content | keys


def read(tmp_path, content):
    path = tmp_path / "job.json"
    path.write_text(json.dumps(content))
    return next(iter(read_records(path)))


def test_every_part_of_an_input(tmp_path):
    (tmp_path / "a.a3m").write_text(">q\nMKTAYI\n")
    (tmp_path / "t.cif").write_text("data_x\n")
    templates = [{"mmcifPath": "t.cif", "queryIndices": [0, 1], "templateIndices": [4, 5]}, {"mmcif": "data_y"}]
    protein = PROTEIN | {
        "modifications": [{"ptmType": "SEP", "ptmPosition": 3}],
        "unpairedMsaPath": "a.a3m",
        "pairedMsa": "",
        "templates": [templates[0], templates[1] | {"queryIndices": [], "templateIndices": []}],
        "description": "a kinase",
    }
    rna = {"id": "R", "sequence": "GGCU", "modifications": [{"modificationType": "PSU", "basePosition": 4}]}
    bond = [["A", 1, "N"], ["G", 1, "C1"]]
    content = job(
        {"protein": protein},
        {"rna": rna | {"unpairedMsa": ">q\nGGCU\n"}},
        {"dna": {"id": "D", "sequence": "GATT"}},
        {"ligand": {"id": "G", "ccdCodes": ["NAG", "FUC"]}},
        {"ligand": {"id": ["S"], "smiles": "CCO"}},
        bondedAtomPairs=[bond],
        userCCD="data_X",
    )
    target = read(tmp_path, content)
    first, second, dna, glycan, smiles = target.entities
    assert (first.ids, first.modifications) == (("A", "B"), (Modification(3, "SEP"),))
    assert (first.unpaired_msa, first.paired_msa) == (tmp_path / "a.a3m", "")
    assert first.templates == (TemplateStructure(tmp_path / "t.cif", "", ((0, 4), (1, 5))), TemplateStructure("data_y"))
    assert (second.kind, second.unpaired_msa, second.modifications[0].code) == ("rna", ">q\nGGCU\n", "PSU")
    assert (dna.kind, dna.sequence, glycan.codes, smiles.smiles) == ("dna", "GATT", ("NAG", "FUC"), "CCO")
    assert target.bonds == (Bond(AtomRef("A", 1, "N"), AtomRef("G", 1, "C1")),)
    assert (target.seeds, target.components) == ((7,), "data_X")


def test_absent_and_empty_mean_different_things(tmp_path):
    searched = read(tmp_path, job({"protein": PROTEIN})).entities[0]
    assert (searched.has_own_msa, searched.templates) == (False, None)
    alone = read(tmp_path, job({"protein": PROTEIN | {"unpairedMsa": "", "pairedMsa": "", "templates": []}})).entities[
        0
    ]
    assert (alone.has_own_msa, alone.templates) == (True, ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (job({"protein": PROTEIN}, version=9), '"version" is 9; versions 1 to 4 can be read'),
        (job({"protein": {"sequence": "MK"}}), 'sequences[1].protein: "id" is missing'),
        (job({"protein": PROTEIN | {"unpairedMSA": ""}}), 'did you mean "unpairedMsa"?'),
        (job({"protein": PROTEIN | {"unpairedMsa": "", "unpairedMsaPath": "x"}}), "are both given; keep one"),
        (job({"ligand": {"id": "L"}}), 'give either "ccdCodes" or "smiles"'),
        (job({"protein": PROTEIN}, bondedAtomPairs=[[["A", 1, "N"]]]), "bondedAtomPairs[1] is not a pair of atoms"),
        (job({"protein": PROTEIN}, bondedAtomPairs=[["A", "B"]]), "'A' is not an atom"),
        (job({"protein": PROTEIN}, userCCDPath="gone.cif"), "gone.cif does not exist"),
        (job({"protein": PROTEIN | {"templates": [{}]}}), 'give either "mmcif" or "mmcifPath"'),
        (job({"protein": PROTEIN}, {"dna": {"id": "A", "sequence": "GA"}}), "chain ids ['A'] are used twice"),
        (job({"glycan": {"id": "A"}}), '"glycan" is no kind of molecule'),
        (job(surplus=1), 'the key "surplus" is not supported'),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, message):
    found = read(tmp_path, content)
    assert isinstance(found, Rejection)
    assert message in found.reason


def test_the_server_dialect_is_read_like_protenix(tmp_path):
    server = {
        "name": "s",
        "dialect": "alphafoldserver",
        "version": 1,
        "modelSeeds": ["12"],
        "sequences": [
            {"proteinChain": {"sequence": "MKTAYI", "count": 2, "useStructureTemplate": False}},
            {"dnaSequence": {"sequence": "GATTACA", "count": 1}},
            {"ligand": {"ligand": "CCD_ATP", "count": 1}},
            {"ion": {"ion": "MG", "count": 2}},
        ],
    }
    (tmp_path / "s.json").write_text(json.dumps([server]))
    (target,) = read_targets(tmp_path / "s.json")
    assert [e.ids for e in target.entities] == [("A", "B"), ("C",), ("D",), ("E", "F")]
    assert (target.seeds, target.entities[0].templates) == ((12,), ())
