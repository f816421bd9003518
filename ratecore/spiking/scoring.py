"""Spiking networks on trials of a task: what each trial is comes from the task, the seed and its number alone."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np

from ratecore.spiking.lif import Simulator
from ratecore.system.arrays import arrays_of_trials
from ratecore.system.intervals import wilson_interval
from ratecore.system.processes import side_by_side
from ratecore.system.streams import stream
from ratecore.tasks.checks import ready_to_score
from ratecore.tasks.trials import score

EVERY_MS = 0.5  # between outputs that are scored, at most: a quarter of the synaptic rise time


@dataclass
class Outcomes:
    """What trials 0, 1 .. gave at one lambda.

    Attributes:
        correct: 0 or 1 a trial.   rate_exc, rate_inh: mean spikes a second of units of each type; NaN without any.
    """

    correct: list[int] = field(default_factory=list)
    rate_exc: list[float] = field(default_factory=list)
    rate_inh: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.correct)

    def part(self, start: int, end: int) -> Outcomes:
        """Of the trials start .. end - 1 those that are there."""
        return Outcomes(self.correct[start:end], self.rate_exc[start:end], self.rate_inh[start:end])

    def extend(self, other: Outcomes) -> None:
        """Takes over the trials that come after these."""
        self.correct += other.correct
        self.rate_exc += other.rate_exc
        self.rate_inh += other.rate_inh

    @property
    def accuracy(self) -> float:
        return float(np.mean(self.correct))

    def scores(self, confidence: float = 0.95) -> dict[str, float]:
        """accuracy with Wilson's interval, ci_low and ci_high; mean_rate_exc, mean_rate_inh in spikes a second."""
        low, high = wilson_interval(sum(self.correct), len(self), confidence)
        return {"accuracy": self.accuracy, "ci_low": low, "ci_high": high,
                "mean_rate_exc": float(np.mean(self.rate_exc)),
                "mean_rate_inh": float(np.mean(self.rate_inh))}  # fmt: skip


class TrialsOfTask:
    """The LIF trials of one network on one task.

    Trial k is drawn from the stream `lif_trial` of the seed: its type and stimulus, the membranes at the start, then
    the noise. It is the same for every lambda, network and set of parameters, so that these are compared on common
    random numbers.

    Args:
        model: RateModel.   task: an AbstractTask.   settings: SpikingSettings.   seed: of the run.
        output_of_step: 'peak', 'mean' or 'last', see `output_by_step`; the task's own when None.

    Raises:
        ValueError: the network has other inputs than the task.
        TaskError: a task of the user's with a fault, or without `is_correct`.
    """

    def __init__(self, model, task, settings, seed: int, output_of_step: str | None = None):
        ready_to_score(task)
        self.simulator = Simulator(model, settings, outputs_every(settings))
        model = self.simulator.model
        n_in = model.w_in.shape[1]
        if n_in != task.n_inputs:
            raise ValueError(f"the network has {n_in} inputs; task {task.name} has {task.n_inputs}")
        if model.task is not None:
            model.task.compare(task)
        self.task, self.seed, self.output_of_step = task, seed, output_of_step or task.spiking_output
        self.inh = model.inh

    def draw(self, k: int):
        """u (n_in, T), label and Randomness of trial k."""
        rng = stream(self.seed, "lif_trial", k)
        trials = self.task.generate_batch([rng])
        u = arrays_of_trials(self.task, trials, 1)[0][0]
        randomness = self.simulator.draw(rng, self.simulator.steps(u.shape[1]))
        return u, trials.labels[0], randomness

    def condition(self, k: int) -> str:
        """Name of the condition of trial k."""
        return self.task.generate_batch([stream(self.seed, "lif_trial", k)]).conditions[0]

    def warm_up(self) -> None:
        """Compiles what trials need, so that it is there in processes that are forked from here."""
        simulator = self.simulator
        u = np.zeros((self.task.n_inputs, simulator.settings.downsample + 1))
        simulator.outputs([1.0], u, simulator.draw(np.random.default_rng(0), simulator.steps(u.shape[1])))

    def run(self, numbers, scaling_factors) -> list[Outcomes]:
        """Trials of these numbers at each lambda: L Outcomes."""
        results = [Outcomes() for _ in scaling_factors]
        for k in numbers:
            u, label, randomness = self.draw(k)
            out, count = self.simulator.outputs(scaling_factors, u, randomness)
            seconds = randomness.kicks.size * self.simulator.dt
            for result, o, spikes in zip(results, self.by_step(out), count, strict=True):
                result.correct.append(int(score(self.task, o, label, "is_correct_spiking")))
                result.rate_exc.append(_mean(spikes[~self.inh]) / seconds)
                result.rate_inh.append(_mean(spikes[self.inh]) / seconds)
        return results

    def by_step(self, out) -> np.ndarray:
        """(L, T) outputs by rate step of outputs (L, n) of the simulator."""
        return output_by_step(out, self.simulator.settings, self.simulator.every, self.task.T, self.output_of_step)


def _mean(values) -> float:
    return float(values.mean()) if values.size else math.nan


def outputs_every(settings) -> int:
    """Steps between outputs that are scored: about EVERY_MS, a divisor of the steps of an input's column."""
    columns = settings.steps_per_column
    most = max(1, int(EVERY_MS / settings.step + 1e-9))
    return max(k for k in range(1, columns + 1) if columns % k == 0 and k <= most)


def rate_steps(n: int, settings, every: int = 1) -> np.ndarray:
    """(n + 1,) rate step of 5 ms in which the start and each of n outputs, `every` LIF steps apart, fall."""
    # In whole numbers of the undivided step, so that no rounding moves an output into a neighbouring step
    return np.arange(n + 1) * every * settings.downsample // settings.steps_per_column


def output_by_step(out, settings, every: int, T: int, kind: str) -> np.ndarray:
    """The output of a spiking network by rate steps of 5 ms, in which tasks count.

    Rate step t is what comes from t * 5 ms on and before (t + 1) * 5 ms. Step 0 begins before the first LIF step, with
    an output of 0; steps that the simulation does not reach have its last output.

    Args:
        out: (L, n), after every `every` LIF steps.   settings: SpikingSettings.   T: rate steps of a trial.
        kind: what stands for a step: 'peak', the output farthest from 0, so that the largest and the smallest output of
            a window are those of all its LIF steps, as published; 'mean'; or 'last'.

    Returns:
        o (L, T).
    """
    L, n = out.shape
    with_start = np.concatenate([np.zeros((L, 1)), out], 1)
    step_of = rate_steps(n, settings, every)
    first = np.searchsorted(step_of, np.arange(min(T, step_of[-1] + 1)))
    if kind == "last":
        o = with_start[:, np.append(first[1:], n + 1) - 1]
    elif kind == "mean":
        o = np.add.reduceat(with_start, first, 1) / np.diff(np.append(first, n + 1))
    else:
        high, low = np.maximum.reduceat(with_start, first, 1), np.minimum.reduceat(with_start, first, 1)
        o = np.where(-low > high, low, high)
    return np.concatenate([o, np.repeat(o[:, -1:], T - o.shape[1], 1)], 1)


def run_over(trials: TrialsOfTask, jobs: list, threads: int = 1) -> list[list[Outcomes]]:
    """The outcomes of jobs, each (numbers of trials, values of lambda), spread over processes.

    Raises:
        RuntimeError: a process failed or was killed; the message says why.
    """
    if threads <= 1 or len(jobs) <= 1:
        return [trials.run(*job) for job in jobs]

    def do(job):
        try:
            return trials.run(*job), None
        except Exception as error:
            return None, f"{type(error).__name__}: {error}"

    trials.warm_up()
    done = side_by_side(do, jobs, threads)
    for _, error in done:
        if error:
            raise RuntimeError(f"LIF trials: {error}")
    return [results for results, _ in done]


def spread_over(numbers: range, scaling_factors, threads: int) -> list:
    """Jobs of about equal work for `run_over`, in the order of the trials: one a thread."""
    parts = min(max(threads, 1), len(numbers))
    cuts = [numbers.start + len(numbers) * k // parts for k in range(parts + 1)]
    return [(range(a, b), list(scaling_factors)) for a, b in itertools.pairwise(cuts)]


def run_trials(trials: TrialsOfTask, numbers: range, scaling_factors, threads: int = 1) -> list[Outcomes]:
    """As `TrialsOfTask.run`, with the trials spread over `threads` processes."""
    results = [Outcomes() for _ in scaling_factors]
    for part in run_over(trials, spread_over(numbers, scaling_factors, threads), threads):
        for result, more in zip(results, part, strict=True):
            result.extend(more)
    return results
