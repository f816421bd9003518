"""Activity of many networks as one labelled array, simulated when numbers are asked for, a network at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import ratecore
from ratecore.experiment.opened import Opened
from ratecore.rate.evaluation import CHUNK
from ratecore.settings.base import shown
from ratecore.settings.spiking import RATE_STEP
from ratecore.system.extras import needed
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.trials import has_criterion

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ratecore.rate.results import Activity

WIDTH = 64  # letters of a condition or a word as label; longer ones are cut
LARGEST = 2**27  # bytes of x of a chunk; a network with more trials has several chunks
DIMS = ("network", "trial", "time", "unit", "input", "output")
_OF_TRIALS = ("network", "trial")
_OF_UNITS = ("network", "unit")


@dataclass(frozen=True)
class Variable:
    """A variable of the dataset that is computed with a network's activity, or with its trials or units alone.

    Attributes:
        dims: its dimensions.
        dtype: of its values.
        source: what it is computed from: 'activity', 'trials' or 'network'.
        missing: value where a smaller network has no unit, and a shorter list no trial.
        attrs: what it is, and its unit.
    """

    dims: tuple[str, ...]
    dtype: str
    source: str
    missing: Any
    attrs: dict[str, str]


def _unitless(name: str) -> dict[str, str]:
    return {"long_name": name, "units": "1"}


_STATES, _OUT = ("network", "trial", "time", "unit"), ("network", "trial", "time", "output")
VARIABLES = {
    "x": Variable(_STATES, "float32", "activity", np.nan, _unitless("synaptic current")),
    "r": Variable(_STATES, "float32", "activity", np.nan, _unitless("firing rate")),
    "o": Variable(_OUT, "float32", "activity", np.nan, _unitless("output")),
    "target": Variable(_OUT, "float32", "activity", np.nan, _unitless("target of the output")),
    "u": Variable(("network", "trial", "time", "input"), "float32", "activity", np.nan, _unitless("input")),
}
COORDINATES = {
    "condition": Variable(_OF_TRIALS, f"<U{WIDTH}", "trials", "", {"long_name": "condition of the trial"}),
    "label": Variable(_OF_TRIALS, "float64", "trials", np.nan, {"long_name": "label of the trial"}),
    "choice": Variable(
        _OF_TRIALS, "int8", "activity", 0, {"long_name": "sign of the mean output in the response window"}
    ),
    "correct": Variable(_OF_TRIALS, "bool", "activity", False, {"long_name": "whether the trial is correct"}),
    "unit_type": Variable(_OF_UNITS, "<U3", "network", "", {"long_name": "excitatory, inhibitory or SST unit"}),
    "tau": Variable(_OF_UNITS, "float32", "network", np.nan, {"long_name": "synaptic decay time", "units": "ms"}),
}


@dataclass(frozen=True)
class Source:
    """The trials of one network, and what is computed from them.

    Attributes:
        opened: the network.
        numbers: of its trials, or of those of one chunk.
    """

    opened: Opened
    numbers: tuple[int, ...]

    def part(self, first: int, stop: int) -> Source:
        """Some of the trials.

        Args:
            first: position of the first one.
            stop: position after the last one.

        Returns:
            the source of these trials; there may be none.
        """
        return Source(self.opened, self.numbers[first:stop])

    @cached_property
    def task(self) -> AbstractTask:
        """The task that the network is evaluated on."""
        return self.opened.tested_task()

    @property
    def lengths(self) -> dict[str, int]:
        """Length of each dimension besides `network`."""
        return {
            "trial": len(self.numbers),
            "time": self.task.T,
            "unit": self.opened.n_units,
            "input": self.task.n_inputs,
            "output": self.task.n_outputs,
        }

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        settings = self.opened.settings
        identity = None if settings is None else settings.identity("training", "evaluation")
        return str(self.opened.file), identity, os.path.getmtime(self.opened.file), self.numbers


def read_network(source: Source) -> dict[str, Any]:
    """Read a network, with types and time constants of its units.

    Args:
        source: of one network.

    Returns:
        `net`, the network; `unit_type` ('E', 'I' or 'SST') and `tau`, ms, (N,) each.

    Source:
        docs/model.md 1.2.
    """
    net = source.opened.load()
    types = np.where(net.inh.numpy(), "I", "E").astype("<U3")
    types[(net.som_m == 0).any(1).numpy()] = "SST"
    tau = RATE_STEP * net.time_constants().detach().numpy().ravel()
    return {"net": net, "unit_type": types, "tau": tau}


def draw_conditions(source: Source) -> dict[str, NDArray[Any]]:
    """Conditions and labels of the trials, without simulating them.

    Args:
        source: of one network.

    Returns:
        `condition` and `label`, (B,) each.

    Source: none
    """
    from ratecore.rate.activity import in_turn
    from ratecore.system.streams import stream

    if not source.numbers:
        return {}
    with in_turn(source.task):
        trials = source.task.generate_batch([stream(source.opened.seed, "evaluation", k) for k in source.numbers])
    return {"condition": np.array(trials.conditions), "label": np.array(trials.labels)}


def simulate(source: Source, read: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Simulate the trials of a source.

    Args:
        source: of one network.
        read: of `read_network`.

    Returns:
        the variables that come from the activity, by name, unitless, with their dimensions after `network`: x, r
        (B, T, N), o, target (B, T, n_out), u (B, T, n_in), choice and correct (B,).

    Source:
        docs/model.md 1 and 2.
    """
    from ratecore.rate.activity import trial_activity

    opened = source.opened
    if not source.numbers:  # a chunk of a network that has fewer trials than others
        return {}
    task, net = opened.tested(read["net"])
    activity: Activity = trial_activity(
        task, net, opened.seed, source.numbers, loss_fn=opened.loss_fn, n_trials=opened.n_trials
    )
    scores = activity.scores
    o, target = (v if v.ndim == 3 else v[:, None] for v in (activity.o, activity.z))
    return {
        "x": activity.x,
        "r": activity.r,
        "o": o.transpose(0, 2, 1),
        "target": target.transpose(0, 2, 1),
        "u": activity.u.transpose(0, 2, 1),
        "choice": np.where(scores.choices(task), 1, -1),
        "correct": scores.correct,
    }


def block(found: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...], kind: Variable) -> NDArray[Any]:
    """One network's part of a variable, filled up to the shape that all networks have.

    Args:
        found: what was computed for the network, arrays of any shape.
        name: of the variable.
        shape: of the block, (1, ...).
        kind: of the variable.

    Returns:
        the block (1, ...), of that shape, in the unit of the variable.

    Source: none
    """
    value = found.get(name)
    if value is not None and value.shape == shape[1:]:
        return value[None].astype(kind.dtype, copy=False)
    filled = np.full(shape, kind.missing, kind.dtype)
    if value is not None:
        filled[0][tuple(map(slice, value.shape))] = value
    return filled


def dataset(
    rows: pd.DataFrame, opened: Sequence[Opened | None], axes: Sequence[str], trials: str | int | Sequence[int]
) -> xr.Dataset:
    """The activity of networks, as `Results.activity` describes it.

    Args:
        rows: of the table.
        opened: the network of each row, or None.
        axes: columns of the grid's axes.
        trials: as in `Results.activity`.

    Returns:
        the dataset.

    Raises:
        ValueError: as in `Results.activity`.
        ImportError: xarray or dask is not installed.
    """
    xarray = needed("xarray", "analysis", "labelled arrays of activity")
    needed("dask.array", "analysis", "labelled arrays of activity")
    numbers = _numbers_of(trials)
    there = [(index, network) for index, network in zip(rows.index, opened, strict=True) if network is not None]
    if not there:
        statuses = ", ".join(sorted(set(rows["status"].astype(str)))) or "there is none"
        raise ValueError(f"no network of this selection is trained (status: {statuses})")
    rows = rows.loc[[index for index, _ in there]]
    if len(tasks := rows["task"].astype(str).unique()) > 1:
        raise ValueError(
            f"networks of several tasks are selected ({', '.join(tasks)}); choose one, as task={tasks[0]!r}"
        )
    sources = [Source(network, tuple(numbers(network.n_trials))) for _, network in there]
    lengths = [source.lengths for source in sources]
    sizes = {dim: max(of[dim] for of in lengths) for dim in DIMS[1:]} | {"network": len(sources)}
    arrays = _Lazy(sources, sizes)
    coordinates = dict(COORDINATES)
    if not all(has_criterion(source.task) for source in sources):
        del coordinates["correct"]
    if _labels_are_words(sources[0]):
        coordinates["label"] = replace(coordinates["label"], dtype=f"<U{WIDTH}", missing="")
    coords = {name: (kind.dims, arrays.of(name, kind), kind.attrs) for name, kind in coordinates.items()}
    found: xr.Dataset = xarray.Dataset(
        {name: (kind.dims, arrays.of(name, kind), kind.attrs) for name, kind in VARIABLES.items()},
        coords={**_plain_coordinates(rows, sources, axes, sizes), **coords},
        attrs={"title": "activity of rate networks", "ratecore_version": ratecore.__version__},
    )
    # Drawn now, which takes less than a hundredth of a simulation: xarray groups only by numbers that are there.
    drawn = xarray.Dataset({name: found[name].variable for name in ("condition", "label")}).compute()
    return found.assign_coords({name: drawn[name].variable for name in drawn})


class _Lazy:
    """Lazy arrays with one chunk for each network. What a network's chunks share is computed once for all of them.

    Networks with many long trials have several chunks, whose trials are whole batches of the evaluation.

    Args:
        sources: of the networks.
        sizes: of the dimensions.
    """

    def __init__(self, sources: Sequence[Source], sizes: Mapping[str, int]):
        from dask.base import tokenize

        batches = max(LARGEST // (4 * CHUNK * sizes["time"] * sizes["unit"]), 1)
        self._starts = range(0, sizes["trial"], batches * CHUNK)
        self._sizes, self._token = sizes, tokenize(list(sources))
        names = {kind: f"{kind}-of-{self._token}" for kind in ("network", "trials", "activity")}
        layers: dict[str, dict[Any, Any]] = {name: {} for name in names.values()}
        for k, source in enumerate(sources):
            network = (names["network"], k, 0)
            layers[names["network"]][network] = (partial(read_network, source),)
            for j, start in enumerate(self._starts):
                part = source.part(start, start + self._starts.step)
                layers[names["trials"]][names["trials"], k, j] = (partial(draw_conditions, part),)
                layers[names["activity"]][names["activity"], k, j] = (partial(simulate, part), network)
        self._names, self._layers = names, layers

    def of(self, name: str, kind: Variable) -> Any:
        """The array of a variable."""
        import dask.array
        from dask.highlevelgraph import HighLevelGraph

        sizes, by_trial = self._sizes, "trial" in kind.dims
        starts = self._starts if by_trial else self._starts[:1]
        lengths = tuple(min(self._starts.step, sizes["trial"] - start) for start in starts)
        chunks = tuple({"network": (1,) * sizes["network"], "trial": lengths}.get(d, (sizes[d],)) for d in kind.dims)
        shared, own, taken = self._names[kind.source], f"{name}-{self._token}", dict[Any, Any]()
        for j, length in enumerate(lengths):
            shape = tuple({"network": 1, "trial": length}.get(dim, sizes[dim]) for dim in kind.dims)
            take = partial(block, name=name, shape=shape, kind=kind)
            rest = (0,) * (len(shape) - 1 - by_trial)
            for k in range(sizes["network"]):
                taken[(own, k, *(j,) * by_trial, *rest)] = (take, (shared, k, j))
        layers = {shared: self._layers[shared], own: taken}
        depends: dict[str, set[str]] = {shared: set(), own: {shared}}
        if kind.source == "activity":
            network = self._names["network"]
            layers, depends = {network: self._layers[network], **layers}, {network: set(), **depends, shared: {network}}
        graph = HighLevelGraph(layers, depends)
        return dask.array.Array(graph, own, chunks, dtype=np.dtype(kind.dtype))  # type: ignore[no-untyped-call]


def _plain_coordinates(
    rows: pd.DataFrame, sources: Sequence[Source], axes: Sequence[str], sizes: Mapping[str, int]
) -> dict[str, Any]:
    """Coordinates that are known without computing anything."""
    number = np.full((len(sources), sizes["trial"]), -1)
    for row, source in zip(number, sources, strict=True):
        row[: len(source.numbers)] = source.numbers
    coords: dict[str, Any] = {
        "network": rows.index.to_numpy(),
        **{dim: np.arange(sizes[dim]) for dim in ("trial", "unit", "input", "output")},
        "time": ("time", RATE_STEP * np.arange(sizes["time"]), {"long_name": "time", "units": "ms"}),
        "trial_number": (_OF_TRIALS, number, {"long_name": "number of the trial in its random stream"}),
    }
    taken = {*coords, *VARIABLES, *COORDINATES, "folder"}
    for column in dict.fromkeys(("task", "seed", *axes)):
        values = rows[column]
        array = values.astype(str).to_numpy(str) if values.dtype == "category" else values.to_numpy()
        coords[f"{column}_setting" if column in taken else column] = ("network", array)
    return coords | {"folder": ("network", np.array([source.opened.folder for source in sources]))}


def _numbers_of(trials: str | int | Sequence[int]) -> Callable[[int], Iterable[int]]:
    """Which trials are meant, given how many an evaluation has. Raises ValueError for what does not name trials."""
    if isinstance(trials, str) and trials == "evaluation":
        return range
    if not isinstance(trials, str):
        array = np.asarray(trials)
        whole = array.dtype.kind in "iu" and array.size > 0
        if whole and array.ndim == 0 and array > 0:
            return lambda n: range(int(array))
        if whole and array.ndim == 1 and array.min() >= 0:
            return lambda n: array.tolist()
    raise ValueError(
        f"trials = {shown(trials)}; it must be 'evaluation', how many of its trials (1 or more), or a list of numbers "
        "of trials from 0"
    )


def _labels_are_words(source: Source) -> bool:
    """Whether a task's labels are words and not numbers."""
    first = Source(source.opened, source.numbers[:1])
    return draw_conditions(first)["label"].dtype.kind not in "iufb"
