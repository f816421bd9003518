"""Products with packed connections against NumPy in float64, and training with them against dense products."""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.rate.dynamics import draw_noise, packed, packing
from ratecore.rate.updates import FusedUpdates, TorchUpdates
from ratecore.settings.training import TrainingSettings

pytestmark = pytest.mark.skipif(not packed.lanes_of(np.float32), reason="the processor cannot permute vectors")
BOUND = {np.float32: 3e-6, np.float64: 1e-14}


def matrix(N, density, dtype, seed=0):
    rng = np.random.default_rng(seed)
    W = (rng.standard_normal((N, N)) * (rng.random((N, N)) < density)).astype(dtype)
    W[N // 2], W[:, N // 3] = 0, 0  # a unit without inputs and one without targets
    return W


def product(part, v):
    y = np.ones(len(v), v.dtype)
    packed.add_packed_product(part, v, y)
    return y


def packed_of(W):
    return packing.Packing(W).take(W, np.count_nonzero(W))


@pytest.mark.parametrize("dtype", [d for d in BOUND if packed.lanes_of(d)])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.2, 1.0])
@pytest.mark.parametrize("N", [16, 17, 31, 50, 64, 100])
def test_packed_products(N, density, dtype):
    W, rng = matrix(N, density, dtype), np.random.default_rng(1)
    found, v = packed_of(W), rng.standard_normal(N).astype(dtype)
    for part, A in ((found.W, W), (found.W_t, W.T)):
        size = np.abs(A.astype(float)) @ np.abs(v) + 1
        assert (np.abs(product(part, v) - (1 + A.astype(float) @ v)) <= BOUND[dtype] * size).all()
    a, r = rng.standard_normal((13, N)).astype(dtype), rng.standard_normal((14, N)).astype(dtype)
    packed.add_outer_products(found.W, a, r, found.g)
    gradient = np.zeros_like(W)
    found.add_to(gradient)
    exact = a.astype(float).T @ r[:13]
    assert (gradient[W == 0] == 0).all()
    assert np.abs((gradient - exact)[W != 0]).max(initial=0) < 30 * BOUND[dtype]


def test_what_is_packed_with_what_changes_no_bit():
    W, v = matrix(70, 0.3, np.float32), np.random.default_rng(2).standard_normal(70).astype(np.float32)
    found = packed_of(W)
    for seed in range(4):
        W[np.random.default_rng(seed).random(W.shape) < 0.02] = 0
        vectors = len(found.W.base)
        found.take(W, np.count_nonzero(W))
        anew = packed_of(W)
        assert len(found.W.base) == vectors or len(found.W.base) == len(anew.W.base)
        assert np.array_equal(product(found.W, v), product(anew.W, v))
        assert np.array_equal(product(found.W_t, v), product(anew.W_t, v))


def test_a_connection_that_comes_to_life_is_packed():
    W = matrix(40, 0.1, np.float32)
    found, (i, j) = packed_of(W), np.argwhere(W == 0)[5]
    W[i, j] = 2
    W[tuple(np.argwhere(W != 0)[0])] = 0  # as many as before
    v = np.random.default_rng(3).random(40).astype(np.float32)
    found.take(W, np.count_nonzero(W))
    assert np.array_equal(product(found.W, v), product(packed_of(W).W, v))


def test_which_permutation():
    avx2, avx512 = frozenset({"+avx2", "+fma"}), frozenset({"+avx2", "+fma", "+avx512f"})
    lanes = [
        getattr(packed.permutation(d, f), "lanes", 0)
        for f in (frozenset({"+neon"}), avx2, avx512)
        for d in (np.float32, np.float64)
    ]
    assert lanes == [0, 0, 8, 0, 16, 8]


NARROW = """
import sys, numpy as np
sys.path[:0] = sys.argv[1].split(":")
from test_packed import matrix, packed_of, product
from ratecore.rate.dynamics import packed
assert packed.lanes_of(np.float32) == 8
v = np.random.default_rng(4).standard_normal(53).astype(np.float32)
found = packed_of(matrix(53, 0.15, np.float32))
np.save(sys.argv[2], np.stack([product(found.W, v), product(found.W_t, v)]))
"""


@pytest.mark.slow
def test_vectors_of_half_the_width_give_the_same_bits(tmp_path):
    if packed.lanes_of(np.float32) != 16:
        pytest.skip("the vectors here have 8 numbers")
    env = {
        **os.environ,
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+cmov,+64bit",
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    here = os.path.dirname(__file__)
    command = [sys.executable, "-c", NARROW, f"{here}:{os.path.dirname(here)}", str(tmp_path / "y.npy")]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    v = np.random.default_rng(4).standard_normal(53).astype(np.float32)
    found = packed_of(matrix(53, 0.15, np.float32))
    assert np.array_equal(np.load(tmp_path / "y.npy"), np.stack([product(found.W, v), product(found.W_t, v)]))


CASES = [
    dict(activation=activation, som_N=som, taus=taus)
    for activation in ("sigmoid", "clipped_relu", "softplus")
    for som, taus in ((0, (4.0, 20.0)), (3, (10.0,)))
]


def network(dtype, N=37, **settings):
    return FR_RNN_dale.from_settings(NetworkSettings(N=N, P_inh=0.4, **settings), 2, 1, dtype=dtype)


def trials(batch, dtype, seed, N=37, T=21):
    rng = np.random.default_rng(seed)
    u, z = (torch.as_tensor(rng.standard_normal(shape), dtype=dtype) for shape in ((batch, 2, T), (batch, T)))
    return u, z, *draw_noise(batch, T, N, rng, dtype)


@pytest.mark.parametrize("batch", [1, 3, 19])  # 19: 16 side by side and 3 one by one
@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c.values())))
def test_updates_over_packed_connections_are_those_of_torch(case, batch):
    for dtype, bound in ((torch.float64, 1e-9), (torch.float32, 2e-3)):
        a, b = network(dtype, **case), network(dtype, **case)
        by_torch, fused = TorchUpdates(a, TrainingSettings()), FusedUpdates(b, TrainingSettings())
        for k in range(5):
            drawn = trials(batch, dtype, k)
            assert fused.update(*drawn) == pytest.approx(by_torch.update(*drawn), rel=10 * bound)
        assert (fused._packed is not None) == (packed.lanes_of(fused._dtype) > 0)
        for name, value in a.named_parameters():
            assert torch.allclose(dict(b.named_parameters())[name], value, rtol=bound, atol=bound / 10), name


@pytest.mark.parametrize("settings", [dict(P_rec=0.9), dict(apply_dale=False), dict(N=20)])
def test_where_packing_does_not_pay_products_are_dense(settings):
    N = settings.get("N", 37)
    updates = FusedUpdates(network(torch.float32, **settings), TrainingSettings())
    updates.update(*trials(1, torch.float32, 0, N))
    assert updates._packed is None


def test_training_switches_to_packed_connections_and_resumes_bit_identical():
    training, N = TrainingSettings(learning_rate=0.03), 40
    whole = network(torch.float32, N, P_rec=0.4, gain=0.8)
    updates, packed_at, kept = FusedUpdates(whole, training), [], {}
    for k in range(60):
        kept[k] = copy.deepcopy(whole.state_dict()), copy.deepcopy(updates.state_dict())
        updates.update(*trials(1, torch.float32, k, N))
        packed_at.append(updates._packed is not None)
    switch = packed_at.index(True)
    assert 0 < switch < 50
    for k in (switch - 1, switch + 1, 55):  # before the switch, just after it, and far from when all was packed
        net = network(torch.float32, N, P_rec=0.4, gain=0.8)
        net.load_state_dict(kept[k][0])
        going_on = FusedUpdates(net, training)
        going_on.load_state_dict(kept[k][1])
        for later in range(k, 60):
            going_on.update(*trials(1, torch.float32, later, N))
        assert torch.equal(net.w, whole.w) and torch.equal(net.taus_gaus, whole.taus_gaus)
