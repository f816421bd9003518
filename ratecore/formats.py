"""The layouts of `.pth` and `.mat` files (SPEC 4 and 9): the only place that knows them.

Files of others are read as data alone: no code in them runs, and a file is taken whole or refused by name.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import time
from pathlib import Path

import numpy as np
import torch

from ratecore.config import NetworkSettings, RunSettings
from ratecore.dynamics import draw_noise, run
from ratecore.files import write_atomic, write_new
from ratecore.network import FR_RNN_dale, activation_function
from ratecore.streams import stream
from ratecore.tracking.provenance import code_hash

PTH_FORMAT = "ratecore-1"
CHECKPOINT_FORMAT = b"ratecore-checkpoint-1"
ACCURACY_AMPLITUDE = 0.7  # `eval_amp_threh` of the seed package (SPEC 9)


class FormatError(ValueError):
    """A file that is damaged or is not what it should be; the message names the file and what is wrong."""


class DamagedError(FormatError):
    """A checkpoint that cannot be gone on from; the message names the file and why."""


# ----------------------------------------------------------------------------------------------------------- .pth


def training_params(settings: RunSettings) -> dict:
    """The seed package's `training_params` of a run."""
    t = settings.training
    return {"learning_rate": t.learning_rate, "loss_threshold": t.loss_threshold, "eval_freq": t.eval_freq,
            "eval_tr": t.eval_tr, "eval_amp_threh": ACCURACY_AMPLITUDE, "activation": settings.network.activation,
            "loss_fn": t.loss_fn, "P_rec": settings.network.P_rec}  # fmt: skip


def pth_bytes(settings: RunSettings, result, **extra) -> bytes:
    """A `.pth` file of plain values and tensors alone; a `TrainingResult` and the settings that led to it."""
    task = {**settings.create_task().settings, "DeltaT": 1, "taus": list(settings.network.taus), "task": settings.task}
    content = {
        "format": PTH_FORMAT,
        "model_state_dict": result.net.state_dict(),
        "optimizer_state_dict": result.optimizer,
        "initial_state_dict": result.initial,
        "settings": task,
        "training_params": training_params(settings),
        "losses": torch.tensor(result.losses, dtype=torch.float64),
        "final_loss": result.losses[-1],
        "trial": result.n_trials,
        "tests": result.tests,
        "trained": result.trained,
        # Without the evaluation's: the same network is the same file, however it is scored.
        "run_settings": settings.model_dump(mode="json", exclude={"evaluation"}),
        "finished": result.finished,
    }
    buffer = io.BytesIO()
    torch.save(content | extra, buffer)
    return buffer.getvalue()


def save_pth(path, settings: RunSettings, result) -> str:
    """Writes a trained network whole. Returns the file's SHA-256."""
    return write_atomic(path, pth_bytes(settings, result))


def load_pth(path, device="cpu") -> dict:
    """The content of a `.pth` file as written here. Raises FormatError for any other."""
    return _content_of_pth(path, Path(path).read_bytes(), device)


def _content_of_pth(path, data: bytes, device) -> dict:
    try:
        content = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    except Exception as error:  # of many kinds for a damaged file: every one is named and passed on
        raise FormatError(f"{path}: not a readable .pth file: {_first_line(error)}") from error
    if not isinstance(content, dict) or content.get("format") != PTH_FORMAT:
        raise FormatError(
            f"{path}: not a network saved by ratecore (its 'format' is not '{PTH_FORMAT}'); the .mat file of a network "
            "trained elsewhere can be read"
        )
    return content


def result_from_pth(path, device="cpu"):
    """The `TrainingResult` in a `.pth` file. Settings in it stay data: a task file that they name is not run."""
    return _result(path, load_pth(path, device), device)


def _result(path, content: dict, device):
    from ratecore.training import TrainingResult

    try:
        return TrainingResult(
            _network_from_state(content["model_state_dict"], device), content["initial_state_dict"],
            content["optimizer_state_dict"], content["losses"].tolist(), content["tests"],
            trained=content["trained"], n_trials=content["trial"], seconds=content.get("seconds", 0.0),
            finished=content["finished"],
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FormatError(f"{path}: {_first_line(error)}") from error


def checkpoint_bytes(settings: RunSettings, result) -> bytes:
    """A training under way: a line with the SHA-256 of the rest, and a `.pth` file with the identity of the run."""
    data = pth_bytes(settings, result, seconds=result.seconds, identity=settings.identity("training"), code=code_hash())
    return CHECKPOINT_FORMAT + b" " + hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def result_from_checkpoint(path, settings: RunSettings, device="cpu"):
    """The `TrainingResult` in a checkpoint of these settings.

    Raises:
        DamagedError: not whole, or written by other code, whose next update might be another.
        FormatError: it is whole, and of other settings.
    """
    head, _, data = Path(path).read_bytes().partition(b"\n")
    if head != CHECKPOINT_FORMAT + b" " + hashlib.sha256(data).hexdigest().encode():
        raise DamagedError(f"{path}: not a whole checkpoint, its checksum does not match")
    content = _content_of_pth(path, data, device)
    if content.get("identity") != settings.identity("training"):
        raise FormatError(
            f"{path}: a checkpoint of other settings than this run's; move it away to train from the start"
        )
    if content.get("code") != code_hash():
        raise DamagedError(f"{path}: a checkpoint of another version of ratecore")
    return _result(path, content, device)


def _network_from_state(state, device, dtype=None) -> FR_RNN_dale:
    settings = NetworkSettings(**state["_extra_state"])
    arrays = {k: v.cpu() for k, v in state.items() if isinstance(v, torch.Tensor)}
    return FR_RNN_dale.from_arrays(settings, arrays, device, dtype or arrays["w"].dtype)


def saved_task_settings(path, task: str) -> dict:
    """Settings of the task that a network was trained with; none in a `.mat`, which does not hold them.

    Raises:
        FormatError: it was trained on another task.
    """
    if Path(path).suffix != ".pth":
        return {}
    settings = dict(load_pth(path)["settings"])
    if settings.pop("task") != task:
        raise FormatError(f"{path}: the network was not trained on {task}")
    return {key: value for key, value in settings.items() if key not in ("DeltaT", "taus")}


# ----------------------------------------------------------------------------------------------------------- .mat


def example_trial(settings: RunSettings, net: FR_RNN_dale) -> dict:
    """One trial of the run's example stream, in float64 with the weights that are saved.

    Returns:
        u (n_in, T), target (T,), label, o (T-1,), x (T, N, 1), r (T, N, 1).
    """
    task, rng = settings.create_task(), stream(settings.seed, "example")
    u, z, label = task.simulate_trial(seed=rng)
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
    task.generate_stimulus(seed=rng)
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
    return buffer.getvalue()


def _as_matlab(label):
    return label if isinstance(label, str) else float(label)


def load_mat(path) -> dict:
    """The content of a `.mat` file (MATLAB 5 to 7). Raises FormatError when it cannot be read."""
    import scipy.io

    try:
        return scipy.io.loadmat(io.BytesIO(Path(path).read_bytes()))
    except Exception as error:  # of many kinds for a damaged file: every one is named and passed on
        raise FormatError(f"{path}: not a readable .mat file: {_first_line(error)}") from error


def add_to_mat(path, values: dict) -> None:
    """Adds values to a `.mat` file, in place of those of the same names; the file is whole at every moment."""
    import scipy.io

    content = {key: value for key, value in load_mat(path).items() if not key.startswith("__")}
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, content | values, do_compression=True, oned_as="row")
    write_atomic(path, buffer.getvalue())


def _network_from_mat(content, device, dtype) -> FR_RNN_dale:
    missing = [k for k in ("w", "w_in", "w_out", "b_out", "taus_gaus", "m", "som_m", "exc", "inh", "som_N", "taus",
                           "activation") if k not in content]  # fmt: skip
    if missing:
        raise ValueError(f"not the file of a network: it has no {', '.join(missing)}")
    for key in ("w", "w_in", "w_out", "b_out", "taus_gaus", "m", "som_m", "taus", "exc", "inh", "som_N"):
        if np.asarray(content[key]).dtype.kind not in "fiub":
            raise ValueError(f"{key} is not numeric")
    arrays = {
        k: torch.from_numpy(np.asarray(content[k], float)) for k in ("w", "w_in", "w_out", "taus_gaus", "m", "som_m")
    }
    for key in ("b_out", "exc", "inh"):
        arrays[key] = torch.from_numpy(np.asarray(content[key], float).ravel())
    if not bool(((arrays["exc"] == 1) ^ (arrays["inh"] == 1)).all()):
        raise ValueError("exc and inh: each unit must be one of them")
    known = NetworkSettings()
    N = len(arrays["w"])

    def value(key, default):
        return np.ravel(content[key])[0].item() if key in content else default

    settings = NetworkSettings(
        N=N, som_N=int(np.ravel(content["som_N"])[0]), taus=[float(t) for t in np.ravel(content["taus"])],
        activation=str(np.ravel(content["activation"])[0]), P_inh=value("P_inh", known.P_inh),
        P_rec=value("P_rec", known.P_rec), gain=value("gain", known.gain), w_dist=value("w_dist", known.w_dist),
        apply_dale=bool(value("apply_dale", bool(arrays["inh"].any()))),
    )  # fmt: skip
    return FR_RNN_dale.from_arrays(settings, arrays, device, dtype)


# ----------------------------------------------------------------------------------------------------- evaluation


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
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def load_scores(path):
    """The `Scores` in an evaluation file. Raises FormatError when it cannot be read."""
    from ratecore.evaluation import Scores

    try:
        with np.load(path, allow_pickle=False) as data:
            return Scores(data["losses"], data["correct"], data["outputs"], data["labels"].tolist(), data["conditions"])
    except Exception as error:  # of many kinds for a damaged file: every one is named and passed on
        raise FormatError(f"{path}: not a readable evaluation: {type(error).__name__}: {error}") from error


# ----------------------------------------------------------------------------------------------------- either file


def load_network(path, device="cpu", dtype=torch.float32) -> FR_RNN_dale:
    """The trained network in a `.mat` or `.pth` file.

    Raises:
        FormatError: not there, damaged, or not the file of a network.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path}: there is no such file")
    if path.suffix not in (".mat", ".pth"):
        raise FormatError(f"{path}: a network is saved as .mat or .pth, not {path.suffix or 'without a suffix'}")
    try:
        if path.suffix == ".mat":
            return _network_from_mat(load_mat(path), device, dtype)
        return _network_from_state(load_pth(path, device)["model_state_dict"], device, dtype)
    except FormatError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise FormatError(f"{path}: {_first_line(error)}") from error


def _first_line(error) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300].removeprefix("ValueError: ")


def export_stem(output_dir, settings: RunSettings) -> Path:
    """Folder and name of a network's files up to the time in it (SPEC 4)."""
    s = settings.network
    taus = ("Taus_" if len(s.taus) == 2 else "Tau_") + "_".join(str(t) for t in s.taus)
    dale = () if s.apply_dale else ("NoDale",)
    folder = Path(output_dir, "models", settings.task, *dale, f"P_rec_{s.P_rec}_{taus}")
    return folder / f"Task_{settings.task}_N_{s.N}_{taus}_Act_{s.activation}"


def export(output_dir, settings: RunSettings, result, scores) -> tuple[Path, Path]:
    """Writes a network's `.mat` and `.pth` under the names of SPEC 4.

    Exporting the same network again writes the same two files. A name that another network of the same second has is
    followed by `_2`, `_3` ...; no file of another network is ever written over.

    Args:
        output_dir: the folder above `models`.   settings, result, scores: as in `mat_bytes`.

    Returns:
        paths of the .mat and the .pth.
    """
    finished = time.strftime("%Y_%m_%d_%H%M%S", time.localtime(result.finished))
    stem = f"{export_stem(output_dir, settings)}_{finished}"
    mat, pth = mat_bytes(settings, result, scores), pth_bytes(settings, result)
    for k in itertools.count(1):
        name = stem if k == 1 else f"{stem}_{k}"
        mat_path, pth_path = Path(f"{name}.mat"), Path(f"{name}.pth")
        if mat_path.exists() and not pth_path.exists():
            continue  # of a network whose .pth was moved away
        try:
            write_new(pth_path, pth)  # whose .pth it is has the name
        except FileExistsError:
            if pth_path.read_bytes() != pth:
                continue
        write_atomic(mat_path, mat)
        return mat_path, pth_path
