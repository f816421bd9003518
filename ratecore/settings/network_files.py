"""The files that settings of a network name: what they must hold, and their hash in place of their path."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ratecore.settings.base import SettingsError, shown
from ratecore.settings.network import NetworkSettings
from ratecore.settings.reading import local_path
from ratecore.system.array_files import hash_of_array, read_array

FILES = ("mask_file", "taus_file", "positions_file")


def file_array(settings: NetworkSettings, key: str) -> Float[np.ndarray, "*shape"] | None:
    """Read the array in the file that a setting names.

    Args:
        settings: of the network.
        key: 'mask_file', (N, N) of 0 and 1; 'taus_file', (N,) in steps, within `taus`; or 'positions_file', (N, 3).

    Returns:
        the array, (N, N), (N,) or (N, 3), in steps for time constants, else unitless; None where the setting names no
        file.

    Raises:
        SettingsError: the file cannot be used; names the setting, the path and what is wrong.

    Source: none
    """
    path = getattr(settings, key)
    if path is None:
        return None
    N = settings.N
    try:
        shapes = {"mask_file": (N, N), "taus_file": (N,), "positions_file": (N, 3)}
        array = read_array(local_path(path) or "", shapes[key])
        problem = "" if key == "positions_file" else _wrong_numbers(settings, key, array)
    except ValueError as error:
        problem = str(error)
    if problem:
        raise SettingsError([((key,), f" = {shown(path)}: {problem}")])
    return array


def _wrong_numbers(settings: NetworkSettings, key: str, array: Float[np.ndarray, "*shape"]) -> str:
    """What is wrong with the numbers of a file, or ''."""
    if key == "taus_file":
        low, high = settings.taus
        if low <= array.min() and array.max() <= high:
            return ""
        return f"it has {array.min():g} to {array.max():g}; all must be within taus = [{low:g}, {high:g}] steps"
    other = sorted(set(np.unique(array).tolist()) - {0.0, 1.0})
    return f"its matrix has {other[0]:g}; it must be 0 or 1 for each connection" if other else ""


def hashes_of_files(settings: NetworkSettings) -> dict[str, str]:
    """The hash of each file that the settings of a network name.

    Args:
        settings: of the network.

    Returns:
        name of the setting: hash of the numbers in the file.

    Raises:
        SettingsError: as of `file_array`.
    """
    arrays = {key: file_array(settings, key) for key in FILES}
    return {key: hash_of_array(array) for key, array in arrays.items() if array is not None}
