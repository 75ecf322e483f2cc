"""Structures as examples: which atoms they have, crops, and what a step draws."""

import dataclasses

import gemmi
import numpy as np
import pytest

from pfold.config import load_config
from pfold.errors import ConfigError, InputError
from pfold.msa.a3m import Alignment
from pfold.msa.engines import protein_engine
from pfold.msa.store import AlignmentStore, alignment_id
from pfold.training.data.crop import CropSettings, crop_example, take_tokens
from pfold.training.data.examples import read_example
from pfold.training.data.sets import StructureSet, read_set
from pfold.training.step import draw_example
from tests.training.configs import step_settings

pytestmark = pytest.mark.shared


def test_the_atoms_of_a_structure_are_where_the_file_has_them(shared):
    example = read_example(shared / "data/mmcif/7zzx.cif.gz", use_msa=False)
    f, truth = example.features, example.truth
    assert example.n_token == 204
    assert truth.resolution == pytest.approx(2.4)
    assert truth.mask.mean() == pytest.approx(0.984, abs=1e-3)
    # Bonds of the backbone have their lengths: no atom has another's place.
    frames = np.asarray(f["frame_atom_index"])[np.asarray(f["has_frame"], bool)]
    known = truth.mask[frames].all(1)
    lengths = np.linalg.norm(truth.coordinate[frames[known, 0]] - truth.coordinate[frames[known, 1]], axis=-1)
    assert known.sum() > 195
    assert lengths.min() > 1.40
    assert lengths.max() < 1.55


def test_a_crop_keeps_what_its_tokens_have(shared):
    example = read_example(shared / "data/mmcif/102m.cif.gz", use_msa=False)
    kept = np.arange(40, 200, 3)
    crop = take_tokens(example, kept)
    f, g = example.features, crop.features
    assert np.array_equal(g["residue_index"], np.asarray(f["residue_index"])[kept])
    assert g["msa"].shape == (1, len(kept))
    assert np.array_equal(np.bincount(g["atom_to_token_idx"]), np.bincount(f["atom_to_token_idx"])[kept])
    x = example.truth.coordinate[np.flatnonzero(f["distogram_rep_atom_mask"])][kept]
    assert np.array_equal(crop.truth.coordinate[np.flatnonzero(g["distogram_rep_atom_mask"])], x)
    frames = np.asarray(g["frame_atom_index"])[np.asarray(g["has_frame"], bool)]
    assert frames.max() < len(g["ref_pos"])


@pytest.mark.parametrize("way", ["contiguous", "spatial", "interface"])
def test_crops_have_their_size_and_are_drawn(shared, way):
    example = read_example(shared / "data/mmcif/102m.cif.gz", use_msa=False)
    shares = {"contiguous": 0.0, "spatial": 0.0, "interface": 0.0} | {way: 1.0}
    sizes, first = [], set()
    for seed in range(5):
        crop = crop_example(example, CropSettings(64, **shares), np.random.default_rng(seed))
        sizes.append(crop.n_token)
        first.add(int(np.asarray(crop.features["residue_index"])[0]))
    assert max(sizes) == 64
    assert min(sizes) >= (1 if way == "contiguous" else 64)
    assert len(first) > 1


@pytest.fixture(scope="module")
def short(structures):
    return StructureSet(structures, structures / "index.csv", "train", 1.0, 4, 40, 2.0, None, None)


def test_a_step_draws_the_same_whenever_it_is_asked(short):
    sets = [(1.0, read_set(short, use_msa=False))]
    settings = step_settings(n_token=48)
    first, again, other = (draw_example(sets, settings, 7, step, 0) for step in (3, 3, 4))
    assert first.name == again.name
    for key, value in first.features.items():
        assert np.array_equal(value, again.features[key]), key
    assert np.array_equal(first.noise.x, again.noise.x)
    assert not np.array_equal(first.noise.sigma, other.noise.sigma)


def test_only_the_split_is_read_and_clusters_count_once(short):
    found = read_set(short, use_msa=False)
    names = [example.name for example in found.found]
    assert 5 < len(names) < 20
    assert "1FME_A" not in names  # of the validation split
    assert found.share.sum() == pytest.approx(1)
    assert all(reason.endswith("tokens") for reason in found.rejected.values())


def test_a_bad_file_is_named_and_left_out(short, tmp_path, caplog):
    for name in ("1D4T_B", "2JOF_A"):
        (tmp_path / f"{name}.cif.gz").write_bytes((short.structures / f"{name}.cif.gz").read_bytes())
    (tmp_path / "broken.cif").write_text("data_broken\nloop_\n_atom_site.id\n")
    found = read_set(dataclasses.replace(short, structures=tmp_path, table=None), use_msa=False)
    assert sorted(example.name for example in found.found) == ["1D4T_B", "2JOF_A"]
    assert list(found.rejected) == ["broken"]
    with pytest.raises(InputError, match=r"broken\.cif"):
        read_example(tmp_path / "broken.cif", use_msa=False)
    with pytest.raises(ConfigError, match="no structure is left"):
        read_set(dataclasses.replace(short, structures=tmp_path, table=None, min_tokens=200), use_msa=False)


def test_an_assembly_of_two_copies_has_both(short, tmp_path):
    structure = gemmi.read_structure(str(short.structures / "2JOF_A.cif.gz"))
    structure.setup_entities()
    assembly, generator = gemmi.Assembly("1"), gemmi.Assembly.Gen()
    generator.subchains = [span.subchain_id() for chain in structure[0] for span in chain.subchains()]
    for shift in (0.0, 30.0):
        operator = gemmi.Assembly.Operator()
        operator.transform = gemmi.Transform(gemmi.Mat33(), gemmi.Vec3(shift, 0, 0))
        generator.operators.append(operator)
    assembly.generators.append(generator)
    structure.assemblies.append(assembly)
    structure.make_mmcif_document().write_file(str(tmp_path / "twice.cif"))
    once = read_example(short.structures / "2JOF_A.cif.gz", use_msa=False)
    twice = read_example(tmp_path / "twice.cif", use_msa=False)
    assert twice.kinds == ("protein", "protein")
    assert [entity.count for entity in twice.target.entities] == [2]
    assert twice.truth.mask.sum() == 2 * once.truth.mask.sum()
    first, second = np.split(twice.truth.coordinate, 2)
    assert np.abs(second - first - [30, 0, 0]).max() < 1e-2


@pytest.mark.parametrize("content", [b"\x1f\x8b damaged", b"\xff\xfe\x00", b"", b"data_a\n"])
def test_files_of_every_kind_of_damage_are_named(tmp_path, content):
    (tmp_path / "odd.cif").write_bytes(content)
    with pytest.raises(InputError, match=r"odd\.cif: "):
        read_example(tmp_path / "odd.cif", use_msa=False)


def test_long_chains_are_cut_into_fragments(short, tmp_path):
    (tmp_path / "1A2Kru_A.cif.gz").write_bytes((short.structures / "1A2Kru_A.cif.gz").read_bytes())
    whole = read_example(tmp_path / "1A2Kru_A.cif.gz", use_msa=False)
    chosen = dataclasses.replace(short, structures=tmp_path, max_tokens=64, fragments=(30, 64))
    found = read_set(chosen, use_msa=False).found
    assert [e.name for e in found] == [e.name for e in read_set(chosen, use_msa=False).found]
    assert len(found) >= 3
    few = read_set(dataclasses.replace(chosen, max_examples=2), use_msa=False)
    assert [e.name for e in few.found] == [found[0].name, found[-1].name]
    assert len(few.share) == 2
    sequence = whole.target.entities[0].sequence
    place = np.flatnonzero(whole.features["plddt_m_rep_atom_mask"])
    for fragment in found:
        first = int(fragment.name.rpartition("_")[2]) - 1
        assert 30 <= fragment.n_token <= 64
        assert fragment.target.entities[0].sequence == sequence[first : first + fragment.n_token]
        # It begins and ends as a chain does.
        assert np.asarray(fragment.features["residue_index"])[0] == 1
        of_whole = whole.truth.coordinate[place][first : first + fragment.n_token]
        mine = fragment.truth.coordinate[np.flatnonzero(fragment.features["plddt_m_rep_atom_mask"])]
        assert np.array_equal(mine, of_whole)


def test_alignments_come_from_the_store_of_a_run(short, tmp_path, structures):
    path = short.structures / "2JOF_A.cif.gz"
    alone = read_example(path, use_msa=True)
    sequence = alone.target.entities[0].sequence
    (tmp_path / "alignments").mkdir()
    (tmp_path / "run.yaml").write_text(
        f"targets: {tmp_path}/none.fasta\nresults: {tmp_path}/results\nmodel: protenix_tiny_default_v0.5.0\n"
        f"search: {{engine: precomputed, databases: [{tmp_path}/alignments]}}\n"
    )
    run = load_config(tmp_path / "run.yaml")
    store = AlignmentStore(run.store / "alignments")
    store.write(
        alignment_id(sequence, protein_engine(run.search).identity()),
        Alignment(("query", "other"), (sequence, "A" * len(sequence))),
    )
    chosen = dataclasses.replace(short, structures=tmp_path / "structures", table=None, run=run)
    chosen.structures.mkdir()
    for name in ("2JOF_A", "1D4T_B"):
        (chosen.structures / f"{name}.cif.gz").write_bytes((structures / f"{name}.cif.gz").read_bytes())
    found = read_set(chosen, use_msa=True)
    assert [example.name for example in found.found] == ["2JOF_A"]
    # The query, and rows to pair chains by and alone.
    assert found.found[0].features["msa"].shape == (3, len(sequence))
    assert alone.features["msa"].shape == (2, len(sequence))
    assert "the search found no alignment" in found.rejected["1D4T_B"]
