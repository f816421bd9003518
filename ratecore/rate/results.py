"""What training and evaluating a network gave, as plain data: nothing here trains, runs or reads anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from ratecore.tasks.base import AbstractTask
from ratecore.tasks.decisions import Curves, decision_output
from ratecore.tasks.trials import Trial, response_of

if TYPE_CHECKING:  # without PyTorch
    from ratecore.rate.network import RateNetwork


@dataclass
class Scores:
    """Outputs and scores of B trials.

    Attributes:
        losses: of each trial (B,), unitless.
        correct: whether each trial is correct (B,), bool; NaN for a task without `is_correct`.
        outputs: (B, T), or (B, n_out, T) of several outputs, unitless, step t in column t; column 0 is the readout of
            r[0], and columns after the end of a trial shorter than T are NaN.
        labels: B labels.
        conditions: names of the conditions (B,).
        trials: B Trials, for tasks that draw Trials.
    """

    losses: Float[np.ndarray, " B"]
    correct: Shaped[np.ndarray, " B"]
    outputs: Float[np.ndarray, "B *out T"]
    labels: Sequence[Any]
    conditions: Shaped[np.ndarray, " B"]
    trials: Sequence[Trial] | None = None

    @property
    def loss(self) -> float:
        """Mean loss of the trials, unitless (docs/model.md 3)."""
        return float(self.losses.mean())

    @property
    def accuracy(self) -> float:
        """Share of correct trials, in [0, 1] (docs/model.md 2)."""
        return float(self.correct.mean())

    def by_condition(self) -> dict[str, dict[str, Any]]:
        """Summarise the trials of each condition.

        Returns:
            for each condition, in alphabetical order: n, accuracy, loss, output_mean and output_sd (T,), or (n_out, T),
            unitless, over the trials that last that long; NaN where none does.

        Source: none
        """
        table: dict[str, dict[str, Any]] = {}
        for name in sorted(set(self.conditions.tolist())):
            chosen = self.conditions == name
            outputs = self.outputs[chosen]
            table[name] = {
                "n": int(chosen.sum()),
                "accuracy": float(self.correct[chosen].mean()),
                "loss": float(self.losses[chosen].mean()),
                "output_mean": outputs.mean(0),
                "output_sd": outputs.std(0),
            }
            if np.isnan(outputs).any():
                lasting = ~np.isnan(outputs)
                n = np.where(lasting.any(0), lasting.sum(0), np.nan)
                mean = np.where(lasting, outputs, 0).sum(0) / n
                deviations = np.where(lasting, outputs - mean, 0)
                table[name] |= {"output_mean": mean, "output_sd": np.sqrt(np.square(deviations).sum(0) / n)}
        return table

    def choices(self, task: AbstractTask) -> Shaped[np.ndarray, " B"]:
        """The sign of each trial's mean output in its response window: of the first output, or of its task's.

        Args:
            task: that drew the trials.

        Returns:
            (B,), bool, True for a positive mean.

        Source: none
        """
        if self.trials is None:
            first = self.outputs if self.outputs.ndim == 2 else self.outputs[:, 0]
            positive: Shaped[np.ndarray, " B"] = first[:, task.response_window].mean(1) > 0
            return positive
        pairs = zip(self.outputs, self.trials, strict=True)
        return np.array([decision_output(task, o, trial)[response_of(task, trial)].mean() > 0 for o, trial in pairs])


@dataclass
class Activity:
    """What a network did in B trials.

    Everything is NaN after the end of a trial shorter than T.

    Attributes:
        x: synaptic currents (B, T, N), unitless; x[:, 0] is the first state.
        r: firing rates (B, T, N), unitless.
        o: outputs (B, T), or (B, n_out, T) of several outputs, unitless; those that were scored, in the precision of
            the network.
        u: inputs (B, n_in, T), unitless, with the noise that was added to them.
        z: targets in the shape of `o`, unitless.
        scores: of the trials.
        steps: length of each trial (B,), steps.
    """

    x: Float[np.ndarray, "B T N"]
    r: Float[np.ndarray, "B T N"]
    o: Float[np.ndarray, "B *out T"]
    u: Float[np.ndarray, "B n_in T"]
    z: Float[np.ndarray, "B *out T"]
    scores: Scores
    steps: Int[np.ndarray, " B"]


@dataclass
class Evaluation:
    """Scores of a trained network on fresh trials.

    Attributes:
        scores: of the trials.
        response: (start, stop) of the response window, steps.
        psychometric: a row for each trial type and strength of evidence, for tasks that grade it: trial_type,
            evidence (signed, as a multiple of the task's offset), n, accuracy, p_positive (share of trials with a
            positive mean output in the response window).
        chronometric: a row for each of these: trial_type, evidence, n, crossed (share of trials whose output crosses
            the threshold), median, q25 and q75 of their response times (ms), which are left out where none crosses.
        times: response times that `chronometric` is made of (P, n), ms, NaN where the output never crosses.
    """

    scores: Scores
    response: tuple[int, int]
    psychometric: list[dict[str, Any]] = field(default_factory=list)
    chronometric: list[dict[str, Any]] = field(default_factory=list)
    times: Float[np.ndarray, "P n"] | None = None

    def add_curves(self, curves: Curves) -> None:
        """Take over choices and response times on trials of graded evidence.

        Args:
            curves: of the network.
        """
        self.psychometric, self.chronometric, self.times = curves.psychometric, curves.chronometric, curves.times

    def summary(self) -> dict[str, Any]:
        """Summarise the scores in plain numbers to six decimals, for people and JSON.

        Returns:
            n_trials, accuracy, loss, a dict for each condition, and the rows of `psychometric` and `chronometric`.
        """
        conditions = {
            name: {
                "n": row["n"],
                "accuracy": round(row["accuracy"], 6),
                "loss": round(row["loss"], 6),
                **self._responses(row["output_mean"], row["output_sd"]),
            }
            for name, row in self.scores.by_condition().items()
        }
        s = self.scores
        return {
            "n_trials": len(s.losses),
            "accuracy": round(s.accuracy, 6),
            "loss": round(s.loss, 6),
            "conditions": conditions,
            "psychometric": self.psychometric,
            "chronometric": self.chronometric,
        }

    def _responses(self, mean: Float[np.ndarray, "*out T"], sd: Float[np.ndarray, "*out T"]) -> dict[str, float]:
        """Mean and standard deviation of each output in the response window; outputs after the first are numbered."""
        window, responses = slice(*self.response), {}
        for k, (of_mean, of_sd) in enumerate(zip(np.atleast_2d(mean), np.atleast_2d(sd), strict=True)):
            number = f"_{k + 1}" if k else ""
            for name, values in (("mean", of_mean[window]), ("sd", of_sd[window])):
                lasting = values[~np.isnan(values)]
                responses[f"response_{name}{number}"] = round(float(lasting.mean()), 6) if lasting.size else math.nan
        return responses


@dataclass
class TrainingResult:
    """The network and the course of its training, complete or so far.

    Attributes:
        net: the trained network.
        initial: its state_dict before training.
        optimizer: Adam's state_dict.
        losses: of every update, unitless.
        tests: dicts with trial, updates (so far), train_loss (mean since the last test), loss, accuracy, and in a
            curriculum stage, its number from 1.
        last_test: scores of the last test.
        trained: whether the criterion was met.
        n_trials: trials used.
        seconds: time spent training, s.
        finished: when it ended, s since 1970.
        ended: numbers of trials after which the stages of a curriculum ended.
    """

    net: RateNetwork
    initial: dict[str, Any]
    optimizer: dict[str, Any] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    tests: list[dict[str, Any]] = field(default_factory=list)
    last_test: Scores | None = None
    trained: bool = False
    n_trials: int = 0
    seconds: float = 0.0
    finished: float = 0.0
    ended: list[int] = field(default_factory=list)
