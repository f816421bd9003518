"""Evaluators of the `spiking` package, which run one trial at a time, and their registry by task."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any, ClassVar

import numpy as np

from ratecore.compat.aliases import accepts
from ratecore.compat.spiking_arguments import number, plain_content, split_amplitude, with_amplitude
from ratecore.settings.base import did_you_mean, task_key
from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking.lif import Simulator
from ratecore.spiking.scoring import TrialsOfTask, output_by_step
from ratecore.spiking.source import RateModel, rate_model
from ratecore.tasks import AbstractTask, GoNogoTask, ManteTask, TaskFactory, XORTask
from ratecore.tasks.trials import draw_stimulus, with_type


def task_of(model: Any, name: str | None, settings: Any, elsewhere: bool = False) -> AbstractTask:
    """Make the task that a network is run on, with the settings of the network's file where it has them.

    Args:
        model: RateModel.
        name: of a registered task; by default the one in the file, else go-nogo.
        settings: replace those of the file or the task's defaults; they may include `eval_amp_thresh`.
        elsewhere: whether the network is tested with them on purpose, so that no note says that they differ.

    Returns:
        the task.
    """
    settings, amplitude = split_amplitude(settings)
    saved = getattr(model, "task", None)
    if saved is None:
        task: AbstractTask = TaskFactory.create_task(name or "go-nogo", settings)
    else:
        task = saved.create(name or saved.name or "go-nogo", settings, elsewhere)
    with_amplitude(task, amplitude)
    return task


class Registry(MutableMapping[str, Any]):
    """Classes by the name of a task in any spelling: 'go_nogo' is 'go-nogo'."""

    def __init__(self, classes: dict[str, type]) -> None:
        self._classes: dict[str, Any] = {task_key(name): cls for name, cls in classes.items()}

    def __getitem__(self, name: str) -> Any:
        return self._classes[task_key(name)]

    def __setitem__(self, name: str, cls: Any) -> None:
        self._classes[task_key(name)] = cls

    def __delitem__(self, name: str) -> None:
        del self._classes[task_key(name)]

    def __contains__(self, name: object) -> bool:
        return task_key(str(name)) in self._classes

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def named(self, name: str) -> Any:
        """Get the class of a task. Raises ValueError with the nearest name."""
        if name not in self:
            available = ", ".join(sorted(self))
            raise ValueError(f"unknown task {name!r}{did_you_mean(task_key(name), self)}; available: {available}")
        return self[name]


class SpikingEvaluator:
    """What the `spiking` package's evaluators have besides their task: settings may include `eval_amp_thresh`."""

    amplitude: float

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        rest, amplitude = split_amplitude(settings)
        super().__init__(rest)  # type: ignore[call-arg]  # of the task that this class is combined with
        with_amplitude(self, amplitude)

    @property
    def eval_amp_thresh(self) -> float:
        """The output that counts as an answer, unitless."""
        return self.amplitude

    def evaluate_single_trial(
        self, model_path: Any, scaling_factor: Any, model_data: Any = None, *, seed: int | None = None
    ) -> int:
        """Run one trial of a random type.

        Args:
            model_path: of a network's file.
            scaling_factor: lambda, unitless.
            model_data: content of the file, so that it need not be read again.
            seed: of the trial; fresh entropy when None.

        Returns:
            1 for a correct answer, 0 for a wrong one. An error that prevents the trial is raised.
        """
        model = rate_model(model_path if model_data is None else plain_content(model_data))
        return _single_trial(self, model, scaling_factor, seed)


def _single_trial(
    task: Any, model: RateModel, scaling_factor: Any, seed: int | None, how: SpikingSettings | None = None
) -> int:
    seed = int(np.random.default_rng().integers(2**63)) if seed is None else seed
    (result,) = TrialsOfTask(model, task, how or SpikingSettings(), seed).run([0], [number(scaling_factor)])
    return result.correct[0]


class GoNogoSpikingEvaluator(SpikingEvaluator, GoNogoTask):
    """`GoNogoSpikingEvaluator` of the `spiking` package."""


class XORSpikingEvaluator(SpikingEvaluator, XORTask):
    """`XORSpikingEvaluator` of the `spiking` package."""


class ManteSpikingEvaluator(SpikingEvaluator, ManteTask):
    """`ManteSpikingEvaluator` of the `spiking` package."""


class Registered:
    """What the `spiking` package's factories of tasks and of evaluators share: classes by the name of a task."""

    _own: ClassVar[dict[str, type]]
    _registry: ClassVar[Registry]

    @classmethod
    def list_available_tasks(cls) -> list[str]:
        """List the names of all tasks with a class, sorted."""
        return sorted(cls._registry)

    @classmethod
    def added(cls, task_name: str) -> Any:
        """Get the class that a user registered for a task; None for those of the package."""
        registered = cls._registry.get(task_name)
        return None if registered is cls._own.get(task_key(task_name)) else registered


class SpikingEvaluatorFactory(Registered):
    """`SpikingEvaluatorFactory` of the `spiking` package. `_registry['name'] = Class` adds a class."""

    _own: ClassVar[dict[str, type]] = {
        "go-nogo": GoNogoSpikingEvaluator,
        "xor": XORSpikingEvaluator,
        "mante": ManteSpikingEvaluator,
    }
    _registry: ClassVar[Registry] = Registry(_own)

    @classmethod
    def create_evaluator(cls, task_name: str, settings: dict[str, Any] | None = None) -> Any:
        """Make the evaluator of a task. Raises ValueError for an unknown name."""
        return cls._registry.named(task_name)(settings)

    @classmethod
    def register_evaluator(cls, task_name: str, evaluator: type) -> None:
        """Make a class with `evaluate_single_trial` available as `task_name`.

        Raises:
            TypeError: it has no such method.
        """
        if not callable(getattr(evaluator, "evaluate_single_trial", None)):
            raise TypeError(f"register_evaluator: {evaluator!r} has no evaluate_single_trial")
        cls._registry[task_name] = evaluator


@accepts(curr_full="model_path")
def evaluate_single_trial(
    task_name: str,
    model_path: Any,
    scaling_factor: Any,
    settings: dict[str, Any] | None = None,
    model_data: Any = None,
    *,
    seed: int | None = None,
    use_initial_weights: bool = False,
    down_sample: int = 1,
) -> int:
    """`evaluate_single_trial` of the `spiking` package: run one trial of a spiking network on a task.

    Args:
        task_name: of a registered task or evaluator.
        model_path: as in `SpikingEvaluator.evaluate_single_trial`.
        scaling_factor: lambda, unitless.
        settings: replace the task's defaults.
        model_data: as in `SpikingEvaluator.evaluate_single_trial`; a user's evaluator does not get it.
        seed: of the trial; a user's evaluator does not get it.
        use_initial_weights: whether the weights before training are used.
        down_sample: `downsample` of `LIF_network_fnc`.

    Returns:
        1 for a correct answer, 0 for a wrong one.
    """
    if (evaluator := SpikingEvaluatorFactory.added(task_name)) is not None:
        result: int = evaluator(settings or {}).evaluate_single_trial(model_path, scaling_factor)
        return result
    model = rate_model(model_path if model_data is None else plain_content(model_data))
    how = SpikingSettings(use_initial_weights=use_initial_weights, downsample=down_sample)
    return _single_trial(task_of(model, task_name, settings), model, scaling_factor, seed, how)


def trials_of_each_type(
    model: RateModel, task: AbstractTask, scaling: float, settings: SpikingSettings | None = None, seed: int = 0
) -> list[dict[str, Any]]:
    """Run a trial of each trial type of a task, for the `spiking` package's `eval_*` functions.

    Args:
        model: the network.
        task: any.
        scaling: lambda, unitless.
        settings: of the simulation.
        seed: of the trials.

    Returns:
        for each trial_type: stimulus (n_in, T), target (T,), label, spikes (N, nt), output (nt,), params with dt (s),
        T (s) and nt, and whether it is correct. Several outputs have an axis of their own before time.
    """
    simulator, rng, rows = Simulator(model, settings or SpikingSettings()), np.random.default_rng(seed), []
    for kind in task.trial_types:
        drawn = task.collect([with_type(kind, draw_stimulus(task, kind, rng))])
        u = drawn.u[0]
        trial = simulator.record(scaling, u, simulator.draw(rng, simulator.steps(u.shape[1])))
        o = output_by_step(trial.out[None], simulator.settings, 1, u.shape[1], task.spiking_output)[0]
        row = {
            "trial_type": kind,
            "stimulus": u,
            "target": drawn.z[0],
            "label": drawn.labels[0],
            "spikes": trial.raster(model.N),
            "output": trial.out,
            "params": {"dt": trial.dt, "T": trial.nt * trial.dt, "nt": trial.nt},
            "correct": bool(task.is_correct_spiking(o, drawn.scored_by(0))),
        }
        rows.append(row)
    return rows
