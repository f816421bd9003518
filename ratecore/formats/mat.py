"""`.mat` files (SPEC 4): a network with an example trial and its scores, for MATLAB and Python."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import torch

from ratecore.config import NetworkSettings, RunSettings
from ratecore.dynamics import draw_noise, run
from ratecore.files import write_atomic
from ratecore.formats.containers import HEADER, read_mat, sealed_length, sealed_mat
from ratecore.formats.errors import FormatError, bytes_of, first_line
from ratecore.network import FR_RNN_dale, activation_function
from ratecore.streams import stream


def example_trial(settings: RunSettings, net: FR_RNN_dale) -> dict:
    """One trial of the run's example stream, in float64 with the weights that are saved.

    Returns:
        u (n_in, T), target (T,), label, o (T-1,), x (T, N, 1), r (T, N, 1).
    """
    task, rng = settings.create_task(), stream(settings.seed, "example")
    (u,), (z,), (label,), _ = task.generate_batch([rng])
    x0, noise = draw_noise(1, task.T, net.N, rng, torch.float64)
    exact = FR_RNN_dale.from_arrays(net.settings, {**_arrays(net), "w": net.rectified_w().detach().cpu()},
                                    dtype=torch.float64)  # fmt: skip
    with torch.no_grad():
        x, r, o = run(exact, torch.as_tensor(u)[None], x0=x0, noise=noise, engine="torch")
    return {"u": u, "target": z, "label": label, "o": o[0].numpy(), "x": x[0, :, :, None].numpy(),
            "r": r[0, :, :, None].numpy()}  # fmt: skip


def _arrays(net) -> dict:
    names = ("w", "w_in", "w_out", "b_out", "taus_gaus", "m", "som_m", "inh", "exc")
    return {name: getattr(net, name).detach().cpu() for name in names}


def mat_bytes(settings: RunSettings, result, scores) -> bytes:
    """A `.mat` file with every key of SPEC 4.

    Args:
        settings, result: of the run.   scores: `Scores` of the evaluation; of the last test when there was none.
    """
    import scipy.io

    net, initial = result.net, result.initial
    after = {k: v.double().numpy() for k, v in _arrays(net).items()}
    before = {f"{k}0": initial[k].cpu().double().numpy() for k in ("w", "taus_gaus", "w_in")}
    rng = stream(settings.seed, "trial", 0)
    task = settings.create_task()
    task.generate_batch([rng])
    x0 = draw_noise(1, task.T, net.N, rng)[0].double().T
    example = example_trial(settings, net)
    labels = scores.labels
    s = settings.network
    content = {
        "x0": x0.numpy(), "r0": activation_function(net.activation)(x0).numpy(), **before,
        **after, "w": net.rectified_w().detach().cpu().double().numpy(),
        "inh": after["inh"][:, None], "exc": after["exc"][:, None],
        "N": float(net.N), "som_N": float(net.som_N), "taus": np.array([s.taus]), "activation": net.activation,
        **{key: example[key] for key in ("u", "target", "o", "x", "r")}, "label": _as_matlab(example["label"]),
        "losses": np.array(result.losses), "tr": float(result.n_trials), "trained": float(result.trained),
        "eval_perf_mean": scores.accuracy, "eval_loss_mean": scores.loss, "eval_os": scores.outputs,
        "eval_labels": np.array(labels, dtype=object if isinstance(labels[0], str) else float),
        # Beyond SPEC 4: what else is needed to know the network again.
        "task": settings.task, "seed": float(settings.seed), "P_inh": s.P_inh, "P_rec": s.P_rec, "gain": s.gain,
        "apply_dale": float(s.apply_dale), "w_dist": s.w_dist,
    }  # fmt: skip
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, content, do_compression=True, oned_as="row")
    return sealed_mat(buffer.getvalue())


def _as_matlab(label):
    return label if isinstance(label, str) else float(label)


_ARRAYS = ("w", "w_in", "w_out", "b_out", "taus_gaus", "m", "som_m", "exc", "inh", "som_N", "taus")
NETWORK = (*_ARRAYS, "activation", "P_inh", "P_rec", "gain", "w_dist", "apply_dale")


def load_mat(path, names=None) -> dict:
    """Arrays of numbers and text in a `.mat` file (MATLAB 5 to 7), those of `names` or all.

    Raises:
        FormatError: it cannot be read; one of `names` is of another kind.
    """
    data = bytes_of(path)
    try:
        return read_mat(data, names)
    except Exception as error:  # of many kinds for a damaged file: every one is named and passed on
        raise FormatError(f"{path}: not a readable .mat file: {first_line(error)}") from error


def add_to_mat(path, values: dict) -> None:
    """Appends variables to a `.mat` file, in place of those of the same names that were appended before.

    The file is whole at every moment. What was in it stays as it is, cells of text included; MATLAB and Python take the
    last of two variables of one name.
    """
    import scipy.io

    load_mat(path, ())  # refuses a damaged file
    data, added = bytes_of(path), {}
    if length := sealed_length(data):
        added = read_mat(b"MATLAB 5.0 MAT-file".ljust(116) + data[116:HEADER] + data[length:])
        data = data[:length]
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, added | values, do_compression=True, oned_as="row")
    write_atomic(path, data + buffer.getvalue()[HEADER:])


def sha256_without_additions(path) -> str:
    """SHA-256 of a `.mat` file as it was before `add_to_mat`; of all of it where nothing was added."""
    data = bytes_of(path)
    return hashlib.sha256(data[: sealed_length(data) or len(data)]).hexdigest()


def network_from_mat(content, device, dtype) -> FR_RNN_dale:
    if missing := [key for key in (*_ARRAYS, "activation") if key not in content]:
        raise ValueError(f"not the file of a network: it has no {', '.join(missing)}")
    for key in _ARRAYS:
        if content[key].dtype.kind not in "fiub":
            raise ValueError(f"{key} is not numeric")
        if not np.isfinite(content[key]).all() or not content[key].size:
            raise ValueError(f"{key} holds NaN or infinity, or nothing")
    arrays = {
        k: torch.from_numpy(np.asarray(content[k], float)) for k in ("w", "w_in", "w_out", "taus_gaus", "m", "som_m")
    }
    for key in ("b_out", "exc", "inh"):
        arrays[key] = torch.from_numpy(np.asarray(content[key], float).ravel())
    if not bool(((arrays["exc"] == 1) ^ (arrays["inh"] == 1)).all()):
        raise ValueError("exc and inh: each unit must be one of them")
    known = NetworkSettings()

    def value(key, default=None):
        return np.ravel(content[key])[0].item() if key in content else default

    som_N = float(value("som_N"))
    settings = NetworkSettings(
        N=len(arrays["w"]), som_N=int(som_N) if som_N.is_integer() else som_N,
        taus=[float(t) for t in np.ravel(content["taus"])], activation=str(value("activation")),
        P_inh=value("P_inh", known.P_inh), P_rec=value("P_rec", known.P_rec), gain=value("gain", known.gain),
        w_dist=value("w_dist", known.w_dist), apply_dale=bool(value("apply_dale", bool(arrays["inh"].any()))),
    )  # fmt: skip
    return FR_RNN_dale.from_arrays(settings, arrays, device, dtype)
