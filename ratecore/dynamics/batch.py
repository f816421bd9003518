"""Outputs of many trials of one network, without gradients or states: compiled loops over the live connections.

Trials lie side by side in memory, so that one connection serves all of them with vector instructions. With Dale's law
few connections are alive (20 % at the start, about 5 % after training), and only these cost anything.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ratecore.dynamics.kernels import CODES, apply_phi
from ratecore.dynamics.scalar import OPTIONS

LANES = 32  # trials at once, a constant so that loops over them become a few vector instructions
DENSE = 0.3  # with more of the connections alive, a dense matrix product is faster


@njit(**OPTIONS)
def _add_live_product(start, index, value, R, H):
    """H (N, B) += W R for W by its live entries, row by row: index and value from start[i] to start[i + 1]."""
    for i in range(len(H)):
        h = H[i]
        k, end = start[i], start[i + 1]
        while k + 4 <= end:
            v0, v1, v2, v3 = value[k], value[k + 1], value[k + 2], value[k + 3]
            r0, r1, r2, r3 = R[index[k]], R[index[k + 1]], R[index[k + 2]], R[index[k + 3]]
            for b in range(LANES):
                h[b] += (v0 * r0[b] + v1 * r1[b]) + (v2 * r2[b] + v3 * r3[b])
            k += 4
        while k < end:
            v, r = value[k], R[index[k]]
            for b in range(LANES):
                h[b] += v * r[b]
            k += 1


@njit(**OPTIONS)
def _outputs(start, index, value, w_in, alpha, w_out, b_out, code, u, x0, noise, o):
    """o (B, T), o[:, 0] the readout of r[0]; u (B, n_in, T), x0 (B, N), noise (B, T-1, N); B <= LANES.

    Lanes without a trial run along as a trial of zeros.
    """
    B, n_in, T = u.shape
    N = alpha.size
    zero, one = alpha.dtype.type(0), alpha.dtype.type(1)
    X, R, H = (np.zeros((N, LANES), alpha.dtype), np.empty((N, LANES), alpha.dtype), np.empty((N, LANES), alpha.dtype))
    out, v = np.empty(LANES, alpha.dtype), np.zeros(LANES, alpha.dtype)
    for b in range(B):
        for i in range(N):
            X[i, b] = x0[b, i]
    for t in range(T):
        if t > 0:
            H[:] = zero
            _add_live_product(start, index, value, R, H)
            for k in range(n_in):
                for b in range(B):
                    v[b] = u[b, k, t - 1]
                for i in range(N):
                    h, w = H[i], w_in[i, k]
                    for b in range(LANES):
                        h[b] += w * v[b]
            for i in range(N):
                x, h, a = X[i], H[i], alpha[i]
                for b in range(LANES):
                    x[b] = (one - a) * x[b] + a * h[b]
            for b in range(B):
                eta = noise[b, t - 1]
                for i in range(N):
                    X[i, b] += eta[i]
        apply_phi(X.reshape(N * LANES), code, R.reshape(N * LANES))
        out[:] = b_out[0]
        for i in range(N):
            r, w = R[i], w_out[i]
            for b in range(LANES):
                out[b] += w * r[b]
        for b in range(B):
            o[b, t] = out[b]


def live_outputs(net, u, x0, noise):
    """Outputs of trials over the live connections; None where a dense product is faster.

    Args:
        net: an FR_RNN_dale on the CPU.   u: (B, n_in, T), x0: (B, N), noise: (B, T-1, N), numpy arrays of its dtype.

    Returns:
        o (B, T), o[:, 0] the readout of r[0].
    """
    W = net.effective_weights().detach().numpy()
    rows, columns = np.nonzero(W)
    if len(rows) > DENSE * W.size:
        return None
    start = np.searchsorted(rows, np.arange(len(W) + 1))
    value, alpha = W[rows, columns], 1 / net.time_constants().detach().numpy()
    w_in, w_out, b_out = (p.detach().numpy() for p in (net.w_in, net.w_out[0], net.b_out))
    o = np.empty((len(u), u.shape[2]), W.dtype)
    for first in range(0, len(u), LANES):
        k = slice(first, first + LANES)
        _outputs(start, columns, value, w_in, alpha, w_out, b_out, CODES[net.activation], u[k], x0[k], noise[k], o[k])
    return o
