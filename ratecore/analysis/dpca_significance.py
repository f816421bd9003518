"""Whether and when demixed components tell the conditions of trials apart that they were not computed from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

from ratecore.analysis.dpca import Parts, decoders_of
from ratecore.analysis.dpca_regression import common_times
from ratecore.analysis.trials import activity_of, full_design, units_there

Design = tuple[Int[np.ndarray, " B"], tuple[int, ...], list[str]]  # condition of each trial, values of each parameter


@dataclass(frozen=True)
class ComponentSignificance:
    """How well each component classifies trials that were left out, and whether shuffled trials do as well.

    Time alone has no classes and is left out. There are K components of each marginalisation, as many as were asked
    for; NaN where there are fewer.

    Attributes:
        classes: by marginalisation, the number of its classes; chance is 1 / this.
        accuracy: by marginalisation, share of left-out trials that are classified correctly (K, T), in [0, 1].
        shuffled: by marginalisation, the same of each shuffle (S, K, T).
        significant: by marginalisation, whether the accuracy is beyond the shuffles for long enough (K, T).
        steps: step of each of the T times, as in `DemixedComponents` (T,).
    """

    classes: dict[str, int]
    accuracy: Parts
    shuffled: Parts
    significant: dict[str, NDArray[np.bool_]]
    steps: Int[np.ndarray, " T"]


def component_significance(
    activity: ArrayLike,
    parameters: Mapping[str, Sequence[Any] | NDArray[Any]],
    n_components: int = 3,
    penalty: float = 1e-4,
    *,
    shuffles: int = 100,
    repeats: int = 20,
    quantile: float = 1.0,
    least_bins: int = 10,
    noise: bool = True,
    seed: int = 0,
) -> ComponentSignificance:
    """Test demixed components by classifying trials that were left out, against the same with shuffled trials.

    In each repeat, one trial of each condition is left out, components are computed from the others, and at each time
    the left-out trials are given to the class of the nearest class mean along each component. The classes of a
    marginalisation are the combinations of its parameters' values. The whole is done again `shuffles` times with the
    trials shuffled between all conditions, whose numbers of trials stay. Components of a repeat are matched by their
    order.

    Args:
        activity: (B, T, N) over trials, time and units, unitless, as for `demixed_components`.
        parameters: by name, a value for each trial (B,); every combination of their values needs two trials.
        n_components: of each marginalisation that are tested.
        penalty: mu as a fraction of the variance of the condition means, such as `DemixedComponents.penalty`.
        shuffles: number of shuffles; without any, nothing is significant.
        repeats: of leaving out one trial of each condition, whose accuracies are averaged.
        quantile: of the shuffles' accuracies that a significant accuracy must exceed; their maximum when 1.
        least_bins: times in a row at which it must do so.
        noise: as for `demixed_components`.
        seed: of the left-out trials and the shuffles.

    Returns:
        accuracies and what is significant. With S shuffles, the probability that an accuracy exceeds their maximum by
        chance is 1 / (S + 1) at each time.

    Raises:
        ValueError: names the argument, its value and what is allowed.

    Source:
        Kobak D et al. (2016), eLife 5:e10989, Methods, "Significance analysis of the dPCs".
    """
    _check(n_components, penalty, shuffles, repeats, quantile, least_bins)
    values = activity_of(activity)
    levels, indices = full_design(parameters, len(values), 2)
    shape = tuple(len(own) for own in levels)
    cell = np.ravel_multi_index(tuple(indices), shape)
    trials, steps = common_times(values[:, :, units_there(values)], cell, 2)
    design, rng = (cell, shape, list(parameters)), np.random.default_rng(seed)
    accuracy = _accuracies(trials, design, n_components, penalty, noise, repeats, rng)
    drawn = [
        _accuracies(trials[rng.permutation(len(trials))], design, n_components, penalty, noise, repeats, rng)
        for _ in range(shuffles)
    ]
    shuffled = {
        name: np.array([own[name] for own in drawn]).reshape(shuffles, *of_all.shape)
        for name, of_all in accuracy.items()
    }
    significant = {
        name: _in_runs(of_all > np.quantile(shuffled[name], quantile, axis=0), least_bins)
        if shuffles
        else np.zeros(of_all.shape, bool)
        for name, of_all in accuracy.items()
    }
    classes = {name: int(np.prod([shape[k] for k in kept])) for name, kept in _parameters_of(list(parameters)).items()}
    return ComponentSignificance(classes, accuracy, shuffled, significant, steps)


def _check(n_components: int, penalty: float, shuffles: int, repeats: int, quantile: float, least_bins: int) -> None:
    if min(n_components, repeats, least_bins) < 1 or shuffles < 0 or not 0 <= penalty < np.inf or not 0 < quantile <= 1:
        raise ValueError(
            f"n_components = {n_components}, repeats = {repeats}, least_bins = {least_bins}, shuffles = {shuffles}, "
            f"penalty = {penalty}, quantile = {quantile:g}; the first three must be at least 1, shuffles and penalty "
            "at least 0, quantile above 0 and at most 1"
        )


def _parameters_of(parameters: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The parameters, by their numbers, of each marginalisation but time."""
    axes = range(len(parameters))
    chosen = (kept for size in range(1, len(parameters) + 1) for kept in itertools.combinations(axes, size))
    return {" x ".join(parameters[k] for k in kept): kept for kept in chosen}


def _accuracies(
    trials: Float[np.ndarray, "B T N"],
    design: Design,
    n: int,
    penalty: float,
    noise: bool,
    repeats: int,
    rng: np.random.Generator,
) -> Parts:
    """By marginalisation, share of left-out trials that each component classifies correctly (n, T)."""
    cell, shape, names = design
    marginalisations = _parameters_of(names)
    correct, tested = ({name: np.zeros((n, trials.shape[1])) for name in marginalisations} for _ in range(2))
    lasting = ~np.isnan(trials).any(2)
    for _ in range(repeats):
        left_out = np.array([rng.choice(np.flatnonzero(cell == k)) for k in range(int(np.prod(shape)))])
        train = np.ones(len(cell), bool)
        train[left_out] = False
        trained = np.array([lasting[train & (cell == k)].any(0) for k in range(len(left_out))]).all(0)
        if not trained.any():
            raise ValueError("activity: the trials are too different in length; take trials of similar length")
        means, mean, decoders = decoders_of(
            trials[train][:, trained], cell[train], shape, names, n, noise=noise, penalty=penalty
        )
        test, there = trials[left_out][:, trained] - mean, lasting[left_out][:, trained]
        for name, kept in marginalisations.items():
            D = decoders[name]
            hits = _hits(means @ D.T, test @ D.T, shape, kept)
            correct[name][: len(D), trained] += (hits & there[:, None]).sum(0)
            tested[name][: len(D), trained] += there.sum(0)
    return {name: np.where(n_of > 0, correct[name] / np.maximum(n_of, 1), np.nan) for name, n_of in tested.items()}


def _hits(
    means: Float[np.ndarray, "*P T K"], test: Float[np.ndarray, "C T K"], shape: tuple[int, ...], kept: tuple[int, ...]
) -> Bool[np.ndarray, "C K T"]:
    """Whether each left-out trial, one of each condition, is closest to the mean of its own class."""
    others = tuple(k for k in range(len(shape)) if k not in kept)
    of_class = means.mean(others).reshape(-1, *means.shape[-2:])
    labels = tuple(np.indices(shape)[k].ravel() for k in kept)
    own = np.asarray(np.ravel_multi_index(labels, tuple(shape[k] for k in kept)))
    nearest = np.abs(np.nan_to_num(test)[:, None] - of_class).argmin(1)
    return np.moveaxis(nearest == own[:, None, None], 1, 2)


def _in_runs(beyond: Bool[np.ndarray, "K T"], least: int) -> Bool[np.ndarray, "K T"]:
    """The times that are in a run of at least so many."""
    found = np.zeros_like(beyond)
    for row, given in zip(found, beyond, strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], given, [0]]).astype(int)))
        for start, stop in edges.reshape(-1, 2):
            row[start:stop] = stop - start >= least
    return found
