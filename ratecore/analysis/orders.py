"""Whether a measure of networks rises or falls over ordered groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ratecore.analysis.intervals import Estimate, TooFewError

REPEATS = 2000  # of the bootstrap
LEAST = 5  # networks of a group below which a bootstrap says little: of 5 there are 126 different samples


def trend(
    groups: Sequence[Float[np.ndarray, " _"]], paired: bool = False, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Somers' D of a measure over ordered groups, with a bootstrap interval over networks.

    Of all pairs of networks from two groups, the share in which the one of the later group has more, minus the share
    in which it has less. D is the statistic of the Jonckheere-Terpstra test, scaled to [-1, 1]: it assumes neither
    straight lines nor normal values, and ties, such as networks that stop at the same test, count as neither.

    Networks are resampled within their group (of pairs: the same ones in all groups); the interval is that of
    percentiles.

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
    y, group = np.concatenate(groups), np.repeat(np.arange(len(groups)), sizes)
    signs = np.sign(y[None, :] - y[:, None]) * (group[None, :] > group[:, None])
    pairs = (sum(sizes) ** 2 - sum(n * n for n in sizes)) / 2
    rng = np.random.default_rng(seed)
    if paired:
        weights = np.tile(_resampled(sizes[0], rng), len(groups))
    else:
        weights = np.concatenate([_resampled(n, rng) for n in sizes], axis=1)
    found = np.einsum("rn,rn->r", weights @ signs, weights) / pairs
    tail = (1 - confidence) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return Estimate(float(signs.sum() / pairs), float(low), float(high), min(sizes))


def _resampled(n: int, rng: np.random.Generator) -> Float[np.ndarray, "repeats n"]:
    """How often each of n networks is in each sample of the bootstrap."""
    return rng.multinomial(n, np.full(n, 1 / n), REPEATS).astype(float)
