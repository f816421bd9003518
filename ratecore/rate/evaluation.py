"""From trials to scores: accuracy and loss, outputs by condition, psychometric curves (docs/model.md 2 and 3)."""

from __future__ import annotations

import contextlib

import numpy as np
import torch

from ratecore.rate.dynamics import outputs, trial_noise
from ratecore.rate.losses import trial_losses
from ratecore.rate.results import Evaluation, Scores
from ratecore.settings.training import EvaluationSettings
from ratecore.system.arrays import arrays_of_trials
from ratecore.system.streams import stream
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.checks import ready_to_score
from ratecore.tasks.trials import score

_DRAWING = ("generate_batch", "collect")
CHUNK = 100  # trials run at once, so that memory does not grow with their number


@contextlib.contextmanager
def one_thread():
    """Torch on one thread, then as before: the order of every sum, and so every bit, is the same on any load."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def draw_trials(task, net, generators, trials=None):
    """Trials with their noise, each from its own generator.

    Args:
        task: an AbstractTask.   net: gives N, dtype and device.   generators: B of them, see `ratecore.system.streams`.
        trials: Trials drawn already from the same generators; drawn here when None.

    Returns:
        Trials with u (B, n_in, T) and z (B, T) as tensors, x0 (B, N), noise (B, T-1, N).

    Raises:
        ValueError: the task's trials do not have the shapes that it says of itself, or no finite numbers.
    """
    w = net.w
    exact = np.float64 if w.dtype == torch.float64 else np.float32
    if trials is None and _checks_its_trials(task):
        trials = task.generate_batch(generators)
        arrays = trials.u.astype(exact, copy=False), trials.z.astype(exact, copy=False)
    else:
        trials = task.generate_batch(generators) if trials is None else trials
        arrays = arrays_of_trials(task, trials, len(generators), exact)
    u, z = (torch.from_numpy(v) for v in arrays)
    if w.dtype != u.dtype or w.device != u.device:
        u, z = u.to(w.device, w.dtype), z.to(w.device, w.dtype)
    return trials._replace(u=u, z=z), *trial_noise(generators, task.T, net.N, w.dtype, w.device)


def _checks_its_trials(task) -> bool:
    """Whether the task's batches come from `ratecore.tasks.trials.collect`, which has checked all of their numbers."""
    kind, own = type(task), vars(task)
    inherited = all(getattr(kind, name, None) is getattr(AbstractTask, name) for name in _DRAWING)
    return inherited and not any(name in own for name in _DRAWING)


def score_trials(task, net, loss_fn: str, generators, trials=None) -> Scores:
    """Runs trials without gradients and scores them; arguments as `draw_trials`."""
    trials, x0, noise = draw_trials(task, net, generators, trials)
    return scores_of(task, trials, outputs(net, trials.u, x0, noise, finite=False), loss_fn)


def scores_of(task, trials, o, loss_fn: str) -> Scores:
    """Scores of trials with the outputs o (B, T), o[:, 0] the readout of r[0]; `trials` as `draw_trials` gives them."""
    losses = trial_losses(o[:, 1:], trials.z, loss_fn).double().cpu().numpy()
    o = o.double().cpu().numpy()
    correct = np.array([score(task, row, label) for row, label in zip(o, trials.labels, strict=True)])
    return Scores(losses, correct, o, trials.labels, np.array(trials.conditions))


def together(parts: list[Scores]) -> Scores:
    """The scores of all trials of the parts, in their order."""
    return Scores(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("losses", "correct", "outputs")),
        [label for p in parts for label in p.labels],
        np.concatenate([p.conditions for p in parts]),
    )


def _chunks(n: int):
    return (range(k, min(k + CHUNK, n)) for k in range(0, n, CHUNK))


def evaluate(task, net, seed: int, settings: EvaluationSettings, loss_fn: str = "l2") -> Evaluation:
    """Scores a network on fresh trials of the run's own evaluation stream.

    Args:
        task: an AbstractTask.   net: the trained network.   seed: of the run.   loss_fn: 'l2' or 'l1'.

    Raises:
        TaskError: a task of the user's with a fault, or without `is_correct`.
    """
    ready_to_score(task)
    if (saved := getattr(net, "saved_task", None)) is not None:  # of a file: says where this is another task
        saved.compare(task)
    with one_thread():
        parts = [
            score_trials(task, net, loss_fn, [stream(seed, "evaluation", k) for k in chunk])
            for chunk in _chunks(settings.n_trials)
        ]
        result = Evaluation(together(parts), task.response_steps)
        if task.evidence_levels and settings.psychometric_trials:
            result.psychometric = psychometric_curve(task, net, seed, settings.psychometric_trials, loss_fn)
    return result


def psychometric_curve(task, net, seed: int, n_trials: int, loss_fn: str = "l2") -> list[dict]:
    """Choice and accuracy against signed evidence in each context (Kim et al. 2019, Fig. 3; Mante et al. 2013).

    Args:
        task: a task with `evidence_levels` and `draw_graded_trial`.   n_trials: at each level of each trial type.

    Returns:
        rows as in `Evaluation.psychometric`.
    """
    points = [(kind, level) for kind in task.trial_types for level in task.evidence_levels]
    rows = []
    for i, (kind, level) in enumerate(points):
        parts = []
        for chunk in _chunks(n_trials):
            generators = [stream(seed, "psychometric", i * n_trials + k) for k in chunk]
            trials = task.collect((kind, *task.draw_graded_trial(kind, level, rng)) for rng in generators)
            parts.append(score_trials(task, net, loss_fn, generators, trials))
        scores = together(parts)
        chosen = scores.outputs[:, task.response_window].mean(1) > 0
        rows.append({"trial_type": kind, "evidence": level, "n": n_trials, "accuracy": scores.accuracy,
                     "p_positive": float(chosen.mean())})  # fmt: skip
    return rows
