"""One training pass of one example: features and noise in, losses and gradients out (AF3 supplement, section 3.7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mindspore import Tensor

from pfold import kernels
from pfold.constants import SIGMA_DATA
from pfold.features.model_inputs import constraint_arrays, device_features, esm_array, msa_arrays, pad, template_arrays
from pfold.features.schema import Features
from pfold.inference import graphs
from pfold.inference.buckets import padded_rows
from pfold.inference.graphs import as_input, to_device
from pfold.training import labels, losses, segments
from pfold.training.dropout import DropoutMasks
from pfold.training.labels import Truth
from pfold.training.names import BlockNames, DiffusionBlockNames, SegmentNames
from pfold.training.parameters import NOTHING, Gradients, Parameters
from pfold.training.tape import Tape, Variable
from pfold.weights.layout import N_ATOM_SLOT
from pfold.weights.published import ModelSettings


@dataclass(frozen=True, eq=False)
class TrainingNoise:
    """The diffusion batch: sigma [S] (Å), rot [S, 3, 3], trans [S, 3] (Å) and x [S, A, 3], unit normal."""

    sigma: np.ndarray
    rot: np.ndarray
    trans: np.ndarray
    x: np.ndarray

    def noisy(self, truth: Truth) -> np.ndarray:
        """The truth, centred, turned and moved, with noise: [S, A, 3] float32 (Å); unresolved atoms at the centre's."""
        centre = (truth.coordinate * truth.mask[:, None]).sum(0) / truth.mask.sum()
        moved = np.einsum("sij,aj->sai", self.rot, truth.coordinate - centre) + self.trans[:, None]
        return np.asarray(moved + self.sigma[:, None, None] * self.x, np.float32)

    def part(self, chosen: slice) -> "TrainingNoise":
        """Some samples of the batch."""
        return TrainingNoise(self.sigma[chosen], self.rot[chosen], self.trans[chosen], self.x[chosen])

    @property
    def scale(self) -> np.ndarray:
        """What a sample's losses count by its noise level (AF3 equation 6)."""
        sigma = np.asarray(self.sigma, np.float64)
        return (sigma**2 + SIGMA_DATA**2) / (SIGMA_DATA * sigma) ** 2


class TrainingPass:
    """One example on the device: forward by segments, losses, and back.

    `losses` are those of the pass, unweighted. recompute: "block" keeps the inputs of blocks and computes blocks anew
    on the way back; "update" keeps those of each update in a block, and computes less anew.
    """

    def __init__(
        self,
        settings: ModelSettings,
        parameters: Parameters,
        names: SegmentNames,
        features: Features,
        truth: Truth,
        n_token: int | None = None,
        n_atom: int | None = None,
        trained: frozenset[str] | None = None,
        recompute: str = "block",
    ) -> None:
        self.settings, self.names, self.features, self.truth = settings, names, features, truth
        self.recompute = recompute
        self.tape = Tape(parameters, trained)
        self.losses: dict[str, float] = {}
        arrays = device_features(features, n_token, n_atom)
        if settings.esm:
            arrays["esm_token_embedding"] = esm_array(features, settings, len(arrays["token_mask"]))
        self.n_token, self.n_atom = len(arrays["token_mask"]), len(arrays["ref_pos"])
        self.f = as_input(to_device(arrays))
        self.mask = as_input({"token_mask": self.f["token_mask"]})
        self.rows = Tensor(np.arange(self.n_token, dtype=np.int32))
        self.templates = self._templates() if settings.n_template_block else []
        self.constraints = self._constraints() if settings.constraints else None

    def trunk(
        self, n_cycle: int, rows: Sequence[np.ndarray], dropout: DropoutMasks | None = None
    ) -> tuple[Variable, Variable, Variable]:
        """s_inputs, s and z; gradients flow through the last cycle.

        rows: MSA rows of each cycle; dropout: of the blocks of all cycles.
        """
        names, f = self.names, self.f
        (s_inputs,) = self.tape.run(segments.embed_inputs, names.embed_inputs, f)
        if names.add_esm:
            (s_inputs,) = self.tape.run(segments.add_esm, names.add_esm, f, s_inputs)
        init = self.tape.run(segments.init_trunk, names.init_trunk, NOTHING, s_inputs)
        s = graphs.zeros(init[0].value.shape, "float32")
        z = graphs.zeros((self.n_token, self.n_token, self.settings.c_z), "float32")
        n_msa = padded_rows(max(len(r) for r in rows))
        for cycle in range(n_cycle):
            tape = self.tape if cycle + 1 == n_cycle else Tape(self.tape.parameters, recording=False)
            a = as_input(to_device(msa_arrays(self.features, rows[cycle], n_msa, self.n_token)))
            c = as_input({"f": f, "msa": a, "s": s, "z": z})
            vs, vz, vm = tape.run(segments.begin_cycle, names.cycle, c, s_inputs, *init)
            vz = self._add_templates(tape, self._add_constraints(tape, vz))
            c = {"token_mask": f["token_mask"], "msa_mask": a["msa_mask"]}
            for of_msa in names.msa_blocks[:-1]:
                vz, vm = tape.run(segments.msa_block, of_msa, self._dropping(c, dropout, msa=True), vz, vm)
            last = self._dropping(c, dropout, msa=False)
            (vz,) = tape.run(segments.last_msa_block, names.msa_blocks[-1], last, vz, vm)
            c = {"token_mask": f["token_mask"]}
            for block in names.blocks:
                c_block = self._dropping(c, dropout, msa=False)
                vs, vz = self._pairformer_block(tape, block, c_block, vs, vz)
            s, z = vs.value, vz.value
        kernels.release_memory()
        return s_inputs, vs, vz

    def _pairformer_block(
        self, tape: Tape, p: BlockNames, c: Any, s: Variable, z: Variable
    ) -> tuple[Variable, Variable]:
        """A block as one segment, or one of each update."""
        if self.recompute == "block":
            s, z = tape.run(segments.pairformer_block, p.whole, c, s, z)
            return s, z
        for name, update in segments.pair_updates.items():
            (z,) = tape.run(update, p.whole[name], c, z)
        (s,) = tape.run(segments.update_single, p.single, self.mask, s, z)
        return s, z

    def _diffusion_block(self, p: DiffusionBlockNames, a: Variable, s: Variable, bias: Variable) -> Variable:
        """A block as one segment, or as several, so that no gate computes anew what it lets through."""
        run, c = self.tape.run, self.mask
        if self.recompute == "block":
            return run(segments.diffusion_block, p.whole, c, a, s, bias)[0]
        (h,) = run(segments.adaptive_norm, p.attention_norm, c, a, s)
        (heads,) = run(segments.attention_heads, p.heads, c, h, bias)
        (a,) = run(segments.add_attention, p.add_attention, c, a, s, heads)
        (h,) = run(segments.adaptive_norm, p.transition_norm, c, a, s)
        (update,) = run(segments.transition_update, p.transition, c, h)
        return run(segments.add_transition, p.add_transition, c, a, s, update)[0]

    def _templates(self) -> list[Any]:
        """Constants of each template."""
        found = template_arrays(self.features, self.n_token)
        share = np.ones((self.n_token, 1, 1), np.float32)
        return [
            as_input({"token_mask": self.f["token_mask"], **to_device({"template": arrays, "share": of_mean * share})})
            for arrays, of_mean in found
        ]

    def _constraints(self) -> Any:
        arrays = constraint_arrays(self.features, self.n_token)
        return None if arrays is None else as_input(to_device(arrays))

    def _add_constraints(self, tape: Tape, z: Variable) -> Variable:
        if self.constraints is None:
            return z
        return tape.run(segments.add_constraints, self.names.constraints, self.constraints, z)[0]

    def _add_templates(self, tape: Tape, z: Variable) -> Variable:
        """Template embedder, AF3 Algorithm 16, of models that have one."""
        if not self.templates:
            return z
        found = [tape.run(segments.embed_template, self.names.template, c, z)[0] for c in self.templates]
        return tape.run(segments.add_templates, self.names.add_templates, NOTHING, z, *found)[0]

    def _dropping(self, c: Mapping[str, Tensor], dropout: DropoutMasks | None, *, msa: bool) -> Any:
        """Constants of a block, with its masks of dropout."""
        if dropout is None:
            return as_input(dict(c))
        masks = dropout.of_block(self.settings.c_z, self.settings.c_m if msa else None)
        return as_input({**c, "dropout": to_device(masks)})

    def distogram(self, z: Variable, weights: Mapping[str, float]) -> None:
        """The distogram loss, and its gradient to begin with."""
        bins, weight = labels.distogram_labels(self.features, self.truth)
        c = self._pair_labels({"bins": bins, "weight": weight})
        (loss,) = self.tape.run(segments.distogram, self.names.distogram, c, z)
        self._keep({"distogram_loss": loss}, weights)

    def diffusion(
        self,
        s_inputs: Variable,
        s: Variable,
        z: Variable,
        noise: TrainingNoise,
        weights: Mapping[str, float],
        at_once: int | None = None,
    ) -> np.ndarray:
        """The denoised diffusion batch [S, A, 3] (Å), its losses and their gradients to begin with.

        at_once: samples that are denoised together, None for all; it changes the memory that is needed, not what comes
        out.
        """
        names, tape = self.names, self.tape
        z_cond, token_pairs = tape.run(segments.condition_pairs, names.condition_pairs, self.f, z)
        biases = [tape.run(segments.pair_bias, p, self.mask, z_cond)[0] for p in names.biases]
        single, atoms, *atom_biases = tape.run(
            segments.prepare_atoms, names.prepare_atoms, self.f, s_inputs, s, token_pairs
        )
        n_sample, denoised = len(noise.sigma), []
        for start in range(0, n_sample, at_once or n_sample):
            part = noise.part(slice(start, start + (at_once or n_sample)))
            x, found = self._denoise(part, single, atoms, biases, atom_biases)
            self._keep(dict(zip(losses.COORDINATE_LOSSES, found, strict=True)), weights, len(part.sigma) / n_sample)
            denoised.append(x)
        return np.concatenate(denoised)

    def _denoise(
        self,
        noise: TrainingNoise,
        single: Variable,
        atoms: Variable,
        biases: Sequence[Variable],
        atom_biases: Sequence[Variable],
    ) -> tuple[np.ndarray, tuple[Variable, ...]]:
        """Denoised positions [S, A, 3] (Å) of a diffusion batch, and its losses."""
        names, tape, n_block = self.names, self.tape, self.settings.n_atom_block
        x_noisy = self._pad_atoms(noise.noisy(self.truth))
        t_hat = np.broadcast_to(noise.sigma[:, None, None], x_noisy.shape)
        c = as_input({"f": self.f, **to_device({"x_noisy": x_noisy, "t_hat": t_hat, "sigma": noise.sigma})})
        (conditioning,) = tape.run(segments.condition_single, names.condition_single, c, single)
        a, q = tape.run(segments.embed_noisy, names.embed_noisy, c, atoms, *atom_biases[:n_block])
        (a,) = tape.run(segments.add_conditioning, names.add_conditioning, self.mask, a, conditioning)
        for p, bias in zip(names.diffusion_blocks, biases, strict=True):
            a = self._diffusion_block(p, a, conditioning, bias)
        (a,) = tape.run(segments.norm_tokens, names.norm_tokens, self.mask, a)
        (x,) = tape.run(segments.denoised, names.denoised, c, a, q, atoms, *atom_biases[n_block:])
        denoised = x.value.asnumpy()[:, : len(self.truth.mask)]
        return denoised, tape.run(segments.coordinates, {}, self._coordinate_labels(denoised, noise), x)

    def confidence(
        self, s_inputs: Variable, s: Variable, z: Variable, prediction: np.ndarray, weights: Mapping[str, float]
    ) -> None:
        """The losses of the confidence head on a prediction [A, 3] (Å); nothing flows back into the trunk."""
        names, tape, f = self.names, self.tape, self.features
        x = pad(prediction[np.flatnonzero(f["distogram_rep_atom_mask"])].astype(np.float32), self.n_token)
        of_trunk = {"s_inputs": s_inputs.value, "s": s.value, "z": z.value, "token_mask": self.f["token_mask"]}
        s, z = tape.run(segments.embed_sample, names.embed_sample, as_input({**of_trunk, "x": Tensor(x)}))
        for block in names.confidence_blocks:
            s, z = self._pairformer_block(tape, block, self.mask, s, z)
        pae, pae_weight = labels.pae_labels(f, self.truth, prediction)
        pde, pde_weight = labels.pde_labels(f, self.truth, prediction)
        of_pairs = {"pae_bins": pae, "pae_weight": pae_weight, "pde_bins": pde, "pde_weight": pde_weight}
        found = tape.run(segments.pair_errors, names.pair_errors, self._pair_labels(of_pairs), z)
        self._keep({"pae_loss": found[0], "pde_loss": found[1]}, weights)
        found = tape.run(segments.atom_scores, names.atom_scores, self._atom_labels(prediction), s)
        self._keep({"plddt_loss": found[0], "resolved_loss": found[1]}, weights)

    def backward(self, into: Gradients) -> None:
        """Gradients of the weighted sum of all losses, added to `into`."""
        kernels.release_memory()
        self.tape.backward(into)
        kernels.release_memory()

    def _keep(self, found: Mapping[str, Variable], weights: Mapping[str, float], share: float = 1.0) -> None:
        """Add losses to those of the pass.  share: what they are of the mean that a loss is."""
        for name, variable in found.items():
            self.losses[name] = self.losses.get(name, 0.0) + share * float(variable.value.asnumpy())
            used = weights[name] * share
            if name in losses.CONFIDENCE_LOSSES and not self.truth.teaches_confidence:
                used = 0.0
            if used:
                variable.gradient = Tensor(np.float32(used))

    def _pair_labels(self, arrays: Mapping[str, np.ndarray]) -> Any:
        padded = {key: pad(x, self.n_token, self.n_token) for key, x in arrays.items()}
        return as_input({**to_device(padded), "token_mask": self.f["token_mask"], "rows": self.rows})

    def _pad_atoms(self, x: np.ndarray) -> np.ndarray:
        return np.pad(x, ((0, 0), (0, self.n_atom - x.shape[1]), (0, 0)))

    def _atom_labels(self, prediction: np.ndarray) -> Any:
        f, n = self.features, self.n_atom
        bins, weight = labels.plddt_labels(f, self.truth, prediction)
        slot = np.asarray(f["atom_to_token_idx"]) * N_ATOM_SLOT + np.asarray(f["atom_to_tokatom_idx"])
        resolved = self.truth.mask.astype(np.int32)
        arrays = {
            "slot": slot.astype(np.int32),
            "plddt_bins": bins,
            "plddt_weight": weight,
            "resolved_bins": resolved,
            "resolved_weight": np.full(len(resolved), 1 / len(resolved), np.float32),
        }
        return as_input(to_device({key: pad(x, n) for key, x in arrays.items()}))

    def _coordinate_labels(self, denoised: np.ndarray, noise: TrainingNoise) -> Any:
        f, truth, n = self.features, self.truth, self.n_atom
        true_distance, lddt_mask = labels.lddt_pairs(f, truth)
        n_sample = len(noise.sigma)
        mse_weight = labels.atom_weights(f, truth) / (truth.mask.sum() + labels.EPS)
        # A number of bonds that is one of few, so that few graphs are compiled.
        n_bond = padded_rows(max(len(truth.bonds), 1))
        bonds = pad(truth.bonds.astype(np.int32).reshape(-1, 2), n_bond)
        # What is padded must have a length, for the sake of the derivative; it has no weight.
        bonds[len(truth.bonds) :] = 0, 1
        difference = truth.coordinate[bonds[:, 0]] - truth.coordinate[bonds[:, 1]]
        bond_weight = pad(np.full(len(truth.bonds), 1 / max(len(truth.bonds), 1)), n_bond)
        arrays = {
            "true_distance": pad(true_distance, n, n),
            "lddt_mask": pad(lddt_mask, n, n),
            "aligned": self._pad_atoms(labels.aligned_truth(f, truth, denoised)),
            "mse_weight": pad(mse_weight, n)[None] * noise.scale[:, None] / n_sample,
            "bond_first": bonds[:, 0].copy(),
            "bond_second": bonds[:, 1].copy(),
            "bond_length": np.linalg.norm(difference, axis=-1),
            "bond_weight": bond_weight[None] * noise.scale[:, None] / n_sample,
        }
        return as_input(to_device({k: x if x.dtype == np.int32 else x.astype(np.float32) for k, x in arrays.items()}))
