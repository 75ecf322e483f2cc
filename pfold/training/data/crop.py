"""Crops of examples: contiguous, spatial, or around an interface (AF3 supplement, section 2.7)."""

from dataclasses import dataclass, replace

import numpy as np

from pfold.features.schema import FEATURES, Features
from pfold.training.data.examples import Example
from pfold.training.labels import Truth, distances

# Tokens of another chain within this distance (Å) are an interface (AF3 supplement, section 2.7.3).
INTERFACE_DISTANCE = 15.0


@dataclass(frozen=True)
class CropSettings:
    """n_token: tokens of a crop; the shares of the three ways to choose them."""

    n_token: int
    contiguous: float
    spatial: float
    interface: float


def crop_example(example: Example, settings: CropSettings, generator: np.random.Generator) -> Example:
    """The example, or where it has too many tokens a crop of it."""
    if example.n_token <= settings.n_token:
        return example
    x, present = _centres(example)
    shares = np.array([settings.contiguous, settings.spatial, settings.interface])
    at_interface = _interface_tokens(x, present, example.chain)
    if len(at_interface) == 0:
        # A crop around an interface of an example without one is a spatial crop.
        shares = np.array([shares[0], shares[1] + shares[2], 0.0])
    way = generator.choice(3, p=shares / shares.sum())
    if way == 0:
        kept = _contiguous(example.chain, settings.n_token, generator)
    else:
        centres = np.flatnonzero(present) if way == 1 else at_interface
        kept = _nearest(x, present, generator.choice(centres), settings.n_token)
    return take_tokens(example, kept)


def _centres(example: Example) -> tuple[np.ndarray, np.ndarray]:
    """Position of each token's representative atom [N, 3] (Å), and whether it is resolved [N]."""
    representative = np.flatnonzero(example.features["distogram_rep_atom_mask"])
    return example.truth.coordinate[representative], example.truth.mask[representative] > 0


def _interface_tokens(x: np.ndarray, present: np.ndarray, chain: np.ndarray) -> np.ndarray:
    if len(np.unique(chain)) < 2:
        return np.zeros(0, int)
    near = distances(x, x) < INTERFACE_DISTANCE
    near &= (chain[:, None] != chain[None]) & present[:, None] & present[None]
    return np.flatnonzero(near.any(1))


def _contiguous(chain: np.ndarray, n_token: int, generator: np.random.Generator) -> np.ndarray:
    """A run of each chain, in a random order of chains, AF3 Algorithm "ContiguousCropping" (AlphaFold-Multimer)."""
    kept, left, after = [], n_token, len(chain)
    for number in generator.permutation(np.unique(chain)):
        tokens = np.flatnonzero(chain == number)
        after -= len(tokens)
        most, least = min(left, len(tokens)), min(len(tokens), max(0, left - after))
        size = int(generator.integers(least, most + 1))
        start = int(generator.integers(0, len(tokens) - size + 1))
        kept.append(tokens[start : start + size])
        left -= size
    return np.sort(np.concatenate(kept))


def _nearest(x: np.ndarray, present: np.ndarray, centre: int, n_token: int) -> np.ndarray:
    distance = np.where(present, np.linalg.norm(x - x[centre], axis=-1), np.inf)
    # A sum that breaks ties by the number of the token (AlphaFold-Multimer, Algorithm 2).
    return np.sort(np.argsort(distance + 1e-3 * np.arange(len(x)) / len(x), kind="stable")[:n_token])


_AXES = {feature.name: feature.shape for feature in FEATURES}


def take_tokens(example: Example, kept: np.ndarray) -> Example:
    """The example's tokens `kept` [n], in order, with their atoms."""
    f = example.features
    n_token, to_token = len(f["token_index"]), np.asarray(f["atom_to_token_idx"])
    new_token = np.full(n_token, -1)
    new_token[kept] = np.arange(len(kept))
    atoms = np.flatnonzero(new_token[to_token] >= 0)
    new_atom = np.full(len(to_token), -1)
    new_atom[atoms] = np.arange(len(atoms))
    taken = {}
    for key, value in f.items():
        taken[key] = np.asarray(value)
        for axis, length in enumerate(_AXES[key]):
            if length in ("N", "A"):
                taken[key] = np.take(taken[key], kept if length == "N" else atoms, axis)
    taken["atom_to_token_idx"] = new_token[to_token[atoms]]
    frames = np.asarray(f["frame_atom_index"])[kept]
    # A frame one of whose atoms is left out is none.
    whole = (new_atom[frames] >= 0).all(1) & np.asarray(f["has_frame"], bool)[kept]
    taken["has_frame"] = whole.astype(np.asarray(f["has_frame"]).dtype)
    taken["frame_atom_index"] = np.where(whole[:, None], new_atom[frames], 0)
    taken["ref_space_uid"] = np.unique(taken["ref_space_uid"], return_inverse=True)[1]
    truth = example.truth
    bonds = new_atom[truth.bonds]
    bonds = bonds[(bonds >= 0).all(1)]
    cropped = Truth(truth.coordinate[atoms], truth.mask[atoms], bonds, truth.resolution)
    return replace(
        example, features=Features(taken), truth=cropped, origin=example.origin[atoms], chain=example.chain[kept]
    )
