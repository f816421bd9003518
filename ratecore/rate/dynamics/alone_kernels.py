"""Compiled loops of forward trials alone: all of a trial in one call, with states padded to whole vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ratecore.rate.dynamics.kernels import CLIPPED_RELU, SIGMOID
from ratecore.rate.dynamics.packed import Packed, add_packed_product
from ratecore.system.compilation import BOUNDS_CHECKED, compiled
from ratecore.system.scalar import exp_of_negative, log1p_of_fraction

WIDTH = 16  # units at once: loops over a constant number become vectors without a rest
DONE, OTHER_TAUS, OTHER_CONNECTIONS, NOT_FINITE = 0, 1, 2, 3


def _copy_row(padded_to_row: bool) -> Any:
    """An intrinsic that copies the N numbers of a row to or from a buffer that is padded to whole vectors.

    A loop over N would leave up to 63 numbers to be copied one by one.
    """

    @intrinsic
    def copy(typing_context: Any, padded: Any, flat: Any, place: Any, N: Any) -> tuple[Any, Any]:
        """padded[:N] = flat[place : place + N], or the other way."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            padded, flat = (context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 1))
            place, N = args[2], args[3]
            scalar = context.get_data_type(signature.args[0].dtype)
            vector, lane = ir.VectorType(scalar, WIDTH), ir.VectorType(N.type, WIDTH)
            mask, align = ir.VectorType(ir.IntType(1), WIDTH), 4 if signature.args[0].dtype == types.float32 else 8
            name, pointer, i32 = f"v{WIDTH}f{8 * align}", vector.as_pointer(), ir.IntType(32)
            lanes = ir.Constant(lane, [ir.Constant(N.type, k) for k in range(WIDTH)])

            def at(array: Any, k: Any) -> Any:
                return builder.bitcast(builder.gep(array, [k], source_etype=scalar), pointer)

            with cgutils.for_range_slice(builder, ir.Constant(N.type, 0), N, ir.Constant(N.type, WIDTH)) as (k, _):
                left = builder.insert_element(ir.Constant(lane, ir.Undefined), builder.sub(N, k), ir.Constant(i32, 0))
                left = builder.shuffle_vector(
                    left, ir.Constant(lane, ir.Undefined), ir.Constant(ir.VectorType(i32, WIDTH), None)
                )
                there = builder.icmp_signed("<", lanes, left)
                row = at(flat, builder.add(place, k))
                if padded_to_row:
                    kind = ir.FunctionType(ir.VoidType(), [vector, pointer, i32, mask])
                    store = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.{name}.p0")  # type: ignore[no-untyped-call]
                    found = builder.load(at(padded, k), typ=vector, align=align)
                    builder.call(store, [found, row, ir.Constant(i32, align), there])
                else:
                    kind = ir.FunctionType(vector, [pointer, i32, mask, vector])
                    load = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.{name}.p0")  # type: ignore[no-untyped-call]
                    zeros = ir.Constant(vector, None)
                    found = builder.call(load, [row, ir.Constant(i32, align), there, zeros])
                    builder.store(found, at(padded, k), align=align)
            return context.get_dummy_value()

        return types.void(padded, flat, place, N), generate

    return copy


_from_row, _to_row = _copy_row(False), _copy_row(True)


@compiled
def _check_row(padded: Float[np.ndarray, " n"], flat: Float[np.ndarray, " _"], place: int, N: int) -> None:
    """Raises IndexError where `_copy_row` would leave its arrays."""
    if place < 0 or place + N > flat.size or padded.size % WIDTH != 0 or padded.size < N:
        raise IndexError("a row is outside its array")


@compiled
def _read_row(padded: Float[np.ndarray, " n"], flat: Float[np.ndarray, " _"], place: int, N: int) -> None:
    if BOUNDS_CHECKED:
        _check_row(padded, flat, place, N)
    _from_row(padded, flat, place, N)


@compiled
def _write_row(padded: Float[np.ndarray, " n"], flat: Float[np.ndarray, " _"], place: int, N: int) -> None:
    if BOUNDS_CHECKED:
        _check_row(padded, flat, place, N)
    _to_row(padded, flat, place, N)


@compiled
def _not_finite(v: Float[np.ndarray, " n"]) -> int:
    bad = 0
    for i in range(v.size):
        bad += not abs(v[i]) < v.dtype.type(np.inf)
    return bad


@compiled
def count_connections(
    w: Float[np.ndarray, "N N"], m: Float[np.ndarray, "N N"], som_m: Float[np.ndarray, "N N"], dale: bool
) -> int:
    """Count the live connections.

    Args:
        w: trained weights (N, N), unitless.
        m: signs on the diagonal (N, N), unitless.
        som_m: mask (N, N), unitless.
        dale: whether Dale's law holds.

    Returns:
        nonzero entries of the effective weights.

    Source:
        docs/model.md 1.2.
    """
    N, zero = len(w), w.dtype.type(0)
    sign = np.empty(N, w.dtype)
    for j in range(N):
        sign[j] = m[j, j]
    live = 0
    for i in range(N):
        wi, si = w[i], som_m[i]
        for j in range(N):
            live += (max(wi[j], zero) if dale else wi[j]) * (sign[j] * si[j]) != zero
    return live


@compiled
def _take_connections(
    w: Float[np.ndarray, "N N"],
    m: Float[np.ndarray, "N N"],
    som_m: Float[np.ndarray, "N N"],
    dale: bool,
    place: Int[np.ndarray, " n"],
    sender: Int[np.ndarray, " n"],
    value: Float[np.ndarray, " n"],
) -> tuple[int, int]:
    """Write the effective weights in their packed places; numbers of live connections in the matrix and packed."""
    N, zero, found = len(w), w.dtype.type(0), 0
    w_flat, mask, sign = w.reshape(w.size), som_m.reshape(w.size), np.empty(N, w.dtype)
    for j in range(N):
        sign[j] = m[j, j]
    for k in range(place.size):
        p = place[k]
        if p >= 0:
            v = (max(w_flat[p], zero) if dale else w_flat[p]) * (sign[sender[k]] * mask[p])
            value[k] = v
            found += v != zero
    return count_connections(w, m, som_m, dale), found


@compiled
def _step(
    x: Float[np.ndarray, " n"],
    r: Float[np.ndarray, " n"],
    h: Float[np.ndarray, " n"],
    eta: Float[np.ndarray, " n"],
    alpha: Float[np.ndarray, " n"],
    phi: int,
) -> None:
    """x and r of the next step (docs/model.md 1.1, equations 1 and 2), for n units, a multiple of WIDTH."""
    zero, one, twenty = x.dtype.type(0), x.dtype.type(1), x.dtype.type(20)
    # In one loop with phi, which is long enough for LLVM to take vectors one at a time, so that none is left over.
    if phi == SIGMOID:
        for i in range(x.size):
            now = (one - alpha[i]) * x[i] + alpha[i] * h[i] + eta[i]
            x[i] = now
            e = exp_of_negative(-abs(now))
            q = one / (one + e)
            r[i] = q if now >= zero else e * q
    elif phi == CLIPPED_RELU:
        for i in range(x.size):
            now = (one - alpha[i]) * x[i] + alpha[i] * h[i] + eta[i]
            x[i] = now
            r[i] = min(max(now, zero), twenty)
    else:
        for i in range(x.size):
            now = (one - alpha[i]) * x[i] + alpha[i] * h[i] + eta[i]
            x[i] = now
            r[i] = min(max(now, zero) + log1p_of_fraction(exp_of_negative(-abs(now))), twenty)


@compiled
def simulate(
    w: Float[np.ndarray, "N N"],
    w_out: Float[np.ndarray, "n_out N"],
    b_out: Float[np.ndarray, " n_out"],
    taus_gaus: Float[np.ndarray, "N 1"],
    w_in: Float[np.ndarray, "N n_in"],
    m: Float[np.ndarray, "N N"],
    som_m: Float[np.ndarray, "N N"],
    dale: bool,
    phi: int,
    known_taus: Float[np.ndarray, "N 1"],
    alpha: Float[np.ndarray, " n"],
    start: Int[np.ndarray, " _"],
    base: Int[np.ndarray, " _"],
    index: UInt8[np.ndarray, " _"],
    value: Float[np.ndarray, " _"],
    place: Int[np.ndarray, " _"],
    sender: Int[np.ndarray, " _"],
    least: int,
    u: Float[np.ndarray, "B n_in T"],
    x0: Float[np.ndarray, "B N"],
    noise: Float[np.ndarray, "B T-1 N"],
    finite: bool,
    x: Float[np.ndarray, "B T N"],
    r: Float[np.ndarray, "B T N"],
    h: Float[np.ndarray, "_ T-1 N"],
    o: Float[np.ndarray, " _"],
    first: int,
) -> int:
    """Simulate trials one by one, unless what is known about the network no longer holds.

    Args:
        w: trained weights (N, N), unitless.
        w_out: readout weights (n_out, N), unitless.
        b_out: readout bias (n_out,), unitless.
        taus_gaus: (N, 1), unitless.
        w_in: input weights (N, n_in), unitless.
        m: signs on the diagonal (N, N), unitless.
        som_m: mask (N, N), unitless.
        dale: whether Dale's law holds.
        phi: code of the activation, see `kernels.CODES`.
        known_taus: `taus_gaus` for which `alpha` holds (N, 1), unitless.
        alpha: step divided by decay time, a fraction, padded with zeros to a multiple of WIDTH (n,).
        start: first fields of `Packed`, as the next three, of the weights padded to (n, n); (n_blocks+1,).
        base: first columns (n_vectors,).
        index: columns (n_vectors * lanes,).
        value: receives the effective weights (n_vectors * lanes,), unitless.
        place: of the packed entries (n_vectors * lanes,), as in `ratecore.rate.dynamics.packing`.
        sender: column of each of them (n_vectors * lanes,), 0 where there is none.
        least: smallest number of live connections for which the packing is worth it.
        u: stimuli (B, n_in, T), unitless.
        x0: states at the first step (B, N), unitless.
        noise: (B, T-1, N), unitless.
        finite: whether u, x0 and noise are checked for NaN and infinity.
        x: (B, T, N), unitless, receives the synaptic currents; (0, 0, 0) when x and r are not needed.
        r: (B, T, N), unitless, receives the rates; (0, 0, 0) as for `x`.
        h: (B, T-1, N), unitless, receives the total input; (0, 0, 0) when it is not needed.
        o: receives the outputs from step `first` on (n,), n = B times n_out times T - first, unitless.
        first: step of the first output, 0 or 1.

    Returns:
        DONE, or why nothing was simulated.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    for i in range(taus_gaus.size):
        if taus_gaus[i, 0] != known_taus[i, 0]:
            return OTHER_TAUS
    live, found = _take_connections(w, m, som_m, dale, place, sender, value)
    if live != found or live < least:
        return OTHER_CONNECTIONS
    if finite and (
        _not_finite(u.reshape(u.size)) + _not_finite(x0.reshape(x0.size)) + _not_finite(noise.reshape(noise.size)) > 0
    ):
        return NOT_FINITE
    (B, n_in, T), N, n, n_out, dtype = u.shape, len(w), alpha.size, len(w_out), w.dtype
    zero = dtype.type(0)
    W = Packed(start, base, index, value, place[:0], value[:0])
    now, rates, total, eta = np.zeros(n, dtype), np.zeros(n, dtype), np.zeros(n, dtype), np.zeros(n, dtype)
    into, out = np.zeros((n_in, n), dtype), np.zeros((n_out, n), dtype)
    for i in range(N):
        for k in range(n_in):
            into[k, i] = w_in[i, k]
        for k in range(n_out):
            out[k, i] = w_out[k, i]
    at_start, sums = np.zeros(n, dtype), np.zeros(WIDTH, dtype)
    noise_flat, x_flat, r_flat, h_flat = (
        noise.reshape(noise.size),
        x.reshape(x.size),
        r.reshape(r.size),
        h.reshape(h.size),
    )
    for b in range(B):
        for i in range(N):
            now[i] = x0[b, i]
            total[i] = zero
        for t in range(T):
            if t == 0:
                _step(now, rates, total, at_start, at_start, phi)  # without time to decay x stays and r follows
            else:
                for i in range(n):
                    total[i] = zero
                for k in range(n_in):
                    v = u[b, k, t - 1]
                    if v != zero:
                        for i in range(n):
                            total[i] += into[k, i] * v
                add_packed_product(W, rates, total)
                _read_row(eta, noise_flat, (b * (T - 1) + t - 1) * N, N)
                _step(now, rates, total, eta, alpha, phi)
                if h.size > 0:
                    _write_row(total, h_flat, (b * (T - 1) + t - 1) * N, N)
            if x.size > 0:
                _write_row(now, x_flat, (b * T + t) * N, N)
                _write_row(rates, r_flat, (b * T + t) * N, N)
            if t >= first:
                for k in range(n_out):
                    for i in range(WIDTH):
                        sums[i] = out[k, i] * rates[i]
                    for j in range(WIDTH, n, WIDTH):
                        for i in range(WIDTH):
                            sums[i] += out[k, j + i] * rates[j + i]
                    output = zero
                    for i in range(WIDTH):
                        output += sums[i]
                    o[(b * n_out + k) * (T - first) + t - first] = output + b_out[k]
    return DONE
