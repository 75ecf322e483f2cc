"""What an operator refuses reaches Python in its words, and memory that is short ends no process."""

import subprocess
import sys

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from pfold import kernels
from pfold.errors import OOM, OperatorError, OutOfMemoryError
from pfold.inference.graphs import Graph, as_input
from pfold.run.failures import classify
from tests.conftest import REPOSITORY
from tests.kernels.fused import cpu


def _transition(p, z, mask):
    return kernels.finish_updates(kernels.row_transition(p, z, mask))


def test_a_width_that_an_operator_does_not_take_is_named():
    kernels.use("cpu")
    assert cpu.IN_PLACE

    def weights(c: int, hidden: int):
        def random(*shape: int) -> Tensor:
            return Tensor(np.random.default_rng(1).random(shape, np.float32))

        names = {
            "layernorm1.weight": random(c),
            "layernorm1.bias": random(c),
            "linear_no_bias.weight": random(c, hidden),
        }
        hidden_layers = {f"linear_no_bias_{name}.weight": random(hidden, c) for name in "ab"}
        return as_input(names | hidden_layers)

    graph, mask = Graph(_transition), Tensor(np.ones(8, np.float32))
    with pytest.raises(OperatorError, match="operator RowTransition: the width is no multiple of 16") as raised:
        graph(weights(20, 64), Tensor(np.ones((8, 8, 20), np.float32)), mask)
    assert classify(raised.value) == ("error", False)
    # The next one is not blamed for it.
    assert graph(weights(32, 64), Tensor(np.ones((8, 8, 32), np.float32)), mask).dtype == ms.float32


# Too little memory for triangle attention of 400 tokens beside what the process has; called without MindSpore, which
# needs memory of its own.
SHORT_OF_MEMORY = """
import ctypes, os, resource
import numpy as np
from pfold.kernels import cpu, library

def call(name, *arrays):
    n = len(arrays)
    data = (ctypes.c_void_p * n)(*[a.ctypes.data for a in arrays])
    axes = (ctypes.c_int * n)(*[a.ndim for a in arrays])
    each = [(ctypes.c_int64 * a.ndim)(*a.shape) for a in arrays]
    shapes = (ctypes.POINTER(ctypes.c_int64) * n)(*[ctypes.cast(s, ctypes.POINTER(ctypes.c_int64)) for s in each])
    types = (ctypes.c_char_p * n)(*[b"float32"] * n)
    return getattr(library._library, name)(n, data, axes, shapes, types, None, None)

def ones(*shape):
    return np.ones(shape, np.float32)

weights = (ones(128), ones(128), ones(4, 128), *[ones(128, 128)] * 5, ones(1))
print(call("TriangleAttentionStarting", ones(64, 64, 128), ones(64), *weights), cpu.refusal(), flush=True)
large = ones(400, 400, 128)
used = int(open("/proc/self/statm").read().split()[0]) * 4096 + (1 << 20)
resource.setrlimit(resource.RLIMIT_AS, (used, used))
code = call("TriangleAttentionStarting", large, ones(400), *weights)
error = cpu.refusal()
print(code, type(error).__name__, error, cpu.refusal(), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit on memory is Linux's")
def test_memory_that_is_short_is_an_error_and_not_the_end_of_the_process():
    command = [sys.executable, "-c", SHORT_OF_MEMORY]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == "0 None"
    assert second.startswith("1 OutOfMemoryError out of memory: operator TriangleAttentionStarting: ")
    assert second.endswith(" None")


@pytest.mark.parametrize(
    "words",
    [
        "#umsg#Memory not enough:#umsg#Device(id:0) memory isn't enough and alloc failed, kernel name: x",
        "Malloc memory failed: size 123",
        "Allocate memory failed",
    ],
)
def test_mindspores_words_for_short_memory_are_known(words):
    error = kernels.explained(RuntimeError(f"Something\n{words}\nSomewhere"))
    assert isinstance(error, OutOfMemoryError)
    assert classify(error) == (OOM, True)


def test_other_errors_that_speak_of_memory_are_not_taken_for_it():
    error = RuntimeError("the chain MEMORYSTICK can't be read")
    assert kernels.explained(error) is error
    assert classify(error) == ("error", True)
