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
        numbers: of its trials.
    """

    opened: Opened
    numbers: tuple[int, ...]

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


def read_units(source: Source) -> dict[str, NDArray[Any]]:
    """Types and time constants of the units.

    Args:
        source: of one network.

    Returns:
        `unit_type` ('E', 'I' or 'SST') and `tau`, ms, (N,) each.

    Source:
        docs/model.md 1.2.
    """
    net = source.opened.load()
    types = np.where(net.inh.numpy(), "I", "E").astype("<U3")
    types[(net.som_m == 0).any(1).numpy()] = "SST"
    return {"unit_type": types, "tau": RATE_STEP * net.time_constants().detach().numpy().ravel()}


def draw_conditions(source: Source) -> dict[str, NDArray[Any]]:
    """Conditions and labels of the trials, without simulating them.

    Args:
        source: of one network.

    Returns:
        `condition` and `label`, (B,) each.
    """
    from ratecore.rate.activity import in_turn
    from ratecore.system.streams import stream

    with in_turn(source.task):
        trials = source.task.generate_batch([stream(source.opened.seed, "evaluation", k) for k in source.numbers])
    return {"condition": np.array(trials.conditions), "label": np.array(trials.labels)}


def simulate(source: Source) -> dict[str, NDArray[Any]]:
    """Simulate the trials of a source.

    Args:
        source: of one network.

    Returns:
        the variables that come from the activity, by name, with their dimensions after `network`.

    Source:
        docs/model.md 1.
    """
    from ratecore.rate.activity import trial_activity

    opened = source.opened
    task, net = opened.tested(opened.load())
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


_SOURCES: dict[str, Callable[[Source], dict[str, NDArray[Any]]]] = {
    "activity": simulate,
    "trials": draw_conditions,
    "network": read_units,
}


def block(found: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...], kind: Variable) -> NDArray[Any]:
    """One network's part of a variable, filled up to the shape that all networks have.

    Args:
        found: what was computed for the network.
        name: of the variable.
        shape: of the block, (1, ...).
        kind: of the variable.

    Returns:
        the block.
    """
    value = found[name]
    if value.shape == shape[1:]:
        return value[None].astype(kind.dtype, copy=False)
    filled = np.full(shape, kind.missing, kind.dtype)
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
    return found


class _Lazy:
    """Lazy arrays with one chunk for each network. What a network's chunks share is computed once for all of them.

    Args:
        sources: of the networks.
        sizes: of the dimensions.
    """

    def __init__(self, sources: Sequence[Source], sizes: Mapping[str, int]):
        from dask.base import tokenize

        self._sources, self._sizes = sources, sizes
        self._token = tokenize(list(sources))

    def of(self, name: str, kind: Variable) -> Any:
        """The array of a variable."""
        import dask.array
        from dask.highlevelgraph import HighLevelGraph

        shape = tuple(self._sizes[dim] for dim in kind.dims)
        shared, own = f"{kind.source}-{self._token}", f"{name}-{self._token}-{'x'.join(map(str, shape))}"
        rest, take = (0,) * (len(shape) - 1), partial(block, name=name, shape=(1, *shape[1:]), kind=kind)
        layers: dict[str, Any] = {
            shared: {(shared, k): (partial(_SOURCES[kind.source], source),) for k, source in enumerate(self._sources)},
            own: {(own, k, *rest): (take, (shared, k)) for k in range(shape[0])},
        }
        graph = HighLevelGraph(layers, {shared: set(), own: {shared}})
        chunks = ((1,) * shape[0], *((n,) for n in shape[1:]))
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
    """Numbers of trials for an evaluation of so many trials. Raises ValueError for what does not name trials."""
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
