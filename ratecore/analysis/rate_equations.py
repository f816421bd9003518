"""The noiseless rate dynamics in continuous time and float64, with exact derivatives (docs/model.md 1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike
from scipy.special import expit

from ratecore.rate.parameters import time_constants
from ratecore.settings.network import ACTIVATIONS
from ratecore.system.arrays import numbers

if TYPE_CHECKING:
    from ratecore.rate.network import RateNetwork
    from ratecore.rate.saved import SavedNetwork

STEP_MS = 5.0  # of the rate network's time step
LARGEST_RATE = {"sigmoid": 1.0, "clipped_relu": 20.0, "softplus": 20.0}
# Where phi has no derivative; that of softplus is log(1 + e^x) = 20.
KINKS = {"sigmoid": (), "clipped_relu": (0.0, 20.0), "softplus": (float(np.log(np.expm1(20.0))),)}


@dataclass(frozen=True, eq=False)
class RateEquations:
    """The equation tau dx/dt = -x + W phi(x) + W_in u of a rate network, without noise.

    One step of the network is Euler's method for it with 5 ms, so both have the same fixed points. Any numpy arrays
    make one, so that networks of other origin can be analysed, too.

    Attributes:
        W: effective weights (N, N), unitless, row = receiving unit.
        w_in: input weights (N, n_in), unitless.
        tau: time constants (N,), ms.
        activation: name of phi.
        w_out: readout weights (n_out, N), unitless; None without a readout.
        b_out: bias of the readout (n_out,), unitless; None without a readout.

    Raises:
        ValueError: shapes that do not fit, numbers that are not finite, a time constant that is not positive, or an
            unknown activation.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """

    W: Float[np.ndarray, "N N"]
    w_in: Float[np.ndarray, "N n_in"]
    tau: Float[np.ndarray, " N"]
    activation: str
    w_out: Float[np.ndarray, "n_out N"] | None = None
    b_out: Float[np.ndarray, " n_out"] | None = None

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"unknown activation '{self.activation}'; allowed: {', '.join(ACTIVATIONS)}")
        N = len(np.atleast_1d(self.W))
        shapes = {"W": (N, N), "w_in": (N, None), "tau": (N,), "w_out": (None, N), "b_out": (None,)}
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is None:
                continue
            value = np.asarray(value, float)
            object.__setattr__(self, name, value)
            if len(shape) != value.ndim or any(n not in (None, m) for n, m in zip(shape, value.shape, strict=True)):
                wanted = str(shape).replace("None", "any")
                raise ValueError(f"{name} has shape {value.shape}; it must be {wanted}, since W has {N} rows")
            if not np.isfinite(value).all():
                raise ValueError(f"{name} holds NaN or infinity")
        if not (self.tau > 0).all():
            raise ValueError(f"tau = {self.tau.min():g}; each time constant must be above 0 ms")

    @classmethod
    def of(cls, net: RateNetwork | SavedNetwork | RateEquations) -> RateEquations:
        """Take the equation from a network.

        Args:
            net: the network, on any device; RateEquations are returned as they are.

        Returns:
            its equation in float64.

        Source:
            docs/model.md 1.1, equations 1 to 5.
        """
        if isinstance(net, RateEquations):
            return net

        def array(values: Any) -> Any:
            return numbers(values).astype(np.float64)

        tau = STEP_MS * np.asarray(time_constants(array(net.taus_gaus)[:, 0], net.taus.tolist()))
        W, w_in, w_out, b_out = map(array, (net.effective_weights(), net.w_in, net.w_out, net.b_out))
        return cls(W, w_in, tau, net.activation, w_out, b_out)

    @property
    def N(self) -> int:
        """Number of units."""
        return len(self.tau)

    def phi(self, x: Float[np.ndarray, "*K N"]) -> Float[np.ndarray, "*K N"]:
        """Compute firing rates.

        Args:
            x: states (..., N), unitless.

        Returns:
            r (..., N), unitless.

        Source:
            docs/model.md 1.5.
        """
        r: Float[np.ndarray, "*K N"] = expit(x) if self.activation == "sigmoid" else np.clip(x, 0.0, 20.0)
        return np.minimum(np.logaddexp(0.0, x), 20.0) if self.activation == "softplus" else r

    def slope(self, x: Float[np.ndarray, "*K N"]) -> Float[np.ndarray, "*K N"]:
        """Compute phi'(x), the gain of each unit; at a kink of phi, that of the flat side, 0.

        Args:
            x: states (..., N), unitless.

        Returns:
            (..., N), unitless.

        Source:
            docs/model.md 1.5.
        """
        if self.activation == "clipped_relu":
            return ((x > 0) & (x < 20)).astype(float)
        s = expit(x)
        return s * (1 - s) if self.activation == "sigmoid" else np.where(x < KINKS["softplus"][0], s, 0.0)

    def curvature(self, x: Float[np.ndarray, "*K N"]) -> Float[np.ndarray, "*K N"]:
        """Compute phi''(x), which is 0 where phi is linear and at its kinks.

        Args:
            x: states (..., N), unitless.

        Returns:
            (..., N), unitless.

        Source:
            docs/model.md 1.5.
        """
        if self.activation == "clipped_relu":
            return np.zeros_like(x)
        s = expit(x)
        bend: Float[np.ndarray, "*K N"] = s * (1 - s)
        return bend * (1 - 2 * s) if self.activation == "sigmoid" else np.where(x < KINKS["softplus"][0], bend, 0.0)

    def beside_kinks(
        self, x: Float[np.ndarray, "*K N"], within: float
    ) -> tuple[Float[np.ndarray, "*K N"], Float[np.ndarray, "*K N"]]:
        """Move units that are where phi has no derivative to either side of it.

        Args:
            x: states (..., N), unitless.
            within: distance from a kink that counts as none, unitless.

        Returns:
            The states with these units on the flat side, where phi' = 0, and on the steep side (..., N), unitless;
            both equal x if there are none.

        Source:
            docs/model.md 1.5.
        """
        flat, steep = np.array(x, float), np.array(x, float)
        for kink in KINKS[self.activation]:
            there, inwards = np.abs(x - kink) <= within, 1 if kink == 0 else -1
            flat[there], steep[there] = kink - inwards * within, kink + inwards * within
        return flat, steep

    def drive(self, u: ArrayLike) -> Float[np.ndarray, " N"]:
        """Compute W_in u of a constant input.

        Args:
            u: input (n_in,), or (n_in, T) to average over time; unitless.

        Returns:
            (N,), unitless.

        Raises:
            ValueError: u has another shape or is not finite.

        Source:
            docs/model.md 1.1, equation 1.
        """
        n_in, value = self.w_in.shape[1], np.asarray(u, float)
        if value.shape != (n_in,) or not np.isfinite(value).all():
            raise ValueError(f"u = {value.tolist()!s:.60}; it must be {n_in} finite numbers, one for each input")
        drive: Float[np.ndarray, " N"] = self.w_in @ value
        return drive

    def velocity(self, x: Float[np.ndarray, "*K N"], u: ArrayLike) -> Float[np.ndarray, "*K N"]:
        """Compute dx/dt.

        Args:
            x: states (..., N), unitless.
            u: constant input (n_in,), unitless.

        Returns:
            (..., N), 1/ms.

        Source:
            docs/model.md 1.1, equation 1.
        """
        x = np.asarray(x, float)
        velocity: Float[np.ndarray, "*K N"] = (self.phi(x) @ self.W.T + self.drive(u) - x) / self.tau
        return velocity

    def jacobian(self, x: Float[np.ndarray, " N"]) -> Float[np.ndarray, "N N"]:
        """Compute the derivative of dx/dt by x.

        That of one step of the network is the identity plus 5 ms times it.

        Args:
            x: state (N,), unitless.

        Returns:
            (N, N), 1/ms.

        Source:
            docs/model.md 1.1, equation 1.
        """
        derivative: Float[np.ndarray, "N N"] = (self.W * self.slope(np.asarray(x, float))) / self.tau[:, None]
        derivative[np.diag_indices(self.N)] -= 1 / self.tau
        return derivative

    def readout(self, x: Float[np.ndarray, "*K N"]) -> Float[np.ndarray, "*K n_out"]:
        """Compute the outputs of states.

        Args:
            x: states (..., N), unitless.

        Returns:
            (..., n_out), unitless; n_out = 0 without a readout.

        Source:
            docs/model.md 1.1, equation 3.
        """
        if self.w_out is None:
            return np.zeros((*np.shape(x)[:-1], 0))
        bias = 0.0 if self.b_out is None else self.b_out
        outputs: Float[np.ndarray, "*K n_out"] = self.phi(np.asarray(x, float)) @ self.w_out.T + bias
        return outputs

    def trajectory(
        self, x0: Float[np.ndarray, "*K N"], u: Float[np.ndarray, "*K n_in T"]
    ) -> Float[np.ndarray, "*K T N"]:
        """Run the network without noise.

        Args:
            x0: first states (..., N), unitless.
            u: inputs (..., n_in, T), unitless, in steps of 5 ms.

        Returns:
            states (..., T, N), unitless.

        Source:
            docs/model.md 1.1, equation 1.
        """
        drive, alpha = np.swapaxes(np.asarray(u, float), -1, -2) @ self.w_in.T, STEP_MS / self.tau
        states = [np.asarray(x0, float)]
        for t in range(drive.shape[-2] - 1):
            x = states[-1]
            states.append((1 - alpha) * x + alpha * (self.phi(x) @ self.W.T + drive[..., t, :]))
        return np.stack(states, -2)

    def reaching(self) -> Bool[np.ndarray, " N"]:
        """Find the units that the dynamics of others depend on.

        The state of all other units follows from theirs: they have no live connection to these units.

        Returns:
            (N,), bool.

        Source: none
        """
        kept = np.ones(self.N, bool)
        while True:
            sending = kept & (self.W[kept] != 0).any(0)
            if (sending == kept).all():
                return kept
            kept = sending
