"""`LIF_network_fnc`, the `spiking` package's simulation of one trial."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ratecore.compat.aliases import accepts
from ratecore.compat.spiking_arguments import number, plain_content, seed_of
from ratecore.rate.network import check_lesion
from ratecore.settings.base import shown
from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking.exploration import SYNAPSES, lesioned
from ratecore.spiking.lif import simulate
from ratecore.spiking.source import rate_model


@accepts(model_path="model_or_path")
def LIF_network_fnc(
    model_or_path,
    scaling_factor,
    u,
    stims=None,
    downsample=1,
    use_initial_weights=False,
    lesion_percentage: float = 0.0,
    lesion_scale: float = 0.0,
    lesion_by_type: bool = False,
    exclude_self_connections: bool = True,
    seed=None,
    *,
    settings: SpikingSettings | None = None,
    rng=None,
):
    """Converts a trained rate network and runs one trial of it, with everything of every step.

    Args:
        model_or_path: path of a `.mat` (or `.pth`) file, the content of a `.mat` file, or a network.
        scaling_factor: lambda.   u: (n_in, T), array or tensor.
        stims: {'mode': 'none' | 'exc' | 'inh', 'dur': [first, last) LIF step from 0, 'units': indices from 0}.
        downsample: steps so many times as long.   use_initial_weights: the weights before training.
        lesion_percentage: fraction in [0, 1] of the live synapses that are weakened, chosen at random.
        lesion_scale: factor of their weights, in [0, 1]; 0 removes them.
        lesion_by_type: whether the fraction is of the E-E, E-I, I-E and I-I synapses each, not of all together.
        exclude_self_connections: whether a unit's synapse onto itself is spared.
        seed: of the choice of synapses; fresh entropy when None.
        settings: all else, see SpikingSettings.   rng: generator or seed; fresh entropy when None.

    Returns:
        W (N, N) over lambda, REC (N, nt) membrane in mV, spk (N, nt) of 0 and 1, rs (N, nt) filtered rates, all_fr (N,)
        spikes a second, out (nt,), and a dict: dt, T (s), nt, w_out (1, N), td and td0 (s; a number when all units
        share one), IPSCs (N, nt).

    Raises:
        ValueError: names the argument, its value and what is allowed.
    """
    model, scaling_factor, u = rate_model(plain_content(model_or_path)), number(scaling_factor), _array(u)
    initial = bool(use_initial_weights)
    check_lesion(lesion_percentage, lesion_scale)
    if lesion_percentage:
        generator = np.random.default_rng(seed_of(seed))
        for synapses in SYNAPSES[1:] if lesion_by_type else SYNAPSES[:1]:
            model, _ = lesioned(model, lesion_percentage, synapses, generator, initial, scale=lesion_scale,
                                self_connections=not exclude_self_connections)  # fmt: skip
    changes = {"downsample": downsample, "use_initial_weights": initial}
    s = SpikingSettings(**{**(settings or SpikingSettings()).model_dump(), **changes})
    if stims is not None:
        if not isinstance(stims, Mapping):
            raise ValueError(f"stims is a {type(stims).__name__}; it must be a dict such as {{'mode': 'none'}}")
        s = SpikingSettings(**{**s.model_dump(), "stimulation": _stimulation(stims, s)})
    trial = simulate(model, scaling_factor, u, s, rng, states=True)
    td, td0 = ((tau[0] if model.homogeneous else tau) / 1000 for tau in (model.tau, model.tau_initial))
    params = {"dt": trial.dt, "T": trial.nt * trial.dt, "nt": trial.nt, "w_out": model.w_out[None], "td": td,
              "td0": td0, "IPSCs": trial.ipsc.T}  # fmt: skip
    W = model.weights(s.use_initial_weights) / scaling_factor
    return W, trial.v.T, trial.raster(model.N), trial.r.T, trial.rates, trial.out, params


def _array(u) -> np.ndarray:
    """An array, or a tensor on any device, as an array."""
    return u.detach().cpu().numpy() if hasattr(u, "detach") else np.asarray(u)


def _stimulation(stims: dict, settings: SpikingSettings) -> dict:
    """The companion's `stims` as StimulationSettings; its times are LIF steps."""
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
    units = tuple(int(k) for k in units)
    return {**settings.stimulation.model_dump(), "mode": mode, "units": units, "window": window}
