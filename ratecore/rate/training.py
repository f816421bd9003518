"""The training loop and the stopping rule (docs/model.md 3)."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float

from ratecore.rate.dynamics.limits import LANES_PAY
from ratecore.rate.evaluation import draw_trials, one_thread, score_trials
from ratecore.rate.losses import TaskLoss
from ratecore.rate.network import RateNetwork
from ratecore.rate.optimizers import scheduled_rate
from ratecore.rate.penalties import distances, places_of_units
from ratecore.rate.results import Scores, TrainingResult
from ratecore.rate.updates import FusedUpdates, TorchUpdates, make_updates
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
    """What holds the optimizer's state."""

    def state_dict(self) -> dict[str, Any]: ...


def initial_network(settings: RunSettings, device: torch.device | str = "cpu") -> RateNetwork:
    """Create the network of a run before training, from the run's own stream.

    Args:
        settings: of the run.
        device: torch device.

    Returns:
        the network.

    Raises:
        ValueError: training starts from the network of a file.
    """
    if settings.training.start_from is not None:
        raise ValueError(
            "training.start_from is set: give the network of the file, as ratecore.formats.start_of reads it"
        )
    task, rng = settings.create_task(), stream(settings.seed, "initialisation")
    return RateNetwork.from_settings(settings.network, task.n_inputs, rng, device, n_out=task.n_outputs)


def meets_criterion(test: dict[str, Any], training: TrainingSettings, task: AbstractTask) -> bool:
    """Tell whether a test ends the training, or a stage of it (Kim et al. 2019, SI).

    Args:
        test: trial (of the stage), loss and accuracy, as in `TrainingResult.tests`.
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
    ran before or on where it was interrupted. In a curriculum `stage` is the number of the stage that the network is
    in, from 0, and `task` and `stage_settings` are those of that stage.

    Args:
        settings: of the run.
        device: torch device.
        result: of an earlier training with these settings, to continue from there.

    Raises:
        TypeError: `settings` is not a RunSettings.
        TaskError: the task has a fault, or its own loss has.
    """

    stage: int
    task: AbstractTask
    stage_settings: TrainingSettings

    def __init__(self, settings: RunSettings, device: torch.device | str = "cpu", result: TrainingResult | None = None):
        if not isinstance(settings, RunSettings):
            given = f"settings is {type(settings).__name__}; it must be a RunSettings"
            raise TypeError(f"train: {given}{', as RunSettings(**settings)' if isinstance(settings, dict) else ''}")
        self.settings = settings
        if result is None:
            net = initial_network(settings, device)
            result = TrainingResult(net, copy.deepcopy(net.state_dict()))
        self.result = result
        self._before = result.n_trials
        self._enter()
        self._started = time.perf_counter() - result.seconds

    def _enter(self) -> None:
        """Takes over the task and the settings of the current stage."""
        ended = self.result.ended
        self.stage = min(len(ended), max(len(self.settings.training.stages) - 1, 0))
        self._start = ended[self.stage - 1] if self.stage else 0
        create = partial(self.settings.create_task, self.stage)
        self.task, self.stage_settings = create(), self.settings.training.in_stage(self.stage)
        ready_to_train(self.task, create)
        self.own_loss = TaskLoss(self.task) if self.stage_settings.loss_fn == "task" else None
        if self.own_loss is not None:
            self.own_loss.check(self.result.net)

    @property
    def over(self) -> bool:
        """Whether the criterion is met or all trials are used."""
        return self.result.trained or self.result.n_trials - self._start >= self.stage_settings.n_trials

    @property
    def upcoming(self) -> range:
        """Numbers of the trials of the next update."""
        training, done = self.stage_settings, self.result.n_trials
        return range(done, min(done + training.batch_size, self._start + training.n_trials))

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next update, by its number in the stage, unitless (docs/model.md 3.2)."""
        return scheduled_rate(self.stage_settings, self.result.n_trials - self._start)

    @property
    def test_due(self) -> bool:
        """Whether the network is to be tested before the next update."""
        result, every, start = self.result, self.stage_settings.eval_freq, self._start
        tested = max(result.tests[-1]["trial"] - start, 0) if result.tests else 0
        done = result.n_trials - start
        return done // every > tested // every or (self.over and done > tested)

    @property
    def keep_due(self) -> bool:
        """Whether the weights are to be kept, after the last update."""
        every, done = self.settings.training.keep_weights, self.result.n_trials
        return every is not None and (done // every > self._before // every or done == 0)

    @property
    def distances(self) -> Float[torch.Tensor, "N N"] | None:
        """Distances of the units (N, N), unitless; None where they cost nothing (docs/model.md 3.4)."""
        if not self.stage_settings.penalties.distance:
            return None
        return torch.from_numpy(distances(places_of_units(self.settings.network, self.settings.seed)))

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
        self._before, n_trials = self.result.n_trials, self.upcoming.stop
        self.result.losses.append(loss)
        self.result.n_trials = n_trials
        self._check_finite(loss)

    def test_generators(self) -> list[np.random.Generator]:
        """Create the generators of the next test's trials.

        Returns:
            `eval_tr` generators of the network's own test stream.
        """
        n, training = self.stage_settings.eval_tr, self.settings.training
        first = sum(training.in_stage(test.get("stage", 1) - 1).eval_tr for test in self.result.tests)
        return [stream(self.settings.seed, "test", k) for k in range(first, first + n)]

    def test(self) -> None:
        """Test the network on fresh trials and apply the stopping rule; errors as `tested`."""
        loss_fn = self.stage_settings.loss_fn
        self.tested(score_trials(self.task, self.result.net, loss_fn, self.test_generators()))

    def tested(self, scores: Scores) -> None:
        """Count a test on `test_generators` and apply the stopping rule: go to the next stage, or end the training.

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
        stages, test = self.settings.training.stages, result.tests[-1]
        if stages:
            test["stage"] = self.stage + 1
        met = meets_criterion(test | {"trial": test["trial"] - self._start}, self.stage_settings, self.task)
        result.trained = met and self.stage == max(len(stages) - 1, 0)
        if met and stages:
            result.ended.append(result.n_trials)
            self._enter()
        result.seconds = time.perf_counter() - self._started

    def pause(self, updates: _Updates) -> None:
        """Update the optimizer's state and the time in the result.

        Args:
            updates: hold the optimizer's state.
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
    on_keep: Callable[[TrainingResult], None] | None = None,
    start: TrainingResult | None = None,
) -> TrainingResult:
    """Train one network until it meets the criterion of docs/model.md 3 or has used `n_trials`.

    Args:
        settings: of the run.
        device: torch device.
        on_test: called with the result so far after every test, for progress and records.
        checkpoints: a `Checkpoints`: where training continues from, and is saved to now and then.
        on_keep: called with the result so far before the first update and every `keep_weights` trials.
        start: where training starts without a checkpoint; by default from `initial_network`.

    Returns:
        TrainingResult; `trained` is False when the criterion was not met, which is a result and not an error.

    Raises:
        FloatingPointError: the loss is no longer finite.
        Interrupted: the process was told to end; a checkpoint is written.
    """
    training = Training(settings, device, (checkpoints.load(device) if checkpoints is not None else None) or start)
    result = training.result
    updates = _updates_of(training, result.optimizer)
    scheduled = settings.training.schedule != "constant"
    with one_thread():
        if on_keep and training.keep_due:
            on_keep(result)
        while True:
            if training.test_due:
                stage = training.stage
                training.test()
                if on_test:
                    on_test(result)
                if training.stage != stage:
                    updates = _updates_of(training, updates.state_dict())
            if training.over:
                break
            if checkpoints is not None and checkpoints.due():
                training.pause(updates)
                checkpoints.save(result)
            if scheduled:
                updates.learning_rate = training.learning_rate
            trials, x0, noise = training.draw()
            loss = updates.update(trials.u, trials.z, x0, noise, trials.weight, finite=False, steps=trials.steps)
            training.took(loss)
            if on_keep and training.keep_due:
                on_keep(result)
    training.pause(updates)
    result.finished = time.time()
    return result


def _updates_of(training: Training, state: dict[str, Any]) -> FusedUpdates | TorchUpdates:
    """Updates of the current stage that continue from an optimizer's state."""
    updates = make_updates(training.result.net, training.stage_settings, training.own_loss, training.distances)
    if state:
        updates.load_state_dict(state)
    return updates


def warm_up(settings: RunSettings) -> None:
    """Import and compile what training on the CPU needs, by one update and one test of a network that is discarded.

    Args:
        settings: of the run.
    """
    first = settings.in_stage(0)
    n = first.training.batch_size
    brief = {"n_trials": n, "eval_freq": n, "eval_tr": LANES_PAY, "start_from": None}
    training = first.training.model_copy(update=brief)
    with contextlib.suppress(FloatingPointError):  # that the run itself will meet
        train(first.model_copy(update={"training": training}))
