"""What a job will take, from what was measured (docs/speed.md): for the requests that a scheduler is given."""

from __future__ import annotations

import math

from ratecore.settings.run import RunSettings

BASE_MB = 700  # Python with torch, Numba's kernels and figures: 390 MiB measured
MARGIN = 2.0  # over the measured times, for older and busier machines


def training_memory(settings: RunSettings, threads: int = 1) -> int:
    """MB of a training job that trains `threads` networks in parallel.

    Per network about twenty N x N arrays (w, Adam's moments, W and its transpose, their entries, checkpoints) and, of a
    batch's or a test's trials, stimulus, states and noise.
    """
    N, T, training = settings.network.N, settings.create_task().T, settings.training
    per_network = 20 * 4 * N**2 + 6 * 4 * N * T * (min(training.batch_size, 16) + 2 * training.eval_tr / 3)
    return math.ceil(BASE_MB + threads * per_network / 1e6)


def training_minutes(settings: RunSettings, networks: int, threads: int = 1) -> int:
    """Minutes of a job that trains networks, each for all of its trials.

    A trial of a test takes a third of one of training.
    """
    training = settings.training
    trials = training.n_trials * (1 + training.eval_tr / training.eval_freq / 3)
    return math.ceil(5 + MARGIN * math.ceil(networks / threads) * trials * trial_seconds(settings) / 60)


def trial_seconds(settings: RunSettings) -> float:
    """Seconds of a training trial on a core: about 0.35 ns N^2 T, and 0.2 ms that do not depend on N."""
    return 0.35e-9 * settings.network.N**2 * settings.create_task().T + 0.2e-3


def scoring_minutes(settings: RunSettings, networks: int) -> int:
    """Minutes of a job that scores and draws, or exports, networks.

    3 s each were measured at N = 200 with 100 trials; a trial takes a third of one of training.
    """
    trials = settings.evaluation.n_trials * trial_seconds(settings) / 3
    return math.ceil(5 + MARGIN * networks * (3 + 3e-5 * settings.network.N**2 + trials) / 60)


def conversion_minutes(settings: RunSettings, networks: int, threads: int = 1) -> int:
    """Minutes of a job that converts networks, with all trials of all values of lambda.

    A step of a unit took 1.2 ns in trained networks at N = 200 (12 values, 100 trials, 200 units, 19,900 steps: 5.8 s),
    3.3 ns where units spike at 50 Hz, and with more connections a unit more, up to 8.4 ns at N = 2000; drawing 5 s.
    """
    N, c, steps = settings.network.N, settings.conversion, settings.create_task().T * settings.spiking.steps_per_column
    values = len(c.values_for(settings.network.activation)) + 2 * c.refine
    trials = values * c.n_trials + c.fresh_trials + 10 * c.trials_shown
    seconds = 10 + (1.5e-9 + 3e-12 * N) * trials * steps * N / threads
    return math.ceil(5 + MARGIN * networks * seconds / 60)
