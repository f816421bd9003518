"""Each equation of a network's parameters, of torch and numpy, against float64 written out by hand."""

import numpy as np
import pytest
import torch

from ratecore.rate.adam import corrections
from ratecore.rate.parameters import connection_signs, effective_weights, share_of_span, time_constants

X = np.array([-800.0, -3.0, -0.1, 0.0, 2.0, 30.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_time_constants_lie_between_their_bounds(dtype):
    x, bound = X.astype(dtype), 4e-7 if dtype == np.float32 else 1e-15
    share = np.array([0 if v < -700 else 1 / (1 + np.exp(-float(v))) for v in x])
    for found in (time_constants(x, (4, 20)), time_constants(torch.from_numpy(x), (4, 20)).numpy()):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, 4 + 16 * share, rtol=bound)
    np.testing.assert_allclose(share_of_span(x), share, atol=bound)
    assert (time_constants(x, (7,)) == 7).all() and (time_constants(torch.from_numpy(x), (7,)) == 7).all()


@pytest.mark.parametrize("dale", [True, False])
def test_effective_weights_are_signed_by_the_presynaptic_unit_and_masked(dale):
    rng = np.random.default_rng(0)
    w, m, som_m = rng.standard_normal((4, 4)), np.diag([1.0, -1, 1, -1]), np.ones((4, 4))
    som_m[1, [1, 3]] = 0
    truth = [[(max(w[i, j], 0) if dale else w[i, j]) * m[j, j] * som_m[i, j] for j in range(4)] for i in range(4)]
    assert (effective_weights(w, connection_signs(m, som_m), dale) == truth).all()
    tensors = map(torch.from_numpy, (m, som_m))
    assert (effective_weights(torch.from_numpy(w), connection_signs(*tensors), dale).numpy() == truth).all()
    signs = connection_signs(m, som_m, masked=False)
    assert signs.shape == (1, 4) and (signs[0] == [1, -1, 1, -1]).all()


def test_corrections_of_numbers_and_tensors_are_the_same():
    rates, roots = corrections(0.01, torch.tensor([1.0, 500.0], dtype=torch.float64))
    for k, step in enumerate((1, 500)):
        truth = 0.01 / (1 - 0.9**step), (1 - 0.999**step) ** 0.5
        for found in (corrections(0.01, step), (rates[k], roots[k])):
            np.testing.assert_allclose(found, truth, rtol=1e-12)
