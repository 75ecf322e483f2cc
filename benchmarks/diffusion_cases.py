"""Every operator of a step of the diffusion module, at the sizes of protenix_base: what `operators.py` times."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import mindspore as ms
import numpy as np
from cases import N_HEAD, Case, bind
from mindspore import Tensor
from parameters import Random

from pfold import kernels

C_S, C_TOKEN, C_ATOM, N_ATOM_HEAD = 384, 768, 128, 4
# Blocks of the diffusion transformer, and of the atom encoder and decoder together.
N_BLOCK, N_ATOM_BLOCK = 24, 6
N_QUERIES, N_KEYS = 32, 128


@dataclass(frozen=True)
class Layers:
    """Rows of one kind, tokens or atoms, and the weights' type."""

    w: Random
    kind: str
    dtype: Any

    def affine(self, what: str, rows: tuple[int, ...], n_in: int, n_out: int, calls: int) -> Case:
        """A linear layer of rows; of an odd width its weights are always float32."""
        x, weight = self.w.tensor(*rows, n_in), self.w.layer(n_out, n_in)
        if n_in % 2 == 0:
            weight = weight.astype(self.dtype)
        n = float(np.prod(rows))
        moved = 4 * n * (n_in + n_out) + self._width * n_in * n_out
        return self._case(f"linear layer, {what}", n * 2 * n_in * n_out, moved, calls, kernels.affine, x, weight)

    def transition(self, what: str, rows: tuple[int, ...], c: int, calls: int, factor: int = 2) -> Case:
        """A gated transition of rows, so many times as wide."""
        x, wide, n = self.w.tensor(*rows, c), factor * c, float(np.prod(rows))
        weights = [self.w.layer(*shape).astype(self.dtype) for shape in ((wide, c), (wide, c), (c, wide))]
        moved = 8 * n * c + self._width * 3 * c * wide
        flop = n * 2 * 3 * c * wide
        return self._case(f"transition, {what}", flop, moved, calls, kernels.gated_transition, x, *weights)

    def conditioning(self, n_sample: int, n: int, c: int, calls: int) -> Iterator[Case]:
        """The norms and gates that conditioning makes: two of each a block."""
        a, of_s = self.w.tensor(n_sample, n, c), self.w.tensor(n, c)
        moved = 4.0 * (2 * n_sample + 2) * n * c
        yield self._case("adaptive layer norm", 0, moved, calls, kernels.adaptive_norm, a, of_s, of_s)
        yield self._case("gated sum", 0, moved + 4.0 * n_sample * n * c, calls, kernels.gated_sum, a, of_s, a)

    @property
    def _width(self) -> int:
        return 2 if self.dtype == ms.bfloat16 else 4

    def _case(self, name: str, flop: float, moved: float, calls: int, operator: Any, *inputs: Any) -> Case:
        return Case(f"{self.kind}: {name}", flop, moved, bind(operator, *inputs), calls)


def token_cases(w: Random, n: int, n_sample: int, dtype: Any) -> Iterator[Case]:
    """The diffusion transformer and the conditioning of its tokens."""
    of, rows = Layers(w, "tokens", dtype), (n_sample, n)
    yield of.affine("query, key, value, gate, output", rows, C_TOKEN, C_TOKEN, 5 * N_BLOCK)
    yield of.transition("of blocks", rows, C_TOKEN, N_BLOCK)
    # Two norms with a scale and an offset and two gates a block, and what is added to tokens.
    yield of.affine("of conditioning", (n,), C_S, C_TOKEN, 6 * N_BLOCK + 1)
    yield of.transition("of conditioning", (n,), C_S, 2)
    yield from of.conditioning(n_sample, n, C_TOKEN, 2 * N_BLOCK)
    heads = [w.tensor(n_sample, n, C_TOKEN) for _ in range(4)]
    bias, mask = w.tensor(N_HEAD, n, n), Tensor(np.ones(n, np.float32))
    flop, moved = 4.0 * n_sample * n * n * C_TOKEN, 4.0 * (5 * n_sample * n * C_TOKEN + N_HEAD * n * n)
    operator = bind(kernels.token_attention, *heads, bias, mask, 0, 1)
    yield Case("tokens: attention", flop, moved, operator, N_BLOCK)


def atom_cases(w: Random, n: int, n_atom: int, n_sample: int, dtype: Any) -> Iterator[Case]:
    """The atom encoder and decoder."""
    of, rows = Layers(w, "atoms", dtype), (n_sample, n_atom)
    yield of.affine("query, key, value, gate, output", rows, C_ATOM, C_ATOM, 5 * N_ATOM_BLOCK)
    yield of.transition("of blocks", rows, C_ATOM, N_ATOM_BLOCK)
    yield of.affine("of conditioning", (n_atom,), C_ATOM, C_ATOM, 6 * N_ATOM_BLOCK)
    yield of.affine("positions", rows, 3, C_ATOM, 1)
    yield of.affine("to tokens", rows, C_ATOM, C_TOKEN, 1)
    yield of.affine("from tokens", (n_sample, n), C_TOKEN, C_ATOM, 1)
    yield of.affine("to positions", rows, C_ATOM, 3, 1)
    yield from of.conditioning(n_sample, n_atom, C_ATOM, 2 * N_ATOM_BLOCK)
    heads = [w.tensor(n_sample, n_atom, C_ATOM) for _ in range(4)]
    windows = n_atom // N_QUERIES
    keys = np.arange(windows)[:, None] * N_QUERIES - (N_KEYS - N_QUERIES) // 2 + np.arange(N_KEYS)
    keys = Tensor(np.clip(keys, 0, n_atom - 1).astype(np.int32))
    bias = w.tensor(windows, N_ATOM_HEAD, N_QUERIES, N_KEYS)
    flop = 4.0 * n_sample * n_atom * N_KEYS * C_ATOM
    moved = 4.0 * (5 * n_sample * n_atom * C_ATOM + n_atom * N_KEYS * N_ATOM_HEAD)
    yield Case(
        "atoms: attention in windows", flop, moved, bind(kernels.window_attention, *heads, keys, bias), N_ATOM_BLOCK
    )


def norm_cases(w: Random, n: int, n_sample: int) -> Iterator[Case]:
    """Layer norms of conditioning and tokens."""
    for name, rows, c, calls in (("conditioning", (n,), C_S, 2 * N_BLOCK + 1), ("tokens", (n_sample, n), C_TOKEN, 1)):
        p, x = w.norm("norm", c), w.tensor(*rows, c)
        yield Case(f"{name}: layer norm", 0, 8.0 * float(np.prod(rows)) * c, bind(layer_norm, p, x), calls)


def layer_norm(p: Any, x: Tensor) -> Tensor:
    """The operator with its weights bound."""
    return kernels.layer_norm(x, p["norm.weight"], p["norm.bias"])


def diffusion_cases(n: int, n_atom: int, n_sample: int, dtype: str) -> Iterator[Case]:
    """All of them, with weights of a dtype."""
    w, kind = Random(), ms.bfloat16 if dtype == "bfloat16" else ms.float32
    n_atom = n_atom // N_QUERIES * N_QUERIES
    for cases in (
        token_cases(w, n, n_sample, kind),
        atom_cases(w, n, n_atom, n_sample, kind),
        norm_cases(w, n, n_sample),
    ):
        yield from (replace(case, name=f"{case.name}, {n_sample} samples") for case in cases)
