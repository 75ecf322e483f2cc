"""Graphs kept on disk: whatever is taken from there computes what a process without them computes."""

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from pfold.inference.compile_cache import GraphFile
from pfold.inference.graphs import Graph, as_input, signature
from pfold.kernels.build import KernelBuildError, kernel_library
from tests.conftest import REPOSITORY

TIMEOUT = 600
ONE = ["MKTAYIAK"]
# What a user may do one after another with one cache. "layout" is the order of the model's layout.
CASES = [
    {"sequences": ONE, "weights": "layout"},
    {"sequences": ONE, "weights": "sorted"},
    {"sequences": ONE, "weights": "reversed"},
    {"sequences": ONE, "weights": "safetensors"},
    {"sequences": ONE, "weights": "pt"},
    {"sequences": ONE, "weights": "sorted", "dtype": "bfloat16"},
    {"sequences": ["MKTAYIAK", "GSWWCPLA"], "weights": "reversed"},
    {"sequences": ONE, "n_sample": 3},
    {"sequences": ["GSWWCPLAAH"]},
    {"sequences": ONE, "model": "protenix_base_default_v1.0.0", "template": True},
    {"sequences": ONE, "model": "protenix_base_default_v1.0.0", "template": True, "weights": "reversed"},
    {"sequences": ONE, "model": "protenix_base_default_v1.0.0"},
    {"sequences": ["MKTAYIAK:GSWWCPLA"], "model": "protenix_base_constraint_v0.5.0", "contact": True},
    {"sequences": ["MKTAYIAK:GSWWCPLA"], "model": "protenix_base_constraint_v0.5.0"},
]


@dataclass(frozen=True)
class Folded:
    """What a case gave: a digest of its coordinates, the number of graphs that were made ready, and in what time."""

    coordinate: str
    compilations: int
    seconds: float


def start(folder: Path, cases: list[dict], **environment: str) -> subprocess.Popen:
    (folder / "files").mkdir(parents=True, exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MS_COMPILER")}
    paths = {"PFOLD_CACHE": str(folder), "PYTHONPATH": str(REPOSITORY), "GLOG_v": "3"}
    with contextlib.suppress(FileExistsError, KernelBuildError):
        (folder / "kernels").symlink_to(kernel_library().parent)
    command = [sys.executable, "-m", "tests.inference.fold_cases", str(folder / "files"), json.dumps(cases)]
    return subprocess.Popen(command, env=kept | paths | environment, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)


def results(process: subprocess.Popen) -> list[Folded]:
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    return [Folded(*json.loads(line)) for line in output.splitlines() if line.startswith("[")]


@pytest.fixture(scope="module")
def without_cache(tmp_path_factory):
    """Every case folded with graphs that were compiled for it."""
    # With MindSpore's own variable set, pfold leaves its cache alone.
    return results(start(tmp_path_factory.mktemp("without"), CASES, MS_COMPILER_CACHE_ENABLE="0"))


@pytest.fixture(scope="module")
def filled(tmp_path_factory, without_cache):
    """A cache that the cases have filled one after another."""
    folder = tmp_path_factory.mktemp("filled")
    found = results(start(folder, CASES))
    assert [f.coordinate for f in found] == [f.coordinate for f in without_cache]
    return folder


def test_the_order_and_file_of_weights_change_nothing(without_cache):
    assert len(without_cache) == len(CASES)
    assert len({f.coordinate for f in without_cache[:5]}) == 1
    assert len({f.coordinate for f in without_cache}) == len(CASES) - 4 - 1


def test_a_later_process_takes_the_graphs_whatever_it_folds_first(filled, without_cache):
    before = sorted((filled / "graphs").iterdir())
    order = [*reversed(range(len(CASES)))]
    found = results(start(filled, [CASES[i] for i in order]))
    assert [f.coordinate for f in found] == [without_cache[i].coordinate for i in order]
    assert sorted((filled / "graphs").iterdir()) == before
    made = sum(f.seconds for f in without_cache)
    taken = sum(f.seconds for f in found)
    assert sum(f.compilations for f in found) > 20
    assert taken < 0.5 * made


def test_damaged_and_foreign_files_are_made_anew(filled, without_cache, tmp_path):
    files = sorted((filled / "graphs").iterdir())
    whole = {path: path.read_bytes() for path in files}
    assert len(files) > 20
    for i, path in enumerate(files):
        if i % 4 == 0:
            path.write_bytes(whole[path][: len(whole[path]) // 2])
        elif i % 4 == 1:
            path.write_bytes(b"")
        elif i % 4 == 2:
            # Another graph's file under this name.
            path.write_bytes(whole[files[i - 1]])
    found = results(start(filled, CASES))
    assert [f.coordinate for f in found] == [f.coordinate for f in without_cache]
    assert {path.name for path in (filled / "graphs").iterdir()} == {path.name for path in files}
    assert all(len(path.read_bytes()) > 100 for path in files)


def test_two_processes_at_once_fill_one_cache(tmp_path, without_cache):
    both = [start(tmp_path, CASES[:9]), start(tmp_path, [CASES[i] for i in reversed(range(9))])]
    first, second = map(results, both)
    assert [f.coordinate for f in first] == [f.coordinate for f in without_cache[:9]]
    assert [f.coordinate for f in reversed(second)] == [f.coordinate for f in without_cache[:9]]


def _sum(p, x):
    return x + p["a"] - p["b"]


def test_names_and_order_of_inputs_are_part_of_what_a_graph_is():
    a, b, x = (ms.Tensor(np.full(3, value, np.float32)) for value in (1, 2, 10))
    graph = Graph(_sum)
    assert graph(as_input({"a": a, "b": b}), x).asnumpy().tolist() == [9.0] * 3
    assert graph(as_input({"b": b, "a": a}), x).asnumpy().tolist() == [9.0] * 3
    assert graph(as_input({"b": a, "a": b}), x).asnumpy().tolist() == [11.0] * 3
    assert signature([as_input({"a": a, "b": b})]) != signature([as_input({"b": b, "a": a})])
    with pytest.raises(TypeError, match="not marked by as_input"):
        graph({"a": a, "b": b}, x)


def test_a_graph_file_is_read_for_its_own_signature_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("PFOLD_CACHE", str(tmp_path))
    first, second = GraphFile("f\n0 Float32 (3,)"), GraphFile("f\n0 Float32 (4,)")
    first.write(b"graph")
    assert first.read() == b"graph"
    assert second.read() is None
    first.path.rename(second.path)
    assert second.read() is None
    assert not second.path.exists()
