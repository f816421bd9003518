"""Evaluators of the `spiking` package: one trial of one network at a time, and a registry of them by task."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import ClassVar

import numpy as np

from ratecore.compat.aliases import accepts
from ratecore.compat.spiking_arguments import number, plain_content, split_amplitude, with_amplitude
from ratecore.settings.base import did_you_mean, task_key
from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking.lif import Simulator
from ratecore.spiking.scoring import TrialsOfTask, output_by_step
from ratecore.spiking.source import rate_model
from ratecore.tasks import GoNogoTask, ManteTask, TaskFactory, XORTask


def task_of(model, name: str | None, settings: dict | None):
    """The task on which a network is run: with the settings of its file where that holds them.

    Args:
        model: RateModel.   name: of a registered task; by default the one in the file, else go-nogo.
        settings: in place of those of the file or of the task's defaults; they may include `eval_amp_thresh`.
    """
    settings, amplitude = split_amplitude(settings)
    saved = getattr(model, "task", None)
    if saved is None:
        return with_amplitude(TaskFactory.create_task(name or "go-nogo", settings), amplitude)
    return with_amplitude(saved.create(name or saved.name or "go-nogo", settings), amplitude)


class Registry(MutableMapping):
    """Classes by the name of a task, in any of its spellings: 'go_nogo' is 'go-nogo'."""

    def __init__(self, classes: dict[str, type]):
        self._classes = {task_key(name): cls for name, cls in classes.items()}

    def __getitem__(self, name):
        return self._classes[task_key(name)]

    def __setitem__(self, name, cls):
        self._classes[task_key(name)] = cls

    def __delitem__(self, name):
        del self._classes[task_key(name)]

    def __contains__(self, name):
        return task_key(name) in self._classes

    def __iter__(self):
        return iter(self._classes)

    def __len__(self):
        return len(self._classes)

    def named(self, name: str) -> type:
        """The class of a task. Raises ValueError with the nearest name."""
        if name not in self:
            available = ", ".join(sorted(self))
            raise ValueError(f"unknown task {name!r}{did_you_mean(task_key(name), self)}; available: {available}")
        return self[name]


class SpikingEvaluator:
    """What an evaluator has besides its task: the settings may include `eval_amp_thresh`."""

    def __init__(self, settings: dict | None = None):
        settings, amplitude = split_amplitude(settings)
        super().__init__(settings)
        with_amplitude(self, amplitude)

    @property
    def eval_amp_thresh(self) -> float:
        """The output from which on a trial is answered."""
        return self.amplitude

    def evaluate_single_trial(self, model_path, scaling_factor, model_data=None, *, seed=None) -> int:
        """Runs one trial of a random type.

        Args:
            model_path: of a network's file.   model_data: its content, in place of reading it again.
            scaling_factor: lambda.   seed: of the trial; fresh entropy when None.

        Returns:
            1 for a correct answer, 0 for a wrong one. Whatever keeps the trial from being run is raised.
        """
        model = rate_model(model_path if model_data is None else plain_content(model_data))
        return _single_trial(self, model, scaling_factor, seed)


def _single_trial(task, model, scaling_factor, seed, how=None) -> int:
    seed = int(np.random.default_rng().integers(2**63)) if seed is None else seed
    (result,) = TrialsOfTask(model, task, how or SpikingSettings(), seed).run([0], [number(scaling_factor)])
    return result.correct[0]


class GoNogoSpikingEvaluator(SpikingEvaluator, GoNogoTask):
    """Go-NoGo trials of a spiking network."""


class XORSpikingEvaluator(SpikingEvaluator, XORTask):
    """XOR trials of a spiking network."""


class ManteSpikingEvaluator(SpikingEvaluator, ManteTask):
    """Mante trials of a spiking network."""


class Registered:
    """What the factories of spiking tasks and of evaluators share: classes by the name of a task."""

    _own: ClassVar[dict[str, type]]
    _registry: ClassVar[Registry]

    @classmethod
    def list_available_tasks(cls) -> list[str]:
        """Names of all tasks with a class, sorted."""
        return sorted(cls._registry)

    @classmethod
    def added(cls, task_name: str) -> type | None:
        """The class that a user registered for a task; None for those of the package."""
        found = cls._registry.get(task_name)
        return None if found is cls._own.get(task_key(task_name)) else found


class SpikingEvaluatorFactory(Registered):
    """The registry of evaluators. A class of your own is added by `_registry['name'] = Class`."""

    _own: ClassVar[dict[str, type]] = {
        "go-nogo": GoNogoSpikingEvaluator,
        "xor": XORSpikingEvaluator,
        "mante": ManteSpikingEvaluator,
    }
    _registry: ClassVar[Registry] = Registry(_own)

    @classmethod
    def create_evaluator(cls, task_name: str, settings: dict | None = None):
        """The evaluator of a task. Raises ValueError for an unknown name."""
        return cls._registry.named(task_name)(settings)

    @classmethod
    def register_evaluator(cls, task_name: str, evaluator: type) -> None:
        """Makes a class with `evaluate_single_trial` available as `task_name`.

        Raises:
            TypeError: it has no such method.
        """
        if not callable(getattr(evaluator, "evaluate_single_trial", None)):
            raise TypeError(f"register_evaluator: {evaluator!r} has no evaluate_single_trial")
        cls._registry[task_name] = evaluator


@accepts(curr_full="model_path")
def evaluate_single_trial(task_name, model_path, scaling_factor, settings=None, model_data=None, *, seed=None,
                          use_initial_weights=False, down_sample=1) -> int:  # fmt: skip
    """One trial of a spiking network on a task: 1 for a correct answer, 0 for a wrong one.

    Args:
        task_name: of a registered task or evaluator.   settings: over its defaults.
        model_path, scaling_factor, model_data, seed: as of `SpikingEvaluator.evaluate_single_trial`; an evaluator that
            a user registered gets the first two alone.
        use_initial_weights, down_sample: as of `LIF_network_fnc`, where the latter is `downsample`.
    """
    if (evaluator := SpikingEvaluatorFactory.added(task_name)) is not None:
        return evaluator(settings or {}).evaluate_single_trial(model_path, scaling_factor)
    model = rate_model(model_path if model_data is None else plain_content(model_data))
    how = SpikingSettings(use_initial_weights=use_initial_weights, downsample=down_sample)
    return _single_trial(task_of(model, task_name, settings), model, scaling_factor, seed, how)


def trials_of_each_type(model, task, scaling: float, settings=None, seed=0) -> list[dict]:
    """A trial of each trial type of a task.

    Returns:
        of each trial_type: stimulus (n_in, T), target (T,), label, spikes (N, nt), output (nt,), params with dt (s), T
        (s) and nt, and whether it is correct.
    """
    simulator, rng, found = Simulator(model, settings or SpikingSettings()), np.random.default_rng(seed), []
    for kind in task.trial_types:
        u, label = task.generate_stimulus(kind, rng)
        trial = simulator.record(scaling, u, simulator.draw(rng, simulator.steps(u.shape[1])))
        o = output_by_step(trial.out[None], simulator.settings, 1, task.T, task.spiking_output)[0]
        params = {"dt": trial.dt, "T": trial.nt * trial.dt, "nt": trial.nt}
        found.append({"trial_type": kind, "stimulus": u, "target": task.generate_target(label), "label": label,
                      "spikes": trial.raster(model.N), "output": trial.out, "params": params,
                      "correct": bool(task.is_correct_spiking(o, label))})  # fmt: skip
    return found
