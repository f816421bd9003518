"""The rule that judges claims: its three outcomes, and how often they are wrong."""

import math

import numpy as np
import pytest

from ratecore.analysis import claims as rule
from ratecore.analysis.claims import Outcome
from ratecore.analysis.intervals import Estimate, mean_difference, mean_interval, share_interval
from ratecore.system.intervals import widened

YES, NO, FEW = Outcome.REPRODUCED, Outcome.NOT_REPRODUCED, Outcome.TOO_FEW


def estimate(low, high, n=20):
    return Estimate((low + high) / 2, low, high, n)


@pytest.mark.parametrize(
    ("low", "high", "within", "greater", "differ"),
    [  # margin 0.1
        (-0.05, 0.05, YES, NO, NO),
        (-0.1, 0.1, YES, FEW, FEW),  # touches the margin: inside it, and no evidence against an effect of that size
        (-0.05, 0.15, FEW, FEW, FEW),
        (0.02, 0.08, YES, NO, NO),  # above 0, but below what counts
        (0.02, 0.15, FEW, YES, YES),
        (0.11, 0.3, NO, YES, YES),
        (-0.3, -0.11, NO, NO, YES),
        (-0.3, 0.3, FEW, FEW, FEW),
    ],
)
def test_outcomes(low, high, within, greater, differ):
    e = estimate(low, high)
    assert rule.judge_within(e, -0.1, 0.1) is within
    assert rule.judge_greater(e, 0.1) is greater
    assert rule.judge_differ(e, 0.1) is differ


def test_without_a_margin_only_the_sign_counts():
    assert [rule.judge_greater(estimate(*e)) for e in ((1, 2), (-2, -1), (-1, 1), (0, 0))] == [YES, NO, FEW, FEW]
    assert [rule.judge_differ(estimate(*e)) for e in ((1, 2), (-2, -1), (-1, 1))] == [YES, YES, FEW]


def test_several_parts_are_reproduced_together_or_not():
    assert rule.judge_all([YES, YES]) is YES
    assert rule.judge_all([YES, FEW]) is FEW
    assert rule.judge_all([YES, FEW, NO]) is NO
    assert widened(0.95, 5) == pytest.approx(0.99)


# (true difference in units of the margin, outcome that would be wrong, largest share of it)
ERRORS = [
    (1.0, YES, 0.025),  # at the margin, each of the two outcomes is wrong in one tail at most
    (1.0, NO, 0.025),
    (0.0, NO, 0.005),
    (2.0, YES, 0.005),
]


@pytest.mark.parametrize(("true", "wrong", "most"), ERRORS)
@pytest.mark.parametrize("n", [5, 40])
def test_equivalence_is_wrong_in_one_tail_at_most(true, wrong, most, n):
    rng, margin, repeats = np.random.default_rng(3), 0.05, 1000
    found = []
    for _ in range(repeats):
        a, b = rng.normal(true * margin, 0.07, n), rng.normal(0, 0.07, n)
        found.append(rule.judge_within(mean_difference(a, b), -margin, margin))
    assert found.count(wrong) / repeats <= most + 2 * math.sqrt(most / repeats)


@pytest.mark.parametrize(("true", "wrong"), [(0.0, YES), (-0.5, YES), (1.0, NO), (1.5, NO)])
@pytest.mark.parametrize("n", [5, 40])
def test_a_direction_is_wrong_in_one_tail_at_most(true, wrong, n):
    rng, margin, repeats = np.random.default_rng(4), 0.05, 1000
    found = [rule.judge_greater(mean_interval(rng.normal(true * margin, 0.1, n)), margin) for _ in range(repeats)]
    assert found.count(wrong) / repeats <= 0.025 + 2 * math.sqrt(0.025 / repeats)


@pytest.mark.parametrize("true", [-3.0, 0.0, 0.4, 1.6, 3.0])
def test_with_many_networks_every_claim_is_decided(true):
    rng, margin = np.random.default_rng(5), 0.05
    e = mean_interval(rng.normal(true * margin, 0.1, 20_000))
    assert rule.judge_within(e, -margin, margin) is (YES if abs(true) < 1 else NO)
    assert rule.judge_greater(e, margin) is (YES if true > 1 else NO)
    assert rule.judge_differ(e, margin) is (YES if abs(true) > 1 else NO)


@pytest.mark.parametrize(
    ("judge", "factor", "limits"),
    [
        (rule.judge_within, rule.factor_within, (-0.1, 0.1)),
        (rule.judge_greater, rule.factor_greater, (0.1,)),
        (rule.judge_differ, rule.factor_differ, (0.1,)),
    ],
)
@pytest.mark.parametrize("value", [-0.17, 0.0, 0.03, 0.08, 0.14, 0.3])
@pytest.mark.parametrize("fixed", [0.0, 1e-4])
def test_the_networks_needed_are_as_many_as_decide(judge, factor, limits, value, fixed):
    def at(n):  # an interval whose half-width has a part that more networks do not reduce
        half = math.sqrt(1.0 / n + fixed)
        return Estimate(value, value - half, value + half, n, fixed)

    assert judge(at(10), *limits) is FEW
    needed = 10 * factor(at(10), *limits)
    assert judge(at(math.ceil(needed * 1.001)), *limits) is not FEW
    assert judge(at(math.floor(needed * 0.999)), *limits) is FEW


def test_no_number_of_networks_decides_at_the_margin_or_within_what_is_published():
    assert rule.factor_within(estimate(-0.2, 0.4), -0.1, 0.1) == math.inf  # 0.1 exactly
    assert rule.factor_within(Estimate(0.08, -0.1, 0.2, 20, fixed=0.03**2), -0.1, 0.1) == math.inf


def test_shares_of_0_of_n_shrink_with_n_itself():
    def at(n):
        return share_interval(0, n)

    needed = math.ceil(20 * rule.factor_within(at(20), 0, 0.05))
    first = next(n for n in range(20, 500) if rule.judge_within(at(n), 0, 0.05) is YES)
    assert needed == pytest.approx(first, rel=0.15)
