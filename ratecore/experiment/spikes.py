"""The spikes of converted networks, simulated when they are asked for, network by network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ratecore.experiment.converted import MOST_NAMED, Source
from ratecore.settings.base import shown
from ratecore.settings.spiking import RATE_STEP, SpikingSettings
from ratecore.system.extras import needed
from ratecore.system.streams import STREAMS

if TYPE_CHECKING:
    import xarray as xr

    from ratecore.spiking.results import SpikeTrials


class Spikes:
    """The spikes of several networks: what `Results.spikes` returns.

    Networks are told by their index in the table of results. Each is simulated when it is asked for, and only the last
    one is kept, so that any number fits into memory: `for network in spikes: found = spikes.arrays(network)`.

    Args:
        sources: index in the table: the network.
        stream_name: of the random stream that trials are drawn from.
        threads: processes that share the trials of a network; all cores when None.

    Raises:
        ValueError: an unknown stream.
    """

    def __init__(self, sources: Mapping[int, Source], stream_name: str = "lif_trial", threads: int | None = None):
        if stream_name not in STREAMS:
            raise ValueError(f"stream_name = {stream_name!r}; it must be one of {', '.join(STREAMS)}")
        self._sources, self._stream_name = dict(sources), stream_name
        self._threads = len(os.sched_getaffinity(0)) if threads is None else threads
        self._last: tuple[int, SpikeTrials] | None = None

    @property
    def networks(self) -> list[int]:
        """The networks, by their index in the table."""
        return list(self._sources)

    @property
    def labels(self) -> list[dict[str, Any]]:
        """Of each network task, seed, axes of the grid and folder."""
        return [dict(source.labels) for source in self._sources.values()]

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[int]:
        return iter(self._sources)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Largest number of each: trial, time (rate steps), unit, output."""
        found = [
            {
                "trial": len(source.numbers),
                "time": source.task.T,
                "unit": source.opened.n_units,
                "output": source.task.n_outputs,
            }
            for source in self._sources.values()
        ]
        return {name: max(sizes[name] for sizes in found) for name in found[0]}

    def _source(self, network: int) -> Source:
        if isinstance(network, bool) or network not in self._sources:
            known = ", ".join(map(str, self.networks[:MOST_NAMED])) + (", ..." if len(self) > MOST_NAMED else "")
            raise ValueError(f"network = {shown(network)}: it must be an index in the table, one of {known}")
        return self._sources[network]

    def arrays(self, network: int) -> SpikeTrials:
        """Run the trials of a network.

        Args:
            network: its index in the table.

        Returns:
            spike times (ms), units and trials as flat arrays, firing rates, outputs and scores.

        Raises:
            ValueError: no such network.
            FormatError: its file is missing or damaged.

        Source:
            docs/model.md 5.
        """
        source = self._source(network)
        if self._last is None or self._last[0] != network:
            self._last = None  # so that never two are in memory
            self._last = network, self._run(source, self._threads)
        return self._last[1]

    def _run(self, source: Source, threads: int) -> SpikeTrials:
        from ratecore.spiking.activity import trial_spikes

        task, model, settings = source.tested()
        return trial_spikes(
            task,
            model,
            settings,
            source.scaling_factor,
            source.opened.seed,
            source.numbers,
            output_of_step=source.conversion.output_of_step,
            stream_name=self._stream_name,
            threads=threads,
        )

    def to_pynapple(self, network: int, trial: int | None = None) -> tuple[Any, Any]:
        """Convert the spikes of a network to objects of pynapple.

        Args:
            network: its index in the table.
            trial: position of one trial, whose time begins at 0; all trials when None. They then follow one another in
                slots as long as the task's longest trial.

        Returns:
            TsGroup of the units (s), with the metadata `unit_type` and `tau` (ms), and IntervalSet of the trials (s),
            with `trial_number`, `condition`, `choice` and `correct`.

        Raises:
            ValueError: no such network or trial.
            ImportError: pynapple is not installed.

        Source: none
        """
        nap, found = needed("pynapple", "nwb", "spikes as objects of pynapple"), self.arrays(network)
        n = len(found.numbers)
        if trial is not None and (isinstance(trial, bool) or not 0 <= trial < n):
            raise ValueError(f"trial = {shown(trial)}: it must be from 0 to {n - 1}, or None for all of them")
        chosen = list(range(n)) if trial is None else [trial]
        there = np.isin(found.trials, chosen)
        slot = self._source(network).task.T * RATE_STEP / 1000
        start = np.arange(len(chosen)) * slot
        seconds = start[np.searchsorted(chosen, found.trials[there])] + found.times[there] / 1000
        trials = nap.IntervalSet(
            start=start,
            end=start + found.duration[chosen] / 1000,
            metadata={
                "trial_number": found.numbers[chosen],
                "condition": [found.condition[k] for k in chosen],
                "choice": found.choice[chosen],
                "correct": found.correct[chosen],
            },
        )
        own = (found.units[there] == k for k in range(len(found.unit_type)))
        units = {k: nap.Ts(t=seconds[fired], time_support=trials) for k, fired in enumerate(own)}
        metadata = {"unit_type": found.unit_type, "tau": found.tau}
        return nap.TsGroup(units, time_support=trials, metadata=metadata), trials

    def dataset(self, bin_ms: float | None = None) -> xr.Dataset:
        """Everything but the single spikes, as labelled arrays.

        Nothing is simulated before numbers are asked for: the arrays are lazy, with one chunk for each network.

        Args:
            bin_ms: width of bins in which spikes are counted, too, ms; None for none.

        Returns:
            Dataset with the dimensions network (index in the table), trial, unit, time (rate steps), output and, with
            `bin_ms`, bin: `firing_rate` (spikes/s), `o` (unitless), `spike_count` (spikes); coordinates `condition`,
            `choice`, `correct`, `trial_number`, `duration` (ms), `unit_type`, `tau` (ms), `lambda`, and task, seed,
            axes and folder of each network.

        Raises:
            ValueError: `bin_ms` is no whole number of LIF steps.
            ImportError: xarray or dask is not installed.

        Source: none
        """
        from ratecore.experiment.spike_arrays import lazy_dataset

        if bin_ms is not None:
            self.check_bins(bin_ms)
        return lazy_dataset(self, bin_ms)

    def check_bins(self, bin_ms: float) -> None:
        """Check the width of bins in which spikes are counted, before anything is simulated.

        Args:
            bin_ms: width of a bin, ms.

        Raises:
            ValueError: it is no whole number of LIF steps.
        """
        from ratecore.spiking.results import steps_per_bin

        for source in self._sources.values():
            settings = source.opened.settings
            steps_per_bin(bin_ms, (SpikingSettings() if settings is None else settings.spiking).step)

    def rates(self) -> xr.DataArray:
        """Firing rates.

        Returns:
            (network, trial, unit), spikes/s, lazy; `rates().to_dataframe()` is a table.

        Raises:
            ImportError: xarray or dask is not installed.

        Source: none
        """
        return self.dataset()["firing_rate"]

    def counts(self, bin_ms: float) -> xr.DataArray:
        """Spikes in bins of time.

        Args:
            bin_ms: width of a bin, ms, a whole number of LIF steps.

        Returns:
            (network, trial, time, unit), spikes, lazy; `time` is the start of the bin, ms.

        Raises:
            ValueError: `bin_ms` is no whole number of LIF steps.
            ImportError: xarray or dask is not installed.

        Source: none
        """
        found = self.dataset(bin_ms)["spike_count"]
        start = np.arange(found.sizes["bin"]) * float(bin_ms)
        return found.rename(bin="time").assign_coords(time=("time", start, {"units": "ms"}))

    def simulate(self, network: int) -> SpikeTrials:
        """As `arrays`, in this process and without keeping anything, for calls from several threads.

        Args:
            network: its index in the table.

        Returns:
            the spikes.

        Source: none
        """
        from ratecore.rate.activity import in_turn

        source = self._source(network)
        with in_turn(source.task):
            return self._run(source, 1)

    def __repr__(self) -> str:
        return f"Spikes of {len(self)} networks, {self.sizes['trial']} trials each"
