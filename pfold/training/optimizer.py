"""Adam, gradient clipping and the average of weights over flat buffers (AF3 supplement, section 5.4)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

# Entries of the buffers that a step works on at once.
_BLOCK = 2**16


@dataclass(frozen=True)
class OptimizerSettings:
    """learning_rate is reached after `warmup_steps` and multiplied by decay_factor every decay_every steps."""

    learning_rate: float
    warmup_steps: int
    decay_every: int
    decay_factor: float
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float
    clip_norm: float
    ema_decay: float


def learning_rate(settings: OptimizerSettings, step: int) -> float:
    """The learning rate of a step, counted from 0: a line up, then stairs down (reference: af3_lr_scheduler)."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    return float(settings.learning_rate * settings.decay_factor ** (step // settings.decay_every))


class Optimizer:
    """First and second moments and the average of the weights, each one buffer as long as the parameters'.

    trained [n] bool: whether an entry changes, as all do at first.
    """

    def __init__(self, settings: OptimizerSettings, parameters: np.ndarray) -> None:
        self.settings, self.parameters = settings, parameters
        self.trained = np.ones(len(parameters), bool)
        self.m = np.zeros_like(parameters)
        self.v = np.zeros_like(parameters)
        self.ema = parameters.copy()
        # Steps that changed the weights; one whose gradients are not finite does not.
        self.n_update = 0

    def step(self, gradients: np.ndarray, step: int, reached: np.ndarray | None = None) -> float:
        """Clip the gradients (which are changed), take a step, follow with the average. Returns the norm before.

        reached [n] bool: entries that have a gradient in this step, all where it is None. The others stay as they are,
        moments too, as in PyTorch: weight decay alone, which Adam scales up, would bring them to nothing. Gradients
        that are not finite change nothing; their norm, which is not either, tells.
        """
        settings = self.settings
        active = self.trained if reached is None else self.trained & reached
        gradients *= active
        norm = float(np.sqrt(np.dot(gradients, gradients)))
        if not np.isfinite(norm):
            return norm
        self.n_update += 1
        clip = np.float32(settings.clip_norm / norm) if norm > settings.clip_norm else np.float32(1)
        rate = np.float32(learning_rate(settings, step) / (1 - settings.beta1**self.n_update))
        unbiased = np.float32(1 / np.sqrt(1 - settings.beta2**self.n_update))
        # At first the average follows faster, so that it forgets what training began with.
        decay = min(settings.ema_decay, (1 + self.n_update) / (10 + self.n_update))
        for start in range(0, len(gradients), _BLOCK):
            self._step_block(
                slice(start, start + _BLOCK), gradients, active, clip, rate, unbiased, np.float32(1 - decay)
            )
        return norm

    def _step_block(
        self,
        block: slice,
        gradients: np.ndarray,
        active: np.ndarray,
        clip: np.float32,
        rate: np.float32,
        unbiased: np.float32,
        follow: np.float32,
    ) -> None:
        """Adam and the average on some entries of all buffers, which stay in the processor's cache meanwhile."""
        settings = self.settings
        g, m, v, active = gradients[block], self.m[block], self.v[block], active[block]
        parameters, ema = self.parameters[block], self.ema[block]
        if active.any():
            g *= clip
            if settings.weight_decay:
                g += np.float32(settings.weight_decay) * parameters * active
            m += np.float32(1 - np.float32(settings.beta1)) * (g - m) * active
            v += np.float32(1 - np.float32(settings.beta2)) * (np.square(g) - v) * active
            parameters -= rate * (m / (np.sqrt(v) * unbiased + np.float32(settings.epsilon))) * active
        # What stays as it is may still differ from its average.
        ema += follow * (parameters - ema)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the average where the parameters are, for as long as this lasts."""
        own = self.parameters.copy()
        np.copyto(self.parameters, self.ema)
        try:
            yield
        finally:
            np.copyto(self.parameters, own)
