"""`.mat` files (docs/model.md 4): a network with an example trial and its scores, for MATLAB and Python."""

from __future__ import annotations

import hashlib
import io
import os

import numpy as np
import torch

from ratecore.formats.errors import FormatError, bytes_of, first_line
from ratecore.formats.hdf5 import read_hdf5, with_variables_hdf5
from ratecore.formats.matlab import check_seal, is_hdf5, read_mat, sealed_length, sealed_mat
from ratecore.formats.matlab_writing import with_variables
from ratecore.formats.task_settings import task_variables
from ratecore.rate import network
from ratecore.settings.run import RunSettings
from ratecore.system.files import write_atomic


def arrays_of(net) -> dict:
    """The arrays of a network by their names in files, on the CPU."""
    names = ("w", "w_in", "w_out", "b_out", "taus_gaus", "m", "som_m", "inh", "exc")
    return {name: getattr(net, name).detach().cpu() for name in names}


def packed_mat(settings: RunSettings, task, result, scores, *, x0, r0, example: dict) -> bytes:
    """A `.mat` file with every key of docs/model.md 4.

    Args:
        settings, task, result: of the run.   scores: `Scores` of the evaluation; of the last test when there was none.
        x0, r0: (N, 1), states and rates at the first step of the first trial, float64.
        example: u (n_in, T), target (T,), label, o (T-1,), x (T, N, 1), r (T, N, 1) of a trial.
    """
    import scipy.io

    net, initial = result.net, result.initial
    after = {k: v.double().numpy() for k, v in arrays_of(net).items()}
    before = {f"{k}0": initial[k].cpu().double().numpy() for k in ("w", "taus_gaus", "w_in")}
    labels = scores.labels
    s = settings.network
    content = {
        "x0": x0, "r0": r0, **before,
        **after, "w": net.rectified_w().detach().cpu().double().numpy(),
        "inh": after["inh"][:, None], "exc": after["exc"][:, None],
        "N": float(net.N), "som_N": float(net.som_N), "taus": np.array([s.taus]), "activation": net.activation,
        **{key: example[key] for key in ("u", "target", "o", "x", "r")}, "label": _as_matlab(example["label"]),
        "losses": np.array(result.losses), "tr": float(result.n_trials), "trained": float(result.trained),
        "eval_perf_mean": scores.accuracy, "eval_loss_mean": scores.loss, "eval_os": scores.outputs,
        "eval_labels": np.array(labels, dtype=object if isinstance(labels[0], str) else float),
        # Beyond docs/model.md 4: what else is needed to know the network again.
        "task": settings.task, **task_variables(task), "seed": float(settings.seed), "P_inh": s.P_inh,
        "P_rec": s.P_rec, "gain": s.gain,
        "apply_dale": float(s.apply_dale), "w_dist": s.w_dist,
    }  # fmt: skip
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, content, do_compression=True, oned_as="row", long_field_names=True)
    return sealed_mat(buffer.getvalue())


def _as_matlab(label):
    return label if isinstance(label, str) else float(label)


def load_mat(path, names=None) -> dict:
    """Arrays of numbers and text in a `.mat` file (MATLAB 4 to 7, with h5py 7.3) as `scipy.io.loadmat` gives them.

    Args:
        names: of those that are wanted, or None for all; then cell arrays, structures and objects are passed over.

    Raises:
        FormatError: it cannot be read; one of `names` is of another kind.
    """
    return read_variables(path, names)


def read_variables(path, names=None, nested: bool = False) -> dict:
    """As `load_mat`; with `nested` cell arrays and structures too, and an error in place of what cannot be read."""
    data = bytes_of(path)
    try:
        return (read_hdf5 if is_hdf5(data) else read_mat)(data, names, nested)
    except Exception as error:  # of many kinds for a damaged file: every one is named and passed on
        raise FormatError(f"{path}: not a readable .mat file: {first_line(error)}") from error


def add_to_mat(path, values: dict, to=None) -> None:
    """Writes variables, numbers all, into a `.mat` file in place of those of the same names.

    The file is whole at every moment, and all else in it stays as it is, cells of text and objects included.

    Args:
        to: where the file is written instead; the one at `path` is left alone then.

    Raises:
        FormatError: the file is damaged.   OSError: it cannot be written.
    """
    data = bytes_of(path)
    try:
        if is_hdf5(data):
            data = with_variables_hdf5(data, values)
        else:
            check_seal(data)
            data = with_variables(data, values)
    except Exception as error:  # of many kinds for a damaged file: every one is named and passed on
        raise FormatError(f"{path}: not a readable .mat file: {first_line(error)}") from error
    write_atomic(os.path.realpath(path) if to is None else to, data)  # a link stays one


def sha256_without_additions(path) -> str:
    """SHA-256 of a `.mat` file as it was before `add_to_mat`; of all of it where nothing was added."""
    data = bytes_of(path)
    return hashlib.sha256(data[: sealed_length(data) or len(data)]).hexdigest()


def network_from_arrays(arrays: dict, device, dtype) -> network.RateNetwork:
    """The network of `conform`'s arrays."""
    parts = {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in arrays.items()
             if isinstance(value, np.ndarray)}  # fmt: skip
    return network.RateNetwork.from_arrays(arrays["settings"], parts, device, dtype)
