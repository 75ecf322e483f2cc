"""Derivatives of a pass that is cut into segments: each keeps its inputs alone and is computed anew on the way back.

A segment is one compiled graph forwards and one backwards. Between segments nothing of a graph stays in memory, so that
a pass of many blocks needs what its largest segment needs, and the inputs of all.
"""

from collections.abc import Callable, Sequence
from typing import Any

import mindspore as ms
from mindspore import Tensor, ops

from pfold.inference.graphs import Graph, as_input
from pfold.model.primitives import Params
from pfold.training.parameters import Gradients, Names, Parameters, Path, leaves

# The graphs below unroll loops over all entries of a segment.
ms.set_recursion_limit(20000)


class Variable:
    """A tensor that a segment returned or that enters the pass, and the gradient that has reached it so far.

    learns: whether it depends on a parameter that learns; where it does not, no gradient is wanted.
    """

    def __init__(self, value: Tensor, *, learns: bool = True) -> None:
        self.value, self.learns = value, learns
        self.gradient: Tensor | None = None

    def add(self, gradient: Tensor) -> None:
        """Add what came back through one of the segments that read this."""
        self.gradient = gradient if self.gradient is None else self.gradient + gradient


class Segment:
    """function(p, c, x) -> tuple of tensors, with its derivative.

    p: parameters, c: a tree of constants (features, masks, labels), x: a tuple of tensors that gradients flow through.
    """

    def __init__(self, function: Callable[..., tuple[Tensor, ...]]) -> None:
        name = f"{function.__module__}.{function.__qualname__}"

        def forward(p: Params, x: tuple[Tensor, ...], c: Params) -> tuple[Tensor, ...]:
            return function(p, c, x)

        self._function, self._name = function, name
        self.forward = Graph(forward, f"{name} forward")
        self._backward: dict[tuple[Path, ...], Graph] = {}

    def backward(self, names: Names) -> Graph:
        """p, x, c and the outputs' gradients -> those of p, in the order of its names, and of x."""
        where = tuple(path for path, _ in leaves(names))
        if where not in self._backward:
            self._backward[where] = Graph(_derivative(self._function, where), f"{self._name} backward")
        return self._backward[where]


# The derivative with respect to all inputs, times the gradients of the outputs.
_gradients = ops.GradOperation(get_all=True, sens_param=True)


def _derivative(function: Callable[..., tuple[Tensor, ...]], where: tuple[Path, ...]) -> Callable[..., Any]:
    """The way back through a segment; graphs return no dicts, so the gradients of p come as a tuple, by its paths."""

    def backward(p: Params, x: tuple[Tensor, ...], c: Params, gradients: tuple[Tensor, ...]) -> Any:
        def of(p: Params, x: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return function(p, c, x)

        to_p, to_x = _gradients(of)(p, x, gradients)
        found: tuple[Tensor, ...] = ()
        for path in where:
            leaf = to_p
            for key in path:
                leaf = leaf[key]
            found = found + (leaf,)
        return found + to_x

    return backward


class Tape:
    """A forward pass by segments, and its way back.

    trained: checkpoint names of the parameters that learn, None for all. A segment is no part of the way back where
    neither it nor one before it has such a parameter. recording: whether there is a way back at all.
    """

    def __init__(
        self, parameters: Parameters, trained: frozenset[str] | None = None, *, recording: bool = True
    ) -> None:
        self.parameters, self.trained, self.recording = parameters, trained, recording
        self._records: list[tuple[Segment, Names, Params, tuple[Variable, ...], tuple[Variable, ...]]] = []

    def run(self, segment: Segment, names: Names, c: Params, *x: Variable) -> tuple[Variable, ...]:
        """Run a segment with the parameters of these names and remember how to come back."""
        outputs = segment.forward(self.parameters.tree(names), _values(x), c)
        learns = any(v.learns for v in x) or self._learns(names)
        made = tuple(Variable(value, learns=learns) for value in outputs)
        if learns and self.recording:
            self._records.append((segment, names, c, x, made))
        return made

    def backward(self, into: Gradients) -> None:
        """Go back from the variables whose gradient is set; what parameters get is added to `into`."""
        while self._records:
            segment, names, c, x, outputs = self._records.pop()
            if all(v.gradient is None for v in outputs):
                continue
            p, arriving = self.parameters.tree(names), as_input(tuple(_gradient_of(v) for v in outputs))
            found = segment.backward(names)(p, _values(x), c, arriving)
            entries = [name for _, name in leaves(names)]
            into.add(entries, found[: len(entries)])
            # A segment without inputs was given one, which is nobody's.
            for variable, gradient in zip(x, found[len(entries) :], strict=bool(x)):
                if variable.learns:
                    variable.add(gradient)
            for variable in outputs:
                variable.gradient = None

    def _learns(self, names: Names) -> bool:
        return any(self.trained is None or name in self.trained for _, name in leaves(names))


def _values(x: Sequence[Variable]) -> tuple[Tensor, ...]:
    """What a segment takes; MindSpore's graphs take no empty tuples."""
    found: tuple[Tensor, ...] = as_input(tuple(v.value for v in x) or (Tensor(0.0),))
    return found


def _gradient_of(variable: Variable) -> Tensor:
    return ops.zeros_like(variable.value) if variable.gradient is None else variable.gradient
