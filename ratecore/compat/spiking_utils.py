"""Helpers of the `spiking` package: files, masks, checks and spike trains."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from ratecore.settings.spiking import SpikingSettings
from ratecore.system.streams import draw_inhibitory
from ratecore.tasks import TaskFactory


def load_rate_model(model_path: Any) -> dict[str, Any]:
    """`load_rate_model` of the `spiking` package: read the content of a trained network's `.mat` file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a `.mat` file, damaged, or without variables that a conversion needs.
    """
    from ratecore.formats import FormatError, load_mat
    from ratecore.spiking.source import rate_model

    path = Path(model_path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    if path.suffix != ".mat":
        raise ValueError(f"{path}: it must be a .mat file; `ratecore.load_network` reads a .pth")
    content = load_mat(path)
    try:
        rate_model(content)
    except (ValueError, TypeError, IndexError) as error:
        raise FormatError(f"{path}: {error}") from error
    return content


def create_connectivity_masks(
    N: int, P_inh: float = 0.2, som_N: int = 0, apply_dale: bool = True, seed: Any = None
) -> tuple[Bool[np.ndarray, " N"], Bool[np.ndarray, " N"], Float[np.ndarray, "N N"], Float[np.ndarray, "N N"]]:
    """`create_connectivity_masks` of the `spiking` package: draw types of units and the masks that follow from them.

    Args:
        N: number of units.
        P_inh: probability that a unit is inhibitory.
        som_N: number of SST units.
        apply_dale: whether there are inhibitory units at all.
        seed: fresh entropy when None.

    Returns:
        inh (N,), exc (N,) bool; m (N, N), +1 or -1 on the diagonal; som_m (N, N), 0 from inhibitory onto SST units.

    Raises:
        ValueError: a number out of its range, or fewer inhibitory units than `som_N`.

    Source:
        docs/model.md 1.2.
    """
    from ratecore.settings.network import NetworkSettings

    NetworkSettings(N=N, P_inh=P_inh, som_N=som_N, apply_dale=apply_dale)
    inh = draw_inhibitory(N, P_inh, apply_dale, np.random.default_rng(seed))
    if som_N > inh.sum():
        raise ValueError(f"som_N = {som_N}; it must be at most the number of inhibitory units, which is {inh.sum()}")
    som_m = np.ones((N, N), np.float32)
    som_m[np.ix_(np.flatnonzero(inh)[:som_N], inh)] = 0
    return inh, ~inh, np.diag(np.where(inh, -1, 1)).astype(np.float32), som_m


def generate_lif_params(dt: float = 0.00005, downsample: int = 1) -> dict[str, float]:
    """`generate_lif_params` of the `spiking` package: the units' default parameters.

    These are dt, tref, tm and tr in seconds, vreset and vpeak (the threshold) in mV.
    """
    s = SpikingSettings(dt=round(1000 * dt, 9), downsample=downsample)
    return {
        "dt": s.step / 1000,
        "tref": s.refractory / 1000,
        "tm": s.tau_m / 1000,
        "vreset": s.v_reset,
        "vpeak": s.spike_threshold,
        "tr": s.tau_rise / 1000,
    }


def validate_stimulus(u: Any, task_type: str = "go_nogo") -> bool:
    """`validate_stimulus` of the `spiking` package: True for a stimulus (n_in, T) of a task, else ValueError."""
    u = u.detach().cpu().numpy() if hasattr(u, "detach") else u
    task: Any = TaskFactory.task_class(task_type)
    if not isinstance(u, np.ndarray) or u.ndim != 2:
        raise ValueError(f"the stimulus must be an array (n_in, T); it is {np.shape(u)} of {type(u).__name__}")
    if u.shape[0] != task.n_inputs:
        raise ValueError(f"the stimulus has {u.shape[0]} inputs; task {task.name} has {task.n_inputs}")
    if u.dtype.kind not in "fiub" or not np.isfinite(u).all():
        raise ValueError("the stimulus must be finite numbers")
    return True


def validate_scaling_factor(scaling_factor: float, valid_range: tuple[float, float] = (1.0, 1000.0)) -> bool:
    """`validate_scaling_factor` of the `spiking` package: True for a number above 0, else ValueError.

    Values outside `valid_range` give a warning.
    """
    known = isinstance(scaling_factor, int | float | np.integer | np.floating) and not isinstance(scaling_factor, bool)
    if not known or not 0 < scaling_factor < np.inf:
        raise ValueError(f"scaling_factor = {scaling_factor!r}; it must be a number above 0")
    if not valid_range[0] <= scaling_factor <= valid_range[1]:
        warnings.warn(f"scaling_factor = {scaling_factor} is outside {tuple(valid_range)}", stacklevel=2)
    return True


def check_gpu_availability() -> tuple[bool, str]:
    """`check_gpu_availability` of the `spiking` package: whether torch sees a GPU, and its name or 'CPU'."""
    import torch

    return (True, torch.cuda.get_device_name(0)) if torch.cuda.is_available() else (False, "CPU")


def set_random_seed(seed: int) -> None:
    """`set_random_seed` of the `spiking` package: seed the generators of NumPy and torch. ratecore uses neither."""
    import torch

    np.random.seed(seed)
    torch.manual_seed(seed)
    warnings.warn(
        "ratecore draws nothing from the global generators; give its functions seed= or rng=, and FR_RNN_dale rng=",
        stacklevel=2,
    )


def format_spike_data(spikes: ArrayLike, dt: float) -> dict[str, Any]:
    """`format_spike_data` of the `spiking` package: convert a spike raster to times and units.

    Args:
        spikes: (N, nt), above 0 where a unit fires.
        dt: step, s.

    Returns:
        spike_times (S,) in s and spike_neurons (S,), unit after unit; firing_rates (N,) in spikes/s; active_neurons:
        indices of the units with a spike; total_spikes.

    Raises:
        ValueError: another shape, or dt not above 0.

    Source: none
    """
    fired = np.asarray(spikes) > 0
    if fired.ndim != 2:
        raise ValueError(f"spikes has shape {fired.shape}; it must be (N, nt)")
    if not dt > 0:
        raise ValueError(f"dt = {dt}; it must be above 0 s")
    units, steps = np.nonzero(fired)
    return {
        "spike_times": steps * dt,
        "spike_neurons": units,
        "firing_rates": fired.sum(1) / (fired.shape[1] * dt),
        "active_neurons": np.flatnonzero(fired.any(1)),
        "total_spikes": int(fired.sum()),
    }
