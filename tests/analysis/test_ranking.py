"""Ranks and p values are those of SciPy."""

import numpy as np
import pytest
from scipy import stats

from ratecore.analysis.ranking import adjusted_p, average_ranks, rank_correlation


@pytest.mark.parametrize("shape", [(1,), (2,), (50,), (40, 7), (9, 3, 2)])
def test_ranks_with_and_without_ties(shape):
    rng = np.random.default_rng(0)
    for values in (rng.integers(0, 5, shape), rng.standard_normal(shape), np.zeros(shape)):
        np.testing.assert_array_equal(average_ranks(values), stats.rankdata(values, axis=0))


def test_rank_correlation():
    rng = np.random.default_rng(1)
    a = rng.standard_normal(30)
    for b in (a**3, -a, rng.integers(0, 4, 30).astype(float), rng.standard_normal(30)):
        assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-14)
    assert np.isnan(rank_correlation(a, np.ones(30)))


def test_adjusted_p():
    rng = np.random.default_rng(2)
    for p in (rng.random(20), rng.random((4, 5)) ** 6, np.ones(3), np.array([0.01, 0.01, 0.03, 0.9])):
        np.testing.assert_allclose(adjusted_p(p), stats.false_discovery_control(p, axis=None).reshape(p.shape), 1e-14)
