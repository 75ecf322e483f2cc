import numpy as np
import pytest

import pfold
from pfold.errors import DamagedError, InputError
from pfold.features.featurize import assemble, featurize
from pfold.features.msa import ChainAlignments
from pfold.features.schema import FEATURES, Features
from pfold.features.store import FeatureStore
from pfold.msa.a3m import parse_a3m
from pfold.targets.formats.fasta import merge_chains
from pfold.targets.types import AtomRef, Bond, Contact, Entity, Pocket, Target
from tests.conftest import ALL_GOLDENS, DATA, load_golden


def target(*chains: str) -> Target:
    return Target("t", merge_chains(list(chains)))


def alignments(query: str, *rows: str) -> ChainAlignments:
    found = parse_a3m([">query", query, *rows], query, "test")
    return ChainAlignments(unpaired=found, paired=found)


def within_residues(positions: np.ndarray, space: np.ndarray) -> np.ndarray:
    """Interatomic distances within each residue."""
    same = np.triu(space[:, None] == space[None], 1)
    i, j = np.nonzero(same)
    return np.linalg.norm(positions[i] - positions[j], axis=1)


# The reference's run with a template took a made-up one, which no input file describes.
NOT_FROM_INPUTS = {"nucleic_template": "template_"}


def check_against_reference(name: str, features: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """All arrays equal; conformers, and frames that depend on them, nearly so (the reference draws them at random)."""
    assert set(expected) <= set(features)
    atom_token = np.bincount(features["atom_to_token_idx"]) == 1
    for key, value in expected.items():
        assert features[key].dtype == value.dtype, (name, key)
        if key == "ref_pos" or key.startswith(NOT_FROM_INPUTS.get(name, "nothing")):
            continue
        if key in ("frame_atom_index", "has_frame"):
            np.testing.assert_array_equal(features[key][~atom_token], value[~atom_token], err_msg=key)
            continue
        if value.dtype.kind == "f":
            np.testing.assert_allclose(features[key], value, atol=1e-5, err_msg=f"{name} {key}")
        else:
            np.testing.assert_array_equal(features[key], value, err_msg=f"{name} {key}")
    np.testing.assert_array_equal(features["frame_atom_index"][:, 1], expected["frame_atom_index"][:, 1])
    space = features["ref_space_uid"]
    ours, reference = (within_residues(f["ref_pos"], space) for f in (features, expected))
    assert np.sqrt(np.mean((ours - reference) ** 2)) <= 0.35


@pytest.mark.parametrize("name", ALL_GOLDENS)
def test_features_equal_the_reference(name):
    golden = load_golden(name)
    assert len(golden.features) >= 39
    check_against_reference(name, pfold.featurize(pfold.read_targets(golden.inputs)[0], seed=101), golden.features)


# Features by the shared reference scripts: a branched glycan on two chains; modified nucleotides; disulfides, a metal,
# an isopeptide and a haem; residues as ligands; contacts and a pocket; RNA with an alignment beside paired proteins, a
# ligand, DNA and an ion.
CASES = ["glycan", "modnuc", "bonds", "aalig", "contact", "pairrna", "smiles"]


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_molecule_has_the_references_features(name):
    expected = dict(np.load(DATA / f"features/{name}.npz"))
    assert len(expected) >= 38
    check_against_reference(name, pfold.featurize(pfold.read_targets(DATA / f"features/{name}.json")[0]), expected)


def test_modified_residues_have_the_references_features_but_conformers():
    expected = dict(np.load(DATA / "features/modprot.npz"))
    features = pfold.featurize(pfold.read_targets(DATA / "features/modprot.json")[0])
    # Long chains of palmitoyl and phosphate are drawn anew each time.
    features["ref_pos"] = expected["ref_pos"]
    check_against_reference("modprot", features, expected)


@pytest.mark.parametrize("name", ["aalig", "glycan"])
def test_near_atoms_make_the_frames_of_atom_tokens(name):
    expected = dict(np.load(DATA / f"features/{name}.npz"))
    features = pfold.featurize(pfold.read_targets(DATA / f"features/{name}.json")[0])
    np.testing.assert_array_equal(features["frame_atom_index"], expected["frame_atom_index"])
    np.testing.assert_array_equal(features["has_frame"], expected["has_frame"])


def test_a_smiles_is_a_ligand_of_one_residue():
    aspirin = Entity("ligand", "", ("B", "C"), smiles="CC(=O)Oc1ccccc1C(=O)O")
    features = featurize(Target("t", (*target("MKT").entities, aspirin)))
    assert Features(dict(features))
    assert features["residue_index"].tolist() == [1, 2, 3] + [1] * 26
    assert features["is_ligand"].sum() == 26
    assert features["token_bonds"].sum() == 2 * 2 * 13
    assert features["restype"][3:].argmax(1).tolist() == [20] * 26


def test_ions_read_the_last_column_as_in_the_reference():
    ion = Entity("ion", "", ("B",), codes=("ZN",))
    features = assemble(Target("t", (*target("MKTAYI").entities, ion)))
    assert features["msa"][0, -1] == features["msa"][0, -2]
    assert features["restype"][-1].argmax() == 20
    alone = assemble(Target("t", (ion,)))
    assert alone["msa"].tolist() == [[20], [20]]
    assert (alone["has_frame"].tolist(), alone["frame_atom_index"].tolist()) == ([0], [[-1, 0, -1]])


def test_without_alignments_the_residues_are_the_only_row():
    features = assemble(target("MKTAYI"), use_msa=False)
    assert features["msa"].tolist() == [[12, 11, 16, 0, 18, 9]]
    assert np.array_equal(features["profile"], features["restype"])
    assert features["prot_unpaired_num_alignments"] == 0


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"bonds": (Bond(AtomRef("A", 1, "XX"), AtomRef("A", 2, "N")),)}, r'residue 1 \(MET\) has no atom "XX"'),
        ({"bonds": (Bond(AtomRef("Z", 1, "N"), AtomRef("A", 2, "N")),)}, 'there is no chain "Z"; the chains are A, B'),
        ({"bonds": (Bond(AtomRef("A", 9, "N"), AtomRef("A", 2, "N")),)}, "chain A has no residue 9; it has 6"),
        ({"contacts": (Contact(AtomRef("A", 1), AtomRef("A", 3), 5.0),)}, "a contact joins chain A to itself"),
        ({"contacts": (Contact(AtomRef("A", 1), AtomRef("B", 1), 5.0, 6.0),)}, "is below its min_distance 6.0"),
        ({"pockets": (Pocket("A", (AtomRef("A", 3),), 5.0),)}, "a pocket residue is in the binder's own chain A"),
    ],
)
def test_bonds_and_constraints_to_nothing_are_named(extra, message):
    with pytest.raises(InputError, match=message):
        featurize(Target("t", target("MKTAYI", "GGG").entities, **extra))


@pytest.mark.parametrize("chains", [("MKTAYIX",), ("MKTAYI", "MKTAYI"), ("MKTAYI", "GGGSW", "MKTAYI")])
def test_every_feature_is_as_the_schema_says(chains):
    features = featurize(target(*chains))
    assert set(features) == {feature.name for feature in FEATURES} - {"esm_token_embedding"}
    assert Features(dict(features)) == features


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"msa": np.zeros((1, 6), np.int32)},
            r'"msa" is int32 \(1, 6\), expected int64 \(M, 6\): residue type',
        ),
        (
            {"restype": np.zeros((5, 32), np.float32)},
            r'"restype" is float32 \(5, 32\), expected float32 \(6, 32\)',
        ),
        ({"profile": np.zeros(6, np.float32)}, r'"profile" is float32 \(6,\)'),
        ({"profil": np.zeros((6, 32), np.float32)}, 'the feature "profil" is unknown; did you mean "profile"'),
        ({"esm_token_embedding": np.zeros((6, 5), np.float32)}, r"expected float32 \(6, 2560\)"),
    ],
)
def test_a_feature_that_is_not_as_the_schema_says_is_named_where_it_enters(change, message, tiny_model, tmp_path):
    features = dict(featurize(target("MKTAYI"))) | change
    with pytest.raises(ValueError, match=message):
        tiny_model.predict(features, n_cycle=1, n_step=1, n_sample=1)
    store = FeatureStore(tmp_path)
    store.write("aa", features)
    with pytest.raises(DamagedError, match=message):
        store.read("aa")


def test_a_feature_that_is_missing_is_named(tiny_model):
    features = dict(featurize(target("MKTAYI")))
    del features["ref_pos"]
    with pytest.raises(ValueError, match='feature "ref_pos" is missing: reference conformer'):
        tiny_model.predict(features)


def test_chains_copies_and_entities():
    features = featurize(target("MKTAYI", "GGG", "MKTAYI"))
    starts = [0, 6, 12]
    assert features["asym_id"][starts].tolist() == [0, 1, 2]
    assert features["entity_id"][starts].tolist() == [0, 0, 1]
    assert features["sym_id"][starts].tolist() == [0, 1, 0]
    assert features["residue_index"][[0, 5, 6, 12, 14]].tolist() == [1, 6, 1, 1, 3]
    ends = features["atom_to_token_idx"][np.flatnonzero(np.diff(features["mol_id"], append=9))]
    assert ends.tolist() == [5, 11, 14]


def test_only_the_last_residue_keeps_its_terminal_oxygen():
    features = featurize(target("GG"))
    assert np.bincount(features["atom_to_token_idx"]).tolist() == [4, 5]


def test_the_seed_moves_conformers_and_nothing_else():
    one, same, other = (featurize(target("MKTAYI"), seed=s) for s in (1, 1, 2))
    assert np.array_equal(one["ref_pos"], same["ref_pos"])
    assert not np.allclose(one["ref_pos"], other["ref_pos"], atol=0.1)
    space = one["ref_space_uid"]
    np.testing.assert_allclose(
        within_residues(one["ref_pos"], space), within_residues(other["ref_pos"], space), atol=1e-4
    )


def test_homomers_repeat_the_alignment_and_heteromers_pair_it():
    query, other = "MKTAYI", "GGGSW"
    homomer = assemble(target(query, query), [alignments(query, ">UniRef100_A_1", "MKTA-I")])
    assert homomer["msa"].shape == (3, 12)
    assert np.array_equal(homomer["msa"][:, :6], homomer["msa"][:, 6:])

    a = alignments(query, ">UniRef100_A_1", "MKTA-I", ">UniRef100_B_2", "MRTAYI")
    b = alignments(other, ">UniRef100_C_2", "GG-SW", ">UniRef100_D_3", "GAGSW")
    heteromer = assemble(target(query, other), [a, b])
    assert heteromer["prot_paired_num_alignments"] == 2
    # Species 2 is the only one that both chains have: its rows stand side by side below the queries.
    assert heteromer["msa"][1].tolist() == [12, 1, 16, 0, 18, 9, 7, 7, 31, 15, 17]
    # Rows that are among the paired ones are not repeated below.
    assert heteromer["msa"].shape == (3, 11)


def test_deletions_are_scaled_and_averaged():
    features = assemble(target("MKTAYI"), [alignments("MKTAYI", ">h", "MaaaKTAYV")])
    assert features["has_deletion"][2].tolist() == [0, 1, 0, 0, 0, 0]
    assert features["deletion_value"][2, 1] == pytest.approx(0.5)
    assert features["deletion_mean"][1] == pytest.approx(1.5)


def test_an_alignment_of_another_sequence_is_refused(tmp_path):
    path = tmp_path / "other.a3m"
    path.write_text(">q\nGGG\n")
    with pytest.raises(InputError, match="3 aligned columns, but the query has 6 residues"):
        featurize(Target("t", (Entity("protein", "MKTAYI", ("A",), unpaired_msa=path),)))


def test_the_store_gives_back_what_was_kept(tmp_path):
    store = FeatureStore(tmp_path)
    features = assemble(target("MKTAYI", "GGG"))
    store.write("ab12", features)
    assert "ab12" in store
    read = store.read("ab12")
    assert set(read) == set(features)
    assert all(np.array_equal(read[name], features[name]) for name in features)
    with pytest.raises(InputError, match="the features are missing"):
        store.read("cd34")
