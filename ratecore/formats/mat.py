"""`.mat` files (docs/model.md 4): a network with an example trial and its scores, for MATLAB and Python."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ratecore.formats.containers import Content, StrPath
from ratecore.formats.errors import FormatError, bytes_of, first_line
from ratecore.formats.hdf5 import read_hdf5, with_variables_hdf5
from ratecore.formats.matlab import check_seal, is_hdf5, read_mat, sealed_length, sealed_mat
from ratecore.formats.matlab_writing import with_variables
from ratecore.formats.task_settings import task_variables
from ratecore.rate.results import Scores, TrainingResult
from ratecore.settings.run import RunSettings
from ratecore.system.files import write_atomic
from ratecore.tasks import AbstractTask

if TYPE_CHECKING:  # PyTorch takes longer to import than most jobs
    import torch

    from ratecore.rate import network


def arrays_of(net: network.RateNetwork) -> dict[str, torch.Tensor]:
    """Collect the arrays of a network by their names in files.

    Args:
        net: any rate network.

    Returns:
        w, m, som_m (N, N), w_in (N, n_in), w_out (n_out, N), b_out (n_out,), taus_gaus (N, 1), inh, exc (N,) and, if
        it has them, conn_m (N, N) and x0_mean (N,), all unitless, on the CPU.

    Source:
        docs/model.md 4.
    """
    names = ("w", "w_in", "w_out", "b_out", "taus_gaus", "m", "som_m", "inh", "exc")
    arrays = {name: getattr(net, name).detach().cpu() for name in names}
    newer = {name: getattr(net, name) for name in ("conn_m", "x0_mean")}
    return arrays | {name: value.detach().cpu() for name, value in newer.items() if value is not None}


def packed_mat(
    settings: RunSettings,
    task: AbstractTask,
    result: TrainingResult,
    scores: Scores,
    *,
    x0: Float[np.ndarray, "N 1"],
    r0: Float[np.ndarray, "N 1"],
    example: Mapping[str, Any],
) -> bytes:
    """Make the `.mat` file of a network.

    Args:
        settings: of the run.
        task: of the run.
        result: of the training.
        scores: of the evaluation, or of the last test where there was none.
        x0: synaptic currents at the first step of the first trial (N, 1), unitless.
        r0: firing rates there (N, 1), unitless.
        example: u (n_in, T), target (T,) or (n_out, T), label, o (T-1,) or (n_out, T-1), x (T, N, 1), r (T, N, 1) of a
            trial, unitless; weight in the shape of the target, if the trial has one.

    Returns:
        the file, with every variable of docs/model.md 4.

    Source:
        docs/model.md 4.
    """
    import scipy.io

    from ratecore.rate.penalties import places_of_units

    content = _trained(result) | _evaluated(scores) | _described(settings, task)
    if settings.training.penalties.distance:
        content["positions"] = places_of_units(settings.network, settings.seed)
    content |= {"x0": x0, "r0": r0, **{key: value for key, value in example.items() if key != "label"}}
    content["label"] = _as_matlab(example["label"])
    content, buffer = {name: content[name] for name in _ORDER.split() if name in content}, io.BytesIO()
    scipy.io.savemat(buffer, content, do_compression=True, oned_as="row", long_field_names=True)  # type: ignore[arg-type]  # takes files, too
    return sealed_mat(buffer.getvalue())


_ORDER = """
    x0 r0 w0 taus_gaus0 w_in0 w w_in w_out b_out taus_gaus x0_mean m som_m conn_m inh exc N som_N taus
    activation positions
    u target weight o x r label losses tr trained eval_perf_mean eval_loss_mean eval_os eval_labels
    task task_settings task_settings_names seed P_inh P_rec gain apply_dale w_dist network_settings
"""


def _trained(result: TrainingResult) -> Content:
    """The network before and after training, and the course of its training."""
    net, initial = result.net, result.initial
    content: Content = {f"{name}0": initial[name].cpu().double().numpy() for name in ("w", "taus_gaus", "w_in")}
    content |= {name: value.double().numpy() for name, value in arrays_of(net).items()}
    content["w"] = net.rectified_w().detach().cpu().double().numpy()
    content |= {name: content[name][:, None] for name in ("inh", "exc", "x0_mean") if name in content}
    content |= {"N": float(net.N), "som_N": float(net.som_N), "activation": net.activation}
    content |= {"losses": np.array(result.losses), "tr": float(result.n_trials), "trained": float(result.trained)}
    return content


def _evaluated(scores: Scores) -> Content:
    kind = object if isinstance(scores.labels[0], str) else float
    return {
        "eval_perf_mean": scores.accuracy,
        "eval_loss_mean": scores.loss,
        "eval_os": scores.outputs,
        "eval_labels": np.array(scores.labels, dtype=kind),
    }


def _described(settings: RunSettings, task: AbstractTask) -> Content:
    """Settings that are needed to make the network again."""
    s = settings.network
    newer = s.newer_values()
    return {
        **({"network_settings": json.dumps(newer)} if newer else {}),
        "taus": np.array([s.taus]),
        "task": settings.task,
        **task_variables(task),
        "seed": float(settings.seed),
        "P_inh": s.P_inh,
        "P_rec": s.P_rec,
        "gain": s.gain,
        "apply_dale": float(s.apply_dale),
        "w_dist": s.w_dist,
    }


def _as_matlab(label: Any) -> str | float:
    return label if isinstance(label, str) else float(label)


def load_mat(path: StrPath, names: Collection[str] | None = None) -> Content:
    """Read arrays of numbers and text of a `.mat` file (MATLAB 4 to 7, with h5py 7.3) as `scipy.io.loadmat` does.

    Args:
        path: of the file.
        names: variables to read if present; None for all, without cell arrays, structures and objects.

    Returns:
        variables by name.

    Raises:
        FormatError: it cannot be read; one of `names` is of another kind.
    """
    return read_variables(path, names)


def read_variables(path: StrPath, names: Collection[str] | None = None, nested: bool = False) -> Content:
    """Read variables of a `.mat` file, as `load_mat`, and if wanted nested ones.

    Args:
        path: of the file.
        names: variables to read if present; None for all.
        nested: whether cell arrays and structures are read too; an unreadable variable is then returned as the error
            that says why.

    Returns:
        variables by name.

    Raises:
        FormatError: it cannot be read; without `nested`, one of `names` is of another kind.
    """
    data = bytes_of(path)
    try:
        return (read_hdf5 if is_hdf5(data) else read_mat)(data, names, nested)
    except Exception as error:  # damaged files raise errors of many kinds
        raise FormatError(f"{path}: not a readable .mat file: {first_line(error)}") from error


def add_to_mat(path: StrPath, values: Mapping[str, ArrayLike], to: StrPath | None = None) -> None:
    """Add variables to a `.mat` file, replacing those of the same names.

    The file is replaced atomically. Everything else in it stays as it is, cell arrays and objects included.

    Args:
        path: of the file.
        values: numbers by name, any shape.
        to: write the result here instead, and leave `path` as it is.

    Raises:
        FormatError: the file is damaged.
        OSError: it cannot be written.

    Source: none
    """
    data = bytes_of(path)
    try:
        if is_hdf5(data):
            data = with_variables_hdf5(data, values)
        else:
            check_seal(data)
            data = with_variables(data, values)
    except Exception as error:  # damaged files raise errors of many kinds
        raise FormatError(f"{path}: not a readable .mat file: {first_line(error)}") from error
    write_atomic(os.path.realpath(path) if to is None else to, data)  # a link stays a link


def sha256_without_additions(path: StrPath) -> str:
    """Compute the SHA-256 of a `.mat` file without what `add_to_mat` added.

    Args:
        path: of the file.

    Returns:
        64 hexadecimal digits.
    """
    data = bytes_of(path)
    return hashlib.sha256(data[: sealed_length(data) or len(data)]).hexdigest()


def network_from_arrays(
    arrays: Content, device: str | torch.device | None, dtype: torch.dtype | None
) -> network.RateNetwork:
    """Make the network of a file.

    Args:
        arrays: from `conform`.
        device: of the network.
        dtype: of its numbers.

    Returns:
        the network.
    """
    import torch

    from ratecore.rate import network

    parts = {key: torch.from_numpy(np.ascontiguousarray(v)) for key, v in arrays.items() if isinstance(v, np.ndarray)}
    net: network.RateNetwork = network.RateNetwork.from_arrays(arrays["settings"], parts, device, dtype)
    return net
