"""Activity as labelled arrays of all networks: NetCDF (h5netcdf) and Zarr, which xarray opens."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ratecore import __version__
from ratecore.formats.activity.parts import Contents
from ratecore.formats.activity.variables import Array, Variable, flat_spikes
from ratecore.system.extras import needed

SPIKES_AT_ONCE = 2**16  # in a chunk of a flat list
LARGEST_CHUNK = 2**27  # bytes


class Store(ABC):
    """A file that is open to be written."""

    @abstractmethod
    def create(self, name: str, variable: Variable, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
        """Make a variable, full of what stands for nothing.

        Args:
            name: of the variable.
            variable: its dimensions and type.
            shape: its lengths.
            chunks: lengths of the parts that are stored as one.
        """

    @abstractmethod
    def write(self, name: str, values: Array, network: int | None, trials: slice | None = None) -> None:
        """Write the values of a variable.

        Args:
            name: of the variable.
            values: of all dimensions but that of networks, any unit.
            network: its place; None for a variable without that dimension.
            trials: of the network; None for a variable without that dimension.

        Source: none
        """

    @abstractmethod
    def extend(self, values: Mapping[str, Array]) -> None:
        """Append to the flat lists.

        Args:
            values: name: values (S,), any unit.

        Source: none
        """


def write_labelled(path: Path, contents: Contents) -> int:
    """Write a file or folder, network by network.

    Args:
        path: of the file `.nc` or folder `.zarr`; what it is called does not matter, a folder that exists is a Zarr.
        contents: what to write.

    Returns:
        number of networks with spikes.

    Raises:
        ImportError: a package is missing; the message names the extra.
        OSError: the disk is full ...

    Source: none
    """
    sizes, schema = contents.sizes() | {"spike": 0}, contents.schema()
    attrs = {} if contents.activity is None else dict(contents.activity.attrs)
    attrs = {"Conventions": "CF-1.11", "source": f"ratecore {__version__}", **attrs}
    attrs["coordinates"] = " ".join(name for name, v in schema.items() if v.coordinate and v.dims != (name,))
    with_spikes = 0
    with _opened(path, sizes, attrs) as store:
        for name, variable in schema.items():
            shape = tuple(sizes[dim] for dim in variable.dims)
            store.create(name, variable, shape, _chunks(variable, shape))
        for name, values in contents.fixed().items():
            store.write(name, values, None)
        of_networks = {name: variable for name, variable in schema.items() if variable.dims[:1] == ("network",)}
        for k, part in enumerate(contents.parts()):
            for first, piece in part.pieces():
                n = 0 if piece.activity is None else piece.activity.sizes.get("trial", 0)
                arrays = contents.arrays(piece)
                for name, variable in of_networks.items():
                    of_trials = variable.dims[1:2] == ("trial",)
                    if of_trials or not first:
                        lengths = tuple({**sizes, "trial": n}[dim] for dim in variable.dims[1:])
                        values = filled(arrays.get(name), variable.dtype, lengths)
                        store.write(name, values, k, slice(first, first + n) if of_trials else None)
                if piece.spikes is not None:
                    with_spikes += 1
                    store.extend(flat_spikes(piece.spikes, k))
    return with_spikes


def _chunks(variable: Variable, shape: tuple[int, ...]) -> tuple[int, ...]:
    """One network in a chunk, or a trial of it where that is larger than `LARGEST_CHUNK`."""
    if variable.dims == ("spike",):
        return (SPIKES_AT_ONCE,)
    if variable.dims[:1] != ("network",):
        return shape
    size = int(np.prod(shape[1:])) * (8 if variable.dtype in ("str", "bool") else np.dtype(variable.dtype).itemsize)
    whole = (1, *shape[1:])
    return (1, 1, *shape[2:]) if size > LARGEST_CHUNK and len(shape) > 1 else whole


def filled(values: Array | None, dtype: str, shape: tuple[int, ...]) -> Array:
    """Give a variable its full shape.

    Args:
        values: any shape up to `shape`, any unit; None for a variable that a network lacks.
        dtype: 'str', 'bool' or of NumPy.
        shape: of the result.

    Returns:
        values, and where there are none NaN, '', False or 0.

    Source: none
    """
    kind: Any = object if dtype == "str" else np.dtype(dtype)
    empty: Any = "" if dtype == "str" else np.nan if np.dtype(kind).kind == "f" else 0
    found = np.full(shape, empty, kind)
    if values is not None:
        values = values.astype(str) if dtype == "str" else values
        found[tuple(slice(n) for n in values.shape)] = values
    return found


def _opened(path: Path, sizes: Mapping[str, int], attrs: Mapping[str, Any]) -> ZarrStore | NetCDFStore:
    kind = ZarrStore if path.is_dir() else NetCDFStore
    return kind(path, sizes, attrs)


class NetCDFStore(Store):
    """A NetCDF 4 file.

    Args:
        path: to be made.
        sizes: name: length of each dimension; that of spikes grows.
        attrs: of the file.
    """

    def __init__(self, path: Path, sizes: Mapping[str, int], attrs: Mapping[str, Any]) -> None:
        h5netcdf = needed("h5netcdf", "analysis", ".nc files")
        self.text = needed("h5py", "analysis", ".nc files").string_dtype()
        self.file = h5netcdf.File(path, "w")
        self.file.dimensions = {name: None if name == "spike" else n for name, n in sizes.items()}
        self.file.attrs.update(attrs)
        self.spikes = 0

    def __enter__(self) -> NetCDFStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def create(self, name: str, variable: Variable, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
        dtype = {"str": self.text, "bool": "i1"}.get(variable.dtype, variable.dtype)
        options: dict[str, Any] = {"chunks": chunks} if shape and all(chunks) else {}
        if variable.dtype.startswith("float"):
            options["fillvalue"] = np.dtype(variable.dtype).type(np.nan)
        made = self.file.create_variable(name, variable.dims, dtype, **options)
        made.attrs.update(variable.attrs)
        if variable.dtype == "bool":
            made.attrs["dtype"] = "bool"  # as xarray writes it

    def write(self, name: str, values: Array, network: int | None, trials: slice | None = None) -> None:
        values = values.astype("i1") if values.dtype == bool else values
        if network is None:
            self.file.variables[name][...] = values
        elif values.size:
            place = network if trials is None else (network, trials)
            self.file.variables[name][place] = values if values.ndim else values.item()

    def extend(self, values: Mapping[str, Array]) -> None:
        n = len(next(iter(values.values())))
        self.file.resize_dimension("spike", self.spikes + n)
        for name, array in values.items():
            if n:
                self.file.variables[name][self.spikes : self.spikes + n] = array
        self.spikes += n


class ZarrStore(Store):
    """A Zarr group (version 3).

    Args:
        path: an empty folder.
        sizes: not used: arrays have their own.
        attrs: of the group.
    """

    def __init__(self, path: Path, sizes: Mapping[str, int], attrs: Mapping[str, Any]) -> None:
        self.zarr, self.path = needed("zarr", "analysis", ".zarr folders"), path
        self.group = self.zarr.open_group(path, mode="w", zarr_format=3, attributes=dict(attrs))

    def __enter__(self) -> ZarrStore:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            with warnings.catch_warnings():  # that the specification does not have it yet; xarray warns without it
                warnings.simplefilter("ignore")
                self.zarr.consolidate_metadata(self.path, zarr_format=3)

    def create(self, name: str, variable: Variable, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
        dtype: Any = {"str": str, "bool": bool}.get(variable.dtype, variable.dtype)
        options: dict[str, Any] = {"fill_value": np.nan} if variable.dtype.startswith("float") else {}
        self.group.create_array(
            name,
            shape=shape,
            chunks=tuple(max(n, 1) for n in chunks),
            dtype=dtype,
            attributes=dict(variable.attrs),
            dimension_names=list(variable.dims),
            **options,
        )

    def write(self, name: str, values: Array, network: int | None, trials: slice | None = None) -> None:
        if network is None:
            self.group[name][...] = values
        elif values.size:
            self.group[name][network if trials is None else (network, trials)] = values

    def extend(self, values: Mapping[str, Array]) -> None:
        for name, array in values.items():
            found = self.group[name]
            found.append(array.astype(found.dtype))
