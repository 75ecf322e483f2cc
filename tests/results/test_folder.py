import gzip
import json

import gemmi
import numpy as np
import pandas as pd
import pytest

from pfold.features.featurize import featurize
from pfold.results.folder import write_result
from pfold.results.receipt import is_done
from pfold.results.sample import ResultInfo, Sample
from pfold.targets.formats.fasta import merge_chains
from pfold.targets.types import AtomRef, Bond, Entity, Modification, Target
from pfold.weights.published import UNTRAINED
from pfold.weights.remarks import DEMONSTRATION, PUBLISHED, weights_remark
from tests.runs import StandInModel

TARGET = Target("my target", merge_chains(["MKTAYI", "GGG", "MKTAYI"]))


@pytest.fixture(scope="module")
def samples():
    features = featurize(TARGET)
    out = StandInModel().predict(features, n_sample=2, noise=1)
    parts = zip(out["coordinate"], out["summary"], out["full_data"], strict=True)
    return [Sample(101, i, x, summary, full) for i, (x, summary, full) in enumerate(parts)]


def info(weights: str = UNTRAINED) -> ResultInfo:
    return ResultInfo("r1", "protenix_tiny_default_v0.5.0", weights, 32, 7, 1.5, {"n_step": 5})


@pytest.fixture
def folder(tmp_path, samples):
    write_result(tmp_path / "my_target", TARGET, samples, info(), "all")
    return tmp_path / "my_target"


def test_files_are_those_of_alphafold_3(folder):
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    three = ("model.cif", "confidences.json", "summary_confidences.json")
    expected = {f"my_target_{name}" for name in three} | {"ranking_scores.csv", "result.json"}
    assert found == expected | {f"seed-101_sample-{i}/{name}" for i in (0, 1) for name in three}
    assert [path.name for path in folder.parent.iterdir()] == ["my_target"]


def test_the_best_sample_is_on_top(folder):
    scores = pd.read_csv(folder / "ranking_scores.csv")
    assert scores.columns.tolist() == ["seed", "sample", "ranking_score"]
    assert scores.ranking_score.idxmax() == 1
    assert (folder / "my_target_model.cif").read_text() == (folder / "seed-101_sample-1/model.cif").read_text()


def test_json_keys_are_those_of_alphafold_3(folder):
    summary = json.loads((folder / "my_target_summary_confidences.json").read_text())
    assert set(summary) >= {
        "chain_iptm",
        "chain_pair_iptm",
        "chain_pair_pae_min",
        "chain_ptm",
        "fraction_disordered",
        "has_clash",
        "iptm",
        "ptm",
        "ranking_score",
    }
    assert np.array(summary["chain_pair_pae_min"]).shape == (3, 3)
    full = json.loads((folder / "my_target_confidences.json").read_text())
    assert set(full) >= {"atom_chain_ids", "atom_plddts", "contact_probs", "pae", "token_chain_ids", "token_res_ids"}
    assert full["token_chain_ids"] == ["A"] * 6 + ["C"] * 6 + ["B"] * 3
    assert full["token_res_ids"][-3:] == [1, 2, 3]


def test_structure_reads_back(folder, samples):
    structure = gemmi.read_structure(str(folder / "my_target_model.cif"))
    (model,) = structure
    assert [chain.name for chain in model] == ["A", "C", "B"]
    assert gemmi.one_letter_code([r.name for r in model["B"]]) == "GGG"
    atoms = [atom for chain in model for residue in chain for atom in residue]
    positions = np.array([atom.pos.tolist() for atom in atoms])
    np.testing.assert_allclose(positions, samples[1].coordinate, atol=1e-3)
    assert {round(atom.b_iso, 2) for atom in atoms} == {50.0}
    assert [entity.full_sequence for entity in structure.entities] == [
        ["MET", "LYS", "THR", "ALA", "TYR", "ILE"],
        ["GLY"] * 3,
    ]


@pytest.mark.parametrize("kind", [UNTRAINED, DEMONSTRATION])
def test_weights_that_predict_nothing_are_named_everywhere_and_published_ones_nowhere(tmp_path, samples, kind):
    write_result(tmp_path / "my_target", TARGET, samples, info(kind), "all")
    texts = [path.read_text() for path in (tmp_path / "my_target").rglob("*") if path.suffix in (".cif", ".json")]
    assert len(texts) == 10
    assert all(kind in text.lower() for text in texts)
    block = gemmi.cif.read(str(tmp_path / "my_target/my_target_model.cif")).sole_block()
    assert weights_remark(kind) in gemmi.cif.as_string(block.find_value("_struct.title"))
    assert gemmi.cif.as_string(block.find_value("_database_PDB_remark.text")) == weights_remark(kind)

    write_result(tmp_path / "trained", TARGET, samples, info(PUBLISHED), "all")
    assert not any(kind in p.read_text().lower() for p in (tmp_path / "trained").rglob("*") if p.is_file())


def test_keep_best_writes_the_best_sample_only(tmp_path, samples):
    write_result(tmp_path / "t", TARGET, samples, info(), "best")
    kept = ["result.json", "t_confidences.json.gz", "t_model.cif", "t_summary_confidences.json"]
    assert sorted(str(path.relative_to(tmp_path / "t")) for path in (tmp_path / "t").rglob("*")) == kept
    write_result(tmp_path / "all" / "t", TARGET, samples, info(), "all")
    plain = (tmp_path / "all/t/t_confidences.json").read_bytes()
    compressed = (tmp_path / "t/t_confidences.json.gz").read_bytes()
    assert gzip.decompress(compressed) == plain
    write_result(tmp_path / "t", TARGET, samples, info(), "best")
    assert (tmp_path / "t/t_confidences.json.gz").read_bytes() == compressed


def test_a_result_replaces_an_older_one_whole(tmp_path, samples):
    folder = tmp_path / "t"
    write_result(folder, TARGET, samples, info(), "all")
    assert is_done(folder, "r1")
    assert not is_done(folder, "r2")
    (folder / "stray.txt").write_text("old")
    write_result(folder, TARGET, samples, info(), "best")
    assert not (folder / "stray.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_ligands_and_bonds_stand_in_the_structure(tmp_path):
    glycan = Entity("ligand", "", ("G",), codes=("NAG", "NAG"))
    smiles = Entity("ligand", "", ("S", "T"), smiles="CCO")
    protein = Entity("protein", "MNS", ("A",), modifications=(Modification(3, "SEP"),))
    dna = Entity("dna", "GA", ("D",))
    bonds = (
        Bond(AtomRef("A", 2, "ND2"), AtomRef("G", 1, "C1")),
        Bond(AtomRef("G", 1, "O4"), AtomRef("G", 2, "C1")),
    )
    target = Target("mix", (protein, dna, glycan, smiles, Entity("ion", "", ("M",), codes=("MG",))), bonds=bonds)
    features = featurize(target)
    out = StandInModel().predict(features, n_sample=1, noise=1)
    sample = Sample(1, 0, out["coordinate"][0], out["summary"][0], out["full_data"][0])
    write_result(tmp_path / "mix", target, [sample], info(), "all")
    structure = gemmi.read_structure(str(tmp_path / "mix/mix_model.cif"))
    assert [chain.name for chain in structure[0]] == ["A", "D", "G", "S", "T", "M"]
    assert [r.name for r in structure[0]["A"]] == ["MET", "ASN", "SEP"]
    assert [r.name for r in structure[0]["G"]] == ["NAG", "NAG"]
    assert [a.name for a in structure[0]["S"][0]] == ["C1", "C2", "O1"]
    assert sum(len(r) for chain in structure[0] for r in chain) == len(features["ref_pos"])
    kinds = {e.name: (e.entity_type.name, e.polymer_type.name) for e in structure.entities}
    assert kinds["1"] == ("Polymer", "PeptideL")
    assert kinds["2"] == ("Polymer", "Dna")
    assert [kinds[n][0] for n in "345"] == ["Branched", "NonPolymer", "NonPolymer"]
    assert len(structure.connections) == 2
    text = (tmp_path / "mix/mix_model.cif").read_text()
    assert "l01 non-polymer" in text
    assert "HETATM" in text
    full = json.loads((tmp_path / "mix/mix_confidences.json").read_text())
    assert len(full["token_res_ids"]) == len(features["token_index"])


def test_interface_scores_are_matrices_over_chains(tmp_path):
    """Of polymers' residues; a ligand and the diagonal have none."""
    target = Target(
        "mix",
        (*merge_chains(["MKTAYI", "GGG"]), Entity("dna", "GATC", ("C",)), Entity("ligand", "", ("D",), codes=("ATP",))),
    )
    features = featurize(target)
    out = StandInModel().predict(features, n_sample=1, noise=1)
    sample = Sample(101, 0, out["coordinate"][0], out["summary"][0], out["full_data"][0])
    write_result(tmp_path / "mix", target, [sample], info(), "best")
    summary = json.loads((tmp_path / "mix/mix_summary_confidences.json").read_text())
    names = {key for key in summary if key.startswith("chain_pair_")} - {"chain_pair_iptm", "chain_pair_pae_min"}
    assert len(names) == 10
    for name in names:
        present = [[value is not None for value in row] for row in summary[name]]
        assert present == [[i != j and 3 not in (i, j) for j in range(4)] for i in range(4)], name
    # Every PAE is 3 Å: d0 is 1 of six and of three residues, 2 with the DNA.
    assert summary["chain_pair_ipsae"][0][1] == 0.1
    assert summary["chain_pair_ipsae"][0][2] == round(1 / (1 + 1.5**2), 4)
    assert summary["chain_pair_lis"][0][1] == 0.75
    assert summary["best_chain_pair"]["chain_ids"] == ["A", "C"]
    assert summary["best_chain_pair"]["ipsae"] == summary["chain_pair_ipsae"][0][2]


def test_atoms_of_another_target_are_refused(tmp_path, samples):
    other = Target("my target", merge_chains(["MKTAYI", "GGGG", "MKTAYI"]))
    n_atom = len(samples[0].coordinate)
    with pytest.raises(ValueError, match=f"{n_atom} atoms were predicted, but the target has {n_atom + 4}"):
        write_result(tmp_path / "my_target", other, samples, info(), "all")
    assert not list(tmp_path.iterdir())
