"""Speed of each fused operator against the machine's own limits.

Usage: python benchmarks/operators.py [--tokens 245] [--rows 703] [--atoms 2529] [--samples 1 5 25]
           [--dtype float32 bfloat16] [--repeat 3]

Operators of a diffusion step come for each number of samples, with what a step of protenix_base spends in them.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from cases import Case, trunk_cases
from diffusion_cases import diffusion_cases

from pfold import kernels

MATRIX_SIZE = 2048


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


def tables(options: argparse.Namespace) -> str:
    """The operators of the trunk, and those of a diffusion step, in Markdown."""
    flops, copied = machine_limits()
    lines = [
        f"Limits measured by numpy: {flops / 1e9:.0f} GFLOP/s (float32 product), {copied / 1e9:.0f} GB/s (copy).",
        f"N_token {options.tokens}, {options.rows} MSA rows, {options.atoms} atoms; {backend()}; "
        f"median of {options.repeat}.",
        "",
        "| operator | dtype | ms | GFLOP/s | of the float32 limit | GB/s | ms a step |",
        "|---|---|---|---|---|---|---|",
    ]
    for dtype in options.dtype:
        block: list[tuple[Case, float]] = []
        for case in trunk_cases(options.tokens, options.rows, dtype):
            block.append((case, median_seconds(case.run, options.repeat)))
            lines.append(_row(*block[-1], dtype, flops))
            if len(block) == 5:
                lines.append(_sum("pair block", block, dtype, flops))
        for n_sample in options.samples:
            step = []
            for case in diffusion_cases(options.tokens, options.atoms, n_sample, dtype):
                step.append((case, median_seconds(case.run, options.repeat)))
                lines.append(_row(*step[-1], dtype, flops))
            calls = [(replace(case, flop=case.calls * case.flop), case.calls * seconds) for case, seconds in step]
            lines.append(_sum(f"diffusion step, {n_sample} samples", calls, dtype, flops))
    return "\n".join(lines)


def _sum(name: str, cases: list[tuple[Case, float]], dtype: str, limit: float) -> str:
    whole = Case(f"**{name}**", sum(case.flop for case, _ in cases), 0, lambda: None)
    return _row(whole, sum(seconds for _, seconds in cases), dtype, limit)


def _row(case: Case, seconds: float, dtype: str, limit: float) -> str:
    rate = f"{case.flop / seconds / 1e9:.0f} | {case.flop / seconds / limit:.0%}" if case.flop else "- | -"
    moved = f"{case.moved / seconds / 1e9:.1f}" if case.moved else "-"
    step = f"{case.calls * seconds * 1e3:.0f}" if case.calls else "-"
    return f"| {case.name} | {dtype} | {seconds * 1e3:.2f} | {rate} | {moved} | {step} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=245)
    parser.add_argument("--rows", type=int, default=703)
    parser.add_argument("--atoms", type=int, default=2529)
    parser.add_argument("--samples", type=int, nargs="+", default=[5])
    parser.add_argument("--dtype", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--repeat", type=int, default=3)
    print(tables(parser.parse_args()))
