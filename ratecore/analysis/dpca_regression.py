"""The reduced-rank regression of demixed principal components (Kobak et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int


def common_times(
    trials: Float[np.ndarray, "B T N"], cell: Int[np.ndarray, " B"], least: int
) -> tuple[Float[np.ndarray, "B kept N"], Int[np.ndarray, " kept"]]:
    """Find the times at which every condition has enough trials.

    Args:
        trials: (B, T, N), unitless; NaN after their end.
        cell: number of the condition of each trial (B,).
        least: trials that each condition needs.

    Returns:
        the trials at these times (B, T, N), and their steps (T,).

    Raises:
        ValueError: there is no such time.

    Source: none
    """
    lasting = ~np.isnan(trials).any(2)
    n = np.array([lasting[cell == k].sum(0) for k in np.unique(cell)])
    steps = np.flatnonzero((n >= least).all(0))
    if not len(steps):
        raise ValueError(
            f"activity: at no time does every condition have {least} trials; take trials of similar length"
        )
    return trials[:, steps], steps


def means_of(
    trials: Float[np.ndarray, "B T N"], cell: Int[np.ndarray, " B"], shape: tuple[int, ...]
) -> tuple[Float[np.ndarray, "*P T N"], Float[np.ndarray, " N"]]:
    """Condition means without the mean of each unit over conditions and times, and that mean."""
    """Average the trials of each condition.

    Args:
        trials: (B, T, N), unitless; every condition has a trial at each time.
        cell: number of the condition of each trial (B,).
        shape: number of values of each parameter.

    Returns:
        condition means without the mean of each unit (*P, T, N), and this mean (N,), unitless.

    Source:
        Kobak et al. 2016, Methods, "Marginalization procedure".
    """
    each = np.stack([np.nanmean(trials[cell == k], 0) for k in range(int(np.prod(shape)))])
    mean = each.mean((0, 1))
    return (each - mean).reshape(*shape, *each.shape[1:]), mean


def gram(
    trials: Float[np.ndarray, "B T N"], cell: Int[np.ndarray, " B"], means: Float[np.ndarray, "*P T N"], noise: bool
) -> Float[np.ndarray, "N N"]:
    """X X^T of the condition means, plus that of the noise, the mean over the trials of each condition.

    Args:
        trials: (B, T, N), unitless.
        cell: number of the condition of each trial (B,).
        means: condition means (*P, T, N), unitless.
        noise: whether that of the noise is added.

    Returns:
        (N, N), unitless.

    Source:
        Kobak et al. 2016, Methods, "Noise".
    """
    N = means.shape[-1]
    flat = means.reshape(-1, *means.shape[-2:])
    centred = (flat - flat.mean((0, 1))).reshape(-1, N)
    total: Float[np.ndarray, "N N"] = centred.T @ centred
    if noise:
        for k, mean in enumerate(flat):
            deviations = trials[cell == k] - mean
            weights = 1 / (~np.isnan(deviations[:, :, 0])).sum(0)
            weighted = (np.nan_to_num(deviations) * np.sqrt(weights)[None, :, None]).reshape(-1, N)
            total += weighted.T @ weighted
    return total


def inverses(
    gram: Float[np.ndarray, "N N"], penalties: Sequence[float], variance: float
) -> list[Float[np.ndarray, "N N"]]:
    """(X X^T + mu)^-1 for each penalty; without penalty, directions without activity are left out.

    Args:
        gram: X X^T (N, N), unitless.
        penalties: mu as fractions of the variance.
        variance: of the condition means, unitless.

    Returns:
        (N, N) for each, unitless.

    Source:
        Kobak et al. 2016, Methods, "Regularization".
    """
    sizes, vectors = np.linalg.eigh(gram)
    found = []
    for penalty in penalties:
        regularised = sizes + penalty * variance
        used = regularised > 1e-12 * regularised[-1]
        found.append((vectors[:, used] / regularised[used]) @ vectors[:, used].T)
    return found


def reduced(
    part: Float[np.ndarray, "*P T N"], means: Float[np.ndarray, "*P T N"]
) -> tuple[Float[np.ndarray, "R N"], Float[np.ndarray, "R N"]]:
    """An orthonormal basis of the dimensions of a marginalisation, and X_m X^T with its rows in this basis.

    A marginalisation is constant along the parameters that are not its own, and sums to 0 along its own. In contrasts of
    conditions, most of its rows are therefore 0, and what is left is much smaller.

    Args:
        part: the marginalisation X_m (*P, T, N), unitless.
        means: condition means X (*P, T, N), unitless.

    Returns:
        basis (R, N) and product (R, N), unitless.

    Source: none
    """
    rows, others = _contrasts(part), _contrasts(means)
    sizes = np.square(rows).sum(1)
    kept = sizes > 1e-26 * sizes.max()
    left, sizes, right = np.linalg.svd(rows[kept], full_matrices=False)
    used = np.square(sizes) > 1e-13 * np.square(sizes[:1])
    return right[used], (left[:, used] * sizes[used]).T @ others[kept]


def _contrasts(values: Float[np.ndarray, "*P T N"]) -> Float[np.ndarray, "S N"]:
    """Rows in an orthonormal basis of each parameter's values, whose first vector is constant."""
    for axis in range(values.ndim - 2):
        n = values.shape[axis]
        basis = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, 1:]]))[0]
        values = np.moveaxis(np.tensordot(basis.T, values, (1, axis)), 0, axis)
    return np.ascontiguousarray(values).reshape(-1, values.shape[-1])


def reduced_rank(
    in_basis: tuple[Float[np.ndarray, "R N"], Float[np.ndarray, "R N"]], inverse: Float[np.ndarray, "N N"], n: int
) -> tuple[Float[np.ndarray, "K N"], Float[np.ndarray, "K N"]]:
    """Decoders and encoders (K, N) of one marginalisation, by reduced-rank ridge regression.

    With A = X_m X^T (X X^T + mu)^-1, the full-rank solution, the encoders are the leading eigenvectors of
    A (X X^T + mu) A^T, and the decoders are F^T A. X_m X^T has no contribution of the noise, whose mean is 0. All of
    this is computed in the R dimensions that X_m has, which are much fewer than units.

    Args:
        in_basis: as of `reduced`, (R, N) each, unitless.
        inverse: (X X^T + mu)^-1 (N, N), unitless.
        n: components, at most.

    Returns:
        decoders and encoders (K, N), unitless.

    Source:
        Kobak et al. 2016, Methods, "dPCA".
    """
    basis, cross = in_basis
    if not len(cross):
        return cross, cross
    A = cross @ inverse
    sizes, vectors = np.linalg.eigh(A @ cross.T)
    sizes, vectors = sizes[-n:], vectors[:, -n:]
    order = [k for k in range(len(sizes) - 1, -1, -1) if sizes[k] > 1e-10 * max(sizes[-1], 0)]
    q = vectors[:, order].T
    F = q @ basis
    signs = np.where(F[np.arange(len(F)), np.abs(F).argmax(1)] < 0, -1.0, 1.0) if len(F) else np.ones(0)
    return signs[:, None] * (q @ A), signs[:, None] * F


def gains(
    X: Float[np.ndarray, "S M"], D: Float[np.ndarray, "K M"], F: Float[np.ndarray, "K M"]
) -> Float[np.ndarray, " K"]:
    """Compute the variance that each component explains: |X|^2 - |X - f d X|^2 with unit vectors f.

    Args:
        X: condition means (S, M), unitless.
        D: decoders (K, M), unitless.
        F: encoders (K, M), unitless.

    Returns:
        (K,), unitless.

    Source:
        Kobak et al. 2016, Methods.
    """
    read = X @ D.T
    found: Float[np.ndarray, " K"] = 2 * np.einsum("sk,sk->k", X @ F.T, read) - np.square(read).sum(0)
    return found
