"""All parameters of a model in one flat buffer, and their gradients in another.

The tensors that graphs take are views of the buffer: what the optimiser writes there is what the next step reads.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from mindspore import Tensor

from pfold.inference.graphs import as_input
from pfold.inference.params import ModelParams, arrange_params
from pfold.weights.layout import checkpoint_layout
from pfold.weights.published import ModelSettings
from pfold.weights.tree import nest

# A tree of checkpoint names, shaped as the parameters that a segment takes, and the way to one of its leaves.
Names = dict[str, Any]
Path = tuple[str | int, ...]
# Parts of the checkpoint that are constants of the architecture: no gradient reaches them (AF3 Algorithms 22 and 31).
FIXED = ("fourier_embedding.w", "fourier_embedding.b", "lower_bins", "upper_bins")

# What a segment without parameters, or constants, gets: MindSpore's graphs take no empty dicts.
NOTHING: Any = as_input({"nothing": Tensor(0.0)})


class FlatLayout:
    """Where each entry of a model's checkpoint is in a flat buffer, in the order of the model's layout."""

    def __init__(self, settings: ModelSettings) -> None:
        self.shapes = checkpoint_layout(settings)
        self.start: dict[str, int] = {}
        self.size = 0
        for name, shape in self.shapes.items():
            self.start[name] = self.size
            self.size += int(np.prod(shape, dtype=np.int64))

    def view(self, buffer: np.ndarray, name: str) -> np.ndarray:
        """The entry `name` of a buffer, in its shape."""
        shape, start = self.shapes[name], self.start[name]
        return buffer[start : start + int(np.prod(shape, dtype=np.int64))].reshape(shape)

    def views(self, buffer: np.ndarray) -> dict[str, np.ndarray]:
        """All entries of a buffer by their checkpoint names."""
        return {name: self.view(buffer, name) for name in self.shapes}

    def mask(self, names: Iterable[str]) -> np.ndarray:
        """Which entries of a buffer are of these names, bool."""
        found = np.zeros(self.size, bool)
        for name in names:
            self.view(found, name)[...] = True
        return found


class Parameters:
    """A model's parameters, float32: `flat`, and as the trees of tensors that graphs take."""

    def __init__(self, settings: ModelSettings, weights: Mapping[str, np.ndarray]) -> None:
        self.settings = settings
        self.layout = FlatLayout(settings)
        self.flat = np.empty(self.layout.size, np.float32)
        for name, view in self.layout.views(self.flat).items():
            view[...] = weights[name]
        self._tensors = {name: Tensor.from_numpy(view) for name, view in self.layout.views(self.flat).items()}
        self._trees: dict[int, tuple[Any, Any]] = {}

    def for_inference(self) -> ModelParams:
        """The same tensors as prediction takes them."""
        return arrange_params(self.settings, nest(self._tensors))

    def tree(self, names: Names) -> Any:
        """The tensors of a tree of names, marked as a graph's input; made once for each tree."""
        if id(names) not in self._trees:
            self._trees[id(names)] = names, as_input(_map(names, self._tensors) or NOTHING)
        return self._trees[id(names)][1]


class Gradients:
    """Gradients of all parameters in one buffer, float32. reached: names of those that any was added to."""

    def __init__(self, layout: FlatLayout) -> None:
        self.layout = layout
        self.flat = np.zeros(layout.size, np.float32)
        self.reached: set[str] = set()
        self._views = layout.views(self.flat)

    def clear(self) -> None:
        """Begin a new step."""
        self.flat[:] = 0
        self.reached.clear()

    def add(self, names: Sequence[str], gradients: Sequence[Tensor]) -> None:
        """Add the gradients of the entries of these names."""
        for name, gradient in zip(names, gradients, strict=True):
            if not name.endswith(FIXED):
                self._views[name] += gradient.asnumpy()
                self.reached.add(name)

    def named(self) -> dict[str, np.ndarray]:
        """The gradients by their checkpoint names."""
        return dict(self._views)


def _map(names: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(names, dict):
        return {key: _map(child, tensors) for key, child in names.items()}
    if isinstance(names, list):
        return [_map(child, tensors) for child in names]
    return tensors[names]


def leaves(names: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """The names of a tree and where in it they are, in its order."""
    if isinstance(names, str):
        yield path, names
        return
    for key, child in names.items() if isinstance(names, dict) else enumerate(names):
        yield from leaves(child, (*path, key))
