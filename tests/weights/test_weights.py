import gzip
import http.server
import json
import pickle
import threading
import tracemalloc
import zipfile
from typing import ClassVar

import numpy as np
import pytest
from safetensors.numpy import save_file

from pfold.errors import ConfigError, WeightsError
from pfold.esm.settings import EsmSettings, esm_checkpoint, esm_layout, load_esm
from pfold.weights.checkpoint import model_checkpoint
from pfold.weights.convert import convert_checkpoint
from pfold.weights.fetch import fetch_weights
from pfold.weights.layout import checkpoint_layout
from pfold.weights.load import load_weights, weights_identity
from pfold.weights.published import MODELS, model_settings
from pfold.weights.torch_file import read_torch_file
from pfold.weights.tree import nest
from pfold.weights.untrained import untrained_weights
from pfold.weights.verify import verify_checkpoint
from tests.weights.torch_files import torch_save

TINY = MODELS["protenix_tiny_default_v0.5.0"]


@pytest.mark.shared
@pytest.mark.parametrize("name", [n for n in MODELS if "20250630" not in n and "ism" not in n])
def test_layout_is_the_published_one(shared, name):
    with gzip.open(shared / f"goldens/params/{name}.json.gz") as handle:
        expected = {key: tuple(shape) for key, shape in json.load(handle).items()}
    assert checkpoint_layout(MODELS[name]) == expected


def test_the_model_of_june_2025_has_the_architecture_of_base_v1():
    newer, base = (MODELS[f"protenix_base_{name}_v1.0.0"] for name in ("20250630", "default"))
    assert checkpoint_layout(newer) == checkpoint_layout(base) != checkpoint_layout(TINY)
    ism, esm = (MODELS[f"protenix_mini_{name}_v0.5.0"] for name in ("ism", "esm"))
    assert checkpoint_layout(ism) == checkpoint_layout(esm)


def test_unknown_model_suggests_the_nearest():
    with pytest.raises(ConfigError, match=r'did you mean "protenix_mini_default_v0\.5\.0"'):
        model_settings("protenix_mini")


def test_untrained_weights_depend_on_the_name_only():
    weights = untrained_weights(TINY)
    assert set(weights) == set(checkpoint_layout(TINY))
    again = untrained_weights(MODELS["protenix_mini_default_v0.5.0"])
    assert all(np.array_equal(weights[name], again[name]) for name in weights)
    assert all(np.abs(w).max() > 0 for w in weights.values())


def test_names_are_nested_by_module_and_blocks_listed():
    weights = {f"stack.blocks.{i}.norm.weight": np.full(1, i) for i in range(3)}
    nested = nest(weights | {"head.bins": np.zeros(2), "head.linear.weight": np.ones(1)})
    assert [block["norm.weight"][0] for block in nested["stack.blocks"]] == [0, 1, 2]
    assert set(nested["head"]) == {"bins", "linear.weight"}


def test_missing_published_weights_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PFOLD_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError) as error:
        load_weights(TINY, "auto")
    message = str(error.value)
    assert str(tmp_path / "protenix_tiny_default_v0.5.0.pt") in message
    assert TINY.url in message
    assert "pfold weights fetch protenix_tiny_default_v0.5.0" in message


def test_wrong_checkpoints_are_refused_naming_tensors(tmp_path):
    weights = untrained_weights(TINY)
    del weights["layernorm_s.bias"]
    weights["surplus.weight"] = np.zeros(3, np.float32)
    weights["layernorm_s.weight"] = np.zeros(7, np.float32)
    with pytest.raises(WeightsError) as error:
        load_weights(TINY, weights)
    assert "1 missing (layernorm_s.bias)" in str(error.value)
    assert "1 extra (surplus.weight)" in str(error.value)
    assert "1 misshapen (layernorm_s.weight)" in str(error.value)
    with pytest.raises(WeightsError, match=r"gone\.pt does not exist"):
        load_weights(TINY, tmp_path / "gone.pt")
    (tmp_path / "bad.safetensors").write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_weights(TINY, tmp_path / "bad.safetensors")
    (tmp_path / "bad.pt").write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match=r"not a readable \.pt checkpoint"):
        load_weights(TINY, tmp_path / "bad.pt")


def test_published_files_are_read_without_pytorch(tmp_path):
    weights = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b.bias": np.ones(4, np.float32)}
    torch_save(tmp_path / "w.pt", weights)
    read = read_torch_file(tmp_path / "w.pt")
    assert set(read) == set(weights)
    assert all(np.array_equal(read[name], weights[name]) for name in weights)


def test_a_malicious_file_is_refused_and_not_executed(tmp_path):
    victim = tmp_path / "executed"

    class Attack:
        def __reduce__(self):
            return (open, (str(victim), "w"))

    with zipfile.ZipFile(tmp_path / "evil.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"model": Attack()}, protocol=2))
    with pytest.raises(WeightsError, match=r"the file asks for .*open.* It is refused and nothing in it was executed"):
        read_torch_file(tmp_path / "evil.pt")
    assert not victim.exists()


def test_convert_and_load(tmp_path, monkeypatch):
    weights = untrained_weights(TINY)
    torch_save(tmp_path / "w.pt", weights)
    converted = tmp_path / "protenix_tiny_default_v0.5.0.safetensors"
    convert_checkpoint(model_checkpoint(TINY), tmp_path / "w.pt", converted)
    monkeypatch.setenv("PFOLD_WEIGHTS", str(tmp_path))
    loaded = load_weights(TINY, "auto")
    assert all(np.array_equal(loaded[name], weights[name]) for name in weights)
    first = weights_identity(TINY, "auto")
    assert first == weights_identity(TINY, str(converted))
    save_file(weights | {"layernorm_s.bias": weights["layernorm_s.bias"] + 1}, converted)
    assert weights_identity(TINY, "auto") != first
    assert weights_identity(TINY, "untrained") == "untrained"


class _Server(http.server.BaseHTTPRequestHandler):
    """Serves `content`, from the asked byte on; breaks off the first answer after `first_bytes`."""

    content = b""
    first_bytes = 0
    ranges: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        body = self.content[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.ranges else body[: self.first_bytes])
        self.ranges.append(asked)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server():
    _Server.ranges.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/w.pt"
        running.shutdown()


def test_an_interrupted_fetch_goes_on_where_it_stopped(tmp_path, server):
    torch_save(tmp_path / "published.pt", untrained_weights(TINY))
    _Server.content = (tmp_path / "published.pt").read_bytes()
    _Server.first_bytes = len(_Server.content) // 2
    cache = tmp_path / "cache"
    with pytest.raises(WeightsError, match="the next fetch goes on from there"):
        fetch_weights(model_checkpoint(TINY), cache, url=server)
    (partial,) = cache.iterdir()
    size = partial.stat().st_size
    assert 0 < size < len(_Server.content)
    fetched = fetch_weights(model_checkpoint(TINY), cache, url=server)
    assert _Server.ranges == [None, f"bytes={size}-"]
    assert fetched.read_bytes() == _Server.content
    assert [path.name for path in cache.iterdir()] == ["protenix_tiny_default_v0.5.0.pt"]


def test_fetch_explains_no_network_and_refuses_another_model(tmp_path, server):
    with pytest.raises(WeightsError, match="HTTPS_PROXY"):
        fetch_weights(model_checkpoint(TINY), tmp_path / "none", url="http://127.0.0.1:9/w.pt")
    torch_save(tmp_path / "other.pt", {"a.weight": np.ones((2, 2), np.float32)})
    _Server.content = (tmp_path / "other.pt").read_bytes()
    _Server.first_bytes = len(_Server.content)
    with pytest.raises(WeightsError, match="not a checkpoint of protenix_tiny"):
        fetch_weights(model_checkpoint(TINY), tmp_path / "cache", url=server)
    assert not (tmp_path / "cache/protenix_tiny_default_v0.5.0.pt").exists()


def test_a_damaged_file_is_noticed(tmp_path, server):
    good = tmp_path / "protenix_tiny_default_v0.5.0.pt"
    torch_save(good, untrained_weights(TINY))
    digest = verify_checkpoint(model_checkpoint(TINY), good)
    assert verify_checkpoint(model_checkpoint(TINY), good, digest.upper()) == digest
    with pytest.raises(WeightsError, match=r"its SHA-256 is [0-9a-f]{64}, not 00"):
        verify_checkpoint(model_checkpoint(TINY), good, "00")
    content = bytearray(good.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(content)
    with pytest.raises(WeightsError, match=r"archive/data/\d+ in it is damaged"):
        verify_checkpoint(model_checkpoint(TINY), damaged)
    _Server.content, _Server.first_bytes = bytes(content), len(content)
    with pytest.raises(WeightsError, match="is damaged"):
        fetch_weights(model_checkpoint(TINY), tmp_path / "cache", url=server)
    with pytest.raises(WeightsError, match=r"gone\.pt does not exist"):
        verify_checkpoint(model_checkpoint(TINY), tmp_path / "gone.pt")
    (tmp_path / "odd.pt").write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match=r"not a readable \.pt checkpoint"):
        verify_checkpoint(model_checkpoint(TINY), tmp_path / "odd.pt")


def test_language_models_are_checked_by_their_own_names(tmp_path, monkeypatch):
    small = EsmSettings("esm2-small", "esm2_small.pt", 1, 8, 2)
    weights = {f"encoder.sentence_encoder.{n}": np.ones(s, np.float32) for n, s in esm_layout(small).items()}
    weights["encoder.lm_head.weight"] = np.ones((33, 8), np.float32)
    torch_save(tmp_path / "esm2_small.pt", weights)
    verify_checkpoint(esm_checkpoint(small), tmp_path / "esm2_small.pt")
    convert_checkpoint(esm_checkpoint(small), tmp_path / "esm2_small.pt", tmp_path / "esm2_small.safetensors")
    monkeypatch.setenv("PFOLD_WEIGHTS", str(tmp_path))
    assert set(load_esm(small)) == set(esm_layout(small))
    weights.popitem()
    del weights["encoder.sentence_encoder.emb_layer_norm_after.bias"]
    torch_save(tmp_path / "short.pt", weights)
    with pytest.raises(WeightsError, match=r"not a checkpoint of esm2-small: 1 missing \(emb_layer_norm_after\.bias\)"):
        load_esm(small, str(tmp_path / "short.pt"))


def test_every_model_has_its_own_defaults():
    defaults = {name: (m.n_cycle, m.n_step, m.gamma0, m.step_scale_eta, m.use_msa) for name, m in MODELS.items()}
    assert defaults["protenix_mini_esm_v0.5.0"] == (4, 5, 0.0, 1.0, False)
    assert defaults["protenix-v2"] == (10, 200, 0.8, 1.5, True)
    assert len(MODELS) == 9
    assert {n for n, m in MODELS.items() if m.esm} == {
        "protenix_mini_esm_v0.5.0",
        "protenix_mini_ism_v0.5.0",
        "protenix_base_constraint_v0.5.0",
    }


def test_tensors_are_read_one_by_one(tmp_path):
    """No second copy of a checkpoint is held: its tensors are made when they are asked for."""
    path = tmp_path / "protenix_tiny_default_v0.5.0.safetensors"
    save_file(untrained_weights(TINY), path)
    tracemalloc.start()
    loaded = load_weights(TINY, path)
    for name in loaded:
        loaded[name].sum()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size / 10


@pytest.mark.parametrize(
    ("crafted", "message"),
    [
        ({"size": (1000, 1000), "stride": (1000, 1)}, "reaches beyond its storage of 6 numbers"),
        ({"size": (2, 3), "stride": (1 << 40, 1)}, "reaches beyond its storage"),
        ({"offset": -4}, "are not whole numbers from 0 on"),
        ({"offset": 3}, "reaches beyond its storage"),
        ({"stride": (-3, 1)}, "are not whole numbers from 0 on"),
        ({"size": (2, 3, 1)}, "are not whole numbers from 0 on"),
        ({"size": [2, 3]}, "not made of a storage, a size and strides"),
        ({"count": 10**9}, "too few for 1000000000 numbers"),
        ({"pid": ("storage", "x")}, "names a storage in a way that torch.save does not"),
        ({"pid": 7}, "names a storage in a way that torch.save does not"),
        ({"state": {"a": 1}}, "sets the state of a tensor"),
        ({"state": (1, (2,), "x", False, "abcdefgh")}, "sets the state of a tensor"),
    ],
)
def test_crafted_tensors_are_refused(tmp_path, crafted, message):
    torch_save(tmp_path / "x.pt", {"a": np.ones((2, 3), np.float32)}, **crafted)
    with pytest.raises(WeightsError) as error:
        read_torch_file(tmp_path / "x.pt")
    assert message in str(error.value)
    assert str(tmp_path / "x.pt") in str(error.value)


def test_a_folder_is_no_checkpoint(tmp_path):
    (tmp_path / "x.pt").mkdir()
    with pytest.raises(WeightsError, match=r"x\.pt: not a readable \.pt checkpoint"):
        read_torch_file(tmp_path / "x.pt")
    (tmp_path / "y.pt").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"y\.pt: not a readable \.pt checkpoint"):
        read_torch_file(tmp_path / "y.pt")
