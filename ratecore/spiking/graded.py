"""Spiking networks on trials of graded evidence: choices and response times, as of the rate network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ratecore.settings.elsewhere import ElsewhereSettings
from ratecore.settings.spiking import ConversionSettings, SpikingSettings
from ratecore.spiking.scoring import TrialsOfTask, spread_over
from ratecore.spiking.source import RateModel
from ratecore.system.processes import side_by_side
from ratecore.system.streams import stream
from ratecore.tasks import AbstractTask
from ratecore.tasks.decisions import Curves, decision_output, draw_graded, graded_points, times_of
from ratecore.tasks.trials import Trial, response_of, score
from ratecore.tasks.whole_trials import Trials


@dataclass(frozen=True)
class Decision:
    """What a spiking network did in one trial.

    Attributes:
        correct: whether the trial is correct.
        chosen: whether the choice is positive.
        time: response time, ms; NaN where the output never crosses the threshold.
    """

    correct: bool
    chosen: bool
    time: float


class GradedTrials(TrialsOfTask):
    """The LIF trials of one network on graded evidence.

    Trial k is one of point k // n; it is drawn from the stream `psychometric` of the seed, as that of the rate network,
    so that the stimuli are the same where the levels and the numbers of trials are.

    Args:
        model: the network.
        task: a task that grades its evidence.
        spiking: of the simulation.
        seed: of the run.
        settings: number of trials at each point, levels, and threshold of response times.
    """

    def __init__(
        self, model: RateModel, task: AbstractTask, spiking: SpikingSettings, seed: int, settings: ConversionSettings
    ) -> None:
        super().__init__(model, task, spiking, seed, settings.output_of_step)
        self.settings: ElsewhereSettings = settings
        self.n, self.points = settings.psychometric_trials, graded_points(task, settings.evidence_levels)

    def drawn(self, k: int) -> tuple[Trials, np.random.Generator]:
        rng = stream(self.seed, "psychometric", k)
        return draw_graded(self.task, self.points[k // self.n], [rng]), rng

    def decide(self, k: int, scaling_factor: float) -> Decision:
        """Run one trial.

        Args:
            k: number of the trial.
            scaling_factor: lambda, unitless.

        Returns:
            choice and response time.

        Source:
            docs/model.md 5.
        """
        u, scored_by, randomness = self.draw(k)
        out, _ = self.simulator.outputs([scaling_factor], u, randomness)
        o = self.by_step(out, u.shape[1])
        trial = scored_by if isinstance(scored_by, Trial) else None
        (time,) = times_of(self.task, o, None if trial is None else [trial], self.settings)
        correct = bool(score(self.task, o[0], scored_by, "is_correct_spiking"))
        return Decision(correct, self._choice(o[0], trial), float(time))

    def _choice(self, o: Float[np.ndarray, "*out T"], trial: Trial | None) -> bool:
        """Whether the mean output is positive in the window in which the spiking network is scored."""
        window = self.task.spiking_window if trial is None else response_of(self.task, trial)
        return bool(decision_output(self.task, o, trial)[window].mean() > 0)


def graded_curves(
    model: RateModel,
    task: AbstractTask,
    scaling_factor: float,
    settings: ConversionSettings,
    spiking: SpikingSettings,
    *,
    seed: int = 0,
    threads: int = 1,
) -> Curves:
    """Run a spiking network on trials of graded evidence.

    Args:
        model: the network.
        task: a task with `evidence_levels` and `draw_graded_trial`.
        scaling_factor: lambda, unitless.
        settings: `psychometric_trials` at each level of each trial type, levels, and threshold of response times.
        spiking: of the simulation.
        seed: of the run.
        threads: processes at once.

    Returns:
        choices and response times.

    Raises:
        RuntimeError: a process failed or was killed; the message says why.

    Source:
        Kim et al. 2019, Fig. 3.
    """
    trials = GradedTrials(model, task, spiking, seed, settings)
    P, n = len(trials.points), settings.psychometric_trials
    jobs = [numbers for numbers, _ in spread_over(range(P * n), [scaling_factor], threads)]

    def do(numbers: range) -> tuple[list[Decision], str]:
        try:
            return [trials.decide(k, scaling_factor) for k in numbers], ""
        except Exception as error:  # raised again below, with its message
            return [], f"{type(error).__name__}: {error}"

    if threads > 1:
        trials.warm_up()
        found = side_by_side(do, jobs, threads)
    else:
        found = [([trials.decide(k, scaling_factor) for k in numbers], "") for numbers in jobs]
    decisions: list[Decision] = []
    for part, error in found:
        if error:
            raise RuntimeError(f"LIF trials: {error}")
        decisions += part or []
    columns = ([getattr(d, name) for d in decisions] for name in ("correct", "chosen", "time"))
    correct, chosen, times = (np.array(column).reshape(P, n) for column in columns)
    return Curves(trials.points, correct, chosen, times.astype(float))
