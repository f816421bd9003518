"""The vector loops of spiking networks against SciPy, the reference generator and the equations in plain NumPy."""

import numpy as np
import pytest
import reference_lif
from scipy.special import erfinv

from ratecore.spiking.membrane_kernels import LANES, run_steps
from ratecore.spiking.noise_kernels import PADDING, fill_noise
from ratecore.spiking.step_kernels import kick

GAIN, DT, RISE, THRESHOLD = 0.005, 5e-5, 0.97, -40.0


def test_noise_is_the_inverse_normal_distribution_of_the_words():
    bits = np.r_[:2000, 2**22 - 1000 : 2**22 + 1000, 2**23 - 2000 : 2**23, 0 : 2**23 : 41]  # tails, middle, all along
    bits = np.r_[bits, np.zeros(-bits.size % PADDING, int)]
    generators = np.zeros((3, bits.size), np.uint32)
    generators[0] = bits << 9  # the first word of a generator is a + b + counter
    noise = np.zeros((1, bits.size), np.float32)
    assert fill_noise(generators, 0, 0.1, noise) == 1
    expected = 0.1 * np.sqrt(2) * erfinv((bits + 0.5) / 2**22 - 1)
    np.testing.assert_allclose(noise[0], expected, rtol=2e-6, atol=1e-8)
    assert noise.max() > 0.5 and noise.min() == pytest.approx(-noise.max())


def test_words_are_those_of_sfc32_however_many_are_drawn_at_once():
    seeds = np.random.default_rng(0).integers(0, 2**32, (3, 2 * PADDING), np.uint32)
    state, noise = seeds.copy(), np.zeros((50, 2 * PADDING), np.float32)
    assert fill_noise(state, 1, 1.0, noise[:20]) == 21
    assert fill_noise(state, 21, 1.0, noise[20:]) == 51
    a, b, c = seeds.astype(np.uint64)
    for counter in range(1, 51):
        word, a, b, c = reference_lif.sfc32(a, b, c, np.uint64(counter))
        expected = np.sqrt(2) * erfinv(((word >> np.uint64(9)) + 0.5) / 2**22 - 1)
        np.testing.assert_allclose(noise[counter - 1], expected, rtol=2e-6, atol=1e-7)
    np.testing.assert_array_equal(state, np.array([a, b, c], np.uint32))


def membranes(seed):
    rng = np.random.default_rng(seed)
    N = 3 * PADDING
    filters = np.vstack([rng.uniform(-65, -41, N), rng.normal(0, 5, N), rng.normal(0, 900, N), np.full((4, N), 7.0)])
    ready, decay = rng.choice([-1.0, 3.0, 40.0], N), rng.uniform(0.98, 0.999, N)
    return filters, ready, decay, rng.normal(-42, 4, (2, N)), rng.normal(0, 0.1, (60, N)).astype(np.float32)


def by_the_equations(quadratic, filters, ready, decay, drive, noise, column, row, first, last, rise):
    v, ipsc, h = filters[:3].copy()
    for k in range(first, last):
        pull = v**2 if quadratic else -v
        slope = GAIN * (pull + ipsc + drive[column]) * (k + 1 > ready)
        v = v + slope + noise[row + k - first]
        ipsc, h = ipsc * decay + h * DT, h * rise
        if (v >= THRESHOLD).any():
            return v, ipsc, h, -(k + 1)
    return v, ipsc, h, last


@pytest.mark.parametrize("quadratic", [False, True])
@pytest.mark.parametrize("rise", [RISE, 0.0])
def test_steps_follow_the_equations_until_a_unit_fires(quadratic, rise):
    ends = set()
    for seed in range(20):
        filters, ready, decay, drive, noise = membranes(seed)
        if quadratic:
            filters[0] += 40  # about the stable point, below a far threshold
            drive -= 20
        fired = np.full(3 * PADDING // LANES, 255, np.uint8)
        *expected, end = by_the_equations(quadratic, filters, ready, decay, drive, noise, 1, 5, 30, 70, rise)
        numbers = GAIN, DT, rise, THRESHOLD
        assert run_steps(quadratic, filters, ready, decay, drive, noise, fired, numbers, 1, 5, 30, 70) == end
        for found, wanted in zip(filters, expected, strict=False):
            np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-9)
        assert (filters[3:] == 7.0).all()
        bits = np.unpackbits(fired, bitorder="little")
        np.testing.assert_array_equal(bits, filters[0] >= THRESHOLD)
        ends.add(end)
    assert len(ends) > 3 or quadratic
    assert any(end < 0 for end in ends)


def test_steps_without_a_spike_run_to_the_last():
    filters, ready, decay, drive, noise = membranes(0)
    fired = np.zeros(3 * PADDING // LANES, np.uint8)
    *expected, _ = by_the_equations(False, filters, ready + 99, decay, drive, noise * 0, 0, 0, 7, 31, RISE)
    numbers = GAIN, DT, RISE, THRESHOLD
    assert run_steps(False, filters, ready + 99, decay, drive, noise * 0, fired, numbers, 0, 0, 7, 31) == 31
    for found, wanted in zip(filters, expected, strict=False):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert not fired.any()


def test_a_kick_finds_the_units_that_it_lifts_above_threshold():
    v, hit = np.full(20, -41.0), np.zeros(20)
    hit[[3, 17]] = 1
    fired = np.full(4, 9, np.uint8)
    assert not kick(v, hit, 0.5, -40.0, fired) and not fired.any()
    assert kick(v, hit, 0.5, -40.0, fired) and list(fired > 0) == [True, False, True, False]
    assert v[3] == v[17] == -40.0 and (np.delete(v, [3, 17]) == -41.0).all()
