"""Derivatives of a pass that is cut into segments: each keeps its inputs alone and is computed anew on the way back.

A segment is one compiled graph forwards and one backwards. Between segments nothing of a graph stays in memory, so that
a pass needs what its largest segment needs, and the inputs of all. Of segments that are run as a checkpoint nothing but
what enters the first is kept; their inputs are made anew on the way back, for one checkpoint at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
        self._records: list[_Record] = []

    def run(self, segment: Segment, names: Names, c: Params, *x: Variable) -> tuple[Variable, ...]:
        """Run a segment with the parameters of these names and remember how to come back."""
        outputs = segment.forward(self.parameters.tree(names), _values(x), c)
        learns = any(v.learns for v in x) or self._learns(names)
        made = tuple(Variable(value, learns=learns) for value in outputs)
        if learns and self.recording:
            self._records.append(_SegmentRecord(x, made, segment, names, c))
        return made

    def checkpoint(self, run: "Run", *x: Variable) -> tuple[Variable, ...]:
        """Run several segments and keep nothing but x: run(tape, *x) is called again on the way back."""
        outputs = run(Tape(self.parameters, self.trained, recording=False), *x)
        made = tuple(Variable(v.value, learns=v.learns) for v in outputs)
        if any(v.learns for v in made) and self.recording:
            self._records.append(_CheckpointRecord(x, made, run))
        return made

    def backward(self, into: Gradients) -> None:
        """Go back from the variables whose gradient is set; what parameters get is added to `into`."""
        while self._records:
            record = self._records.pop()
            if any(v.gradient is not None for v in record.made):
                record.backward(self, into)
                for variable in record.made:
                    variable.gradient = None

    def _learns(self, names: Names) -> bool:
        return any(self.trained is None or name in self.trained for _, name in leaves(names))


Run = Callable[..., tuple[Variable, ...]]


@dataclass(frozen=True, eq=False)
class _Record:
    """What was run: from x it made these."""

    x: tuple[Variable, ...]
    made: tuple[Variable, ...]

    def backward(self, tape: Tape, into: Gradients) -> None:
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class _SegmentRecord(_Record):
    segment: Segment
    names: Names
    c: Params

    def backward(self, tape: Tape, into: Gradients) -> None:
        p, arriving = tape.parameters.tree(self.names), as_input(tuple(_gradient_of(v) for v in self.made))
        found = self.segment.backward(self.names)(p, _values(self.x), self.c, arriving)
        entries = [name for _, name in leaves(self.names)]
        into.add(entries, found[: len(entries)])
        # A segment without inputs was given one, which is nobody's.
        for variable, gradient in zip(self.x, found[len(entries) :], strict=bool(self.x)):
            if variable.learns:
                variable.add(gradient)


@dataclass(frozen=True, eq=False)
class _CheckpointRecord(_Record):
    run: Run

    def backward(self, tape: Tape, into: Gradients) -> None:
        again = Tape(tape.parameters, tape.trained)
        x = tuple(Variable(v.value, learns=v.learns) for v in self.x)
        for variable, kept in zip(self.run(again, *x), self.made, strict=True):
            variable.gradient = kept.gradient
        again.backward(into)
        for variable, found in zip(self.x, x, strict=True):
            if variable.learns and found.gradient is not None:
                variable.add(found.gradient)


def _values(x: Sequence[Variable]) -> tuple[Tensor, ...]:
    """What a segment takes; MindSpore's graphs take no empty tuples."""
    found: tuple[Tensor, ...] = as_input(tuple(v.value for v in x) or (Tensor(0.0),))
    return found


def _gradient_of(variable: Variable) -> Tensor:
    return ops.zeros_like(variable.value) if variable.gradient is None else variable.gradient
