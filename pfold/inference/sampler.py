"""Diffusion sampler (AF3 Algorithm 18). The arithmetic of a step is small and runs on the host in float32."""

import numpy as np

from pfold.constants import SIGMA_DATA
from pfold.inference.noise import Noise
from pfold.weights.published import ModelSettings

S_MAX = 160.0
S_MIN = 4e-4
RHO = 7.0


def noise_schedule(n_step: int) -> np.ndarray:
    """Noise levels of AF3 Algorithm 18, [n_step + 1] float32 (Å), ending in 0."""
    steps = np.arange(n_step + 1, dtype=np.float32) * np.float32(1 / n_step)
    start, end = S_MAX ** (1 / RHO), S_MIN ** (1 / RHO)
    levels = SIGMA_DATA * (np.float32(start) + steps * np.float32(end - start)) ** RHO
    levels[-1] = 0
    return levels.astype(np.float32)


def augment(x: np.ndarray, rot: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """Centre, rotate and translate, AF3 Algorithm 19.  x [S, A, 3], rot [S, 3, 3], trans [S, 3] -> [S, A, 3] (Å)."""
    centred = x - x.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    return np.matmul(centred, rot.transpose(0, 2, 1)) + trans[:, None]


class Sampler:
    """The sampler of one target, AF3 Algorithm 18: in each step `noisy`, the diffusion module, then `update`.

    x [S, N_atom, 3] float32 (Å): the positions so far; after the last step the prediction.
    """

    def __init__(self, noise: Noise, n_step: int, settings: ModelSettings) -> None:
        self.noise, self.settings = noise, settings
        self.levels = noise_schedule(n_step)
        self.x = self.levels[0] * noise["x0"]

    def t_hat(self, step: int) -> np.float32:
        """Noise level (Å) that the module is told in a step; the same for all targets."""
        gamma = np.float32(self.settings.gamma0 if self.levels[step + 1] > self.settings.gamma_min else 0.0)
        return np.float32(self.levels[step] * (gamma + np.float32(1)))

    def noisy(self, step: int) -> np.ndarray:
        """Positions turned, moved and with noise added, [S, N_atom, 3]: what the diffusion module denoises."""
        x = augment(self.x, self.noise["rot"][step], self.noise["trans"][step])
        added = np.float32(self.settings.noise_scale_lambda) * np.sqrt(self.t_hat(step) ** 2 - self.levels[step] ** 2)
        return np.asarray(x + added * self.noise["churn"][step], np.float32)

    def update(self, step: int, x_noisy: np.ndarray, denoised: np.ndarray) -> None:
        """Take the step from x_noisy towards `denoised`, both [S, N_atom, 3]."""
        t_hat = self.t_hat(step)
        delta = (x_noisy - denoised) / t_hat
        step_size = np.float32(self.settings.step_scale_eta) * (self.levels[step + 1] - t_hat)
        self.x = (x_noisy + step_size * delta).astype(np.float32)
