"""Loss, stopping rule and the training loop (SPEC 3)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from ratecore.config import LOSS_FUNCTIONS, RunSettings
from ratecore.dynamics import draw_noise, run
from ratecore.network import FR_RNN_dale
from ratecore.streams import stream


def loss_op(o, z, training_params):
    """Loss of a trial, or the mean over a batch: o[t] for t = 1 .. T-1 against z[t-1], as in the original code.

    Args:
        o: T - 1 outputs, a sequence or (T-1,); or (B, T-1).
        z: target (T,) or (B, T).
        training_params: `loss_fn`, 'l2' (default) or 'l1', in any case.

    Returns:
        scalar tensor.

    Raises:
        ValueError: unknown loss, or lengths that do not belong together.
    """
    if not isinstance(o, torch.Tensor):
        o = torch.stack([torch.as_tensor(v).reshape(()) for v in o])
    z = torch.as_tensor(z, dtype=o.dtype, device=o.device)
    if z.shape[:-1] != o.shape[:-1] or z.shape[-1] != o.shape[-1] + 1:
        raise ValueError(f"o has shape {tuple(o.shape)} and z {tuple(z.shape)}; z must have one step more than o")
    return trial_losses(o, z, (training_params or {}).get("loss_fn", "l2")).mean()


def trial_losses(o, z, loss_fn):
    """Losses (B,) of trials with outputs o (B, T-1) and targets z (B, T). Raises ValueError for an unknown loss."""
    name = str(loss_fn).lower()
    if name not in LOSS_FUNCTIONS:
        raise ValueError(f"unknown loss_fn '{loss_fn}'; allowed: {', '.join(LOSS_FUNCTIONS)}")
    error = o - z[..., :-1]
    return error.square().sum(-1).sqrt() if name == "l2" else error.abs().sum(-1)


def draw_trials(task, net, seed: int, stream_name: str, indices):
    """Trials of one stream: stimuli, targets and noise, each trial from its own generator.

    Args:
        task: an AbstractTask.   net: gives N, dtype and device.   seed: of the run.
        stream_name: see `ratecore.streams`.   indices: numbers of the trials in the stream, B of them.

    Returns:
        u (B, n_in, T), z (B, T) tensors, labels (B,), x0 (B, N), noise (B, T-1, N) tensors.
    """
    generators = [stream(seed, stream_name, k) for k in indices]
    u, z, labels = task.generate_batch(generators)
    like = dict(dtype=net.w.dtype, device=net.w.device)
    drawn = [draw_noise(1, task.T, net.N, g, **like) for g in generators]
    x0, noise = (torch.cat([d[i] for d in drawn]) if len(drawn) > 1 else drawn[0][i] for i in (0, 1))
    return torch.as_tensor(u, **like), torch.as_tensor(z, **like), labels, x0, noise


def score_trials(task, net, seed: int, stream_name: str, indices, loss_fn: str):
    """Runs trials without gradients and scores them.

    Returns:
        losses (B,), correct (B,) bool, outputs o (B, T) with o[:, 0] the readout of r[0], labels (B,).
    """
    u, z, labels, x0, noise = draw_trials(task, net, seed, stream_name, indices)
    with torch.no_grad():
        _, r, o = run(net, u, x0=x0, noise=noise)
        first = r[:, :1] @ net.w_out[0] + net.b_out
        losses = trial_losses(o, z, loss_fn).double().cpu().numpy()
    outputs = torch.cat([first, o], 1).double().cpu().numpy()
    correct = np.array([task.is_correct(row, label) for row, label in zip(outputs, labels, strict=True)])
    return losses, correct, outputs, labels


@dataclass
class TrainingResult:
    """What training a network gave.

    Attributes:
        net: the trained network.   initial: its state_dict before training.   optimizer: Adam's state_dict.
        losses: of every update, (n_updates,).   tests: dicts with trial, loss, accuracy.
        trained: whether the criterion was met.   n_trials: trials used.   seconds: of training.
    """

    net: FR_RNN_dale
    initial: dict
    optimizer: dict = field(default_factory=dict)
    losses: list = field(default_factory=list)
    tests: list = field(default_factory=list)
    trained: bool = False
    n_trials: int = 0
    seconds: float = 0.0


def train(settings: RunSettings, device="cpu", on_test: Callable[[TrainingResult], None] | None = None):
    """Trains one network until it meets the criterion of SPEC 3 or has used `n_trials`.

    Args:
        settings: of the run.   device: torch device.
        on_test: called with the result so far after every test, for progress and records.

    Returns:
        TrainingResult; `trained` is False when the criterion was not met, which is a result and not an error.

    Raises:
        FloatingPointError: the loss is no longer finite.
    """
    task, training, seed = settings.create_task(), settings.training, settings.seed
    net = FR_RNN_dale.from_settings(settings.network, task.n_inputs, stream(seed, "initialisation"), device)
    result = TrainingResult(net, {k: v.clone() for k, v in net.state_dict().items()})
    trained = [p for p in net.parameters() if p.requires_grad]
    # foreach=False: one fixed order of operations; fused: one pass over each parameter, on CPU and GPU alike.
    optimizer = torch.optim.Adam(trained, lr=training.learning_rate, fused=True)
    start = time.perf_counter()
    next_test = training.eval_freq
    while result.n_trials < training.n_trials:
        last = min(result.n_trials + training.batch_size, training.n_trials)
        u, z, _, x0, noise = draw_trials(task, net, seed, "trial", range(result.n_trials, last))
        _, _, o = run(net, u, x0=x0, noise=noise)
        loss = trial_losses(o, z, training.loss_fn).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        result.losses.append(float(loss.detach()))
        result.n_trials = last
        if not np.isfinite(result.losses[-1]):
            raise FloatingPointError(f"the loss is {result.losses[-1]} at trial {last}; try a smaller learning_rate")
        if last >= next_test or last == training.n_trials:
            next_test = (last // training.eval_freq + 1) * training.eval_freq
            _test(result, task, settings)
            result.seconds = time.perf_counter() - start
            if on_test:
                on_test(result)
            if result.trained:
                break
    result.optimizer = optimizer.state_dict()
    return result


def _test(result, task, settings):
    """Tests the network on fresh trials of its own stream and applies the stopping rule."""
    training = settings.training
    first = len(result.tests) * training.eval_tr
    losses, correct, _, _ = score_trials(
        task, result.net, settings.seed, "test", range(first, first + training.eval_tr), training.loss_fn
    )
    loss, accuracy = float(losses.mean()), float(correct.mean())
    result.tests.append({"trial": result.n_trials, "loss": loss, "accuracy": accuracy})
    result.trained = (
        loss < training.loss_threshold and accuracy > training.accuracy_threshold and result.n_trials >= task.min_trials
    )
