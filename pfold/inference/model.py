"""The model as users call it: `load_model(...)`, `Model.predict(...)` and `Model.predict_batch(...)`."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pfold import kernels
from pfold.errors import ConfigError
from pfold.features.schema import Features
from pfold.inference import graphs
from pfold.inference.forward import ForwardPass
from pfold.inference.memory import WHOLE, Chunks
from pfold.inference.noise import check_noise, make_noise
from pfold.inference.params import ModelParams, place_params
from pfold.inference.recorder import StageRecorder, keep_nothing
from pfold.weights.load import load_weights
from pfold.weights.published import ModelSettings, model_settings

# Of pairs, MSA rows, matrix products and most weights. Singles, atoms, sums, layer norms, softmax, sampler and scores
# are in float32.
DTYPES = ("float32", "bfloat16")
Arrays = Mapping[str, np.ndarray]
Weights = str | Path | Mapping[str, np.ndarray] | None
# A seed, or a recorded stream (`pfold.inference.noise.Noise`).
NoiseArgument = int | Mapping[str, np.ndarray]


def load_model(name: str, weights: Weights = None, dtype: str = "float32") -> "Model":
    """Load a published model.

    weights: path of a .safetensors or published .pt file, a mapping of checkpoint name -> float32 array, or None for
    the published file in the cache directory. dtype: "float32" or "bfloat16", of pairs, MSA rows and products.
    Raises ConfigError for an unknown model or dtype, WeightsError for a missing or wrong checkpoint.
    """
    settings = model_settings(name)
    if dtype not in DTYPES:
        raise ConfigError(f'dtype is "{dtype}"; use one of {", ".join(DTYPES)}')
    if dtype == "bfloat16" and kernels.backend() == "reference":
        raise ConfigError(
            'dtype "bfloat16" needs the fused operators or an Ascend NPU; MindSpore\'s own operators for CPUs lack it. '
            'Install a C++ compiler (g++), or use "float32"'
        )
    return Model(settings, place_params(settings, load_weights(settings, weights), dtype), dtype)


class Model:
    """A published model with its weights on the device; compiled graphs are kept between predictions."""

    def __init__(self, settings: ModelSettings, params: ModelParams, dtype: str = "float32") -> None:
        self.settings, self.params, self.dtype = settings, params, dtype

    def predict(
        self,
        features: Arrays,
        *,
        noise: NoiseArgument = 101,
        stages: bool = False,
        **options: Any,
    ) -> dict[str, Any]:
        """Fold one target.

        features: arrays as in `pfold.features.schema`. noise: a seed, or a recorded stream. stages: also return what
        left each stage. The other options and what is returned are those of `predict_batch`.
        """
        return self.predict_batch([features], noise=[noise], stages=stages, **options)[0]

    def predict_batch(
        self,
        features: Sequence[Arrays],
        *,
        noise: Sequence[NoiseArgument],
        n_cycle: int | None = None,
        recycle_tolerance: float | None = None,
        n_step: int | None = None,
        n_sample: int | None = None,
        msa_rows: str | None = None,
        n_token: int | None = None,
        n_atom: int | None = None,
        stages: bool = False,
        logits: bool = True,
        chunks: Chunks = WHOLE,
        report: Callable[[str], None] | None = None,
    ) -> list[dict[str, Any]]:
        """Fold several targets of similar length in one forward pass; each comes out as if folded alone.

        features: of each target, as in `pfold.features.schema`; noise: a seed or recorded stream of each. n_cycle,
        n_step, n_sample: recycling cycles, diffusion steps and samples; the model's defaults where None.
        recycle_tolerance: ends recycling early (`ForwardPass.trunk`), for one target. msa_rows:
        "random" draws MSA rows in each cycle as the reference does, "all" keeps them all; None is "random" with a seed
        and "all" with a recorded stream. n_token, n_atom: pad to these lengths; nothing unpadded changes. stages: also
        return what left each stage, of the first target. logits: also return the confidence head's logits. chunks:
        pieces into which the pass is cut for the sake of memory (`pfold.inference.memory.memory_plan`).
        report: is told what is being done ("cycle 2 of 10").

        Returns for each target a dict: coordinate [S, N_atom, 3] (Å), contact_probs [N, N], summary and full_data
        (lists of S dicts), timings of the pass (seconds; those of the stages hold that of compile), launches and
        compilations of graphs, and with logits plddt [S, N_atom, 50], pae and pde [S, N, N, 64],
        resolved [S, N_atom, 2].
        Raises ValueError for features or a noise stream of other shapes, and for lengths below a target's.
        """
        n_cycle = self.settings.n_cycle if n_cycle is None else n_cycle
        n_step = self.settings.n_step if n_step is None else n_step
        n_sample = self.settings.n_sample if n_sample is None else n_sample
        recorded = [isinstance(one, Mapping) for one in noise]
        if msa_rows is None:
            msa_rows = "all" if all(recorded) else "random"
        if msa_rows not in ("all", "random"):
            raise ConfigError(f'msa_rows is "{msa_rows}"; use "random" or "all"')
        recorder = StageRecorder() if stages else None
        forward = ForwardPass(
            self.settings,
            self.params,
            self.dtype,
            [Features(f) for f in features],
            n_token,
            n_atom,
            chunks,
            report,
            recorder or keep_nothing,
        )
        streams = [
            check_noise(one, n_step, n_sample, count)
            if isinstance(one, Mapping)
            else make_noise(one, n_step, n_sample, count)
            for one, count in zip(noise, forward.n_atom, strict=True)
        ]
        seeds = None
        if msa_rows == "random":
            seeds = [0 if isinstance(one, Mapping) else one for one in noise]

        timings, start, before = {}, time.perf_counter(), graphs.counts.copy()
        trunk = forward.trunk(n_cycle, seeds, recycle_tolerance)
        timings["trunk"] = time.perf_counter() - start
        start = time.perf_counter()
        coordinate = forward.diffusion(trunk, streams, n_step)
        timings["diffusion"] = time.perf_counter() - start
        start = time.perf_counter()
        outputs = forward.confidence(trunk, coordinate, logits=logits)
        timings["confidence"] = time.perf_counter() - start
        done = graphs.counts.since(before)
        timings["compile"] = done.compile_seconds
        about = {"timings": timings, "launches": done.launches, "compilations": done.compilations}
        return [
            {"coordinate": x, **output, **about, **(recorder.arrays if recorder else {})}
            for x, output in zip(coordinate, outputs, strict=True)
        ]
