"""The model as users call it: `load_model(...)` and `Model.predict(...)` (AF3 Algorithm 1)."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Tensor

import pfold.ops as kernels
from pfold.confidence import confidence_of_sample, contact_probabilities
from pfold.errors import ConfigError
from pfold.features.device import (
    alignment_rows,
    constraint_arrays,
    device_features,
    esm_array,
    pad,
    template_arrays,
)
from pfold.model.primitives import Params
from pfold.predict import graphs
from pfold.predict.graphs import as_input, place, to_device
from pfold.predict.noise import check_noise, draw_rows, make_noise
from pfold.predict.sampler import sample_diffusion
from pfold.weights.load import load_weights
from pfold.weights.published import ModelSettings, model_settings
from pfold.weights.tree import nest

Features = Mapping[str, np.ndarray]
# Of pairs, alignments and their products. Sums, layer norms, softmax, singles, sampler and scores are in float32.
DTYPES = ("float32", "bfloat16")
Weights = str | Path | Mapping[str, np.ndarray] | None


def load_model(name: str, weights: Weights = None, dtype: str = "float32") -> "Model":
    """Load a published model.

    weights: path of a .safetensors or published .pt file, a mapping of checkpoint name -> float32 array, or None for
    the published file in the cache directory. dtype: "float32" or "bfloat16", of pairs, alignments and their products.
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
    return Model(settings, load_weights(settings, weights), dtype)


class Model:
    """A published model with its weights on the device; compiled graphs are kept between predictions."""

    def __init__(self, settings: ModelSettings, weights: Mapping[str, np.ndarray], dtype: str = "float32") -> None:
        self.settings, self.dtype = settings, dtype
        # One tensor after another goes to the device: no second copy of the checkpoint is held.
        self.params = place(nest({name: name for name in weights}), weights)

    def predict(
        self,
        features: Features,
        *,
        n_cycle: int | None = None,
        n_step: int | None = None,
        n_sample: int | None = None,
        noise: int | Mapping[str, np.ndarray] = 101,
        msa_rows: str | None = None,
        n_token: int | None = None,
        n_atom: int | None = None,
        stages: bool = False,
        logits: bool = True,
        report: Callable[[str], None] | None = None,
    ) -> dict[str, Any]:
        """Fold one target.

        features: arrays as in `pfold.features.schema`. n_cycle, n_step, n_sample: recycling cycles, diffusion steps and
        samples; the model's defaults where None. noise: a seed, or a recorded stream (`pfold.predict.noise.Noise`).
        msa_rows: "random" draws alignment rows in each cycle as the reference does, "all" keeps them all; None is
        "random" with a seed and "all" with a recorded stream. n_token, n_atom: pad to these lengths; nothing unpadded
        changes. stages: also return what left each stage. logits: also return the confidence head's logits.
        report: is told what is being done ("cycle 2 of 10").

        Returns a dict: coordinate [S, N_atom, 3] (Å), contact_probs [N, N], summary and full_data (lists of S dicts),
        timings (seconds), and with logits plddt [S, N_atom, 50], pae and pde [S, N, N, 64], resolved [S, N_atom, 2].
        Raises ValueError for a noise stream of other shapes or lengths below the target's.
        """
        fold = _Fold(self, features, n_token, n_atom, stages, report)
        n_cycle = self.settings.n_cycle if n_cycle is None else n_cycle
        n_step = self.settings.n_step if n_step is None else n_step
        n_sample = self.settings.n_sample if n_sample is None else n_sample
        if isinstance(noise, Mapping):
            seed, stream = 0, check_noise(noise, n_step, n_sample, fold.n_atom)
        else:
            seed, stream = noise, make_noise(noise, n_step, n_sample, fold.n_atom)
        if msa_rows is None:
            msa_rows = "all" if isinstance(noise, Mapping) else "random"
        if msa_rows not in ("all", "random"):
            raise ConfigError(f'msa_rows is "{msa_rows}"; use "random" or "all"')

        timings, start = {}, time.perf_counter()
        fold.trunk(n_cycle, seed if msa_rows == "random" else None)
        timings["trunk"] = time.perf_counter() - start
        start = time.perf_counter()
        coordinate = fold.diffusion(stream, n_step)
        timings["diffusion"] = time.perf_counter() - start
        start = time.perf_counter()
        out = {"coordinate": coordinate, **fold.confidence(coordinate, n_cycle, logits)}
        timings["confidence"] = time.perf_counter() - start
        out["timings"] = timings
        return out | fold.stages


class _Fold:
    """One prediction under way: the target's arrays on the device and what the stages left."""

    def __init__(
        self,
        model: Model,
        features: Features,
        n_token: int | None,
        n_atom: int | None,
        keep_stages: bool,
        report: Callable[[str], None] | None,
    ) -> None:
        self.settings, self.params, self.features = model.settings, model.params, features
        self.dtype = model.dtype
        self.keep_stages = keep_stages
        self.report: Callable[[str], None] = report or (lambda _: None)
        self.n_token, self.n_atom = len(features["token_index"]), len(features["ref_pos"])
        self.padded_token = n_token or self.n_token
        if self.padded_token < self.n_token or (n_atom or self.n_atom) < self.n_atom:
            raise ValueError(
                f"can't pad {self.n_token} tokens and {self.n_atom} atoms to {n_token} tokens and {n_atom} atoms"
            )
        arrays = device_features(features, n_token, n_atom)
        if self.settings.esm:
            arrays["esm_token_embedding"] = esm_array(features, self.settings, self.padded_token)
        self.padded_atom = len(arrays["ref_pos"])
        self.f = as_input(to_device(arrays))
        self.mask: Tensor = self.f["token_mask"]
        templates = template_arrays(features, self.padded_token) if self.settings.n_template_block else []
        self.templates = [(as_input(to_device(arrays)), share) for arrays, share in templates]
        self.stages: dict[str, np.ndarray] = {}

    def trunk(self, n_cycle: int, seed: int | None) -> None:
        """Embedding, recycling, MSA module and pairformer; seed draws alignment rows, None keeps all."""
        p = as_input(
            {k: v for k, v in self.params.items() if k.startswith(_TRUNK_ENTRIES)}
            | {"msa_module": {k: v for k, v in self.params["msa_module"].items() if k != "blocks"}}
        )
        self.s_inputs, *init = graphs.begin(as_input(self.params["input_embedder"]), p, self.f)
        self._record("s_inputs_0_0", self.s_inputs, 1)
        s = graphs.zeros(init[0].shape, "float32")
        z = graphs.zeros((self.padded_token, self.padded_token, self.settings.c_z), self.dtype)
        for cycle in range(n_cycle):
            self.report(f"cycle {cycle + 1} of {n_cycle}")
            a = self._alignment_rows(cycle, seed)
            s, z, m = graphs.begin_cycle(p, self.f, a, self.s_inputs, as_input(tuple(init)), s, z)
            z = self._template_embedder(self._add_constraints(z), cycle)
            for block in self.params["msa_module"]["blocks"]:
                z, m = graphs.msa_block(as_input(block), z, self.mask, m, a["msa_mask"])
            self._record(f"msa_{cycle}_0", z, 2)
            for block in self.params["pairformer_stack.blocks"]:
                s, z = graphs.pairformer_block(as_input(block), s, z, self.mask)
            self._record(f"trunk_{cycle}_0", s, 1)
            self._record(f"trunk_{cycle}_1", z, 2)
        self.s, self.z = s, z

    def _alignment_rows(self, cycle: int, seed: int | None) -> Params:
        n_msa, max_rows = len(self.features["msa"]), self.settings.max_msa_rows
        rows = np.arange(min(n_msa, max_rows)) if seed is None else draw_rows(seed, cycle, n_msa, max_rows)
        return as_input(to_device(alignment_rows(self.features, rows, padded_rows(len(rows)), self.padded_token)))

    def _add_constraints(self, z: Tensor) -> Tensor:
        """Constraint embedder, of models that have one; features without constraints, such as recorded ones, pass."""
        arrays = constraint_arrays(self.features, self.padded_token) if self.settings.constraints else None
        if arrays is None:
            return z
        p = as_input(self.params["constraint_embedder"])
        return z + graphs.embed_constraints(p, as_input(to_device(arrays))).astype(z.dtype)

    def _template_embedder(self, z: Tensor, cycle: int) -> Tensor:
        """Template embedder, AF3 Algorithm 16, of models that have one."""
        p = self.params["template_embedder"]
        if not self.templates:
            return z
        head = as_input({k: v for k, v in p.items() if k != "pairformer_stack.blocks"})
        blocks = as_input(p["pairformer_stack.blocks"])
        u = Tensor(0.0)
        for template, share in self.templates:
            u = u + graphs.embed_template(head, blocks, z, self.mask, template) * share
        update = graphs.project_templates(head, u)
        self._record(f"template_{cycle}_0", update, 2)
        return z + update.astype(z.dtype)

    def diffusion(self, noise: Any, n_step: int) -> np.ndarray:
        """Sample positions of all samples at once -> [S, N_atom, 3] float32 (Å)."""
        p = as_input(self.params["diffusion_module"])
        cache = as_input(graphs.prepare_diffusion(p, self.f, self.s_inputs, self.s, self.z))
        n_extra = self.padded_atom - self.n_atom

        def denoise(x_noisy: np.ndarray, t_hat: np.float32) -> np.ndarray:
            x = Tensor(np.pad(x_noisy, ((0, 0), (0, n_extra), (0, 0))))
            return graphs.denoise(p, self.f, cache, x, Tensor(np.float32(t_hat))).asnumpy()[:, : self.n_atom]

        coordinate = noise["x0"]
        for step, (denoised, positions) in enumerate(sample_diffusion(denoise, noise, n_step, self.settings)):
            self.report(f"step {step + 1} of {n_step}")
            if self.keep_stages:
                self.stages[f"stage_denoised_{step}_0"] = denoised
            coordinate = positions
        return coordinate

    def confidence(self, coordinate: np.ndarray, n_cycle: int, logits: bool) -> dict[str, Any]:
        """Distogram, confidence head and scores of every sample."""
        distogram = graphs.distogram_head(as_input(self.params["distogram_head"]), self.z, self.mask)
        self._record("distogram_0_0", distogram, 2)
        contact_probs = contact_probabilities(self._unpad(distogram, 2))
        samples = []
        for i, x in enumerate(coordinate):
            self.report(f"confidence of sample {i + 1} of {len(coordinate)}")
            sample = self._confidence_logits(x)
            summary, full = confidence_of_sample(self.features, x, sample, contact_probs, n_cycle)
            samples.append((summary, full, sample if logits else {}))
        out = {
            "contact_probs": contact_probs,
            "summary": [summary for summary, _, _ in samples],
            "full_data": [full for _, full, _ in samples],
        }
        keys = samples[0][2] if samples else {}
        return out | {key: np.stack([sample[key] for _, _, sample in samples]) for key in keys}

    def _confidence_logits(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Confidence head on one sample, AF3 Algorithm 31.  x [N_atom, 3] (Å)."""
        p = self.params["confidence_head"]
        head = as_input({k: v for k, v in p.items() if k != "pairformer_stack.blocks"})
        blocks = as_input(p["pairformer_stack.blocks"])
        representative = pad(x[np.flatnonzero(self.features["distogram_rep_atom_mask"])], self.padded_token)
        pae, pde, plddt, resolved = graphs.confidence_head(
            head, blocks, self.s_inputs, self.s, self.z, self.mask, Tensor(representative)
        )
        token, slot = self.features["atom_to_token_idx"], self.features["atom_to_tokatom_idx"]
        return {
            "plddt": plddt.asnumpy()[token, slot],
            "pae": self._unpad(pae, 2),
            "pde": self._unpad(pde, 2),
            "resolved": resolved.asnumpy()[token, slot],
        }

    def _unpad(self, x: Tensor, n_axis: int) -> np.ndarray:
        return x.float().asnumpy()[(slice(self.n_token),) * n_axis]

    def _record(self, stage: str, x: Tensor, n_axis: int) -> None:
        if self.keep_stages:
            # A copy: the tensor may be updated in place later.
            self.stages[f"stage_{stage}"] = self._unpad(x, n_axis).copy()


# Entries of the checkpoint that the trunk reads outside its blocks.
_TRUNK_ENTRIES = ("relative_position_encoding", "linear_no_bias_", "layernorm_")


def padded_rows(n_msa: int) -> int:
    """Alignment rows are padded to the next power of two, 16 at least, so that few graphs serve all alignments."""
    return max(16, 1 << (n_msa - 1).bit_length())
