"""What is asked of a scheduler covers what was measured, and grows with what costs."""

import pytest

from ratecore.config import RunSettings
from ratecore.costs import scoring_minutes, training_memory, training_minutes

# Measured (docs/speed.md): task, N, networks, threads, seconds a trial, peak MiB of the job.
MEASURED = [
    ("go-nogo", 10, 10, 1, 0.00018, 390),
    ("go-nogo", 200, 10, 1, 0.0015, 390),
    ("go-nogo", 200, 8, 2, 0.0015, 400),
    ("go-nogo", 1000, 1, 1, 0.064, 433),
    ("mante", 250, 10, 1, 0.0057, 390),
]


@pytest.mark.parametrize(("task", "N", "networks", "threads", "seconds", "mib"), MEASURED)
def test_what_was_measured_is_covered(task, N, networks, threads, seconds, mib):
    settings = RunSettings(task=task, network={"N": N})
    assert training_memory(settings, threads) > mib * 1.05
    needed = networks / threads * settings.training.n_trials * seconds * 1.35 / 60
    assert needed < training_minutes(settings, networks, threads) < 10 + 4 * needed


def test_more_work_asks_for_more():
    small, large = RunSettings(network={"N": 200}), RunSettings(network={"N": 2000})
    assert training_memory(large) > training_memory(small) and training_memory(small, 4) > training_memory(small)
    assert training_minutes(large, 1) > 50 * training_minutes(small, 1) / 10
    assert training_minutes(small, 10, 2) < training_minutes(small, 10) and scoring_minutes(small, 50) > 5
