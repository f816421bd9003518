"""Runs trials of a spiking network (docs/model.md 5; Kim et al. 2019, Eqs. 6-9)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt
from numpy.typing import ArrayLike

from ratecore.settings.base import SettingsError
from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking import kernels
from ratecore.spiking.source import RateModel, rate_model
from ratecore.system.arrays import array_of

SETTLING = 10  # first steps, left out of firing rates: their spikes come from the initial membrane potentials


class Randomness(NamedTuple):
    """Everything random in a trial besides its stimulus.

    Attributes:
        v0: initial membrane potential of each unit (N,), mV.
        seeds: of each unit's noise (3, N).
        kicks: artificial stimulation at each step (nt,), mV.
    """

    v0: Float[np.ndarray, " N"]
    seeds: UInt[np.ndarray, "3 N"]
    kicks: Float[np.ndarray, " nt"]


@dataclass
class Trial:
    """A trial at one lambda.

    Attributes:
        dt: LIF step, s.
        nt: number of steps.
        out: output (n,), or (n_out, n) of several outputs, unitless; n is nt, or fewer where outputs are further
            apart.
        spike_steps: LIF step, from 0, of each spike (S,), in the order of time.
        spike_units: unit of each spike (S,).
        rates: firing rate of each unit (N,), spikes/s, without the first steps.
        v: membrane potential (nt, N), mV, its peak at a spike; None when not asked for, as the next two.
        ipsc: synaptic current before each step (nt, N), mV.
        r: filtered rate (nt, N), spikes/s.
    """

    dt: float
    nt: int
    out: Float[np.ndarray, "*out n"]
    spike_steps: Int[np.ndarray, " S"]
    spike_units: Int[np.ndarray, " S"]
    rates: Float[np.ndarray, " N"]
    v: Float[np.ndarray, "nt N"] | None = None
    ipsc: Float[np.ndarray, "nt N"] | None = None
    r: Float[np.ndarray, "nt N"] | None = None

    def raster(self, N: int) -> Float[np.ndarray, "N nt"]:
        """Convert the spikes to a matrix.

        Args:
            N: number of units.

        Returns:
            (N, nt), unitless: 1 where a unit fired.

        Source: none
        """
        spk = np.zeros((N, self.nt))
        spk[self.spike_units, self.spike_steps] = 1
        return spk


class Simulator:
    """Trials of one network under one set of settings.

    Args:
        model: the network, or anything that `rate_model` accepts.
        settings: of the simulation.
        every: LIF steps between outputs, a divisor of the steps per column of the input.

    Raises:
        ValueError: a time constant, refractory period or set of units that does not fit the network; an array of it
            with the wrong shape, NaN or infinity; `every` is not such a divisor.
    """

    def __init__(self, model: RateModel, settings: SpikingSettings, every: int = 1) -> None:
        s = settings
        if every < 1 or s.steps_per_column % every:
            raise ValueError(f"every = {every}; it must divide the {s.steps_per_column} steps of a column of the input")
        self.model, self.settings, self.every = _checked(rate_model(model), s.use_initial_weights), settings, every
        self.dt = s.step / 1000
        self.cell = kernels.Cell(
            model=kernels.QIF if s.model == "qif" else kernels.LIF,
            gain=s.step / s.tau_m,
            # A unit integrates again after more than the refractory period; 1e-9 makes this robust to rounding
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
        size = 1 / (tr * td) if tr else 1 / td  # added by a spike to a synapse with this decay time
        post, pre = np.nonzero(W)
        order = np.lexsort((post, pre))  # by sending unit
        post, pre = post[order], pre[order]
        start = np.searchsorted(pre, np.arange(len(W) + 1))
        decay, rise = np.exp(-dt / td), self.cell.rise
        # r and its rising part are linear between spikes, so `every` steps become one, and a spike adds what it has
        # decayed to by then. Both are found by going through the steps once.
        r, hr = (np.zeros((every, len(W))) for _ in range(2))
        (hr if tr else r)[0] = size
        keep_r, from_hr, keep_hr = np.ones(len(W)), np.zeros(len(W)), np.ones(len(W))
        for d in range(1, every):
            r[d], hr[d] = r[d - 1] * decay + hr[d - 1] * dt, hr[d - 1] * rise
        for _ in range(every):
            keep_r, from_hr, keep_hr = keep_r * decay, from_hr * decay + keep_hr * dt, keep_hr * rise
        return kernels.Wiring(
            start=start.astype(np.int64),
            index=post.astype(np.int64),
            value=W[post, pre] * size[post],
            decay=_padded(decay),
            to_r=r,
            to_hr=hr,
            keep_r=keep_r,
            from_hr=from_hr,
            keep_hr=keep_hr,
            w_out=model.w_out,
            b_out=model.b_out if s.readout_bias else np.zeros(model.n_out),
        )

    def steps(self, n_columns: int) -> int:
        """Compute the number of LIF steps of a trial.

        Args:
            n_columns: of the input before downsampling.

        Returns:
            the number.
        """
        return ((n_columns - 1) // self.settings.downsample) * self.settings.steps_per_column

    def draw(self, rng: np.random.Generator, nt: int) -> Randomness:
        """Draw what is random in a trial. Membranes and noise are the same with and without stimulation.

        Args:
            rng: generator of the trial.
            nt: number of LIF steps.

        Returns:
            initial membrane potentials, noise and stimulation.
        """
        s, stim = self.settings, self.settings.stimulation
        v0 = s.v_init_low + (s.v_init_high - s.v_init_low) * rng.random(self.model.N)
        seeds = rng.integers(0, 2**32, (3, self.model.N), np.uint32)
        kicks = np.zeros(nt)
        if stim.mode != "none":
            kicks[rng.random(nt) < stim.probability] = stim.amplitude if stim.mode == "exc" else -stim.amplitude
            first, stop = (0, nt) if stim.window is None else (round(ms / s.step) for ms in stim.window)
            kicks[:first] = kicks[stop:] = 0
        return Randomness(v0, seeds, kicks)

    def drive(self, u: ArrayLike) -> Float[np.ndarray, "columns N"]:
        """Compute the external input of each unit: bias + W_in u.

        Args:
            u: stimulus (n_in, T), unitless.

        Returns:
            (columns, N), mV, for each column of u that downsampling keeps.

        Raises:
            ValueError: u has the wrong shape, or is too short for a step.

        Source:
            docs/model.md 5.2, equation 8.
        """
        u = self.stimulus(u)
        drive = np.asarray(u[:, :: self.settings.downsample].T @ self.model.w_in.T + self.settings.constant_current)
        if (stimulation := self.model.stimulation) is not None:
            drive[stimulation.on(u.shape[1])[:: self.settings.downsample]] += stimulation.current
        return drive

    def stimulus(self, u: ArrayLike) -> Float[np.ndarray, "n_in T"]:
        """Check a stimulus.

        Args:
            u: stimulus (n_in, T), unitless.

        Returns:
            (n_in, T), unitless, as float64.

        Raises:
            ValueError: u has the wrong shape, or is too short for a step.

        Source: none
        """
        checked: Float[np.ndarray, "n_in T"] = array_of("u", u, (self.model.w_in.shape[1], ("T", 1)))
        if checked.shape[1] <= self.settings.downsample:
            raise ValueError(
                f"u has T = {checked.shape[1]} steps; it must have more than downsample = {self.settings.downsample}"
            )
        return checked

    def outputs(
        self, scaling_factors: Collection[float], u: ArrayLike, randomness: Randomness
    ) -> tuple[Float[np.ndarray, "L *out n"], Int[np.ndarray, "L N"]]:
        """Run one trial at several values of lambda, side by side.

        Args:
            scaling_factors: L values, unitless.
            u: stimulus (n_in, T), unitless.
            randomness: from `draw`.

        Returns:
            output (L, n), or (L, n_out, n) of several outputs, unitless, n = nt / every; number of spikes of each unit
            (L, N), without the first steps.

        Source:
            docs/model.md 5.2 and 5.3.
        """
        out, count, _ = self._run(scaling_factors, u, randomness, _traces(False))
        return out, count

    def record(self, scaling_factor: Any, u: ArrayLike, randomness: Randomness, states: bool = False) -> Trial:
        """Run one trial and keep all its spikes.

        Args:
            scaling_factor: lambda, unitless.
            u: stimulus (n_in, T), unitless.
            randomness: from `draw`.
            states: whether membranes, currents and filtered rates of every step are kept, too; needs `every` = 1.

        Returns:
            the trial.

        Raises:
            ValueError: names the argument, its value and what is allowed.

        Source:
            docs/model.md 5.2 and 5.3.
        """
        factors = np.ravel(scaling_factor)  # (1, 1) in a .mat file
        if factors.size != 1:
            raise ValueError(f"scaling_factor has shape {np.shape(scaling_factor)}; it must be one number")
        nt, N = np.size(randomness.kicks), self.model.N
        shape = (nt, N) if states else (0, 0)
        if states and self.every != 1:
            raise ValueError(f"every = {self.every}: the states of every step need every = 1")
        out, count, record = self._run(factors, u, randomness, _traces(True, shape))
        n = record.n[0]
        steps, units = record.steps[:n].astype(int), record.units[:n].astype(int)
        if (silent := self.model.silent) is not None:
            steps, units = steps[~silent[units]], units[~silent[units]]
        v, ipsc, r = (record.v, record.ipsc, record.r) if states else (None, None, None)
        return Trial(self.dt, nt, out[0], steps, units, count[0] / (nt * self.dt), v, ipsc, r)

    def _run(
        self, scaling_factors: Any, u: ArrayLike, randomness: Randomness, traces: kernels.Traces
    ) -> tuple[Float[np.ndarray, "L *out n"], Int[np.ndarray, "L N"], kernels.Traces]:
        lambdas = array_of("scaling_factor", scaling_factors, (("L", 1),), finite=False)
        if not (np.isfinite(lambdas) & (lambdas > 0)).all():
            raise ValueError(f"scaling_factor = {lambdas.tolist()}: it must be a number above 0")
        inverses = 1 / lambdas
        u = self.stimulus(u)
        drive, nt, N, n_out = self.drive(u), self.steps(u.shape[1]), self.model.N, self.model.n_out
        v0, kicks = array_of("v0", randomness.v0, (N,)), array_of("kicks", randomness.kicks, (nt,))
        seeds = array_of("seeds", randomness.seeds, (3, N), np.uint32)
        out = np.empty((inverses.size, n_out, nt // self.every))
        count = np.zeros((inverses.size, N), np.int64)
        inputs = kernels.Inputs(_padded(drive), kicks, bool(kicks.any()), self.hit)
        start = _padded(v0, self.cell.reset), _padded(seeds)
        record = kernels.trial(self.cell, self.wiring, inverses, inputs, *start, out, count, traces)
        if (silent := self.model.silent) is not None:  # nothing reads them, so that their traces alone are cleared
            count[:, silent] = 0
            for trace, value in zip((record.v, record.ipsc, record.r), (self.cell.reset, 0, 0), strict=True):
                if trace.size:
                    trace[:, silent] = value
        return out[:, 0] if n_out == 1 else out, count, record


def _checked(model: RateModel, initial: bool) -> RateModel:
    """The model with its arrays as the loops read them. Raises ValueError for an array of the wrong shape or type."""
    N, n_in = model.N, model.w_in.shape[-1]
    n_out = max(len(model.w_out), 1) if np.ndim(model.w_out) == 2 else 1
    shapes = {"W_initial" if initial else "W": (N, N), "w_in": (N, n_in), "tau": (N,)}
    shapes |= {"w_out": (n_out, N), "b_out": (n_out,)}
    if initial:
        model.weights(initial)  # raises where they are missing
    arrays: dict[str, Any] = {name: array_of(name, getattr(model, name), shape) for name, shape in shapes.items()}
    arrays |= {name: array_of(name, getattr(model, name), (N,), bool) for name in ("inh", "som")}
    if model.w_in.dtype == arrays["w_in"].dtype:
        del arrays["w_in"]  # only multiplied: in another memory order the last bits of a product may differ
    if not (arrays["tau"] > 0).all():
        raise ValueError(f"tau = {arrays['tau'].min():g} ms of a unit; it must be above 0")
    return replace(model, **arrays)


def _padded(values: np.ndarray, value: float = 0.0) -> np.ndarray:
    """A copy with further units at the end, up to a whole number of vectors."""
    N = values.shape[-1]
    found = np.full((*values.shape[:-1], -(-N // kernels.PADDING) * kernels.PADDING), value, values.dtype)
    found[..., :N] = values
    return found


def _traces(listed: bool, shape: tuple[int, int] = (0, 0)) -> kernels.Traces:
    """A record without any spike, and room for the states of some steps and units."""
    none = np.empty(0, np.int32)
    return kernels.Traces(listed, none, none, np.zeros(1, np.int64), *(np.empty(shape) for _ in range(3)))


def simulate(
    model: RateModel,
    scaling_factor: Any,
    u: ArrayLike | None = None,
    settings: SpikingSettings | None = None,
    rng: np.random.Generator | int | None = None,
    states: bool = False,
) -> Trial:
    """Run one trial of a spiking network.

    Args:
        model: `rate_model(...)`, or anything that it accepts.
        scaling_factor: lambda, unitless.
        u: stimulus (n_in, T), unitless, in steps of 5 ms.
        settings: of the simulation.
        rng: generator or seed; fresh entropy when None.
        states: whether membranes, currents and filtered rates of every step are kept, 8 bytes per unit and step each.

    Returns:
        the trial.

    Raises:
        SettingsError: `settings` are of another class.
        TypeError: lambda or the stimulus is missing, or they are swapped.
        ValueError: names the argument, its value and what is allowed.

    Source:
        docs/model.md 5; Kim et al. 2019, equations 6-9.
    """
    if u is None or (np.ndim(u) == 0 and np.ndim(scaling_factor) > 1):
        raise TypeError("simulate(model, scaling_factor, u): lambda comes before the stimulus; search_scaling finds it")
    u = getattr(u, "u", u)
    if np.ndim(u) == 3:
        raise ValueError(f"u has shape {np.shape(u)}; simulate runs one trial at a time: u[k], of shape (n_in, T)")
    settings = settings or SpikingSettings()
    if not isinstance(settings, SpikingSettings):
        raise SettingsError(f"settings is a {type(settings).__name__}; it must be SpikingSettings")
    simulator = Simulator(model, settings)
    stimulus = simulator.stimulus(u)  # raises for a wrong u before anything is drawn
    randomness = simulator.draw(np.random.default_rng(rng), simulator.steps(stimulus.shape[1]))
    return simulator.record(scaling_factor, stimulus, randomness, states)
