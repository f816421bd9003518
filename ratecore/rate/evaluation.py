"""From trials to scores: accuracy and loss, outputs by condition, psychometric curves (docs/model.md 2 and 3)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ratecore.rate.dynamics import noise_of_units, noise_settings, outputs, trial_noise, with_input_noise
from ratecore.rate.losses import loss_for, trial_losses
from ratecore.rate.network import RateNetwork
from ratecore.rate.results import Evaluation, Scores
from ratecore.rate.trials import CHUNK, drawn_arrays, join_scores, scores_of_outputs, trials_are_checked
from ratecore.settings.training import EvaluationSettings
from ratecore.system.streams import stream
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.checks import ready_to_score
from ratecore.tasks.decisions import Curves, draw_graded, graded_points, times_of
from ratecore.tasks.trials import Trials
from ratecore.tasks.values import describe

__all__ = [
    "CHUNK",
    "draw_trials",
    "evaluate",
    "graded_curves",
    "join_scores",
    "one_thread",
    "psychometric_curve",
    "score_trials",
    "scores_of",
    "trials_are_checked",
]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, then as before: the order of every sum, and so every bit, is the same under any load.

    Yields:
        None.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def draw_trials(
    task: AbstractTask, net: RateNetwork, generators: list[np.random.Generator], trials: Any = None
) -> tuple[Any, Float[torch.Tensor, "B N"], Float[torch.Tensor, "B T-1 N"]]:
    """Draw trials and their noise, each from its own generator.

    Args:
        task: draws the trials.
        net: gives N, dtype, device and the standard deviations of the noise.
        generators: B of them, see `ratecore.system.streams`.
        trials: Trials drawn already from the same generators; drawn here when None.

    Returns:
        Trials with u (B, n_in, T), z (B, T) or (B, n_out, T) and, where they have it, weight as tensors, x0 (B, N) and
        noise (B, T-1, N); unitless.

    Raises:
        ValueError: the task's trials do not have the shapes that it declares, or no finite numbers.

    Source:
        docs/model.md 1 and 2.
    """
    w = net.w
    exact = np.float64 if w.dtype == torch.float64 else np.float32
    trials, *arrays = drawn_arrays(task, generators, exact, trials)
    u, z = (torch.from_numpy(v) for v in arrays)
    if w.dtype != u.dtype or w.device != u.device:
        u, z = u.to(w.device, w.dtype), z.to(w.device, w.dtype)
    weight, steps, drawn = (getattr(trials, name, None) for name in ("weight", "steps", "trials"))
    if weight is not None:
        weight = torch.from_numpy(np.asarray(weight).astype(exact)).to(w.device, w.dtype)
    s = noise_settings(net)
    sd, scale = noise_of_units(net, s.noise_sd)
    x0, noise = trial_noise(generators, u.shape[2], net.N, w.dtype, w.device, steps, noise_sd=sd, x0_sd=s.x0_sd)
    if scale is not None:
        noise = noise * torch.as_tensor(scale).to(noise)
    u = with_input_noise(u, generators, s.input_noise_sd, steps)
    batch = Trials(u, z, trials.labels, trials.conditions, weight, steps, drawn)  # type: ignore[arg-type]  # tensors
    return batch, x0, noise


def score_trials(
    task: AbstractTask,
    net: RateNetwork,
    loss_fn: str,
    generators: list[np.random.Generator],
    trials: Any = None,
) -> Scores:
    """Run trials without gradients and score them.

    Args:
        task: draws and scores the trials.
        net: the network.
        loss_fn: name of the loss, as in `training.loss_fn`.
        generators: of the B trials.
        trials: as in `draw_trials`.

    Returns:
        scores of the B trials.
    """
    trials, x0, noise = draw_trials(task, net, generators, trials)
    return scores_of(task, trials, outputs(net, trials.u, x0, noise, finite=False), loss_fn)


def scores_of(task: AbstractTask, trials: Any, o: Float[torch.Tensor, "B *out T"], loss_fn: str) -> Scores:
    """Score the outputs of trials.

    Args:
        task: scores the trials.
        trials: as `draw_trials` returns them.
        o: outputs (B, T), or (B, n_out, T) of several outputs, unitless, o[..., 0] the readout of r[0].
        loss_fn: name of the loss, as in `training.loss_fn`.

    Returns:
        scores of the B trials.

    Source:
        docs/model.md 2 and 3.
    """
    losses = trial_losses(o[..., 1:], trials.z, loss_for(task, loss_fn), trials.weight, task.n_outputs)
    return scores_of_outputs(task, trials, o.double().cpu().numpy(), losses.double().cpu().numpy())


def _chunks(n: int) -> Iterator[range]:
    return (range(k, min(k + CHUNK, n)) for k in range(0, n, CHUNK))


def evaluate(
    task: AbstractTask | RateNetwork,
    net: RateNetwork | AbstractTask,
    seed: int = 0,
    settings: EvaluationSettings | None = None,
    loss_fn: str = "l2",
    *,
    n_trials: int | None = None,
) -> Evaluation:
    """Score a network on fresh trials of the run's own evaluation stream.

    Task and network may come in either order: `evaluate(net, task)`.

    Args:
        task: draws and scores the trials.
        net: the trained network.
        seed: of the run.
        settings: numbers of trials; `EvaluationSettings()` when None.
        loss_fn: name of the loss, as in `training.loss_fn`.
        n_trials: number of trials, in place of that in `settings`.

    Returns:
        the scores and, for tasks that grade evidence, the psychometric and the chronometric curve.

    Raises:
        TypeError: they are not a task and a network.
        ValueError: a number of trials that is not allowed, or a network with other inputs or outputs than the task.
        TaskError: a task of the user's with a fault, or without `is_correct`.

    Source:
        docs/model.md 2 and 3.
    """
    task, net = _task_and_network(task, net)
    settings = EvaluationSettings() if settings is None else settings
    if not isinstance(settings, EvaluationSettings):
        raise TypeError(f"settings is {describe(settings)}; it must be EvaluationSettings(n_trials=100)")
    if n_trials is not None:
        settings = EvaluationSettings(**settings.model_dump() | {"n_trials": n_trials})
    ready_to_score(task)
    if (saved := getattr(net, "saved_task", None)) is not None:  # of a file: says where this is another task
        saved.compare(task)
    _check_sizes(task, net)
    with one_thread():
        parts = [
            score_trials(task, net, loss_fn, [stream(seed, "evaluation", k) for k in chunk])
            for chunk in _chunks(settings.n_trials)
        ]
        result = Evaluation(join_scores(parts), task.response_steps)
        if task.evidence_levels and settings.psychometric_trials:
            result.add_curves(graded_curves(task, net, seed, settings, loss_fn))
    return result


def _task_and_network(first: Any, second: Any) -> tuple[AbstractTask, RateNetwork]:
    """Which of two arguments is the task and which the network. Raises TypeError if they are anything else."""
    swapped = isinstance(first, torch.nn.Module) or (
        isinstance(second, AbstractTask) and not isinstance(first, AbstractTask)
    )
    task, net = (second, first) if swapped else (first, second)
    for name, value, kind, example in (
        ("task", task, AbstractTask, "rate.TaskFactory.create_task('go-nogo')"),
        ("net", net, torch.nn.Module, "rate.load_network(path)"),
    ):
        if isinstance(value, type):
            raise TypeError(f"{name} is the class {value.__name__}; create one first: {value.__name__}(...)")
        if not isinstance(value, kind):
            raise TypeError(f"{name} is {describe(value)}; evaluate(task, net) takes a {name} such as {example}")
    return task, net


def _check_sizes(task: AbstractTask, net: RateNetwork) -> None:
    """Raises ValueError for a network with other inputs or outputs than a task."""
    sizes, needed = (net.w_in.shape[1], len(net.w_out)), (task.n_inputs, task.n_outputs)
    if sizes != needed:
        raise ValueError(
            f"net has {sizes[0]} inputs and {sizes[1]} outputs; task '{task.name}' needs {needed[0]} and {needed[1]}"
        )


def graded_curves(
    task: AbstractTask, net: RateNetwork, seed: int, settings: EvaluationSettings, loss_fn: str = "l2"
) -> Curves:
    """Run trials of graded evidence (Kim et al. 2019, Fig. 3; Mante et al. 2013).

    Args:
        task: a task with `evidence_levels` and `draw_graded_trial`.
        net: the trained network.
        seed: of the run.
        settings: number of trials at each level of each trial type, levels, and threshold of response times.
        loss_fn: name of the loss, as in `training.loss_fn`.

    Returns:
        choices and response times.

    Source:
        Kim et al. 2019, Fig. 3; Mante et al. 2013.
    """
    n, points = settings.psychometric_trials, graded_points(task, settings.evidence_levels)
    correct, chosen, times = [], [], []
    for i, point in enumerate(points):
        parts = []
        for chunk in _chunks(n):
            generators = [stream(seed, "psychometric", i * n + k) for k in chunk]
            parts.append(score_trials(task, net, loss_fn, generators, draw_graded(task, point, generators)))
        scores = join_scores(parts)
        correct.append(scores.correct.astype(bool))
        chosen.append(scores.choices(task))
        times.append(times_of(task, scores.outputs, scores.trials, settings))
    return Curves(points, np.array(correct), np.array(chosen), np.array(times))


def psychometric_curve(
    task: AbstractTask, net: RateNetwork, seed: int, n_trials: int, loss_fn: str = "l2"
) -> list[dict[str, Any]]:
    """Measure choice and accuracy against signed evidence in each context (Kim et al. 2019, Fig. 3; Mante et al. 2013).

    Args:
        task: a task with `evidence_levels` and `draw_graded_trial`.
        net: the trained network.
        seed: of the run.
        n_trials: at each level of each trial type.
        loss_fn: name of the loss, as in `training.loss_fn`.

    Returns:
        rows as in `Evaluation.psychometric`.
    """
    settings = EvaluationSettings(psychometric_trials=n_trials)
    return graded_curves(task, net, seed, settings, loss_fn).psychometric
