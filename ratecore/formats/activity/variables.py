"""The variables of files of activity, and those of spikes: names, dimensions, units and values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratecore.spiking.results import SpikeTrials

Array = NDArray[Any]
Dims = tuple[str, ...]


@dataclass(frozen=True)
class Variable:
    """A variable of a file.

    Attributes:
        dims: names of its dimensions; those of networks have 'network' first, and flat lists of spikes 'spike' alone.
        dtype: of NumPy, 'bool', or 'str'.
        attrs: long_name, units ...
        coordinate: whether it describes others.
    """

    dims: Dims
    dtype: str
    attrs: dict[str, Any] = field(default_factory=dict)
    coordinate: bool = False


def spike_schema(dtype: str, bin_ms: float | None) -> dict[str, Variable]:
    """Describe the variables of spikes.

    Args:
        dtype: of outputs and rates.
        bin_ms: width of bins, ms; None for none.

    Returns:
        name: variable.
    """
    trial, of_trial = ("network", "spiking_trial"), "of each trial of the spiking network"
    found = {
        "lambda": Variable(("network",), "float64", {"units": "1", "long_name": "divisor of the weights"}, True),
        "dt": Variable(("network",), "float64", {"units": "ms", "long_name": "step of the spiking simulation"}, True),
        "spiking_trial_number": Variable(trial, "int64", {"long_name": f"number in its stream, {of_trial}"}, True),
        "spiking_condition": Variable(trial, "str", {"long_name": f"condition, {of_trial}"}, True),
        "spiking_choice": Variable(trial, "int8", {"long_name": f"sign of the mean output, {of_trial}"}, True),
        "spiking_correct": Variable(trial, "bool", {"long_name": f"whether it is correct, {of_trial}"}, True),
        "duration": Variable(trial, "float64", {"units": "ms", "long_name": f"simulated time, {of_trial}"}, True),
        "firing_rate": Variable((*trial, "unit"), dtype, {"units": "spikes/s", "long_name": "firing rate"}),
        "spiking_o": Variable((*trial, "time", "output"), dtype, {"units": "1", "long_name": "output by rate step"}),
        "spike_time": Variable(("spike",), "float64", {"units": "ms", "long_name": "from the start of the trial"}),
        "spike_unit": Variable(("spike",), "int32", {"long_name": "unit that fired, from 0"}),
        "spike_trial": Variable(("spike",), "int32", {"long_name": "place along spiking_trial, from 0"}),
        "spike_network": Variable(("spike",), "int32", {"long_name": "place along network, from 0"}),
    }
    if bin_ms is not None:
        counted = {"units": "spikes", "long_name": f"spikes in bins of {bin_ms:g} ms", "bin_ms": float(bin_ms)}
        found["spike_count"] = Variable((*trial, "bin", "unit"), "int32", counted)
    return found


def spike_arrays(spikes: SpikeTrials, bin_ms: float | None) -> dict[str, Array]:
    """The variables of one network's spikes, without the flat lists.

    Args:
        spikes: of the network.
        bin_ms: width of bins, ms; None for none.

    Returns:
        name: values, without the dimension 'network'.

    Source: none
    """
    found: dict[str, Array] = {
        "lambda": np.asarray(spikes.scaling_factor),
        "dt": np.asarray(spikes.dt),
        "spiking_trial_number": spikes.numbers,
        "spiking_condition": np.array(spikes.condition),
        "spiking_choice": spikes.choice,
        "spiking_correct": spikes.correct,
        "duration": spikes.duration,
        "firing_rate": spikes.rates,
        "spiking_o": output_last(spikes.o),
    }
    if bin_ms is not None:
        found["spike_count"] = spikes.binned(bin_ms)
    return found


def flat_spikes(spikes: SpikeTrials, network: int) -> dict[str, Array]:
    """The flat lists of one network's spikes.

    Args:
        spikes: of the network.
        network: its place in the file, from 0.

    Returns:
        name: values (S,).

    Source: none
    """
    return {
        "spike_time": spikes.times,
        "spike_unit": spikes.units,
        "spike_trial": spikes.trials,
        "spike_network": np.full(spikes.times.size, network),
    }


def output_last(o: Array) -> Array:
    """Give outputs the dimensions (trial, time, output).

    Args:
        o: (B, T), or (B, n_out, T) of several outputs, unitless.

    Returns:
        (B, T, n_out), unitless.

    Source: none
    """
    return o[..., None] if o.ndim == 2 else np.moveaxis(o, 1, 2)
