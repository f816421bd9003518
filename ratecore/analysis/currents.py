"""Excitatory, inhibitory and external currents onto units, from activity and weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.typing import ArrayLike

from ratecore.analysis.trials import activity_of, mean_there


@dataclass(frozen=True)
class Currents:
    """Currents onto N units in B trials, as they enter equation 1 of docs/model.md: those of step t act on x[t + 1].

    Attributes:
        excitatory: from excitatory synapses (B, T, N), >= 0, in units of x (mV in a spiking network); NaN after the end
            of a trial.
        inhibitory: from inhibitory synapses (B, T, N), <= 0, in units of x.
        external: from the inputs (B, T, N), in units of x, of either sign; 0 where no inputs were given.
    """

    excitatory: Float[np.ndarray, "B T N"]
    inhibitory: Float[np.ndarray, "B T N"]
    external: Float[np.ndarray, "B T N"]

    @property
    def recurrent(self) -> Float[np.ndarray, "B T N"]:
        """Net current from other units, W r (B, T, N), in units of x."""
        recurrent: Float[np.ndarray, "B T N"] = self.excitatory + self.inhibitory
        return recurrent

    @property
    def total(self) -> Float[np.ndarray, "B T N"]:
        """Net current from other units and inputs, W r + W_in u (B, T, N), in units of x."""
        total: Float[np.ndarray, "B T N"] = self.recurrent + self.external
        return total

    def with_external(self) -> Currents:
        """Count the external current as excitation where it is positive, and as inhibition where it is negative.

        Returns:
            the currents, without any that is external.

        Source: none
        """
        return Currents(
            self.excitatory + np.maximum(self.external, 0),
            self.inhibitory + np.minimum(self.external, 0),
            np.zeros_like(self.external),
        )

    def between(self, start: int, stop: int) -> Currents:
        """Take some steps of the currents.

        Args:
            start: first step.
            stop: first step after them.

        Returns:
            the currents in these steps.

        Source: none
        """
        arrays = {name: getattr(self, name)[:, start:stop] for name in ("excitatory", "inhibitory", "external")}
        return replace(self, **arrays)


def currents(
    r: ArrayLike,
    W: ArrayLike,
    inhibitory: ArrayLike | None = None,
    *,
    u: ArrayLike | None = None,
    w_in: ArrayLike | None = None,
    added: ArrayLike | None = None,
    sources: ArrayLike | None = None,
    onto: ArrayLike | None = None,
) -> Currents:
    """Compute the currents onto each unit over time.

    A synapse is excitatory if its weight is positive. With Dale's law this is the type of the sending unit; a network
    without it has no inhibitory units, but inhibitory synapses.

    Args:
        r: firing rates (B, T, N), unitless; NaN after the end of shorter trials. An xarray DataArray is one, too.
        W: effective weights (N, N), unitless, W[i, j] from unit j to unit i, as of `net.effective_weights()`.
        inhibitory: which units are inhibitory (N,), for a network with Dale's law: the signs of W must be those of the
            types then; None without Dale's law.
        u: inputs (B, n_in, T), unitless.
        w_in: input weights (N, n_in), unitless.
        added: other external currents (T, N) or (B, T, N), in units of x, such as a stimulation's.
        sources: which units' synapses count (N,), bool, unitless, such as those of one area; all by default.
        onto: which units receive them (N,), bool, unitless; all by default. Some at a time take less memory.

    Returns:
        the currents in float64, of M units if `onto` names M.

    Raises:
        ValueError: shapes do not fit, numbers are not finite, a rate is negative, or the signs are not those of Dale's
            law.

    Source:
        docs/model.md 1.1, equations 1 and 4.
    """
    rates = _rates(r)
    N = rates.shape[2]
    weights = weights_of(W, N, inhibitory)
    if sources is not None:
        weights = np.where(units_mask(sources, N, "sources"), weights, 0)
    receiving = np.ones(N, bool) if onto is None else units_mask(onto, N, "onto")
    weights = weights[receiving]
    excitatory, inhibition = (_from_senders(rates, part(weights, 0)) for part in (np.maximum, np.minimum))
    external = _external(rates, u, w_in, receiving)
    if added is not None:
        more = np.asarray(added, np.float64)
        if more.shape not in (rates.shape, rates.shape[1:]):
            raise ValueError(f"added has shape {more.shape}; it must be {rates.shape[1:]} or {rates.shape}")
        external = external + more[..., receiving]
    return Currents(excitatory, inhibition, external)


def mean_currents_by_area(
    r: ArrayLike, W: ArrayLike, areas: Sequence[Any] | Shaped[np.ndarray, " N"], inhibitory: ArrayLike | None = None
) -> tuple[list[Any], Float[np.ndarray, "A A"], Float[np.ndarray, "A A"]]:
    """Compute the mean currents between areas. For those over time, use `currents(..., sources=...)`.

    Args:
        r: firing rates (B, T, N), unitless; NaN after the end of shorter trials.
        W: effective weights (N, N), unitless.
        areas: the area of each unit (N,), names or numbers.
        inhibitory: as in `currents`, (N,), unitless.

    Returns:
        the areas in the order of their first unit; mean excitatory and inhibitory currents onto a unit of each area
        (row) from all units of each area (column), (A, A), in units of x.

    Raises:
        ValueError: as in `currents`, or there is not one area for each unit.

    Source:
        docs/model.md 1.1, equation 1, and 1.6.
    """
    rates = _rates(r)
    N = rates.shape[2]
    weights, of_units = weights_of(W, N, inhibitory), np.asarray(areas)
    if of_units.shape != (N,):
        raise ValueError(f"areas has shape {of_units.shape}; it must be one area for each unit, ({N},)")
    names = list(dict.fromkeys(of_units.tolist()))
    inside = np.array([of_units == name for name in names], np.float64)
    onto = inside / inside.sum(1, keepdims=True)
    mean = mean_there(rates, (0, 1))
    exc, inh = (onto @ (part(weights, 0) * mean) @ inside.T for part in (np.maximum, np.minimum))
    return names, exc, inh


def units_by_type(inhibitory: ArrayLike | None, N: int) -> dict[str, Bool[np.ndarray, " N"]]:
    """Group units by their type.

    Args:
        inhibitory: which units are inhibitory (N,); None without Dale's law.
        N: number of units.

    Returns:
        the units 'E' and 'I' (N,), as far as there are any, or 'all' without Dale's law.

    Raises:
        ValueError: there is not one type for each unit.

    Source: none
    """
    if inhibitory is None:
        return {"all": np.ones(N, bool)}
    inh = units_mask(inhibitory, N, "inhibitory")
    return {name: units for name, units in {"E": ~inh, "I": inh}.items() if units.any()}


def onto_types(
    values: Float[np.ndarray, "*rows N"], groups: Mapping[str, Bool[np.ndarray, " N"]]
) -> Float[np.ndarray, "*rows G"]:
    """Average over the units of each type.

    Args:
        values: of each unit in the last dimension (..., N), any units of currents.
        groups: the units of each type (N,).

    Returns:
        the means (..., G), in the same units of currents; NaN is left out.

    Source: none
    """
    return np.stack([mean_there(values[..., units], -1) for units in groups.values()], -1)


def units_mask(given: ArrayLike, N: int, name: str) -> Bool[np.ndarray, " N"]:
    """Check which units are chosen.

    Args:
        given: (N,), bool, unitless.
        N: number of units.
        name: of the argument, for messages.

    Returns:
        (N,).

    Raises:
        ValueError: it is no such array.

    Source: none
    """
    mask = np.asarray(given)
    if mask.shape != (N,) or mask.dtype != bool:
        raise ValueError(f"{name} has shape {mask.shape} of {mask.dtype}; it must be ({N},) of bool")
    return mask


def weights_of(W: ArrayLike, N: int, inhibitory: ArrayLike | None) -> Float[np.ndarray, "N N"]:
    """Check weights and, with Dale's law, their signs.

    Args:
        W: effective weights (N, N), unitless.
        N: number of units.
        inhibitory: which units are inhibitory (N,), unitless; None without Dale's law.

    Returns:
        the weights (N, N) in float64, unitless.

    Raises:
        ValueError: they are no such numbers, or have other signs.

    Source:
        docs/model.md 1.2, equation 4.
    """
    given = np.asarray(W)
    if given.shape != (N, N) or given.dtype.kind not in "fiu" or not np.isfinite(given).all():
        raise ValueError(f"W has shape {given.shape} of {given.dtype}; it must be ({N}, {N}) of finite real numbers")
    weights = given.astype(np.float64)
    if inhibitory is not None:
        inh = units_mask(inhibitory, N, "inhibitory")
        for j in _against_dale(weights, inh):
            kind, sign = ("inhibitory", "positive") if inh[j] else ("excitatory", "negative")
            raise ValueError(f"W: unit {j} is {kind} but has {sign} weights; without Dale's law, inhibitory is None")
    return weights


def _rates(r: ArrayLike) -> Float[np.ndarray, "B T N"]:
    rates = activity_of(r, "r")
    absent = np.isnan(rates)
    if absent.any() and (absent.any(2) != absent.all(2)).any():
        raise ValueError("r: some units are NaN where others are not; leave out units that do not exist")
    if (rates < 0).any():
        raise ValueError(f"r: its smallest rate is {np.nanmin(rates):g}; rates must be at least 0")
    return rates


def _against_dale(W: Float[np.ndarray, "N N"], inh: Bool[np.ndarray, " N"]) -> Iterator[int]:
    yield from np.flatnonzero((np.where(inh, -W, W) < 0).any(0)).tolist()


def _from_senders(
    rates: Float[np.ndarray, "B T N"], weights: Float[np.ndarray, "M N"]
) -> Float[np.ndarray, "B T M"]:
    """W r, without the units that send nothing; NaN after the end of trials."""
    sending = (weights != 0).any(0)
    sending[0] |= not sending.any()
    received: Float[np.ndarray, "B T M"] = rates[..., sending] @ weights[:, sending].T
    return received


def _external(
    rates: Float[np.ndarray, "B T N"], u: ArrayLike | None, w_in: ArrayLike | None, onto: Bool[np.ndarray, " N"]
) -> Float[np.ndarray, "B T M"]:
    """W_in u, or 0; NaN where the rates are."""
    B, T, N = rates.shape
    ended = np.isnan(rates).all(2)
    if u is None and w_in is None:
        nothing = np.zeros((B, T, int(onto.sum())))
        nothing[ended] = np.nan
        return nothing
    if u is None or w_in is None:
        raise ValueError("u and w_in: give both, or none of them")
    stimuli, weights = np.asarray(u, np.float64), np.asarray(w_in, np.float64)
    if weights.ndim != 2 or len(weights) != N or not np.isfinite(weights).all():
        raise ValueError(f"w_in has shape {weights.shape}; it must be ({N}, n_in) of finite numbers")
    if stimuli.shape != (B, weights.shape[1], T):
        raise ValueError(f"u has shape {stimuli.shape}; it must be {(B, weights.shape[1], T)}")
    external: Float[np.ndarray, "B T M"] = np.moveaxis(stimuli, 1, 2) @ weights[onto].T
    external[ended] = np.nan
    return external
