"""Whether a measure of networks rises or falls over ordered groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ratecore.analysis.intervals import LEAST, Estimate, TooFewError, unseen

REPEATS, AT_ONCE = 2000, 100  # samples of the bootstrap, and of them in memory


def trend(
    groups: Sequence[Float[np.ndarray, " _"]], paired: bool = False, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Somers' D of a measure over ordered groups, with a bootstrap interval over networks.

    Of all pairs of networks from two groups, the share in which the one of the later group has more, minus the share
    in which it has less. D is the statistic of the Jonckheere-Terpstra test, scaled to [-1, 1]: it assumes neither
    straight lines nor normal values, and ties, such as networks that stop at the same test, count as neither.

    Networks are resampled within their group (of pairs: the same ones in all groups); the interval is that of
    percentiles. If all networks have the same value, resampling leaves 0 only: the interval is then what n equal values
    leave open, the probability that at least one network of a pair has another value (`intervals.unseen`).

    Args:
        groups: (n,) values of each group, in the order of the groups, in units of the measure.
        paired: whether value k of each group is of the same network.
        confidence: of the interval, in (0, 1).
        seed: of the bootstrap.

    Returns:
        D, in [-1, 1].

    Raises:
        TooFewError: a group of fewer than 5 networks.

    Source:
        Somers 1962, American Sociological Review 27:799; Jonckheere 1954, Biometrika 41:133.
    """
    sizes = [len(values) for values in groups]
    if min(sizes) < LEAST:
        raise TooFewError(f"a group has {min(sizes)} networks with a value; the bootstrap needs {LEAST} in each")
    if np.ptp(np.concatenate(groups)) == 0:
        left = 1 - (1 - unseen(min(sizes), confidence)) ** 2
        return Estimate(0.0, -left, left, min(sizes), power=1.0)
    pairs = (sum(sizes) ** 2 - sum(n * n for n in sizes)) / 2
    rng, found = np.random.default_rng(seed), list[Float[np.ndarray, " repeats"]]()
    for _ in range(0, REPEATS, AT_ONCE):
        drawn = [_resampled(n, rng) for n in sizes[: 1 if paired else None]]
        found.append(_more_minus_less(groups, drawn * len(groups) if paired else drawn))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(found) / pairs, [tail, 1 - tail])
    (value,) = _more_minus_less(groups, [np.ones((1, n)) for n in sizes]) / pairs
    return Estimate(float(value), float(low), float(high), min(sizes))


def _resampled(n: int, rng: np.random.Generator) -> Float[np.ndarray, "repeats n"]:
    """How often each of n networks is in each sample of the bootstrap."""
    return rng.multinomial(n, np.full(n, 1 / n), AT_ONCE).astype(float)


def _more_minus_less(
    groups: Sequence[Float[np.ndarray, " _"]], weights: Sequence[Float[np.ndarray, "repeats _"]]
) -> Float[np.ndarray, " repeats"]:
    """In how many pairs the network of the later group has more, minus in how many it has less."""
    total = np.zeros(len(weights[0]))
    for k in range(1, len(groups)):
        earlier, weight = np.concatenate(groups[:k]), np.concatenate(weights[:k], axis=1)
        order = np.argsort(earlier, kind="stable")
        counts = np.cumsum(np.pad(weight[:, order], ((0, 0), (1, 0))), axis=1)
        below, not_above = (counts[:, np.searchsorted(earlier[order], groups[k], side)] for side in ("left", "right"))
        total += np.sum((below + not_above - counts[:, -1:]) * weights[k], axis=1)
    return total
