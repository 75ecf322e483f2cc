"""What a step draws and does: an example, its noise, the passes, and the gradients' sum."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from mindspore import Tensor
from scipy.spatial.transform import Rotation

from pfold import kernels
from pfold.constants import SIGMA_DATA
from pfold.features.atoms import augment_reference
from pfold.features.schema import Features
from pfold.inference import graphs
from pfold.inference.buckets import atom_bucket, token_bucket
from pfold.inference.graphs import as_input
from pfold.inference.model import Model
from pfold.inference.noise import make_noise
from pfold.inference.sampler import Sampler
from pfold.training.config import StepSettings
from pfold.training.data.crop import crop_example
from pfold.training.data.examples import Example
from pfold.training.data.sets import Examples, draw
from pfold.training.dropout import DropoutMasks
from pfold.training.forward import TrainingNoise, TrainingPass
from pfold.training.labels import Truth
from pfold.training.losses import CONFIDENCE_LOSSES, COORDINATE_LOSSES, LOSS_WEIGHTS
from pfold.training.names import SegmentNames
from pfold.training.parameters import Gradients, Parameters
from pfold.training.permutation import match_truth
from pfold.training.random import generator_of
from pfold.training.tape import Variable
from pfold.weights.published import ModelSettings

_CONFIDENCE = "confidence_head."
# What a process keeps at most of what a trunk that does not learn has made.
_MAX_KEPT_BYTES = 3 * 2**30


@dataclass(frozen=True, eq=False)
class Draw:
    """All that a step needs of one example, cropped: features, noise, MSA rows of each cycle, and their sizes.

    variant: which of the ways it is drawn in, where these are few; None where it is drawn anew in each step.
    """

    example: Example
    features: Features
    noise: TrainingNoise
    rows: Sequence[np.ndarray]
    rollout_seed: int
    dropout_seed: int
    n_token: int
    n_atom: int
    variant: int | None = None

    @property
    def name(self) -> str:
        """Of its example."""
        return self.example.name


def step_generator(seed: int, step: int, number: int) -> np.random.Generator:
    """The stream of the example `number` of a step: the same whoever draws from it, and when."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, step * 2**20 + number], np.uint64)))


def draw_example(
    sets: Sequence[tuple[float, Examples]], settings: StepSettings, seed: int, step: int, number: int
) -> Draw:
    """The example `number` of a step, cropped and with its noise: a function of the seed, the step and the number.

    Where the settings have few variants, all but the choice of example and variant is a function of these two.
    """
    generator = step_generator(seed, step, number)
    example, variant = draw(sets, generator), None
    if settings.n_variant is not None:
        variant = int(generator.integers(settings.n_variant))
        generator = generator_of(seed, f"{example.name} {variant}")
    drawn = prepare(crop_example(example, settings.crop, generator), settings, generator)
    return replace(drawn, variant=variant)


def prepare(example: Example, settings: StepSettings, generator: np.random.Generator) -> Draw:
    """An example with all that is drawn for it."""
    features = augment_reference(example.features, int(generator.integers(2**31)))
    n_cycle = int(generator.integers(1, settings.max_n_cycle + 1))
    n_msa = len(features["msa"])
    rows = [generator.permutation(n_msa)[: settings.max_msa_rows] for _ in range(n_cycle)]
    n_token = token_bucket(example.n_token, settings.buckets)
    return Draw(
        example,
        features,
        draw_noise(generator, settings, len(example.truth.mask)),
        rows,
        int(generator.integers(2**31)),
        int(generator.integers(2**31)),
        n_token,
        atom_bucket(len(example.truth.mask), n_token),
    )


def draw_noise(generator: np.random.Generator, settings: StepSettings, n_atom: int) -> TrainingNoise:
    """Noise levels 16 exp(mean + deviation n), rotations, translations and unit normal noise of a diffusion batch."""
    n = settings.diffusion_batch
    normal = generator.standard_normal(n)
    return TrainingNoise(
        sigma=(SIGMA_DATA * np.exp(settings.noise_mean + settings.noise_deviation * normal)).astype(np.float32),
        rot=Rotation.from_quat(generator.standard_normal((n, 4))).as_matrix().astype(np.float32),
        trans=generator.standard_normal((n, 3)).astype(np.float32),
        x=generator.standard_normal((n, n_atom, 3), dtype=np.float32),
    )


class Learner:
    """A model's parameters, and the gradients of what it is shown.

    trained: checkpoint names of the parameters that learn, None for all; the others' gradients may be left out.
    """

    def __init__(self, settings: ModelSettings, parameters: Parameters, trained: frozenset[str] | None = None) -> None:
        self.settings, self.parameters, self.trained = settings, parameters, trained
        self.names = SegmentNames(settings)
        self.gradients = Gradients(parameters.layout)
        self.model = Model(settings, parameters.for_inference())
        self._kept: dict[tuple[str, int | None, int], tuple[list[np.ndarray], np.ndarray, Truth]] = {}
        self._kept_bytes = 0

    def learn(self, drawn: Draw, settings: StepSettings, *, confidence: bool) -> dict[str, float]:
        """Add the gradients of one example; returns its losses, unweighted, and `loss`, their weighted sum.

        The diffusion batch is left out where none of its losses counts.
        """
        weights, step = settings.loss_weights, self._begin(drawn, settings)
        alone = confidence and self._confidence_alone(settings)
        if alone:
            (s_inputs, s, z), prediction, step.truth = self._kept_or_made(step, drawn, settings)
        else:
            s_inputs, s, z = self._trunk(step, drawn, settings)
            if confidence:
                prediction = self._rollout(step, s_inputs, s, z, drawn, settings)
                step.truth = match_truth(drawn.example, prediction)
        with kernels.differentiable():
            if not alone:
                step.distogram(z, weights)
            if any(weights[name] for name in COORDINATE_LOSSES):
                step.diffusion(s_inputs, s, z, drawn.noise, weights, settings.diffusion_at_once)
            if confidence:
                step.confidence(s_inputs, s, z, prediction, weights)
            step.backward(self.gradients)
        return step.losses | {"loss": sum(weights[name] * value for name, value in step.losses.items())}

    def single(self, drawn: Draw, settings: StepSettings) -> np.ndarray:
        """The trunk's s of an example, [N_token, c_s]."""
        _, s, _ = self._trunk(self._begin(drawn, settings), drawn, settings)
        kernels.release_memory()
        return np.asarray(s.value.asnumpy()[: drawn.example.n_token])

    def _begin(self, drawn: Draw, settings: StepSettings) -> TrainingPass:
        with kernels.differentiable():
            return TrainingPass(
                self.settings,
                self.parameters,
                self.names,
                drawn.features,
                drawn.example.truth,
                drawn.n_token,
                drawn.n_atom,
                self.trained,
                settings.recompute,
            )

    def forget(self) -> None:
        """Drop what was kept of examples: what made it may have learned since."""
        self._kept.clear()
        self._kept_bytes = 0

    def _confidence_alone(self, settings: StepSettings) -> bool:
        """Whether neither the trunk nor the diffusion module learns, nor counts."""
        others = any(settings.loss_weights[name] for name in LOSS_WEIGHTS if name not in CONFIDENCE_LOSSES)
        return not others and self.trained is not None and all(n.startswith(_CONFIDENCE) for n in self.trained)

    def _kept_or_made(
        self, step: TrainingPass, drawn: Draw, settings: StepSettings
    ) -> tuple[tuple[Variable, Variable, Variable], np.ndarray, Truth]:
        """s_inputs, s, z, a prediction and the truth that matches it; kept where this draw will come again."""
        # Sets may have structures of the same name.
        key = drawn.name, drawn.variant, zlib.crc32(drawn.example.truth.coordinate.tobytes())
        if key in self._kept:
            arrays, prediction, truth = self._kept[key]
            s_inputs, s, z = (Variable(Tensor(x), learns=False) for x in arrays)
            return (s_inputs, s, z), prediction, truth
        trunk = self._trunk(step, drawn, settings)
        prediction = self._rollout(step, *trunk, drawn, settings)
        truth = match_truth(drawn.example, prediction)
        arrays = [x.value.asnumpy() for x in trunk]
        size = sum(x.nbytes for x in arrays)
        if drawn.variant is not None and self._kept_bytes + size <= _MAX_KEPT_BYTES:
            self._kept[key] = arrays, prediction, truth
            self._kept_bytes += size
        return trunk, prediction, truth

    def _trunk(self, step: TrainingPass, drawn: Draw, settings: StepSettings) -> tuple[Variable, Variable, Variable]:
        dropout = DropoutMasks(settings.dropout, drawn.dropout_seed, step.n_token) if settings.dropout.any else None
        with kernels.differentiable():
            return step.trunk(len(drawn.rows), drawn.rows, dropout)

    def _rollout(
        self, step: TrainingPass, s_inputs: Variable, s: Variable, z: Variable, drawn: Draw, settings: StepSettings
    ) -> np.ndarray:
        """A prediction [A, 3] (Å) by few diffusion steps, AF3 supplement, section 4.1."""
        p = self.model.params.diffusion_module
        cache = as_input(graphs.prepare_diffusion(p, step.f, s_inputs.value, s.value, z.value))
        n_atom = len(drawn.example.truth.mask)
        sampler = Sampler(
            make_noise(drawn.rollout_seed, settings.rollout_steps, 1, n_atom), settings.rollout_steps, self.settings
        )
        for i in range(settings.rollout_steps):
            noisy = sampler.noisy(i)
            padded = np.pad(noisy, ((0, 0), (0, step.n_atom - n_atom), (0, 0)))
            denoised = graphs.denoise(p, step.f, cache, Tensor(padded), Tensor(np.float32(sampler.t_hat(i))))
            sampler.update(i, noisy, denoised.asnumpy()[:, :n_atom])
        kernels.release_memory()
        return np.asarray(sampler.x[0])
