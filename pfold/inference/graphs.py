"""Compiled graphs of the model: one per block type and shape, the weights passed in, so that blocks share a graph.

Where a backend updates pairs and MSA rows in place (`pfold.kernels.in_place`), its graphs return a token instead of
them: the tensors passed in have changed. The functions here return the tensors to go on with in either case.
"""

import functools
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from pfold import kernels
from pfold.inference.compile_cache import graph_on_disk
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
    """A function that is compiled once for each signature of its inputs and each backend.

    On CPUs it returns when the graph has run: launched behind one that still runs, a graph waits in a loop that takes a
    core from the operators.
    """

    def __init__(self, function: Callable[..., Any], name: str = "") -> None:
        """name: what tells the function from others in the cache on disk; its own name by default."""
        self._function = function
        self._name = name or f"{function.__module__}.{function.__qualname__}"
        # One of MindSpore's functions a signature: it tells graphs apart by types and shapes, not by names.
        self._compiled: dict[tuple[str, str], Callable[..., Any]] = {}

    def __call__(self, *inputs: Any) -> Any:
        """Run the graph on tensors and trees of them (`as_input`).

        Raises OutOfMemoryError or OperatorError for what the device or an operator refuses.
        """
        key = kernels.backend(), signature(inputs)
        counts.launches += 1
        try:
            outputs = self._launch(key, inputs)
            if kernels.in_place():
                for x in _leaves(outputs):
                    if x.dtype == ms.float32:
                        x.asnumpy()
        except RuntimeError as error:
            raise kernels.explained(error) from error
        return outputs

    def _launch(self, key: tuple[str, str], inputs: Sequence[Any]) -> Any:
        if key in self._compiled:
            return self._compiled[key](*inputs)
        compiled = ms.jit(self._function)
        with graph_on_disk(f"{self._name}\n{key[1]}"):
            outputs = compiled(*inputs)
        self._compiled[key] = compiled
        return outputs


def signature(inputs: Sequence[Any]) -> str:
    """What a graph depends on of its inputs: names, order, types and shapes, and values that are no tensors.

    Raises TypeError for a tree without `as_input`, whose tensors would be constants of the graph.
    """
    return "\n".join(_signature_of(str(i), x) for i, x in enumerate(inputs))


def _signature_of(name: str, x: Any) -> str:
    if isinstance(x, Tensor):
        return f"{name} {x.dtype} {x.shape}"
    if not isinstance(x, dict | list | tuple):
        return f"{name} = {x!r}"
    if not getattr(x, "__ms_mutable__", False):
        raise TypeError(f"input {name} of a graph is a {type(x).__name__} that is not marked by as_input")
    known = getattr(x, "_signature", None)
    if known is None:
        # Trees of inputs are not changed once they are marked; parameters are looked at once, not in every call.
        known = x._signature = "\n".join(_tree_lines("", x))  # type: ignore[union-attr]
    return f"{name}:\n{known}"


def _tree_lines(name: str, tree: Any) -> Iterator[str]:
    if isinstance(tree, Tensor):
        yield f"{name} {tree.dtype} {tree.shape}"
    elif isinstance(tree, dict):
        for key, child in tree.items():
            yield from _tree_lines(f"{name}/{key}", child)
    elif isinstance(tree, list | tuple):
        for i, child in enumerate(tree):
            yield from _tree_lines(f"{name}/{i}", child)
    else:
        yield f"{name} = {tree!r}"


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
    return s, kernels.finish_updates(z), m.astype(z.dtype)


def _msa_block(p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> tuple[Tensor, Tensor]:
    z, m = msa_module.msa_block(p, z, mask, m, msa_mask)
    return kernels.finish_updates(z), kernels.finish_updates(m)


def _pairformer_block(p: Params, s: Tensor, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    s, z = pairformer.pairformer_block(p, s, z, mask)
    return s, kernels.finish_updates(z)


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
    """Recycling and embedding of the MSA rows `a` -> s, z, m (AF3 Algorithms 1, lines 8 and 11, and 8, 1-4)."""
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
