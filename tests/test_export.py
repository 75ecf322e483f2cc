"""Finished results in other programs' formats, read back by those programs' libraries."""

import importlib.util
import io
import zipfile

import gemmi
import modelcif.reader
import numpy as np
import pandas as pd
import pytest
from biotite.structure.io import pdbx

from pfold import cli, stages
from pfold.errors import InputError
from pfold.export.foldcomp import protein_chains, write_foldcomp
from pfold.export.forms import FORMS, export_results
from pfold.export.modelarchive import residue_pae
from pfold.results.confidences import read_confidences
from pfold.run import batch as batches
from tests.runs import StandInModel, make_config, write_fasta

needs_foldcomp = pytest.mark.skipif(
    importlib.util.find_spec("foldcomp") is None, reason="no foldcomp here: it is made for Python 3.11 on x86-64"
)


@pytest.fixture
def results(tmp_path, monkeypatch):
    fasta = write_fasta(tmp_path / "p.fasta", a="MKTAYI", bad="MKTJ", b="GGGSW:GGGSW")
    monkeypatch.setattr(batches, "load_model", lambda *_: StandInModel())
    config = make_config(tmp_path, fasta)
    stages.run_all(config)
    return config.results


def best_structure(results, name):
    return gemmi.read_structure(str(results / f"predictions/{name}/{name}_model.cif"))


@pytest.mark.parametrize(("form", "end"), [("mmcif", ".cif"), ("pdb", ".pdb")])
def test_structures_have_the_same_atoms(results, tmp_path, form, end):
    paths = export_results(results, form, tmp_path / "out")
    assert {path.name for path in paths} == {f"a{end}", f"b{end}"}
    for path in paths:
        expected, found = best_structure(results, path.stem), gemmi.read_structure(str(path))
        sites = [[(c.chain.name, c.residue.name, c.atom.name) for c in s[0].all()] for s in (expected, found)]
        assert sites[0] == sites[1]
        positions = [np.array([c.atom.pos.tolist() for c in s[0].all()]) for s in (expected, found)]
        np.testing.assert_allclose(*positions, atol=1e-3)
        assert [c.atom.b_iso for c in found[0].all()] == pytest.approx([50.0] * len(sites[0]))
        assert "UNTRAINED WEIGHTS" in path.read_text()


@needs_foldcomp
def test_a_foldcomp_database_has_every_protein_chain(results, tmp_path):
    structures = [(name, best_structure(results, name)) for name in ("a", "b")]
    chains = [chain for name, structure in structures for chain in protein_chains(name, structure)]
    assert [name for name, _ in chains] == ["a", "b_A", "b_B"]
    paths = write_foldcomp(chains, tmp_path / "db")
    assert [path.name for path in paths] == ["db", "db.index", "db.lookup", "db.dbtype"]
    import foldcomp

    with foldcomp.open(tmp_path / "db") as database:
        read = dict(database)
    assert read.keys() == {"a", "b_A", "b_B"}
    for name, text in read.items():
        assert ca_atoms(text)[0] == ca_atoms(dict(chains)[name])[0]


@needs_foldcomp
@pytest.mark.shared
def test_a_foldcomp_database_keeps_a_real_structure(shared, tmp_path):
    source = shared / "data/ipsae/fold_aurka_0_tpx2_0_model_0.cif"
    chains = list(protein_chains("aurka", gemmi.read_structure(str(source))))
    (path, *_) = write_foldcomp(chains, tmp_path / "db")
    import foldcomp

    with foldcomp.open(path) as database:
        read = dict(database)
    # The kinase has phosphorylated residues.
    assert {name.split("_")[1] for name in read} == {"A", "B"}
    assert len(read) > 2
    for name, text in chains:
        (names, before), (found, after) = ca_atoms(text), ca_atoms(read[name])
        assert names == found
        assert np.linalg.norm(before - after, axis=1).max() < 0.5
    assert path.stat().st_size < source.stat().st_size / 10


def ca_atoms(text):
    """Residues' names, and positions of their Cα [N, 3], of a PDB text."""
    model = gemmi.read_pdb_string(text)[0]
    atoms = [(site.residue.name, site.atom.pos.tolist()) for site in model.all() if site.atom.name == "CA"]
    return [name for name, _ in atoms], np.array([position for _, position in atoms])


def test_untrained_weights_make_no_foldcomp_database(results, tmp_path):
    with pytest.raises(InputError, match="untrained"):
        export_results(results, "foldcomp", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_binary_cif_has_every_category(results, tmp_path):
    (path,) = export_results(results, "bcif", tmp_path / "out", ["b"])
    text, binary = pdbx.CIFFile.read(results / "predictions/b/b_model.cif").block, pdbx.BinaryCIFFile.read(path).block
    assert set(text) == set(binary)
    numbers = ("id", "Cartn_x", "Cartn_y", "Cartn_z", "occupancy", "B_iso_or_equiv")
    n_column = 0
    for name, category in text.items():
        for key, column in category.items():
            kind = float if name == "atom_site" and key in numbers else str
            assert column.as_array(kind).tolist() == binary[name][key].as_array(kind).tolist(), (name, key)
            n_column += 1
    assert n_column > 50
    assert pdbx.get_structure(pdbx.BinaryCIFFile.read(path), model=1).array_length() > 50


def test_sequences_carry_their_confidence(results, tmp_path):
    (path,) = export_results(results, "fasta", tmp_path / "out")
    lines = path.read_text().splitlines()
    found = dict(zip(lines[::2], lines[1::2], strict=True))
    assert {head.split()[0]: sequence for head, sequence in found.items()} == {
        ">a|A": "MKTAYI",
        ">b|A": "GGGSW",
        ">b|B": "GGGSW",
    }
    assert all(" pLDDT=50.00 UNTRAINED WEIGHTS" in head for head in found)


def test_confidences_of_one_form_become_those_of_the_other(results, tmp_path):
    (compact,) = export_results(results, "compact", tmp_path / "out", ["a"])
    assert compact.name == "a_confidences.npz"
    original = results / "predictions/a/a_confidences.json"
    values = read_confidences(compact)
    assert "UNTRAINED" in values["remark"]
    assert np.abs(values["pae"] - read_confidences(original)["pae"]).max() <= 0.125
    # The compact file takes the place of the JSON in the result, and is made JSON again.
    compact.replace(original.with_suffix(".npz"))
    original.unlink()
    (json_,) = export_results(results, "json", tmp_path / "out", ["a"])
    again = read_confidences(json_)
    assert list(again) == list(values)
    assert np.abs(again["pae"] - values["pae"]).max() <= 0.05


def test_an_archive_holds_the_best_samples_and_their_rows(results, tmp_path):
    (path,) = export_results(results, "zip", tmp_path / "out", ["b"])
    with zipfile.ZipFile(path) as archive:
        assert set(archive.namelist()) == {
            "summary.csv",
            "pairs.csv",
            "predictions/b/b_model.cif",
            "predictions/b/b_summary_confidences.json",
            "predictions/b/b_confidences.json",
        }
        assert set(pd.read_csv(io.BytesIO(archive.read("summary.csv"))).name) == {"b"}


def test_modelarchive_gets_the_pae_in_a_file_that_the_model_names(results, tmp_path):
    model, archive = export_results(results, "modelarchive", tmp_path / "out", ["b"])
    assert (model.name, archive.name) == ("b.cif", "b_associated.zip")
    with zipfile.ZipFile(archive) as files:
        (name,) = files.namelist()
        text = files.read(name).decode()
        files.extractall(tmp_path / "out")
    loop = (
        gemmi.cif.read_string(text)
        .sole_block()
        .find(
            "_ma_qa_metric_local_pairwise.",
            ["label_asym_id_1", "label_seq_id_1", "label_asym_id_2", "label_seq_id_2", "metric_value"],
        )
    )
    assert len(loop) == 10 * 10
    pae = read_confidences(results / "predictions/b/b_confidences.json")["pae"]
    assert list(loop[12])[:4] == ["A", "2", "A", "3"]
    assert float(loop[12][4]) == pytest.approx(pae[1, 2])
    # The reader of ModelCIF finds the file by what the model says of it.
    with model.open() as file:
        (system,) = modelcif.reader.read(file)
    (repository,) = system.repositories
    (found,) = repository.files
    assert found.path == archive.name
    assert [inner.path for inner in found.files] == [name]


def test_a_modified_residue_has_the_mean_pae_of_its_atoms():
    confidences = {
        "token_chain_ids": np.array(["A", "A", "A", "L"]),
        "token_res_ids": np.array([1, 2, 2, 1]),
        "pae": np.array([[0.0, 2, 4, 9], [1, 0, 2, 9], [3, 2, 0, 9], [9, 9, 9, 0]]),
    }
    found = residue_pae(confidences, [("A", 1), ("A", 2)])
    np.testing.assert_allclose(found, [[0, 3], [2, 1]])


def test_the_command_says_what_it_wrote_and_what_it_can_not(results, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main(["export", "pdb", "a", "--results", str(results), "--output", str(out)]) == 0
    assert capsys.readouterr().out == f"{out / 'a.pdb'}\n"
    assert cli.main(["export", "pdb", "bad", "--results", str(results), "--output", str(out)]) == 3
    assert "no finished target is named bad" in capsys.readouterr().err
    (results / "predictions/b/b_model.cif").unlink()
    assert cli.main(["export", "pdb", "--results", str(results), "--output", str(out)]) == 3
    assert "b_model.cif is gone; run again" in capsys.readouterr().err
    assert cli.main(["export", "xyz", "--results", str(results), "--output", str(out)]) == 2
    said = capsys.readouterr().err
    assert all(form in said for form in FORMS)
