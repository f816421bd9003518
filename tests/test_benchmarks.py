"""The benchmark compares ways that do the same: the contenders' losses and outputs agree over a few updates."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import small_settings

from ratecore.evaluation import draw_trials
from ratecore.streams import stream
from ratecore.training import initial_network

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import contenders  # noqa: E402

KINDS = [contenders.TorchLoop, contenders.Textbook]
if importlib.util.find_spec("jax"):
    KINDS.append(contenders.JaxScan)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_contenders_do_the_same(kind, batch):
    settings = small_settings()
    generators = [stream(0, "trial", k) for k in range(batch)]
    trials, x0, noise = draw_trials(settings.create_task(), initial_network(settings), generators)
    ours, theirs = (made(settings, trials.u, trials.z, x0, noise) for made in (contenders.Fused, kind))
    np.testing.assert_allclose(np.asarray(theirs.forward()), ours.forward().numpy(), atol=1e-5)
    for _ in range(4):
        assert theirs.train() == pytest.approx(ours.train(), rel=1e-4)


def test_the_floor_has_the_products_of_a_trial():
    settings = small_settings()
    trials, x0, noise = draw_trials(settings.create_task(), initial_network(settings), [stream(0, "trial", 0)])
    floor = contenders.Floor(settings, trials.u, trials.z, x0, noise)
    assert floor.steps == 59 and floor.train().shape == (20, 20)
    np.testing.assert_allclose(floor.train(), floor.a.T @ floor.b)
