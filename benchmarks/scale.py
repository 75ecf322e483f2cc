"""How the workflow bears a proteome of proteomes: planning, dry run and rerun over many synthetic targets.

Usage: python benchmarks/scale.py [--targets 100000] [--folder FOLDER]
Search, features and folding are simulated: their receipts and results are written, with no content, by this script.
Everything else is what users run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import yaml

from pfold.config import RunConfig, load_config
from pfold.results.layout import CONFIDENCES, MODEL, RECEIPT, SUMMARY, best_prefix
from pfold.run.jobs import FEATURES, PREDICT, SEARCH, PlannedPrediction, read_batch
from pfold.run.paths import RunPaths

REPOSITORY = Path(__file__).parent.parent
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"


def write_targets(path: Path, count: int) -> None:
    """Random proteins of 30 to 600 residues."""
    generator = np.random.default_rng(0)
    with open(path, "w") as handle:
        for i, length in enumerate(generator.integers(30, 600, count)):
            handle.write(f">protein_{i:06d}\n{''.join(generator.choice(list(RESIDUES), length))}\n")


def measured(what: str, command: Sequence[str | Path], folder: Path) -> None:
    """Run a command and print its time and its largest memory, children included."""
    start, peak = time.perf_counter(), 0
    log = folder / f"{what.replace(' ', '_')}.log"
    with open(log, "w") as output:
        process = subprocess.Popen([str(c) for c in command], cwd=folder, stdout=output, stderr=output)
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            time.sleep(0.05)
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{what} failed; see {log}")
    print(f"| {what} | {seconds:.1f} | {peak / 2**30:.2f} |", flush=True)


def _memory(pid: int) -> int:
    try:
        root = psutil.Process(pid)
        return sum(p.memory_info().rss for p in (root, *root.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0


# Of a result with `keep: best`, beside its receipt.
_FILES = (MODEL, f"{CONFIDENCES}.gz", SUMMARY)


def simulate_jobs(config: RunConfig) -> None:
    """Receipts of all jobs and results of all targets of the plan, as the jobs would leave them."""
    paths = RunPaths(config.results)
    for kind in (SEARCH, FEATURES):
        for job in paths.jobs(kind):
            _write(paths.receipt(kind, job.stem), {})
    for job in paths.jobs(PREDICT):
        batch = read_batch(job)
        for planned in batch.targets:
            for place in planned.places:
                folder = paths.predictions / place.folder
                files = [f"{best_prefix(folder)}{name}" for name in _FILES]
                for name in files:
                    _write(folder / name, {})
                known = {name: {"bytes": 2, "sha256": ""} for name in files}
                _write(folder / RECEIPT, _result(planned, batch.bucket) | {"files": known})
        _write(paths.receipt(PREDICT, job.stem), {"done": [planned.name for planned in batch.targets], "failed": []})


def _result(planned: PlannedPrediction, bucket: int) -> dict[str, object]:
    scores = {"plddt": 50.0, "ptm": 0.5, "iptm": 0.0, "gpde": 1.0, "ranking_score": 0.5, "has_clash": False}
    samples = [{"rank": 1, "seed": 101, "sample": 0, **scores}]
    facts = {"n_msa": 1, "bucket": bucket, "seconds": 0.0, "keep": "best"}
    return {"result_id": planned.result_id, "samples": samples, **facts}


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        write_targets(folder / "proteome.fasta", options.targets)
        database = REPOSITORY / "config/demo/database.fasta"
        settings = {
            "targets": ["proteome.fasta"],
            "model": "protenix_mini_default_v0.5.0",
            "weights": "untrained",
            "search": {"engine": "jackhmmer", "databases": [str(database)]},
            "keep": "best",
        }
        (folder / "my.yaml").write_text(yaml.safe_dump(settings))
        os.chdir(folder)
        pfold = [sys.executable, "-m", "pfold.cli"]
        snakemake = [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile"]
        snakemake += ["--configfile", "my.yaml", "--profile", REPOSITORY / "profiles/local"]
        print(f"{options.targets} targets\n\n| what | seconds | memory (GiB) |\n|---|---|---|")
        measured("read targets", [*snakemake, "--quiet", "--until", "targets"], folder)
        measured("plan", [*snakemake, "plan", "--quiet"], folder)
        measured("dry run of all jobs", [*snakemake, "--dry-run", "--quiet"], folder)
        jobs = sum(1 for _ in (folder / "results/plan").glob("*/*.json"))
        print(f"| (jobs of the plan: {jobs}) | - | - |")
        config = load_config(folder / "my.yaml")
        start = time.perf_counter()
        simulate_jobs(config)
        print(f"| (simulated jobs) | {time.perf_counter() - start:.1f} | - |", flush=True)
        measured("summary and check", [*snakemake, "--quiet"], folder)
        measured("rerun with all done", snakemake, folder)
        measured("status", [*pfold, "status", "--config", "my.yaml"], folder)


if __name__ == "__main__":
    main()
