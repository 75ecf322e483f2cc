"""One training step on a features file with made-up truth, and what its parts took, as JSON; one process a measurement.

Usage: python benchmarks/training.py FEATURES.npz MODEL [--diffusion_batch 8] [--at_once 4] [--n_cycle 1] [--steps 3]
           [--recompute update] [--no_optimizer]

The first step compiles and is left out; of the others the median is printed.
"""

import argparse
import json
import os
import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")

import numpy as np

from pfold import kernels
from pfold.features.schema import Features
from pfold.training.config import StepSettings, parse_train_config
from pfold.training.forward import TrainingNoise, TrainingPass
from pfold.training.labels import Truth
from pfold.training.losses import LOSS_WEIGHTS
from pfold.training.names import SegmentNames
from pfold.training.optimizer import Optimizer
from pfold.training.parameters import Gradients, Parameters
from pfold.training.step import draw_noise
from pfold.weights.load import load_weights
from pfold.weights.published import UNTRAINED, model_settings

Seconds = defaultdict[str, list[float]]


@contextmanager
def timed(seconds: Seconds, part: str) -> Iterator[None]:
    """Add the seconds that the block takes."""
    begun = time.perf_counter()
    yield
    seconds[part].append(time.perf_counter() - begun)


def drawn(n_atom: int, settings: StepSettings) -> tuple[Truth, TrainingNoise, np.ndarray]:
    """A truth, the noise of a diffusion batch, and a prediction."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(n_atom, 3)) * 12
    truth = Truth(x, np.ones(n_atom), np.zeros((0, 2), int), 2.0)
    return truth, draw_noise(generator, settings, n_atom), x + generator.normal(size=x.shape)


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Median seconds of a step's parts, of the whole step, and the peak of memory (MiB)."""
    features, settings = Features(np.load(options.features)), model_settings(options.model)
    parameters = Parameters(settings, load_weights(settings, UNTRAINED))
    kernels.release_memory()
    names, gradients = SegmentNames(settings), Gradients(parameters.layout)
    keys = {"model": options.model, "results": ".", "n_step": 1, "data": {"train": [{"structures": "."}]}}
    keys |= {"diffusion_batch": options.diffusion_batch}
    published = parse_train_config(keys, Path.cwd(), "benchmark").settings_of(0)
    truth, noise, prediction = drawn(len(features["atom_to_token_idx"]), published)
    weights = LOSS_WEIGHTS | {"bond_loss": 4.0, "pae_loss": 1e-4}
    optimizer = Optimizer(published.optimizer, parameters.flat) if options.optimizer else None
    rows = [np.arange(min(len(features["msa"]), settings.max_msa_rows))] * options.n_cycle
    seconds: Seconds = defaultdict(list)
    for number in range(options.steps + 1):
        gradients.clear()
        with timed(seconds, "step"), kernels.differentiable():
            step = TrainingPass(settings, parameters, names, features, truth, recompute=options.recompute)
            with timed(seconds, "trunk"):
                s_inputs, s, z = step.trunk(options.n_cycle, rows)
                step.distogram(z, weights)
            with timed(seconds, "diffusion"):
                step.diffusion(s_inputs, s, z, noise, weights, options.at_once)
            with timed(seconds, "confidence"):
                step.confidence(s_inputs, s, z, prediction, weights)
            with timed(seconds, "backward"):
                step.backward(gradients)
            if optimizer is not None:
                with timed(seconds, "optimizer"):
                    optimizer.step(gradients.flat, number)
    found = {part: float(np.median(times[1:])) for part, times in seconds.items()}
    return found | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features")
    parser.add_argument("model")
    for name, default in (("diffusion_batch", 8), ("n_cycle", 1), ("steps", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--at_once", type=int, help="noisy copies that are denoised together; all by default")
    parser.add_argument("--recompute", choices=("block", "update"), default="block")
    parser.add_argument("--no_optimizer", dest="optimizer", action="store_false", help="gradients alone")
    print(json.dumps(measure(parser.parse_args())))
