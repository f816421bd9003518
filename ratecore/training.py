"""The training loop and the stopping rule (SPEC 3)."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ratecore.config import RunSettings
from ratecore.evaluation import Scores, draw_trials, one_thread, score_trials
from ratecore.network import FR_RNN_dale
from ratecore.streams import stream
from ratecore.updates import make_updates


@dataclass
class TrainingResult:
    """What training a network gave.

    Attributes:
        net: the trained network.   initial: its state_dict before training.   optimizer: Adam's state_dict.
        losses: of every update, (n_updates,).
        tests: dicts with trial, updates (so far), train_loss (mean since the last test), loss, accuracy.
        last_test: scores of the last test.
        trained: whether the criterion was met.   n_trials: trials used.   seconds: of training.
        finished: when it ended, in seconds since 1970.
    """

    net: FR_RNN_dale
    initial: dict
    optimizer: dict = field(default_factory=dict)
    losses: list = field(default_factory=list)
    tests: list[dict] = field(default_factory=list)
    last_test: Scores | None = None
    trained: bool = False
    n_trials: int = 0
    seconds: float = 0.0
    finished: float = 0.0


def initial_network(settings: RunSettings, device="cpu") -> FR_RNN_dale:
    """The network of a run before training, from the run's own stream."""
    n_inputs = settings.create_task().n_inputs
    return FR_RNN_dale.from_settings(settings.network, n_inputs, stream(settings.seed, "initialisation"), device)


def train(settings: RunSettings, device="cpu", on_test: Callable[[TrainingResult], None] | None = None):
    """Trains one network until it meets the criterion of SPEC 3 or has used `n_trials`.

    The result depends on the settings alone: not on other networks, on the number of cores or on what ran before.

    Args:
        settings: of the run.   device: torch device.
        on_test: called with the result so far after every test, for progress and records.

    Returns:
        TrainingResult; `trained` is False when the criterion was not met, which is a result and not an error.

    Raises:
        FloatingPointError: the loss is no longer finite.
    """
    net = initial_network(settings, device)
    result = TrainingResult(net, copy.deepcopy(net.state_dict()))
    updates = make_updates(net, settings.training)
    with one_thread():
        _train(result, settings, updates, on_test or (lambda result: None))
    result.optimizer, result.finished = updates.state_dict(), time.time()
    return result


def _train(result, settings, updates, on_test):
    task, training, seed = settings.create_task(), settings.training, settings.seed
    start, next_test = time.perf_counter(), training.eval_freq
    while result.n_trials < training.n_trials and not result.trained:
        last = min(result.n_trials + training.batch_size, training.n_trials)
        generators = [stream(seed, "trial", k) for k in range(result.n_trials, last)]
        trials, x0, noise = draw_trials(task, result.net, generators)
        result.losses.append(updates.update(trials.u, trials.z, x0, noise))
        result.n_trials = last
        _check_finite(result.losses[-1], last)
        if last >= next_test or last == training.n_trials:
            next_test = (last // training.eval_freq + 1) * training.eval_freq
            _test(result, task, settings)
            result.seconds = time.perf_counter() - start
            on_test(result)


def _check_finite(loss: float, trial: int) -> None:
    if not np.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss} at trial {trial}; try a smaller learning_rate")


def _test(result, task, settings):
    """Tests the network on fresh trials of its own stream and applies the stopping rule."""
    training = settings.training
    first = len(result.tests) * training.eval_tr
    generators = [stream(settings.seed, "test", k) for k in range(first, first + training.eval_tr)]
    # A last update can break a network whose loss was still finite before it.
    result.last_test = scores = score_trials(task, result.net, training.loss_fn, generators)
    _check_finite(scores.loss, result.n_trials)
    done = len(result.losses)
    recent = result.losses[result.tests[-1]["updates"] if result.tests else 0 : done]
    result.tests.append({"trial": result.n_trials, "updates": done, "train_loss": float(np.mean(recent)),
                         "loss": scores.loss, "accuracy": scores.accuracy})  # fmt: skip
    result.trained = (
        scores.loss < training.loss_threshold
        and scores.accuracy > training.accuracy_threshold
        and result.n_trials >= task.min_trials
    )
