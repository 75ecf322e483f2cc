"""Graphs kept on disk: a second process of the same shapes compiles next to nothing, another shape is not confused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from pfold.files import user_cache

PROGRAM = """
import json, sys
import pfold
from pfold.features.featurize import featurize
from pfold.targets.fasta import merge_chains
from pfold.targets.types import Target
model = pfold.load_model("protenix_tiny_default_v0.5.0", weights="untrained")
for sequence in sys.argv[1:]:
    features = featurize(Target("t", merge_chains([sequence])))
    out = model.predict(features, noise=3, n_cycle=1, n_step=1, n_sample=1, logits=False)
    found = out["timings"]["compile"], out["compilations"], out["coordinate"].tolist()
    print(json.dumps(found))
"""


def fold(folder: Path, *sequences: str) -> list[tuple[float, int, np.ndarray]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MS_COMPILER")}
    environment |= {"PFOLD_CACHE": str(folder), "GLOG_v": "3"}
    command = [sys.executable, "-c", PROGRAM, *sequences]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return [(seconds, count, np.array(x)) for seconds, count, x in lines]


def test_a_second_process_takes_the_graphs_of_the_first(tmp_path):
    kernels = user_cache() / "kernels"
    if kernels.is_dir():
        (tmp_path / "kernels").symlink_to(kernels)
    (cold, count, x), (_, other_count, other) = fold(tmp_path, "MKTAY", "GSWWCPL")
    assert len(list((tmp_path / "graphs").iterdir())) == 1
    (warm, again, y), (_, _, z) = fold(tmp_path, "MKTAY", "GSWWCPLAAH")
    assert count == again > 0
    assert other_count > 0
    assert warm < 0.5 * cold
    np.testing.assert_allclose(x, y, atol=1e-4)
    assert other.shape != z.shape
    # The same first target, then one of another shape: nothing is taken from the wrong graph.
    ((_, _, alone),) = fold(tmp_path, "GSWWCPLAAH")
    np.testing.assert_allclose(alone, z, atol=1e-3)
    assert len(list((tmp_path / "graphs").iterdir())) == 2
