"""Elementary functions that LLVM can vectorise: plain arithmetic, since a loop that calls libm stays scalar.

In float32 they are polynomials with a relative error below 3e-7; in float64 they are libm's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from ratecore.system.compilation import FAST, compiled

# What an intrinsic returns: its signature and a function that writes its instructions; neither has types.
Intrinsic = tuple[Any, Callable[[Any, Any, Any, Any], Any]]


@intrinsic
def _power_of_two(typing_context: Any, k: Any) -> Intrinsic:
    """2^k for an integer-valued float32 k in [-126, 127], made from its bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        int32 = ir.IntType(32)
        exponent = builder.add(builder.fptosi(args[0], int32), ir.Constant(int32, 127))
        return builder.bitcast(builder.shl(exponent, ir.Constant(int32, 23)), ir.FloatType())

    return types.float32(types.float32), generate


@intrinsic
def _exponent(typing_context: Any, x: Any) -> Intrinsic:
    """The exponent of a positive normal float32 as float32: floor(log2 x)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        int32 = ir.IntType(32)
        bits = builder.lshr(builder.bitcast(args[0], int32), ir.Constant(int32, 23))
        return builder.sitofp(builder.sub(bits, ir.Constant(int32, 127)), ir.FloatType())

    return types.float32(types.float32), generate


@intrinsic
def _mantissa(typing_context: Any, x: Any) -> Intrinsic:
    """The mantissa of a positive normal float32, in [1, 2)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        int32 = ir.IntType(32)
        bits = builder.and_(builder.bitcast(args[0], int32), ir.Constant(int32, 0x007FFFFF))
        return builder.bitcast(builder.or_(bits, ir.Constant(int32, 0x3F800000)), ir.FloatType())

    return types.float32(types.float32), generate


@compiled
def _exp32(x: np.float32) -> np.float32:
    """e^x for x <= 0: 2^k e^f with |f| <= ln(2)/2, e^f by its Taylor polynomial of degree 7."""
    f32 = np.float32
    x = max(x, f32(-87.0))
    k = np.floor(x * f32(1.44269504) + f32(0.5))
    f = (x - k * f32(0.693359375)) + k * f32(2.12194440e-4)
    p = f32(1 / 5040)
    p = p * f + f32(1 / 720)
    p = p * f + f32(1 / 120)
    p = p * f + f32(1 / 24)
    p = p * f + f32(1 / 6)
    p = p * f + f32(0.5)
    p = p * f + f32(1.0)
    p = p * f + f32(1.0)
    return p * _power_of_two(k)  # type: ignore[call-arg, no-any-return]  # Numba adds the context


@compiled
def _log1p32(x: np.float32) -> np.float32:
    """log(1 + x) for 0 <= x <= 1: 2 atanh(s) with s = x / (2 + x) <= 1/3, by its series to s^15."""
    f32 = np.float32
    s = x / (f32(2.0) + x)
    q = s * s
    p = f32(1 / 15)
    p = p * q + f32(1 / 13)
    p = p * q + f32(1 / 11)
    p = p * q + f32(1 / 9)
    p = p * q + f32(1 / 7)
    p = p * q + f32(1 / 5)
    p = p * q + f32(1 / 3)
    p = p * q + f32(1.0)
    return f32(2.0) * s * p


@compiled
def log32(x: np.float32) -> np.float32:
    """Natural logarithm: the exponent's part and 2 atanh((m - 1) / (m + 1)) of the mantissa m.

    Args:
        x: positive and normal, unitless.

    Returns:
        log(x), unitless.

    Source: none
    """
    f32 = np.float32
    m: np.float32 = _mantissa(x)  # type: ignore[call-arg]  # Numba adds the context
    e: np.float32 = _exponent(x)
    high = m > f32(1.41421356)
    m = m * f32(0.5) if high else m
    e = e + f32(1.0) if high else e
    s = (m - f32(1.0)) / (m + f32(1.0))
    q = s * s
    p = f32(1 / 11)
    p = p * q + f32(1 / 9)
    p = p * q + f32(1 / 7)
    p = p * q + f32(1 / 5)
    p = p * q + f32(1 / 3)
    p = p * q + f32(1.0)
    return f32(2.0) * s * p + e * f32(0.693147181)


def exp_of_negative(x: float) -> float:
    """Exponential of a number that is not positive.

    Args:
        x: at most 0, unitless.

    Returns:
        e^x, unitless.

    Source: none
    """
    return math.exp(x)


def log1p_of_fraction(x: float) -> float:
    """Logarithm of one plus a fraction.

    Args:
        x: in [0, 1].

    Returns:
        log(1 + x), unitless.

    Source: none
    """
    return math.log1p(x)


@overload(exp_of_negative, jit_options={"fastmath": FAST, "forceinline": True})
def _exp_overload(x):  # type: ignore[no-untyped-def]  # Numba wants the signature of what it returns, types included
    return (lambda x: _exp32(x)) if x == types.float32 else (lambda x: math.exp(x))


@overload(log1p_of_fraction, jit_options={"fastmath": FAST, "forceinline": True})
def _log1p_overload(x):  # type: ignore[no-untyped-def]  # as above
    return (lambda x: _log1p32(x)) if x == types.float32 else (lambda x: math.log1p(x))
