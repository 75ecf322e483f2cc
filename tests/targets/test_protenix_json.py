import json
from pathlib import Path

import pytest

from pfold.targets.read import read_records, read_targets
from pfold.targets.types import Rejection


def read(tmp_path: Path, jobs: object) -> list:
    path = tmp_path / "jobs.json"
    path.write_text(jobs if isinstance(jobs, str) else json.dumps(jobs))
    return list(read_records(path))


def job(**chain: object) -> dict:
    return {"name": "j", "sequences": [{"proteinChain": {"sequence": "MKTAYI", "count": 1} | chain}]}


def test_chains_copies_ids_alignments_and_seeds(tmp_path):
    (tmp_path / "a.a3m").write_text(">q\nMKTAYI\n")
    described = {
        "name": "complex",
        "modelSeeds": [1, 2],
        "sequences": [
            {"proteinChain": {"sequence": "mktayi", "count": 2, "unpairedMsaPath": "a.a3m"}},
            {"proteinChain": {"sequence": "GGG", "count": 1, "id": ["X"]}},
        ],
    }
    (target,) = read(tmp_path, [described])
    assert [(e.sequence, e.ids) for e in target.entities] == [("MKTAYI", ("A", "B")), ("GGG", ("X",))]
    assert target.entities[0].unpaired_msa == tmp_path / "a.a3m"
    assert target.seeds == (1, 2)


@pytest.mark.parametrize(
    ("jobs", "message"),
    [
        ("[{", "the JSON can't be read"),
        ({"name": "x"}, "expected a list of jobs"),
        ([job(modifications=[{"ptmType": "SEP"}])], '"ptmPosition" is None, not a whole number above 0'),
        ([{"name": "d", "sequences": [{"dnaSequence": {"sequence": "ACGE"}}]}], '"E" is not a DNA nucleotide'),
        ([{"name": "d", "sequences": [{"peptide": {}}]}], '"peptide" is no kind of molecule'),
        ([job(unpairedMSAPath="a.a3m")], 'the key "unpairedMSAPath" is not supported; did you mean "unpairedMsaPath"?'),
        ([job(maxTemplateDate="2020-01-01")], "set search.templates.max_date in the configuration"),
        ([job(msa={"precomputed_msa_dir": "gone"})], "has no non_pairing.a3m and no pairing.a3m"),
        ([job(templatesPath="jobs.json")], "does not end in .a3m or .hhr"),
        ([job() | {"covalent_bonds": [{"entity1": 2, "position1": 1, "atom1": "C"}]}], "there is no entity 2"),
        ([job() | {"constraint": {"structure": {}}}], 'the key "structure" is not supported'),
        ([job() | {"dialect": "other"}], 'the dialect "other" is unknown'),
        ([job(sequence="MKB")], 'sequences[1].proteinChain, position 3: "B" is not an amino acid'),
        ([job(count=0)], '"count" is 0, not a whole number above 0'),
        ([job(glycans=["NAG"])], '"glycans" is not supported: write the glycan as a ligand'),
        ([job(unpairedMsaPath="gone.a3m")], "gone.a3m does not exist"),
        ([job(id=["A", "A"], count=2)], '"id" must be a list of 2 different chain ids'),
        ([{"sequences": []}], 'the job has no "name"'),
    ],
)
def test_what_is_wrong_is_named(tmp_path, jobs, message):
    (found,) = read(tmp_path, jobs)
    assert isinstance(found, Rejection)
    assert message in found.reason
    assert "jobs.json" in found.source


@pytest.mark.shared
def test_reference_input_is_read(shared):
    (target,) = read_targets(shared / "goldens/inputs/monomer.json")
    assert target.name == "monomer"
    assert len(target.entities[0].sequence) == 30
    assert target.entities[0].unpaired_msa == shared / "goldens/inputs/monomer.non_pairing.a3m"
