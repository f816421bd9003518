"""Decoding of planted information, of shuffled labels, and what would show if held-out trials leaked."""

import sys

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from ratecore.analysis import decoding
from ratecore.analysis.decoding import _split, decode, decode_graded
from ratecore.analysis.discriminant import Discriminant, discriminants


def planted(B=60, T=9, N=20, n_classes=2, size=1.5, window=(3, 6), seed=0):
    """Noise, and in a window of steps a mean that depends on the class, along an axis for each."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(B) % n_classes)
    values = rng.standard_normal((B, T, N))
    axes = rng.standard_normal((n_classes, N))
    values[:, slice(*window)] += size * (axes / np.linalg.norm(axes, axis=1)[:, None] * 3)[y][:, None]
    return values, y


def bounds(B, share=0.5, p=1e-4):
    """Accuracies of a guesser in B trials that are passed in one of 10,000 cases."""
    return binom.ppf(p / 2, B, share) / B, binom.ppf(1 - p / 2, B, share) / B


@pytest.mark.parametrize("classifier", decoding.CLASSIFIERS)
def test_information_is_decoded_when_it_is_there(classifier):
    values, y = planted(B=200)
    words = np.array(["left", "right"])[y]
    found = decode(values, words, classifier, across_time=True)
    inside = np.zeros(9, bool)
    inside[3:6] = True
    sd = np.sqrt(0.25 / 200)  # of the accuracy of a guesser
    assert found.classes == ["left", "right"] and found.chance == 0.5
    assert (found.accuracy[inside] > 0.9).all()
    assert (abs(found.accuracy[~inside] - 0.5) < 4 * sd).all()
    assert (found.matrix[np.ix_(inside, inside)] > 0.9).all()
    outside = found.matrix[~np.outer(inside, inside)]  # of decoders for at least 6 times with noise of their own
    assert abs(outside.mean() - 0.5) < 4 * sd / np.sqrt(6)
    np.testing.assert_array_equal(np.diagonal(found.matrix), found.accuracy)


def test_a_code_that_changes_does_not_generalise():
    rng = np.random.default_rng(0)
    values, y = rng.standard_normal((200, 6, 20)), np.arange(200) % 2
    values[:, :3, 0] += 3 * y[:, None]
    values[:, 3:, 1] += 3 * y[:, None]
    matrix = decode(values, y, "lda", across_time=True).matrix
    assert (matrix[:3, :3] > 0.85).all() and (matrix[3:, 3:] > 0.85).all()
    assert (abs(matrix[:3, 3:] - 0.5) < 0.15).all() and (abs(matrix[3:, :3] - 0.5) < 0.15).all()


def test_accuracy_is_that_of_scikit_learn():
    values, y = planted(T=2, window=(0, 2), size=0.3)
    found = decode(values, y, "logistic", folds=4, seed=3)
    for t in range(2):
        correct = []
        for train, test in StratifiedKFold(4, shuffle=True, random_state=3).split(values, y):
            mean, sd = values[train, t].mean(0), values[train, t].std(0)
            model = LogisticRegression(class_weight="balanced", max_iter=1000, tol=1e-3)
            model.fit((values[train, t] - mean) / sd, y[train])
            correct.append(model.predict((values[test, t] - mean) / sd) == y[test])
        assert found.accuracy[t] == pytest.approx(np.concatenate(correct).mean())


@pytest.mark.parametrize(("n", "N"), [(60, 10), (40, 90)])
def test_discriminants_are_those_of_scikit_learn(n, N):
    """Its shrinkage is towards the mean variance within classes, ours towards 1: the same for a suitable fraction."""
    rng = np.random.default_rng(0)
    labels = np.array([rng.permutation(np.arange(n) % 4) for _ in range(3)])
    rates = 5 + rng.standard_normal((n, N)) + labels[0][:, None] * rng.standard_normal(N)
    new = 5 + 2 * rng.standard_normal((200, N))
    found = discriminants(rates, labels, 4, 0.2).predict(new)
    scored, other = ((v - rates.mean(0)) / rates.std(0) for v in (rates, new))
    for y, predicted in zip(labels, found, strict=True):
        within = np.mean([scored[y == k].var(0) for k in range(4)])
        shrinkage = 0.2 / (0.2 + 0.8 * within)
        truth = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(scored, y).predict(other)
        assert (predicted == truth).all()


def test_labellings_at_once_are_those_one_by_one():
    values, y = planted(T=4, n_classes=3)
    values[:10, 3] = np.nan
    parts = decoding._split(y, None, 5, 0)
    mixed = np.array([decoding._shuffled(y, None, parts, np.random.default_rng(k)) for k in range(4)])
    each = [np.diagonal(decoding._accuracies(values, own, parts, Discriminant, 3, False)) for own in mixed]
    np.testing.assert_allclose(decoding._of_labellings(values, mixed, parts, 3), each)


def test_a_decoder_must_be_trained():
    with pytest.raises(RuntimeError, match="not trained"):
        Discriminant(2).predict(np.ones((1, 2)))


def test_several_classes():
    values, y = planted(B=80, n_classes=4, size=2)
    found = decode(values, y, "svm")
    assert found.chance == 0.25 and (found.accuracy[3:6] > 0.9).all() and found.accuracy[:3].max() < 0.5


@pytest.mark.parametrize("classifier", ["lda", "svm"])
def test_shuffled_labels_give_chance(classifier):
    """The mean over 12 shuffles, with an SD of at most sqrt(0.25 / 60) each, which is within 4 standard errors."""
    values, y = planted(size=3, N=8)
    found = decode(values, y, classifier, shuffles=12)
    assert found.shuffled.shape == (12, 9)
    assert abs(found.shuffled.mean() - 0.5) < 4 * np.sqrt(0.25 / 60 / 12)
    low, high = found.interval
    assert 0.3 < low < 0.45 and 0.55 < high < 0.7
    assert found.accuracy[4] > high and np.isnan(decode(values, y, "lda").interval).all()


def test_accuracy_of_rare_classes_counts_as_much():
    values, y = planted(B=100, size=0, T=4, window=(0, 1))
    y = (np.arange(100) < 15).astype(int)
    found = decode(values, y, "logistic", shuffles=5)
    assert found.chance == 0.5 and abs(found.shuffled.mean() - 0.5) < 0.15  # of guesses of the larger class: 0.85


def test_held_out_trials_are_not_known_to_decoders():
    """Many units without information: had units been selected, or labels seen, before the folds, it would decode.

    For comparison, the same decoder with the 10 best units of all trials, held-out ones included, is far above chance.
    """
    rng = np.random.default_rng(0)
    values, y = rng.standard_normal((40, 1, 500)), np.arange(40) % 2
    honest = decode(values, y).accuracy[0]
    difference = abs(values[y == 0, 0].mean(0) - values[y == 1, 0].mean(0))
    leaking = decode(values[:, :, np.argsort(difference)[-10:]], y).accuracy[0]
    low, high = bounds(40)
    assert low <= honest <= high < leaking


def test_repeated_trials_stay_together_with_groups():
    """20 trials of noise, 4 times each: without groups, a copy in the training set gives its label away."""
    rng = np.random.default_rng(1)
    once = rng.standard_normal((20, 1, 50))
    values, groups = np.repeat(once, 4, axis=0), np.repeat(np.arange(20), 4)
    y = groups % 2
    assert decode(values, y).accuracy[0] > 0.99
    grouped = decode(values, y, groups=groups, shuffles=5)
    low, high = bounds(20)
    assert low <= grouped.accuracy[0] <= high and low <= grouped.shuffled.mean() <= high
    graded = rng.standard_normal(20)[groups]
    assert decode_graded(values, graded).r2[0] > 0.9 > 0.2 > decode_graded(values, graded, groups=groups).r2[0]


def test_labels_are_shuffled_within_groups_that_differ():
    y, groups = np.array([0, 1, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1])
    folds = [(np.arange(3, 6), np.arange(3)), (np.arange(3), np.arange(3, 6))]
    mixed = [decoding._shuffled(y, groups, folds, np.random.default_rng(k)) for k in range(20)]
    assert all(m[:3].sum() == 1 and m[3:].sum() == 3 for m in mixed) and len({tuple(m) for m in mixed}) == 3
    y, groups, every = np.array([5, 5, 6, 6, 7, 8]), np.array([0, 0, 1, 1, 2, 3]), np.arange(6)
    folds = [(every[4:], every[:4]), (every[:4], every[4:])]
    for k in range(10):
        whole = decoding._shuffled(y, groups, folds, np.random.default_rng(k)).tolist()
        assert whole[:4] in ([5, 5, 6, 6], [6, 6, 5, 5]) and whole[4:] in ([7, 8], [8, 7])
        single = decoding._shuffled(y, None, folds, np.random.default_rng(k))
        assert sorted(single[:4]) == [5, 5, 6, 6] and sorted(single[4:]) == [7, 8]


def test_trials_that_have_ended_are_left_out():
    values, y = planted(T=9, window=(0, 9))
    values[:20, 5:], values[:, 8:], values[:, :, 3] = np.nan, np.nan, np.nan
    found = decode(values, y, "lda", across_time=True)
    assert np.isnan(found.accuracy[8]) and (found.accuracy[:8] > 0.9).all()
    assert np.isnan(found.matrix[8]).all() and np.isnan(found.matrix[:, 8]).all()
    assert not np.isnan(found.matrix[:8, :8]).any()
    alone = decode_graded(values, y.astype(float))
    assert np.isnan(alone.r2[8]) and (alone.r2[:8] > 0.4).all()


def test_graded_variables():
    rng = np.random.default_rng(0)
    evidence = rng.choice([-1, -0.5, 0.5, 1], 80)
    values = rng.standard_normal((80, 6, 15))
    values[:, 2:4] += evidence[:, None, None] * rng.standard_normal(15)
    found = decode_graded(values, evidence, shuffles=5)
    assert (found.r2[2:4] > 0.7).all() and (found.r2[[0, 1, 4, 5]] < 0.15).all()
    assert found.shuffled.shape == (5, 6) and found.interval[1] < 0.2
    exact = np.repeat(evidence[:, None, None], 2, axis=1) * np.ones(3)  # units that are the evidence
    assert (decode_graded(exact, evidence).r2 > 0.999).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(classifier="tree"), "classifier = 'tree'; it must be one of lda, logistic, svm"),
        (dict(folds=31), "folds = 31; it must be from 2 to 30, the number of trials of the rarest class, 0"),
        (dict(folds=1), "folds = 1"),
        (dict(labels=[1] * 60), "labels: all trials have 1"),
        (dict(labels=[1, 2]), r"labels: shape \(2,\)"),
        (dict(groups=[1] * 60), "from 2 to 1, the number of groups"),
    ],
)
def test_arguments(changes, message):
    values, y = planted(T=1, window=(0, 1))
    with pytest.raises(ValueError, match=message):
        decode(values, **{"labels": y, **changes})


def test_arguments_of_graded_variables():
    values, _ = planted(T=1, window=(0, 1))
    for wrong in (np.array(["a"] * 60), [1.0] * 60, [np.nan, 1.0] * 30):
        with pytest.raises(ValueError, match="values: they must be finite numbers"):
            decode_graded(values, wrong)
    with pytest.raises(ValueError, match="folds = 61"):
        decode_graded(values, np.arange(60.0), folds=61)


def test_without_scikit_learn(monkeypatch):
    values, y = planted(T=1, window=(0, 1))
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    for call, labels, options in (
        (decode, y, {"classifier": "svm"}),
        (decode, y, {"groups": np.arange(60)}),
        (decode_graded, y.astype(float), {}),
    ):
        with pytest.raises(
            ImportError, match=r"decoders need sklearn, which is not installed: pip install 'ratecore\[analysis\]'"
        ):
            call(values, labels, **options)
    assert decode(values, y).accuracy.shape == (1,)  # in closed form, without a package


@pytest.mark.parametrize(("sizes", "folds"), [((30, 30), 5), ((5, 17, 8), 5), ((4, 4, 4, 4), 3), ((2, 50), 2)])
def test_folds_are_those_of_scikit_learn(sizes, folds):
    y = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    for seed in (0, 7, 2**32 + 1):
        expected = StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32).split(y, y)
        for own, other in zip(_split(y, None, folds, seed), expected, strict=True):
            for a, b in zip(own, other, strict=True):
                np.testing.assert_array_equal(a, b)
