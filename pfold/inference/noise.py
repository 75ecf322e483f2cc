"""The random numbers of a prediction. They belong to (target, seed, sample), never to a shape or a batch position."""

import hashlib
from collections.abc import Mapping
from typing import TypedDict

import numpy as np
from scipy.spatial.transform import Rotation

# Streams of a seed: sample i draws from stream i, recycling cycle j its MSA rows from stream _ROW_STREAMS + j.
_ROW_STREAMS = 2**63


class Noise(TypedDict):
    """A recorded noise stream: x0 [S, A, 3], rot [T, S, 3, 3], trans [T, S, 3], churn [T, S, A, 3], all float32."""

    x0: np.ndarray
    rot: np.ndarray
    trans: np.ndarray
    churn: np.ndarray


def noise_seed(target_id: str, seed: int) -> int:
    """One 64-bit integer for (target, seed), the `noise` argument of `Model.predict`."""
    digest = hashlib.sha256(f"{target_id}\0{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


def _generator(noise: int, stream: int) -> np.random.Generator:
    key = np.array([noise % 2**64, stream], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def make_noise(noise: int, n_step: int, n_sample: int, n_atom: int) -> Noise:
    """Draw the stream of `noise`; sample i is the same whatever n_sample is.

    x0 and churn are unit normal, rot are uniform rotations, trans is unit normal (Å).
    """
    samples = [_sample_noise(_generator(noise, i), n_step, n_atom) for i in range(n_sample)]
    return Noise(
        x0=np.stack([s["x0"] for s in samples]),
        rot=np.stack([s["rot"] for s in samples], axis=1),
        trans=np.stack([s["trans"] for s in samples], axis=1),
        churn=np.stack([s["churn"] for s in samples], axis=1),
    )


def _sample_noise(generator: np.random.Generator, n_step: int, n_atom: int) -> Noise:
    x0 = generator.standard_normal((n_atom, 3), dtype=np.float32)
    quaternions = generator.standard_normal((n_step, 4))
    trans = generator.standard_normal((n_step, 3), dtype=np.float32)
    churn = generator.standard_normal((n_step, n_atom, 3), dtype=np.float32)
    rot = Rotation.from_quat(quaternions).as_matrix().astype(np.float32)
    return Noise(x0=x0, rot=rot, trans=trans, churn=churn)


def check_noise(noise: Mapping[str, np.ndarray], n_step: int, n_sample: int, n_atom: int) -> Noise:
    """The recorded stream as float32. Raises ValueError, naming the array, for a missing or misshapen one."""
    shapes = {
        "x0": (n_sample, n_atom, 3),
        "rot": (n_step, n_sample, 3, 3),
        "trans": (n_step, n_sample, 3),
        "churn": (n_step, n_sample, n_atom, 3),
    }
    arrays = {}
    for name, shape in shapes.items():
        if name not in noise:
            raise ValueError(f'noise has no "{name}"; expected an array of shape {shape}')
        arrays[name] = np.asarray(noise[name], np.float32)
        if arrays[name].shape != shape:
            raise ValueError(f'noise["{name}"] has shape {arrays[name].shape}, expected {shape}')
    return Noise(**arrays)  # type: ignore[typeddict-item]


def samples_of(noise: Noise, start: int, stop: int) -> Noise:
    """The stream of the samples [start, stop) alone."""
    some = slice(start, stop)
    x0, rot, trans, churn = noise["x0"], noise["rot"], noise["trans"], noise["churn"]
    return Noise(x0=x0[some], rot=rot[:, some], trans=trans[:, some], churn=churn[:, some])


def draw_rows(noise: int, cycle: int, n_msa: int, max_rows: int) -> np.ndarray:
    """Alignment rows of one recycling cycle: a random number of random rows, as the reference draws at inference.

    Returns indices into the n_msa rows, at most max_rows of them (reference: sample_indices in model/utils.py).
    """
    generator = _generator(noise, _ROW_STREAMS + cycle)
    count = int(generator.integers(1, n_msa + 1))
    return generator.permutation(n_msa)[: min(count, max_rows)]
