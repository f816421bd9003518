"""Many trials of one network side by side: compiled loops over the live connections.

Trials lie next to each other in memory, as the lanes of a vector, so that a connection is read once for all of them.
With Dale's law few connections are alive (20 % at the start, about 5 % after training), and only these cost anything.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ratecore.rate.dynamics.kernels import CLIPPED_RELU, CODES, Units, apply_phi, slope_of_phi
from ratecore.system.arrays import STEPS, array_of
from ratecore.system.compilation import BOUNDS_CHECKED, compiled

LANES = 16  # trials at once; a row of them is one cache line in float32
_AT_ONCE = 4  # sums side by side, since one sum alone would wait for each of its additions
_FLAGS = ("reassoc", "contract", "nsz")


class Entries(NamedTuple):
    """A matrix (N, N) by its entries that are not zero, row by row.

    Attributes:
        start: of each row (N+1,), int64; those after start[N] do not count.
        index: LANES times the column of each entry (N*N+1,), int32.
        value: (N*N+1,), unitless.
    """

    start: np.ndarray
    index: np.ndarray
    value: np.ndarray


class Trials(NamedTuple):
    """Up to LANES trials; unitless.

    Attributes:
        u: (B, n_in, T).
        x0: (B, N).
        noise: (B, T-1, N).
    """

    u: np.ndarray
    x0: np.ndarray
    noise: np.ndarray


class Kept(NamedTuple):
    """What `backward` needs of `forward`; unitless.

    Attributes:
        X: x (N, T, LANES), for the one activation whose slope cannot be told from r.
        R: r (N, T, LANES).
        A: W r + W_in u - x of every step (N, T-1, LANES); `backward` makes alpha * dL/dx[t] of it.
    """

    X: np.ndarray
    R: np.ndarray
    A: np.ndarray


class Gradients(NamedTuple):
    """Sums over trials; unitless.

    Attributes:
        alpha: (N,).
        w_out: (N,).
        b_out: (1,).
    """

    alpha: np.ndarray
    w_out: np.ndarray
    b_out: np.ndarray


@intrinsic
def _add_row(typing_context, index, value, first, last, R, h, place):
    """h[place : place + LANES] += the sum over k = first .. last-1 of value[k] * R[index[k] : index[k] + LANES].

    All arrays are flat. In LLVM's own vectors, since numba keeps no array in registers.
    """

    def generate(context, builder, signature, args):
        index_type, value_type = signature.args[0], signature.args[1]
        arrays = [context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 1, 4, 5)]
        indices, values, rows, out = arrays
        scalar = context.get_data_type(value_type.dtype)
        vector = ir.VectorType(scalar, LANES)
        bytes_of = 4 if value_type.dtype == types.float32 else 8
        integer = context.get_data_type(index_type.dtype)
        first, last, place = args[2], args[3], args[6]
        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(_AT_ONCE)]

        def element(array, kind, k):
            return builder.gep(array, [k], source_etype=kind)

        def lanes_at(array, k):
            return builder.bitcast(element(array, scalar, k), vector.as_pointer())

        def add(k, total):
            weight = builder.load(element(values, scalar, k), typ=scalar)
            row = builder.sext(builder.load(element(indices, integer, k), typ=integer), first.type)
            r = builder.load(lanes_at(rows, row), typ=vector, align=bytes_of)
            one = builder.insert_element(ir.Constant(vector, ir.Undefined), weight, ir.Constant(ir.IntType(32), 0))
            mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
            all_lanes = builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)
            product = builder.fmul(all_lanes, r, flags=_FLAGS)
            builder.store(builder.fadd(builder.load(total, typ=vector), product, flags=_FLAGS), total)

        whole = builder.and_(builder.sub(last, first), ir.Constant(first.type, -_AT_ONCE))
        middle = builder.add(first, whole)
        with cgutils.for_range_slice(builder, first, middle, ir.Constant(first.type, _AT_ONCE)) as (k, _):
            for j, total in enumerate(sums):
                add(builder.add(k, ir.Constant(k.type, j)), total)
        with cgutils.for_range_slice(builder, middle, last, ir.Constant(first.type, 1)) as (k, _):
            add(k, sums[0])
        parts = [builder.load(total, typ=vector) for total in sums]
        while len(parts) > 1:
            parts = [builder.fadd(a, b, flags=_FLAGS) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        target = lanes_at(out, place)
        before = builder.load(target, typ=vector, align=bytes_of)
        builder.store(builder.fadd(before, parts[0], flags=_FLAGS), target, align=bytes_of)
        return context.get_dummy_value()

    return types.void(index, value, first, last, R, h, place), generate


@compiled
def live_entries(W, start, index, value):
    """The entries of W (N, N) that are not zero, row by row.

    start (N+1,) int64: of each row.   index (N*N,) int32: LANES times the column.   value (N*N,).
    """
    n = 0
    for i in range(len(W)):
        start[i] = n
        row = W[i]
        for j in range(row.size):
            index[n], value[n] = LANES * j, row[j]
            n += row[j] != 0  # without a branch, that would be guessed wrong for one connection in five
    start[len(W)] = n


@compiled
def _read_product(start, index, value, R, H):
    """Reads by index what `_add_row` reads through pointers, so that Numba's bounds checks see it."""
    total = H[(len(start) - 1) * LANES - 1] * R.dtype.type(0)
    for i in range(len(start) - 1):
        for k in range(start[i], start[i + 1]):
            if index[k] < 0:
                raise IndexError("a live entry has a column below 0")
            total += value[k] * R[index[k]] * R[index[k] + LANES - 1]
    return total


@compiled
def _add_product(start, index, value, R, H):
    """H (N * LANES,) += W R for W by its live entries, R (N * LANES,)."""
    if BOUNDS_CHECKED:
        _read_product(start, index, value, R, H)
    for i in range(len(start) - 1):
        _add_row(index, value, start[i], start[i + 1], R, H, i * LANES)


@compiled
def forward(W, w_in, units, trials, o, keep, kept):
    """All steps of up to LANES trials. Lanes without a trial run along as a trial of zeros.

    Args:
        W: Entries.
        w_in: (N, n_in), unitless.
        units: Units.
        trials: Trials.
        o: (T, LANES), unitless, receives the outputs, o[0] the readout of r[0].
        keep: whether `kept` is written.
        kept: Kept; without `keep` its arrays may be empty.

    Source:
        docs/model.md 1.
    """
    start, index, value = W.start, W.index, W.value
    alpha, w_out, b_out, code = units.alpha, units.w_out, units.b_out, units.phi
    u, x0, noise = trials.u, trials.x0, trials.noise
    X, R, D = kept.X, kept.R, kept.A
    B, n_in, T = u.shape
    N, dtype = alpha.size, alpha.dtype
    zero = dtype.type(0)
    x, r, h = np.zeros((N, LANES), dtype), np.empty((N, LANES), dtype), np.empty((N, LANES), dtype)
    x_flat, r_flat, h_flat = x.reshape(N * LANES), r.reshape(N * LANES), h.reshape(N * LANES)
    v = np.zeros(LANES, dtype)
    for b in range(B):
        for i in range(N):
            x[i, b] = x0[b, i]
    for t in range(T):
        if t > 0:
            h_flat[:] = zero
            for k in range(n_in):
                silent = True
                for b in range(B):
                    v[b] = u[b, k, t - 1]
                    silent = silent and v[b] == zero
                if not silent:
                    for i in range(N):
                        w = w_in[i, k]
                        for b in range(LANES):
                            h[i, b] += w * v[b]
            _add_product(start, index, value, r_flat, h_flat)
            for i in range(N):
                a = alpha[i]
                for b in range(LANES):
                    d = h[i, b] - x[i, b]
                    h[i, b] = d
                    x[i, b] += a * d
            for b in range(B):
                eta = noise[b, t - 1]
                for i in range(N):
                    x[i, b] += eta[i]
            if keep:
                for i in range(N):
                    for b in range(LANES):
                        D[i, t - 1, b] = h[i, b]
        apply_phi(x_flat, code, r_flat)
        if keep:
            for i in range(N):
                for b in range(LANES):
                    R[i, t, b] = r[i, b]
            if code == CLIPPED_RELU:
                for i in range(N):
                    for b in range(LANES):
                        X[i, t, b] = x[i, b]
        out = o[t]
        out[:] = b_out[0]
        for i in range(N):
            w = w_out[i]
            for b in range(LANES):
                out[b] += w * r[i, b]


@compiled
def backward(W_t, units, kept, go, gradients):
    """Back through all steps of up to LANES trials.

    Args:
        W_t: Entries of the transposed W.
        units: Units.
        kept: Kept of `forward`; its A receives alpha * dL/dx[t].
        go: gradient of the outputs of steps 1 .. T-1, (T-1, LANES), unitless.
        gradients: Gradients, which are added to.

    Source:
        docs/model.md 1 and 3.
    """
    start, index, value = W_t.start, W_t.index, W_t.value
    alpha, w_out, code = units.alpha, units.w_out, units.phi
    X, R, A = kept.X, kept.R, kept.A
    g_alpha, g_w_out, g_b_out = gradients.alpha, gradients.w_out, gradients.b_out
    N, T, _ = R.shape
    dtype = alpha.dtype
    one = dtype.type(1)
    g, to_r, now = np.zeros((N, LANES), dtype), np.zeros((N, LANES), dtype), np.empty((N, LANES), dtype)
    x, r, slope = np.zeros((N, LANES), dtype), np.empty((N, LANES), dtype), np.empty((N, LANES), dtype)
    of_alpha, of_w_out = np.zeros((N, LANES), dtype), np.zeros((N, LANES), dtype)
    to_r_flat, now_flat = to_r.reshape(N * LANES), now.reshape(N * LANES)
    x_flat, r_flat, slope_flat = x.reshape(N * LANES), r.reshape(N * LANES), slope.reshape(N * LANES)
    for t in range(T - 1, 0, -1):
        out = go[t - 1]
        for i in range(N):
            w = w_out[i]
            for b in range(LANES):
                r[i, b] = R[i, t, b]
                to_r[i, b] += w * out[b]
                of_w_out[i, b] += out[b] * r[i, b]
        if code == CLIPPED_RELU:
            for i in range(N):
                for b in range(LANES):
                    x[i, b] = X[i, t, b]
        slope_of_phi(x_flat, r_flat, code, slope_flat)
        for i in range(N):
            a = alpha[i]
            for b in range(LANES):
                g[i, b] = (one - a) * g[i, b] + to_r[i, b] * slope[i, b]
                of_alpha[i, b] += g[i, b] * A[i, t - 1, b]
                now[i, b] = a * g[i, b]
                A[i, t - 1, b] = now[i, b]
        to_r_flat[:] = dtype.type(0)
        if t > 1:
            _add_product(start, index, value, now_flat, to_r_flat)
    for i in range(N):
        g_alpha[i] += of_alpha[i].sum()
        g_w_out[i] += of_w_out[i].sum()
    for t in range(T - 1):
        g_b_out[0] += go[t].sum()


class LiveMatrix:
    """A matrix by its entries that are not zero, as the loops here read it.

    Args:
        N: rows and columns.   dtype: of its values.
    """

    def __init__(self, N: int, dtype):
        self.start, self.index, self.value = (
            np.zeros(N + 1, np.int64),
            np.empty(N * N + 1, np.int32),
            np.empty(N * N + 1, dtype),
        )

    @classmethod
    def of(cls, W) -> LiveMatrix:
        """Of a tensor (N, N) on the CPU."""
        W = W.detach().numpy()
        return cls(len(W), W.dtype).take(W)

    def take(self, W: np.ndarray) -> LiveMatrix:
        """Takes over W (N, N). Raises ValueError: it has another shape."""
        N = len(self.start) - 1
        W = array_of("W", W, (N, N), self.value.dtype, finite=False)  # of a network that diverged, the loss tells
        live_entries(W, self.start, self.index, self.value)
        return self

    @property
    def parts(self) -> Entries:
        """The entries, as loops read them."""
        return Entries(self.start, self.index, self.value)

    @property
    def share(self) -> float:
        """Share of the entries that are not zero."""
        return self.start[-1] / (len(self.start) - 1) ** 2


def outputs_over(live, net, u, x0, noise):
    """Outputs of trials, without gradients or states.

    Args:
        live: the network's effective weights.   net: an FR_RNN_dale on the CPU.
        u: (B, n_in, T), x0: (B, N), noise: (B, T-1, N), arrays or tensors; not checked for NaN.

    Returns:
        o (B, T), o[:, 0] the readout of r[0].

    Raises:
        ValueError: names the array whose shape does not fit.
    """
    N, n_in, dtype = len(live.start) - 1, net.w_in.shape[1], live.value.dtype

    def array(name, value, *shape):
        return array_of(name, value, shape, dtype, finite=False)

    alpha = 1 / array("tau", net.time_constants().detach(), N)
    w_in, w_out, b_out = (
        array("w_in", net.w_in, N, n_in),
        array("w_out", net.w_out.detach(), 1, N)[0],
        array("b_out", net.b_out.detach(), 1),
    )
    u = array("u", u, ("B", 0), n_in, STEPS)
    B, _, T = u.shape
    x0, noise = array("x0", x0, B, N), array("noise", noise, B, T - 1, N)
    o, lanes, unused = (
        np.empty((B, T), alpha.dtype),
        np.empty((T, LANES), alpha.dtype),
        np.empty((0, 0, 0), alpha.dtype),
    )
    units = Units(alpha, w_out, b_out, CODES[net.activation])
    for first in range(0, B, LANES):
        k = slice(first, min(first + LANES, B))
        forward(live.parts, w_in, units, Trials(u[k], x0[k], noise[k]), lanes, False, Kept(unused, unused, unused))
        o[k] = lanes.T[: k.stop - first]
    return o
