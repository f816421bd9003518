"""The analysis 'spike_balance': its currents are those that the simulation computes step by step."""

import numpy as np
import pytest
from spiking_material import LAMBDA, Untrained

from ratecore.experiment.analyses.spiking import converted
from ratecore.experiment.analyses.table import ANALYSES
from ratecore.experiment.stages.table import function_of
from ratecore.settings.analysis import AnalysisSettings
from ratecore.settings.run import RunSettings
from ratecore.spiking.lif import Simulator
from ratecore.spiking.scoring import TrialsOfTask

ROW = ANALYSES["spike_balance"]
TRIAL = {"T": 41, "stim_on": 15, "stim_dur": 10}
N_TRIALS = 6


def material(spiking=None, conversion=None, **network):
    return Untrained(
        RunSettings(
            network={"N": 30, "P_inh": 0.3, **network},
            task_settings=TRIAL,
            spiking=spiking or {},
            conversion=conversion or {},
        )
    )


def result(given, **settings):
    own = AnalysisSettings(spike_balance={"n_trials": N_TRIALS, "skip_ms": 20, **settings}).spike_balance
    return function_of(ROW.work)(given, own)


def simulated(given):
    """IPSC and external current of each trial (B, T, N), means of the steps of the simulation, and the conditions."""
    own = converted(given.settings, given.result)
    trials = TrialsOfTask(own.model, own.task, own.settings, given.settings.seed)
    simulator, per_bin = Simulator(own.model, own.settings, 1), round(5 / own.settings.step)
    ipsc, external = [], []
    for k in range(N_TRIALS):
        u, _, randomness = trials.draw(k)
        trial = simulator.record(LAMBDA, u, randomness, states=True)
        bins = trial.nt // per_bin
        ipsc.append(trial.ipsc[: bins * per_bin].reshape(bins, per_bin, -1).mean(1))
        step_ms = (np.arange(trial.nt) * own.settings.step + 1e-9) // (5 * own.settings.downsample)
        drive = u[:, :: own.settings.downsample].T[step_ms.astype(int)] @ own.model.w_in.T
        external.append(drive[: bins * per_bin].reshape(bins, per_bin, -1).mean(1))
    return np.array(ipsc), np.array(external), np.array([trials.condition(k) for k in range(N_TRIALS)])


KINDS = {
    "default": {},
    "downsampled": {"spiking": {"downsample": 2}},
    "single filter": {"spiking": {"tau_rise": 0.0}},
    "lesioned, with other inputs": {"conversion": {"lesion": {"fraction": 0.5}, "input_gain": 3.0}},
    "no dale": {"apply_dale": False},
}


@pytest.mark.parametrize("kind", KINDS)
def test_currents_are_those_of_the_simulation(kind):
    given = material(**KINDS[kind])
    found, (ipsc, external, conditions) = result(given), simulated(given)
    assert set(found.numbers) == set(ROW.numbers) and set(found.arrays) == set(ROW.arrays)
    arrays = found.arrays
    assert given.spikes(N_TRIALS).times.size > 500
    recurrent, types = arrays["excitatory"] + arrays["inhibitory"], arrays["types"].tolist()
    assert types == (["all"] if kind == "no dale" else ["E", "I"])
    for c, condition in enumerate(arrays["conditions"]):
        for g, name in enumerate(types):
            units, own = arrays["unit_type"] == name, conditions == condition
            expected = ipsc[own][..., units].mean((0, 2))
            np.testing.assert_allclose(recurrent[c, g], expected, atol=1e-9 * np.abs(ipsc).max())
            np.testing.assert_allclose(arrays["external"][c, g], external[own][..., units].mean((0, 2)), atol=1e-9)
    whole = arrays["unit_excitatory"] + arrays["unit_inhibitory"]
    np.testing.assert_allclose(whole, ipsc[:, 4:].mean((0, 1)), atol=1e-9 * np.abs(ipsc).max())
    assert (arrays["unit_inhibitory"] <= 0).all() and arrays["unit_inhibitory"].any()
    assert arrays["window"].tolist() == [20, 200] and arrays["stimulus"].tolist() == [[75, 125]]


def test_figures_are_those_of_the_table_and_currents_are_in_mv():
    found = result(material()).arrays
    figures = function_of(ROW.draw)({"seed 0": found, "seed 1": found})
    assert tuple(figures) == ROW.figures
    assert figures["spike_balance_currents"].axes[0].get_ylabel() == "mean current (mV)"
    assert figures["spike_balance_units"].axes[0].get_xlabel() == "mean E (mV)"
    assert all("units of x" not in words for words in (ROW.numbers | ROW.arrays).values())


def test_a_stimulation_is_external():
    perturbation = {"stimulation_current": 7.0, "stimulation_units": "inh"}
    found = result(material(conversion={"perturbation": perturbation})).arrays
    without = result(material()).arrays
    np.testing.assert_allclose(
        found["external"] - without["external"], np.array([[[0], [7]]] * 2) + 0 * found["external"]
    )


def test_networks_that_were_not_converted_are_left_out_and_bad_windows_are_named():
    given = material()
    with pytest.raises(
        ValueError, match=r"analysis.spike_balance.skip_ms = 300: nothing is left of the window 'trial'"
    ):
        result(given, skip_ms=300)
    given.not_converted = "training did not meet its criterion"
    assert result(given).skipped == "there are no spikes: training did not meet its criterion"
