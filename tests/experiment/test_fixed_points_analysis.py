"""Analysis 'fixed_points' of a network whose fixed points are known, for the inputs of a task."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rate_networks import roots
from reference import phi

from ratecore.experiment.analyses import fixed_points
from ratecore.experiment.analyses.table import ANALYSES
from ratecore.rate.activity import trial_activity
from ratecore.rate.network import RateNetwork
from ratecore.settings.analysis import FixedPointsSettings
from ratecore.settings.network import NetworkSettings
from ratecore.tasks import TaskFactory

TASK = {"T": 60, "stim_on": 10, "stim_dur": 10}
W, DRIVE = 8.0, 4.0


def two_units():
    """Two units that inhibit each other, driven alike by the only input."""
    settings = NetworkSettings(N=2, apply_dale=False, taus=[5, 10])
    arrays = {
        "w": torch.tensor([[0.0, -W], [-W, 0.0]]),
        "w_in": torch.tensor([[DRIVE], [DRIVE]]),
        "w_out": torch.tensor([[1.0, -1.0]]),
        "b_out": torch.zeros(1),
        "taus_gaus": torch.zeros(2, 1),
        "m": torch.eye(2),
        "som_m": torch.ones(2, 2),
        "inh": torch.zeros(2, dtype=torch.bool),
        "exc": torch.ones(2, dtype=torch.bool),
    }
    return RateNetwork.from_arrays(settings, arrays)


def material_of(net, task, seed=3):
    return SimpleNamespace(
        tested=net,
        task=task,
        settings=SimpleNamespace(seed=seed),
        activity=lambda n: trial_activity(task, net, seed, range(n)),
    )


def analysed(seed=3, **settings):
    task = TaskFactory.create_task("go-nogo", TASK)
    return fixed_points.analyse(material_of(two_units(), task, seed), FixedPointsSettings(n_trials=20, **settings))


def expected(drive):
    def other(x):
        return drive - W * phi(np.float64(x), "sigmoid")

    return roots(lambda x: other(other(x)) - x, -30, 30)


def test_the_points_are_those_of_each_conditions_stimulus():
    result = analysed(input="stimulus", n_starts=30, n_random=40)
    arrays = result.arrays
    assert arrays["conditions"].tolist() == ["go", "nogo"]
    np.testing.assert_allclose(arrays["u"], [[1], [0]], atol=1e-7)
    for k, drive in enumerate((DRIVE, 0.0)):
        found = arrays["points"][arrays["points_input"] == k]
        np.testing.assert_allclose(np.sort(found[:, 0]), expected(drive), atol=1e-6)
    n = [len(expected(drive)) for drive in (DRIVE, 0.0)]
    assert n[0] == 3
    # Of one point more than saddles there are stable ones.
    assert result.numbers["stable"] == np.mean([(k + 1) / 2 for k in n])
    assert result.numbers["saddle"] == np.mean([(k - 1) / 2 for k in n])
    assert result.numbers["lost"] == 0
    outputs = phi(arrays["points"], "sigmoid") @ [1, -1]
    np.testing.assert_allclose(arrays["points_output"][:, 0], outputs, atol=1e-9)


def test_conditions_with_the_same_input_are_one():
    result = analysed()  # in the response window there is no stimulus
    assert result.arrays["conditions"].tolist() == ["go, nogo"]
    assert result.arrays["trajectory_input"].tolist() == [0, 0]
    np.testing.assert_array_equal(analysed(input="zero").arrays["points"], result.arrays["points"])
    assert analysed(input="stimulus", n_inputs=1).numbers["inputs"] == 1


def test_it_gives_what_the_table_says():
    result, row = analysed(input="stimulus"), ANALYSES["fixed_points"]
    assert set(result.numbers) == set(row.numbers)
    assert set(result.arrays) == set(row.arrays)
    shapes: dict[str, int] = {}
    for name, text in row.arrays.items():
        dimensions = text[1 : text.index(")")].replace(" ", "").strip(",").split(",")
        assert result.arrays[name].ndim == len(dimensions), name
        for dimension, size in zip(dimensions, result.arrays[name].shape, strict=True):
            assert shapes.setdefault(dimension, size) == size, (name, dimension)


def test_starts_come_from_the_runs_own_stream():
    same, again, other = analysed(), analysed(), analysed(seed=4)
    np.testing.assert_array_equal(same.arrays["slow_place"], again.arrays["slow_place"])
    assert same.arrays["slow_place"].shape != other.arrays["slow_place"].shape or not np.array_equal(
        same.arrays["slow_place"], other.arrays["slow_place"]
    )


def test_figures_have_a_panel_for_each_network_and_input():
    result = analysed(input="stimulus")
    figures = fixed_points.draw({"seed 0": result.arrays, "seed 1": result.arrays})
    assert tuple(figures) == ANALYSES["fixed_points"].figures
    titles = [axis.get_title() for axis in figures["fixed_points_slow"].axes if axis.get_title()]
    assert titles == ["seed 0: go", "seed 0: nogo", "seed 1: go", "seed 1: nogo"]


@pytest.mark.parametrize("name", ["xor", "mante"])
def test_every_task_of_the_paper_has_inputs(name):
    net = RateNetwork(NetworkSettings(N=20), {"xor": 2, "mante": 4}[name], rng=0)
    task = TaskFactory.create_task(name, {"T": 240, "stim_on": 10, "stim_dur": 20})
    result = fixed_points.analyse(material_of(net, task), FixedPointsSettings(n_trials=12, n_starts=5, n_random=3))
    assert result.numbers["inputs"] == {"xor": 1, "mante": 2}[name]  # without evidence, the contexts are left
    assert result.numbers["stable"] >= 1
