"""Runs a rate network and its spiking network on the same stimuli (Kim et al. 2019, Figs. 2-4, S1)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ratecore.rate import saved_trials
from ratecore.rate.saved import SavedNetwork
from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking import kernels
from ratecore.spiking.lif import Simulator, Trial
from ratecore.spiking.results import Comparison, Components, Example
from ratecore.spiking.scoring import check_sizes, output_by_step, outputs_every, rate_steps
from ratecore.spiking.source import RateModel, rate_model
from ratecore.system.arrays import arrays_of_trials
from ratecore.system.streams import stream
from ratecore.tasks import AbstractTask
from ratecore.tasks.checks import check_task
from ratecore.tasks.trials import Trials, draw_stimulus, response_of, with_type

if TYPE_CHECKING:
    from ratecore.rate.network import RateNetwork

N_COMPONENTS = 3
SEARCHED = 50  # further trials of each type that may be drawn to find a missing condition


class Mean:
    """Mean and SD of arrays of one shape that arrive one at a time (Welford, Technometrics 4:419, 1962).

    NaN is left out, such as that after the end of a trial shorter than others; where only NaN came, the mean is NaN.
    """

    def __init__(self) -> None:
        self.n = 0
        self.counts: NDArray[np.float64] = np.zeros(())
        self.running: NDArray[np.float64] = np.zeros(())  # the mean, 0 where nothing came
        self.squares: NDArray[np.float64] = np.zeros(())

    def add(self, value: NDArray[np.float64]) -> None:
        """Take one more array into the mean.

        Args:
            value: any shape, unitless or spikes/s.

        Source:
            Welford 1962, Technometrics 4:419.
        """
        self.n += 1
        there = ~np.isnan(value)
        self.counts = self.counts + there
        off = np.where(there, value - self.running, 0)
        self.running = self.running + off / np.maximum(self.counts, 1)
        self.squares = self.squares + np.where(there, off * (value - self.running), 0)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean, any shape, unitless or spikes/s as the arrays."""
        return np.where(self.counts > 0, self.running, np.nan)

    @property
    def sd(self) -> NDArray[np.float64]:
        """Standard deviation, any shape, unitless or spikes/s as the arrays."""
        return np.sqrt(self.squares / np.where(self.counts > 0, self.counts, np.nan))


class Pair:
    """A rate network and its spiking network, run on one trial after another.

    Trial k is drawn from the stream `comparison` of the seed: its stimulus, the rate network's noise, then the initial
    membrane potentials and the noise of the spiking network.

    Args:
        net: the rate network; as arrays if `saved_trials.alone_takes` it.
        task: of the trials.
        settings: of the spiking simulation.
        scaling_factor: lambda, unitless.
        seed: of the run.
        model: the spiking network.
    """

    def __init__(
        self,
        net: RateNetwork | SavedNetwork,
        task: AbstractTask,
        settings: SpikingSettings,
        scaling_factor: float,
        seed: int,
        model: RateModel,
    ) -> None:
        self.net, self.task, self.seed, self.scaling_factor = net, task, seed, scaling_factor
        self.simulator = Simulator(model, settings, outputs_every(settings))
        self.rates = Mean()
        # Of each condition the first trial, and means of rate output, LIF output, rate activity, LIF activity; of tasks
        # that draw Trials also of both activities over each trial's own response window
        self.by_condition: dict[str, tuple[Example, list[Mean]]] = {}

    def stimulus(self, k: int) -> tuple[Trials, np.random.Generator]:
        """Draw the stimulus of a trial.

        Args:
            k: number of the trial.

        Returns:
            a batch of this trial, and the generator for everything else that is random in it.
        """
        rng, types = stream(self.seed, "comparison", k), self.task.trial_types
        kind = types[k % len(types)]
        trials = self.task.collect([with_type(kind, draw_stimulus(self.task, kind, rng))])
        u, z = arrays_of_trials(self.task, trials, 1)
        return replace(trials, u=u, z=z), rng

    def numbers(self, trials_per_type: int) -> list[int]:
        """Choose the trials to run: those asked for, and one of each condition that is missing among them.

        Args:
            trials_per_type: trials of each type.

        Returns:
            numbers of the trials.
        """
        n, types = trials_per_type * len(self.task.trial_types), len(self.task.trial_types)
        first: dict[str, int] = {}
        for k in range(n + SEARCHED * types):
            first.setdefault(self.stimulus(k)[0].conditions[0], k)
        return [*range(n), *sorted(k for k in first.values() if k >= n)]

    def run(self, k: int) -> None:
        """Run both networks on a trial and add their activity to the means.

        Args:
            k: number of the trial.
        """
        trials, rng = self.stimulus(k)
        name, u = trials.conditions[0], trials.u[0]
        output, activity, noisy = self._rate_trial(trials, rng)
        simulator = self.simulator
        if simulator.model.input_noise_sd:  # both networks get the same
            u = noisy
        trial = simulator.record(self.scaling_factor, u, simulator.draw(rng, simulator.steps(u.shape[1])))
        if name not in self.by_condition:
            self.by_condition[name] = Example.from_trial(trial, u), [Mean() for _ in range(6)]
        outputs = [output, self._by_step(trial.out, u.shape[1])]
        activities, in_response = [activity, self._activity(trial, u.shape[1])], []
        if trials.trials is not None:
            window = response_of(self.task, trials.trials[0])
            in_response = [_mean_of_rows(of_net[window]) for of_net in activities]
            outputs = [self._to_length(of_net, -1) for of_net in outputs]
            activities = [self._to_length(of_net, 0) for of_net in activities]
        values = outputs + activities + in_response
        for mean, value in zip(self.by_condition[name][1], values, strict=False):
            mean.add(value)
        self.rates.add(trial.rates)

    def _rate_trial(
        self, trials: Trials, rng: np.random.Generator
    ) -> tuple[Float[np.ndarray, "*out T"], Float[np.ndarray, "T N"], Float[np.ndarray, "n_in T"]]:
        """Output and activity of the rate network, and its stimulus with the noise of the inputs."""
        net = self.net
        if isinstance(net, SavedNetwork):
            trials, x0, noise = saved_trials.draw_trials(self.task, net, [rng], trials)
            r, o = saved_trials.states_alone(net, trials.u, x0, noise)
            return o[0].astype(np.float64), r[0].astype(np.float64), trials.u[0].astype(np.float64)
        import torch

        from ratecore.rate.dynamics.engines import run
        from ratecore.rate.evaluation import draw_trials, one_thread

        drawn, first, added = draw_trials(self.task, net, [rng], trials)
        with torch.no_grad(), one_thread():
            _, rates, output = run(net, drawn.u, x0=first, noise=added)
        return output[0].double().cpu().numpy(), rates[0].double().cpu().numpy(), drawn.u[0].double().cpu().numpy()

    def _to_length(self, value: Float[np.ndarray, ...], axis: int) -> Float[np.ndarray, ...]:
        """NaN after the end of a trial that is shorter than others; `axis` is that of time."""
        more = [(0, 0)] * value.ndim
        more[axis] = (0, self.task.T - value.shape[axis])
        return np.pad(value, more, constant_values=np.nan)

    def _by_step(self, out: Float[np.ndarray, "*out n"], T: int) -> Float[np.ndarray, "*out T"]:
        simulator = self.simulator
        return np.asarray(output_by_step(out[None], simulator.settings, simulator.every, T, "mean")[0])

    def _activity(self, trial: Trial, T: int) -> Float[np.ndarray, "T N"]:
        """Filtered rates by rate step, spikes/s; steps that the simulation does not reach have its last ones."""
        simulator = self.simulator
        bins = rate_steps(trial.nt, simulator.settings)
        means = np.empty((bins[-1] + 1, self.net.N))
        kernels.filtered_by_bin(simulator.cell, simulator.wiring, trial.spike_steps, trial.spike_units, bins, means)
        return np.asarray(means[np.minimum(np.arange(T), bins[-1])])


def _mean_of_rows(rows: Float[np.ndarray, "_ N"]) -> Float[np.ndarray, " N"]:
    """The mean, or NaN where there are no rows: the trial ends before the response window."""
    return rows.mean(0) if len(rows) else np.full(rows.shape[1], np.nan)


def compare(
    net: RateNetwork | SavedNetwork,
    task: AbstractTask,
    settings: SpikingSettings | None,
    scaling_factor: float,
    seed: int,
    trials_per_type: int = 20,
    *,
    model: RateModel | None = None,
) -> Comparison:
    """Run a rate network and its spiking network on the same trials of a task.

    One trial is in memory at a time. A condition that is missing among the trials asked for gets one more trial.

    Args:
        net: the rate network; as arrays if `saved_trials.alone_takes` it.
        task: of the trials.
        settings: of the spiking simulation.
        scaling_factor: lambda, unitless.
        seed: of the run.
        trials_per_type: trials of each of `task.trial_types`.
        model: the spiking network, such as a lesioned one; by default `rate_model(net)`.

    Returns:
        activity and outputs of both networks.

    Raises:
        ValueError: names the argument, its value and what is allowed.
        TaskError: a user's task with a fault.

    Source:
        Kim et al. 2019, Figs. 2-4 and S1.
    """
    check_task(task)
    model = rate_model(net) if model is None else model
    if model.task is not None:
        model.task.compare(task)
    n_in = net.w_in.shape[1]
    check_sizes(task, n_in, net.n_out)
    if model.w_in.shape != (net.N, n_in):
        raise ValueError(f"model has {model.N} units and {model.w_in.shape[1]} inputs; net has {net.N} and {n_in}")
    if model.n_out != net.n_out:
        raise ValueError(f"model has {model.n_out} outputs; net has {net.n_out}")
    if trials_per_type < 1:
        raise ValueError(f"trials_per_type = {trials_per_type}; it must be at least 1")
    pair = Pair(net, task, settings or SpikingSettings(), scaling_factor, seed, model)
    for k in pair.numbers(trials_per_type):
        pair.run(k)
    return _comparison(pair, task, model)


def _comparison(pair: Pair, task: AbstractTask, model: RateModel) -> Comparison:
    names = sorted(pair.by_condition)
    examples, means = zip(*(pair.by_condition[name] for name in names), strict=True)
    rate_out, lif_out, rate, lif, rate_window, lif_window = zip(*means, strict=True)
    window = task.response_window
    if rate_window[0].n:
        activity = [np.stack([mean.mean for mean in of_net]) for of_net in (rate_window, lif_window)]
    else:
        activity = [np.stack([mean.mean[window].mean(0) for mean in of_net]) for of_net in (rate, lif)]
    rate_components = components(np.stack([mean.mean for mean in rate]))
    return Comparison(
        scaling_factor=float(pair.scaling_factor),
        conditions=names,
        n_trials=np.array([mean.n for mean in rate]),
        rate_mean=np.stack([mean.mean for mean in rate_out]),
        rate_sd=np.stack([mean.sd for mean in rate_out]),
        lif_mean=np.stack([mean.mean for mean in lif_out]),
        lif_sd=np.stack([mean.sd for mean in lif_out]),
        examples=list(examples),
        rates=pair.rates.mean,
        rate_activity=activity[0],
        lif_activity=activity[1],
        rate_components=rate_components,
        lif_components=components(np.stack([mean.mean for mean in lif]), rate_components.projections),
        inh=model.inh,
        som=model.som,
        stimulus_windows=np.array(task.stimulus_windows, int).reshape(-1, 2),
        response=np.array(task.response_steps),
    )


def components(activity: Float[np.ndarray, "C T N"], like: Float[np.ndarray, "C T 3"] | None = None) -> Components:
    """Compute the first three principal components of activity, with units as variables.

    Args:
        activity: (C, T, N), unitless or spikes/s; steps of NaN, after the longest trial of a condition, stay NaN.
        like: projections (C, T, 3), unitless or spikes/s, that the signs follow; without them the projection farthest
            from 0 is positive.

    Returns:
        the components.

    Source:
        Kim et al. 2019, Fig. 4.
    """
    C, T, N = activity.shape
    rows = activity.reshape(C * T, N)
    there = ~np.isnan(rows).any(1)
    rows = rows[there]
    left, sizes, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    k = min(N_COMPONENTS, sizes.size)
    found, explained = np.zeros((len(rows), N_COMPONENTS)), np.zeros(N_COMPONENTS)
    found[:, :k] = left[:, :k] * sizes[:k]
    total = float(np.sum(sizes**2))
    if total > 0 and math.isfinite(total):
        explained[:k] = sizes[:k] ** 2 / total
    if like is None:
        farthest = np.take_along_axis(found, np.abs(found).argmax(0)[None], 0)[0]
    else:
        farthest = np.sum(found * like.reshape(C * T, N_COMPONENTS)[there], 0)
    projections = np.full((C * T, N_COMPONENTS), np.nan)
    projections[there] = found * np.where(farthest < 0, -1, 1)
    return Components(projections.reshape(C, T, N_COMPONENTS), explained)
