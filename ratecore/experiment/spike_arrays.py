"""Firing rates, counts and outputs of spiking networks as lazy labelled arrays, a chunk for each network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import ratecore
from ratecore.experiment.dataset import WIDTH
from ratecore.formats.activity.labelled import filled
from ratecore.formats.activity.variables import Variable, spike_arrays, spike_schema
from ratecore.settings.spiking import RATE_STEP
from ratecore.system.extras import needed

if TYPE_CHECKING:
    import xarray as xr

    from ratecore.experiment.spikes import Spikes

PREFIX = "spiking_"  # of names in files that hold the activity of rate networks, too


def lazy_dataset(spikes: Spikes, bin_ms: float | None) -> xr.Dataset:
    """The dataset that `Spikes.dataset` describes.

    Args:
        spikes: of the networks.
        bin_ms: width of bins, ms; None for none.

    Returns:
        the dataset.

    Raises:
        ImportError: xarray or dask is not installed.

    Source: none
    """
    xarray = needed("xarray", "analysis", "labelled arrays of spikes")
    dask = needed("dask", "analysis", "labelled arrays of spikes")
    array = needed("dask.array", "analysis", "labelled arrays of spikes")
    sizes, networks = _sizes(spikes, bin_ms), spikes.networks
    schema = {name: v for name, v in spike_schema("float64", bin_ms).items() if v.dims != ("spike",)}
    of_unit = ("network", "unit")
    schema |= {"unit_type": Variable(of_unit, "str", {}, True)}
    schema |= {"tau": Variable(of_unit, "float64", {"units": "ms", "long_name": "synaptic decay time"}, True)}
    blocks = [dask.delayed(_block)(spikes, network, bin_ms, schema, sizes) for network in networks]
    found: dict[str, Any] = {}
    for name, variable in schema.items():
        shape = tuple(sizes[dim] for dim in variable.dims)
        dtype = _text(name) if variable.dtype == "str" else variable.dtype
        parts = [array.from_delayed(block[name], (1, *shape[1:]), dtype) for block in blocks]
        dims = tuple(dim.removeprefix(PREFIX) for dim in variable.dims)
        found[name.removeprefix(PREFIX)] = (dims, array.concatenate(parts), variable.attrs)
    coordinates = {name.removeprefix(PREFIX) for name, variable in schema.items() if variable.coordinate}
    labels = spikes.labels
    coords: dict[str, Any] = {name: ("network", [own[name] for own in labels]) for name in labels[0]}
    coords |= {"network": networks, "unit": np.arange(sizes["unit"])}
    coords["time"] = ("time", np.arange(sizes["time"]) * RATE_STEP, {"units": "ms"})
    dataset: xr.Dataset = xarray.Dataset(
        {name: value for name, value in found.items() if name not in coordinates},
        {**{name: found[name] for name in coordinates}, **coords},
        {"title": "activity of spiking networks", "ratecore_version": ratecore.__version__},
    )
    return dataset


def _sizes(spikes: Spikes, bin_ms: float | None) -> dict[str, int]:
    sizes = {"network": len(spikes), **spikes.sizes}
    sizes[f"{PREFIX}trial"] = sizes.pop("trial")
    if bin_ms is not None:
        sizes["bin"] = math.ceil((sizes["time"] - 1) * RATE_STEP / bin_ms - 1e-9)
    return sizes


def _block(
    spikes: Spikes, network: int, bin_ms: float | None, schema: dict[str, Variable], sizes: dict[str, int]
) -> dict[str, NDArray[Any]]:
    """Every variable of one network, with the shape that all networks have."""
    found = spikes.simulate(network)
    arrays = spike_arrays(found, bin_ms) | {"unit_type": np.array(found.unit_type), "tau": found.tau}
    shapes = {name: tuple(sizes[dim] for dim in variable.dims[1:]) for name, variable in schema.items()}
    made = {name: filled(arrays[name], schema[name].dtype, shape)[None] for name, shape in shapes.items()}
    return {name: value.astype(_text(name)) if value.dtype == object else value for name, value in made.items()}


def _text(name: str) -> str:
    """Type of a variable of text, of the widths that activity has."""
    return "<U3" if name == "unit_type" else f"<U{WIDTH}"
