"""The equations of the analyses against tests/reference.py, by complex steps and by a network's own steps."""

import numpy as np
import pytest
import torch
from rate_networks import ACTIVATIONS, equations, random_equations
from reference import phi

from ratecore.analysis.rate_equations import KINKS, RateEquations
from ratecore.rate.dynamics import run
from ratecore.rate.network import RateNetwork
from ratecore.settings.network import NetworkSettings


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_derivatives_are_those_of_complex_steps(activation):
    e = random_equations(12, activation, seed=1)
    x = np.random.default_rng(2).uniform(-4, 4, 12)
    x[:2] = 25.0, 19.9  # above the largest rate, and just below
    u = np.array([0.3, -1.0, 2.0])
    step = 1e-30
    for k in range(12):
        moved = x + 1j * step * np.eye(12)[k]
        velocity = (e.W @ phi(moved, activation) + e.w_in @ u - moved) / e.tau
        np.testing.assert_allclose(e.jacobian(x)[:, k], velocity.imag / step, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(e.velocity(x, u), velocity.real, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(e.slope(x), phi(x + 1j * step, activation).imag / step, rtol=1e-12, atol=1e-15)
    near = 1e-4
    by_difference = (e.slope(x + near) - e.slope(x - near)) / (2 * near)
    np.testing.assert_allclose(e.curvature(x), by_difference, atol=1e-7)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_networks_own_steps_are_eulers_method(activation):
    settings = NetworkSettings(N=30, taus=[4, 25], activation=activation, som_N=2)
    net = RateNetwork(settings, 3, rng=5, n_out=2, dtype=torch.float64)
    e = RateEquations.of(net)
    rng = np.random.default_rng(0)
    u, x0 = rng.standard_normal((4, 3, 20)), rng.standard_normal((4, 30))
    with torch.no_grad():
        x, r, o = run(net, u, x0=x0, noise=np.zeros((4, 19, 30)))
    np.testing.assert_allclose(e.trajectory(x0, u), x.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(e.phi(x.numpy()), r.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.moveaxis(e.readout(x.numpy()), -1, 1), o.numpy(), rtol=1e-9, atol=1e-12)
    # A step is x + 5 ms dx/dt.
    np.testing.assert_allclose(x[0, 0].numpy() + 5 * e.velocity(x0[0], u[0, :, 0]), x[0, 1].numpy(), atol=1e-12)


def test_units_at_a_kink_have_the_slopes_of_its_two_sides():
    e = equations(np.zeros((4, 4)), "clipped_relu")
    x = np.array([0.0, 20.0, 10.0, -1.0])
    assert e.slope(x).tolist() == [0, 0, 1, 0]
    flat, steep = e.beside_kinks(x + np.array([1e-9, 1e-9, 0, 0]), within=1e-8)
    assert e.slope(flat).tolist() == [0, 0, 1, 0]
    assert e.slope(steep).tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose([flat, steep], [x, x], atol=1e-7)
    soft = equations(np.zeros((1, 1)), "softplus")
    (kink,) = KINKS["softplus"]
    sides = soft.beside_kinks(np.array([kink]), within=1e-6)
    assert [soft.slope(side)[0] for side in sides] == pytest.approx([0, 1])
    assert soft.phi(np.array([kink]))[0] == pytest.approx(20, abs=1e-12)
    smooth = equations(np.zeros((1, 1)))
    np.testing.assert_array_equal(*smooth.beside_kinks(np.array([0.0]), within=1e-6))


def test_units_without_live_connections_to_others_are_told_apart():
    W = np.zeros((6, 6))
    W[0, 1] = W[1, 0] = 1  # a pair,
    W[2, 0] = W[3, 2] = 1  # a chain that it drives,
    W[0, 4] = 1  # a unit that drives it, and a unit on its own
    assert equations(W).reaching().tolist() == [True, True, False, False, True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation": "tanh"}, "unknown activation 'tanh'; allowed: sigmoid, clipped_relu, softplus"),
        ({"tau": np.array([1.0, 0.0])}, "tau = 0; each time constant must be above 0 ms"),
        ({"tau": np.ones(3)}, r"tau has shape \(3,\); it must be \(2,\), since W has 2 rows"),
        ({"W": np.full((2, 2), np.nan)}, "W holds NaN or infinity"),
        ({"w_in": np.ones(2)}, r"w_in has shape \(2,\); it must be \(2, any\)"),
    ],
    ids=["activation", "zero", "shape", "nan", "vector"],
)
def test_what_makes_no_equations_is_named(change, message):
    given = {"W": np.zeros((2, 2)), "w_in": np.ones((2, 1)), "tau": np.ones(2), "activation": "sigmoid"} | change
    with pytest.raises(ValueError, match=message):
        RateEquations(**given)


def test_an_input_of_another_size_is_named():
    with pytest.raises(ValueError, match=r"u = \[1.0\]; it must be 2 finite numbers, one for each input"):
        equations(np.zeros((2, 2))).velocity(np.zeros(2), [1.0])
