import tracemalloc

import numpy as np
import pytest

from pfold.confidence import PairConfidence, bins, confidence_of_sample, contact_probabilities
from pfold.confidence.bins import bin_centers, expected_value, softmax
from pfold.confidence.clash import has_clash
from pfold.confidence.ptm import TmScore, TmScores, tm_normalization


def one_bin(index: np.ndarray, n_bin: int) -> np.ndarray:
    """Logits with all weight in one bin."""
    return 80.0 * np.eye(n_bin, dtype=np.float32)[index]


def pair_confidence(features, pae, pde, *, rows):
    """Of all rows, added so many at a time."""
    pairs = PairConfidence(features)
    for start in range(0, len(pae), rows):
        pairs.add(start, pae[start : start + rows], pde[start : start + rows])
    return pairs


def tm_scores(pae, *arguments):
    scores = TmScores(*arguments)
    scores.add(0, softmax(pae))
    return scores.values


@pytest.mark.shared
def test_scores_equal_the_reference(monomer):
    a = monomer.arrays
    contact_probs = contact_probabilities(a["stage_distogram_0_0"])
    np.testing.assert_allclose(contact_probs, a["contact_probs"], atol=1e-6)
    for i in range(2):
        pairs = pair_confidence(monomer.features, a["pae"][i], a["pde"][i], rows=1000)
        scores = a["coordinate"][i], a["plddt"][i], pairs, contact_probs, 2
        summary, full = confidence_of_sample(monomer.features, *scores)
        for name, value in summary.items():
            np.testing.assert_allclose(value, a[f"summary_{i}_{name}"], rtol=1e-5, atol=1e-5, err_msg=name)
        for name, value in full.items():
            if name == "token_res_id":
                continue
            np.testing.assert_allclose(value, a[f"full_{i}_{name}"], rtol=1e-5, atol=1e-5, err_msg=name)


def test_expected_value_is_the_bin_centre():
    assert bin_centers((0, 32), 64)[:2].tolist() == [0.25, 0.75]
    assert expected_value(one_bin(np.array([3]), 64), (0, 32)) == pytest.approx(1.75)


def test_perfect_alignment_gives_a_ptm_near_one():
    pae = one_bin(np.zeros((40, 40), int), 64)
    framed, one_chain = np.ones(40, bool), np.zeros(40, int)
    whole = [TmScore(np.arange(40), interface=False)]
    expected = 1 / (1 + (0.25 / tm_normalization(40)) ** 2)
    assert tm_scores(pae, framed, one_chain, whole) == pytest.approx([expected], rel=1e-5)
    assert tm_scores(pae, ~framed, one_chain, whole) == [0.0]


def test_iptm_counts_pairs_of_different_chains_only():
    asym_id = np.repeat([0, 1], 20)
    same = asym_id[:, None] == asym_id[None]
    pae = one_bin(np.where(same, 0, 63), 64)
    between = 1 / (1 + (31.75 / tm_normalization(40)) ** 2)
    scores = tm_scores(pae, np.ones(40, bool), asym_id, [TmScore(np.arange(40), interface=True)])
    assert scores == pytest.approx([between], rel=1e-4)


def test_chunks_of_rows_change_nothing_and_no_second_copy_is_made(monkeypatch):
    n = 200
    generator = np.random.default_rng(0)
    asym_id = np.repeat([0, 1, 2], [90, 60, 50])
    features = {
        "asym_id": asym_id,
        "has_frame": np.ones(n, int),
        "residue_index": np.arange(n),
        "atom_to_token_idx": np.arange(n),
        "is_ligand": np.zeros(n, int),
    }
    pae, pde = (generator.standard_normal((n, n, 64), dtype=np.float32) for _ in range(2))
    plddt = generator.standard_normal((n, 50), dtype=np.float32)
    contact = contact_probabilities(pae)
    x = 10 * generator.standard_normal((n, 3), dtype=np.float32)
    pairs = pair_confidence(features, pae, pde, rows=n)
    whole, whole_data = confidence_of_sample(features, x, plddt, pairs, contact, 1)
    monkeypatch.setattr(bins, "_CHUNK_ELEMENTS", 7 * n * 64)
    tracemalloc.start()
    pairs = pair_confidence(features, pae, pde, rows=23)
    parts, data = confidence_of_sample(features, x, plddt, pairs, contact, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    for key, value in whole.items():
        np.testing.assert_allclose(parts[key], value, rtol=1e-5, atol=1e-6, err_msg=key)
    for key in ("token_pair_pae", "token_pair_pde"):
        np.testing.assert_allclose(data[key], whole_data[key], rtol=1e-6, err_msg=key)
    assert peak < pae.nbytes / 2


def test_clash_counts_close_atoms_of_different_polymers():
    chain = np.repeat([0, 1], 10)
    apart = np.arange(20, dtype=np.float32)[:, None] * [3.0, 0, 0]
    onto = apart.copy()
    onto[10:] = onto[:10] + 0.5
    polymer = np.ones(20, bool)
    assert not has_clash(apart, chain, polymer)
    assert has_clash(onto, chain, polymer)
    assert not has_clash(onto, chain, chain == 0)
    assert not has_clash(onto, np.zeros(20, int), polymer)
