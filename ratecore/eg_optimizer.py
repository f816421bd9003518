"""The `rate` package's import path of its optimizer for positive weights."""

from ratecore.compat.exponentiated import ExponentiatedGradient

__all__ = ["ExponentiatedGradient"]
