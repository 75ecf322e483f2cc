import json

import numpy as np
import pytest

from pfold.errors import InputError
from pfold.results.confidences import (
    COMPACT,
    JSON,
    STEPS,
    confidences_file,
    read_confidences,
    write_confidences,
)


def smooth_confidences(n_token: int, n_chain: int = 2) -> dict:
    """Confidences like a prediction's: errors grow with the distance along the chain and between chains."""
    generator = np.random.default_rng(0)
    place = np.arange(n_token)
    chain = place * n_chain // n_token
    apart = np.abs(place[:, None] - place[None])
    wave = 3 * np.sin(place[:, None] / 9) + 3 * np.cos(place[None] / 7)
    pae = np.clip(2 + apart / 12 + 8 * (chain[:, None] != chain[None]) + wave, 0.3, 31.75)
    pae = np.clip(pae + generator.normal(size=pae.shape) * 0.15, 0.25, 31.75).astype(np.float32)
    probs = np.exp(-apart / 3.0).astype(np.float32)
    ids = np.array(["A", "B"])
    return {
        "atom_chain_ids": np.repeat(ids[chain], 8),
        "atom_plddts": generator.uniform(20, 98, 8 * n_token).astype(np.float32),
        "contact_probs": probs,
        "pae": pae,
        "token_chain_ids": ids[chain],
        "token_res_ids": place + 1,
        "remark": "UNTRAINED WEIGHTS",
    }


@pytest.mark.parametrize(
    ("form", "compress", "name"),
    [
        (JSON, False, "t_confidences.json"),
        (JSON, True, "t_confidences.json.gz"),
        (COMPACT, False, "t_confidences.npz"),
    ],
)
def test_what_was_written_is_read(tmp_path, form, compress, name):
    values = smooth_confidences(40)
    path = write_confidences(tmp_path / "t_confidences", values, form, compress=compress)
    assert path.name == name
    assert confidences_file(tmp_path / "t_confidences") == path
    read = read_confidences(path)
    assert list(read) == list(values)
    tolerance = (
        {"pae": 0.05, "contact_probs": 0.005, "atom_plddts": 0.005}
        if form == JSON
        else {key: step / 2 for key, step in STEPS.items()}
    )
    for key, value in values.items():
        if key in tolerance:
            assert np.abs(read[key] - value).max() <= tolerance[key] * 1.001, key
        else:
            assert np.array_equal(read[key], value), key
    assert (
        path.read_bytes() == write_confidences(tmp_path / "t_confidences", values, form, compress=compress).read_bytes()
    )


def test_compact_steps_are_what_the_documentation_says(tmp_path):
    """PAE is off by 0.125 Å at most, and NumPy alone reads the file."""
    path = write_confidences(tmp_path / "t_confidences", smooth_confidences(40), COMPACT)
    with np.load(path) as stored:
        assert stored["pae"].dtype == stored["contact_probs"].dtype == stored["atom_plddts"].dtype == np.uint8
        assert np.abs(stored["pae"] * 0.25 - smooth_confidences(40)["pae"]).max() <= 0.125
    assert STEPS["pae"] / 2 == 0.125
    # All bins of the model fit: PAE has 64 from 0 to 32 Å, whose centers end at 31.75.
    assert 31.75 / STEPS["pae"] < 256


@pytest.mark.shared
def test_compact_is_a_fifteenth_of_alphafold_3s_json(shared, tmp_path):
    import gzip

    text = gzip.decompress((shared / "data/ipsae/fold_aurka_0_tpx2_0_full_data_0.json.gz").read_bytes())
    values = {key: np.asarray(x) for key, x in json.loads(text).items()}
    size = write_confidences(tmp_path / "t", values, COMPACT).stat().st_size
    assert size < len(text) / 15


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.json", b"{"),
        ("t.json", b"\xff\xfe"),
        ("t.json.gz", b"no gzip"),
        ("t.npz", b"no archive"),
        ("t.npz", b""),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: not a file of confidences that can be read"):
        read_confidences(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"t_confidences.json \(or .json.gz, .npz\) does not exist"):
        confidences_file(tmp_path / "t_confidences")
