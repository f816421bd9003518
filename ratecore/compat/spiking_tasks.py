"""Tasks of the `spiking` package, which draw stimuli and score networks with a method `simulate`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ratecore.compat.spiking_evaluation import Registered, Registry
from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking.scoring import output_by_step
from ratecore.tasks import AbstractTask, TaskFactory


class AbstractSpikingTask(ABC):
    """`AbstractSpikingTask` of the `spiking` package: the interface of a user's task.

    Args:
        settings: of the task; `get_default_settings()` when None.
    """

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        self.settings = dict(settings or self.get_default_settings())
        self.validate_settings()

    @abstractmethod
    def get_default_settings(self) -> dict[str, Any]:
        """Get the settings that are used when none are given."""

    def validate_settings(self) -> None:  # noqa: B027
        """Raise ValueError for impossible settings; by default all are possible."""

    @abstractmethod
    def generate_stimulus(self, trial_type: str | None = None) -> Any:
        """Draw a stimulus (n_in, T), unitless, and its label; of any type when None."""

    def evaluate_trial(self, spiking_rnn: Any, stimulus: Any, label: Any) -> dict[str, Any]:
        """Run a trial; the result has at least `correct`."""
        raise NotImplementedError(f"{type(self).__name__} must define evaluate_trial(spiking_rnn, stimulus, label)")

    def evaluate_performance(self, spiking_rnn: Any, n_trials: int = 100) -> dict[str, float]:
        """Score a network: overall_accuracy, n_trials and, with trial types, <type>_accuracy and <type>_trials."""
        kinds: list[str] | list[None] = self.get_sample_trial_types() or [None]
        correct: dict[str | None, list[bool]] = {}
        for _ in range(n_trials):
            kind = kinds[np.random.default_rng().integers(len(kinds))]
            result = self.evaluate_trial(spiking_rnn, *self.generate_stimulus(kind))
            correct.setdefault(kind, []).append(bool(result["correct"]))
        scores = {"overall_accuracy": float(np.mean(np.concatenate(list(correct.values())))), "n_trials": n_trials}
        for kind in kinds if kinds != [None] else []:
            results = correct.get(kind, [])
            accuracy = float(np.mean(results)) if results else float("nan")
            scores |= {f"{kind}_accuracy": accuracy, f"{kind}_trials": len(results)}
        return scores

    def get_sample_trial_types(self) -> list[str]:
        """List the types of trials that are drawn and counted; by default none."""
        return []

    def create_plots_directory(self, base_dir: Any) -> str:
        """Make the folder `plots` in a folder and return its path."""
        folder = Path(base_dir, "plots")
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)


class PaperSpikingTask(AbstractSpikingTask):
    """A `spiking` package task from Kim et al. (2019), scored by the paper's criterion for spiking networks."""

    kind: ClassVar[str]
    words: ClassVar[dict[Any, str]] = {}  # labels of the `spiking` package for ratecore's, where they differ

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        self.task: AbstractTask = TaskFactory.create_task(self.kind, settings)
        super().__init__(self.task.settings)

    def get_default_settings(self) -> dict[str, Any]:
        """Get the settings that networks are trained with."""
        return dict(TaskFactory.task_class(self.kind).defaults)

    def get_sample_trial_types(self) -> list[str]:
        """List all trial types."""
        return list(self.task.trial_types)

    def generate_stimulus(self, trial_type: str | None = None, seed: Any = None) -> Any:
        """Draw a stimulus u (n_in, T), unitless, and its label, 'go' or 'nogo' for Go-NoGo."""
        u, label = self.task.generate_stimulus(trial_type, seed)
        return u, self.words.get(label, label)

    def evaluate_trial(self, spiking_rnn: Any, stimulus: Any, label: Any) -> dict[str, Any]:
        """Run a trial.

        Args:
            spiking_rnn: has `simulate(stimulus, stims)`, such as LIFNetworkAdapter.
            stimulus: from `generate_stimulus`.
            label: from `generate_stimulus`.

        Returns:
            stimulus, label, spikes (N, nt), voltages (mV), output (nt,), output_mean, correct, params.
        """
        spikes, voltages, output, params = spiking_rnn.simulate(stimulus, {"mode": "none"})
        output = np.asarray(output, float).ravel()
        settings = SpikingSettings(dt=round(1000 * params["dt"], 9))
        o = output_by_step(output[None], settings, 1, self.task.T, self.task.spiking_output)[0]
        own = {word: known for known, word in self.words.items()}.get(label, label)
        return {
            "stimulus": stimulus,
            "label": label,
            "spikes": spikes,
            "voltages": voltages,
            "output": output,
            "output_mean": float(output.mean()),
            "correct": bool(self.task.is_correct_spiking(o, own)),
            "params": params,
        }

    def create_visualization(self, results: list[dict[str, Any]], save_dir: Any) -> None:
        """Draw spikes and output of results of `evaluate_trial` in the folder `plots`: trial_<k>_<label>.png."""
        from ratecore.figures import png, raster
        from ratecore.spiking.results import Example
        from ratecore.system.files import write_atomic

        folder = Path(self.create_plots_directory(save_dir))
        for k, result in enumerate(results):
            dt, none = result["params"]["dt"], np.zeros(len(result["spikes"]), bool)
            units, steps = np.nonzero(result["spikes"])
            order = np.argsort(steps, kind="stable")
            trial = Example(np.asarray(result["stimulus"], float), dt, steps[order], units[order], result["output"], dt)
            task, examples = self.task, {str(result["label"]): trial}
            figure = raster(examples, none, none, task.stimulus_windows, task.response_steps)
            write_atomic(folder / f"trial_{k}_{result['label']}.png", png(figure))


class GoNogoSpikingTask(PaperSpikingTask):
    """`GoNogoSpikingTask` of the `spiking` package; the labels are 'go' and 'nogo'."""

    kind = "go-nogo"
    words = {1: "go", 0: "nogo"}


class XORSpikingTask(PaperSpikingTask):
    """`XORSpikingTask` of the `spiking` package; the labels are 'same' and 'diff'."""

    kind = "xor"


class ManteSpikingTask(PaperSpikingTask):
    """`ManteSpikingTask` of the `spiking` package; the labels are +1 and -1."""

    kind = "mante"


class SpikingTaskFactory(Registered):
    """`SpikingTaskFactory` of the `spiking` package: the registry of spiking tasks."""

    _own: ClassVar[dict[str, type]] = {"go-nogo": GoNogoSpikingTask, "xor": XORSpikingTask, "mante": ManteSpikingTask}
    _registry: ClassVar[Registry] = Registry(_own)

    @classmethod
    def create_task(cls, task_name: str, settings: dict[str, Any] | None = None) -> AbstractSpikingTask:
        """Make a task by its name. Raises ValueError for an unknown one."""
        task: AbstractSpikingTask = cls._registry.named(task_name)(settings)
        return task

    @classmethod
    def register_task(cls, task_name: str, task_class: type) -> None:
        """Make a class available as `task_name`. Raises TypeError unless it is a subclass of AbstractSpikingTask."""
        if not (isinstance(task_class, type) and issubclass(task_class, AbstractSpikingTask)):
            raise TypeError(f"register_task: {task_class!r} is not a subclass of AbstractSpikingTask")
        cls._registry[task_name] = task_class
