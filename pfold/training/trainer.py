"""The training loop: draw, learn, step, measure, keep."""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from pfold import kernels
from pfold.errors import ConfigError
from pfold.files import claim_folder, digest
from pfold.training.checkpoint import Measured, checkpoint_folder, load_checkpoint, newest_checkpoint, save_checkpoint
from pfold.training.confidence_norm import measure_confidence_norm
from pfold.training.config import SCRATCH, StepSettings, TrainConfig
from pfold.training.curves import write_curves
from pfold.training.data.sets import Examples, read_set
from pfold.training.events import Events
from pfold.training.initial import initial_weights
from pfold.training.losses import LOSS_WEIGHTS
from pfold.training.memory import with_memory_plan
from pfold.training.optimizer import Optimizer, learning_rate
from pfold.training.parallel import Processes
from pfold.training.parameters import Parameters
from pfold.training.step import Draw, Learner, draw_example
from pfold.training.validation import SCORES, read_validation, set_means
from pfold.weights.load import load_weights, resolve_weights

logger = logging.getLogger(__name__)

# Steps that are prepared ahead.
_AHEAD = 4


def train(config: TrainConfig) -> Path:
    """Train, or go on where the results folder's newest checkpoint ends. Returns the last checkpoint's folder."""
    processes = Processes()
    if processes.rank == 0:
        claim_folder(config.results)
    _require_even_shares(config, processes)
    config = with_memory_plan(config, fused=kernels.backend() == "cpu", n_process=processes.size)
    sets = _read_sets(config)
    parameters = Parameters(config.model, _first_weights(config))
    kernels.release_memory()
    learner = Learner(config.model, parameters)
    newest = newest_checkpoint(config.results)
    if newest is None and config.measure_confidence_norm:
        measure_confidence_norm(learner, sets, config.stages[0][1], config.seed)
    optimizer = Optimizer(config.stages[0][1].optimizer, parameters.flat)
    buckets, use_msa = config.stages[0][1].buckets, config.model.use_msa
    validation = read_validation(config.validation, buckets, config.validation_n_step, config.seed, use_msa=use_msa)
    identity, measured, first = _identity(config, sets), Measured([], []), 0
    if newest is not None:
        first, measured = load_checkpoint(newest, optimizer, identity)
        logger.info("going on after step %d", first)
    events = Events(config.results, first) if processes.rank == 0 else None
    begun, stage = time.perf_counter(), None
    for step, drawn in _draws(config, sets, first, processes):
        settings = config.settings_of(step)
        if settings is not stage:
            stage = settings
            _enter_stage(settings, learner, optimizer)
        measured.losses.append(_step(settings, learner, optimizer, step, drawn, processes))
        done = step + 1
        if validation.sets and (done % config.validate_every == 0 or done == config.n_step):
            with optimizer.averaged():
                found = validation.run(learner.model, done, processes)
            measured.validation += found
            _log_validation(done, found)
            if events:
                events.validation(done, found, SCORES)
        if events is None:
            continue
        if done % config.log_every == 0 or done == config.n_step:
            means = _mean_losses(config, measured)
            _log_losses(config, means, done, (time.perf_counter() - begun) / (done - first))
            events.losses(done, means)
        if done % config.checkpoint_every == 0 or done == config.n_step:
            save_checkpoint(config.results, done, parameters.layout, optimizer, measured, identity)
            write_curves(config.results, config.model.name, measured)
    if events:
        events.close()
    return checkpoint_folder(config.results, config.n_step)


def _require_even_shares(config: TrainConfig, processes: Processes) -> None:
    for _, settings in config.stages:
        if settings.examples_per_step % processes.size:
            raise ConfigError(
                f"examples_per_step is {settings.examples_per_step}; {processes.size} processes can't share them evenly"
            )


def _read_sets(config: TrainConfig) -> list[tuple[float, Examples]]:
    """The sets to learn from, and the weight of each."""
    sets = [(one.weight, read_set(one, use_msa=config.model.use_msa)) for one in config.train]
    for chosen, (_, examples) in zip(config.train, sets, strict=True):
        told = len(examples.found), len(examples.rejected)
        logger.info("%s: %d structures to learn from, %d left out", chosen.structures, *told)
    return sets


def _first_weights(config: TrainConfig) -> dict[str, np.ndarray]:
    if config.start == SCRATCH:
        return initial_weights(config.model, config.seed)
    return dict(load_weights(config.model, resolve_weights(config.model, config.start)))


def _enter_stage(settings: StepSettings, learner: Learner, optimizer: Optimizer) -> None:
    """Let that learn which does in a stage."""
    layout = learner.parameters.layout
    trained = frozenset(name for name in layout.shapes if settings.learns(name))
    learner.trained = trained
    learner.forget()
    optimizer.settings = settings.optimizer
    optimizer.trained[:] = layout.mask(trained)


def _identity(config: TrainConfig, sets: list[tuple[float, Examples]]) -> str:
    """What makes a training another one: model, start, seed and data; not how long it goes on."""
    names = [[example.name for example in examples.found] for _, examples in sets]
    return digest(config.model.name, config.start, config.seed, names)


def _draws(
    config: TrainConfig, sets: list[tuple[float, Examples]], first: int, processes: Processes
) -> Iterator[tuple[int, list[Draw]]]:
    """This process's examples of each step, prepared ahead in other processes."""
    own = processes.rank, processes.size
    if config.n_worker == 0:
        for step in range(first, config.n_step):
            yield step, _draw_step(config, sets, own, step)
        return
    with ProcessPoolExecutor(config.n_worker, get_context("spawn"), _start_worker, (config, sets, own)) as pool:
        waiting: list[Future[list[Draw]]] = []
        for step in range(first, config.n_step):
            while len(waiting) < _AHEAD and step + len(waiting) < config.n_step:
                waiting.append(pool.submit(_draw_in_worker, step + len(waiting)))
            yield step, waiting.pop(0).result()


def _draw_step(config: TrainConfig, sets: list[tuple[float, Examples]], own: tuple[int, int], step: int) -> list[Draw]:
    settings, (rank, size) = config.settings_of(step), own
    numbers = range(rank, settings.examples_per_step, size)
    return [draw_example(sets, settings, config.seed, step, number) for number in numbers]


_of_worker: tuple[TrainConfig, list[tuple[float, Examples]], tuple[int, int]]


def _start_worker(config: TrainConfig, sets: list[tuple[float, Examples]], own: tuple[int, int]) -> None:
    global _of_worker
    _of_worker = config, sets, own


def _draw_in_worker(step: int) -> list[Draw]:
    return _draw_step(*_of_worker, step)


def _step(
    settings: StepSettings, learner: Learner, optimizer: Optimizer, step: int, drawn: list[Draw], processes: Processes
) -> dict[str, Any]:
    """Learn the step's examples -> a row of what was measured."""
    learner.gradients.clear()
    begun = time.perf_counter()
    found = [learner.learn(d, settings, confidence=settings.learns_confidence(step)) for d in drawn]
    learner.gradients.flat /= settings.examples_per_step
    _sum_trained(learner.gradients.flat, optimizer.trained, processes)
    norm = optimizer.step(learner.gradients.flat, step, _reached(learner, processes))
    names = ",".join(d.name for d in drawn)
    skipped = not np.isfinite(norm)
    if skipped:
        logger.warning("step %d (%s) is skipped: its gradients are not finite", step, names)
    losses = {key: float(np.mean([f[key] for f in found])) for key in found[0]}
    about: dict[str, Any] = {"step": step, "examples": names, "norm": norm, "skipped": skipped}
    return about | losses | {"seconds": time.perf_counter() - begun, "rate": learning_rate(settings.optimizer, step)}


def _sum_trained(gradients: np.ndarray, trained: np.ndarray, processes: Processes) -> None:
    """Sum the gradients of all processes, of the entries alone that learn: others are not worth the sending."""
    if trained.all():
        processes.sum(gradients)
        return
    learning = gradients[trained]
    processes.sum(learning)
    gradients[trained] = learning


def _reached(learner: Learner, processes: Processes) -> np.ndarray:
    """Entries that any process's examples have a gradient for, bool."""
    layout = learner.parameters.layout
    found = np.array([name in learner.gradients.reached for name in layout.shapes], np.float32)
    processes.sum(found)
    return layout.mask(name for name, count in zip(layout.shapes, found, strict=True) if count)


def _mean_losses(config: TrainConfig, measured: Measured) -> dict[str, float]:
    """Means since the last line of the log."""
    recent = measured.losses[-config.log_every :]
    found = {key: [row[key] for row in recent if row.get(key) is not None] for key in ("loss", *LOSS_WEIGHTS)}
    # A step that learns no confidence, or none but confidence, has no such losses.
    return {key: float(np.nanmean(values)) for key, values in found.items() if np.isfinite(values).any()}


def _log_losses(config: TrainConfig, means: dict[str, float], done: int, seconds: float) -> None:
    left = (config.n_step - done) * seconds
    told = ", ".join(f"{key.removesuffix('_loss')} {value:.3f}" for key, value in means.items())
    logger.info("step %d of %d: %s; %.2f s a step, %.1f h left", done, config.n_step, told, seconds, left / 3600)


def _log_validation(done: int, rows: list[dict[str, Any]]) -> None:
    count = Counter(row["set"] for row in rows)
    for name, means in set_means(rows, SCORES).items():
        lddt_ca, tm, plddt = (means[key] for key in SCORES)
        told = f"lDDT-CA {lddt_ca:.3f}, TM-score {tm:.3f}, pLDDT {plddt:.1f} in the mean of {count[name]} structures"
        logger.info("step %d: validation, %s: %s", done, name, told)
