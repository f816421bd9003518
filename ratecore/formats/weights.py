"""The weights kept during training: one small file for each copy while it goes on, then one `.npz` file of all."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ratecore.formats.containers import StrPath, read_npz
from ratecore.formats.errors import FormatError, bytes_of, first_line

if TYPE_CHECKING:
    import torch

    from ratecore.rate.network import RateNetwork

_CHANGED = ("w", "w_out", "b_out", "taus_gaus")
_FIXED = ("w_in", "m", "som_m", "inh", "exc")
FIRST_INPUTS = "w_in0"  # newer than the others
Arrays = dict[str, NDArray[Any]]


def copy_bytes(net: RateNetwork) -> bytes:
    """Make the file of one copy of a network's trained parameters.

    Args:
        net: during training.

    Returns:
        the file.
    """
    return _packed(_arrays(net, _CHANGED))


def kept_weights_bytes(
    net: RateNetwork, trials: Sequence[int], copies: Sequence[StrPath], w_in0: torch.Tensor
) -> bytes:
    """Make the file of all copies of a training.

    Args:
        net: the trained network.
        trials: number of trials before each copy.
        copies: files of `copy_bytes`, in the same order.
        w_in0: input weights before training (N, n_in), unitless.

    Returns:
        the file: trials (S,), w (S, N, N) rectified with Dale's law, w_out (S, n_out, N), b_out (S, n_out) and
        taus_gaus (S, N, 1) of the S copies, and of the network w_in (N, n_in), m (N, N), som_m (N, N), inh (N,) and
        exc (N,), and w_in0 (N, n_in).

    Raises:
        FormatError: a copy is missing or damaged.

    Source: none
    """
    read = [_read(path, _CHANGED) for path in copies]
    arrays = {name: np.stack([part[name] for part in read]) for name in _CHANGED}
    before = {FIRST_INPUTS: w_in0.detach().cpu().numpy()}
    return _packed({"trials": np.array(trials, np.int64), **arrays, **_arrays(net, _FIXED), **before})


def load_weights(path: StrPath) -> Arrays:
    """Read the weights kept during a training.

    Args:
        path: of the file.

    Returns:
        the arrays of `kept_weights_bytes` by name; files of older versions have no w_in0.

    Raises:
        FormatError: it cannot be read.
    """
    names = ("trials", *_CHANGED, *_FIXED)
    found = _read(path, None)
    if missing := [name for name in names if name not in found]:
        raise FormatError(f"{path}: not readable weights: it has no {missing[0]}")
    return {name: found[name] for name in (*names, FIRST_INPUTS) if name in found}


def _arrays(net: RateNetwork, names: Sequence[str]) -> Arrays:
    values = {name: net.rectified_w() if name == "w" else getattr(net, name) for name in names}
    return {name: value.detach().cpu().numpy() for name, value in values.items()}


def _packed(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # mypy takes the arrays for the flag `allow_pickle`
    return buffer.getvalue()


def _read(path: StrPath, names: Sequence[str] | None) -> Arrays:
    try:
        return read_npz(bytes_of(Path(path)), names)
    except FormatError:
        raise
    except Exception as error:  # damaged files raise errors of many kinds
        raise FormatError(f"{path}: not readable weights: {first_line(error)}") from error
