"""Benchmarks pfold, beside the reference where its environment is given; writes benchmarks/RESULTS.md.

Usage: python benchmarks/bench.py --features FEATURES.npz [--reference PYTHON GOLDEN.py] [--repeat 3]
           [--scaling 128 256 512]
The reference is run by its own script (golden.py of the project's reference tools) on the same features, weights and
settings, in turn with pfold: one process a measurement. This process must not import MindSpore: that sets
OMP_NUM_THREADS=1 for every process started from then on.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from synthetic import random_features

from pfold.inference.memory import predicted_memory
from pfold.weights.published import model_settings

FOLDER = Path(__file__).parent
COLUMNS = ("total", "trunk", "diffusion", "confidence", "compile", "peak")
# What is folded unless asked otherwise.
SETTINGS = {"n_cycle": 4, "n_step": 5, "n_sample": 1}
MODELS = ("protenix_tiny_default_v0.5.0", "protenix_mini_default_v0.5.0")
DTYPES = ("float32", "bfloat16")
# What the scaling table folds: random proteins of these lengths, the reference up to a length that it folds in minutes.
SCALING = (128, 256, 512)
SCALING_ROWS = 512
SCALING_SETTINGS = {"n_cycle": 1, "n_step": 2, "n_sample": 1}
MAX_REFERENCE_TOKENS = 256


def fold(features: Path, model: str, dtype: str, rows: int, settings: dict[str, int]) -> dict[str, float]:
    """One measurement of pfold."""
    command = [sys.executable, FOLDER / "fold.py", features, model, dtype, "--rows", rows]
    for name, value in settings.items():
        command += [f"--{name}", value]
    lines = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True, check=True).stdout
    return dict(json.loads(lines.strip().splitlines()[-1]))


def fold_reference(reference: Sequence[Path], features: Path, model: str, rows: int, settings: dict[str, int]) -> Any:
    """One measurement of the reference: what its script prints, in pfold's columns."""
    python, script = (path.absolute() for path in reference)
    options = [f"{name.removeprefix('n_')}={value}" for name, value in settings.items()]
    options += [f"msa_rows={rows}"] if rows else []
    command = [python, script, features.resolve(), "-", model, *options]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True, cwd=script.parent)
    line = next(line for line in done.stdout.splitlines() if "peak_rss" in line)
    stages = {key: float(value) for key, value in re.findall(r"'(\w+)': ([\d.]+)", line)}
    found = {"total": float(re.search(r"wall=([\d.]+)", line)[1]), "peak": float(re.search(r"peak_rss=(\d+)", line)[1])}
    trunk = stages.get("pairformer", 0.0)
    return found | {
        "trunk": trunk,
        "diffusion": stages.get("diffusion", 0.0),
        "confidence": stages.get("confidence", 0.0),
    }


def median(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of each column."""
    return {key: float(np.median([run[key] for run in runs])) for key in runs[0]}


def fold_table(
    features: Path,
    reference: Sequence[Path] | None,
    models: Sequence[str],
    repeat: int,
    rows: int,
    settings: dict[str, int],
) -> str:
    """Folds by model and dtype, in turn with the reference; the ratio is of medians of the same turns."""
    lines = [
        "| model | by | total (s) | trunk | diffusion | confidence | compile | peak RSS (MiB) | launches | ratio |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for model in models:
        runs: dict[str, list[dict[str, float]]] = {}
        for _ in range(repeat):
            if reference:
                found = fold_reference(reference, features, model, rows, settings)
                runs.setdefault("reference, float32", []).append(found)
            for dtype in DTYPES:
                runs.setdefault(f"pfold, {dtype}", []).append(fold(features, model, dtype, rows, settings))
        medians = {by: median(values) for by, values in runs.items()}
        base = medians.get("reference, float32")
        for by, value in medians.items():
            cells = [f"{value[key]:.1f}" if key in value else "-" for key in COLUMNS]
            ratio = f"{base['total'] / value['total']:.2f}" if base else "-"
            lines.append(f"| {model} | {by} | {' | '.join(cells)} | {value.get('launches', 0) or '-'} | {ratio} |")
    return "\n".join(lines)


def scaling_table(lengths: Sequence[int], reference: Sequence[Path] | None, model: str) -> str:
    """One fold of a random protein of each length; the peak beside what the memory plan predicts."""
    lines = [
        "| tokens | by | total (s) | trunk | diffusion | confidence | compile | peak RSS (MiB) | predicted | ratio |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for n_token in lengths:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "features.npz"
            features = random_features(n_token, SCALING_ROWS)
            np.savez(file, **features)
            runs: dict[str, dict[str, float]] = {}
            if reference and n_token <= MAX_REFERENCE_TOKENS:
                runs["reference, float32"] = fold_reference(reference, file, model, 0, SCALING_SETTINGS)
            for dtype in DTYPES:
                sizes = n_token, len(features["ref_pos"]), SCALING_ROWS, SCALING_SETTINGS["n_sample"]
                predicted = predicted_memory(model_settings(model), dtype, *sizes).peak / 2**20
                runs[f"pfold, {dtype}"] = fold(file, model, dtype, 0, SCALING_SETTINGS) | {"predicted": predicted}
        base = runs.get("reference, float32")
        for by, run in runs.items():
            cells = [f"{run[key]:.1f}" if key in run else "-" for key in COLUMNS]
            predicted_cell = f"{run['predicted']:.0f}" if "predicted" in run else "-"
            ratio = f"{base['total'] / run['total']:.2f}" if base else "-"
            lines.append(f"| {n_token:,} | {by} | {' | '.join(cells)} | {predicted_cell} | {ratio} |")
    return "\n".join(lines)


def machine() -> str:
    """What this was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("mindspore", "pfold"))
    return f"{datetime.date.today()}; {os.cpu_count()} cores of {cpu}; Python {platform.python_version()}, {versions}."


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True, help="features of one target (.npz)")
    parser.add_argument("--reference", type=Path, nargs=2, metavar=("PYTHON", "SCRIPT"), help="the reference, if here")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--rows", type=int, default=0, help="MSA rows to keep (default: all)")
    for name, default in SETTINGS.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--scaling", type=int, nargs="*", default=SCALING, help="lengths of the scaling table")
    parser.add_argument("--output", type=Path, default=FOLDER / "measured.md")
    options = parser.parse_args()
    stored = np.load(options.features)
    size = f"{len(stored['token_index'])} tokens, {len(stored['ref_pos'])} atoms, {len(stored['msa'])} MSA rows"
    settings = {name: getattr(options, name) for name in SETTINGS}
    operators = [sys.executable, str(FOLDER / "operators.py"), "--tokens", str(len(stored["token_index"]))]
    operators += ["--rows", str(len(stored["msa"]))]
    text = [
        "# Measured by benchmarks/bench.py",
        machine(),
        f"## Folds of {size}; {settings}, all rows in every cycle",
        "Seconds; total is without compile; medians of runs in turn.",
        fold_table(options.features, options.reference, options.models, options.repeat, options.rows, settings),
        f"## Scaling: {options.models[0]}, {SCALING_ROWS} MSA rows; {SCALING_SETTINGS}",
        "One fold each of a random protein.",
        scaling_table(options.scaling, options.reference, options.models[0]),
        "## Operators",
        subprocess.run(operators, stdout=subprocess.PIPE, text=True, check=True).stdout.strip(),
    ]
    options.output.write_text("\n\n".join(text) + "\n")
    print(options.output.read_text())


if __name__ == "__main__":
    main()
