import numpy as np
import pytest

import pfold
from pfold.errors import ConfigError, InputError, WeightsError
from pfold.esm.embed import embed_sequences
from pfold.esm.features import esm_features
from pfold.esm.settings import ESM_MODELS, EsmSettings, esm_layout, esm_settings, load_esm
from pfold.features.featurize import assemble
from pfold.run.inputs import embed_missing, embedding_store, target_features
from pfold.targets.types import Entity, Target
from tests.conftest import DATA
from tests.runs import make_config

SEQUENCES = (
    "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKR",
    "GAVLKXBUZO",
)


def test_embeddings_equal_fair_esm_with_seeded_weights():
    """Recorded with fair-esm 2.0.0: esm2_t6_8M with the weights of `untrained_tensor`; 48 channels of the first one."""
    expected = np.load(DATA / "esm2_8m.npz")
    settings = esm_settings("esm2-8m")
    long, short = embed_sequences(settings, load_esm(settings, "untrained"), SEQUENCES)
    assert (long.shape, short.shape) == ((78, 320), (10, 320))
    np.testing.assert_allclose(long[:, :48], expected["a"], atol=2e-5)
    np.testing.assert_allclose(short, expected["b"], atol=2e-5)


def test_sizes_are_the_published_ones():
    def millions(name):
        return sum(np.prod(shape) for shape in esm_layout(ESM_MODELS[name]).values()) / 1e6

    assert millions("esm2-650m") == pytest.approx(650, rel=0.01)
    assert millions("esm2-3b") == pytest.approx(2840, rel=0.01)
    assert ESM_MODELS["esm2-3b-ism"].c == 2560


def test_each_protein_token_has_its_residues_embedding():
    protein = Entity("protein", "MKT", ("A", "B"))
    ligand = Entity("ligand", "", ("C",), smiles="CC")
    rows = np.arange(3, dtype=np.float32)[:, None] + np.ones((1, 2560), np.float32)
    features = esm_features(Target("t", (protein, ligand)), [rows])["esm_token_embedding"]
    assert features[:, 0].tolist() == [1, 2, 3, 1, 2, 3, 0, 0]


def test_what_is_wrong_is_named(tmp_path):
    settings = esm_settings("esm2-8m")
    with pytest.raises(ConfigError, match='the language model "esm9" is unknown; available: esm2-8m'):
        esm_settings("esm9")
    with pytest.raises(InputError, match="a chain of 4095 residues is over the 4094"):
        embed_sequences(settings, {}, ["M" * 4095])
    with pytest.raises(WeightsError, match=r"esm_weights: .*gone\.pt does not exist"):
        load_esm(settings, str(tmp_path / "gone.pt"))
    model = pfold.load_model("protenix_mini_esm_v0.5.0", weights="untrained")
    with pytest.raises(ValueError, match=r'protenix_mini_esm_v0\.5\.0 needs the feature "esm_token_embedding"'):
        model.predict(assemble(Target("t", (Entity("protein", "MKT", ("A",)),))))


def test_missing_weights_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("PFOLD_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="pfold weights fetch esm2-3b"):
        load_esm(esm_settings("esm2-3b"), "auto")


def test_a_run_embeds_each_sequence_once(tmp_path, monkeypatch):
    small = EsmSettings("esm2-3b", "esm2_t36_3B_UR50D.pt", 1, 2560, 40)
    monkeypatch.setitem(ESM_MODELS, "esm2-3b", small)
    config = make_config(tmp_path, tmp_path, model="protenix_mini_esm_v0.5.0")
    assert (config.use_msa, config.esm_weights, config.weights_kind) == (False, "untrained", "untrained")
    target = Target("t", (Entity("protein", "MKTAYI", ("A",)), Entity("rna", "GGCU", ("B",))))
    embed_missing([target, target], config)
    assert "MKTAYI" in embedding_store(config)
    long = Target("l", (Entity("protein", "M" * 4095, ("A",)),))
    embed_missing([long], config)
    with pytest.raises(InputError, match=r"no embeddings of M+\.\.\. \(4095 residues\); chains over 4094"):
        embedding_store(config).read("M" * 4095)
    monkeypatch.setattr("pfold.esm.embed.embed_sequences", None)
    embed_missing([target], config)
    features = target_features(target, ["", ""], config)
    assert features["msa"].shape == (1, 10)
    assert np.array_equal(features["esm_token_embedding"][:6], embedding_store(config).read("MKTAYI"))
