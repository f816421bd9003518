"""Fixed and slow points of networks in which they are known, and of random ones against scipy."""

import numpy as np
import pytest
from rate_networks import ACTIVATIONS, equations, random_equations, ring, roots
from reference import phi
from scipy.optimize import root

from ratecore.analysis.fixed_points import (
    find_fixed_points,
    find_slow_points,
    random_starts,
)
from ratecore.analysis.lines import share_along_line

TWO_UNITS = {"sigmoid": (8.0, 4.0), "clipped_relu": (2.0, 4.0), "softplus": (3.0, 4.0)}  # inhibition, input


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_two_units_that_inhibit_each_other_have_two_choices_and_a_saddle(activation):
    w, drive = TWO_UNITS[activation]
    e = equations([[0, -w], [-w, 0]], activation, tau=[30.0, 60.0])

    def other(x):
        return drive - w * phi(np.float64(x), activation)

    expected = roots(lambda x: other(other(x)) - x, -30, 30)
    assert len(expected) == 3
    points = find_fixed_points(e, [drive, drive], n_random=60, rng=1)
    order = np.argsort(points.x[:, 0])
    np.testing.assert_allclose(points.x[order, 0], expected, atol=1e-8)
    np.testing.assert_allclose(points.x[order, 1], [other(x) for x in expected], atol=1e-8)
    assert points.kind[order].tolist() == ["stable", "saddle", "stable"]
    assert points.n_unstable[order].tolist() == [0, 1, 0]
    assert points.n_reached.sum() == 60
    assert points.n_lost == 0


def test_every_direction_of_a_ring_is_a_marginal_point():
    e, u, amplitude = ring()
    rng = np.random.default_rng(3)
    angles = 2 * np.pi * np.arange(e.N) / e.N
    bumps = rng.uniform(0, 2 * amplitude, (120, 1)) * np.cos(angles - rng.uniform(0, 2 * np.pi, (120, 1)))
    points = find_fixed_points(e, u, bumps + rng.standard_normal((120, e.N)), merge=1e-2)
    bump = points.x @ np.exp(1j * angles) * 2 / e.N  # amplitude and direction of the first harmonic
    on_ring = points.kind == "marginal"
    assert on_ring.sum() > 50
    np.testing.assert_allclose(np.abs(bump[on_ring]), amplitude, atol=1e-6)
    expected = amplitude * np.cos(angles - np.angle(bump[on_ring])[:, None])
    np.testing.assert_allclose(points.x[on_ring], expected, atol=1e-6)
    directions = np.sort(np.angle(bump[on_ring]))
    assert np.diff(np.append(directions, directions[0] + 2 * np.pi)).max() < 0.8  # rad: all around
    assert (np.abs(points.slowest_ms[on_ring]) > 1e5).all()
    # Without a bump the network is at the only other fixed point, which both directions of the plane leave.
    assert set(points.kind[~on_ring]) <= {"saddle"}
    assert (points.n_unstable[~on_ring] == 2).all()


def test_every_state_of_a_line_attractor_is_marginal():
    rng = np.random.default_rng(4)
    along, across = rng.uniform(0.5, 1.5, 10), rng.uniform(0.5, 1.5, 10)
    across /= across @ along
    e = equations(np.outer(along, across), "clipped_relu", tau=rng.uniform(20, 100, 10))
    starts = np.outer(rng.uniform(1, 8, 40), along) + rng.standard_normal((40, 10)) * 0.1
    points = find_fixed_points(e, np.zeros(10), starts)
    assert set(points.kind) == {"marginal"}
    assert len(points) > 30
    np.testing.assert_allclose(points.x, np.outer(points.x @ along / (along @ along), along), atol=1e-7)
    assert share_along_line(points.x) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_contraction_has_one_stable_point(activation):
    e = random_equations(30, activation, seed=6, scale=0.3)
    u = np.array([0.5, -1.0, 1.5])
    expected = root(lambda x: e.W @ phi(x, activation) + e.w_in @ u - x, np.zeros(30), tol=1e-12).x
    points = find_fixed_points(e, u, n_random=50, rng=0)
    assert points.kind.tolist() == ["stable"]
    assert points.n_reached.tolist() == [50]
    np.testing.assert_allclose(points.x[0], expected, atol=1e-8)
    np.testing.assert_allclose(points.output[0], e.w_out @ phi(expected, activation) + e.b_out, atol=1e-7)


def test_the_middle_of_a_limit_cycle_is_an_unstable_focus():
    W, u = np.array([[16.0, -12.0], [15.0, -3.0]]), np.array([-1.5, -6.0])
    e = equations(W, tau=[40.0, 40.0])

    def inhibitory(x):  # from the equation of the first unit
        rate = (16 * phi(np.float64(x), "sigmoid") + u[0] - x) / 12
        return np.log(rate / (1 - rate)) if 0 < rate < 1 else np.nan

    def second(x):
        y = inhibitory(x)
        return 15 * phi(np.float64(x), "sigmoid") - 3 * phi(np.float64(y), "sigmoid") + u[1] - y

    expected = roots(second, -20, 20, 20001)
    points = find_fixed_points(e, u, n_random=80, rng=2)
    np.testing.assert_allclose(np.sort(points.x[:, 0]), expected, atol=1e-8)
    (focus,) = np.flatnonzero(points.kind == "unstable")
    assert points.n_unstable[focus] == 2
    assert np.iscomplex(np.linalg.eigvals(e.jacobian(points.x[focus]))).all()
    end = e.trajectory(points.x[focus] + 1e-3, np.tile(u[:, None], 3000))[-500:]
    assert np.ptp(end[:, 0]) > 1  # it goes round for ever


def test_a_minimum_of_the_speed_that_is_no_fixed_point_is_a_slow_point():
    w, tau = 8.0, 50.0
    # x' = -x + w phi(x) + u has slope 0 where phi' = 1/w; there it just misses 0.
    low = np.log((1 - np.sqrt(1 - 4 / w)) / (1 + np.sqrt(1 - 4 / w)))
    u = low - w * phi(low, "sigmoid") + 0.02
    e = equations([[w]], tau=tau)
    points = find_fixed_points(e, [u], np.linspace(-6, 8, 40)[:, None])
    assert points.kind.tolist() == ["stable", "slow"]
    assert points.x[1, 0] == pytest.approx(low, abs=1e-4)
    assert points.speed[1] == pytest.approx(0.02 / tau, rel=1e-6)
    assert points.n_lost == 0
    # A limit below its speed drops it.
    fewer = find_fixed_points(e, [u], np.linspace(-6, 8, 40)[:, None], slow_speed=0.01 / tau)
    assert fewer.kind.tolist() == ["stable"]
    assert fewer.n_lost == points.n_reached[1]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_random_networks_have_the_points_that_scipy_finds(activation):
    e = random_equations(25, activation, seed=9, scale={"sigmoid": 9.0}.get(activation, 1.7))
    u = np.array([0.5, -1.0, 1.5])
    starts = random_starts(e, u, 150, rng=4)
    found = find_fixed_points(e, u, starts)
    F = [e.W @ phi(x, activation) + e.w_in @ u - x for x in found.x]
    fixed = found.kind != "slow"
    assert np.abs(F)[fixed].max() < 1e-9
    others = []

    def residual(x):
        return e.W @ phi(np.minimum(x, 500), activation) + e.w_in @ u - x

    for x in starts:
        solved = root(residual, x, jac=lambda x: e.jacobian(x) * e.tau[:, None], method="hybr", tol=1e-12)
        if solved.success and np.abs(solved.fun).max() < 1e-9:
            others.append(solved.x)
    assert len(others) > 20
    distances = np.linalg.norm(np.array(others)[:, None] - found.x[fixed], axis=2).min(1)
    assert (distances < 1e-5).mean() >= 0.95  # each draws its own paths, so a rare point may be found by one alone


def test_a_chain_that_a_network_drives_follows_from_it():
    e = random_equations(12, "sigmoid", seed=3, scale=4)
    W = np.zeros((16, 16))
    W[:12, :12] = e.W
    W[12, :12] = 1
    W[13, 12], W[14, 13], W[15, 12] = 5, -5, 3
    w_in = np.vstack([e.w_in, np.ones((4, 3))])
    longer = equations(W, tau=np.append(e.tau, [20, 30, 40, 50]), w_in=w_in)
    u = np.array([0.1, 0.2, 0.3])
    points = find_fixed_points(longer, u, n_random=60, rng=1)
    assert np.abs(longer.velocity(points.x, u)[points.kind != "slow"]).max() < 1e-10
    assert len(points) == len(find_fixed_points(e, u, n_random=60, rng=1))


def test_units_at_rest_at_a_kink_are_said_to_be():
    e = equations([[2.0]], "clipped_relu")  # x = 0 with nothing below it and growth above
    points = find_fixed_points(e, [0.0], np.array([[-3.0], [-1.0], [30.0], [50.0]]))
    assert dict(zip(points.x[:, 0].round(6), points.kind, strict=True)) == {0.0: "kink", 40.0: "stable"}
    # Where both slopes agree on what grows, the kink does not matter.
    weak = find_fixed_points(equations([[0.5]], "clipped_relu"), [0.0], np.array([[-3.0], [5.0]]))
    assert weak.kind.tolist() == ["stable"]


def test_units_without_connections_rest_where_the_input_drives_them():
    points = find_fixed_points(equations(np.zeros((3, 3))), [1.0, -2.0, 0.5], n_random=5, rng=0)
    np.testing.assert_allclose(points.x, [[1.0, -2.0, 0.5]])
    assert points.kind.tolist() == ["stable"]


def test_slow_points_stay_spread_along_a_line_that_drifts():
    rng = np.random.default_rng(5)
    along, across = rng.uniform(0.5, 1.5, 10), rng.uniform(0.5, 1.5, 10)
    across *= 0.98 / (across @ along)  # a line that the state leaves with tau / 0.02 = 2.5 s
    e = equations(np.outer(along, across), "clipped_relu", tau=50.0)
    place = rng.uniform(1, 8, 60)
    starts = np.outer(place, along) + rng.standard_normal((60, 10)) * 0.1
    slow = find_slow_points(e, np.zeros(10), starts, speed=0.011)
    assert slow.n_lost == 0
    assert slow.speed.max() <= 0.011 * (1 + 1e-9)
    assert share_along_line(slow.x) > 0.98
    assert np.corrcoef(slow.x @ along, place)[0, 1] > 0.95
    assert np.ptp(slow.x @ along / (along @ along)) > 5


def test_random_starts_are_states_that_rates_can_drive():
    e = random_equations(20, "sigmoid", seed=2, scale=5)
    u = np.array([1.0, 0.0, -1.0])
    starts = random_starts(e, u, 200, rng=0)
    low, high = np.minimum(e.W, 0).sum(1) + e.w_in @ u, np.maximum(e.W, 0).sum(1) + e.w_in @ u
    assert ((starts >= low - 1e-12) & (starts <= high + 1e-12)).all()
    np.testing.assert_array_equal(starts, random_starts(e, u, 200, rng=0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"starts": np.zeros((3, 5))}, r"starts have shape \(3, 5\); they must be \(K, 2\) finite numbers"),
        ({}, "n_random = 0; without given starts it must be at least 1"),
        ({"n_random": 3, "tolerance": 0}, "tolerance = 0; it must be above 0"),
        ({"n_random": 3, "merge": -1}, "merge = -1; it must be above 0"),
        ({"n_random": 3, "u": [1.0]}, r"u = \[1.0\]; it must be 2 finite numbers"),
    ],
    ids=["shape", "none", "tolerance", "merge", "input"],
)
def test_bad_arguments_are_named(arguments, message):
    e = equations(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=message):
        find_fixed_points(e, **({"u": [0.0, 0.0]} | arguments))


def test_kinds_are_counted_by_name():
    points = find_fixed_points(equations(np.zeros((2, 2))), [0.0, 0.0], n_random=3, rng=0)
    assert (points.count("stable"), points.count("saddle")) == (1, 0)
    with pytest.raises(ValueError, match="kind = 'node'; it must be one of stable, saddle"):
        points.count("node")


def test_starts_that_are_taken_over_by_a_known_point_end_where_all_others_do(monkeypatch):
    e, u = random_equations(25, "sigmoid", seed=13, scale=9.0), np.array([0.5, -1.0, 1.5])
    with_help = find_fixed_points(e, u, n_random=200, rng=5)
    monkeypatch.setattr("ratecore.analysis.slow_search.MOST_FOUND", 0)
    without = find_fixed_points(e, u, n_random=200, rng=5)
    assert len(with_help) == len(without) == 3
    distances = np.linalg.norm(with_help.x[:, None] - without.x, axis=2).min(1)
    assert distances.max() < 1e-7
    assert sorted(with_help.kind) == sorted(without.kind)
    assert np.abs(np.sort(with_help.n_reached) - np.sort(without.n_reached)).max() <= 6  # a few may end elsewhere
