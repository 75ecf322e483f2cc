"""A forward pass (AF3 Algorithm 1) of one or several targets, stage by stage: trunk, diffusion, confidence.

The targets of a batch are padded to the same lengths and stacked: tokens and atoms below one another, so that singles,
atoms and MSA rows know nothing of the batch, and pairs are [n_target * N, N, c_z] (`pfold.kernels`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mindspore import Tensor

from pfold import kernels
from pfold.confidence import PairConfidence, confidence_of_sample, contact_probabilities
from pfold.confidence.bins import DISTOGRAM_RANGE, expected_pair_value
from pfold.errors import NotFiniteError
from pfold.features.model_inputs import (
    constraint_arrays,
    device_features,
    esm_array,
    msa_arrays,
    pad,
    stack_targets,
    template_arrays,
)
from pfold.features.schema import Features
from pfold.inference import graphs
from pfold.inference.buckets import padded_rows
from pfold.inference.graphs import as_input, to_array, to_device
from pfold.inference.memory import WHOLE, Chunks
from pfold.inference.noise import Noise, draw_rows, samples_of
from pfold.inference.params import ModelParams, Stack
from pfold.inference.recorder import Recorder, keep_nothing
from pfold.inference.rows import row_blocks
from pfold.inference.sampler import Sampler
from pfold.model.primitives import Params
from pfold.weights.published import ModelSettings


@dataclass(frozen=True, eq=False)
class Trunk:
    """What the trunk knows of the targets: s_inputs and s [n_target * N, c], z [n_target * N, N, c_z].

    n_cycle: the recycling cycles that were made.
    """

    s_inputs: Tensor
    s: Tensor
    z: Tensor
    n_cycle: int


class ForwardPass:
    """One forward pass: `trunk`, then `diffusion` and `confidence` of what it returns."""

    def __init__(
        self,
        settings: ModelSettings,
        params: ModelParams,
        dtype: str,
        features: Sequence[Features],
        n_token: int | None = None,
        n_atom: int | None = None,
        chunks: Chunks = WHOLE,
        report: Callable[[str], None] | None = None,
        record: Recorder = keep_nothing,
    ) -> None:
        """Pad the targets' features to n_token and n_atom, or the longest of them, and put them on the device.

        Raises ValueError for lengths that are too short, and for features that the model needs and a target lacks.
        """
        self.settings, self.params, self.dtype, self.features = settings, params, dtype, features
        self.chunks, self.record = chunks, record
        self.report: Callable[[str], None] = report or (lambda _: None)
        self.n_token = [len(f["token_index"]) for f in features]
        self.n_atom = [len(f["ref_pos"]) for f in features]
        self.padded_token = n_token or max(self.n_token)
        n_atom = n_atom or max(self.n_atom)
        if self.padded_token < max(self.n_token) or n_atom < max(self.n_atom):
            raise ValueError(
                f"can't pad {max(self.n_token)} tokens and {max(self.n_atom)} atoms "
                f"to {n_token} tokens and {n_atom} atoms"
            )
        arrays = [device_features(f, self.padded_token, n_atom) for f in features]
        if settings.esm:
            for mine, f in zip(arrays, features, strict=True):
                mine["esm_token_embedding"] = esm_array(f, settings, self.padded_token)
        self.padded_atom = len(arrays[0]["ref_pos"])
        self.f = as_input(to_device(stack_targets(arrays, self.padded_token, self.padded_atom)))
        self.mask: Tensor = self.f["token_mask"]
        self.templates = self._stack_templates() if settings.n_template_block else []
        # The same for every draw of rows, so that one graph serves all cycles.
        self.padded_msa = padded_rows(min(max(len(f["msa"]) for f in features), settings.max_msa_rows))

    def _stack_templates(self) -> list[tuple[Params, Tensor]]:
        """Arrays of the first template of each target, the second, ..., and the share each has in its target's mean."""
        found = [template_arrays(f, self.padded_token) for f in self.features]
        slots = []
        for slot in range(max(len(templates) for templates in found)):
            arrays, shares = [], []
            for templates in found:
                # A target with fewer templates repeats its first with no share in the mean.
                mine, share = templates[slot] if slot < len(templates) else (templates[0][0], 0.0)
                arrays.append(mine)
                shares.append(np.full((self.padded_token, 1, 1), share, np.float32))
            slots.append((as_input(to_device(stack_targets(arrays))), Tensor(np.concatenate(shares))))
        return slots

    def trunk(self, n_cycle: int, seeds: Sequence[int] | None, tolerance: float | None = None) -> Trunk:
        """Embedding, recycling, MSA module and pairformer; seeds draw each target's MSA rows, None keeps all.

        tolerance: no further cycle once the expected distances (of the distogram) of a target's tokens have moved less
        than this (Å, root mean square) in a cycle. Raises ValueError with a tolerance for several targets: each would
        end at another cycle.
        """
        if tolerance is not None and len(self.features) > 1:
            raise ValueError("targets are folded one by one where recycling may stop early")
        distances: np.ndarray | None = None
        n_done = 0
        p = self.params.trunk.head
        s_inputs, *init = graphs.begin(self.params.input_embedder, p, self.f)
        self._record("s_inputs_0_0", s_inputs)
        s = graphs.zeros(init[0].shape, "float32")
        z = graphs.zeros((*self.mask.shape, self.padded_token, self.settings.c_z), self.dtype)
        for cycle in range(n_cycle):
            self.report(f"cycle {cycle + 1} of {n_cycle}")
            a = self._msa_rows(cycle, seeds)
            s, z, m = graphs.begin_cycle(p, self.f, a, s_inputs, as_input(tuple(init)), s, z)
            z = self._add_templates(self._add_constraints(z), cycle)
            for block in self.params.msa_blocks:
                z, m = graphs.msa_block(block, z, self.mask, m, a["msa_mask"])
            self._record_pairs(f"msa_{cycle}_0", z)
            for block in self.params.trunk.blocks:
                s, z = graphs.pairformer_block(block, s, z, self.mask)
            self._record(f"trunk_{cycle}_0", s)
            self._record_pairs(f"trunk_{cycle}_1", z)
            # A pair that is not finite makes its single so in the same block.
            _require_finite(to_array(s), f"the trunk, recycling cycle {cycle + 1}")
            n_done += 1
            if tolerance is not None:
                before, distances = distances, self._distances(z)
                if before is not None and np.sqrt(np.mean((distances - before) ** 2)) < tolerance:
                    break
        kernels.release_memory()
        return Trunk(s_inputs, s, z, n_done)

    def _distances(self, z: Tensor) -> np.ndarray:
        """Expected distances (Å) between the tokens of the one target, [N, N]."""
        return np.concatenate([expected_pair_value(rows, DISTOGRAM_RANGE) for _, rows in self._distogram(z)])

    def _distogram(self, z: Tensor) -> Iterator[tuple[int, np.ndarray]]:
        """Number of a target and logits [R, N, 64] of some rows of its distogram, a block after the other."""
        for block in row_blocks(len(self.features), self.padded_token, self.chunks.rows):
            distogram = graphs.distogram_head(self.params.distogram_head, z, self.mask, block.rows)
            for i, n in enumerate(self.n_token):
                yield i, block.of_target(distogram, i, n)

    def _msa_rows(self, cycle: int, seeds: Sequence[int] | None) -> Params:
        arrays = []
        for i, f in enumerate(self.features):
            n_msa, max_rows = len(f["msa"]), self.settings.max_msa_rows
            rows = np.arange(min(n_msa, max_rows)) if seeds is None else draw_rows(seeds[i], cycle, n_msa, max_rows)
            arrays.append(msa_arrays(f, rows, self.padded_msa, self.padded_token))
        return as_input(to_device(stack_targets(arrays)))

    def _add_constraints(self, z: Tensor) -> Tensor:
        """Constraint embedder, of models that have one; features without constraints, such as recorded ones, pass."""
        p = self.params.constraint_embedder
        if p is None:
            return z
        arrays = [constraint_arrays(f, self.padded_token) for f in self.features]
        given = [mine for mine in arrays if mine is not None]
        if not given:
            return z
        if len(given) < len(arrays):
            raise ValueError("targets with and without constraint features can't be folded in one batch")
        return z + graphs.embed_constraints(p, as_input(to_device(stack_targets(given)))).astype(z.dtype)

    def _add_templates(self, z: Tensor, cycle: int) -> Tensor:
        """Template embedder, AF3 Algorithm 16, of models that have one."""
        p = self.params.template_embedder
        if p is None:
            return z
        u = Tensor(0.0)
        for template, share in self.templates:
            u = u + graphs.embed_template(p.head, p.blocks, z, self.mask, template, share)
        update = graphs.project_templates(p.head, u)
        self._record_pairs(f"template_{cycle}_0", update)
        return z + update.astype(z.dtype)

    def diffusion(self, trunk: Trunk, noise: Sequence[Noise], n_step: int) -> list[np.ndarray]:
        """Positions of the samples of all targets at once -> [S, N_atom, 3] float32 (Å) of each target."""
        p = self.params.diffusion_module
        cache = as_input(graphs.prepare_diffusion(p, self.f, trunk.s_inputs, trunk.s, trunk.z))
        n_sample = len(noise[0]["x0"])
        size = -(-n_sample // self.chunks.samples)
        found = []
        for first in range(0, n_sample, size):
            some = [samples_of(one, first, first + size) for one in noise]
            found.append(self._denoise(cache, some, n_step))
        kernels.release_memory()
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def _denoise(self, cache: Params, noise: Sequence[Noise], n_step: int) -> list[np.ndarray]:
        samplers = [Sampler(one, n_step, self.settings) for one in noise]
        for step in range(n_step):
            self.report(f"step {step + 1} of {n_step}")
            noisy = [sampler.noisy(step) for sampler in samplers]
            x = np.concatenate([np.pad(x, ((0, 0), (0, self.padded_atom - x.shape[1]), (0, 0))) for x in noisy], axis=1)
            t_hat = Tensor(np.float32(samplers[0].t_hat(step)))
            denoised = graphs.denoise(self.params.diffusion_module, self.f, cache, Tensor(x), t_hat).asnumpy()
            _require_finite(denoised, f"the diffusion module, step {step + 1}")
            for i, sampler in enumerate(samplers):
                start = i * self.padded_atom
                sampler.update(step, noisy[i], denoised[:, start : start + self.n_atom[i]])
            self.record(f"denoised_{step}_0", lambda x=denoised: x[:, : self.n_atom[0]])  # type: ignore[misc]
        return [sampler.x for sampler in samplers]

    def confidence(self, trunk: Trunk, coordinate: Sequence[np.ndarray], *, logits: bool) -> list[dict[str, Any]]:
        """Distogram, confidence head and scores of every sample of every target.  coordinate: as from `diffusion`."""
        contact_probs = self._contact_probabilities(trunk)
        outputs: list[dict[str, Any]] = [{"contact_probs": x, "summary": [], "full_data": []} for x in contact_probs]
        kept: list[list[dict[str, np.ndarray]]] = [[] for _ in self.features]
        n_sample = len(coordinate[0])
        for sample in range(n_sample):
            self.report(f"confidence of sample {sample + 1} of {n_sample}")
            positions = [x[sample] for x in coordinate]
            for i, (heads, pairs) in enumerate(self._confidence_of(trunk, positions, logits=logits)):
                scores = positions[i], heads["plddt"], pairs, contact_probs[i], trunk.n_cycle
                summary, full = confidence_of_sample(self.features[i], *scores)
                outputs[i]["summary"].append(summary)
                outputs[i]["full_data"].append(full)
                if logits:
                    kept[i].append(heads)
        for output, mine_of in zip(outputs, kept, strict=True):
            for key in mine_of[0] if mine_of else ():
                output[key] = np.stack([mine[key] for mine in mine_of])
        kernels.release_memory()
        return outputs

    def _contact_probabilities(self, trunk: Trunk) -> list[np.ndarray]:
        """Contact probabilities [N, N] of each target from the distogram, a block of its rows at a time."""
        found: list[list[np.ndarray]] = [[] for _ in self.features]
        for i, rows in self._distogram(trunk.z):
            found[i].append(contact_probabilities(rows))
            if i == 0:
                self.record("distogram_0_0", lambda x=rows: x)  # type: ignore[misc]
        contact_probs = [np.concatenate(rows) for rows in found]
        for probs in contact_probs:
            _require_finite(probs, "the distogram head")
        return contact_probs

    def _confidence_of(
        self, trunk: Trunk, positions: Sequence[np.ndarray], *, logits: bool
    ) -> list[tuple[dict[str, np.ndarray], PairConfidence]]:
        """Confidence head on one sample of each target, AF3 Algorithm 31.  positions: [N_atom, 3] (Å).

        Returns of each target logits of its atoms, and with `logits` those of its pairs, and what scores take of them.
        """
        p: Stack = self.params.confidence_head
        representative = [
            pad(x[np.flatnonzero(f["distogram_rep_atom_mask"])], self.padded_token)
            for f, x in zip(self.features, positions, strict=True)
        ]
        first, *others = row_blocks(len(self.features), self.padded_token, self.chunks.rows)
        of_trunk = trunk.s_inputs, trunk.s, trunk.z, self.mask
        x = Tensor(np.concatenate(representative))
        pae, pde, plddt, resolved, z = graphs.confidence_head(p.head, p.blocks, *of_trunk, x, first.rows)
        pairs = [PairConfidence(f) for f in self.features]
        kept: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in pairs]
        for block in (first, *others):
            if block is not first:
                pae, pde = graphs.pair_error_logits(p.head, z, self.mask, block.rows)
            for i, n in enumerate(self.n_token):
                rows = block.of_target(pae, i, n), block.of_target(pde, i, n)
                pairs[i].add(block.start, *rows)
                if logits:
                    kept[i].append((rows[0].copy(), rows[1].copy()))
        found = [self._of_atoms(i, {"plddt": plddt, "resolved": resolved}) for i in range(len(pairs))]
        for heads, scores in zip(found, pairs, strict=True):
            _require_finite(heads["plddt"], "the confidence head (pLDDT)")
            _require_finite(scores.token_pair_pae, "the confidence head (PAE)")
            _require_finite(scores.token_pair_pde, "the confidence head (PDE)")
        for heads, rows_of in zip(found, kept, strict=True):
            if logits:
                heads["pae"] = np.concatenate([rows[0] for rows in rows_of])
                heads["pde"] = np.concatenate([rows[1] for rows in rows_of])
        return list(zip(found, pairs, strict=True))

    def _of_atoms(self, target: int, slots: dict[str, Tensor]) -> dict[str, np.ndarray]:
        """What heads say of a target's atoms.  slots: arrays [N, 24, n_bin] for every atom slot of a token."""
        f = self.features[target]
        token, slot = f["atom_to_token_idx"], f["atom_to_tokatom_idx"]
        start = target * self.padded_token
        return {name: to_array(x)[start : start + self.n_token[target]][token, slot] for name, x in slots.items()}

    def _record(self, stage: str, s: Tensor) -> None:
        """The singles [n_target * N, c] that left a stage."""
        self.record(stage, lambda: to_array(s)[: self.n_token[0]])

    def _record_pairs(self, stage: str, z: Tensor) -> None:
        """The pairs [n_target * N, N, c] that left a stage."""
        self.record(stage, lambda: to_array(z)[: self.n_token[0], : self.n_token[0]])


def _require_finite(x: np.ndarray, stage: str) -> None:
    if not np.isfinite(x).all():
        raise NotFiniteError(f"{stage} gave numbers that are not finite; check the weights, or try dtype float32")
