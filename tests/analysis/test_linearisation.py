"""Modes of networks in which they are known."""

import numpy as np
import pytest
from rate_networks import equations, random_equations, ring

from ratecore.analysis.fixed_points import find_fixed_points
from ratecore.analysis.linearisation import cosines, linearise


def test_modes_of_two_units_are_those_of_the_formula():
    w, tau = 8.0, 50.0
    e = equations([[0, -w], [-w, 0]], tau=tau)
    points = find_fixed_points(e, [4.0, 4.0], n_random=40, rng=1)
    for x in points.x:
        s = 1 / (1 + np.exp(-x)) * (1 - 1 / (1 + np.exp(-x)))
        expected = (-1 + w * np.sqrt(s[0] * s[1]) * np.array([1, -1])) / tau
        modes = linearise(e, x)
        np.testing.assert_allclose(modes.eigenvalues, expected, atol=1e-10)
        np.testing.assert_allclose(modes.multipliers, 1 + 5 * expected, atol=1e-10)
        np.testing.assert_allclose(modes.time_constants, -5 / np.log(1 + 5 * expected), rtol=1e-7)
        np.testing.assert_allclose(modes.continuous_time_constants, -1 / expected, rtol=1e-7)
        assert modes.n_unstable == int((expected > 0).sum())


def test_a_mode_decays_along_its_direction_with_its_time_constant():
    e = random_equations(20, "sigmoid", seed=3, scale=2.0)
    u = np.array([0.2, 0.1, -0.4])
    point = find_fixed_points(e, u, n_random=5, rng=0).x[0]
    modes = linearise(e, point)
    real = np.flatnonzero(np.abs(modes.eigenvalues.imag) < 1e-12)[0]
    direction = modes.right[:, real].real
    states = e.trajectory(point + 1e-6 * direction, np.tile(u[:, None], 20))
    measured = modes.left[real].real @ (states - point).T / 1e-6
    np.testing.assert_allclose(measured, np.exp(-np.arange(20) * 5 / modes.time_constants[real]), rtol=1e-4)
    # A complex pair turns by its frequency and decays with its time constant.
    pair = np.flatnonzero(np.abs(modes.eigenvalues.imag) > 1e-6)[0]
    states = e.trajectory(point + 1e-6 * modes.right[:, pair].real, np.tile(u[:, None], 20))
    measured = modes.left[pair] @ (states - point).T / 1e-6
    times = np.arange(20) * 5
    turn = 2 * np.pi * modes.frequencies[pair] * times / 1e3 * np.sign(modes.eigenvalues[pair].imag)
    expected = measured[0] * np.exp(-times / modes.time_constants[pair] + 1j * turn)
    np.testing.assert_allclose(measured, expected, rtol=1e-3)


def test_left_and_right_eigenvectors_are_those_of_the_jacobian():
    e = random_equations(15, "softplus", seed=1, scale=0.8)
    modes = linearise(e, np.linspace(-2, 2, 15))
    np.testing.assert_allclose(modes.jacobian @ modes.right, modes.right * modes.eigenvalues, atol=1e-10)
    np.testing.assert_allclose(modes.left @ modes.jacobian, modes.eigenvalues[:, None] * modes.left, atol=1e-9)
    np.testing.assert_allclose(modes.left @ modes.right, np.eye(15), atol=1e-9)
    assert (np.diff(np.abs(modes.multipliers)) <= 1e-12).all()
    step = 1e-6
    for k in range(15):
        moved = [e.velocity(modes.x + s * step * np.eye(15)[k], np.zeros(3)) for s in (1, -1)]
        np.testing.assert_allclose(modes.jacobian[:, k], (moved[0] - moved[1]) / (2 * step), atol=1e-8)


def test_the_line_and_the_selection_vector_of_a_rank_one_network_are_its_vectors():
    rng = np.random.default_rng(4)
    along, across = rng.uniform(0.5, 1.5, 10), rng.uniform(0.5, 1.5, 10)
    across /= across @ along
    tau = rng.uniform(20, 100, 10)
    w_out = np.array([along, -across])
    # The first input is integrated, the second is orthogonal to the selection vector tau * across.
    blind = rng.standard_normal(10)
    blind -= across * (across @ blind) / (across @ across)
    e = equations(np.outer(along, across), "clipped_relu", tau, np.column_stack([across, blind]), w_out=w_out)
    modes = linearise(e, 3 * along)
    assert np.abs(modes.time_constants[modes.slowest]) > 1e8
    np.testing.assert_allclose(modes.line_direction, along / np.linalg.norm(along), atol=1e-7)
    # tau_i d(dx_i)/dt = -dx_i + along_i (across . dx): a left eigenvector of 0 is across_i tau_i.
    selection = across * tau
    assert cosines(modes.selection_vector, selection[None])[0] == pytest.approx(1, abs=1e-7)
    assert modes.selection_vector @ modes.line_direction == pytest.approx(1)
    expected = selection @ (across / tau) / np.linalg.norm(selection) / np.linalg.norm(across / tau)
    np.testing.assert_allclose(modes.selection(), [expected, 0], atol=1e-7)
    np.testing.assert_allclose(modes.readout_alignment()[0], 1, atol=1e-7)
    # The line points to larger first outputs.
    turned = linearise(equations(e.W, "clipped_relu", tau, w_out=-w_out), 3 * along)
    np.testing.assert_allclose(turned.line_direction, -modes.line_direction, atol=1e-7)


def test_the_slowest_mode_of_a_ring_turns_the_bump():
    e, _, amplitude = ring()
    angles = 2 * np.pi * np.arange(e.N) / e.N
    modes = linearise(e, amplitude * np.cos(angles - 0.3))
    turned = -np.sin(angles - 0.3) / np.linalg.norm(np.sin(angles - 0.3))
    assert np.abs(modes.line_direction @ turned) == pytest.approx(1, abs=1e-6)
    assert np.abs(modes.time_constants[modes.slowest]) > 1e6
    assert modes.n_slower_than(1e3) == 1


def test_participation_and_dimension_of_units_on_their_own():
    modes = linearise(equations(np.zeros((5, 5)), tau=[20.0, 30, 40, 50, 60]), np.zeros(5))
    np.testing.assert_allclose(modes.participation(), 0.2)
    # The variance of each unit is 1 / (1 - (1 - 5 / tau)^2), and units are independent.
    variances = 1 / (1 - (1 - 5 / np.array([20.0, 30, 40, 50, 60])) ** 2)
    assert modes.dimensionality() == pytest.approx(variances.sum() ** 2 / (variances**2).sum())
    assert modes.selection().tolist() == pytest.approx([0, 0, 0, 0, 1])
    assert modes.readout_alignment().shape == (0,)


def test_a_mode_of_all_units_alike_has_participation_one():
    e = equations(np.full((6, 6), 0.15), "clipped_relu")
    modes = linearise(e, np.full(6, 5.0))
    assert modes.participation()[modes.slowest] == pytest.approx(1)
    np.testing.assert_allclose(modes.time_constants[modes.slowest], -5 / np.log(1 - 5 * 0.1 / 50))


def test_a_point_that_is_left_has_no_stationary_fluctuations():
    e = equations([[2.0]], "clipped_relu")
    assert np.isnan(linearise(e, [5.0]).dimensionality())
    assert linearise(e, [5.0]).n_unstable == 1


def test_a_state_of_another_size_is_named():
    with pytest.raises(ValueError, match=r"x has shape \(3,\); it must be a state of 2 finite numbers"):
        linearise(equations(np.zeros((2, 2))), np.zeros(3))
