"""Adam over flat buffers, against the formulas."""

import dataclasses

import numpy as np
import pytest

from pfold.training.optimizer import Optimizer, OptimizerSettings, learning_rate

SETTINGS = OptimizerSettings(
    learning_rate=1e-2,
    warmup_steps=4,
    decay_every=10,
    decay_factor=0.5,
    beta1=0.9,
    beta2=0.95,
    epsilon=1e-8,
    weight_decay=1e-8,
    clip_norm=1.0,
    ema_decay=0.999,
)


def test_the_rate_rises_and_falls_in_stairs():
    rates = [learning_rate(SETTINGS, step) for step in (0, 3, 4, 9, 10, 20)]
    assert rates == pytest.approx([2.5e-3, 1e-2, 1e-2, 1e-2, 5e-3, 2.5e-3])


def test_steps_are_adams():
    rng = np.random.default_rng(0)
    start = rng.normal(size=50).astype(np.float32)
    optimizer = Optimizer(SETTINGS, start.copy())
    p, m, v = start.astype(np.float64), np.zeros(50), np.zeros(50)
    for step in range(5):
        g = rng.normal(size=50)
        optimizer.step(g.astype(np.float32), step)
        g = g * min(1.0, SETTINGS.clip_norm / np.linalg.norm(g)) + SETTINGS.weight_decay * p
        m, v = 0.9 * m + 0.1 * g, 0.95 * v + 0.05 * g * g
        corrected = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.95 ** (step + 1))
        p = p - learning_rate(SETTINGS, step) * corrected[0] / (np.sqrt(corrected[1]) + SETTINGS.epsilon)
    assert np.abs(optimizer.parameters - p).max() < 1e-6


def test_frozen_weights_stay_and_the_average_follows():
    optimizer = Optimizer(SETTINGS, np.ones(10, np.float32))
    optimizer.trained[5:] = False
    for step in range(50):
        optimizer.step(np.ones(10, np.float32), step)
    assert (optimizer.parameters[5:] == 1).all()
    assert (optimizer.ema[5:] == 1).all()
    assert (optimizer.parameters[:5] < optimizer.ema[:5]).all()
    assert (optimizer.ema[:5] < 1).all()


def test_weights_that_a_later_stage_freezes_stay_in_spite_of_their_moments():
    optimizer = Optimizer(SETTINGS, np.ones(10, np.float32))
    optimizer.step(np.ones(10, np.float32), 0)
    before = optimizer.parameters.copy()
    optimizer.trained[:5] = False
    optimizer.step(np.ones(10, np.float32), 1)
    assert np.array_equal(optimizer.parameters[:5], before[:5])
    assert (optimizer.parameters[5:] < before[5:]).all()


def test_weights_without_a_gradient_stay_as_they_are():
    """The entries of a head that learns now and then; Adam would make a step of the decay alone."""
    optimizer = Optimizer(dataclasses.replace(SETTINGS, weight_decay=1e-3), np.ones(10, np.float32))
    reached = np.arange(10) < 5
    optimizer.step(np.ones(10, np.float32), 0)
    before = optimizer.parameters.copy(), optimizer.m.copy(), optimizer.v.copy()
    for step in range(1, 20):
        optimizer.step(np.zeros(10, np.float32), step, reached)
    for now, then in zip((optimizer.parameters, optimizer.m, optimizer.v), before, strict=True):
        assert np.array_equal(now[5:], then[5:])
        assert (now[:5] != then[:5]).all()


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_gradients_that_are_not_finite_change_nothing(odd):
    optimizer = Optimizer(dataclasses.replace(SETTINGS), np.ones(10, np.float32))
    optimizer.step(np.ones(10, np.float32), 0)
    before = optimizer.parameters.copy(), optimizer.m.copy(), optimizer.ema.copy()
    gradients = np.ones(10, np.float32)
    gradients[3] = odd
    assert not np.isfinite(optimizer.step(gradients, 1))
    for now, then in zip((optimizer.parameters, optimizer.m, optimizer.ema), before, strict=True):
        assert np.array_equal(now, then)
    assert optimizer.n_update == 1
