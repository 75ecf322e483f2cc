"""Diffusion sampler (AF3 Algorithm 18). The arithmetic of a step is small and runs on the host in float32."""

from collections.abc import Callable, Iterator

import numpy as np

from pfold.predict.noise import Noise
from pfold.weights.published import ModelSettings

SIGMA_DATA = 16.0
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


def sample_diffusion(
    denoise: Callable[[np.ndarray, np.float32], np.ndarray], noise: Noise, n_step: int, settings: ModelSettings
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Run the sampler, AF3 Algorithm 18.

    denoise(x_noisy [S, A, 3], t_hat) is the diffusion module. Yields after each step what the module returned and the
    new positions, both [S, A, 3] float32 (Å); the last positions are the prediction.
    """
    levels = noise_schedule(n_step)
    x = levels[0] * noise["x0"]
    for step in range(n_step):
        last, current = levels[step], levels[step + 1]
        x = augment(x, noise["rot"][step], noise["trans"][step])
        gamma = np.float32(settings.gamma0 if current > settings.gamma_min else 0.0)
        t_hat = last * (gamma + np.float32(1))
        added = np.float32(settings.noise_scale_lambda) * np.sqrt(t_hat**2 - last**2)
        x_noisy = x + added * noise["churn"][step]
        denoised = denoise(x_noisy, t_hat)
        delta = (x_noisy - denoised) / t_hat
        x = (x_noisy + np.float32(settings.step_scale_eta) * (current - t_hat) * delta).astype(np.float32)
        yield denoised, x
