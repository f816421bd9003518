"""Tuning and selectivity of synthetic units, against SciPy, scikit-learn and sums of squares written out."""

import numpy as np
import pytest
from scipy import stats
from sklearn.feature_selection import f_classif, f_regression
from sklearn.metrics import roc_auc_score

from ratecore.analysis import selectivity as sel
from ratecore.analysis import tuning


def two_factors(K=20, N=40, seed=0):
    rng = np.random.default_rng(seed)
    a, b = (v.ravel() for v in np.meshgrid(np.repeat([-1, 1], K), [-1, 1], indexing="ij"))
    return rng.standard_normal((4 * K, N)), {"a": a, "b": b}


# ------------------------------------------------------------------------------------------------ analysis of variance


def test_one_factor_is_that_of_scipy_and_scikit_learn():
    rng = np.random.default_rng(0)
    rates, labels = rng.standard_normal((50, 6)), rng.integers(3, size=50)
    rates[:, 0] += labels
    found = sel.classify_selectivity(rates, {"a": labels})
    F, p = f_classif(rates, labels)
    np.testing.assert_allclose(found.F[0], F)
    np.testing.assert_allclose(found.p[0], p)
    own = stats.f_oneway(*(rates[labels == k] for k in range(3)))
    np.testing.assert_allclose(found.F[0], own.statistic)
    np.testing.assert_allclose(found.p[0], own.pvalue)


def test_two_balanced_factors_are_the_sums_of_squares_of_textbooks():
    rates, factors = two_factors()
    rates += 0.5 * factors["a"][:, None] + 0.3 * (factors["a"] * factors["b"])[:, None]
    found = sel.classify_selectivity(rates, factors)
    assert found.terms == ("a", "b", "a x b")
    n, grand, cells = len(rates), rates.mean(0), {}
    for x in (-1, 1):
        for y in (-1, 1):
            cells[x, y] = rates[(factors["a"] == x) & (factors["b"] == y)]
    ss_a = sum(n / 2 * (rates[factors["a"] == x].mean(0) - grand) ** 2 for x in (-1, 1))
    ss_b = sum(n / 2 * (rates[factors["b"] == y].mean(0) - grand) ** 2 for y in (-1, 1))
    ss_cells = sum(n / 4 * (own.mean(0) - grand) ** 2 for own in cells.values())
    error = sum(((own - own.mean(0)) ** 2).sum(0) for own in cells.values())
    for k, squares in enumerate((ss_a, ss_b, ss_cells - ss_a - ss_b)):
        np.testing.assert_allclose(found.F[k], squares / (error / (n - 4)), rtol=1e-9)
        np.testing.assert_allclose(found.p[k], stats.f.sf(squares / (error / (n - 4)), 1, n - 4), rtol=1e-9)
        np.testing.assert_allclose(found.explained[k], squares / (ss_cells + error), rtol=1e-9)


def test_unbalanced_factors_are_tested_like_coefficients():
    """With two values each, the F of a term is the square of the t of its coefficient in the full regression."""
    rng = np.random.default_rng(1)
    a, b = rng.choice([-1, 1], 70, p=[0.3, 0.7]), rng.choice([-1, 1], 70)
    rates = rng.standard_normal((70, 5)) + 0.4 * a[:, None]
    found = sel.classify_selectivity(rates, {"a": a, "b": b})
    X = np.column_stack([np.ones(70), a, b, a * b])
    inverse = np.linalg.inv(X.T @ X)
    beta = inverse @ X.T @ rates
    variance = np.square(rates - X @ beta).sum(0) / 66
    t = beta / np.sqrt(np.diag(inverse)[:, None] * variance)
    np.testing.assert_allclose(found.F, np.square(t[1:]), rtol=1e-9)


def test_planted_kinds_of_selectivity():
    rates, factors = two_factors(K=25, N=80)
    a, b = factors["a"][:, None], factors["b"][:, None]
    rates[:, 20:40] += a
    rates[:, 40:60] += a + b
    rates[:, 60:] += a * b
    found = sel.classify_selectivity(rates, factors)
    kinds = np.array([np.bincount(found.kinds[k : k + 20], minlength=4) for k in range(0, 80, 20)])
    assert (np.diag(kinds) >= 17).all()  # with 100 trials, d' of 2 is never missed; false discoveries are below 5 %
    assert (found.preferred[60:] == 2).mean() > 0.9 and (found.preferred[20:40] == 0).mean() > 0.9
    shares = found.shares()
    assert list(shares) == list(sel.KINDS) and sum(shares.values()) == pytest.approx(1)
    assert shares["nonlinear mixed"] == (found.kinds == 3).mean()


def test_noise_is_rarely_selective():
    """Without any effect, the chance of a single false discovery is alpha: in 100 sets, 11 at most with P > 0.99."""
    any_found = 0
    for seed in range(100):
        rates, factors = two_factors(K=10, N=20, seed=seed)
        any_found += sel.classify_selectivity(rates, factors).significant.any()
    assert any_found <= stats.binom.ppf(0.99, 100, 0.05)


def test_p_values_of_noise_are_uniform():
    rates, factors = two_factors(K=10, N=3000)
    p = sel.classify_selectivity(rates, factors).p
    assert all(stats.kstest(row, "uniform").pvalue > 1e-3 for row in p)


def test_false_discoveries_are_bounded_among_true_ones():
    """Of 400 units a quarter responds: of what is found, at most 5 % is false; three SDs are 3 % more."""
    rates, factors = two_factors(K=15, N=400)
    rates[:, :100] += 1.5 * factors["a"][:, None]
    found = sel.classify_selectivity(rates, factors)
    false = found.significant.copy()
    false[0, :100] = False
    assert found.significant[0, :100].mean() > 0.95 and false.sum() / found.significant.sum() < 0.08


def test_small_effects_can_be_left_out():
    rates, factors = two_factors(K=50, N=2)
    rates += factors["a"][:, None] * np.array([3, 0.3])  # 90 % and 8 % of the variance
    all_effects, large = (sel.classify_selectivity(rates, factors, least=least) for least in (0.0, 0.2))
    assert all_effects.significant[0].all() and large.significant[0].tolist() == [True, False]
    np.testing.assert_allclose(large.explained[0], [9 / 10, 0.09 / 1.09], atol=0.05)


def test_silent_units_have_no_selectivity():
    rates, factors = two_factors(N=2)
    rates[:, 1] = 0.1
    found = sel.classify_selectivity(rates, factors, max_order=1)
    assert found.terms == ("a", "b") and np.isnan(found.F[:, 1]).all() and (found.p[:, 1] == 1).all()
    assert found.kinds[1] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(factors={}), "factors: none"),
        (dict(alpha=0), "alpha = 0"),
        (dict(least=1), "least = 1"),
        (dict(factors={"a": [1] * 80}), "a: all trials have 1"),
        (dict(factors={"a": [1, 2]}), r"a: shape \(2,\)"),
        (dict(factors={"a": np.arange(80)}), "80 trials; a model with 80 coefficients needs more"),
        (dict(factors={"a": [0, 0, 1, 1] * 20, "b": [0, 0, 0, 1] * 20}), "0 trials with a = 0, b = 1"),
        (dict(rates=np.full((80, 2), np.nan)), "rates: shape"),
        (dict(rates=np.ones(80)), "rates: shape"),
    ],
)
def test_arguments(changes, message):
    rates, factors = two_factors(N=3)
    with pytest.raises(ValueError, match=message):
        sel.classify_selectivity(**{"rates": rates, "factors": factors, **changes})


# ------------------------------------------------------------------------------------------------------- two classes


def test_areas_are_those_of_scikit_learn_and_scipy():
    rng = np.random.default_rng(0)
    labels = rng.choice(["go", "nogo"], 41)
    rates = rng.standard_normal((41, 5)).round(1) + (labels == "nogo")[:, None]  # with ties
    areas = sel.roc_area(rates, labels)
    np.testing.assert_allclose(areas, [roc_auc_score(labels == "nogo", rates[:, k]) for k in range(5)])
    u = stats.mannwhitneyu(rates[labels == "nogo"], rates[labels == "go"]).statistic
    np.testing.assert_allclose(areas, u / (labels == "go").sum() / (labels == "nogo").sum())


def test_known_areas():
    labels = [0, 0, 1, 1]
    rates = np.array([[0, 1, 1, 3], [1, 1, 1, 2], [2, 1, 0, 1], [3, 1, 0, 0]], float)
    np.testing.assert_array_equal(sel.roc_area(rates, labels), [1, 0.5, 0, 0])


def test_areas_and_d_prime_of_gaussian_classes():
    """For equal variances the area is Phi(d' / sqrt(2)); with 20,000 trials within 0.02."""
    rng = np.random.default_rng(0)
    labels = np.arange(20_000) % 2
    rates = rng.standard_normal((20_000, 3)) + labels[:, None] * np.array([0, 1, 2])
    d = sel.d_prime(rates, labels)
    np.testing.assert_allclose(d, [0, 1, 2], atol=0.06)  # its SE is 0.02 at most
    np.testing.assert_allclose(sel.roc_area(rates, labels), stats.norm.cdf(d / np.sqrt(2)), atol=0.01)


def test_d_prime_is_a_t_statistic():
    rng = np.random.default_rng(0)
    rates, labels = rng.standard_normal((30, 4)), np.arange(30) % 2
    t = stats.ttest_ind(rates[labels == 1], rates[labels == 0]).statistic
    np.testing.assert_allclose(sel.d_prime(rates, labels), t * np.sqrt(2 / 15))
    constant = np.ones((30, 2))
    constant[labels == 1, 1] = 2
    assert sel.d_prime(constant, labels).tolist() == [0, np.inf]


def test_choice_probability_is_not_that_of_the_stimulus():
    rng = np.random.default_rng(0)
    stimulus = rng.choice([-1, 1], 4000)
    choice = np.where(rng.random(4000) < 0.8, stimulus, -stimulus)
    rates = rng.standard_normal((4000, 2)) + 2 * stimulus[:, None]
    rates[:, 1] += choice
    probability = sel.choice_probability(rates, choice, stimulus)
    assert abs(probability[0] - 0.5) < 0.04 and sel.roc_area(rates, choice)[0] > 0.7
    assert abs(probability[1] - stats.norm.cdf(np.sqrt(2))) < 0.04  # d' of 2
    with pytest.raises(ValueError, match="none has two trials of either choice"):
        sel.choice_probability(rates, choice, np.arange(4000))


def test_two_classes_are_needed():
    for function in (sel.roc_area, sel.d_prime):
        with pytest.raises(ValueError, match="labels: 3 distinct values; there must be two"):
            function(np.ones((3, 2)), [1, 2, 3])
    with pytest.raises(ValueError, match="1 trials of 1 and 2 of 2; at least 2"):
        sel.d_prime(np.ones((3, 2)), [1, 2, 2])


# ------------------------------------------------------------------------------------------------------------- tuning


def test_preferred_condition_and_index():
    rates = np.array([[1.0, 4, 0], [3, 4, 0], [6, 0, 0]])
    conditions = ["b", "b", "a"]
    assert tuning.preferred_condition(rates, conditions)[0] == ["a", "b"]
    assert tuning.preferred_condition(rates, conditions)[1].tolist() == [0, 1, 0]
    np.testing.assert_allclose(tuning.selectivity_index(rates, conditions), [(6 - 2) / (6 + 2), 1, 0])
    with pytest.raises(ValueError, match="they must be >= 0, as r is, but not x"):
        tuning.selectivity_index(-rates, conditions)
    with pytest.raises(ValueError, match="at least two"):
        tuning.selectivity_index(rates, ["a"] * 3)


def test_tuning_curves_are_means_and_regression_lines():
    rng = np.random.default_rng(0)
    evidence = rng.choice([-1, -0.5, 0.5, 1], 60)
    rates = rng.standard_normal((60, 4)) + 2 * evidence[:, None]
    found = tuning.tuning_curves(rates, evidence)
    assert found.levels.tolist() == [-1, -0.5, 0.5, 1] and found.n.sum() == 60
    np.testing.assert_allclose(found.mean[0], rates[evidence == -1].mean(0))
    np.testing.assert_allclose(found.sem[3], stats.sem(rates[evidence == 1]))
    for k in range(4):
        line = stats.linregress(evidence, rates[:, k])
        np.testing.assert_allclose([found.slope[k], found.r2[k], found.p[k]], [line.slope, line.rvalue**2, line.pvalue])
    F, _ = f_regression(rates, evidence)
    np.testing.assert_allclose(found.r2 / (1 - found.r2) * 58, F)


def test_many_levels_are_grouped():
    evidence = np.random.default_rng(0).permutation(np.linspace(-1, 1, 100))
    found = tuning.tuning_curves(evidence[:, None] * np.ones(2), evidence, max_levels=5)
    assert found.n.tolist() == [20] * 5
    np.testing.assert_allclose(found.mean[:, 0], found.levels)
    np.testing.assert_allclose(found.r2, 1)
    for wrong in (np.array(["a"] * 100), [1.0] * 100, [np.nan] * 100):
        with pytest.raises(ValueError, match="evidence: it must be finite numbers"):
            tuning.tuning_curves(np.ones((100, 1)), wrong)
