"""Speed of each fused operator against the machine's own limits.

Usage: python benchmarks/operators.py [--tokens 245] [--rows 703] [--dtype float32 bfloat16] [--repeat 3]
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from cases import all_cases

from pfold import kernels

MATRIX_SIZE = 2048
N_SAMPLE = 5


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
    from pfold.kernels.library import instruction_set

    return f"fused operators for {instruction_set()}"


def table(tokens: int, rows: int, dtypes: list[str], repeat: int) -> str:
    """The table of operators, in Markdown."""
    flops, copied = machine_limits()
    lines = [
        f"Limits measured by numpy: {flops / 1e9:.0f} GFLOP/s (float32 product), {copied / 1e9:.0f} GB/s (copy).",
        f"N_token {tokens}, {rows} MSA rows, {N_SAMPLE} samples; {backend()}; median of {repeat}.",
        "",
        "| operator | dtype | ms | GFLOP/s | of the float32 limit | GB/s |",
        "|---|---|---|---|---|---|",
    ]
    for dtype in dtypes:
        pair_block = [0.0, 0.0]
        for i, case in enumerate(all_cases(tokens, rows, N_SAMPLE, dtype)):
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
