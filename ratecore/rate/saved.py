"""A trained network as arrays, for jobs that do not need PyTorch, whose import would take longer than their work."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from llvmlite.binding import get_host_cpu_features

from ratecore.rate.parameters import connection_signs, effective_weights, rectified, time_constants
from ratecore.settings.network import NetworkSettings

Parameters = dict[str, Float[np.ndarray, "..."]]


@dataclass(frozen=True, eq=False)
class SavedNetwork:
    """The arrays of a `RateNetwork` and what follows from them, to the bit as there. It cannot be trained.

    Attributes:
        settings: what the network is besides its arrays.
        w: trained weights before Dale's law (N, N), unitless.
        w_in: input weights (N, n_in), unitless.
        w_out: readout weights (n_out, N), unitless.
        b_out: bias of the readout (n_out,), unitless.
        taus_gaus: parameters of the time constants (N, 1), unitless.
        m: signs of the units on the diagonal (N, N), unitless.
        som_m: 0 where SST units receive nothing, else 1 (N, N), unitless.
        inh: inhibitory units (N,).
        exc: excitatory units (N,).
        conn_m: 1 where connections can be (N, N), unitless; None if all can.
        x0_mean: trained state at the first step (N,), unitless; None unless it is trained.
        initial: w, taus_gaus and others of these before training, by name.
        trained: whether training met its criterion.
        n_trials: trials that training used.
    """

    settings: NetworkSettings
    w: Float[np.ndarray, "N N"]
    w_in: Float[np.ndarray, "N n_in"]
    w_out: Float[np.ndarray, "n_out N"]
    b_out: Float[np.ndarray, " n_out"]
    taus_gaus: Float[np.ndarray, "N 1"]
    m: Float[np.ndarray, "N N"]
    som_m: Float[np.ndarray, "N N"]
    inh: Bool[np.ndarray, " N"]
    exc: Bool[np.ndarray, " N"]
    conn_m: Float[np.ndarray, "N N"] | None = None
    x0_mean: Float[np.ndarray, " N"] | None = None
    initial: dict[str, Any] = field(default_factory=dict)
    trained: bool = False
    n_trials: int = 0

    @property
    def N(self) -> int:
        """Number of units."""
        return len(self.w)

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return len(self.w_out)

    @property
    def activation(self) -> str:
        """Name of phi."""
        return self.settings.activation

    @property
    def taus(self) -> Float[np.ndarray, " _"]:
        """Bounds of the decay times, (tau,) or (tau_min, tau_max), steps."""
        return np.array(self.settings.taus, np.float64)

    def effective_weights(self, w: Float[np.ndarray, "N N"] | None = None) -> Float[np.ndarray, "N N"]:
        """Compute the matrix W that multiplies r.

        Args:
            w: (N, N), unitless, in place of the network's own, such as those before training.

        Returns:
            W (N, N), unitless.

        Source:
            docs/model.md 1.2, equation 4.
        """
        connections = self.som_m if self.conn_m is None else self.som_m * self.conn_m
        signs = connection_signs(self.m, connections, True)
        return effective_weights(self.w if w is None else w.astype(self.w.dtype), signs, self.settings.apply_dale)

    def rectified_w(self) -> Float[np.ndarray, "N N"]:
        """Compute the weights without the values that Dale's law silences.

        Returns:
            (N, N), unitless.

        Source:
            docs/model.md 1.
        """
        return rectified(self.w) if self.settings.apply_dale else self.w

    def time_constants(self, taus_gaus: Float[np.ndarray, "N 1"] | None = None) -> Float[np.ndarray, " N"]:
        """Compute the synaptic decay times.

        Args:
            taus_gaus: (N, 1), unitless, in place of the network's own, such as those before training.

        Returns:
            tau (N,), steps, in the precision of the parameters.

        Source:
            docs/model.md 1.4, equation 5.
        """
        share, (low, *high) = (self.taus_gaus if taus_gaus is None else taus_gaus)[:, 0], self.settings.taus
        if share.dtype != np.float32:
            return time_constants(share, self.settings.taus)
        if not high:
            return np.full(share.shape, low, np.float32)
        tau: Float[np.ndarray, " N"] = sigmoid(share) * np.float32(high[0] - low) + np.float32(low)
        return tau


_LOG2E, _LN2_HIGH, _LN2_LOW = (
    np.float32(value) for value in (1.442695040888963407, 0.693145751953125, 1.428606765330187045e-06)
)
_TAYLOR = [
    np.float32(value)
    for value in (0.00139304355252534151, 0.00833336077630519867, 0.0416664853692054749, 0.166666671633720398, 0.5)
]


def sigmoid(x: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """The logistic function in single precision, to the bit as torch computes it.

    torch's vectors call the exponential function of SLEEF, which has fused products and sums. In double precision,
    products of two such numbers are exact, and so is all but one rounding in 2^29 of the sum. What is left after pairs
    of vectors is computed number by number. On processors whose vectors are not known here, torch itself is asked.

    Args:
        x: (N,), float32, unitless.

    Returns:
        (N,), float32, in [0, 1], unitless.

    Source:
        Shibata & Petrogalli 2020 (IEEE Transactions on Parallel and Distributed Systems 31:1316), SLEEF; `expf` with
        an error of 1.0 ULP.
    """
    if not (width := _vector_of_torch()):
        import torch

        return torch.from_numpy(np.ascontiguousarray(x)).sigmoid().numpy()
    from scipy.special import expit

    whole = len(x) - len(x) % (2 * width)
    return np.concatenate([_in_vectors(x[:whole]), expit(x[whole:])])


@cache
def _vector_of_torch() -> int:
    """Numbers in a vector of torch's kernels on this processor, as torch chooses them; 0 where that is not known."""
    has, wanted = get_host_cpu_features(), os.environ.get("ATEN_CPU_CAPABILITY")  # torch's own variable
    if wanted not in (None, "avx512", "avx2") or not (has.get("avx2") and has.get("fma")):
        return 0
    wide = all(has.get(f"avx512{part}") for part in ("f", "vl", "bw", "dq"))
    return 16 if wide and wanted != "avx2" else 8


def _in_vectors(x: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    one = np.float32(1)

    def fused(a: Any, b: Any, c: Any) -> Any:
        return (np.float64(a) * np.float64(b) + np.float64(c)).astype(np.float32)

    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        power_of_2 = np.rint(-x * _LOG2E)
        rest = fused(power_of_2, -_LN2_LOW, fused(power_of_2, -_LN2_HIGH, -x))
        series = np.full_like(x, 0.000198527617612853646)
        for coefficient in _TAYLOR:
            series = fused(series, rest, coefficient)
        mantissa = one + fused(rest * rest, series, rest)
        found: Float[np.ndarray, " N"] = one / (
            one + np.ldexp(mantissa, np.clip(power_of_2, -200, 200).astype(np.int32))
        )
    return found
