"""Normal noise from the random words of a numpy generator, by vector instructions.

numpy draws normal numbers one by one, by rejection. Here each word of 32 bits becomes a normal number by the inverse of
the normal distribution (Giles, GPU Computing Gems 2, 2011, single precision): plain arithmetic that LLVM vectorises.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt32

from ratecore.system.compilation import compiled
from ratecore.system.scalar import log32


@compiled
def normal_of_word(word: np.uint32) -> np.float32:
    """One standard normal number: sqrt(2) erfinv(x) with x uniform in (-1, 1).

    Args:
        word: 32 random bits, from which x is made.

    Returns:
        N(0, 1), unitless.

    Source:
        Giles, Approximating the erfinv function, GPU Computing Gems 2, 2011.
    """
    f32 = np.float32
    # 23 bits and a half: symmetric about 0, never -1 or 1, and exact in float32.
    x = (f32(np.int32(word >> np.uint32(9))) + f32(0.5)) * f32(2.0**-22) - f32(1.0)
    w = -log32((f32(1.0) - x) * (f32(1.0) + x))
    v = w - f32(2.5)
    p = f32(2.81022636e-08)
    p = p * v + f32(3.43273939e-07)
    p = p * v + f32(-3.5233877e-06)
    p = p * v + f32(-4.39150654e-06)
    p = p * v + f32(0.00021858087)
    p = p * v + f32(-0.00125372503)
    p = p * v + f32(-0.00417768164)
    p = p * v + f32(0.246640727)
    p = p * v + f32(1.50140941)
    s = np.sqrt(max(w, f32(0.0))) - f32(3.0)
    q = f32(-0.000200214257)
    q = q * s + f32(0.000100950558)
    q = q * s + f32(0.00134934322)
    q = q * s + f32(-0.00367342844)
    q = q * s + f32(0.00573950773)
    q = q * s + f32(-0.0076224613)
    q = q * s + f32(0.00943887047)
    q = q * s + f32(1.00167406)
    q = q * s + f32(2.83297682)
    return f32(1.41421356) * x * (p if w < f32(5.0) else q)


@compiled
def fill_normal(words: UInt32[np.ndarray, " n"], scale: np.float32, out: Float32[np.ndarray, " n"]) -> None:
    """Fill `out` with normal numbers, one for each word.

    Args:
        words: random bits (n,).
        scale: standard deviation of the numbers, in the unit of `out` (unitless here).
        out: filled with N(0, scale^2) (n,), unitless.

    Source:
        Giles, Approximating the erfinv function, GPU Computing Gems 2, 2011.
    """
    for i in range(out.size):
        out[i] = scale * normal_of_word(words[i])


def normal(rng: np.random.Generator, scale: float, out: Float32[np.ndarray, "*n"]) -> Float32[np.ndarray, "*n"]:
    """Fill `out` with normal numbers from the next words of `rng`.

    Args:
        rng: source of the random bits.
        scale: standard deviation of the numbers, in the unit of `out` (unitless here).
        out: writable, contiguous float32 array of any shape, filled with N(0, scale^2), unitless.

    Returns:
        `out`, any shape, unitless.

    Raises:
        ValueError: `out` is of another kind, so that a copy would be filled instead of it.

    Source:
        Giles, Approximating the erfinv function, GPU Computing Gems 2, 2011; docs/model.md 1.1 (noise).
    """
    if out.dtype != np.float32 or not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError(
            f"out is {out.dtype} with strides {out.strides}; it must be a writable, contiguous float32 array"
        )
    raw = rng.bit_generator
    words: UInt32[np.ndarray, " n"]
    if isinstance(raw, np.random.MT19937):  # its raw words have 32 bits, not 64
        words = rng.integers(0, 2**32, out.size, np.uint32)
    else:
        words = raw.random_raw((out.size + 1) // 2).view(np.uint32)
    fill_normal(words, np.float32(scale), out.reshape(-1))
    return out
