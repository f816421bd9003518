"""Files of a trained network for use by others, with an example trial."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ratecore.formats import export_stem, pth_bytes
from ratecore.formats.mat import arrays_of, packed_mat
from ratecore.rate.dynamics import simulate
from ratecore.rate.evaluation import draw_trials
from ratecore.rate.network import RateNetwork
from ratecore.rate.parameters import activation_function
from ratecore.settings.run import RunSettings
from ratecore.system.files import write_atomic, write_new
from ratecore.system.streams import stream

if TYPE_CHECKING:
    from ratecore.formats.containers import StrPath
    from ratecore.rate.results import Scores, TrainingResult


def example_trial(settings: RunSettings, net: RateNetwork) -> dict[str, Any]:
    """Simulate one trial of the run's example stream in float64, with the weights that are saved.

    Args:
        settings: of the run.
        net: the trained network.

    Returns:
        u (n_in, T), target (T,) or (n_out, T), label, o (T-1,) or (n_out, T-1), x (T, N, 1) and r (T, N, 1); of trials
        that have one also the weight, in the shape of the target.
    """
    task, rng = settings.create_task(), stream(settings.seed, "example")
    exact = RateNetwork.from_arrays(
        net.settings, {**arrays_of(net), "w": net.rectified_w().detach().cpu()}, dtype=torch.float64
    )
    trials, x0, noise = draw_trials(task, exact, [rng])
    with torch.no_grad():
        x, r, o = simulate(exact, trials.u, x0=x0, noise=noise, engine="torch")
    weight = {} if trials.weight is None else {"weight": trials.weight[0].numpy()}
    return {
        "u": trials.u[0].numpy(),
        "target": trials.z[0].numpy(),
        **weight,
        "label": trials.labels[0],
        "o": o[0].numpy(),
        "x": x[0, :, :, None].numpy(),
        "r": r[0, :, :, None].numpy(),
    }


def mat_bytes(settings: RunSettings, result: TrainingResult, scores: Scores) -> bytes:
    """The contents of a `.mat` file of a trained network.

    Args:
        settings: of the run.
        result: of its training.
        scores: of the evaluation; without one, of the last test.

    Returns:
        the bytes of the file.
    """
    task, net = settings.create_task(), result.net
    _, x0, _ = draw_trials(task, net, [stream(settings.seed, "trial", 0)])
    x0 = x0.double().cpu().T
    r0 = activation_function(net.activation)(x0)
    example = example_trial(settings, net)
    return packed_mat(settings, task, result, scores, x0=x0.numpy(), r0=r0.numpy(), example=example)


def export(output_dir: StrPath, settings: RunSettings, result: TrainingResult, scores: Scores) -> tuple[Path, Path]:
    """Write a network's `.mat` and `.pth` under the names of docs/model.md 4.

    Exporting the same network again writes the same two files. If another network of the same second has the
    name, `_2`, `_3` ... is appended; files of other networks are never overwritten.

    Args:
        output_dir: the folder above `models`.
        settings: of the run.
        result: of its training.
        scores: as in `mat_bytes`.

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
            continue  # belongs to a network whose .pth was moved away
        try:
            write_new(pth_path, pth)  # the name belongs to the network of this .pth
        except FileExistsError:
            if pth_path.read_bytes() != pth:
                continue
        write_atomic(mat_path, mat)
        break
    return mat_path, pth_path
