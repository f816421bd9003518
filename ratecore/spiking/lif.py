"""A trial of a spiking network (docs/model.md 5; Kim et al. 2019, Eqs. 6-9): the rate network's weights over lambda."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ratecore.settings.base import SettingsError
from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking import kernels
from ratecore.spiking.source import RateModel, rate_model
from ratecore.system.arrays import array_of

SETTLING = 10  # first steps, whose spikes come from the drawn membranes and are not counted in firing rates


class Randomness(NamedTuple):
    """Everything random in a trial besides its stimulus.

    Attributes:
        v0 (N,): membrane at the start in mV.   seeds (3, N) uint32: of the units' noise.
        kicks (nt,): artificial stimulation at each step, in mV.
    """

    v0: np.ndarray
    seeds: np.ndarray
    kicks: np.ndarray


@dataclass
class Trial:
    """A trial at one lambda.

    Attributes:
        dt: step in s.   nt: number of steps.   out (nt,): output after each step.
        spike_steps, spike_units: of every spike, in the order of time; steps from 0.
        rates (N,): spikes a second of each unit, without the first steps.
        v, ipsc, r (nt, N): membrane (mV, its peak at a spike), synaptic current before each step, filtered rate; None
            when they were not asked for.
    """

    dt: float
    nt: int
    out: np.ndarray
    spike_steps: np.ndarray
    spike_units: np.ndarray
    rates: np.ndarray
    v: np.ndarray | None = None
    ipsc: np.ndarray | None = None
    r: np.ndarray | None = None

    def raster(self, N: int) -> np.ndarray:
        """(N, nt) float64: 1 where a unit fired."""
        spk = np.zeros((N, self.nt))
        spk[self.spike_units, self.spike_steps] = 1
        return spk


class Simulator:
    """Trials of one network under one set of settings.

    Args:
        model: RateModel, or what `rate_model` makes one of.   settings: SpikingSettings.
        every: steps between outputs; it must divide the steps for which a column of the input lasts.

    Raises:
        ValueError: a time constant, refractory period or set of units that does not fit the network; an array of it
            with another shape, NaN or infinity; `every` that does not fit.
    """

    def __init__(self, model: RateModel, settings: SpikingSettings, every: int = 1):
        s = settings
        if every < 1 or s.steps_per_column % every:
            raise ValueError(f"every = {every}; it must divide the {s.steps_per_column} steps of a column of the input")
        self.model, self.settings, self.every = _checked(rate_model(model), s.use_initial_weights), settings, every
        self.dt = s.step / 1000
        self.cell = kernels.Cell(
            model=kernels.QIF if s.model == "qif" else kernels.LIF,
            gain=s.step / s.tau_m,
            # A unit integrates again when more than the refractory period has passed; not to hang on rounding
            dead=int(np.floor(s.refractory / s.step + 1e-9)),
            threshold=float(s.spike_threshold),
            reset=float(s.v_reset),
            peak=float(s.v_peak),
            dt=self.dt,
            rise=float(np.exp(-s.step / s.tau_rise)) if s.tau_rise else 0.0,
            noise_sd=float(s.noise_sd),
            columns=s.steps_per_column,
            every=every,
            skip=SETTLING,
        )
        self.wiring = self._wiring()
        stimulated = () if s.stimulation.mode == "none" else s.stimulation.units
        self.hit = self.model.units(stimulated).astype(float)

    def _wiring(self) -> kernels.Wiring:
        s, model, every, dt = self.settings, self.model, self.every, self.dt
        W, td, tr = model.weights(s.use_initial_weights), model.tau / 1000, s.tau_rise / 1000
        size = 1 / (tr * td) if tr else 1 / td  # of what a spike adds to a synapse with this decay time constant
        post, pre = np.nonzero(W)
        order = np.lexsort((post, pre))  # by the unit that a connection leaves
        post, pre = post[order], pre[order]
        start = np.searchsorted(pre, np.arange(len(W) + 1))
        decay, rise = np.exp(-dt / td), self.cell.rise
        # r and its rising part are linear between spikes, so `every` steps of them are one, and a spike adds what it
        # has come to by then; both by going through the steps once.
        r, hr = (np.zeros((every, len(W))) for _ in range(2))
        (hr if tr else r)[0] = size
        keep_r, from_hr, keep_hr = np.ones(len(W)), np.zeros(len(W)), np.ones(len(W))
        for d in range(1, every):
            r[d], hr[d] = r[d - 1] * decay + hr[d - 1] * dt, hr[d - 1] * rise
        for _ in range(every):
            keep_r, from_hr, keep_hr = keep_r * decay, from_hr * decay + keep_hr * dt, keep_hr * rise
        return kernels.Wiring(
            start.astype(np.int64), post.astype(np.int64), (W[post, pre] * size[post]), decay, r, hr, keep_r, from_hr,
            keep_hr, model.w_out, float(model.b_out if s.readout_bias else 0.0),
        )  # fmt: skip

    def steps(self, n_columns: int) -> int:
        """Number of steps of a trial whose input has this many columns before downsampling."""
        return ((n_columns - 1) // self.settings.downsample) * self.settings.steps_per_column

    def draw(self, rng: np.random.Generator, nt: int) -> Randomness:
        """The randomness of a trial of `nt` steps; that of the membrane is the same with and without stimulation."""
        s, stim = self.settings, self.settings.stimulation
        v0 = s.v_init_low + (s.v_init_high - s.v_init_low) * rng.random(self.model.N)
        seeds = rng.integers(0, 2**32, (3, self.model.N), np.uint32)
        kicks = np.zeros(nt)
        if stim.mode != "none":
            kicks[rng.random(nt) < stim.probability] = stim.amplitude if stim.mode == "exc" else -stim.amplitude
            first, stop = (0, nt) if stim.window is None else (round(ms / s.step) for ms in stim.window)
            kicks[:first] = kicks[stop:] = 0
        return Randomness(v0, seeds, kicks)

    def drive(self, u) -> np.ndarray:
        """(columns, N): bias + W_in u of each column that is used of u (n_in, T), in mV.

        Raises:
            ValueError: u of another shape, or too short for a step.
        """
        u = self.stimulus(u)
        return u[:, :: self.settings.downsample].T @ self.model.w_in.T + self.settings.constant_current

    def stimulus(self, u) -> np.ndarray:
        """u (n_in, T) as float64; errors as `drive`."""
        u = array_of("u", u, (self.model.w_in.shape[1], ("T", 1)))
        if u.shape[1] <= self.settings.downsample:
            raise ValueError(
                f"u has T = {u.shape[1]} steps; it must have more than downsample = {self.settings.downsample}"
            )
        return u

    def outputs(self, scaling_factors, u, randomness: Randomness):
        """One trial at several values of lambda, side by side.

        Args:
            scaling_factors: L values.   u: (n_in, T).   randomness: as `draw` gives it, used up.

        Returns:
            out (L, nt / every), count (L, N): spikes without the first steps.
        """
        return self._run(scaling_factors, u, randomness, kernels.Record(*_nothing()))

    def record(self, scaling_factor: float, u, randomness: Randomness, states: bool = False) -> Trial:
        """One trial with all its spikes, and with `states` everything else too; `every` must be 1 for those."""
        factors = np.ravel(scaling_factor)  # (1, 1) when it comes from a .mat file
        if factors.size != 1:
            raise ValueError(f"scaling_factor has shape {np.shape(scaling_factor)}; it must be one number")
        nt, N = np.size(randomness.kicks), self.model.N
        spikes, kept = np.zeros((nt, N), np.uint8), _nothing()[1:]
        if states:
            if self.every != 1:
                raise ValueError(f"every = {self.every}: the states of every step need every = 1")
            kept = [np.empty((nt, N)) for _ in range(3)]
        out, count = self._run(factors, u, randomness, kernels.Record(spikes, *kept))
        steps, units = np.nonzero(spikes)
        v, ipsc, r = kept if states else (None, None, None)
        return Trial(self.dt, nt, out[0], steps, units, count[0] / (nt * self.dt), v, ipsc, r)

    def _run(self, scaling_factors, u, randomness, record):
        scaling_factors = array_of("scaling_factor", scaling_factors, (("L", 1),), finite=False)
        if not (np.isfinite(scaling_factors) & (scaling_factors > 0)).all():
            raise ValueError(f"scaling_factor = {scaling_factors.tolist()}: it must be a number above 0")
        inverses = 1 / scaling_factors
        u = self.stimulus(u)
        drive, nt, N = self.drive(u), self.steps(u.shape[1]), self.model.N
        v0, kicks = array_of("v0", randomness.v0, (N,)), array_of("kicks", randomness.kicks, (nt,))
        seeds = array_of("seeds", randomness.seeds, (3, N), np.uint32)
        out = np.empty((inverses.size, nt // self.every))
        count = np.zeros((inverses.size, N), np.int64)
        kernels.trial(self.cell, self.wiring, inverses, drive, kicks, self.hit, v0, seeds.copy(), out, count, record)
        return out, count


def _checked(model: RateModel, initial: bool) -> RateModel:
    """The model with its arrays as the loops read them. Raises ValueError: names an array that does not fit."""
    N, n_in = model.N, model.w_in.shape[-1]
    shapes = {"W_initial" if initial else "W": (N, N), "w_in": (N, n_in), "w_out": (N,), "tau": (N,)}
    if initial:
        model.weights(initial)  # names it where it is missing
    arrays = {name: array_of(name, getattr(model, name), shape) for name, shape in shapes.items()}
    arrays |= {name: array_of(name, getattr(model, name), (N,), bool) for name in ("inh", "som")}
    if model.w_in.dtype == arrays["w_in"].dtype:
        del arrays["w_in"]  # only multiplied: in another memory order the last bits of a product may differ
    if not (arrays["tau"] > 0).all():
        raise ValueError(f"tau = {arrays['tau'].min():g} ms of a unit; it must be above 0")
    return replace(model, **arrays)


def _nothing():
    return [np.empty((0, 0), np.uint8), *(np.empty((0, 0)) for _ in range(3))]


def simulate(model: RateModel, scaling_factor: float, u, settings=None, rng=None, states: bool = False) -> Trial:
    """One trial of a spiking network.

    Args:
        model: `rate_model(...)`.   scaling_factor: lambda.   u: (n_in, T), in steps of 5 ms.
        settings: SpikingSettings.   rng: generator or seed; fresh entropy when None.
        states: whether the membrane, currents and filtered rates of every step are kept, 8 bytes a unit and step each.

    Returns:
        Trial.

    Raises:
        ValueError: names the argument, its value and what is allowed.
    """
    settings = settings or SpikingSettings()
    if not isinstance(settings, SpikingSettings):
        raise SettingsError(f"settings is a {type(settings).__name__}; it must be SpikingSettings")
    simulator = Simulator(model, settings)
    u = simulator.stimulus(u)  # names a wrong u before anything is drawn
    randomness = simulator.draw(np.random.default_rng(rng), simulator.steps(u.shape[1]))
    return simulator.record(scaling_factor, u, randomness, states)
