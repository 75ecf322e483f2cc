"""What the report says, and that it is a folder of its own."""

import base64
import gzip
import json
import re

import gemmi
import numpy as np
import pandas as pd
import pytest

import pfold
from pfold import stages
from pfold.cli import main
from pfold.errors import ConfigError, InputError
from pfold.features.featurize import featurize
from pfold.features.store import FeatureStore
from pfold.report.alignment_depth import NOT_COVERED, alignment_depth
from pfold.report.front_data import front_data
from pfold.report.tables import Tables, summarise
from pfold.report.target_data import superposition, target_data, token_plddt
from pfold.targets.types import POLYMERS
from tests.molecules import TARGETS
from tests.report.conftest import write_stand_in


def page_data(path):
    """The data of a target's page, unpacked as the browser does."""
    packed = re.search(r'"([^"]*)"\);\n$', path.read_text())
    return json.loads(gzip.decompress(base64.b64decode(packed[1])))


def test_the_front_page_has_every_target_and_every_rejection(finished_run):
    data = front_data(summarise(finished_run), finished_run, "title")
    rows = pd.DataFrame(data["rows"], columns=data["columns"])
    assert data["counts"] == {"done": 12, "rejected": 1}
    assert len(rows) == 13
    assert '"J" is not an amino acid' in rows.reason.iloc[-1]
    assert "UNTRAINED WEIGHTS" in data["warning"]
    assert ("model", finished_run.model.name) in data["facts"]
    assert len(data["times"]) == 12
    assert data["screen"] is None
    text = (finished_run.results / "report/index.js").read_text()
    assert json.loads(text.removeprefix("const DATA = ").removesuffix(";\n"))["rows"] == data["rows"]


def test_pages_name_no_address_of_the_network(finished_run):
    folder = finished_run.results / "report"
    pages = [
        *folder.glob("*.html"),
        *folder.glob("lib/*.css"),
        *map(folder.joinpath, ("lib/front.js", "lib/target.js")),
    ]
    assert len(pages) == 6
    for path in pages:
        assert not re.findall(r"(?:src|href|url)[=(]\s*[\"']?https?:", path.read_text()), path
    sources = re.findall(r'(?:src|href)="([^"]+)"', (folder / "index.html").read_text())
    assert all((folder / source).is_file() for source in sources if not source.startswith("data:"))
    assert len(sources) == 8


def test_a_target_s_data_is_that_of_its_result(finished_run):
    data = page_data(finished_run.results / "report/targets/dimer.js")
    result = finished_run.results / "predictions/dimer"
    assert data["samples"][0]["cif"] == (result / "dimer_model.cif").read_text()
    assert [sample["sample"] for sample in data["samples"]] == pd.read_csv(result / "ranking_scores.csv").sort_values(
        "ranking_score", ascending=False
    )["sample"].tolist()
    confidences = json.loads((result / "dimer_confidences.json").read_text())
    pae = np.frombuffer(base64.b64decode(data["samples"][0]["pae"]), np.uint8).reshape(16, 16)
    np.testing.assert_allclose(pae * data["pae_step"], confidences["pae"], atol=0.125)
    assert data["tokens"]["chain"] == ["A"] * 8 + ["B"] * 8
    assert data["tokens"]["number"] == [*range(1, 9), *range(1, 9)]
    assert data["tokens"]["name"][8:11] == ["MET", "LYS", "THR"]
    assert data["tokens"]["polymer"] == [True] * 16
    assert data["samples"][0]["plddt"] == [50.0] * 16
    summary = json.loads((result / "dimer_summary_confidences.json").read_text())
    assert data["samples"][0]["pairs"]["ipsae"] == summary["chain_pair_ipsae"]
    assert data["alignment"]["coverage"] == [1] * 16


@pytest.mark.parametrize("name", TARGETS)
def test_every_kind_of_molecule_has_a_page(name, tmp_path):
    target = TARGETS[name]
    write_stand_in(tmp_path / name, target)
    data = target_data(tmp_path / name, FeatureStore(tmp_path / "store"), "0" * 16)
    n_token = len(featurize(target)["token_index"])
    assert len(data["tokens"]["name"]) == n_token == len(data["samples"][0]["plddt"])
    assert data["chains"] == list(target.chain_ids)
    polymers = {chain for entity in target.entities if entity.kind in POLYMERS for chain in entity.ids}
    of_polymers = np.array(data["tokens"]["chain"])[data["tokens"]["polymer"]]
    assert set(of_polymers) == polymers
    # The first token is the mean of its atoms, the last an atom or residue at the end of the ramp.
    assert 20 <= data["samples"][0]["plddt"][0] < 40 < data["samples"][0]["plddt"][-1] <= 80


def test_both_forms_of_confidences_give_the_same_page(finished_run, tmp_path):
    assert main(["export", "compact", "dimer", "--results", str(finished_run.results), "--output", str(tmp_path)]) == 0
    result = finished_run.results / "predictions/dimer"
    copy = tmp_path / "dimer"
    copy.mkdir()
    for name in ("result.json", "dimer_model.cif", "dimer_summary_confidences.json"):
        (copy / name).write_bytes((result / name).read_bytes())
    receipt = json.loads((copy / "result.json").read_text())
    (copy / "result.json").write_text(json.dumps(receipt | {"keep": "best"}))
    (tmp_path / "dimer_confidences.npz").rename(copy / "dimer_confidences.npz")
    store = FeatureStore(tmp_path / "no_store")
    data = target_data(copy, store, "0" * 16)
    assert data["alignment"] is None
    assert data["samples"][0]["pae"] == target_data(result, store, "0" * 16)["samples"][0]["pae"]
    assert len(data["samples"]) == 1


def test_only_what_is_new_is_written_again(finished_run):
    folder = finished_run.results / "report/targets"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / "dimer.js").unlink()
    (folder / "gone.js").write_text("of a target that has left the input")
    stages.run_summary(finished_run, cpus=2)
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == ["dimer.js"]


def test_a_damaged_result_leaves_the_other_pages(finished_run, caplog):
    place = finished_run.results / "predictions/monomer_0/monomer_0_confidences.json"
    page = finished_run.results / "report/targets/monomer_0.js"
    content = place.read_bytes()
    place.write_text("{")
    page.unlink()
    try:
        stages.run_report(finished_run)
    finally:
        place.write_bytes(content)
    assert "monomer_0: its page can't be made" in caplog.text
    assert "monomer_0_confidences.json" in caplog.text
    assert not page.exists()
    stages.run_report(finished_run)
    assert page.exists()


def test_a_screen_s_matrix_has_every_pair(finished_run):
    tables = summarise(finished_run)
    pairs = pd.concat([tables.pairs] * 3, ignore_index=True)
    pairs["bait"], pairs["prey"], pairs["folder"] = ["a", "a", ""], ["x", "y", ""], ["a__x", "a__y", "dimer"]
    screen = front_data(Tables(tables.summary, pairs), finished_run, "")["screen"]
    assert [row[:3] for row in screen["rows"]] == [["a", "x", "a__x"], ["a", "y", "a__y"]]
    assert screen["rows"][0][3] == pairs.ipsae[0]


def test_alignment_depth_counts_rows_and_sorts_them():
    gap = 31
    msa = np.array([[1, 2, 3, 4], [1, 2, gap, gap], [1, 2, 3, 5], [1, 2, 3, 5]])
    depth = alignment_depth({"msa": msa})
    assert depth.n_row == 3
    assert depth.coverage.tolist() == [3, 3, 2, 2]
    assert depth.identity.tolist() == [[50, 50, NOT_COVERED, NOT_COVERED], [75] * 4, [100] * 4]


def test_tokens_of_atoms_have_their_atoms_plddt():
    structure = gemmi.Structure()
    structure.add_model(gemmi.Model(1))
    structure[0].add_chain(gemmi.Chain("A"))
    for number, values in ((1, (10.0, 30.0)), (2, (40.0, 60.0))):
        residue = gemmi.Residue()
        residue.name, residue.seqid = "GLY", gemmi.SeqId(number, " ")
        for value in values:
            atom = gemmi.Atom()
            atom.b_iso = value
            residue.add_atom(atom)
        structure[0]["A"].add_residue(residue)
    assert token_plddt(structure, [("A", 1), ("A", 2), ("A", 2)]) == [20.0, 40.0, 60.0]


def test_samples_are_put_onto_the_best_one(finished_run):
    path = finished_run.results / "predictions/dimer/dimer_model.cif"
    fixed, moved = gemmi.read_structure(str(path)), gemmi.read_structure(str(path))
    turn = gemmi.Transform()
    turn.mat.fromlist([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    turn.vec.fromlist([5, 6, 7])
    moved[0].transform_pos_and_adp(turn)
    matrix = np.array(superposition(moved, fixed)).reshape(4, 4).T
    at = lambda structure: np.array([site.atom.pos.tolist() for site in structure[0].all()])  # noqa: E731
    np.testing.assert_allclose(at(moved) @ matrix[:3, :3].T + matrix[:3, 3], at(fixed), atol=1e-3)


def test_one_file_holds_a_target_and_a_notebook_shows_it(finished_run, tmp_path, capsys):
    results = str(finished_run.results)
    assert main(["report", "dimer", "--single", str(tmp_path / "one.html"), "--results", results]) == 0
    page = (tmp_path / "one.html").read_text()
    assert 'src="lib/' not in page
    assert 'href="lib/' not in page
    prediction = pfold.read_prediction(results, "dimer")
    assert prediction.page() == page
    assert prediction.structure.is_file()
    assert prediction.best["n_chain"] == 2
    assert prediction._repr_html_().startswith("<iframe srcdoc=")
    with pytest.raises(InputError, match="no finished target is named dimr; did you mean dimer"):
        pfold.read_prediction(results, "dimr")
    with pytest.raises(ConfigError, match="pfold report TARGET --single FILE"):
        stages.run_report(finished_run, single=tmp_path / "x.html")
    capsys.readouterr()
    assert main(["report", "dimer", "--results", results]) == 0
    assert capsys.readouterr().out.strip().endswith("report/target.html#dimer")
