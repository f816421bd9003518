"""Activity of one network in a MATLAB file (version 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ratecore import __version__
from ratecore.formats.activity.parts import Contents, Part, compact
from ratecore.formats.activity.variables import Array, output_last
from ratecore.spiking.results import SpikeTrials

LARGEST = 2**31  # bytes of a variable, by the format


def check_sizes(contents: Contents) -> None:
    """Check, before any work, that the variables fit into the format.

    Args:
        contents: what to write.

    Raises:
        ValueError: names the variable, its size and what else to do.
    """
    sizes = contents.sizes()
    for name, variable in contents.schema().items():
        if variable.dims[:1] == ("network",) and variable.dtype not in ("str", "bool"):
            shape = [sizes[dim] for dim in variable.dims[1:]]
            _check(name, int(np.prod(shape)) * np.dtype(variable.dtype).itemsize)


def _check(name: str, size: int) -> None:
    if size >= LARGEST:
        raise ValueError(
            f"{name} of one network has {size / 2**30:.1f} GiB; a variable of a .mat file has less than 2 GiB: "
            "take fewer trials or variables, or write .nc or .zarr"
        )


def write_mat(path: Path, contents: Contents, part: Part) -> None:
    """Write one network.

    Args:
        path: of the file.
        contents: that the network is from.
        part: the network.

    Raises:
        ValueError: a variable is too large for the format.

    Source: none
    """
    import scipy.io

    values: dict[str, Any] = {"source": f"ratecore {__version__}", "network": _struct(part.labels)}
    if part.activity is not None:
        schema = contents.schema()
        arrays = contents.fixed() | contents.arrays(Part(part.labels, compact(part.activity.load())))
        skipped = {
            *part.labels,
            *(name for name, variable in schema.items() if variable.dims == (name,) and name != "time"),
        }
        values |= {name: _of_kind(arrays[name], schema[name].dtype) for name in arrays if name not in skipped}
    if part.spikes is not None:
        values["spikes"] = spikes_struct(part.spikes, contents)
        total = sum(value.nbytes for value in values["spikes"].values() if isinstance(value, np.ndarray))
        _check("spikes", total)
    options: dict[str, Any] = {"do_compression": True, "oned_as": "row", "long_field_names": True}
    scipy.io.savemat(str(path), values, appendmat=False, **options)


def _of_kind(values: Array, dtype: str) -> Any:
    """Text as cells of text, which MATLAB and Octave read as such."""
    if dtype == "str":
        return str(values) if values.ndim == 0 else values.astype(str).astype(object)
    return values.astype(dtype)


def _struct(labels: dict[str, Any]) -> dict[str, Any]:
    """Labels as fields whose names MATLAB allows: letters, digits and '_'."""
    found: dict[str, Any] = {}
    for key, value in labels.items():
        name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in str(key))
        found[name if name[:1].isalpha() else f"x{name}"] = (
            value if isinstance(value, bool | int | float) else str(value)
        )
    return found


def spikes_struct(spikes: SpikeTrials, contents: Contents) -> dict[str, Any]:
    """The structure `spikes`: units and trials are numbered from 1, so that they are indices in MATLAB.

    Args:
        spikes: of the network.
        contents: that the network is from.

    Returns:
        field: value.

    Source: none
    """
    found: dict[str, Any] = {
        "times": spikes.times,
        "units": (spikes.units + 1).astype(np.int32),
        "trials": (spikes.trials + 1).astype(np.int32),
        "trial_number": spikes.numbers.astype(np.int64),
        "condition": np.array(spikes.condition, object),
        "choice": spikes.choice,
        "correct": spikes.correct,
        "duration": spikes.duration,
        "rates": spikes.rates.astype(contents.dtype),
        "o": output_last(spikes.o).astype(contents.dtype),
        "unit_type": np.array(spikes.unit_type, object),
        "tau": spikes.tau,
        "dt": spikes.dt,
        "lambda": spikes.scaling_factor,
    }
    if contents.bin_ms is not None:
        found |= {"counts": spikes.binned(contents.bin_ms), "bin_ms": float(contents.bin_ms)}
    return found
