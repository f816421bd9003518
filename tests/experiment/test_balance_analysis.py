"""Analysis 'balance' of networks that are not trained: what it gives is that of the functions, and of equation 1."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest

from ratecore.experiment.analyses.table import ANALYSES
from ratecore.experiment.stages.table import function_of
from ratecore.rate import testing
from ratecore.rate.activity import trial_activity
from ratecore.rate.network import RateNetwork
from ratecore.settings.analysis import AnalysisSettings
from ratecore.settings.run import RunSettings

ROW = ANALYSES["balance"]
TRIAL = {"T": 60, "stim_on": 20, "stim_dur": 10}


@dataclass
class Untrained:
    """Material of a network before training."""

    settings: RunSettings

    @cached_property
    def parts(self):
        return testing.tested(self.settings, RateNetwork(self.settings.network, 1, rng=5))

    @property
    def task(self):
        return self.parts[0]

    @property
    def tested_net(self):
        return self.parts[1]

    tested = tested_net

    @property
    def inhibitory(self):
        return self.tested_net.inh.numpy()

    def activity(self, n_trials):
        return trial_activity(self.task, self.tested_net, 0, range(n_trials))


def material(evaluation=None, **network):
    evaluation = evaluation or {}
    settings = {"N": 30, "P_inh": 0.3, **network}
    return Untrained(RunSettings(network=settings, task_settings=TRIAL, evaluation=evaluation))


def result(given, **settings):
    own = AnalysisSettings(balance={"n_trials": 8, "skip_ms": 20, **settings}).balance
    return function_of(ROW.work)(given, own)


KINDS = {"dale": {}, "no dale": {"apply_dale": False}, "areas": {"areas": {"a": 20, "b": 10}}, "no I": {"P_inh": 0}}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_arrays_and_figures_are_those_of_the_table(kind):
    found = result(material(**KINDS[kind]))
    assert set(found.numbers) == set(ROW.numbers) and set(found.arrays) == set(ROW.arrays)
    assert all(type(value) is float for value in found.numbers.values())
    types = {"no dale": ["all"], "no I": ["E"]}.get(kind, ["E", "I"])
    assert found.arrays["types"].tolist() == types and set(found.arrays["unit_type"]) == set(types)
    assert np.isnan(found.numbers["exc_onto_inh"]) == (kind in ("no dale", "no I"))
    assert (found.numbers["ratio"] == 1) == (kind == "no I")
    figures = function_of(ROW.draw)({"seed 0": found.arrays, "seed 1": found.arrays})
    assert tuple(figures) == ROW.figures
    panel = figures["balance_currents"].axes[0]
    np.testing.assert_allclose(panel.lines[1].get_ydata(), found.arrays["excitatory"][0, 0])
    assert panel.patches[0].get_x() == 100 and panel.patches[0].get_width() == 50  # the stimulus, ms


def test_courses_and_means_are_those_of_equation_1():
    given = material()
    found, drawn, net = result(given).arrays, given.activity(8), given.tested_net
    W, w_in = (array.detach().double().numpy() for array in (net.effective_weights(), net.w_in))
    currents = drawn.r.astype(float) @ W.T
    go = drawn.scores.conditions == "go"
    assert found["conditions"].tolist() == ["go", "nogo"]
    exc = ~given.inhibitory
    np.testing.assert_allclose(
        (found["excitatory"] + found["inhibitory"])[0, 0], currents[go][..., exc].mean((0, 2)), rtol=1e-6
    )
    np.testing.assert_allclose(found["external"][0, 1, 20:30], w_in[given.inhibitory].mean(), rtol=1e-6)
    assert (found["external"][1] == 0).all() and found["window"].tolist() == [20, 300]
    mean = (found["unit_excitatory"] + found["unit_inhibitory"], currents[:, 4:].mean((0, 1)))
    np.testing.assert_allclose(*mean, rtol=1e-6, atol=1e-9)


def test_some_units_at_a_time_give_the_same(monkeypatch):
    whole = result(material())
    monkeypatch.setattr("ratecore.experiment.analyses.balance_measures.AT_ONCE", 7)
    parts = result(material())
    assert parts.numbers == pytest.approx(whole.numbers)
    for name, array in whole.arrays.items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(parts.arrays[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


def test_areas_add_up_and_perturbations_count():
    found = result(material(areas={"a": 20, "b": 10})).arrays
    assert found["areas"].tolist() == ["a", "b"] and found["area_excitatory"].shape == (2, 2)
    np.testing.assert_allclose(found["area_excitatory"].sum(1)[1], found["unit_excitatory"][20:].mean())
    assert found["area_inhibitory"][0, 1] == 0, "long-range connections are excitatory"
    assert result(material()).arrays["area_excitatory"].shape == (0, 0)
    without_inhibition = {"I-E": 0, "I-I": 0}
    perturbation = {"stimulation_current": 2, "stimulation_units": "inh", "scale_synapses": without_inhibition}
    changed = result(material({"perturbation": perturbation}))
    assert changed.arrays["external"][1, 1] == pytest.approx(2) and (changed.arrays["external"][1, 0] == 0).all()
    assert (changed.arrays["inhibitory"] == 0).all() and changed.numbers["ratio"] == 1


def test_the_window_and_external_currents_are_settings():
    given = material()
    stimulus = result(given, window="stimulus", max_lag_ms=10)
    assert stimulus.arrays["window"].tolist() == [100, 150]
    both, without = result(given, external=True), result(given)
    assert (both.arrays["external"] == 0).all()
    np.testing.assert_allclose(
        both.arrays["excitatory"] + both.arrays["inhibitory"],
        sum(without.arrays[kind] for kind in ("excitatory", "inhibitory", "external")),
    )
    with pytest.raises(ValueError, match=r"skip_ms = 400: nothing is left of the window 'trial', which ends at 300 ms"):
        result(given, skip_ms=400)
    with pytest.raises(ValueError, match=r"max_lag_ms = 50; it must be from 5 \(one step\) to 35, as the activity"):
        result(given, window="stimulus")
