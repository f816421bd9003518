"""Demixed principal components: activity taken apart by time, stimulus, decision ... (Kobak et al. 2016)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

from ratecore.analysis.dpca_regression import common_times, gains, gram, inverses, means_of, reduced, reduced_rank
from ratecore.analysis.trials import activity_of, full_design, units_there

TIME = "time"
PENALTIES = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # tried by cross-validation
Parts = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class DemixedComponents:
    """Components of each marginalisation.

    Attributes:
        values: the values of each parameter, in the order of the axes of `means`.
        decoders: by marginalisation, D (K, N), which read components from activity, unitless.
        encoders: by marginalisation, F (K, N), unit vectors along which a component adds to activity, unitless.
        explained: by marginalisation, share of the variance of the condition means that each component explains (K,),
            fractions.
        content: by marginalisation, variance of each component's readout by marginalisation (K, M), fractions that add
            up to 1, in the order of `shares`.
        shares: by marginalisation, its share of the variance of the condition means, fractions that add up to 1.
        mean: mean activity of each unit over all conditions and times (N,), unitless.
        means: condition means without it (*P, T, N): an axis for each parameter, then time, then units; unitless.
        steps: step of each of the T times, since those at which a condition has no trial are left out (T,).
        penalty: regularisation mu as a fraction of the variance of the condition means, unitless.
        losses: cross-validated loss for each penalty tried (L, 2): penalty and loss, unitless; none without
            cross-validation.
    """

    values: dict[str, list[Any]]
    decoders: Parts
    encoders: Parts
    explained: Parts
    content: Parts
    shares: dict[str, float]
    mean: Float[np.ndarray, " N"]
    means: Float[np.ndarray, "*P T N"]
    steps: Int[np.ndarray, " T"]
    penalty: float
    losses: Float[np.ndarray, "L 2"] = field(default_factory=lambda: np.zeros((0, 2)))

    def project(self, activity: ArrayLike) -> Parts:
        """Read the components from activity, also activity from which they were not computed.

        Args:
            activity: (..., N), units last, unitless: trials or condition means.

        Returns:
            By marginalisation (..., K), unitless; NaN after the end of shorter trials.

        Raises:
            ValueError: it has another number of units.

        Source:
            Kobak et al. 2016, eLife 5:e10989, Fig. 2.
        """
        given = np.asarray(activity, np.float64)
        if given.ndim < 1 or given.shape[-1] != len(self.mean):
            raise ValueError(
                f"activity: shape {given.shape}; it must have {len(self.mean)} units in its last dimension"
            )
        used = np.any([(D != 0).any(0) for D in self.decoders.values()], axis=0)
        centred = (given - self.mean)[..., used]
        return {name: centred @ D[:, used].T for name, D in self.decoders.items()}


def marginalise(
    means: Float[np.ndarray, "*P T N"], parameters: Sequence[str], joined: Mapping[str, Sequence[str]] | None = None
) -> Parts:
    """Take condition means apart into what depends on time alone, on each parameter, and on their combinations.

    The part of a set of parameters is the mean over all others, without the parts of its subsets. By default, what
    depends on parameters is joined with their interaction with time, as in the paper: `stimulus` is stimulus and
    stimulus x time.

    Args:
        means: (*P, T, N): an axis for each parameter, then time, then units; unitless. The mean over all but units is
            in no part.
        parameters: names of the parameters, in the order of the axes.
        joined: which elementary parts are joined: by the name of the marginalisation, the elementary parts, such as
            {'stimulus': ['stimulus', 'stimulus x time']}; all must be in one.

    Returns:
        By marginalisation, in the shape of the means, unitless; their sum is the means without the mean of each unit.

    Raises:
        ValueError: the names do not fit the axes, or an elementary part is in none or in several marginalisations.

    Source:
        Kobak et al. 2016, Methods, "Marginalization procedure".
    """
    values = np.asarray(means, np.float64)
    if values.ndim != len(parameters) + 2 or TIME in parameters or len(set(parameters)) < len(parameters):
        raise ValueError(
            f"means: shape {values.shape} with parameters {', '.join(parameters)}; it must have an axis for each "
            "parameter, then time, then units, and the names must differ from each other and from 'time'"
        )
    names = [*parameters, TIME]
    axes = range(len(names))
    parts: dict[tuple[int, ...], NDArray[np.float64]] = {(): values.mean(tuple(axes), keepdims=True)}
    for size in range(1, len(names) + 1):
        for kept in itertools.combinations(axes, size):
            over = tuple(k for k in axes if k not in kept)
            mean = values.mean(over, keepdims=True) if over else values
            subsets = (s for smaller in range(size) for s in itertools.combinations(kept, smaller))
            parts[kept] = mean - sum(parts[s] for s in subsets)
    elementary = {" x ".join(names[k] for k in kept): part for kept, part in parts.items() if kept}
    groups = _default_groups(parameters) if joined is None else {name: list(which) for name, which in joined.items()}
    placed = sorted(part for which in groups.values() for part in which)
    if placed != sorted(elementary):
        raise ValueError(f"joined: it has {', '.join(placed)}; each of these must be in one: {', '.join(elementary)}")
    zero = np.zeros_like(values)
    return {name: zero + sum(elementary[part] for part in which) for name, which in groups.items()}


def _default_groups(parameters: Sequence[str]) -> dict[str, list[str]]:
    """Time; then each parameter and combination of parameters, with its interaction with time."""
    groups = {TIME: [TIME]}
    for size in range(1, len(parameters) + 1):
        for chosen in itertools.combinations(parameters, size):
            name = " x ".join(chosen)
            groups[name] = [name, f"{name} x {TIME}"]
    return groups


def demixed_components(
    activity: ArrayLike,
    parameters: Mapping[str, Sequence[Any] | NDArray[Any]],
    n_components: int = 10,
    penalty: float | None = None,
    *,
    joined: Mapping[str, Sequence[str]] | None = None,
    noise: bool = True,
    repeats: int = 10,
    seed: int = 0,
) -> DemixedComponents:
    """Find, for each marginalisation, the components that read it from the activity and rebuild it best.

    For the part X_m of a marginalisation, decoders D and encoders F minimise |X_m - F D X|^2 + mu |F D|^2, summed over
    single trials with `noise`, in closed form by reduced-rank regression.

    Args:
        activity: (B, T, N) over trials, time and units, unitless; NaN after the end of shorter trials. Times at which a
            combination of the parameters has no trial are left out.
        parameters: by name, a value for each trial (B,); every combination of their values needs a trial, and two for
            cross-validation.
        n_components: of each marginalisation, at most; no more than have variance.
        penalty: mu as a fraction of the variance of the condition means; chosen by cross-validation when None.
        joined: as in `marginalise`.
        noise: whether the trials' deviations from their condition's mean count, so that decoders avoid directions of
            noise. Without it, and without penalty, the components of one marginalisation of everything are principal
            components.
        repeats: of the cross-validation, in each of which one trial of each condition is left out.
        seed: of the choice of these trials.

    Returns:
        The components, within each marginalisation in the order of the variance they explain.

    Raises:
        ValueError: no parameter, a combination without trials, no time at which all have one, or a bad penalty.

    Source:
        Kobak D et al. (2016), eLife 5:e10989, Methods, "dPCA", "Regularization", "Noise".
    """
    values = activity_of(activity)
    if not parameters or n_components < 1 or (penalty is not None and not 0 <= penalty < np.inf):
        raise ValueError(
            f"parameters: {', '.join(parameters) or 'none'}; n_components = {n_components}; penalty = {penalty}; there "
            "must be at least one parameter, one component, and a penalty >= 0 or None"
        )
    levels, indices = full_design(parameters, len(values), 1 if penalty is not None else 2)
    there = units_there(values)
    shape = tuple(len(own) for own in levels)
    cell = np.ravel_multi_index(tuple(indices), shape)
    trials, steps = common_times(values[:, :, there], cell, 1 if penalty is not None else 2)
    losses = np.zeros((0, 2))
    if penalty is None:
        losses = _cross_validated(trials, cell, shape, (list(parameters), joined), n_components, noise, repeats, seed)
        penalty = float(losses[losses[:, 1].argmin(), 0])
    means, mean = means_of(trials, cell, shape)
    parts = marginalise(means, list(parameters), joined)
    (inverse,) = inverses(gram(trials, cell, means + mean, noise), [penalty], float(np.square(means).sum()))
    fitted = {name: reduced_rank(reduced(part, means), inverse, n_components) for name, part in parts.items()}
    return _described(
        fitted, parts, means, dict(zip(parameters, levels, strict=True)), mean, there, steps, penalty, losses
    )


def decoders_of(
    trials: Float[np.ndarray, "B T N"],
    cell: Int[np.ndarray, " B"],
    shape: tuple[int, ...],
    parameters: Sequence[str],
    n: int,
    *,
    penalty: float,
    noise: bool,
) -> tuple[Float[np.ndarray, "*P T N"], Float[np.ndarray, " N"], Parts]:
    """Compute the decoders of `demixed_components` alone.

    Args:
        trials: (B, T, N), unitless; every condition has a trial at each time.
        cell: number of the condition of each trial (B,).
        shape: number of values of each parameter.
        parameters: their names.
        n: components of each marginalisation, at most.
        penalty: mu as a fraction of the variance of the condition means.
        noise: as in `demixed_components`.

    Returns:
        condition means without the mean of each unit (*P, T, N); that mean (N,); and by marginalisation, decoders
        (K, N) in the order of the variance that they explain. All are unitless.

    Source:
        Kobak et al. 2016, Methods, "dPCA".
    """
    means, mean = means_of(trials, cell, shape)
    (inverse,) = inverses(gram(trials, cell, means + mean, noise), [penalty], float(np.square(means).sum()))
    X, decoders = means.reshape(-1, means.shape[-1]), {}
    for name, part in marginalise(means, parameters).items():
        D, F = reduced_rank(reduced(part, means), inverse, n)
        decoders[name] = D[np.argsort(-gains(X, D, F), kind="stable")]
    return means, mean, decoders


def _cross_validated(
    trials: Float[np.ndarray, "B T N"],
    cell: Int[np.ndarray, " B"],
    shape: tuple[int, ...],
    marginalisations: tuple[list[str], Mapping[str, Sequence[str]] | None],
    n: int,
    noise: bool,
    repeats: int,
    seed: int,
) -> Float[np.ndarray, "L 2"]:
    """For each penalty, the part of the training means that is not rebuilt from trials left out (L, 2)."""
    rng, losses = np.random.default_rng(seed), np.zeros(len(PENALTIES))
    for _ in range(repeats):
        left_out = np.array([rng.choice(np.flatnonzero(cell == k)) for k in range(int(np.prod(shape)))])
        train = np.ones(len(cell), bool)
        train[left_out] = False
        lasting = ~np.isnan(trials).any(2)
        enough = lasting[left_out].all(0)
        for k in range(len(left_out)):
            enough &= lasting[train & (cell == k)].any(0)
        if not enough.any():
            raise ValueError("activity: the trials are too different in length for cross-validation; give a penalty")
        kept, own = trials[train][:, enough], cell[train]
        means, mean = means_of(kept, own, shape)
        test = (trials[left_out][:, enough] - mean).reshape(-1, len(mean))
        total = float(np.square(means).sum())
        of_penalties = inverses(gram(kept, own, means + mean, noise), PENALTIES, total)
        for part in marginalise(means, *marginalisations).values():
            target, in_basis = part.reshape(test.shape), reduced(part, means)
            size = float(np.square(target).sum())
            for i, inverse in enumerate(of_penalties):
                D, F = reduced_rank(in_basis, inverse, n)
                read = test @ D.T  # |target - read F|^2, as the rows of F are orthonormal
                missed = size - 2 * np.einsum("sk,sk->", target @ F.T, read) + np.square(read).sum()
                losses[i] += missed / total / repeats
    return np.column_stack([PENALTIES, losses])


def _described(
    fitted: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    parts: Parts,
    means: Float[np.ndarray, "*P T M"],
    levels: dict[str, list[Any]],
    mean: Float[np.ndarray, " M"],
    there: Bool[np.ndarray, " N"],
    steps: Int[np.ndarray, " T"],
    penalty: float,
    losses: Float[np.ndarray, "L 2"],
) -> DemixedComponents:
    """The components with what they explain, for all units."""
    X = means.reshape(-1, means.shape[-1])
    flat = {name: part.reshape(X.shape) for name, part in parts.items()}
    total = float(np.square(X).sum())
    decoders, encoders, explained, content = {}, {}, {}, {}
    for name, (D, F) in fitted.items():
        gained = gains(X, D, F)
        order = np.argsort(-gained, kind="stable")
        D, F = D[order], F[order]
        explained[name] = gained[order] / total if total else gained[order]
        variances = np.array([np.square(own @ D.T).sum(0) for own in flat.values()]).T.reshape(len(D), len(flat))
        content[name] = variances / variances.sum(1, keepdims=True)
        decoders[name], encoders[name] = _for_all(D, there), _for_all(F, there)
    shares = {name: float(np.square(own).sum() / total) if total else 0.0 for name, own in flat.items()}
    every = np.full((*means.shape[:-1], len(there)), np.nan)
    every[..., there] = means
    full_mean = np.zeros(len(there))
    full_mean[there] = mean
    return DemixedComponents(
        levels, decoders, encoders, explained, content, shares, full_mean, every, steps, penalty, losses
    )


def _for_all(values: Float[np.ndarray, "K M"], there: Bool[np.ndarray, " N"]) -> Float[np.ndarray, "K N"]:
    full = np.zeros((len(values), len(there)))
    full[:, there] = values
    return full
