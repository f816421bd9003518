"""What a file of activity holds: arrays by name, with their dimensions, network by network."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ratecore.formats.activity.variables import Array, Variable, spike_arrays, spike_schema
from ratecore.spiking.results import SpikeTrials

if TYPE_CHECKING:
    import xarray as xr

STEP = 5.0  # ms of a rate step
LARGEST_GROUP = 2**28  # bytes of the activity of networks that are computed together
VARIABLES = ("x", "r", "o", "u", "target")  # of the rate network
DTYPES = ("float32", "float64")


class Spikes(Protocol):
    """The spikes of several networks, each simulated when it is asked for."""

    @property
    def networks(self) -> Sequence[int]:
        """The networks, as the coordinate `network` of their activity has them."""

    @property
    def labels(self) -> Sequence[Mapping[str, Any]]:
        """Of each network what tells it apart: task, seed, axes of the grid, folder."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Largest number of each: trial, time (rate steps), unit, output."""

    def arrays(self, network: int) -> SpikeTrials:
        """Run the trials of a network.

        Args:
            network: one of `networks`.

        Returns:
            the spikes.
        """


@dataclass
class Part:
    """One network.

    Attributes:
        labels: what tells it apart: task, seed, axes of the grid, folder.
        activity: of the rate network, without the dimension 'network'; None when not asked for. It is loaded, unless it
            is larger than `LARGEST_GROUP`.
        spikes: of the spiking network; None when not asked for, or for a network that was not converted.
    """

    labels: dict[str, Any]
    activity: xr.Dataset | None = None
    spikes: SpikeTrials | None = None

    def pieces(self) -> Iterator[tuple[int, Part]]:
        """Take the trials of the rate network a few at a time, as they are computed.

        Yields:
            first trial of the piece, and the piece with its activity loaded; the first one has the spikes.
        """
        chunks = {} if self.activity is None else dict(self.activity.chunks)
        if self.activity is None or not chunks:  # loaded already
            yield 0, self
            return
        first = 0
        for n in chunks.get("trial", (self.activity.sizes.get("trial", 0),)):
            loaded = self.activity.isel(trial=slice(first, first + n)).load()
            yield first, Part(self.labels, loaded, None if first else self.spikes)
            first += n


@dataclass
class Contents:
    """What is to be written.

    Attributes:
        activity: of rate networks, as of `exp.activity`; None for spikes alone.
        spikes: of spiking networks; None for activity alone.
        variables: of the activity, among `VARIABLES`.
        bin_ms: width of the bins in which spikes are counted, too, ms; None for none.
        dtype: 'float32' or 'float64', of activity, outputs and rates.

    Raises:
        ValueError: names the argument, its value and what is allowed.
    """

    activity: xr.Dataset | None = None
    spikes: Spikes | None = None
    variables: Sequence[str] = VARIABLES
    bin_ms: float | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype = {self.dtype!r}; it must be one of {', '.join(DTYPES)}")
        if unknown := [name for name in self.variables if name not in VARIABLES]:
            raise ValueError(f"variables = {unknown[0]!r}; they must be among {', '.join(VARIABLES)}")
        if self.activity is None and self.spikes is None:
            raise ValueError("there is nothing to write: neither activity nor spikes")
        if self.spikes is None and self.bin_ms is not None:
            raise ValueError(f"bin_ms = {self.bin_ms}: spikes are counted in bins, and there are none")
        if self.bin_ms is not None and not 0 < self.bin_ms < math.inf:
            raise ValueError(f"bin_ms = {self.bin_ms}: it must be above 0 ms")
        if self.activity is not None:
            left_out = [str(name) for name in self.activity.data_vars if str(name) not in self.variables]
            self.activity = self.activity.drop_vars(left_out)
        self._check_networks()

    def _check_networks(self) -> None:
        if self.activity is None or self.spikes is None:
            return
        others = [network for network in self.spikes.networks if network not in self.networks]
        if others:
            raise ValueError(f"spikes are of network {others[0]}, too; the activity has {self.networks}")

    @property
    def networks(self) -> list[int]:
        """The networks, by their index in the table of results."""
        if self.activity is None:
            return [] if self.spikes is None else [int(network) for network in self.spikes.networks]
        numbers = self.activity.coords.get("network", range(self.activity.sizes["network"]))
        return [int(network) for network in numbers]

    @property
    def n_networks(self) -> int:
        """Number of networks."""
        return len(self.networks)

    def labels(self) -> list[dict[str, Any]]:
        """What tells the networks apart.

        Returns:
            name: value of each network.
        """
        if self.activity is not None:
            own = [name for name, value in self.activity.coords.items() if value.dims == ("network",)]
            columns = {str(name): self.activity[name].values.tolist() for name in own}
            return [{name: values[k] for name, values in columns.items()} for k in range(self.n_networks)]
        if self.spikes is None:
            return []
        pairs = zip(self.spikes.networks, self.spikes.labels, strict=True)
        return [{"network": network, **labels} for network, labels in pairs]

    def parts(self) -> Iterator[Part]:
        """Compute the networks, as many at a time as there are cores.

        Yields:
            each network.
        """
        labels, networks = self.labels(), self.networks
        with_spikes = set() if self.spikes is None else set(self.spikes.networks)
        for first in range(0, len(networks), self._at_once()):
            chosen = slice(first, first + self._at_once())
            activity = None if self.activity is None else self.activity.isel(network=chosen)
            if activity is not None and activity.nbytes <= LARGEST_GROUP:
                activity = activity.load()
            for k, network in enumerate(networks[chosen]):
                part = Part(labels[first + k])
                if activity is not None:
                    part.activity = activity.isel(network=k)
                if self.spikes is not None and network in with_spikes:
                    part.spikes = self.spikes.arrays(network)
                yield part

    def _at_once(self) -> int:
        """Networks that are computed together, one on each core, as far as they fit into `LARGEST_GROUP`."""
        if self.activity is None:
            return 1
        one = max(self.activity.nbytes // max(self.n_networks, 1), 1)
        return int(max(1, min(len(os.sched_getaffinity(0)), LARGEST_GROUP // one)))

    def sizes(self) -> dict[str, int]:
        """Length of each dimension, except that of spikes, which is known when they are.

        Returns:
            name: length.
        """
        sizes = {} if self.activity is None else {str(name): int(n) for name, n in self.activity.sizes.items()}
        sizes["network"] = self.n_networks
        if self.spikes is not None:
            own = dict(self.spikes.sizes)
            sizes["spiking_trial"] = own.pop("trial")
            steps = own["time"] - 1
            sizes |= {name: max(n, sizes.get(name, 0)) for name, n in own.items()}
            if self.bin_ms is not None:
                sizes["bin"] = math.ceil(steps * STEP / self.bin_ms - 1e-9)
        return sizes

    def schema(self) -> dict[str, Variable]:
        """Describe every variable of a file with all networks.

        Returns:
            name: variable.
        """
        found: dict[str, Variable] = {}
        if self.activity is not None:
            for name, array in self.activity.variables.items():
                kind = array.dtype.kind
                dtype = "bool" if kind == "b" else "str" if kind in "OUT" else str(array.dtype)
                if name in VARIABLES:
                    dtype = self.dtype
                is_coordinate = name in self.activity.coords
                found[str(name)] = Variable(tuple(map(str, array.dims)), dtype, dict(array.attrs), is_coordinate)
        else:
            for name, value in self.labels()[0].items() if self.n_networks else ():
                dtype = {bool: "bool", int: "int64", float: "float64"}.get(type(value), "str")
                found[name] = Variable(("network",), dtype, {}, True)
            found |= {
                "time": Variable(("time",), "float64", {"units": "ms", "long_name": "start of the rate step"}, True),
                "unit_type": Variable(("network", "unit"), "str", {"long_name": "E, I or SST; '' for no unit"}, True),
                "tau": Variable(("network", "unit"), "float64", {"units": "ms", "long_name": "time constant"}, True),
            }
        if self.spikes is not None:
            found |= spike_schema(self.dtype, self.bin_ms)
        return found

    def fixed(self) -> dict[str, Array]:
        """The variables that do not depend on the network.

        Returns:
            name: values.
        """
        if self.activity is None:
            return {"time": np.arange(self.sizes()["time"]) * STEP}
        loaded = {str(name): array for name, array in self.activity.variables.items() if "network" not in array.dims}
        found = {name: np.asarray(array.values) for name, array in loaded.items()}
        if "time" in found:  # trials of the spiking networks may be longer
            found["time"] = np.arange(self.sizes()["time"]) * STEP
        return found

    def arrays(self, part: Part) -> dict[str, Array]:
        """The variables of one network, without spikes' flat lists.

        Args:
            part: the network.

        Returns:
            name: values, of the variable's dimensions without 'network', or shorter.
        """
        found: dict[str, Array] = {}
        if part.activity is not None:
            fixed = self.fixed()
            found = {
                str(name): np.asarray(array.values)
                for name, array in part.activity.variables.items()
                if str(name) not in fixed
            }
        else:
            found = {name: np.asarray(value) for name, value in part.labels.items()}
        if part.spikes is not None:
            if part.activity is None:
                found |= {"unit_type": np.array(part.spikes.unit_type), "tau": part.spikes.tau}
            found |= spike_arrays(part.spikes, self.bin_ms)
        return found


def compact(activity: xr.Dataset) -> xr.Dataset:
    """Leave out what a network does not have: units of larger networks, and trials of longer lists.

    Args:
        activity: of one network.

    Returns:
        without units of type '' and trials of number -1.
    """
    for name, absent in (("unit_type", ""), ("trial_number", -1)):
        if name in activity.coords:
            (dim,) = activity[name].dims
            activity = activity.isel({dim: activity[name].values != absent})
    return activity


def name_of(labels: Mapping[str, Any], among: Sequence[Mapping[str, Any]]) -> str:
    """A network's name in a folder: its task, what differs among the networks, and its seed.

    Args:
        labels: of the network.
        among: labels of all networks.

    Returns:
        a name for a file, such as 'mante_N~200_seed~3'.
    """
    left_out = ("network", "task", "seed", "folder")
    swept = [key for key in labels if key not in left_out and len({repr(other.get(key)) for other in among}) > 1]
    keys = [*swept, *(["seed"] if "seed" in labels else [])]
    parts = [str(labels.get("task", "network")), *(f"{key}~{labels[key]}" for key in keys)]
    return "".join(letter if letter.isalnum() or letter in "~_.-+" else "-" for letter in "_".join(parts))[:150]
