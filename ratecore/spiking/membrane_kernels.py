"""Compiled loops over the membranes and synapses of a spiking network, several steps at a time (docs/model.md 5.2).

Most steps have no spike. The loops here are LLVM vectors that run on until a unit fires, so that what surrounds a step
costs nothing, and that read and write each number once per step: LLVM would split loops over so many arrays, since it
cannot prove that they do not overlap. Arrays are padded to whole vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, UInt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ratecore.system.compilation import BOUNDS_CHECKED, compiled

LANES = 8  # units of a vector
_FLAGS = ("contract", "nsz")


class _Vectors:
    """Writes instructions on vectors of `LANES` numbers."""

    def __init__(self, builder: Any) -> None:
        self.builder, self.double, self.single = builder, ir.DoubleType(), ir.FloatType()
        self.vector, self.narrow = ir.VectorType(self.double, LANES), ir.VectorType(self.single, LANES)

    def load(self, array: Any, k: Any) -> Any:
        place = self.builder.bitcast(self.builder.gep(array, [k], source_etype=self.double), self.vector.as_pointer())
        return self.builder.load(place, typ=self.vector, align=8)

    def load_narrow(self, array: Any, k: Any) -> Any:
        place = self.builder.bitcast(self.builder.gep(array, [k], source_etype=self.single), self.narrow.as_pointer())
        return self.builder.fpext(self.builder.load(place, typ=self.narrow, align=4), self.vector)

    def store(self, value: Any, array: Any, k: Any) -> None:
        place = self.builder.bitcast(self.builder.gep(array, [k], source_etype=self.double), self.vector.as_pointer())
        self.builder.store(value, place, align=8)

    def all_lanes(self, number: Any) -> Any:
        undefined = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), None))

    def add(self, a: Any, b: Any) -> Any:
        return self.builder.fadd(a, b, flags=_FLAGS)

    def sub(self, a: Any, b: Any) -> Any:
        return self.builder.fsub(a, b, flags=_FLAGS)

    def mul(self, a: Any, b: Any) -> Any:
        return self.builder.fmul(a, b, flags=_FLAGS)


def _steps(quadratic: bool) -> Any:
    """An intrinsic that runs steps of LIF or QIF units until one fires."""

    @intrinsic
    def run(
        typing_context: Any, filters: Any, ready: Any, decay: Any, drive: Any, noise: Any, fired: Any,
        gain: Any, dt: Any, rise: Any, threshold: Any, column: Any, row: Any, first: Any, last: Any,
    ) -> tuple[Any, Any]:  # fmt: skip
        """As `run_steps`; `noise` begins at its row `row` with step `first`."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            arrays = [context.make_array(signature.args[k])(context, builder, args[k]) for k in range(6)]
            state, readys, decays, drives, etas, masks = (array.data for array in arrays)
            column, row, first, last = args[10:]
            on, kind, byte = _Vectors(builder), first.type, ir.IntType(8)
            number = [on.all_lanes(args[k]) for k in (6, 7, 8, 9)]
            gain, dt, rise, threshold = number
            zero, one, size = ir.Constant(kind, 0), ir.Constant(kind, 1), arrays[1].nitems
            now, offset = builder.mul(column, size), builder.mul(row, size)
            step = cgutils.alloca_once_value(builder, first)
            any_fired = cgutils.alloca_once_value(builder, ir.Constant(byte, 0))
            loop, end = builder.append_basic_block("steps"), builder.append_basic_block("end")
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.load(step, typ=kind)
            time = on.all_lanes(builder.sitofp(builder.add(k, one), on.double))
            eta_at = builder.add(offset, builder.mul(builder.sub(k, first), size))
            with cgutils.for_range_slice(builder, zero, size, ir.Constant(kind, LANES)) as (j, _):
                v, ipsc = on.load(state, j), on.load(state, builder.add(j, size))
                h_at = builder.add(j, builder.add(size, size))
                h = on.load(state, h_at)
                current = on.add(ipsc, on.load(drives, builder.add(now, j)))
                pull = on.add(on.mul(v, v), current) if quadratic else on.sub(current, v)
                free = builder.fcmp_ordered(">", time, on.load(readys, j))
                slope = builder.select(free, on.mul(gain, pull), ir.Constant(on.vector, None))
                v = on.add(on.add(v, slope), on.load_narrow(etas, builder.add(eta_at, j)))
                on.store(v, state, j)
                on.store(
                    on.add(on.mul(ipsc, on.load(decays, j)), on.mul(h, dt)), state, builder.add(j, size)
                )
                on.store(on.mul(h, rise), state, h_at)
                mask = builder.bitcast(builder.fcmp_ordered(">=", v, threshold), byte)
                at = builder.gep(masks, [builder.udiv(j, ir.Constant(kind, LANES))], source_etype=byte)
                builder.store(mask, at)
                builder.store(builder.or_(builder.load(any_fired, typ=byte), mask), any_fired)
            done = builder.add(k, one)
            builder.store(done, step)
            silent = builder.icmp_unsigned("==", builder.load(any_fired, typ=byte), ir.Constant(byte, 0))
            builder.cbranch(builder.and_(silent, builder.icmp_signed("<", done, last)), loop, end)
            builder.position_at_end(end)
            done = builder.load(step, typ=kind)
            silent = builder.icmp_unsigned("==", builder.load(any_fired, typ=byte), ir.Constant(byte, 0))
            return builder.select(silent, done, builder.neg(done))

        return types.int64(
            filters, ready, decay, drive, noise, fired,
            types.float64, types.float64, types.float64, types.float64, types.int64, types.int64, types.int64, types.int64,
        ), generate  # fmt: skip

    return run


_run_leaky, _run_quadratic = _steps(False), _steps(True)


@compiled
def run_steps(
    quadratic: bool,
    filters: Float[np.ndarray, "7 N"],
    ready: Float[np.ndarray, " N"],
    decay: Float[np.ndarray, " N"],
    drive: Float[np.ndarray, "columns N"],
    noise: Float[np.ndarray, "steps N"],
    fired: UInt[np.ndarray, " vectors"],
    numbers: tuple[float, float, float, float],
    column: int,
    row: int,
    first: int,
    last: int,
) -> int:
    """Advance membranes and synapses until a unit fires.

    Args:
        quadratic: whether units are QIF, not LIF.
        filters: v, ipsc, h and four rows that are not read here (7, N), mV, mV/s, spikes/s; updated. N is padded.
        ready: last step of each unit's refractory period (N,), steps.
        decay: factor of synapses onto a unit (N,), per step.
        drive: external input (columns, N), mV.
        noise: (steps, N), mV, float32.
        fired: receives one bit per unit, set for those that reach the threshold in the last of the steps (N / LANES,).
        numbers: gain dt / tau_m (unitless), dt (s), factor of the rising part per step (unitless), threshold (mV).
        column: of the drive.
        row: of the noise in step `first`.
        first: first step, from 0.
        last: first step after them, above `first`.

    Returns:
        the first step that was not run, negative if a unit fired in the one before.

    Raises:
        IndexError: arrays do not belong together; only where bounds are checked.

    Source:
        docs/model.md 5.2, equations 8 and 9.
    """
    if BOUNDS_CHECKED:
        N = ready.size
        if N % LANES or filters.shape != (7, N) or decay.size != N or drive.shape[1] != N or noise.shape[1] != N:
            raise IndexError("arrays of units differ in length")
        if fired.size * LANES != N or not 0 <= column < len(drive) or row < 0 or row + last - first > len(noise):
            raise IndexError("steps lie outside their arrays")
    gain, dt, rise, threshold = numbers
    if quadratic:
        return _run_quadratic(  # type: ignore[call-arg]  # Numba adds the context
            filters, ready, decay, drive, noise, fired, gain, dt, rise, threshold, column, row, first, last
        )
    return _run_leaky(  # type: ignore[call-arg]
        filters, ready, decay, drive, noise, fired, gain, dt, rise, threshold, column, row, first, last
    )
