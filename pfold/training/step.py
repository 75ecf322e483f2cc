"""What a step draws and does: an example, its noise, the passes, and the gradients' sum."""

from collections.abc import Sequence
from dataclasses import dataclass

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
from pfold.training.forward import SegmentNames, TrainingNoise, TrainingPass
from pfold.training.labels import Truth
from pfold.training.losses import COORDINATE_LOSSES
from pfold.training.parameters import Gradients, Parameters
from pfold.training.tape import Variable
from pfold.weights.published import ModelSettings


@dataclass(frozen=True, eq=False)
class Draw:
    """All that a step needs of one example: features, truth, noise, MSA rows of each cycle, and their sizes."""

    name: str
    features: Features
    truth: Truth
    noise: TrainingNoise
    rows: Sequence[np.ndarray]
    rollout_seed: int
    n_token: int
    n_atom: int


def step_generator(seed: int, step: int, number: int) -> np.random.Generator:
    """The stream of the example `number` of a step: the same whoever draws from it, and when."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, step * 2**20 + number], np.uint64)))


def draw_example(
    sets: Sequence[tuple[float, Examples]], settings: StepSettings, seed: int, step: int, number: int
) -> Draw:
    """The example `number` of a step, cropped and with its noise: a function of the seed, the step and the number."""
    generator = step_generator(seed, step, number)
    example = crop_example(draw(sets, generator), settings.crop, generator)
    return prepare(example, settings, generator)


def prepare(example: Example, settings: StepSettings, generator: np.random.Generator) -> Draw:
    """An example with all that is drawn for it."""
    features = augment_reference(example.features, int(generator.integers(2**31)))
    n_cycle = int(generator.integers(1, settings.max_n_cycle + 1))
    n_msa = len(features["msa"])
    rows = [generator.permutation(n_msa)[: settings.max_msa_rows] for _ in range(n_cycle)]
    n_token = token_bucket(example.n_token, settings.buckets)
    return Draw(
        example.name,
        features,
        example.truth,
        draw_noise(generator, settings, len(example.truth.mask)),
        rows,
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

    def learn(self, drawn: Draw, settings: StepSettings, *, confidence: bool) -> dict[str, float]:
        """Add the gradients of one example; returns its losses, unweighted, and `loss`, their weighted sum.

        The diffusion batch is left out where none of its losses counts.
        """
        weights = settings.loss_weights
        with kernels.differentiable():
            step = TrainingPass(
                self.settings,
                self.parameters,
                self.names,
                drawn.features,
                drawn.truth,
                drawn.n_token,
                drawn.n_atom,
                self.trained,
            )
            s_inputs, s, z = step.trunk(len(drawn.rows), drawn.rows)
            step.distogram(z, weights)
        if confidence:
            prediction = self._rollout(step, s_inputs, s, z, drawn, settings)
        with kernels.differentiable():
            if any(weights[name] for name in COORDINATE_LOSSES):
                step.diffusion(s_inputs, s, z, drawn.noise, weights, settings.diffusion_at_once)
            if confidence:
                step.confidence(s_inputs, s, z, prediction, weights)
            step.backward(self.gradients)
        return step.losses | {"loss": sum(weights[name] * value for name, value in step.losses.items())}

    def _rollout(
        self, step: TrainingPass, s_inputs: Variable, s: Variable, z: Variable, drawn: Draw, settings: StepSettings
    ) -> np.ndarray:
        """A prediction [A, 3] (Å) by few diffusion steps, AF3 supplement, section 4.1."""
        p = self.model.params.diffusion_module
        cache = as_input(graphs.prepare_diffusion(p, step.f, s_inputs.value, s.value, z.value))
        n_atom = len(drawn.truth.mask)
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
