"""Spiking networks on trials of a task. Each trial depends only on the task, the seed and its number."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking.lif import Randomness, Simulator
from ratecore.spiking.source import RateModel
from ratecore.system.arrays import arrays_of_trials
from ratecore.system.intervals import wilson_interval
from ratecore.system.noise import normal
from ratecore.system.processes import side_by_side
from ratecore.system.streams import stream
from ratecore.tasks import AbstractTask
from ratecore.tasks.checks import ready_to_score
from ratecore.tasks.trials import Trials, score

EVERY_MS = 0.5  # most time between outputs that are scored: a quarter of the synaptic rise time

Job = tuple[range, list[float]]  # numbers of trials, values of lambda


@dataclass
class Outcomes:
    """Results of trials 0, 1 .. at one lambda, one entry per trial.

    Attributes:
        correct: 0 or 1.
        rate_exc: mean firing rate of excitatory units, spikes/s; NaN without any.
        rate_inh: mean firing rate of inhibitory units, spikes/s; NaN without any.
    """

    correct: list[int] = field(default_factory=list)
    rate_exc: list[float] = field(default_factory=list)
    rate_inh: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.correct)

    def part(self, start: int, end: int) -> Outcomes:
        """Results of some of the trials.

        Args:
            start: first trial.
            end: first trial after them.

        Returns:
            results of those trials from start to end - 1 that were run.
        """
        return Outcomes(self.correct[start:end], self.rate_exc[start:end], self.rate_inh[start:end])

    def extend(self, other: Outcomes) -> None:
        """Append the results of the trials that follow.

        Args:
            other: their results.
        """
        self.correct += other.correct
        self.rate_exc += other.rate_exc
        self.rate_inh += other.rate_inh

    @property
    def accuracy(self) -> float:
        """Fraction of correct trials, in [0, 1]."""
        return float(np.mean(self.correct))

    def scores(self, confidence: float = 0.95) -> dict[str, float]:
        """Summarise the trials.

        Args:
            confidence: of Wilson's interval, in (0, 1).

        Returns:
            accuracy with its interval ci_low and ci_high (fractions); mean_rate_exc and mean_rate_inh (spikes/s).

        Source:
            Wilson 1927, Journal of the American Statistical Association 22:209.
        """
        low, high = wilson_interval(sum(self.correct), len(self), confidence)
        return {
            "accuracy": self.accuracy,
            "ci_low": low,
            "ci_high": high,
            "mean_rate_exc": float(np.mean(self.rate_exc)),
            "mean_rate_inh": float(np.mean(self.rate_inh)),
        }


class TrialsOfTask:
    """The LIF trials of one network on one task.

    Trial k is drawn from a stream of the seed, `lif_trial`: its type and stimulus, the initial membrane potentials,
    the noise of the membranes, then that of the inputs, if the network has any. It is the same for every lambda,
    network and set of parameters, so that these are compared on common random numbers.

    Args:
        model: the network.
        task: any task that can be scored.
        settings: of the simulation.
        seed: of the run.
        output_of_step: 'peak', 'mean' or 'last', see `output_by_step`; by default the task's own.
        stream_name: of the stream, see `ratecore.system.streams`.

    Raises:
        ValueError: the network has other inputs or outputs than the task.
        TaskError: a user's task with a fault, or without `is_correct`.
    """

    def __init__(
        self,
        model: RateModel,
        task: AbstractTask,
        settings: SpikingSettings,
        seed: int,
        output_of_step: str | None = None,
        stream_name: str = "lif_trial",
    ) -> None:
        ready_to_score(task)
        self.simulator = Simulator(model, settings, outputs_every(settings))
        model = self.simulator.model
        check_sizes(task, model.w_in.shape[1], model.n_out)
        if model.task is not None:
            model.task.compare(task)
        self.task, self.seed, self.output_of_step = task, seed, output_of_step or task.spiking_output
        self.inh, self.stream_name = model.inh, stream_name
        present = np.ones(model.N, bool) if model.silent is None else ~model.silent  # units that are not lesioned
        self.counted = ~model.inh & present, model.inh & present

    def drawn(self, k: int) -> tuple[Trials, np.random.Generator]:
        """Draw the stimulus of a trial.

        Args:
            k: number of the trial.

        Returns:
            a batch of this trial, and the generator for everything else that is random in it.
        """
        rng = stream(self.seed, self.stream_name, k)
        return self.task.generate_batch([rng]), rng

    def draw(self, k: int) -> tuple[Float[np.ndarray, "n_in T"], Any, Randomness]:
        """Draw what is random in a trial.

        Args:
            k: number of the trial.

        Returns:
            stimulus u (n_in, T), unitless; what the task's criterion gets, a label or a Trial; membranes, noise and
            stimulation.

        Source:
            docs/model.md 5.2.
        """
        trials, rng = self.drawn(k)
        u = arrays_of_trials(self.task, trials, 1)[0][0]
        randomness = self.simulator.draw(rng, self.simulator.steps(u.shape[1]))
        if sd := self.simulator.model.input_noise_sd:
            u = u + normal(rng, sd, np.empty(u.shape, np.float32))
        return u, trials.scored_by(0), randomness

    def condition(self, k: int) -> str:
        """Draw the condition of a trial.

        Args:
            k: number of the trial.

        Returns:
            name of the condition.
        """
        return str(self.task.generate_batch([stream(self.seed, self.stream_name, k)]).conditions[0])

    def warm_up(self) -> None:
        """Compile the loops that trials need, so that forked processes have them."""
        simulator = self.simulator
        u = np.zeros((self.task.n_inputs, simulator.settings.downsample + 1))
        simulator.outputs([1.0], u, simulator.draw(np.random.default_rng(0), simulator.steps(u.shape[1])))

    def run(self, numbers: Iterable[int], scaling_factors: Collection[float]) -> list[Outcomes]:
        """Run trials at several values of lambda.

        Args:
            numbers: of the trials.
            scaling_factors: L values, unitless.

        Returns:
            results at each value.
        """
        results = [Outcomes() for _ in scaling_factors]
        for k in numbers:
            u, scored_by, randomness = self.draw(k)
            out, count = self.simulator.outputs(scaling_factors, u, randomness)
            seconds = randomness.kicks.size * self.simulator.dt
            for result, o, spikes in zip(results, self.by_step(out, u.shape[1]), count, strict=True):
                result.correct.append(int(score(self.task, o, scored_by, "is_correct_spiking")))
                result.rate_exc.append(_mean(spikes[self.counted[0]]) / seconds)
                result.rate_inh.append(_mean(spikes[self.counted[1]]) / seconds)
        return results

    def by_step(self, out: Float[np.ndarray, "L *out n"], T: int) -> Float[np.ndarray, "L *out T"]:
        """Reduce the simulator's output to rate steps.

        Args:
            out: (L, n), or (L, n_out, n) of several outputs, unitless.
            T: rate steps of the trial.

        Returns:
            (L, T) or (L, n_out, T), unitless.

        Source: none
        """
        return output_by_step(out, self.simulator.settings, self.simulator.every, T, self.output_of_step)


def check_sizes(task: AbstractTask, n_in: int, n_out: int) -> None:
    """Check that a network has the inputs and outputs of a task.

    Args:
        task: the task.
        n_in: inputs of the network.
        n_out: outputs of the network.

    Raises:
        ValueError: it has not.
    """
    for what, own, wanted in (("inputs", n_in, task.n_inputs), ("outputs", n_out, task.n_outputs)):
        if own != wanted:
            raise ValueError(f"the network has {own} {what}; task {task.name} has {wanted}")


def _mean(values: Float[np.ndarray, " n"] | Int[np.ndarray, " n"]) -> float:
    return float(values.mean()) if values.size else math.nan


def outputs_every(settings: SpikingSettings) -> int:
    """Choose the number of LIF steps between outputs that are scored.

    Args:
        settings: of the simulation.

    Returns:
        the largest divisor of the LIF steps per input column that takes at most EVERY_MS.
    """
    columns = settings.steps_per_column
    most = max(1, int(EVERY_MS / settings.step + 1e-9))
    return max(k for k in range(1, columns + 1) if columns % k == 0 and k <= most)


def rate_steps(n: int, settings: SpikingSettings, every: int = 1) -> Int[np.ndarray, " _"]:
    """Find the rate steps of 5 ms that the outputs of a simulation belong to.

    Args:
        n: number of outputs.
        settings: of the simulation.
        every: LIF steps between outputs.

    Returns:
        (n + 1,), rate steps: of the start and of each output.

    Source: none
    """
    # In integers, so that no rounding moves an output into a neighbouring step
    return np.asarray(np.arange(n + 1) * every * settings.downsample // settings.steps_per_column)


def output_by_step(
    out: Float[np.ndarray, "*L n"], settings: SpikingSettings, every: int, T: int, kind: str
) -> Float[np.ndarray, "*L T"]:
    """Reduce the output of a spiking network to the rate steps of 5 ms that tasks use.

    Rate step t is the time from t * 5 ms up to (t + 1) * 5 ms. Step 0 begins before the first LIF step, with an output
    of 0; steps that the simulation does not reach have its last output.

    Args:
        out: (..., n), unitless, one per `every` LIF steps; leading axes are values of lambda, outputs.
        settings: of the simulation.
        every: LIF steps between outputs.
        T: rate steps of a trial.
        kind: value of a step: 'peak', the output farthest from 0, so that the largest and the smallest output of a
            window are those of all its LIF steps, as published; 'mean'; or 'last'.

    Returns:
        (..., T), unitless.

    Source:
        docs/model.md 5.5.
    """
    n = out.shape[-1]
    with_start = np.concatenate([np.zeros((*out.shape[:-1], 1)), out], -1)
    step_of = rate_steps(n, settings, every)
    first = np.searchsorted(step_of, np.arange(min(T, step_of[-1] + 1)))
    if kind == "last":
        o = with_start[..., np.append(first[1:], n + 1) - 1]
    elif kind == "mean":
        o = np.add.reduceat(with_start, first, -1) / np.diff(np.append(first, n + 1))
    else:
        high, low = np.maximum.reduceat(with_start, first, -1), np.minimum.reduceat(with_start, first, -1)
        o = np.where(-low > high, low, high)
    return np.concatenate([o, np.repeat(o[..., -1:], T - o.shape[-1], -1)], -1)


def run_over(trials: TrialsOfTask, jobs: list[Job], threads: int = 1) -> list[list[Outcomes]]:
    """Run jobs, spread over processes.

    Args:
        trials: of the network and task.
        jobs: numbers of trials and values of lambda.
        threads: processes at once.

    Returns:
        for each job the results at each value.

    Raises:
        RuntimeError: a process failed or was killed; the message says why.
    """
    if threads <= 1 or len(jobs) <= 1:
        return [trials.run(*job) for job in jobs]

    def do(job: Job) -> tuple[list[Outcomes], str]:
        try:
            return trials.run(*job), ""
        except Exception as error:  # raised again below, with its message
            return [], f"{type(error).__name__}: {error}"

    trials.warm_up()
    done = side_by_side(do, jobs, threads)
    for _, error in done:
        if error:
            raise RuntimeError(f"LIF trials: {error}")
    return [results for results, _ in done if results is not None]


def spread_over(numbers: range, scaling_factors: Iterable[float], threads: int) -> list[Job]:
    """Split trials into jobs of about equal work.

    Args:
        numbers: of the trials.
        scaling_factors: values of lambda, unitless.
        threads: processes at once.

    Returns:
        one job per process, in the order of the trials.
    """
    parts = min(max(threads, 1), len(numbers))
    cuts = [numbers.start + len(numbers) * k // parts for k in range(parts + 1)]
    return [(range(a, b), list(scaling_factors)) for a, b in itertools.pairwise(cuts)]


def run_trials(
    trials: TrialsOfTask, numbers: range, scaling_factors: Collection[float], threads: int = 1
) -> list[Outcomes]:
    """Run trials at several values of lambda, spread over processes.

    Args:
        trials: of the network and task.
        numbers: of the trials.
        scaling_factors: L values, unitless.
        threads: processes at once.

    Returns:
        results at each value.
    """
    results = [Outcomes() for _ in scaling_factors]
    for part in run_over(trials, spread_over(numbers, scaling_factors, threads), threads):
        for result, more in zip(results, part, strict=True):
            result.extend(more)
    return results
