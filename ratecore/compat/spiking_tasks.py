"""Tasks of the `spiking` package: they draw stimuli and score networks that have its `simulate`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np

from ratecore.compat.spiking_evaluation import Registered, Registry
from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking.scoring import output_by_step
from ratecore.tasks import TaskFactory


class AbstractSpikingTask(ABC):
    """A task for spiking networks. What a subclass does not define is asked for when it is first needed.

    Args:
        settings: of the task; `get_default_settings()` when None.
    """

    def __init__(self, settings: dict | None = None):
        self.settings = dict(settings or self.get_default_settings())
        self.validate_settings()

    @abstractmethod
    def get_default_settings(self) -> dict:
        """Settings when none are given."""

    def validate_settings(self) -> None:  # noqa: B027
        """Raises ValueError for settings that cannot be; by default all can."""

    @abstractmethod
    def generate_stimulus(self, trial_type: str | None = None):
        """A stimulus (n_in, T) and its label; of any type when None."""

    def evaluate_trial(self, spiking_rnn, stimulus, label) -> dict:
        """Runs a trial; the result has at least `correct`."""
        raise NotImplementedError(f"{type(self).__name__} must define evaluate_trial(spiking_rnn, stimulus, label)")

    def evaluate_performance(self, spiking_rnn, n_trials: int = 100) -> dict[str, float]:
        """overall_accuracy and n_trials; with `get_sample_trial_types` also <type>_accuracy and <type>_trials."""
        kinds = self.get_sample_trial_types() or [None]
        correct: dict = {}
        for _ in range(n_trials):
            kind = kinds[np.random.default_rng().integers(len(kinds))]
            result = self.evaluate_trial(spiking_rnn, *self.generate_stimulus(kind))
            correct.setdefault(kind, []).append(bool(result["correct"]))
        scores = {"overall_accuracy": float(np.mean(np.concatenate(list(correct.values())))), "n_trials": n_trials}
        for kind in kinds if kinds != [None] else []:
            of = correct.get(kind, [])
            scores |= {f"{kind}_accuracy": float(np.mean(of)) if of else float("nan"), f"{kind}_trials": len(of)}
        return scores

    def get_sample_trial_types(self) -> list[str]:
        """Types of trials that are drawn and counted; by default none."""
        return []

    def create_plots_directory(self, base_dir) -> str:
        """Makes the folder `plots` in a folder. Returns its path."""
        folder = Path(base_dir, "plots")
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)


class PaperSpikingTask(AbstractSpikingTask):
    """One of the tasks of Kim et al. (2019), scored by the paper's criterion for spiking networks."""

    kind: ClassVar[str]
    words: ClassVar[dict] = {}  # labels of the `spiking` package for ratecore's, where they differ

    def __init__(self, settings: dict | None = None):
        self.task = TaskFactory.create_task(self.kind, settings)
        super().__init__(self.task.settings)

    def get_default_settings(self) -> dict:
        """The settings with which networks are trained."""
        return dict(TaskFactory.task_class(self.kind).defaults)

    def get_sample_trial_types(self) -> list[str]:
        """All trial types."""
        return list(self.task.trial_types)

    def generate_stimulus(self, trial_type: str | None = None, seed=None):
        """A stimulus u (n_in, T) and its label; as of the task, 'go' and 'nogo' for Go-NoGo."""
        u, label = self.task.generate_stimulus(trial_type, seed)
        return u, self.words.get(label, label)

    def evaluate_trial(self, spiking_rnn, stimulus, label) -> dict:
        """Runs a trial.

        Args:
            spiking_rnn: has `simulate(stimulus, stims)`, such as LIFNetworkAdapter.
            stimulus, label: as of `generate_stimulus`.

        Returns:
            stimulus, label, spikes (N, nt), voltages, output (nt,), output_mean, correct, params.
        """
        spikes, voltages, output, params = spiking_rnn.simulate(stimulus, {"mode": "none"})
        output = np.asarray(output, float).ravel()
        settings = SpikingSettings(dt=round(1000 * params["dt"], 9))
        o = output_by_step(output[None], settings, 1, self.task.T, self.task.spiking_output)[0]
        own = {word: known for known, word in self.words.items()}.get(label, label)
        return {"stimulus": stimulus, "label": label, "spikes": spikes, "voltages": voltages, "output": output,
                "output_mean": float(output.mean()), "correct": bool(self.task.is_correct_spiking(o, own)),
                "params": params}  # fmt: skip

    def create_visualization(self, results: list[dict], save_dir) -> None:
        """Saves spikes and output of results of `evaluate_trial` in `plots` of a folder: trial_<k>_<label>.png."""
        from ratecore.figures import png, raster
        from ratecore.spiking.comparison import Example
        from ratecore.system.files import write_atomic

        folder = Path(self.create_plots_directory(save_dir))
        for k, result in enumerate(results):
            dt, none = result["params"]["dt"], np.zeros(len(result["spikes"]), bool)
            units, steps = np.nonzero(result["spikes"])
            order = np.argsort(steps, kind="stable")
            trial = Example(np.asarray(result["stimulus"], float), dt, steps[order], units[order], result["output"], dt)
            figure = raster({str(result["label"]): trial}, none, none, self.task.stimulus_windows,
                            self.task.response_steps)  # fmt: skip
            write_atomic(folder / f"trial_{k}_{result['label']}.png", png(figure))


class GoNogoSpikingTask(PaperSpikingTask):
    """Go-NoGo; the labels are 'go' and 'nogo'."""

    kind = "go-nogo"
    words = {1: "go", 0: "nogo"}


class XORSpikingTask(PaperSpikingTask):
    """Temporal exclusive OR; the labels are 'same' and 'diff'."""

    kind = "xor"


class ManteSpikingTask(PaperSpikingTask):
    """Context-dependent integration; the labels are +1 and -1."""

    kind = "mante"


class SpikingTaskFactory(Registered):
    """The registry of spiking tasks."""

    _own: ClassVar[dict[str, type]] = {"go-nogo": GoNogoSpikingTask, "xor": XORSpikingTask, "mante": ManteSpikingTask}
    _registry: ClassVar[Registry] = Registry(_own)

    @classmethod
    def create_task(cls, task_name: str, settings: dict | None = None) -> AbstractSpikingTask:
        """A task by its name. Raises ValueError for an unknown one."""
        return cls._registry.named(task_name)(settings)

    @classmethod
    def register_task(cls, task_name: str, task_class: type) -> None:
        """Makes a class available as `task_name`. Raises TypeError for no subclass of AbstractSpikingTask."""
        if not (isinstance(task_class, type) and issubclass(task_class, AbstractSpikingTask)):
            raise TypeError(f"register_task: {task_class!r} is not a subclass of AbstractSpikingTask")
        cls._registry[task_name] = task_class
