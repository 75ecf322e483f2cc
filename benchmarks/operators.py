"""Speed of each fused operator against the machine's own limits.

Usage: python benchmarks/operators.py [--tokens 245] [--rows 703] [--dtype float32 bfloat16] [--repeat 3]
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor

import pfold.ops as kernels

C_Z, C_M, C_HIDDEN, C_ATOM, C_TOKEN = 128, 64, 32, 128, 768
MATRIX_SIZE = 2048


@dataclass(frozen=True)
class Case:
    """One operator at one size: what it computes (FLOP of its matrix products) and moves (bytes, at least)."""

    name: str
    flop: float
    moved: float
    run: Callable[[], Any]


class Weights:
    """Random parameters by name; a module's come as a nested dict of tensors."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)

    def tensor(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Normal values."""
        return Tensor((scale * self.random.standard_normal(shape)).astype(np.float32))

    def module(self, layers: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
        """Weights by name, scaled so that layers keep the size of their inputs."""
        return {name: self.tensor(*shape, scale=shape[-1] ** -0.5) for name, shape in layers.items()}

    def norm(self, name: str, c: int) -> dict[str, Tensor]:
        """Scale and offset of a layer norm."""
        return {f"{name}.weight": Tensor(np.ones(c, np.float32)), f"{name}.bias": Tensor(np.zeros(c, np.float32))}


def pair_cases(w: Weights, n: int, dtype: Any) -> Iterator[Case]:
    """The operators of a pair block."""
    z, mask, pairs = w.tensor(n, n, C_Z).astype(dtype), Tensor(np.ones(n, np.float32)), float(n * n)
    size = pairs * C_Z * (2 if dtype == ms.bfloat16 else 4)
    square = (C_Z, C_Z)
    multiplication = w.norm("layer_norm_in", C_Z) | w.norm("layer_norm_out", C_Z)
    names = ("linear_a_g", "linear_a_p", "linear_b_g", "linear_b_p", "linear_g", "linear_z")
    multiplication |= w.module({f"{name}.weight": square for name in names})
    attention: dict[str, Any] = w.norm("layer_norm", C_Z) | w.module({"linear.weight": (4, C_Z)})
    attention["mha"] = w.module({f"linear_{name}.weight": square for name in "qkvgo"})
    transition = w.norm("layernorm1", C_Z) | transition_weights(w, C_Z)
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


def transition_weights(w: Weights, c: int) -> dict[str, Tensor]:
    """Parameters of a gated transition four times as wide."""
    hidden = {f"linear_no_bias_{name}.weight": (4 * c, c) for name in "ab"}
    return w.module(hidden | {"linear_no_bias.weight": (c, 4 * c)})


def msa_cases(w: Weights, n: int, n_msa: int, dtype: Any) -> Iterator[Case]:
    """The operators of an alignment."""
    z, m = w.tensor(n, n, C_Z).astype(dtype), w.tensor(n_msa, n, C_M).astype(dtype)
    mask, msa_mask = Tensor(np.ones(n, np.float32)), Tensor(np.ones(n_msa, np.float32))
    width = 2 if dtype == ms.bfloat16 else 4
    entries, pairs = float(n_msa * n), float(n * n)
    outer = w.norm("layer_norm", C_M) | w.module({f"linear_{i}.weight": (C_HIDDEN, C_M) for i in (1, 2)})
    outer |= w.module({"linear_out.weight": (C_Z, C_HIDDEN**2), "linear_out.bias": (C_Z,)})
    flop = entries * 2 * 2 * C_M * C_HIDDEN + pairs * 2 * C_HIDDEN**2 * (n_msa + C_Z)
    moved = width * (2 * pairs * C_Z + entries * C_M)
    yield Case("outer product mean", flop, moved, bind(kernels.outer_product_mean, outer, z, mask, m, msa_mask))
    averaging = (
        w.norm("layernorm_m", C_M) | w.norm("layernorm_z", C_Z) | w.module({"linear_no_bias_z.weight": (8, C_Z)})
    )
    averaging |= w.module({f"linear_no_bias_{name}.weight": (C_M, C_M) for name in ("mv", "mg", "out")})
    flop = entries * (3 * 2 * C_M**2 + 2 * n * C_M) + pairs * 2 * 8 * C_Z
    moved = width * (pairs * C_Z + 2 * entries * C_M)
    operator = bind(kernels.pair_weighted_averaging, averaging, z, mask, m, msa_mask)
    yield Case("pair-weighted averaging", flop, moved, operator)
    transition = w.norm("layernorm1", C_M) | transition_weights(w, C_M)
    operator = bind(kernels.row_transition, transition, m, msa_mask)
    yield Case("transition of alignment", entries * 3 * 2 * C_M * 4 * C_M, width * 2 * entries * C_M, operator)


def diffusion_cases(w: Weights, n: int, n_sample: int) -> Iterator[Case]:
    """Attention and adaptive norm of the diffusion module; always float32."""
    n_head, n_atom = 16, 8 * n // 32 * 32
    rows = [w.tensor(n_sample, n, C_TOKEN) for _ in range(4)]
    bias, mask = w.tensor(n_head, n, n), Tensor(np.ones(n, np.float32))
    moved = 4.0 * (5 * n_sample * n * C_TOKEN + n_head * n * n)
    operator = bind(kernels.token_attention, *rows, bias, mask, 0, 1)
    yield Case("attention of tokens", 4.0 * n_sample * n * n * C_TOKEN, moved, operator)
    atoms = [w.tensor(n_sample, n_atom, C_ATOM) for _ in range(4)]
    keys = np.clip(np.arange(n_atom // 32)[:, None] * 32 - 48 + np.arange(128), 0, n_atom - 1).astype(np.int32)
    window_bias = w.tensor(n_atom // 32, 4, 32, 128)
    operator = bind(kernels.window_attention, *atoms, Tensor(keys), window_bias)
    flop = 4.0 * n_sample * n_atom * 128 * C_ATOM
    yield Case("attention in windows of atoms", flop, 4.0 * n_atom * (5 * n_sample * C_ATOM + 512), operator)
    a, scale = w.tensor(n_sample, n, C_TOKEN), w.tensor(n, C_TOKEN)
    operator = bind(kernels.adaptive_norm, a, scale, scale)
    yield Case("adaptive layer norm", 0, 4.0 * (2 * n_sample + 2) * n * C_TOKEN, operator)


def bind(operator: Callable[..., Any], *inputs: Any) -> Callable[[], Any]:
    """The call of an operator that waits for its end.

    As a compiled graph: called one by one, operators share the machine with threads of MindSpore that wait for work.
    """
    tensors = [x for x in inputs if isinstance(x, dict | Tensor)]
    constants = inputs[len(tensors) :]

    def call(*arguments: Any) -> Any:
        return kernels.updated(operator(*arguments, *constants))

    graph = ms.jit(call)
    arguments = [ms.mutable(x) if isinstance(x, dict) else x for x in tensors]
    return lambda: graph(*arguments).asnumpy()


def median_seconds(run: Callable[[], Any], repeat: int) -> float:
    """Median time of `repeat` runs after one that warms up."""
    run()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def machine_limits() -> tuple[float, float]:
    """Measured limits: FLOP/s of a float32 matrix product, bytes/s of a copy (read and written)."""
    a = np.random.default_rng(0).standard_normal((MATRIX_SIZE, MATRIX_SIZE)).astype(np.float32)
    block = np.ones(64 << 20, np.float32)
    target = np.empty_like(block)
    flops = 2 * MATRIX_SIZE**3 / median_seconds(lambda: a @ a, 5)
    return flops, 2 * block.nbytes / median_seconds(lambda: np.copyto(target, block), 5)


def backend() -> str:
    """Which operators run, and for which instruction set."""
    if kernels.backend() != "cpu":
        return f"backend {kernels.backend()}"
    from pfold.ops import cpu

    return f"fused operators for {cpu.instruction_set()}"


def table(tokens: int, rows: int, dtypes: list[str], repeat: int) -> str:
    """The table of operators, in Markdown."""
    flops, copied = machine_limits()
    lines = [
        f"Limits measured by numpy: {flops / 1e9:.0f} GFLOP/s (float32 product), {copied / 1e9:.0f} GB/s (copy).",
        f"N_token {tokens}, {rows} alignment rows, 5 samples; {backend()}; median of {repeat}.",
        "",
        "| operator | dtype | ms | GFLOP/s | of the float32 limit | GB/s |",
        "|---|---|---|---|---|---|",
    ]
    w = Weights()
    for dtype in dtypes:
        kind = ms.bfloat16 if dtype == "bfloat16" else ms.float32
        cases = [*pair_cases(w, tokens, kind), *msa_cases(w, tokens, rows, kind)]
        cases += diffusion_cases(w, tokens, 5) if dtype == "float32" else []
        pair_block = [0.0, 0.0]
        for i, case in enumerate(cases):
            seconds = median_seconds(case.run, repeat)
            if i < 5:
                pair_block = [pair_block[0] + seconds, pair_block[1] + case.flop]
            lines.append(_row(case.name, dtype, seconds, case.flop, case.moved, flops))
            if i == 4:
                lines.append(_row("**pair block**", dtype, *pair_block, 0, flops))
    return "\n".join(lines)


def _row(name: str, dtype: str, seconds: float, flop: float, moved: float, limit: float) -> str:
    rate = f"{flop / seconds / 1e9:.0f} | {flop / seconds / limit:.0%}" if flop else "- | -"
    return f"| {name} | {dtype} | {seconds * 1e3:.1f} | {rate} | {f'{moved / seconds / 1e9:.1f}' if moved else '-'} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=245)
    parser.add_argument("--rows", type=int, default=703)
    parser.add_argument("--dtype", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    print(table(options.tokens, options.rows, options.dtype, options.repeat))
