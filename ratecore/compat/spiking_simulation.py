"""`LIF_network_fnc`, the `spiking` package's simulation of one trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratecore.compat.aliases import accepts
from ratecore.compat.spiking_arguments import number, plain_content, seed_of
from ratecore.rate.lesions import check_lesion
from ratecore.settings.base import shown
from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking.exploration import SYNAPSES, lesioned
from ratecore.spiking.lif import simulate
from ratecore.spiking.source import rate_model


@accepts(model_path="model_or_path")
def LIF_network_fnc(
    model_or_path: Any,
    scaling_factor: Any,
    u: Any,
    stims: Mapping[str, Any] | None = None,
    downsample: int = 1,
    use_initial_weights: bool = False,
    lesion_percentage: float = 0.0,
    lesion_scale: float = 0.0,
    lesion_by_type: bool = False,
    exclude_self_connections: bool = True,
    seed: Any = None,
    *,
    settings: SpikingSettings | None = None,
    rng: Any = None,
) -> tuple[Any, ...]:
    """`LIF_network_fnc` of the `spiking` package: convert a trained rate network and run one trial of it.

    Args:
        model_or_path: path of a `.mat` (or `.pth`) file, the content of a `.mat` file, or a network.
        scaling_factor: lambda, unitless.
        u: stimulus (n_in, T), unitless, array or tensor.
        stims: {'mode': 'none' | 'exc' | 'inh', 'dur': [first, last) LIF step from 0, 'units': indices from 0}.
        downsample: factor for the length of a LIF step.
        use_initial_weights: whether the weights before training are used.
        lesion_percentage: fraction in [0, 1] of the live synapses that are weakened, chosen at random.
        lesion_scale: factor for their weights, in [0, 1]; 0 removes them.
        lesion_by_type: whether the fraction holds for the E-E, E-I, I-E and I-I synapses each, not for all together.
        exclude_self_connections: whether a unit's synapse onto itself is spared.
        seed: of the choice of synapses; fresh entropy when None.
        settings: everything else, see SpikingSettings.
        rng: generator or seed of the trial; fresh entropy when None.

    Returns:
        W (N, N) over lambda, REC (N, nt) membrane potential in mV, spk (N, nt) of 0 and 1, rs (N, nt) filtered rates
        in spikes/s, all_fr (N,) firing rates in spikes/s, out (nt,) or (n_out, nt), and a dict: dt (s), T (s), nt,
        w_out (n_out, N), td and td0 (s; a number when all units share one), IPSCs (N, nt).

    Raises:
        ValueError: names the argument, its value and what is allowed.

    Source:
        docs/model.md 5.
    """
    model, scaling_factor, u = rate_model(plain_content(model_or_path)), number(scaling_factor), _array(u)
    initial = bool(use_initial_weights)
    check_lesion(lesion_percentage, lesion_scale)
    if lesion_percentage:
        generator = np.random.default_rng(seed_of(seed))
        for synapses in SYNAPSES[1:] if lesion_by_type else SYNAPSES[:1]:
            model, _ = lesioned(
                model,
                lesion_percentage,
                synapses,
                generator,
                initial,
                scale=lesion_scale,
                self_connections=not exclude_self_connections,
            )
    changes = {"downsample": downsample, "use_initial_weights": initial}
    s = SpikingSettings(**{**(settings or SpikingSettings()).model_dump(), **changes})
    if stims is not None:
        if not isinstance(stims, Mapping):
            raise ValueError(f"stims is a {type(stims).__name__}; it must be a dict such as {{'mode': 'none'}}")
        s = SpikingSettings(**{**s.model_dump(), "stimulation": _stimulation(stims, s)})
    trial = simulate(model, scaling_factor, u, s, rng, states=True)
    td, td0 = ((tau[0] if model.homogeneous else tau) / 1000 for tau in (model.tau, model.tau_initial))
    assert trial.v is not None and trial.r is not None and trial.ipsc is not None  # with states=True
    params = {
        "dt": trial.dt,
        "T": trial.nt * trial.dt,
        "nt": trial.nt,
        "w_out": model.w_out,
        "td": td,
        "td0": td0,
        "IPSCs": trial.ipsc.T,
    }
    W = model.weights(s.use_initial_weights) / scaling_factor
    return W, trial.v.T, trial.raster(model.N), trial.r.T, trial.rates, trial.out, params


def _array(u: Any) -> NDArray[Any]:
    """Convert an array, or a tensor on any device, to an array."""
    return np.asarray(u.detach().cpu().numpy() if hasattr(u, "detach") else u)


def _stimulation(stims: Mapping[str, Any], settings: SpikingSettings) -> dict[str, Any]:
    """Convert `stims`, whose times are LIF steps, to values of StimulationSettings."""
    mode = str(stims.get("mode", "none")).lower()
    if mode == "none":
        return {**settings.stimulation.model_dump(), "mode": "none"}
    if mode not in ("exc", "inh"):
        raise ValueError(f"stims['mode'] = {stims['mode']!r}; it must be 'none', 'exc' or 'inh'")
    if missing := [key for key in ("dur", "units") if key not in stims]:
        raise ValueError(f"stims = {stims}: it has no {', '.join(missing)}")
    try:
        window = [float(step) * settings.step for step in np.ravel(stims["dur"])]
    except (TypeError, ValueError):
        raise ValueError(f"stims['dur'] = {stims['dur']!r}; it must be the first LIF step and the one after") from None
    units = np.ravel(stims["units"])
    if units.dtype.kind not in "iuf" or (units != np.trunc(units)).any():
        raise ValueError(f"stims['units'] = {shown(stims['units'])}; it must be indices of units, from 0")
    indices = tuple(int(k) for k in units)
    return {**settings.stimulation.model_dump(), "mode": mode, "units": indices, "window": window}
