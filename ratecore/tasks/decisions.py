"""Choices and response times on trials of graded evidence: which way an output goes, and when it decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ratecore.settings.elsewhere import ElsewhereSettings
from ratecore.system.crossings import first_crossings
from ratecore.tasks.base import ACCURACY_AMPLITUDE, AbstractTask
from ratecore.tasks.multi import MultiTask, joined
from ratecore.tasks.trials import Trial, response_of, with_type
from ratecore.tasks.whole_trials import Trials

STEP_MS = 5


@dataclass(frozen=True)
class Curves:
    """Choices and response times at each strength of evidence of each trial type; P points of n trials.

    Attributes:
        points: P pairs (trial type, evidence), the evidence signed, in the task's unit.
        correct: whether each trial is correct (P, n).
        chosen: whether the choice of each trial is positive (P, n).
        times: response time of each trial (P, n), ms; NaN where the output never crosses the threshold.
    """

    points: Sequence[tuple[str, float]]
    correct: Bool[np.ndarray, "P n"]
    chosen: Bool[np.ndarray, "P n"]
    times: Float[np.ndarray, "P n"]

    @property
    def psychometric(self) -> list[dict[str, Any]]:
        """Rows with trial_type, evidence, n, accuracy and p_positive (share of positive choices)."""
        return [
            {
                "trial_type": kind,
                "evidence": level,
                "n": correct.size,
                "accuracy": float(correct.mean()),
                "p_positive": float(chosen.mean()),
            }
            for (kind, level), correct, chosen in zip(self.points, self.correct, self.chosen, strict=True)
        ]

    @property
    def chronometric(self) -> list[dict[str, Any]]:
        """Rows with trial_type, evidence, n, crossed (share of trials with a response time), median, q25, q75 (ms).

        The median and quartiles are of the trials that cross; they are left out where none does.
        """
        rows = []
        for (kind, level), times in zip(self.points, self.times, strict=True):
            there = times[~np.isnan(times)]
            row = {"trial_type": kind, "evidence": level, "n": times.size, "crossed": there.size / times.size}
            if there.size:
                quartiles = np.quantile(there, (0.5, 0.25, 0.75)).tolist()
                row |= dict(zip(("median", "q25", "q75"), quartiles, strict=True))
            rows.append(row)
        return rows


def graded_points(task: AbstractTask, levels: Sequence[float] | None = None) -> list[tuple[str, float]]:
    """List the points of a task's curves.

    Args:
        task: the task.
        levels: strengths of evidence, signed, in the task's unit; its own when None.

    Returns:
        (trial type, evidence) of each, the evidence in the task's unit, such as a fraction of the dots; none for a task
        that does not grade its evidence.

    Source: none
    """
    if not task.evidence_levels:
        return []
    if isinstance(task, MultiTask):
        points = {name: graded_points(part, levels) for name, part in task.parts.items()}
        return [(joined(name, kind), level) for name, own in points.items() for kind, level in own]
    return [(kind, level) for kind in task.trial_types for level in levels or task.evidence_levels]


def draw_graded(task: AbstractTask, point: tuple[str, float], generators: Sequence[np.random.Generator]) -> Trials:
    """Draw trials of one trial type and strength of evidence.

    Args:
        task: that grades its evidence.
        point: trial type and signed evidence, in the task's unit.
        generators: of the trials.

    Returns:
        the trials, checked.

    Raises:
        TaskError: the task returned something else than a trial.

    Source: none
    """
    graded: Any = task  # `draw_graded_trial` is a method of tasks with `evidence_levels` only
    return task.collect(with_type(point[0], graded.draw_graded_trial(*point, rng)) for rng in generators)


def decision_threshold(task: AbstractTask, given: float | None = None, trial: Trial | None = None) -> float:
    """The absolute output at which a choice is made.

    Args:
        task: the task.
        given: threshold in place of the task's, unitless.
        trial: the trial, of several tasks in one network.

    Returns:
        `given`; else the output that the task's criterion asks for, its `amplitude` or `answer_amplitude`; else 0.7.

    Source:
        docs/model.md 2.
    """
    if isinstance(task, MultiTask) and trial is not None:
        return decision_threshold(task.parts[trial.info["task"]], given)
    own = getattr(task, "amplitude", getattr(task, "answer_amplitude", ACCURACY_AMPLITUDE))
    return float(own if given is None else given)


def decision_onset(task: AbstractTask, trial: Trial | None = None, since: str = "stimulus") -> int:
    """The step from which response times count.

    Args:
        task: the task.
        trial: the trial, of a task that draws Trials.
        since: 'stimulus', the onset of the last stimulus, or 'response', that of the response window.

    Returns:
        step; that of the response window, too, where there is no stimulus.

    Source: none
    """
    windows = task.stimulus_windows if trial is None else list(trial.stimuli)
    if since == "stimulus" and windows:
        return int(max(start for start, _ in windows))
    return int(response_of(task, trial).indices(task.T if trial is None else trial.T)[0])


def times_of(
    task: AbstractTask,
    o: Float[np.ndarray, "B *out T"],
    trials: Sequence[Trial] | None,
    settings: ElsewhereSettings,
) -> Float[np.ndarray, " B"]:
    """Response times on trials of a task.

    Args:
        task: that drew the trials.
        o: outputs (B, T), or (B, n_out, T) of several outputs, unitless.
        trials: the trials, of a task that draws Trials.
        settings: threshold, and where times count from.

    Returns:
        times (B,), ms; NaN where the output never crosses the threshold.

    Source: none
    """
    since, given = settings.response_time_from, settings.decision_threshold
    if not trials:
        onset = decision_onset(task, None, since)
        return STEP_MS * first_crossings(o if o.ndim == 2 else o[:, 0], decision_threshold(task, given), onset)
    own = np.array([decision_output(task, row, trial) for row, trial in zip(o, trials, strict=True)])
    thresholds = np.array([decision_threshold(task, given, trial) for trial in trials])
    onsets = np.array([decision_onset(task, trial, since) for trial in trials])
    return STEP_MS * first_crossings(own, thresholds, onsets)


def decision_output(
    task: AbstractTask, o: Float[np.ndarray, "*out T"], trial: Trial | None = None
) -> Float[np.ndarray, " T"]:
    """The output by which a choice is made: the first, of several tasks in one network the first of the trial's task.

    Args:
        task: the task.
        o: output (T,), or (n_out, T) of several outputs, unitless.
        trial: the trial, of a task that draws Trials.

    Returns:
        (T,), unitless.

    Source: none
    """
    if o.ndim == 1:
        return o
    own: Float[np.ndarray, " T"] = o[task.output_of(trial) if isinstance(task, MultiTask) and trial is not None else 0]
    return own
