"""Activity of one network in an NWB file (Neurodata Without Borders), as of a session.

Trials follow one another in slots as long as the task's longest trial, first those of the rate network, then those of
the spiking network: times are seconds from the start of the first.
"""

from __future__ import annotations

import gc
import json
import uuid
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ratecore import __version__
from ratecore.formats.activity.parts import STEP, VARIABLES, Contents, Part, compact, name_of
from ratecore.formats.activity.variables import Array, output_last
from ratecore.system.extras import needed

MEANING = {
    "x": "synaptic currents of the rate network, one column per unit",
    "r": "firing rates of the rate network (unitless), one column per unit",
    "o": "output of the rate network, one column per output",
    "u": "input of the rate network with its noise, one column per input",
    "target": "target of the output, one column per output",
}
# What inspectors of NWB files ask for. Of all taxa that NCBI has, this one, 'synthetic construct', is nearest.
SUBJECT = {
    "species": "http://purl.obolibrary.org/obo/NCBITaxon_32630",
    "sex": "U",
    "age": "P0D",
    "description": "a simulated recurrent neural network; no animal",
}
COLUMNS = {
    "network_type": "'rate' or 'spiking': which network the trial was run on",
    "trial_number": "number of the trial in the random stream that it was drawn from",
    "condition": "condition of the trial",
    "label": "label of the trial; empty for trials of the spiking network",
    "choice": "sign of the mean output in the response window, 1 or -1",
    "correct": "whether the trial was correct; NaN for a task without a criterion",
}


@dataclass
class Trials:
    """The rows of the table of trials.

    Attributes:
        start: of each trial, s.
        stop: of each trial, s.
        columns: name: values of the columns in `COLUMNS`.
    """

    start: Array
    stop: Array
    columns: dict[str, list[Any]]


def check_packages() -> None:
    """Check that the packages that write the format are installed.

    Raises:
        ImportError: one is not; the message names the extra.
    """
    needed("pynwb", "nwb", ".nwb files")


def write_nwb(path: Path, contents: Contents, part: Part) -> None:
    """Write one network.

    Args:
        path: of the file.
        contents: that the network is from.
        part: the network.

    Raises:
        ImportError: pynwb is not installed; the message names the extra.

    Source: none
    """
    pynwb = needed("pynwb", "nwb", ".nwb files")
    from hdmf.backends.hdf5 import H5DataIO

    def stored(values: Array) -> Any:
        return H5DataIO(values, compression="gzip", compression_opts=1)

    if part.activity is not None:
        part = Part(part.labels, compact(part.activity.load()), part.spikes)
    file = pynwb.NWBFile(**_session(part))
    file.subject = pynwb.file.Subject(subject_id=_name(part), **SUBJECT)
    trials, after = [], 0.0  # `after`: where trials of the spiking network begin, s
    if part.activity is not None:
        slot = part.activity.sizes["time"] * STEP / 1000
        trials.append(rate_trials(part, slot))
        after = slot * len(trials[0].start)
        _add_activity(file, pynwb, stored, contents, part)
    if part.spikes is not None:
        slot = part.spikes.o.shape[-1] * STEP / 1000
        trials.append(spiking_trials(part, slot, after))
        _add_spikes(file, pynwb, stored, contents, part, (slot, after))
    _add_trials(file, pynwb, trials)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not end in '.nwb'")  # not yet
        io = pynwb.NWBHDF5IO(path, "w")
    with io:
        io.write(file)
    del file, io
    gc.collect()  # what pynwb makes refers to itself, and would keep the arrays of several networks


def _name(part: Part) -> str:
    """A name for the network as the subject of the session."""
    return name_of(part.labels, [])


def _session(part: Part) -> dict[str, Any]:
    labels = dict(part.labels)
    kinds = [name for name, there in (("rate", part.activity), ("spiking", part.spikes)) if there is not None]
    if part.spikes is not None:
        labels |= {"lambda": part.spikes.scaling_factor, "dt_ms": part.spikes.dt}
    return {
        "session_description": f"Simulation: {' and '.join(kinds) or 'no'} recurrent neural network on trials of the "
        f"task {labels.get('task', '')}",
        "identifier": str(uuid.uuid4()),
        "session_start_time": datetime.now(UTC),  # when it was simulated
        "experiment_description": "Recurrent neural network with biological constraints, trained on a cognitive task. "
        "All data are simulated.",
        "keywords": ["simulation", "recurrent neural network", *kinds, str(labels.get("task", ""))],
        "notes": json.dumps(labels, default=str),
        "was_generated_by": [("ratecore", __version__)],
    }


def rate_trials(part: Part, slot: float) -> Trials:
    """The trials of a rate network.

    Args:
        part: the network, with activity.
        slot: time between starts of trials, s.

    Returns:
        rows of the table.

    Source: none
    """
    assert part.activity is not None  # the caller has asked
    activity = part.activity
    n = activity.sizes["trial"]
    start = np.arange(n) * slot
    found = {name: activity[name].values.tolist() for name in ("trial_number", "condition", "choice")}
    labels = activity["label"].values.tolist() if "label" in activity.variables else [""] * n
    found["correct"] = _yes_or_no(activity["correct"].values.tolist()) if "correct" in activity.coords else [np.nan] * n
    columns = {"network_type": ["rate"] * n, **found, "label": [str(label) for label in labels]}
    return Trials(start, start + _lasting(activity) * STEP / 1000, columns)


def _yes_or_no(values: list[Any]) -> list[Any]:
    """True and False, or 1, 0 and NaN where a task has no criterion."""
    return [float(v) for v in values] if any(v != v for v in values) else [bool(v) for v in values]


def _lasting(activity: Any) -> Array:
    """Rate steps of each trial: a shorter one is followed by NaN."""
    n, T = activity.sizes["trial"], activity.sizes["time"]
    for name in VARIABLES:
        if name in activity.variables:
            values = activity[name].values.reshape(n, T, -1)
            return np.asarray((~np.isnan(values).all(-1)).sum(1))
    return np.full(n, T)


def spiking_trials(part: Part, slot: float, after: float) -> Trials:
    """The trials of a spiking network.

    Args:
        part: the network, with spikes.
        slot: time between starts of trials, s.
        after: start of the first trial, s.

    Returns:
        rows of the table.

    Source: none
    """
    assert part.spikes is not None  # the caller has asked
    spikes = part.spikes
    n = len(spikes.numbers)
    start = after + np.arange(n) * slot
    columns = {
        "network_type": ["spiking"] * n,
        "trial_number": spikes.numbers.tolist(),
        "condition": spikes.condition,
        "label": [""] * n,
        "choice": spikes.choice.tolist(),
        "correct": spikes.correct.tolist(),
    }
    return Trials(start, start + spikes.duration / 1000, columns)


def _add_trials(file: Any, pynwb: Any, trials: list[Trials]) -> None:
    """The table of trials, column by column: row by row takes a hundred times as long."""
    from hdmf.common import VectorData

    columns = [
        VectorData(name=name, description=meaning, data=np.concatenate([getattr(part, name[:-5]) for part in trials]))
        for name, meaning in (("start_time", "start of the trial, s"), ("stop_time", "end of the trial, s"))
    ]
    for name, meaning in COLUMNS.items():
        values = [value for part in trials for value in part.columns[name]]
        columns.append(VectorData(name=name, description=meaning, data=values))
    file.trials = pynwb.epoch.TimeIntervals(name="trials", description="trials of the task", columns=columns)


def _add_activity(file: Any, pynwb: Any, stored: Any, contents: Contents, part: Part) -> None:
    from hdmf.common import DynamicTable, VectorData

    activity = part.activity
    assert activity is not None  # the caller has asked
    module = file.create_processing_module("rate_network", "activity of the rate network, trial after trial")
    for name in VARIABLES:
        if name not in activity.data_vars:
            continue
        values = activity[name].transpose("trial", "time", ...).values.astype(contents.dtype)
        module.add(
            pynwb.TimeSeries(
                name=name,
                data=stored(values.reshape(-1, values.shape[-1])),
                unit="unitless",
                starting_time=0.0,
                rate=1000 / STEP,
                description=f"{MEANING[name]}; NaN after the end of a trial shorter than others",
            )
        )
    kinds, tau = activity["unit_type"].values.astype(str), activity["tau"].values.astype(float)
    columns = [
        VectorData(name="unit_type", description="E, I or SST", data=kinds.tolist()),
        VectorData(name="tau", description="synaptic time constant, ms", data=tau),
    ]
    module.add(DynamicTable(name="units", description="units of x and r, in the order of columns", columns=columns))


def _add_spikes(file: Any, pynwb: Any, stored: Any, contents: Contents, part: Part, times: tuple[float, float]) -> None:
    from hdmf.common import VectorData, VectorIndex

    spikes, (slot, after) = part.spikes, times
    assert spikes is not None  # the caller has asked
    seconds = after + spikes.trials * slot + spikes.times / 1000
    order = np.lexsort((seconds, spikes.units))
    ends = np.searchsorted(spikes.units[order], np.arange(len(spikes.unit_type)), side="right")
    times_of = VectorData(name="spike_times", description="of each unit, s", data=seconds[order])
    columns = [
        times_of,
        VectorIndex(name="spike_times_index", target=times_of, data=ends),
        VectorData(name="unit_type", description="E, I or SST", data=list(spikes.unit_type)),
        VectorData(name="tau", description="synaptic decay time constant, ms", data=spikes.tau),
    ]
    file.units = pynwb.misc.Units(
        name="units", description="units of the spiking network", columns=columns, resolution=spikes.dt / 1000
    )
    module = file.create_processing_module("spiking_network", "output of the spiking network, trial after trial")
    o = output_last(spikes.o).astype(contents.dtype)
    module.add(
        pynwb.TimeSeries(
            name="o",
            data=stored(o.reshape(-1, o.shape[-1])),
            unit="unitless",
            starting_time=after,
            rate=1000 / STEP,
            description="output of the spiking network by rate step, one column per output",
        )
    )
