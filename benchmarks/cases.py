"""Every fused operator of pairs and MSA rows at the sizes of a fold: what `operators.py` times."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor
from parameters import Random

from pfold import kernels

C_Z, C_M, C_HIDDEN, C_ATOM_PAIR = 128, 64, 32, 16
N_HEAD, N_BIN = 16, 64


@dataclass(frozen=True)
class Case:
    """One operator at one size: what it computes (FLOP of its matrix products) and moves (bytes, at least).

    calls: how often a step of protenix_base's diffusion module runs it; 0 for what is no part of a step.
    """

    name: str
    flop: float
    moved: float
    run: Callable[[], Any]
    calls: int = 0


def pair_cases(w: Random, n: int, dtype: Any) -> Iterator[Case]:
    """The operators of a pair block."""
    z, mask, pairs = w.tensor(n, n, C_Z).astype(dtype), Tensor(np.ones(n, np.float32)), float(n * n)
    size = pairs * C_Z * (2 if dtype == ms.bfloat16 else 4)
    multiplication, attention = w.triangle_multiplication(C_Z, C_Z), w.triangle_attention(C_Z, 4)
    transition = w.transition(C_Z)
    flop = pairs * (6 * 2 * C_Z**2 + 2 * n * C_Z)
    for direction in ("outgoing", "incoming"):
        operator = getattr(kernels, f"triangle_multiplication_{direction}")
        yield Case(f"triangle multiplication, {direction}", flop, 2 * size, bind(operator, multiplication, z, mask))
    flop = pairs * (5 * 2 * C_Z**2 + 2 * 4 * C_Z + 4 * n * C_Z)
    for node in ("starting", "ending"):
        operator = getattr(kernels, f"triangle_attention_{node}")
        yield Case(f"triangle attention, {node} node", flop, 2 * size, bind(operator, attention, z, mask))
    flop = pairs * 3 * 2 * C_Z * 4 * C_Z
    yield Case("transition of pairs", flop, 2 * size, bind(kernels.row_transition, transition, z, mask))


def msa_cases(w: Random, n: int, n_msa: int, dtype: Any) -> Iterator[Case]:
    """The operators of MSA rows."""
    z, m = w.tensor(n, n, C_Z).astype(dtype), w.tensor(n_msa, n, C_M).astype(dtype)
    mask, msa_mask = Tensor(np.ones(n, np.float32)), Tensor(np.ones(n_msa, np.float32))
    width = 2 if dtype == ms.bfloat16 else 4
    entries, pairs = float(n_msa * n), float(n * n)
    outer = w.outer_product_mean(C_Z, C_M, C_HIDDEN)
    flop = entries * 2 * 2 * C_M * C_HIDDEN + pairs * 2 * C_HIDDEN**2 * (n_msa + C_Z)
    moved = width * (2 * pairs * C_Z + entries * C_M)
    yield Case("outer product mean", flop, moved, bind(kernels.outer_product_mean, outer, z, mask, m, msa_mask))
    averaging = w.pair_weighted_averaging(C_Z, C_M, 8, C_M // 8)
    flop = entries * (3 * 2 * C_M**2 + 2 * n * C_M) + pairs * 2 * 8 * C_Z
    moved = width * (pairs * C_Z + 2 * entries * C_M)
    yield Case("pair-weighted averaging", flop, moved, bind(pair_weighted_averaging, averaging, z, mask, m, msa_mask))
    operator = bind(kernels.row_transition, w.transition(C_M), m, msa_mask)
    yield Case("transition of MSA rows", entries * 3 * 2 * C_M * 4 * C_M, width * 2 * entries * C_M, operator)


def edge_cases(w: Random, n: int, dtype: Any) -> Iterator[Case]:
    """What turns pairs into biases and logits, and what they are made of."""
    z, mask, pairs = w.tensor(n, n, C_Z).astype(dtype), Tensor(np.ones(n, np.float32)), float(n * n)
    size, f = pairs * C_Z * (2 if dtype == ms.bfloat16 else 4), w.relative_positions(1, n)
    flop, operator = pairs * 2 * C_Z * N_HEAD, bind(pair_bias, w.pair_bias(C_Z, N_HEAD), z, mask)
    yield Case("bias of single attention", flop, size + 4 * pairs * N_HEAD, operator)

    singles = [w.tensor(n, C_Z) for _ in range(2)]
    operator = bind(kernels.pair_embedding, w.pair_embedding(C_Z), z, mask, f, *singles)
    yield Case("recycling and relative positions", pairs * 2 * C_Z**2, 2 * size, operator)

    logits, rows = w.logits(C_Z, N_BIN), Tensor(np.arange(n), ms.int32)
    flop, moved = pairs * 2 * C_Z * N_BIN, size + 4 * pairs * N_BIN
    yield Case("logits of pairs", flop, moved, bind(pair_logits, logits, z, mask, rows))
    yield Case("logits of pairs, symmetric", flop, moved + size, bind(symmetric_pair_logits, logits, z, mask, rows))

    distances = w.distances(C_Z, np.linspace(3, 52, 40).astype(np.float32))
    operator = bind(kernels.confidence_pairs, distances, z, mask, *singles, w.tensor(n, 3, scale=20))
    yield Case("pairs of the confidence head", 0, 2 * size, operator)
    yield diffusion_pairs_case(w, z, mask, f)


def diffusion_pairs_case(w: Random, z: Tensor, mask: Tensor, f: dict[str, Tensor]) -> Case:
    """Pair conditioning and all biases of the diffusion transformer."""
    n_block, pairs = 8, float(z.shape[0] ** 2)
    p, encoder, blocks = w.diffusion_pairs(C_Z, C_ATOM_PAIR, N_HEAD, n_block)
    flop = pairs * 2 * C_Z * (2 * C_Z + 2 * 3 * 2 * C_Z + n_block * N_HEAD + C_ATOM_PAIR)
    width = 2 if z.dtype == ms.bfloat16 else 4
    moved = pairs * (width * (C_Z + n_block * N_HEAD) + 4 * C_ATOM_PAIR)
    operator = bind(diffusion_pairs, {"p": p, "encoder": encoder, "blocks": blocks}, z, mask, f)
    return Case("pairs of the diffusion module", flop, moved, operator)


# Operators with their names bound, and those with two outputs, of which one is enough to wait for.
def pair_weighted_averaging(p: Any, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> Tensor:
    """New MSA rows."""
    return kernels.pair_weighted_averaging(p, z, mask, m, msa_mask)[0]


def pair_bias(p: Any, z: Tensor, mask: Tensor) -> Tensor:
    """The bias."""
    return kernels.pair_bias(p, z, mask)[0]


def pair_logits(p: Any, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """The operator with its names bound."""
    return kernels.pair_logits(p, "norm", "layer", z, mask, rows)


def symmetric_pair_logits(p: Any, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """The operator with its names bound."""
    return kernels.symmetric_pair_logits(p, "norm", "layer", z, mask, rows)


def diffusion_pairs(p: Any, z: Tensor, mask: Tensor, f: Any) -> Tensor:
    """The biases."""
    return kernels.diffusion_pairs(p["p"], p["encoder"], p["blocks"], z, mask, f)[0]


def bind(operator: Callable[..., Any], *inputs: Any) -> Callable[[], Any]:
    """The call of an operator that waits for its end.

    As a compiled graph: called one by one, operators share the machine with threads of MindSpore that wait for work.
    """
    tensors = [x for x in inputs if isinstance(x, dict | Tensor)]
    constants = inputs[len(tensors) :]

    def call(*arguments: Any) -> Any:
        return kernels.finish_updates(operator(*arguments, *constants))

    graph = ms.jit(call)
    arguments = [ms.mutable(x) if isinstance(x, dict) else x for x in tensors]
    return lambda: graph(*arguments).asnumpy()


def trunk_cases(n: int, n_msa: int, dtype: str) -> Iterator[Case]:
    """Those of pairs and MSA rows, the five of a pair block first."""
    w, kind = Random(), ms.bfloat16 if dtype == "bfloat16" else ms.float32
    yield from pair_cases(w, n, kind)
    yield from msa_cases(w, n, n_msa, kind)
    yield from edge_cases(w, n, kind)
