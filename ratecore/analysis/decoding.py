"""What can be read from the activity of a population, at each time and across times, by cross-validated decoders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

from ratecore.analysis.discriminant import Discriminant, discriminants
from ratecore.analysis.trials import activity_of, categories, labels_of, units_there
from ratecore.system.extras import needed

CLASSIFIERS = ("lda", "logistic", "svm")
INTERVAL = 95  # percent of the shuffles in the interval of chance
SHUFFLED_TIMES = 10  # at which decoders of shuffled labels are trained; chance does not depend on time

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Decoding:
    """How well labels are decoded.

    Attributes:
        classes: the labels in ascending order.
        accuracy: share of held-out trials decoded correctly at each time, as the mean over classes (T,), in [0, 1]; NaN
            at times with too few trials.
        matrix: the same for decoders trained at one time and tested at another (T, T), training times first, in [0, 1];
            None if not requested.
        chance: accuracy of guesses, in [0, 1]: 1 / number of classes.
        shuffled: accuracies with shuffled labels (S, M), at M times each, in [0, 1].
    """

    classes: list[Any]
    accuracy: Float[np.ndarray, " T"]
    matrix: Float[np.ndarray, "T T"] | None
    chance: float
    shuffled: Float[np.ndarray, "S M"]

    @property
    def interval(self) -> tuple[float, float]:
        """Where 95 % of the accuracies with shuffled labels lie, fractions; NaN without shuffles."""
        return _interval(self.shuffled)


@dataclass(frozen=True)
class Regression:
    """How well a graded variable is decoded.

    Attributes:
        r2: share of the variance of held-out values that is predicted at each time (T,), at most 1, unitless; below 0
            where the mean is the better guess, NaN at times with too few trials.
        shuffled: the same with shuffled values (S, M), at M times each, unitless.
    """

    r2: Float[np.ndarray, " T"]
    shuffled: Float[np.ndarray, "S M"]

    @property
    def interval(self) -> tuple[float, float]:
        """Where 95 % of the R^2 with shuffled values lie, unitless; NaN without shuffles."""
        return _interval(self.shuffled)


def _interval(values: Float[np.ndarray, "S M"]) -> tuple[float, float]:
    there = values[~np.isnan(values)]
    if not there.size:
        return float("nan"), float("nan")
    low, high = np.percentile(there, [(100 - INTERVAL) / 2, (100 + INTERVAL) / 2])
    return float(low), float(high)


def decode(
    activity: ArrayLike,
    labels: Sequence[Any] | NDArray[Any],
    classifier: str = "lda",
    folds: int = 5,
    *,
    across_time: bool = False,
    shuffles: int = 0,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    seed: int = 0,
) -> Decoding:
    """Decode labels from the activity at each time.

    Trials are divided into folds with about the same share of each class. A decoder for each time and fold is trained
    on the other folds, standardisation of the units included, so that nothing of the held-out trials is known to it.

    Args:
        activity: (B, T, N) over trials, time (or time bins) and units, unitless; NaN after the end of shorter trials,
            which are left out from then on.
        labels: of each trial (B,), numbers or words: condition, choice, ...
        classifier: 'lda' (linear discriminant analysis with a shrinkage of 0.1, in closed form and so the fastest),
            'logistic' (regression, L2, C = 1) or 'svm' (linear support-vector machine, C = 1), by scikit-learn; classes
            have the same weight in each.
        folds: number of folds, at most the number of trials, or groups, of the rarest class.
        across_time: whether decoders are also tested at all other times (temporal generalisation).
        shuffles: number of times that labels are shuffled between trials of a fold and decoded at 10 times, for the
            interval of chance; with groups, between those of a fold, or within groups whose trials differ.
        groups: of each trial (B,): trials of a group, such as repetitions of one noise, are never in both training and
            test.
        seed: of folds and shuffles.

    Returns:
        The accuracies.

    Raises:
        ValueError: an unknown classifier, fewer than two classes, or too few trials for the folds.
        ImportError: scikit-learn is not installed.

    Source:
        King & Dehaene 2014 (Trends in Cognitive Sciences 18:203), temporal generalisation; Pedregosa et al. 2011 (JMLR
        12:2825), scikit-learn.
    """
    if classifier != "lda" or groups is not None:
        needed("sklearn", "analysis", "decoders")
    values = _of_units(activity)
    given = labels_of(labels, len(values))
    classes, y = categories(given)
    own_groups = None if groups is None else categories(labels_of(groups, len(values), "groups"))[1]
    _check(classifier, folds, classes, y, own_groups)
    make = _classifier(classifier)
    parts = _split(y, own_groups, folds, seed)
    matrix = _accuracies(values, y, parts, make, len(classes), across_time)
    rng, some = np.random.default_rng([seed, 1]), values[:, _some_times(values)]
    mixed = np.array([_shuffled(y, own_groups, parts, rng) for _ in range(shuffles)]).reshape(shuffles, len(y))
    if classifier == "lda" and shuffles:
        shuffled = _of_labellings(some, mixed, parts, len(classes))
    else:
        each = [np.diagonal(_accuracies(some, own, parts, make, len(classes), False)) for own in mixed]
        shuffled = np.array(each).reshape(shuffles, some.shape[1])
    full = matrix if across_time else None
    return Decoding(classes, np.diagonal(matrix).copy(), full, 1 / len(classes), shuffled)


def decode_graded(
    activity: ArrayLike,
    values: Sequence[float] | NDArray[Any],
    folds: int = 5,
    *,
    shuffles: int = 0,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    seed: int = 0,
) -> Regression:
    """Decode a graded variable, such as the coherence, from the activity at each time by ridge regression.

    The penalty is chosen by leave-one-out within the training trials, from 10^-2 to 10^6 for standardised units.

    Args:
        activity: as in `decode`, (B, T, N), unitless.
        values: of each trial (B,), in any unit of the variable.
        folds: number of folds, at most the number of trials or groups.
        shuffles: number of times that the values are shuffled between trials and decoded at 10 times.
        groups: of each trial (B,), as in `decode`.
        seed: of folds and shuffles.

    Returns:
        R^2 = 1 - sum of squared errors / sum of squared differences from the mean of the training trials.

    Raises:
        ValueError: values that are constant, or no finite numbers, or too few trials for the folds.
        ImportError: scikit-learn is not installed.

    Source:
        Hoerl & Kennard 1970 (Technometrics 12:55).
    """
    rates = _of_units(activity)
    given = labels_of(values, len(rates), "values")
    if given.dtype.kind not in "fiub" or not np.isfinite(given).all() or len(np.unique(given)) < 2:
        raise ValueError("values: they must be finite numbers, at least two of them different")
    needed("sklearn", "analysis", "decoders")
    y = given.astype(np.float64)
    own_groups = None if groups is None else categories(labels_of(groups, len(rates), "groups"))[1]
    n = len(rates) if own_groups is None else int(own_groups.max()) + 1
    if not 2 <= folds <= n:
        raise ValueError(f"folds = {folds}; it must be from 2 to {n}, the number of trials or groups")
    parts = _split(None, own_groups, folds, seed, len(y))
    r2 = _r2(rates, y, parts)
    rng, some = np.random.default_rng([seed, 1]), rates[:, _some_times(rates)]
    each = [_r2(some, _shuffled(y, own_groups, parts, rng), parts) for _ in range(shuffles)]
    shuffled = np.array(each).reshape(shuffles, some.shape[1])
    return Regression(r2, shuffled)


def _of_units(activity: ArrayLike) -> Float[np.ndarray, "B T N"]:
    values = activity_of(activity)
    return np.ascontiguousarray(values[:, :, units_there(values)])  # a selection of units is not, and slow to read


def _check(classifier: str, folds: int, classes: list[Any], y: Int[np.ndarray, " B"], groups: Any) -> None:
    """Check the arguments of `decode`. Raises ValueError."""
    if classifier not in CLASSIFIERS:
        raise ValueError(f"classifier = {classifier!r}; it must be one of {', '.join(CLASSIFIERS)}")
    if len(classes) < 2:
        raise ValueError(f"labels: all trials have {classes[0]!r}; decoding needs at least two classes")
    what, counts = "trials", np.bincount(y)
    if groups is not None:
        what, counts = "groups", np.array([len(set(groups[y == k].tolist())) for k in range(len(classes))])
    rarest = int(counts.argmin())
    if not 2 <= folds <= counts[rarest]:
        raise ValueError(
            f"folds = {folds}; it must be from 2 to {counts[rarest]}, the number of {what} of the rarest class, "
            f"{classes[rarest]!r}"
        )


def _classifier(name: str) -> Callable[[int], Any]:
    """A function that makes an untrained classifier, which standardises units by its training trials."""
    if name == "lda":  # without scikit-learn, which takes half a second to import
        return Discriminant
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    def make(n_classes: int) -> Any:
        if name == "svm":
            decoder = SVC(kernel="linear", class_weight="balanced")
        else:
            decoder = LogisticRegression(class_weight="balanced", max_iter=1000, tol=1e-3)
        return make_pipeline(StandardScaler(), decoder)

    return make


def _split(y: NDArray[Any] | None, groups: NDArray[Any] | None, folds: int, seed: int, n: int = 0) -> list[Fold]:
    """Training and test trials of each fold."""
    if y is not None and groups is None:
        return _stratified(y, folds, seed)
    from sklearn import model_selection as ms

    options = {"n_splits": folds, "shuffle": True, "random_state": seed % 2**32}
    if y is None:
        rows = np.zeros((n, 1))
        if groups is None:
            return list(ms.KFold(**options).split(rows))
        order = np.random.default_rng(seed).permutation(groups.max() + 1)  # GroupKFold itself is not random
        return list(ms.GroupKFold(folds).split(rows, None, order[groups]))
    rows = np.zeros((len(y), 1))
    return list(ms.StratifiedGroupKFold(**options).split(rows, y, groups))


def _stratified(y: Int[np.ndarray, " B"], folds: int, seed: int) -> list[Fold]:
    """Folds with the same share of each class, but for one trial: those of scikit-learn's StratifiedKFold.

    The trials in the order of their classes are dealt out to the folds like cards, which gives the number of trials of
    each class in each fold. Which trials these are is random.
    """
    rng = np.random.RandomState(seed % 2**32)
    ordered, fold_of = np.sort(_by_appearance(y)), np.empty(len(y), int)
    dealt = np.array([np.bincount(ordered[k::folds], minlength=int(ordered[-1]) + 1) for k in range(folds)])
    for k, of_class in enumerate(dealt.T):
        mixed = np.repeat(np.arange(folds), of_class)
        rng.shuffle(mixed)
        fold_of[_by_appearance(y) == k] = mixed
    return [(np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k)) for k in range(folds)]


def _by_appearance(y: Int[np.ndarray, " B"]) -> Int[np.ndarray, " B"]:
    """Classes numbered in the order of their first trial."""
    _, first, index = np.unique(y, return_index=True, return_inverse=True)
    numbers: Int[np.ndarray, " B"] = np.argsort(np.argsort(first))[index.reshape(-1)]
    return numbers


def _shuffled(
    y: NDArray[Any], groups: NDArray[Any] | None, parts: list[Fold], rng: np.random.Generator
) -> NDArray[Any]:
    """Labels in another order within each fold, so that classes stay as many: of trials, of groups or within groups."""
    mixed = y.copy()
    if groups is None:
        for _, fold in parts:
            mixed[fold] = rng.permutation(y[fold])
        return mixed
    members = {k: np.flatnonzero(groups == k) for k in np.unique(groups)}
    if not all((y[own] == y[own[0]]).all() for own in members.values()):
        for own in members.values():
            mixed[own] = rng.permutation(y[own])
        return mixed
    for _, fold in parts:
        inside = np.unique(groups[fold])
        for k, other in zip(inside, rng.permutation(inside), strict=True):
            mixed[members[k]] = y[members[other][0]]
    return mixed


def _some_times(values: Float[np.ndarray, "B T N"]) -> Int[np.ndarray, " M"]:
    T = values.shape[1]
    return np.unique(np.linspace(0, T - 1, min(T, SHUFFLED_TIMES)).round().astype(int))


def _accuracies(
    values: Float[np.ndarray, "B T N"],
    y: Int[np.ndarray, " B"],
    parts: list[Fold],
    make: Callable[[int], Any],
    n_classes: int,
    across: bool,
) -> Float[np.ndarray, "T T"]:
    """Mean over classes of the share decoded correctly, by training and test time; NaN where not tested."""
    _, T, N = values.shape
    lasting: Bool[np.ndarray, "B T"] = ~np.isnan(values).any(2)
    correct, n = np.zeros((n_classes, T, T)), np.zeros((n_classes, T, T))
    trainable = np.ones(T, bool)
    for train, test in parts:
        held, there = np.nan_to_num(values[test]), lasting[test]
        members = [y[test] == k for k in range(n_classes)]
        for time in range(T):
            own = train[lasting[train, time]]
            if len(np.unique(y[own])) < n_classes or np.bincount(y[own]).min() < 2:
                trainable[time] = False
                continue
            decoder = make(n_classes).fit(values[own, time], y[own])
            steps = slice(None) if across else slice(time, time + 1)
            predicted = decoder.predict(held[:, steps].reshape(-1, N)).reshape(len(test), -1)
            for k, of_class in enumerate(members):
                asked = there[of_class, steps]
                correct[k, time, steps] += ((predicted[of_class] == k) & asked).sum(0)
                n[k, time, steps] += asked.sum(0)
    complete = (n > 0).all(0) & trainable[:, None]
    shares = np.divide(correct, n, out=np.zeros_like(correct), where=n > 0).mean(0)
    return np.where(complete, shares, np.nan)


def _of_labellings(
    values: Float[np.ndarray, "B T N"], labels: Int[np.ndarray, "S B"], parts: list[Fold], n_classes: int
) -> Float[np.ndarray, "S T"]:
    """As the diagonal of `_accuracies`, of discriminants for many labellings of the trials at once."""
    S, (_, T, _) = len(labels), values.shape
    lasting: Bool[np.ndarray, "B T"] = ~np.isnan(values).any(2)
    correct, n, trainable = np.zeros((n_classes, S, T)), np.zeros((n_classes, S, T)), np.ones(T, bool)
    for time, train, test in _tasks(T, parts):
        own, held = train[lasting[train, time]], test[lasting[test, time]]
        if min((int((labels[:, own] == k).sum(1).min()) for k in range(n_classes)), default=0) < 2:
            trainable[time] = False
            continue
        predicted = discriminants(values[own, time], labels[:, own], n_classes).predict(values[held, time])
        for k in range(n_classes):
            of_class = labels[:, held] == k
            correct[k, :, time] += (of_class & (predicted == k)).sum(1)
            n[k, :, time] += of_class.sum(1)
    shares = np.divide(correct, n, out=np.zeros_like(correct), where=n > 0).mean(0)
    return np.where((n > 0).all(0) & trainable, shares, np.nan)


def _tasks(T: int, parts: list[Fold]) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    return ((time, train, test) for time in range(T) for train, test in parts)


def _r2(values: Float[np.ndarray, "B T N"], y: Float[np.ndarray, " B"], parts: list[Fold]) -> Float[np.ndarray, " T"]:
    """Share of the variance of held-out values that is predicted at each time."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    T, lasting = values.shape[1], ~np.isnan(values).any(2)
    errors, variance, trainable = np.zeros(T), np.zeros(T), np.ones(T, bool)
    for time, train, test in _tasks(T, parts):
        own, held = train[lasting[train, time]], test[lasting[test, time]]
        if len(own) < 3:
            trainable[time] = False
            continue
        decoder = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 6, 9)))
        decoder.fit(values[own, time], y[own])
        if len(held):
            errors[time] += np.square(y[held] - decoder.predict(values[held, time])).sum()
            variance[time] += np.square(y[held] - y[own].mean()).sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(trainable & (variance > 0), 1 - errors / variance, np.nan)


__all__ = ["CLASSIFIERS", "Decoding", "Regression", "decode", "decode_graded"]
