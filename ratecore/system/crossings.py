"""When courses over time first pass a threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int


def first_crossings(
    courses: Float[np.ndarray, "B T"],
    threshold: float | Float[np.ndarray, " B"],
    onsets: int | Int[np.ndarray, " B"] | Sequence[int] = 0,
) -> Float[np.ndarray, " B"]:
    """Find when courses first pass a threshold, on either side.

    Args:
        courses: (B, T), unitless; NaN, as after the end of shorter ones, passes nothing.
        threshold: absolute value that each course (B,), or all, must pass, unitless.
        onsets: step of each course (B,), or of all, from which steps count and before which nothing counts.

    Returns:
        steps (B,) from the onset on, 0 for a course that is beyond the threshold from the start; NaN for one that never
        is.

    Raises:
        ValueError: a threshold that is not above 0, or courses of another shape.

    Source: none
    """
    if np.ndim(courses) != 2:
        raise ValueError(f"o has shape {np.shape(courses)}; it must be (B, T), one output for each trial")
    B, T = courses.shape
    bounds = np.broadcast_to(np.asarray(threshold, float), (B,))
    for bound in bounds[~((bounds > 0) & (bounds < math.inf))][:1].tolist():
        raise ValueError(f"threshold = {bound!r}; it must be a finite number above 0")
    first = np.broadcast_to(np.asarray(onsets, int), (B,))
    beyond = (np.abs(courses) > bounds[:, None]) & (np.arange(T) >= first[:, None])
    return np.where(beyond.any(1), beyond.argmax(1) - first, np.nan)
