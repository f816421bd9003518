"""Activity and spikes written for other programs: NetCDF, Zarr, MATLAB and NWB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ratecore.formats.activity.labelled import write_labelled
from ratecore.formats.activity.mat import check_sizes, write_mat
from ratecore.formats.activity.nwb import check_packages, write_nwb
from ratecore.formats.activity.parts import VARIABLES, Contents, Part, Spikes, name_of
from ratecore.system.files import AnyPath
from ratecore.system.whole import check_free, whole_file, whole_folder

SUFFIXES = {
    ".nc": "NetCDF, one file of all networks",
    ".zarr": "Zarr, one folder of all networks",
    ".mat": "MATLAB, one file per network",
    ".nwb": "NWB, one file per network",
}


def check_target(path: AnyPath, overwrite: bool = False, n_networks: int | None = None) -> str:
    """Check, before any work, where activity is to be written.

    Args:
        path: of the file.
        overwrite: whether what exists is replaced.
        n_networks: number of networks, where it is known.

    Returns:
        its suffix.

    Raises:
        ValueError: an unknown suffix.
        ImportError: a package is missing; the message names the extra.
        OSError: it exists and is not to be replaced, or the folder cannot be written in.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(f"{name} ({meaning})" for name, meaning in SUFFIXES.items())
        raise ValueError(f"{path}: unknown suffix {suffix!r}; it must be one of {known}")
    if suffix in (".nc", ".zarr"):
        _check_labelled(suffix)
    if suffix == ".nwb":
        check_packages()
    if suffix == ".zarr":
        check_free(path, overwrite, _is_zarr)
    elif suffix == ".nc" or n_networks == 1:
        check_free(path, overwrite)
    elif n_networks is not None:
        check_free(folder_of(path), overwrite, _only(suffix))
    return suffix


def _check_labelled(suffix: str) -> None:
    from ratecore.system.extras import needed

    needed("zarr" if suffix == ".zarr" else "h5netcdf", "analysis", f"{suffix} files")


def folder_of(path: AnyPath) -> Path:
    """The folder of the files of several networks: the path without its suffix.

    Args:
        path: of a `.mat` or `.nwb` file.

    Returns:
        the folder.
    """
    return Path(path).with_suffix("")


def _is_zarr(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup"))


def _only(suffix: str) -> Callable[[Path], bool]:
    def ours(folder: Path) -> bool:
        return all(entry.suffix.lower() == suffix for entry in folder.iterdir())

    return ours


def write_activity(path: AnyPath, contents: Contents, overwrite: bool = False) -> list[Path]:
    """Write the activity and spikes of networks to a file of the format that its suffix names.

    One network is in memory at a time. A file, and a folder of several, appears whole or not at all.

    Args:
        path: of the file: `.nc`, `.zarr`, `.mat` or `.nwb`. The files of several networks as `.mat` or `.nwb` go into a
            folder of this name without suffix, each named by its task, what differs between networks, and its seed.
        contents: what to write.
        overwrite: whether what exists is replaced.

    Returns:
        the files; of Zarr the folder.

    Raises:
        ValueError: an unknown suffix, or a variable that is too large for the format.
        ImportError: a package is missing; the message names the extra.
        OSError: it exists and is not to be replaced, the disk is full ...

    Source: none
    """
    path, n = Path(path), contents.n_networks
    if not n:
        raise ValueError(f"{path}: there is no network to write")
    suffix = check_target(path, overwrite, n)
    if suffix == ".zarr":
        with whole_folder(path, _is_zarr, overwrite) as temporary:
            write_labelled(temporary, contents)
        return [path]
    if suffix == ".nc":
        with whole_file(path, overwrite) as temporary:
            write_labelled(temporary, contents)
        return [path]
    write = write_mat if suffix == ".mat" else write_nwb
    if suffix == ".mat":
        check_sizes(contents)
    if n == 1:
        with whole_file(path, overwrite) as temporary:
            (part,) = contents.parts()
            write(temporary, contents, part)
        return [path]
    names = _file_names(contents, suffix)
    with whole_folder(folder_of(path), _only(suffix), overwrite) as temporary:
        for name, part in zip(names, contents.parts(), strict=True):
            write(temporary / name, contents, part)
    return [folder_of(path) / name for name in names]


def _file_names(contents: Contents, suffix: str) -> list[str]:
    """A name for the file of each network, each once."""
    labels = contents.labels()
    return _numbered([name_of(own, labels) for own in labels], suffix)


def _numbered(names: Sequence[str], suffix: str) -> list[str]:
    return [f"{name}_{k + 1}{suffix}" if names.count(name) > 1 else f"{name}{suffix}" for k, name in enumerate(names)]


__all__ = ["SUFFIXES", "VARIABLES", "Contents", "Part", "Spikes", "check_target", "write_activity"]
