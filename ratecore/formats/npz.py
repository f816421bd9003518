"""`.npz` files: the scores of a network, and its comparison with its spiking network."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratecore.formats.containers import StrPath, read_npz
from ratecore.formats.errors import FormatError, bytes_of, first_line
from ratecore.rate.results import Evaluation, Scores
from ratecore.spiking.results import Comparison, Components, Example
from ratecore.tasks.decisions import Curves

_OF_ANALYSES = "fiubcU"  # kinds of the arrays of analyses: numbers and text
# Arrays of scores by name: kinds of their types. `outputs` has an axis for several outputs.
_SCORES = {"losses": "f", "correct": "b", "outputs": "f", "labels": "iufU", "conditions": "U"}


def evaluation_bytes(evaluation: Evaluation) -> bytes:
    """Make the `.npz` file of an evaluation.

    Its arrays are losses, correct, outputs, labels and conditions by trial, condition_names, output_mean and output_sd
    by condition, response, and psychometric_* and chronometric_* for tasks with graded evidence, with a row for each
    trial type and strength of evidence; chronometric_times has the response time of each trial.

    Args:
        evaluation: of a trained network.

    Returns:
        the file.
    """
    scores, by_condition = evaluation.scores, evaluation.scores.by_condition()
    arrays = {
        "losses": scores.losses,
        "correct": scores.correct,
        "outputs": scores.outputs,
        "labels": _labels(scores.labels),
        "conditions": scores.conditions,
        "response": np.array(evaluation.response),
        "condition_names": np.array(list(by_condition)),
        "output_mean": np.stack([row["output_mean"] for row in by_condition.values()]),
        "output_sd": np.stack([row["output_sd"] for row in by_condition.values()]),
    }
    arrays |= _curve_arrays(evaluation.psychometric, evaluation.chronometric, evaluation.times)
    return _packed(arrays)


def _curve_arrays(
    psychometric: Sequence[dict[str, Any]], chronometric: Sequence[dict[str, Any]], times: NDArray[Any] | None
) -> dict[str, NDArray[Any]]:
    """The columns of the rows of both curves, NaN where a row has none, and the response time of each trial."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, rows in (("psychometric", psychometric), ("chronometric", chronometric)):
        for key in dict.fromkeys(key for row in rows for key in row):
            arrays[f"{name}_{key}"] = np.array([row.get(key, np.nan) for row in rows])
    return arrays if times is None else arrays | {"chronometric_times": times}


def _labels(labels: Sequence[Any]) -> NDArray[Any]:
    """Labels as words or numbers; True and False are 1 and 0."""
    array = np.array(labels)
    return array.astype(int) if array.dtype.kind == "b" else array


def _packed(arrays: dict[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # mypy takes the arrays for the flag `allow_pickle`
    return buffer.getvalue()


def load_scores(path: StrPath) -> Scores:
    """Read the scores in an evaluation file.

    Args:
        path: of the file.

    Returns:
        the scores.

    Raises:
        FormatError: it cannot be read.
    """
    data = bytes_of(path)
    try:
        found = _checked_scores(read_npz(data, _SCORES))
        values: dict[str, Any] = {**found, "labels": found["labels"].tolist()}
        return Scores(**values)
    except Exception as error:  # damaged files raise errors of many kinds
        raise FormatError(f"{path}: not a readable evaluation: {first_line(error)}") from error


def _checked_scores(found: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays of scores. Raises ValueError where shapes or types are wrong."""
    for name, array in found.items():
        if array.dtype.kind not in _SCORES[name] or array.ndim not in ((2, 3) if name == "outputs" else (1,)):
            raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}")
        if len(array) != len(found["losses"]):
            raise ValueError(f"{name} has {len(array)} trials; losses has {len(found['losses'])}")
    return found


# Arrays of a comparison, by the kind of their type: names with the axes of their shapes. C conditions, T rate steps,
# N units, I inputs, O outputs (without this axis for one output), L rate steps and n outputs of the longest example,
# S spikes of all examples together, K stimuli.
_SHAPES = {
    "f": """
        scaling_factor: rates:N example_u:CIL example_out:COn example_dt:2
        rate_mean:COT rate_sd:COT rate_activity:CN rate_projections:CT3 rate_explained:3
        lif_mean:COT lif_sd:COT lif_activity:CN lif_projections:CT3 lif_explained:3
    """,
    "i": "n_trials:C stimulus_windows:K2 response:2 example_spikes:C",
    "u": "spike_steps:S spike_units:S",
    "b": "inh:N som:N",
    "U": "conditions:C",
}
_COMPARISON: dict[str, tuple[str, str]] = {
    name: (kind, shape)
    for kind, arrays in _SHAPES.items()
    for name, _, shape in (array.partition(":") for array in arrays.split())
}
_PLAIN = (
    *("conditions", "n_trials", "rates", "inh", "som", "stimulus_windows", "response"),
    *("rate_mean", "rate_sd", "rate_activity", "lif_mean", "lif_sd", "lif_activity"),
)


def comparison_bytes(comparison: Comparison, curves: Curves | None = None) -> bytes:
    """Make the `.npz` file of a comparison: its attributes under their names, numbers in single precision.

    Components are rate_projections, rate_explained, lif_projections and lif_explained. Examples are example_u
    (C, n_in, T), example_out (C, n) or (C, n_out, n), with NaN after the end of shorter ones, example_dt (dt, out_dt),
    and their spikes, one example after the other, in spike_steps and spike_units; example_spikes (C,) has the number of
    spikes of each.

    Args:
        comparison: of a rate network with its spiking network.
        curves: of the spiking network, whose arrays are named as in `evaluation_bytes`.

    Returns:
        the file.
    """
    c, examples = comparison, comparison.examples
    arrays: dict[str, NDArray[Any]] = {name: np.array(getattr(c, name)) for name in _PLAIN}
    arrays["scaling_factor"] = np.array(c.scaling_factor, np.float64)
    for net, found in (("rate", c.rate_components), ("lif", c.lif_components)):
        arrays |= {f"{net}_projections": found.projections, f"{net}_explained": found.explained}
    arrays |= {
        "example_u": _filled_up([e.u for e in examples]),
        "example_out": _filled_up([e.out for e in examples]),
        "example_dt": np.array([examples[0].dt, examples[0].out_dt]),
        "example_spikes": np.array([len(e.spike_steps) for e in examples]),
        "spike_steps": np.concatenate([e.spike_steps for e in examples]).astype(np.uint32),
        "spike_units": np.concatenate([e.spike_units for e in examples]).astype(np.min_scalar_type(len(c.inh))),
    }
    for name in arrays.keys() - {"scaling_factor", "example_dt"}:
        if arrays[name].dtype.kind == "f":
            arrays[name] = arrays[name].astype(np.float32)
    if curves is not None:
        arrays |= _curve_arrays(curves.psychometric, curves.chronometric, curves.times)
    return _packed(arrays)


def analysis_bytes(found: Mapping[str, Mapping[str, NDArray[Any]]]) -> bytes:
    """Make the `.npz` file of the analyses of a network.

    Args:
        found: analysis: its arrays by name, of any shape, of numbers or text, in the units of docs/analysis.md.

    Returns:
        the file, with arrays `<analysis>/<name>`.

    Raises:
        ValueError: an array has objects, which no file may have.

    Source: none
    """
    arrays = {f"{name}/{key}": np.asarray(a) for name, own in found.items() for key, a in own.items()}
    if objects := [name for name, array in arrays.items() if array.dtype.kind not in _OF_ANALYSES]:
        raise ValueError(f"{objects[0]} is of {arrays[objects[0]].dtype}; arrays have numbers or text")
    return _packed(arrays)


def load_analysis(path: StrPath) -> dict[str, dict[str, NDArray[Any]]]:
    """Read the arrays of the analyses of a network.

    Args:
        path: of `analysis.npz`.

    Returns:
        analysis: its arrays by name, of any shape, in the units of docs/analysis.md.

    Raises:
        FormatError: it cannot be read.

    Source: none
    """
    data = bytes_of(path)
    try:
        found: dict[str, dict[str, NDArray[Any]]] = {}
        for name, array in read_npz(data).items():
            analysis, _, key = name.partition("/")
            if key and array.dtype.kind in _OF_ANALYSES:
                found.setdefault(analysis, {})[key] = array
        return found
    except Exception as error:  # damaged files raise errors of many kinds
        raise FormatError(f"{path}: not a readable file of analyses: {first_line(error)}") from error


def _filled_up(courses: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Courses over time as one array, NaN after the end of shorter ones."""
    T = max(course.shape[-1] for course in courses)
    array = np.full((len(courses), *courses[0].shape[:-1], T), np.nan)
    for row, course in zip(array, courses, strict=True):
        row[..., : course.shape[-1]] = course
    return array


def _without_end(course: NDArray[np.float64]) -> NDArray[np.float64]:
    """A course without the NaN after its end."""
    steps = np.flatnonzero(~np.isnan(course.reshape(-1, course.shape[-1])).all(0))
    return course[..., : steps[-1] + 1 if steps.size else 0]


def load_comparison(path: StrPath) -> Comparison:
    """Read a comparison file.

    Args:
        path: of the file.

    Returns:
        the comparison, numbers in double precision.

    Raises:
        FormatError: it cannot be read.
    """
    data = bytes_of(path)
    try:
        found = _checked(read_npz(data, _COMPARISON))
        ends = np.cumsum(found["example_spikes"])[:-1]
        steps, units = (np.split(found[name].astype(np.int64), ends) for name in ("spike_steps", "spike_units"))
        dt, out_dt = found["example_dt"].tolist()
        rows = zip(found["example_u"], steps, units, found["example_out"], strict=True)
        values: dict[str, Any] = {name: found[name] for name in _PLAIN} | {"conditions": found["conditions"].tolist()}
        for net in ("rate", "lif"):
            values[f"{net}_components"] = Components(found[f"{net}_projections"], found[f"{net}_explained"])
        values["examples"] = [
            Example(_without_end(u), dt, step, unit, _without_end(out), out_dt) for u, step, unit, out in rows
        ]
        return Comparison(scaling_factor=float(found["scaling_factor"]), **values)
    except Exception as error:  # damaged files raise errors of many kinds
        raise FormatError(f"{path}: not a readable comparison: {first_line(error)}") from error


def _checked(found: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays of a comparison, floats in double precision. Raises ValueError where shapes or types are wrong."""
    sizes = {"2": 2, "3": 3}
    for name, array in found.items():
        kind, shape = _COMPARISON[name]
        lengths: tuple[int, ...] = array.shape
        if "O" in shape and array.ndim == len(shape) - 1:  # one output
            lengths = (*lengths[:1], 0, *lengths[1:])
        fits = array.dtype.kind == kind and len(lengths) == len(shape)
        if not fits or any(sizes.setdefault(axis, n) != n for axis, n in zip(shape, lengths, strict=True)):
            raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}")
    counts, units = found["example_spikes"], found["spike_units"]
    if (counts < 0).any() or counts.sum() != sizes["S"] or (units.size and units.max() >= sizes["N"]):
        raise ValueError("the spikes are not those of its examples and units")
    return {name: array.astype(float) if array.dtype.kind == "f" else array for name, array in found.items()}
