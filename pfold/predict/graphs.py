"""Compiled graphs of the model: one per block type and shape, the weights passed in, so that blocks share a graph.

Where a backend updates pairs and alignments in place (`pfold.ops.in_place`), its graphs return a token instead of them:
the tensors passed in have changed. The functions here return the tensors to go on with in either case.
"""

import functools
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

import pfold.ops as kernels
from pfold.model import constraint_embedder, diffusion, embedders, heads, msa_module, pairformer, template_embedder
from pfold.model.primitives import Params


@dataclass
class Counts:
    """What graphs have done since the process began: launches, compilations and their time (seconds)."""

    launches: int = 0
    compilations: int = 0
    compile_seconds: float = 0.0

    def copy(self) -> "Counts":
        """The state now, to subtract later."""
        return Counts(self.launches, self.compilations, self.compile_seconds)

    def since(self, start: "Counts") -> "Counts":
        """What was added since `start`."""
        return Counts(
            self.launches - start.launches,
            self.compilations - start.compilations,
            self.compile_seconds - start.compile_seconds,
        )


counts = Counts()


def _time_compilations() -> None:
    """Count MindSpore's compilations and their time.

    MindSpore has no public hook: its executor's `compile` is called before each run and returns at once when the graph
    is there, so it is wrapped; what it added to its table of graphs tells a compilation.
    """
    from mindspore.graph import api

    executor, graphs = api._JitExecutor, api.ms_compile_cache
    compile_graph = executor.compile

    @functools.wraps(compile_graph)
    def timed(*args: Any, **kwargs: Any) -> Any:
        start, known = time.perf_counter(), len(graphs)
        phase = compile_graph(*args, **kwargs)
        if len(graphs) > known:
            counts.compilations += 1
            counts.compile_seconds += time.perf_counter() - start
        return phase

    executor.compile = timed


_time_compilations()


class Graph:
    """A function that is compiled once for each set of input shapes and each backend.

    On CPUs it returns when the graph has run: launched behind one that still runs, a graph waits in a loop that takes a
    core from the operators.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._compiled: dict[str, Callable[..., Any]] = {}

    def __call__(self, *inputs: Any) -> Any:
        """Run the graph on trees of tensors."""
        backend = kernels.backend()
        if backend not in self._compiled:
            self._compiled[backend] = ms.jit(self._function)
        counts.launches += 1
        outputs = self._compiled[backend](*inputs)
        if kernels.in_place():
            for x in _leaves(outputs):
                if x.dtype == ms.float32:
                    x.asnumpy()
        return outputs


def _leaves(outputs: Any) -> Iterator[Tensor]:
    if isinstance(outputs, tuple | list):
        for output in outputs:
            yield from _leaves(output)
    else:
        yield outputs


def _begin(embedder: Params, p: Params, f: Params) -> tuple[Tensor, ...]:
    s_inputs = embedders.input_feature_embedder(embedder, f)
    return s_inputs, *embedders.init_trunk(p, s_inputs)


def _begin_cycle(
    p: Params, f: Params, a: Params, s_inputs: Tensor, init: tuple[Tensor, Tensor, Tensor], s: Tensor, z: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    s = embedders.recycle_single(p, init[0], s)
    z = kernels.pair_embedding(p, z, f["token_mask"], f, init[1], init[2])
    m = msa_module.embed_msa(p["msa_module"], a, s_inputs)
    return s, kernels.updated(z), m.astype(z.dtype)


def _msa_block(p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> tuple[Tensor, Tensor]:
    z, m = msa_module.msa_block(p, z, mask, m, msa_mask)
    return kernels.updated(z), kernels.updated(m)


def _pairformer_block(p: Params, s: Tensor, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    s, z = pairformer.pairformer_block(p, s, z, mask)
    return s, kernels.updated(z)


begin = Graph(_begin)
embed_constraints = Graph(constraint_embedder.embed_constraints)
embed_template = Graph(template_embedder.embed_template)
project_templates = Graph(template_embedder.project_templates)
prepare_diffusion = Graph(diffusion.prepare_diffusion)
denoise = Graph(diffusion.denoise)
distogram_head = Graph(heads.distogram_head)
confidence_head = Graph(heads.confidence_head)
pair_error_logits = Graph(heads.pair_error_logits)
_begin_cycle_graph = Graph(_begin_cycle)
_msa_block_graph = Graph(_msa_block)
_pairformer_block_graph = Graph(_pairformer_block)


def begin_cycle(
    p: Params, f: Params, a: Params, s_inputs: Tensor, init: tuple[Tensor, ...], s: Tensor, z: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Recycling and embedding of the alignment rows `a` -> s, z, m (AF3 Algorithms 1, lines 8 and 11, and 8, 1-4)."""
    s, new, m = _begin_cycle_graph(p, f, a, s_inputs, init, s, z)
    return s, _updated(z, new), m


def msa_block(p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> tuple[Tensor, Tensor]:
    """One block of the MSA module -> z, m."""
    new_z, new_m = _msa_block_graph(p, z, mask, m, msa_mask)
    return _updated(z, new_z), _updated(m, new_m)


def pairformer_block(p: Params, s: Tensor, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """One Pairformer block -> s, z."""
    s, new = _pairformer_block_graph(p, s, z, mask)
    return s, _updated(z, new)


def _updated(z: Tensor, new: Tensor) -> Tensor:
    """What to go on with: z where it was updated in place and `new` is a token."""
    return z if kernels.in_place() else new


def _map_leaves(tree: Any, leaf: Callable[[Any], Tensor]) -> Any:
    if isinstance(tree, dict):
        return {key: _map_leaves(child, leaf) for key, child in tree.items()}
    if isinstance(tree, list):
        return [_map_leaves(child, leaf) for child in tree]
    return leaf(tree)


def to_device(tree: Any) -> Any:
    """Turn the arrays of a nested dict or list into tensors."""
    return _map_leaves(tree, lambda array: Tensor(np.ascontiguousarray(array)))


def to_array(x: Tensor) -> np.ndarray:
    """The values of a tensor in float32; without a copy where they are that."""
    return (x if x.dtype == ms.float32 else x.float()).asnumpy()


def zeros(shape: tuple[int, ...], dtype: str) -> Tensor:
    """A tensor of zeros of dtype "float32" or "bfloat16"."""
    return ops.zeros(shape, ms.bfloat16 if dtype == "bfloat16" else ms.float32)


def place(names: Any, weights: Mapping[str, np.ndarray], narrow: re.Pattern[str] | None = None) -> Any:
    """Turn a nested dict of checkpoint names into tensors: bfloat16 where `narrow` finds the name, else float32."""

    def placed(name: str) -> Tensor:
        array = np.ascontiguousarray(weights[name], np.float32)
        return Tensor(array, ms.bfloat16) if narrow and narrow.search(name) else Tensor(array)

    return _map_leaves(names, placed)


def as_input(tree: Any) -> Any:
    """Mark a tree of tensors as graph input: without it each tensor is a constant and its graph compiled anew."""
    return ms.mutable(tree)
