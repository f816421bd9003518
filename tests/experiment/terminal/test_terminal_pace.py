"""The time left, against workflows whose durations are known; and durations in words."""

import numpy as np
import pytest

from ratecore.experiment.terminal.pace import Pace
from ratecore.experiment.terminal.words import about, duration


@pytest.mark.parametrize(("seconds", "words"), [
    (0, "0 s"), (59.4, "59 s"), (60, "1 min"), (100, "1 min 40 s"), (3599.7, "1 h"), (7500, "2 h 5 min"),
    (86_400 * 3 + 4 * 3600, "3 d 4 h"), (-1, "0 s"),
])  # fmt: skip
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [
    (0, "about 5 s"), (38, "about 40 s"), (55, "about 1 min"), (170, "about 3 min"), (5400, "about 1.5 h"),
    (3600 * 11.2, "about 11 h"), (86_400 * 3.2, "about 3 d"),
])  # fmt: skip
def test_estimates_have_few_digits(seconds, words):
    assert about(seconds) == words


def test_nothing_is_known_before_a_network_was_trained():
    pace = Pace()
    assert pace.left({"train xor": 100.0, "evaluate": 10.0}, [], 2) is None
    pace.note("evaluate", 10.0, 5.0)
    assert pace.left({"train xor": 100.0, "evaluate": 10.0}, [("train xor", 100.0, 3.0)], 2) is None
    assert pace.left({"evaluate": 10.0, "export": 8.0}, [], 1) == pytest.approx(9.0)  # all train already


def test_training_needs_a_share_of_its_trials_that_differs_between_tasks():
    pace = Pace()
    pace.note("train go-nogo", 100.0, 25.0)
    pace.note("train xor", 100.0, 75.0)
    assert pace.left({"train go-nogo": 400.0}, [], 1) == pytest.approx(100.0)
    assert pace.left({"train xor": 400.0}, [], 4) == pytest.approx(75.0)
    assert pace.left({"train mante": 100.0}, [], 1) == pytest.approx(50.0)  # as the others of its stage
    assert pace.left({"convert": 10.0}, [], 1) == pytest.approx(10.0)  # not as those: nothing is known of it


def test_what_is_under_way_counts_with_its_rest():
    pace = Pace()
    pace.note("train xor", 10.0, 20.0)
    assert pace.left({}, [("train xor", 10.0, 15.0)], 1) == pytest.approx(5.0)
    assert pace.left({}, [("train xor", 10.0, 50.0), ("train xor", 20.0, 10.0)], 2) == pytest.approx(30.0)
    assert pace.left({"train xor": 10.0}, [("train xor", 10.0, 10.0)], 2) == pytest.approx(15.0)


def test_of_a_simulated_grid_the_estimate_stays_near_the_truth():
    """64 networks of two sizes on 4 workers, each needing a random share of its trials, on a slow machine."""
    rng, workers, slow = np.random.default_rng(0), 4, 3.0
    sizes = np.where(np.arange(64) % 2, 40.0, 10.0)
    took = slow * sizes * rng.uniform(0.2, 0.6, 64)
    free, begun, ends = np.zeros(workers), np.empty(64), np.empty(64)
    for k in range(64):  # each job when a worker is free
        worker = int(free.argmin())
        begun[k], ends[k] = free[worker], free[worker] + took[k]
        free[worker] = ends[k]
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        now, pace = share * ends.max(), Pace()
        for k in np.flatnonzero(ends <= now):
            pace.note("train xor", sizes[k], took[k])
        waiting = {"train xor": float(sizes[begun > now].sum())}
        under_way = [("train xor", sizes[k], now - begun[k]) for k in np.flatnonzero((begun <= now) & (ends > now))]
        truth = ends.max() - now
        assert pace.left(waiting, under_way, workers) == pytest.approx(truth, rel=0.35, abs=15.0), share
