"""Losses of one training step and their gradients, by checkpoint name: what a trainer, and a test, begins with."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pfold import kernels
from pfold.features.schema import Features
from pfold.training.forward import TrainingNoise, TrainingPass
from pfold.training.labels import Truth
from pfold.training.losses import LOSS_WEIGHTS
from pfold.training.names import SegmentNames
from pfold.training.parameters import Gradients, Parameters
from pfold.weights.load import load_weights
from pfold.weights.published import model_settings

Arrays = Mapping[str, np.ndarray]


def loss_and_gradients(
    model_name: str,
    weights: Any,
    features: Arrays,
    labels: Mapping[str, Any],
    noise: Arrays,
    coordinate_mini: np.ndarray,
    n_cycle: int,
    loss_weights: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """One training step's losses and gradients, without dropout, in float32; gradients flow through the last cycle.

    weights: as in `pfold.load_model`. features: as in `pfold.features.schema`; all MSA rows are taken. labels:
    coordinate [A, 3] (Å), mask [A] of resolved atoms, bond_mask [A, A] of the bond loss, resolution (Å). noise: sigma
    [S] (Å), rot [S, 3, 3], trans [S, 3] (Å), x [S, A, 3]: the truth is centred over its resolved atoms, rotated, moved,
    and sigma * x is added. coordinate_mini [1, A, 3] (Å): the mini-rollout's prediction, of which confidence learns.
    loss_weights: of the losses in `pfold.training.LOSS_WEIGHTS`, whose values the others keep.

    Returns losses (name -> value, unweighted), total (weighted sum), gradients (checkpoint name -> array of its shape)
    and coordinate [S, A, 3] (Å), the denoised diffusion batch. Raises ValueError for a loss that is unknown.
    """
    unknown = set(loss_weights or ()) - set(LOSS_WEIGHTS)
    if unknown:
        raise ValueError(f"unknown losses: {', '.join(sorted(unknown))}; there are {', '.join(LOSS_WEIGHTS)}")
    settings = model_settings(model_name)
    used = LOSS_WEIGHTS | dict(loss_weights or {})
    parameters = Parameters(settings, load_weights(settings, weights))
    kernels.release_memory()
    gradients = Gradients(parameters.layout)
    f, truth = Features(features), Truth.of(labels)
    rows = [np.arange(min(len(f["msa"]), settings.max_msa_rows))] * n_cycle
    with kernels.differentiable():
        step = TrainingPass(settings, parameters, SegmentNames(settings), f, truth)
        s_inputs, s, z = step.trunk(n_cycle, rows)
        step.distogram(z, used)
        coordinate = step.diffusion(s_inputs, s, z, TrainingNoise(**noise), used)
        step.confidence(s_inputs, s, z, np.asarray(coordinate_mini)[0], used)
        step.backward(gradients)
    total = sum(used[name] * value for name, value in step.losses.items())
    return {"losses": step.losses, "total": total, "gradients": gradients.named(), "coordinate": coordinate}
