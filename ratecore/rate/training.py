"""The training loop and the stopping rule (docs/model.md 3)."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float

from ratecore.rate.dynamics import LANES_PAY
from ratecore.rate.evaluation import draw_trials, one_thread, score_trials
from ratecore.rate.losses import TaskLoss
from ratecore.rate.network import RateNetwork
from ratecore.rate.results import Scores, TrainingResult
from ratecore.rate.updates import make_updates
from ratecore.settings.run import RunSettings
from ratecore.settings.training import TrainingSettings
from ratecore.system.streams import stream
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.checks import ready_to_train


class _Checkpoints(Protocol):
    """Where training continues from, and is saved to (`ratecore.experiment.checkpoints`)."""

    def load(self, device: Any) -> TrainingResult | None: ...
    def due(self) -> bool: ...
    def save(self, result: TrainingResult) -> None: ...


class _Updates(Protocol):
    """What holds Adam's state."""

    def state_dict(self) -> dict[str, Any]: ...


def initial_network(settings: RunSettings, device: torch.device | str = "cpu") -> RateNetwork:
    """Create the network of a run before training, from the run's own stream.

    Args:
        settings: of the run.
        device: torch device.

    Returns:
        the network.
    """
    task, rng = settings.create_task(), stream(settings.seed, "initialisation")
    return RateNetwork.from_settings(settings.network, task.n_inputs, rng, device, n_out=task.n_outputs)


def meets_criterion(test: dict[str, Any], training: TrainingSettings, task: AbstractTask) -> bool:
    """Tell whether a test ends the training (Kim et al. 2019, SI).

    Args:
        test: trial, loss and accuracy, as in `TrainingResult.tests`.
        training: thresholds and fewest trials.
        task: of the run, for the fewest trials where the settings leave them open.

    Returns:
        True when loss, accuracy and number of trials all meet the criterion.

    Source:
        docs/model.md 3; Kim et al. 2019, SI.
    """
    least = task.min_trials if training.min_trials is None else training.min_trials
    return bool(
        test["loss"] < training.loss_threshold
        and test["accuracy"] > training.accuracy_threshold
        and test["trial"] >= least
    )


class Training:
    """One network under way: which trials come next, when it is tested and when it is over.

    What the network has become depends on the settings alone: not on other networks, on the number of cores, on what
    ran before or on where it was interrupted.

    Args:
        settings: of the run.
        device: torch device.
        result: of an earlier training with these settings, to continue from there.

    Raises:
        TypeError: `settings` is not a RunSettings.
        TaskError: the task has a fault, or its own loss has.
    """

    def __init__(self, settings: RunSettings, device: torch.device | str = "cpu", result: TrainingResult | None = None):
        if not isinstance(settings, RunSettings):
            given = f"settings is {type(settings).__name__}; it must be a RunSettings"
            raise TypeError(f"train: {given}{', as RunSettings(**settings)' if isinstance(settings, dict) else ''}")
        self.settings, self.task = settings, settings.create_task()
        ready_to_train(self.task, settings.create_task)
        self.own_loss = TaskLoss(self.task) if settings.training.loss_fn == "task" else None
        if result is None:
            net = initial_network(settings, device)
            result = TrainingResult(net, copy.deepcopy(net.state_dict()))
        if self.own_loss is not None:
            self.own_loss.check(result.net)
        self.result = result
        self._started = time.perf_counter() - result.seconds

    @property
    def over(self) -> bool:
        """Whether the criterion is met or all trials are used."""
        return self.result.trained or self.result.n_trials >= self.settings.training.n_trials

    @property
    def upcoming(self) -> range:
        """Numbers of the trials of the next update."""
        training, done = self.settings.training, self.result.n_trials
        return range(done, min(done + training.batch_size, training.n_trials))

    @property
    def test_due(self) -> bool:
        """Whether the network is to be tested before the next update."""
        result, every = self.result, self.settings.training.eval_freq
        tested = result.tests[-1]["trial"] if result.tests else 0
        return result.n_trials // every > tested // every or (self.over and result.n_trials > tested)

    def draw(self) -> tuple[Any, Float[torch.Tensor, "B N"], Float[torch.Tensor, "B T-1 N"]]:
        """Draw the trials of the next update, each from its own stream.

        Returns:
            Trials, x0 (B, N) and noise (B, T-1, N), as from `draw_trials`; unitless.

        Source:
            docs/model.md 1 and 2.
        """
        generators = [stream(self.settings.seed, "trial", k) for k in self.upcoming]
        return draw_trials(self.task, self.result.net, generators)

    def took(self, loss: float) -> None:
        """Count an update over the upcoming trials.

        Args:
            loss: of the update, unitless.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        n_trials = self.upcoming.stop
        self.result.losses.append(loss)
        self.result.n_trials = n_trials
        self._check_finite(loss)

    def test_generators(self) -> list[np.random.Generator]:
        """Create the generators of the next test's trials.

        Returns:
            `eval_tr` generators of the network's own test stream.
        """
        n = self.settings.training.eval_tr
        first = len(self.result.tests) * n
        return [stream(self.settings.seed, "test", k) for k in range(first, first + n)]

    def test(self) -> None:
        """Test the network on fresh trials and apply the stopping rule; errors as `tested`."""
        loss_fn = self.settings.training.loss_fn
        self.tested(score_trials(self.task, self.result.net, loss_fn, self.test_generators()))

    def tested(self, scores: Scores) -> None:
        """Count a test on `test_generators` and apply the stopping rule.

        Args:
            scores: of the test.

        Raises:
            FloatingPointError: its loss is not finite.
        """
        result = self.result
        # A last update can break a network whose loss was still finite before it.
        result.last_test = scores
        self._check_finite(scores.loss)
        done = len(result.losses)
        recent = result.losses[result.tests[-1]["updates"] if result.tests else 0 : done]
        result.tests.append(
            {
                "trial": result.n_trials,
                "updates": done,
                "train_loss": float(np.mean(recent)),
                "loss": scores.loss,
                "accuracy": scores.accuracy,
            }
        )
        result.trained = meets_criterion(result.tests[-1], self.settings.training, self.task)
        result.seconds = time.perf_counter() - self._started

    def pause(self, updates: _Updates) -> None:
        """Update Adam's state and the time in the result.

        Args:
            updates: hold Adam's state.
        """
        self.result.optimizer = updates.state_dict()
        self.result.seconds = time.perf_counter() - self._started

    def _check_finite(self, loss: float) -> None:
        if not np.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} at trial {self.result.n_trials}; try a smaller learning_rate")


def train(
    settings: RunSettings,
    device: torch.device | str = "cpu",
    on_test: Callable[[TrainingResult], None] | None = None,
    checkpoints: _Checkpoints | None = None,
) -> TrainingResult:
    """Train one network until it meets the criterion of docs/model.md 3 or has used `n_trials`.

    Args:
        settings: of the run.
        device: torch device.
        on_test: called with the result so far after every test, for progress and records.
        checkpoints: a `Checkpoints`: where training continues from, and is saved to now and then.

    Returns:
        TrainingResult; `trained` is False when the criterion was not met, which is a result and not an error.

    Raises:
        FloatingPointError: the loss is no longer finite.
        Interrupted: the process was told to end; a checkpoint is written.
    """
    training = Training(settings, device, checkpoints.load(device) if checkpoints is not None else None)
    result = training.result
    updates = make_updates(result.net, settings.training, training.own_loss)
    if result.optimizer:
        updates.load_state_dict(result.optimizer)
    with one_thread():
        while True:
            if training.test_due:
                training.test()
                if on_test:
                    on_test(result)
            if training.over:
                break
            if checkpoints is not None and checkpoints.due():
                training.pause(updates)
                checkpoints.save(result)
            trials, x0, noise = training.draw()
            weight = getattr(trials, "weight", None)
            training.took(updates.update(trials.u, trials.z, x0, noise, weight, finite=False))
    training.pause(updates)
    result.finished = time.time()
    return result


def warm_up(settings: RunSettings) -> None:
    """Import and compile what training on the CPU needs, by one update and one test of a network that is discarded.

    Args:
        settings: of the run.
    """
    brief = {"n_trials": settings.training.batch_size, "eval_freq": settings.training.batch_size, "eval_tr": LANES_PAY}
    training = settings.training.model_copy(update=brief)
    with contextlib.suppress(FloatingPointError):  # that the run itself will meet
        train(settings.model_copy(update={"training": training}))
