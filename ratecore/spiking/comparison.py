"""A rate network beside the spiking network that it became, on the same stimuli (Kim et al. 2019, Figs. 2-4, S1)."""

from __future__ import annotations

import math

import numpy as np
import torch

from ratecore.rate.dynamics import outputs_of_all_steps, run
from ratecore.rate.evaluation import draw_trials, one_thread
from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking import kernels
from ratecore.spiking.lif import Simulator, Trial
from ratecore.spiking.results import Comparison, Components, Example
from ratecore.spiking.scoring import output_by_step, outputs_every, rate_steps
from ratecore.spiking.source import RateModel, rate_model
from ratecore.system.arrays import arrays_of_trials
from ratecore.system.streams import stream
from ratecore.tasks.checks import check_task
from ratecore.tasks.trials import draw_stimulus

N_COMPONENTS = 3
SEARCHED = 50  # further trials of each type that are looked at for conditions that are still missing


class Mean:
    """Mean and SD of arrays that come one at a time (Welford, Technometrics 4:419, 1962)."""

    def __init__(self):
        self.n, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, value: np.ndarray) -> None:
        self.n += 1
        off = value - self.mean
        self.mean = self.mean + off / self.n
        self.squares = self.squares + off * (value - self.mean)

    @property
    def sd(self) -> np.ndarray:
        return np.sqrt(self.squares / self.n)


class Pair:
    """A rate network and its spiking network, run on one trial after another.

    Trial k comes from the stream `comparison` of the seed: its stimulus, the rate network's noise, then the membranes
    at the start and the noise of the spiking network.

    Args:
        as in `compare`.
    """

    def __init__(self, net, task, settings: SpikingSettings, scaling_factor: float, seed: int, model: RateModel):
        self.net, self.task, self.seed, self.scaling_factor = net, task, seed, scaling_factor
        self.simulator = Simulator(model, settings, outputs_every(settings))
        self.rates, self.of_condition = Mean(), {}

    def stimulus(self, k: int):
        """Trials with the stimulus of trial k alone, and the generator of what else is random in it."""
        rng, types = stream(self.seed, "comparison", k), self.task.trial_types
        kind = types[k % len(types)]
        trials = self.task.collect([(kind, *draw_stimulus(self.task, kind, rng))])
        u, z = arrays_of_trials(self.task, trials, 1)
        return trials._replace(u=u, z=z), rng

    def numbers(self, trials_per_type: int) -> list[int]:
        """The trials to be run: those asked for, and one of each condition that is not among them."""
        n, types = trials_per_type * len(self.task.trial_types), len(self.task.trial_types)
        first = {}
        for k in range(n + SEARCHED * types):
            first.setdefault(self.stimulus(k)[0].conditions[0], k)
        return [*range(n), *sorted(k for k in first.values() if k >= n)]

    def run(self, k: int) -> None:
        """Runs both networks on trial k and adds what they did to the means."""
        trials, rng = self.stimulus(k)
        name, u = trials.conditions[0], trials.u[0]
        output, activity = self._rate_trial(trials, rng)
        simulator = self.simulator
        trial = simulator.record(self.scaling_factor, u, simulator.draw(rng, simulator.steps(u.shape[1])))
        if name not in self.of_condition:
            self.of_condition[name] = Example.of(trial, u), *(Mean() for _ in range(4))
        values = output, self._by_step(trial.out), activity, self._activity(trial)
        for mean, value in zip(self.of_condition[name][1:], values, strict=True):
            mean.add(value)
        self.rates.add(trial.rates)

    def _rate_trial(self, trials, rng):
        """Output (T,) and activity (T, N) of the rate network."""
        net = self.net
        trials, x0, noise = draw_trials(self.task, net, [rng], trials)
        with torch.no_grad():
            _, r, o = run(net, trials.u, x0=x0, noise=noise)
            o = outputs_of_all_steps(r, o, net.w_out, net.b_out)
        return o[0].double().cpu().numpy(), r[0].double().cpu().numpy()

    def _by_step(self, out) -> np.ndarray:
        simulator = self.simulator
        return output_by_step(out[None], simulator.settings, simulator.every, self.task.T, "mean")[0]

    def _activity(self, trial: Trial) -> np.ndarray:
        """(T, N) filtered rates by rate step; steps that the simulation does not reach have its last ones."""
        simulator = self.simulator
        bins = rate_steps(trial.nt, simulator.settings)
        means = np.empty((bins[-1] + 1, self.net.N))
        kernels.filtered_by_bin(simulator.cell, simulator.wiring, trial.spike_steps, trial.spike_units, bins, means)
        return means[np.minimum(np.arange(self.task.T), bins[-1])]


def compare(
    net,
    task,
    settings: SpikingSettings | None,
    scaling_factor: float,
    seed: int,
    trials_per_type: int = 20,
    *,
    model: RateModel | None = None,
) -> Comparison:
    """Runs a rate network and its spiking network on the same trials of a task.

    One trial is in memory at a time. A condition that none of the trials asked for has gets one of its own.

    Args:
        net: FR_RNN_dale.   task: an AbstractTask.   settings: SpikingSettings.   scaling_factor: lambda.
        seed: of the run.   trials_per_type: trials of each of `task.trial_types`.
        model: the spiking network in place of `rate_model(net)`, such as a lesioned one.

    Returns:
        Comparison.

    Raises:
        ValueError: names the argument, its value and what is allowed.
        TaskError: a task of the user's with a fault.
    """
    check_task(task)
    model = rate_model(net) if model is None else model
    if model.task is not None:
        model.task.compare(task)
    n_in = net.w_in.shape[1]
    if n_in != task.n_inputs:
        raise ValueError(f"the network has {n_in} inputs; task {task.name} has {task.n_inputs}")
    if model.w_in.shape != (net.N, n_in):
        raise ValueError(f"model has {model.N} units and {model.w_in.shape[1]} inputs; net has {net.N} and {n_in}")
    if trials_per_type < 1:
        raise ValueError(f"trials_per_type = {trials_per_type}; it must be at least 1")
    pair = Pair(net, task, settings or SpikingSettings(), scaling_factor, seed, model)
    with one_thread():
        for k in pair.numbers(trials_per_type):
            pair.run(k)
    return _comparison(pair, task, model)


def _comparison(pair: Pair, task, model: RateModel) -> Comparison:
    names = sorted(pair.of_condition)
    examples, rate_out, lif_out, rate, lif = zip(*(pair.of_condition[name] for name in names), strict=True)
    window = task.response_window
    rate_components = components(np.stack([mean.mean for mean in rate]))
    return Comparison(
        scaling_factor=float(pair.scaling_factor), conditions=names, n_trials=np.array([mean.n for mean in rate]),
        rate_mean=np.stack([mean.mean for mean in rate_out]), rate_sd=np.stack([mean.sd for mean in rate_out]),
        lif_mean=np.stack([mean.mean for mean in lif_out]), lif_sd=np.stack([mean.sd for mean in lif_out]),
        examples=list(examples), rates=pair.rates.mean,
        rate_activity=np.stack([mean.mean[window].mean(0) for mean in rate]),
        lif_activity=np.stack([mean.mean[window].mean(0) for mean in lif]),
        rate_components=rate_components,
        lif_components=components(np.stack([mean.mean for mean in lif]), rate_components.projections),
        inh=model.inh, som=model.som, stimulus_windows=np.array(task.stimulus_windows, int).reshape(-1, 2),
        response=np.array(task.response_steps),
    )  # fmt: skip


def components(activity: np.ndarray, like: np.ndarray | None = None) -> Components:
    """The first three principal components of activity (C, T, N), units being the variables.

    Args:
        like: (C, T, 3) projections whose signs are followed; without them the farthest projection is positive.
    """
    C, T, N = activity.shape
    rows = activity.reshape(C * T, N)
    left, sizes, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    k = min(N_COMPONENTS, sizes.size)
    found, explained = np.zeros((C * T, N_COMPONENTS)), np.zeros(N_COMPONENTS)
    found[:, :k] = left[:, :k] * sizes[:k]
    total = float(np.sum(sizes**2))
    if total > 0 and math.isfinite(total):
        explained[:k] = sizes[:k] ** 2 / total
    if like is None:
        farthest = np.take_along_axis(found, np.abs(found).argmax(0)[None], 0)[0]
    else:
        farthest = np.sum(found * like.reshape(C * T, N_COMPONENTS), 0)
    return Components((found * np.where(farthest < 0, -1, 1)).reshape(C, T, N_COMPONENTS), explained)
