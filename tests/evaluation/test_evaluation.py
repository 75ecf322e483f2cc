"""Predictions against known structures: real structures and copies of them that are moved, shaken, cut and renamed."""

import gzip
from pathlib import Path

import biotite.structure as struc
import biotite.structure.io.pdbx as pdbx
import gemmi
import numpy as np
import pandas as pd
import peppr
import pytest
import tmtools

from pfold.errors import InputError, PfoldError
from pfold.evaluation.aligned_error import aligned_errors
from pfold.evaluation.interfaces import interfaces
from pfold.evaluation.ligands import ligand_poses
from pfold.evaluation.pairing import pair_structures, read_chains
from pfold.evaluation.scores import gdt, score
from pfold.evaluation.tables import calibration, evaluate, evaluation_text
from pfold.results.confidences import write_confidences

TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def changed(source: Path, destination: Path, noise: float = 0.0, keep=lambda i: True, order=None) -> Path:
    """A copy that is turned, moved, and shaken by `noise` Å, of the residues that `keep` keeps."""
    structure = gemmi.read_structure(str(source))
    structure.setup_entities()
    structure.remove_waters()
    rng = np.random.default_rng(5)
    for chain in structure[0]:
        for i in reversed(range(len(chain))):
            if not keep(i):
                del chain[i]
        for residue in chain:
            for atom in residue:
                place = TURN @ np.array(atom.pos.tolist()) + [10, -20, 5] + rng.normal(size=3) * noise
                atom.pos = gemmi.Position(*place)
    structure.make_mmcif_document().write_file(str(destination))
    return destination


@pytest.fixture(scope="module")
def known(shared) -> Path:
    return shared / "data/mmcif/7zzx.cif.gz"


@pytest.mark.shared
def test_a_copy_elsewhere_is_the_same_structure(known, tmp_path):
    found = score(pair_structures(changed(known, tmp_path / "copy.cif"), known))
    assert found.n_residue == 202
    for value in (found.lddt, found.lddt_ca, found.tm_score, found.gdt_ts, found.gdt_ha):
        assert value == pytest.approx(1, abs=1e-5)
    assert found.rmsd_ca == pytest.approx(0, abs=1e-3)


@pytest.mark.shared
def test_scores_are_the_packages_own(known, tmp_path):
    """lDDT and RMSD by biotite and TM-score by tmtools, on atoms that are read by gemmi alone."""
    shaken = changed(known, tmp_path / "shaken.cif", noise=0.8)
    found = score(pair_structures(shaken, known))
    arrays = []
    for path in (known, shaken):
        structure = gemmi.read_structure(str(path))
        structure.setup_entities()
        structure.remove_alternative_conformations()
        atoms = [(a.pos.tolist(), a.name) for c in structure[0] for r in c.get_polymer() for a in r]
        arrays.append((np.array([x for x, _ in atoms], np.float32), np.array([name for _, name in atoms])))
    (x, names), (y, _) = arrays
    ca = names == "CA"
    n = ca.sum()
    reference = struc.AtomArray(len(x))
    reference.coord = x
    reference.res_id = np.cumsum(names == "N")
    assert found.lddt == pytest.approx(struc.lddt(reference, y), abs=1e-6)
    assert found.lddt_ca == pytest.approx(struc.lddt(reference[ca], y[ca]), abs=1e-6)
    moved, _ = struc.superimpose(x[ca], y[ca])
    assert found.rmsd_ca == pytest.approx(struc.rmsd(x[ca], moved), abs=1e-5)
    aligned = tmtools.tm_align(y[ca].astype(float), x[ca].astype(float), "A" * n, "A" * n)
    assert found.tm_score == pytest.approx(aligned.tm_norm_chain2, abs=1e-6)
    assert 0.5 < found.gdt_ha < found.gdt_ts < 1


@pytest.mark.shared
def test_residues_that_are_missing_lower_tm_score_and_gdt(known, tmp_path):
    half = changed(known, tmp_path / "half.cif", keep=lambda i: i < 100)
    found = score(pair_structures(half, known))
    n_known = sum(len(chain.sequence) for chain in read_chains(known))
    assert found.n_residue == 100
    assert found.lddt == pytest.approx(1, abs=1e-5)
    assert found.gdt_ts == pytest.approx(100 / n_known, abs=1e-3)
    assert found.tm_score == pytest.approx(100 / n_known, abs=1e-3)


def test_gdt_finds_the_part_that_fits():
    """Half of a chain stays, the other half is elsewhere: no superposition of all residues sees that."""
    rng = np.random.default_rng(2)
    x = np.cumsum(rng.normal(size=(60, 3)) * 2.2, axis=0).astype(np.float32)
    y = x.copy()
    y[30:] = (y[30:] - y[30]) @ TURN.T.astype(np.float32) + 40
    y = y @ TURN.T.astype(np.float32) + 7
    assert gdt(x, y, (1.0,), 60) == pytest.approx(0.5, abs=0.04)


def test_chains_of_a_complex_are_assigned_by_place(tmp_path):
    """Two copies of a chain, whose names are swapped in the prediction."""
    rng = np.random.default_rng(3)
    first, second = np.cumsum(rng.normal(size=(2, 30, 3)) * 2.2, axis=1)

    def write(path: Path, chains: dict[str, np.ndarray]) -> Path:
        structure = gemmi.Structure()
        model = gemmi.Model(1)
        for name, places in chains.items():
            chain = gemmi.Chain(name)
            for number, place in enumerate(places, start=1):
                residue = gemmi.Residue()
                residue.name, residue.seqid = ("ALA", "GLY", "SER")[number % 3], gemmi.SeqId(str(number))
                atom = gemmi.Atom()
                atom.name, atom.element, atom.pos = "CA", gemmi.Element("C"), gemmi.Position(*place)
                residue.add_atom(atom)
                chain.add_residue(residue)
            model.add_chain(chain)
        structure.add_model(model)
        structure.setup_entities()
        structure.make_mmcif_document().write_file(str(path))
        return path

    known = write(tmp_path / "known.cif", {"A": first, "B": second + 30})
    swapped = write(tmp_path / "swapped.cif", {"A": second + 30, "B": first})
    assert score(pair_structures(swapped, known)).rmsd_ca == pytest.approx(0, abs=0.01)


@pytest.mark.shared
def test_other_proteins_are_refused(known, shared):
    with pytest.raises(InputError, match="no chain is like one of"):
        pair_structures(shared / "data/mmcif/5zyh.cif.gz", known)


@pytest.mark.shared
def confidences_of(path: Path, pae: float) -> dict[str, np.ndarray]:
    """Confidences of a structure's residues, of which every pair but those of the first has this PAE."""
    keys = [(chain.id, number) for chain in read_chains(path) for number in chain.numbers]
    values = np.full((len(keys), len(keys)), pae)
    values[0] = values[:, 0] = 31
    chains, numbers = np.array([chain for chain, _ in keys]), np.array([number for _, number in keys])
    return {"token_chain_ids": chains, "token_res_ids": numbers, "pae": values}


def test_a_results_folder_becomes_tables_and_a_page(known, tmp_path, shared):
    results, truth = tmp_path / "results", tmp_path / "truth"
    results.mkdir()
    truth.mkdir()
    (truth / "good.cif").write_bytes(gzip.decompress(known.read_bytes()))
    (truth / "odd.cif").write_bytes(gzip.decompress((shared / "data/mmcif/5zyh.cif.gz").read_bytes()))
    rows = []
    for name in ("good", "odd", "unknown"):
        (results / name).mkdir()
        structure = changed(known, results / name / f"{name}_model.cif", noise=0.5)
        write_confidences(results / name / f"{name}_confidences", confidences_of(structure, 3.0), "json")
        rows.append(
            {"name": name, "structure": f"{name}/{name}_model.cif", "rank": 1, "seed": 101, "sample": 0, "plddt": 80.0}
        )
    table = pd.DataFrame(rows).assign(ptm=0.8, iptm=None, weights="x")
    table.to_parquet(results / "summary.parquet")
    pairs = {"name": ["good"], "chain_1": ["A"], "chain_2": ["B"], "iptm": [0.7]}
    pd.DataFrame(pairs).to_parquet(results / "pairs.parquet")
    found = evaluate(results, truth)
    assert found["name"].tolist() == ["good"]
    written = pd.read_csv(results / "evaluation.csv")
    assert written.loc[0, "lddt"] == pytest.approx(found.loc[0, "lddt"])
    assert 0.7 < written.loc[0, "lddt"] < 0.95
    assert pd.read_csv(results / "calibration.csv")["n_residue"].sum() == 202
    by_pae = pd.read_csv(results / "pae_calibration.csv")
    assert by_pae["n_pair"].tolist() == [201 * 200, 2 * 201]
    assert by_pae["pae"].tolist() == [3, 31]
    # 0.5 Å of an atom turn a residue's frame by so much that what is far from it is many Å away.
    assert by_pae["error"].between(5, 30).all()
    page = (results / "evaluation.html").read_text()
    assert "1 targets against known structures" in page
    assert (results / "plotly.js").stat().st_size > 1_000_000
    said = evaluation_text(found.assign(weights="demonstration"))
    assert said.splitlines()[0].split() == ["name", "rank", "plddt", "ptm", "lddt", "lddt_ca", "tm_score", "rmsd_ca"]
    assert "no predictor" in said
    with pytest.raises(PfoldError, match="no target of"):
        evaluate(results, shared / "data/modelcif")


def cut_in_two(source: Path, destination: Path, moved: float = 0.0) -> Path:
    """The chain's first 120 residues as chain A, the others as chain B, which is moved by some Å along each axis."""
    structure = gemmi.read_structure(str(source))
    structure.setup_entities()
    residues = list(structure[0][0].get_polymer())
    model = gemmi.Model(1)
    for name, part, shift in (("A", residues[:120], 0.0), ("B", residues[120:], moved)):
        chain = gemmi.Chain(name)
        for residue in part:
            kept = residue.clone()
            kept.subchain = name
            for atom in kept:
                atom.pos += gemmi.Position(shift, shift, shift)
            chain.add_residue(kept)
        model.add_chain(chain)
    cut = gemmi.Structure()
    cut.add_model(model)
    cut.setup_entities()
    cut.assign_label_seq_id()
    cut.make_mmcif_document().write_file(str(destination))
    return destination


@pytest.mark.shared
def test_dockq_of_an_interface_is_the_package_s_own(known, tmp_path):
    """Beside numbers by peppr on atoms that biotite reads."""
    whole, moved = cut_in_two(known, tmp_path / "whole.cif"), cut_in_two(known, tmp_path / "moved.cif", moved=1.5)
    (found,) = interfaces(pair_structures(moved, whole))
    assert (found.known_1, found.known_2, found.chain_1, found.chain_2) == ("A", "B", "A", "B")

    arrays = []
    for path in (whole, moved):
        atoms = pdbx.get_structure(pdbx.CIFFile.read(path), model=1)
        atoms = atoms[atoms.element != "H"]
        arrays += [atoms[atoms.chain_id == name] for name in "AB"]
    own = peppr.dockq(*arrays)
    assert found.dockq == pytest.approx(own.score, abs=1e-4)
    assert found.fnat == pytest.approx(own.fnat, abs=1e-6)
    assert found.irmsd == pytest.approx(own.irmsd, abs=1e-3)
    # A stays, and B is moved.
    assert found.lrmsd == pytest.approx(1.5 * 3**0.5, abs=1e-2)
    assert 0.2 < found.dockq < 0.9

    (same,) = interfaces(pair_structures(changed(whole, tmp_path / "copy.cif"), whole))
    assert (same.dockq, same.fnat) == (pytest.approx(1, abs=1e-4), 1)
    assert not list(interfaces(pair_structures(whole, cut_in_two(known, tmp_path / "apart.cif", moved=60))))


@pytest.mark.shared
def test_aligned_errors_are_how_far_one_chain_is_moved_seen_from_the_other(known, tmp_path):
    whole, moved = cut_in_two(known, tmp_path / "whole.cif"), cut_in_two(known, tmp_path / "moved.cif", moved=1.5)
    confidences = confidences_of(whole, 3.0)
    pair = pair_structures(changed(moved, tmp_path / "copy.cif"), whole)
    errors = aligned_errors(pair, confidences)
    n = 202
    assert errors.shape == (n * (n - 1), 2)
    table = np.zeros((n, n))
    table[~np.eye(n, dtype=bool)] = errors[:, 1]
    between = np.zeros((n, n), bool)
    between[:120, 120:] = between[120:, :120] = True
    assert np.allclose(table[between], 1.5 * 3**0.5, atol=2e-2)
    assert np.allclose(table[~between], 0, atol=2e-2)
    assert (errors[: n - 1, 0] == 31).all()
    # What the confidences do not know does not count.
    few = {key: value[:10] for key, value in confidences.items()}
    assert aligned_errors(pair, few).shape == (90, 2)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "components"), [("102m", ["SO4", "HEM"]), ("5zyh", ["9N0"]), ("7zzx", [])])
def test_ligands_are_compared_where_their_sites_are(shared, tmp_path, name, components):
    known = shared / f"data/mmcif/{name}.cif.gz"
    copied = list(ligand_poses(changed(known, tmp_path / "copy.cif"), known))
    assert [one.component for one in copied] == components
    assert all(one.rmsd < 1e-3 and one.lddt_pli == 1 for one in copied)
    shaken = list(ligand_poses(changed(known, tmp_path / "shaken.cif", noise=0.5), known))
    assert [one.n_atom for one in shaken] == [one.n_atom for one in copied]
    # Three axes of 0.5 Å each, and what the superposition of the site adds.
    assert all(0.4 < one.rmsd < 2 and 0.6 < one.lddt_pli < 1 for one in shaken)


@pytest.mark.shared
def test_a_symmetric_ligand_may_be_turned_and_another_place_is_seen(shared, tmp_path):
    """Two oxygens of a sulfate exchanged change nothing; moved by 2 Å it is that far away."""
    known = shared / "data/mmcif/102m.cif.gz"
    structure = gemmi.read_structure(str(known))
    (sulfate,) = [residue for chain in structure[0] for residue in chain if residue.name == "SO4"]
    first, second = (sulfate.find_atom(name, "*") for name in ("O1", "O2"))
    first.pos, second.pos = gemmi.Position(*second.pos.tolist()), gemmi.Position(*first.pos.tolist())
    structure.make_mmcif_document().write_file(str(tmp_path / "turned.cif"))
    found = {one.component: one for one in ligand_poses(tmp_path / "turned.cif", known)}
    assert found["SO4"].rmsd == pytest.approx(0, abs=1e-3)
    for atom in sulfate:
        atom.pos += gemmi.Position(2, 0, 0)
    structure.make_mmcif_document().write_file(str(tmp_path / "moved.cif"))
    found = {one.component: one for one in ligand_poses(tmp_path / "moved.cif", known)}
    assert found["SO4"].rmsd == pytest.approx(2, abs=1e-2)
    assert found["HEM"].rmsd == pytest.approx(0, abs=1e-3)


def test_calibration_has_a_row_for_each_bin_that_occurs():
    residues = np.array([[95.0, 90.0], [91.0, 80.0], [100.0, 100.0], [35.0, 20.0], [50.0, np.nan]])
    table = calibration(residues, np.arange(0, 101, 10), ("n_residue", "plddt", "lddt"))
    assert table[["from", "to", "n_residue"]].values.tolist() == [[30, 40, 1], [90, 100, 3]]
    assert table["lddt"].tolist() == [20.0, 90.0]
