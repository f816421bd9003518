"""Requests to a scheduler cover what was measured, and grow with what determines the cost."""

from types import SimpleNamespace

import pytest

from ratecore.experiment.analyses.table import ROWS
from ratecore.experiment.costs import (
    analysis_memory,
    analysis_minutes,
    conversion_minutes,
    scoring_minutes,
    training_memory,
    training_minutes,
)
from ratecore.settings.run import RunSettings

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


# Of `convert`: task, N, seconds a trial of a spiking network, peak MiB of a job. The last four spike at 50 to 180 Hz.
CONVERTED = [
    ("go-nogo", 200, 0.0048, 460),
    ("go-nogo", 200, 0.013, 460),
    ("go-nogo", 1000, 0.11, 511),
    ("mante", 1000, 0.32, 705),
    ("go-nogo", 2000, 0.34, 705),
]


@pytest.mark.parametrize(("task", "N", "seconds", "mib"), CONVERTED)
def test_what_a_conversion_was_measured_to_take_is_covered(task, N, seconds, mib):
    settings = RunSettings(task=task, network={"N": N})
    needed = 10 * 12 * settings.conversion.n_trials * seconds / 60
    assert needed < conversion_minutes(settings, 10) < 20 + 6 * needed
    assert conversion_minutes(settings, 10, 4) < conversion_minutes(settings, 10)
    assert training_memory(settings) > mib


def test_many_trials_of_an_evaluation_are_counted():
    settings = RunSettings(task="mante", network={"N": 1000}, evaluation={"n_trials": 20_000})
    assert scoring_minutes(settings, 10) > 10 * 20_000 * 0.0125 / 60  # 12.5 ms a trial were measured


def test_analyses_ask_for_their_time_and_the_activity_of_their_trials(monkeypatch):
    none, some = RunSettings(network={"N": 200}), RunSettings(network={"N": 200}, analyses=["spectrum", "learning"])
    seconds = sum(row.seconds for row in ROWS if row.name in some.analyses)
    assert analysis_minutes(some, 100) - analysis_minutes(none, 100) == pytest.approx(100 * 2 * seconds / 60, abs=1)
    large = RunSettings(network={"N": 400}, analyses=["spectrum", "learning"])
    assert analysis_minutes(large, 100) > analysis_minutes(some, 100)
    assert analysis_memory(some) == training_memory(some)  # they draw no activity
    monkeypatch.setattr("ratecore.experiment.costs.settings_of", lambda *_: {"a": SimpleNamespace(n_trials=1000)})
    # States and rates of 1,000 trials of 200 units, in single and in double precision.
    more = analysis_memory(some) - training_memory(some)
    assert more == pytest.approx(1000 * 200 * 200 * (2 * 4 + 2 * 8) / 1e6, abs=1)


def test_more_work_asks_for_more():
    small, large = RunSettings(network={"N": 200}), RunSettings(network={"N": 2000})
    assert training_memory(large) > training_memory(small) and training_memory(small, 4) > training_memory(small)
    assert training_minutes(large, 1) > 50 * training_minutes(small, 1) / 10
    assert training_minutes(small, 10, 2) < training_minutes(small, 10) and scoring_minutes(small, 50) > 5
