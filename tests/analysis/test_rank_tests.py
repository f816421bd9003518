"""Tests of groups against all permutations, counted here."""

import itertools

import numpy as np
import pytest

from ratecore.analysis.rank_tests import holm, rank_sum, signed_rank


@pytest.mark.parametrize(("a", "b"), [((1.0, 2, 3, 9), (4.0, 5, 6, 7, 8)), ((1.0, 5, 6), (2.0, 3, 4, 7))])
def test_rank_sum_is_the_share_of_assignments_at_least_as_extreme(a, b):
    pooled, n = np.array([*a, *b]), len(a)
    ranks = pooled.argsort().argsort() + 1
    middle = n * (len(pooled) + 1) / 2
    found = abs(ranks[:n].sum() - middle)
    sums = [abs(sum(chosen) - middle) for chosen in itertools.combinations(ranks.tolist(), n)]
    assert rank_sum(np.array(a), np.array(b)) == pytest.approx(np.mean(np.array(sums) >= found))


def test_signed_rank_is_the_share_of_signs_at_least_as_extreme():
    a = np.array([1.0, 2, 3, 4, 5, 6])
    b = a - np.array([0.5, 1.5, -1, 2.5, 3, 4])
    ranks, positive = np.abs(a - b).argsort().argsort() + 1, a > b
    middle = ranks.sum() / 2
    found = abs(ranks[positive].sum() - middle)
    signs = np.array(list(itertools.product((0, 1), repeat=len(a))))
    assert signed_rank(a, b) == pytest.approx(np.mean(np.abs(signs @ ranks - middle) >= found))
    assert signed_rank(a, a) == 1


def test_holm_multiplies_the_smallest_most_and_keeps_the_order():
    # Holm 1979: 0.01 * 3; max(0.03, 0.02 * 2); max(0.04, 0.4)
    assert holm([0.02, 0.4, 0.01]) == pytest.approx([0.04, 0.4, 0.03])
    assert holm([0.7, 0.6]) == [1.0, 1.0] and holm([0.2]) == [0.2] and holm([]) == []
