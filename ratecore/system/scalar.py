"""Elementary functions that LLVM can vectorise: written as plain arithmetic, since a call of libm keeps a loop scalar.

In float32 they are polynomials with a relative error below 3e-7; in float64 they are libm's.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from ratecore.system.compilation import FAST, compiled


@intrinsic
def _power_of_two(typing_context, k):
    """2^k for a whole float32 k in [-126, 127], made from its bits."""

    def generate(context, builder, signature, args):
        int32 = ir.IntType(32)
        exponent = builder.add(builder.fptosi(args[0], int32), ir.Constant(int32, 127))
        return builder.bitcast(builder.shl(exponent, ir.Constant(int32, 23)), ir.FloatType())

    return types.float32(types.float32), generate


@intrinsic
def _exponent(typing_context, x):
    """The exponent of a positive normal float32 as float32: floor(log2 x)."""

    def generate(context, builder, signature, args):
        int32 = ir.IntType(32)
        bits = builder.lshr(builder.bitcast(args[0], int32), ir.Constant(int32, 23))
        return builder.sitofp(builder.sub(bits, ir.Constant(int32, 127)), ir.FloatType())

    return types.float32(types.float32), generate


@intrinsic
def _mantissa(typing_context, x):
    """The mantissa of a positive normal float32, in [1, 2)."""

    def generate(context, builder, signature, args):
        int32 = ir.IntType(32)
        bits = builder.and_(builder.bitcast(args[0], int32), ir.Constant(int32, 0x007FFFFF))
        return builder.bitcast(builder.or_(bits, ir.Constant(int32, 0x3F800000)), ir.FloatType())

    return types.float32(types.float32), generate


@compiled
def _exp32(x):
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
    return p * _power_of_two(k)


@compiled
def _log1p32(x):
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
def log32(x):
    """log of a positive normal float32: the exponent's part and 2 atanh((m - 1) / (m + 1)) of the mantissa m."""
    f32 = np.float32
    m, e = _mantissa(x), _exponent(x)
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


def exp_of_negative(x):
    """e^x for x <= 0."""
    return math.exp(x)


def log1p_of_fraction(x):
    """log(1 + x) for 0 <= x <= 1."""
    return math.log1p(x)


@overload(exp_of_negative, jit_options={"fastmath": FAST, "forceinline": True})
def _exp_overload(x):
    return (lambda x: _exp32(x)) if x == types.float32 else (lambda x: math.exp(x))


@overload(log1p_of_fraction, jit_options={"fastmath": FAST, "forceinline": True})
def _log1p_overload(x):
    return (lambda x: _log1p32(x)) if x == types.float32 else (lambda x: math.log1p(x))
