"""The noise of spiking units: generators side by side in the lanes of a vector, with the state of each in a register.

A vector of 16 units draws all words of some steps before the next one does. The inverse of the normal distribution is
that of `ratecore.system.noise`. Its second polynomial, for the 0.3 % of numbers beyond 2.9 SD, is evaluated only for
vectors that have such a number, which saves the square root and a third of the arithmetic in 19 of 20.
"""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
from jaxtyping import Float, UInt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from ratecore.system.compilation import BOUNDS_CHECKED, compiled

PADDING = 16  # lanes of a vector; units are padded to a multiple of it
WARM_UP = 16  # words of a generator that are discarded, so that similar seeds give unrelated noise
_FUSED = platform.machine() in ("aarch64", "arm64") or "+fma" in cpu_target.target_context.codegen().magic_tuple()[2]
_LN2, _SQRT2 = 0.693147181, 1.41421356
# Giles's polynomials in w - 2.5 for w < 5, and in sqrt(w) - 3 above; the highest power first
_CENTRAL = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164,
    0.246640727, 1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
    1.00167406, 2.83297682,
)  # fmt: skip
# Of 2 atanh(s) = 2 s (1 + s^2 / 3 + s^4 / 5 ...)
_ATANH = (1 / 11, 1 / 9, 1 / 7, 1 / 5, 1 / 3, 1.0)


class _Vectors:
    """Writes instructions on vectors of `PADDING` words or float32 numbers."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.single, self.word = ir.FloatType(), ir.IntType(32)
        self.floats, self.words = ir.VectorType(self.single, PADDING), ir.VectorType(self.word, PADDING)

    def number(self, value: float) -> Any:
        return ir.Constant(self.floats, [float(np.float32(value))] * PADDING)

    def integer(self, value: int) -> Any:
        return ir.Constant(self.words, [value & 0xFFFFFFFF] * PADDING)

    def at(self, array: Any, scalar: Any, kind: Any, k: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(array, [k], source_etype=scalar), kind.as_pointer())

    def load_words(self, array: Any, k: Any) -> Any:
        return self.builder.load(self.at(array, self.word, self.words, k), typ=self.words, align=4)

    def store_words(self, value: Any, array: Any, k: Any) -> None:
        self.builder.store(value, self.at(array, self.word, self.words, k), align=4)

    def store(self, value: Any, array: Any, k: Any) -> None:
        self.builder.store(value, self.at(array, self.single, self.floats, k), align=4)

    def all_lanes(self, number: Any, kind: Any) -> Any:
        undefined = ir.Constant(kind, ir.Undefined)
        one = self.builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(one, undefined, ir.Constant(self.words, None))

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a b + c, rounded once where the processor has such an instruction."""
        if not _FUSED:  # LLVM would call a function for each lane
            return self.builder.fadd(self.builder.fmul(a, b), c)
        kind = ir.FunctionType(self.floats, [self.floats] * 3)
        return self.builder.call(self.builder.module.declare_intrinsic(f"llvm.fma.v{PADDING}f32", fnty=kind), [a, b, c])

    def polynomial(self, coefficients: tuple[float, ...], x: Any) -> Any:
        found = self.number(coefficients[0])
        for c in coefficients[1:]:
            found = self.fma(found, x, self.number(c))
        return found

    def logarithm(self, x: Any) -> Any:
        """The natural logarithm, as `log32`: the exponent's part and 2 atanh((m - 1) / (m + 1)) of the mantissa m."""
        b = self.builder
        bits = b.bitcast(x, self.words)
        mantissa = b.or_(b.and_(bits, self.integer(0x007FFFFF)), self.integer(0x3F800000))
        m = b.bitcast(mantissa, self.floats)
        high = b.fcmp_ordered(">", m, self.number(_SQRT2))
        m = b.select(high, b.fmul(m, self.number(0.5)), m)
        exponent = b.add(b.lshr(bits, self.integer(23)), b.select(high, self.integer(-126), self.integer(-127)))
        rest = b.fmul(b.sitofp(exponent, self.floats), self.number(_LN2))
        s = b.fdiv(b.fadd(m, self.number(-1.0)), b.fadd(m, self.number(1.0)))
        return self.fma(self.polynomial(_ATANH, b.fmul(s, s)), b.fadd(s, s), rest)


def _next_word(on: _Vectors, a: Any, b: Any, c: Any, count: Any) -> tuple[Any, Any, Any, Any]:
    """The next word of SFC32 and its new state; additions, shifts and one rotation."""
    of = on.builder
    word = of.add(of.add(a, b), count)
    rotated = of.or_(of.shl(c, on.integer(21)), of.lshr(c, on.integer(11)))
    return (
        word,
        of.xor(b, of.lshr(b, on.integer(9))),
        of.add(c, of.shl(c, on.integer(3))),
        of.add(rotated, word),
    )


def _normal(on: _Vectors, word: Any, scale: Any) -> Any:
    """Normal numbers of words, times the scale."""
    b = on.builder
    # 23 bits and a half: x is symmetric about 0, never -1 or 1. It appears in three forms, of which each is rounded once
    f = b.sitofp(b.lshr(word, on.integer(9)), on.floats)
    t = b.fmul(f, on.number(2.0**-22))
    product = b.fmul(b.fsub(on.number(2 - 2.0**-23), t), b.fadd(t, on.number(2.0**-23)))  # (1 - x) (1 + x)
    log = on.logarithm(product)  # -w
    central = on.polynomial(_CENTRAL, b.fsub(on.number(-2.5), log))
    is_central = b.fcmp_ordered(">", log, on.number(-5.0))
    found = cgutils.alloca_once(b, on.floats)
    b.store(central, found)
    few = b.icmp_unsigned("!=", b.bitcast(is_central, ir.IntType(PADDING)), ir.Constant(ir.IntType(PADDING), -1))
    with b.if_then(few, likely=False):
        w = b.fneg(log)
        kind = ir.FunctionType(on.floats, [on.floats])
        root = b.call(b.module.declare_intrinsic(f"llvm.sqrt.v{PADDING}f32", fnty=kind), [w])
        tail = on.polynomial(_TAIL, b.fadd(root, on.number(-3.0)))
        b.store(b.select(is_central, central, tail), found)
    x = on.fma(f, on.number(_SQRT2 * 2.0**-22), on.number(SMALLEST))  # sqrt(2) x
    return b.fmul(b.fmul(x, scale), b.load(found, typ=on.floats))


SMALLEST = float(np.float32(_SQRT2) * np.float32(2.0**-23 - 1.0))  # sqrt(2) x of the word 0


@intrinsic
def _fill(typing_context: Any, generators: Any, counter: Any, scale: Any, noise: Any) -> tuple[Any, Any]:
    """As `fill_noise`, without the counter."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state = context.make_array(signature.args[0])(context, builder, args[0])
        out = context.make_array(signature.args[3])(context, builder, args[3])
        on, kind = _Vectors(builder), args[1].type
        steps, units = cgutils.unpack_tuple(builder, out.shape, 2)
        places = [builder.mul(units, ir.Constant(kind, k)) for k in range(3)]
        scale, zero, one = on.all_lanes(args[2], on.floats), ir.Constant(kind, 0), ir.Constant(kind, 1)
        rows = [cgutils.alloca_once(builder, on.words) for _ in range(3)]
        with cgutils.for_range_slice(builder, zero, units, ir.Constant(kind, PADDING)) as (j, _):
            for place, row in zip(places, rows, strict=True):
                builder.store(on.load_words(state.data, builder.add(place, j)), row)
            with cgutils.for_range_slice(builder, zero, steps, one) as (t, _):
                count = on.all_lanes(builder.trunc(builder.add(args[1], t), on.word), on.words)
                word, *after = _next_word(on, *(builder.load(row, typ=on.words) for row in rows), count)
                for value, row in zip(after, rows, strict=True):
                    builder.store(value, row)
                on.store(_normal(on, word, scale), out.data, builder.add(builder.mul(t, units), j))
            for place, row in zip(places, rows, strict=True):
                on.store_words(builder.load(row, typ=on.words), state.data, builder.add(place, j))
        return context.get_dummy_value()

    return types.void(generators, types.int64, types.float32, noise), generate


@compiled
def fill_noise(
    generators: UInt[np.ndarray, "3 units"], counter: int, scale: float | np.float32, noise: Float[np.ndarray, "steps units"]
) -> int:
    """Draw the noise of the next steps, a normal number from a word of each unit's generator.

    Args:
        generators: 96 bits per generator (3, units), updated; a multiple of `PADDING`.
        counter: shared by all generators.
        scale: SD, mV.
        noise: receives the numbers (steps, units), mV, float32.

    Returns:
        the counter for the next call.

    Raises:
        IndexError: arrays do not belong together; only where bounds are checked.

    Source:
        docs/model.md 5.2; Giles, Approximating the erfinv function, GPU Computing Gems 2, 2011.
    """
    if BOUNDS_CHECKED and (noise.shape[1] % PADDING or generators.shape != (3, noise.shape[1])):
        raise IndexError("generators and noise differ in length")
    _fill(generators, counter, np.float32(scale), noise)  # type: ignore[call-arg]  # Numba adds the context
    return counter + len(noise)
