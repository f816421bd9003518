"""Lines of slow points whose direction, modes and readout are known, and inputs that are held constant."""

import numpy as np
import pytest
from rate_networks import equations

from ratecore.analysis.held_inputs import held_inputs, states_of
from ratecore.analysis.lines import line_through, share_along_line


def test_the_line_of_a_rank_one_network_is_found_with_its_modes():
    rng = np.random.default_rng(4)
    along, across = rng.uniform(0.5, 1.5, 10), rng.uniform(0.5, 1.5, 10)
    across /= across @ along
    blind = rng.standard_normal(10)
    blind -= across * (across @ blind) / (across @ across)
    inputs, w_out = np.column_stack([across, blind]), -along[None]
    e = equations(np.outer(along, across), "clipped_relu", np.full(10, 50.0), inputs, w_out=w_out)
    x = np.outer(rng.uniform(1, 8, 30), along)
    line = line_through(e, x, n_places=7)
    assert line.share == pytest.approx(1)
    np.testing.assert_allclose(line.direction, -along / np.linalg.norm(along), atol=1e-9)
    assert line.output_correlation == pytest.approx(1)
    assert line.at.size == 7
    assert (np.diff(line.place[line.at]) > 0).all()
    assert (np.abs(line.time_constants[:, 0]) > 1e8).all()
    np.testing.assert_allclose(line.time_constants[:, 1], -5 / np.log(1 - 5 / 50), rtol=1e-6)
    np.testing.assert_allclose(line.mode_alignment, 1, atol=1e-7)
    np.testing.assert_allclose(np.abs(line.selection), np.tile([1, 0], (7, 1)), atol=1e-7)
    np.testing.assert_allclose(line.readout, 1, atol=1e-7)


def test_the_share_along_a_line_is_that_of_the_largest_variance():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20000, 3)) * [3, 2, 1]
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    assert share_along_line(x @ turn) == pytest.approx(9 / 14, abs=0.01)
    assert np.isnan(share_along_line(np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]])))


def test_a_network_without_readout_has_a_line_as_well():
    line = line_through(equations([[0.5]], "clipped_relu"), np.array([[1.0], [2.0], [4.0]]))
    assert np.isnan(line.output_correlation)
    assert line.time_constants[:, 1].tolist() == [0] * len(line.at)


def test_two_points_are_not_enough():
    with pytest.raises(ValueError, match=r"x has shape \(2, 3\); it must be \(K, 3\) with at least 3 slow points"):
        line_through(equations(np.zeros((3, 3))), np.zeros((2, 3)))


def test_conditions_with_the_same_mean_input_share_it():
    u = np.zeros((5, 2, 6))
    u[:, 1, 3:] = [[1], [2], [1], [3], [2]]
    u[:, 0, :3] = 7  # outside of the windows
    u[3, :, 5] = np.nan  # a shorter trial
    found = held_inputs(u, np.array(["b", "a", "c", "d", "a"]), [slice(3, 6)] * 5)
    assert [h.conditions for h in found] == [("a",), ("b", "c"), ("d",)]
    assert [h.u.tolist() for h in found] == [[0, 2], [0, 1], [0, 3]]
    assert [h.trials.tolist() for h in found] == [[1, 4], [0, 2], [3]]


def test_states_are_those_of_any_trial_and_step_before_its_end():
    x = np.arange(24.0).reshape(3, 8, 1)
    x[1, 2:] = np.nan
    states = states_of(x, np.array([1, 2]), 4000, np.random.default_rng(0))[:, 0]
    values, counts = np.unique(states, return_counts=True)
    assert values.tolist() == [8, 9, *range(16, 24)]
    assert (np.abs(counts - 400) < 5 * np.sqrt(400)).all()  # 5 standard deviations


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        ([slice(0, 2)], "1 windows; they must be"),
        ([slice(2, 2), slice(0, 1)], "the window 2..2 has no step of trial 0"),
    ],
    ids=["number", "empty"],
)
def test_windows_that_do_not_fit_are_named(windows, message):
    with pytest.raises(ValueError, match=message):
        held_inputs(np.zeros((2, 1, 4)), np.array(["a", "b"]), windows)
