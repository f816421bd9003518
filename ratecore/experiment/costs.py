"""Memory and time that jobs request from a scheduler, estimated from measurements (docs/speed.md)."""

from __future__ import annotations

import math
from collections.abc import Callable

from ratecore.experiment.analyses.table import chosen
from ratecore.experiment.stages.table import STAGES, function_of
from ratecore.settings.analysis import settings_of
from ratecore.settings.run import RunSettings
from ratecore.tasks.decisions import graded_points

BASE_MB = 700  # Python with torch, Numba's kernels and figures: 390 MiB measured
MARGIN = 2.0  # over the measured times, for older and busier machines
BASE_MINUTES = 5  # that every job requests, whatever it does


def training_memory(settings: RunSettings, threads: int = 1) -> int:
    """The memory of a training job that trains networks in parallel.

    Each network has about twenty N x N arrays (w, the moments of Adam, W and its transpose, checkpoints ...) and the
    stimulus, states and noise of the trials of a batch or test.

    Args:
        settings: of a run.
        threads: networks that train in parallel.

    Returns:
        MB.
    """
    N, training = settings.network.N, settings.training
    stages = [(settings.create_task(k).T, training.in_stage(k)) for k in range(max(len(training.stages), 1))]
    trials = max(T * (min(stage.batch_size, 16) + 2 * stage.eval_tr / 3) for T, stage in stages)
    copies = 0 if training.keep_weights is None else 2 * (training.most_trials // training.keep_weights + 2)
    per_network = (20 + copies) * 4 * N**2 + 6 * 4 * N * trials
    return math.ceil(BASE_MB + threads * per_network / 1e6)


def analysis_memory(settings: RunSettings) -> int:
    """The memory of a job that analyses networks one by one.

    States and firing rates of the trials are in single precision, and an analysis can have copies of both in double
    precision. Copies of the weights that training kept are read whole.

    Args:
        settings: of a run.

    Returns:
        MB.
    """
    own = settings_of(settings.analyses, settings.analysis).values()
    trials = max((getattr(one, "n_trials", 0) for one in own), default=0)
    activity = 4 * 6 * trials * settings.create_task().T * settings.network.N
    return math.ceil(training_memory(settings) + activity / 1e6)


def training_minutes(settings: RunSettings, networks: int, threads: int = 1) -> int:
    """The time of a job that trains each network for all of its trials.

    A test trial takes a third of a training trial.

    Args:
        settings: of a run.
        networks: number of networks.
        threads: networks that train in parallel.

    Returns:
        minutes.
    """
    return _requested(training_seconds(settings, networks, threads))


def training_seconds(settings: RunSettings, networks: int, threads: int = 1) -> float:
    """The measured time of a job that trains each network for all of its trials, as `training_minutes` requests it.

    Args:
        settings: of a run.
        networks: number of networks.
        threads: networks that train in parallel.

    Returns:
        s; 0 for networks that are not trained here.

    Source: none
    """
    training = settings.training
    if training.network_from is not None:
        return 0.0
    stages = [training.in_stage(k) for k in range(max(len(training.stages), 1))]
    trials = sum(stage.n_trials * (1 + stage.eval_tr / stage.eval_freq / 3) for stage in stages)
    return math.ceil(networks / threads) * trials * trial_seconds(settings)


def trial_seconds(settings: RunSettings, steps: int | None = None) -> float:
    """The time of a training trial on one core: about 0.35 ns N^2 T, and 0.2 ms that do not depend on N.

    Args:
        settings: of a run.
        steps: of the trial; None for the longest of the task.

    Returns:
        s.

    Source: none
    """
    return 0.35e-9 * settings.network.N**2 * (settings.create_task().T if steps is None else steps) + 0.2e-3


def scoring_minutes(settings: RunSettings, networks: int) -> int:
    """The time of a job that scores and plots, or exports, networks.

    Measured: 3 s per network at N = 200 with 100 trials. A trial takes a third of a training trial.

    Args:
        settings: of a run.
        networks: number of networks.

    Returns:
        minutes.
    """
    return _requested(scoring_seconds(settings, networks))


def scoring_seconds(settings: RunSettings, networks: int) -> float:
    """The measured time of a job that scores and plots, or exports, networks.

    Args:
        settings: of a run.
        networks: number of networks.

    Returns:
        s.

    Source: none
    """
    trials = settings.evaluation.n_trials * trial_seconds(settings, settings.tested_task("evaluation").T) / 3
    return networks * (3 + 3e-5 * settings.network.N**2 + trials)


def conversion_minutes(settings: RunSettings, networks: int, threads: int = 1) -> int:
    """The time of a job that converts networks, with all trials of all values of lambda.

    Measured: a step of a unit takes 1.2 ns in trained networks at N = 200 (12 values, 100 trials, 19,900 steps: 5.8 s),
    3.3 ns if units spike at 50 Hz, and more with more connections per unit, up to 8.4 ns at N = 2000; plotting 5 s.

    Args:
        settings: of a run.
        networks: number of networks.
        threads: processes that share the trials.

    Returns:
        minutes.
    """
    return _requested(conversion_seconds(settings, networks, threads))


def conversion_seconds(settings: RunSettings, networks: int, threads: int = 1) -> float:
    """The measured time of a job that converts networks.

    Args:
        settings: of a run.
        networks: number of networks.
        threads: processes that share the trials.

    Returns:
        s.

    Source: none
    """
    N, c, task = settings.network.N, settings.conversion, settings.tested_task("conversion")
    steps = task.T * settings.spiking.steps_per_column
    values = len(c.values_for(settings.network.activation)) + 2 * c.refine
    graded = len(graded_points(task, c.evidence_levels)) * c.psychometric_trials
    trials = values * c.n_trials + c.fresh_trials + 10 * c.trials_shown + graded
    return networks * (10 + (1.5e-9 + 3e-12 * N) * trials * steps * N / threads)


def analysis_minutes(settings: RunSettings, networks: int) -> int:
    """The time of a job that analyses networks, with their figures.

    Eigenvalues and fixed points take N^2 to N^3, which the square of the number of units stands for.

    Args:
        settings: of a run.
        networks: number of networks.

    Returns:
        minutes.
    """
    return _requested(analysis_seconds(settings, networks))


def analysis_seconds(settings: RunSettings, networks: int) -> float:
    """The measured time of a job that analyses networks.

    Args:
        settings: of a run.
        networks: number of networks.

    Returns:
        s.

    Source: none
    """
    seconds = sum(analysis.seconds for analysis in chosen(settings.analyses))
    units = max(1.0, settings.network.N / 200) ** 2
    return networks * (3 + seconds * units)


def _requested(seconds: float) -> int:
    """The minutes that a job requests."""
    return math.ceil(BASE_MINUTES + MARGIN * seconds / 60)


def expected_seconds(stage: str, settings: RunSettings, networks: int, threads: int = 1) -> float:
    """The time of a job without the margin that it requests: the time of all trials, if it trains.

    Args:
        stage: of the job.
        settings: of a run.
        networks: number of networks.
        threads: that the job may use.

    Returns:
        s.

    Source: none
    """
    row = STAGES[stage]
    given = (settings, networks, *([threads] if row.threads else []))
    minutes = function_of(row.minutes)
    if (seconds := _SECONDS.get(minutes)) is not None:
        return float(seconds(*given))
    return float(60 * max(minutes(*given) - BASE_MINUTES, 0) / MARGIN)


_SECONDS: dict[Callable[..., int], Callable[..., float]] = {  # what the functions of the table estimate, in seconds
    training_minutes: training_seconds,
    scoring_minutes: scoring_seconds,
    conversion_minutes: conversion_seconds,
    analysis_minutes: analysis_seconds,
}
