"""`.npz` files: the scores of a network, and its comparison with a spiking one, as arrays."""

from __future__ import annotations

import io

import numpy as np

from ratecore.formats.containers import read_npz
from ratecore.formats.errors import FormatError, bytes_of, first_line
from ratecore.rate.results import Scores
from ratecore.spiking.results import Comparison, Components, Example


def evaluation_bytes(evaluation) -> bytes:
    """An `.npz` file: losses, correct, outputs, labels, conditions; names, means and SDs by condition; response."""
    scores, by_condition = evaluation.scores, evaluation.scores.by_condition()
    arrays = {
        "losses": scores.losses,
        "correct": scores.correct,
        "outputs": scores.outputs,
        "labels": np.array(scores.labels),
        "conditions": scores.conditions,
        "response": np.array(evaluation.response),
        "condition_names": np.array(list(by_condition)),
        "output_mean": np.stack([row["output_mean"] for row in by_condition.values()]),
        "output_sd": np.stack([row["output_sd"] for row in by_condition.values()]),
    }
    if evaluation.psychometric:
        rows = evaluation.psychometric
        arrays |= {f"psychometric_{key}": np.array([row[key] for row in rows]) for key in rows[0]}
    return _packed(arrays)


def _packed(arrays: dict) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def load_scores(path):
    """The `Scores` in an evaluation file. Raises FormatError when it cannot be read."""
    kinds = {"losses": "f", "correct": "b", "outputs": "f", "labels": "iufU", "conditions": "U"}
    data = bytes_of(path)
    try:
        found = read_npz(data, kinds)
        for name, array in found.items():
            if array.dtype.kind not in kinds[name] or array.ndim != 1 + (name == "outputs"):
                raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}")
            if len(array) != len(found["losses"]):
                raise ValueError(f"{name} has {len(array)} trials; losses has {len(found['losses'])}")
        return Scores(**{**found, "labels": found["labels"].tolist()})
    except Exception as error:  # of many kinds for a damaged file: every one is named and passed on
        raise FormatError(f"{path}: not a readable evaluation: {first_line(error)}") from error


# Of a comparison's arrays the kind and the shape: C conditions, T rate steps, N units, n_in inputs, n outputs of an
# example, S spikes of all examples together, K stimuli.
_COMPARISON = {
    "scaling_factor": ("f", ""), "conditions": ("U", "C"), "n_trials": ("i", "C"), "rates": ("f", "N"),
    "inh": ("b", "N"), "som": ("b", "N"), "stimulus_windows": ("i", "K2"), "response": ("i", "2"),
    **{f"{net}_{part}": ("f", shape) for net in ("rate", "lif") for part, shape in
       {"mean": "CT", "sd": "CT", "activity": "CN", "projections": "CT3", "explained": "3"}.items()},
    "example_u": ("f", "CIT"), "example_out": ("f", "Cn"), "example_dt": ("f", "2"), "example_spikes": ("i", "C"),
    "spike_steps": ("u", "S"), "spike_units": ("u", "S"),
}  # fmt: skip
_PLAIN = ("conditions", "n_trials", "rates", "inh", "som", "stimulus_windows", "response",
          *(f"{net}_{part}" for net in ("rate", "lif") for part in ("mean", "sd", "activity")))  # fmt: skip


def comparison_bytes(comparison) -> bytes:
    """An `.npz` file of a `Comparison`: its attributes under their names, numbers in single precision.

    Components: <net>_projections, <net>_explained with net rate and lif. Examples: example_u (C, n_in, T), example_out
    (C, n), example_dt (dt, out_dt), and the spikes of one after the other in spike_steps, spike_units, of which each
    has example_spikes (C,).
    """
    c, examples = comparison, comparison.examples
    arrays = {name: np.array(getattr(c, name)) for name in _PLAIN} | {"scaling_factor": np.float64(c.scaling_factor)}
    for net in ("rate", "lif"):
        found = getattr(c, f"{net}_components")
        arrays |= {f"{net}_projections": found.projections, f"{net}_explained": found.explained}
    arrays |= {
        "example_u": np.stack([e.u for e in examples]),
        "example_out": np.stack([e.out for e in examples]),
        "example_dt": np.array([examples[0].dt, examples[0].out_dt]),
        "example_spikes": np.array([len(e.spike_steps) for e in examples]),
        "spike_steps": np.concatenate([e.spike_steps for e in examples]).astype(np.uint32),
        "spike_units": np.concatenate([e.spike_units for e in examples]).astype(np.min_scalar_type(len(c.inh))),
    }
    exact = ("scaling_factor", "example_dt")
    return _packed({name: array.astype(np.float32) if array.dtype.kind == "f" and name not in exact else array
                    for name, array in arrays.items()})  # fmt: skip


def load_comparison(path):
    """The `Comparison` in a file of `comparison_bytes`. Raises FormatError when it cannot be read."""
    data = bytes_of(path)
    try:
        found = _of_known_shapes(read_npz(data, _COMPARISON))
        ends = np.cumsum(found["example_spikes"])[:-1]
        steps, units = (np.split(found[name].astype(np.int64), ends) for name in ("spike_steps", "spike_units"))
        dt, out_dt = found["example_dt"].tolist()
        rows = zip(found["example_u"], steps, units, found["example_out"], strict=True)
        plain = {name: found[name] for name in _PLAIN} | {"conditions": found["conditions"].tolist()}
        rate, lif = (Components(found[f"{net}_projections"], found[f"{net}_explained"]) for net in ("rate", "lif"))
        return Comparison(scaling_factor=float(found["scaling_factor"]), rate_components=rate, lif_components=lif,
                          examples=[Example(u, dt, step, unit, out, out_dt) for u, step, unit, out in rows],
                          **plain)  # fmt: skip
    except Exception as error:  # of many kinds for a damaged file: every one is named and passed on
        raise FormatError(f"{path}: not a readable comparison: {first_line(error)}") from error


def _of_known_shapes(found: dict) -> dict:
    """The arrays of a comparison, floats in double precision. Raises ValueError for one that does not fit."""
    sizes = {"2": 2, "3": 3}
    for name, array in found.items():
        kind, shape = _COMPARISON[name]
        fits = array.dtype.kind == kind and array.ndim == len(shape)
        if not fits or any(sizes.setdefault(axis, n) != n for axis, n in zip(shape, array.shape, strict=True)):
            raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}")
    counts, units = found["example_spikes"], found["spike_units"]
    if (counts < 0).any() or counts.sum() != sizes["S"] or (units.size and units.max() >= sizes["N"]):
        raise ValueError("the spikes are not those of its examples and units")
    return {name: array.astype(float) if array.dtype.kind == "f" else array for name, array in found.items()}
