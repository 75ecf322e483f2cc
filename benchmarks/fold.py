"""Fold one features file and print what it took, as JSON; one process a measurement.

Usage: python benchmarks/fold.py FEATURES.npz MODEL DTYPE [--n_cycle 4] [--n_step 5] [--n_sample 1] [--rows N]
"""

import argparse
import json
import os
import resource
import time

os.environ.setdefault("GLOG_v", "3")

import numpy as np

import pfold


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Seconds of a fold by stage, those of compilation apart, and the peak of memory (MiB)."""
    features = dict(np.load(options.features))
    if options.rows:
        features |= {k: features[k][: options.rows] for k in ("msa", "msa_mask", "has_deletion", "deletion_value")}
    model = pfold.load_model(options.model, weights="untrained", dtype=options.dtype)
    settings = {"n_cycle": options.n_cycle, "n_step": options.n_step, "n_sample": options.n_sample}
    start = time.perf_counter()
    first = model.predict(features, noise=7, msa_rows="all", logits=False, **settings)
    first_seconds = time.perf_counter() - start
    found = {"first": first_seconds, "compile": first["timings"]["compile"], "launches": first["launches"]}
    if options.again:
        start = time.perf_counter()
        first = model.predict(features, noise=7, msa_rows="all", logits=False, **settings)
        found["total"] = time.perf_counter() - start
    else:
        found["total"] = first_seconds - found["compile"]
    found |= {stage: first["timings"][stage] for stage in ("trunk", "diffusion", "confidence")}
    return found | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features")
    parser.add_argument("model")
    parser.add_argument("dtype")
    for name, default in (("n_cycle", 4), ("n_step", 5), ("n_sample", 1), ("rows", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--again", action="store_true", help="time a second fold, that compiles nothing")
    print(json.dumps(measure(parser.parse_args())))
