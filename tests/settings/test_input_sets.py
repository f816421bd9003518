"""Named sets of units, and indices, as `network.input_units` and `network.output_units`."""

import numpy as np
import pytest

from ratecore.experiment.grid import Experiment
from ratecore.formats.pth import result_from_pth, save_pth
from ratecore.rate.network import RateNetwork
from ratecore.rate.training import train
from ratecore.settings.base import SettingsError
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.run import RunSettings

N = 20
TUNED = {"tuning": {"condition_a": "go", "condition_b": "nogo"}}
SETS = {"few": [1, 4, 7], "inhibitory": {"units": ["inh"]}, "tuned": TUNED}
AREAS = {"a": 12, "b": 8}


def run(sets=None, **network):
    return RunSettings(network={"N": N, "P_inh": 0.4, **network}, unit_sets=SETS if sets is None else sets)


def receiving(settings):
    """Units with inputs, and the types, of the network that training starts with."""
    net = RateNetwork(settings.network, 2, rng=0)
    return (net.w_in.detach().numpy() != 0).all(1), net.inh.numpy()


@pytest.mark.parametrize(("units", "truth"), [
    ("few", lambda few, inh: few),
    ([1, 4, 7], lambda few, inh: few),
    (["few", "inhibitory"], lambda few, inh: few | inh),
    ("few.exc", lambda few, inh: few & ~inh),
    (["few.inh", "a"], lambda few, inh: (few & inh) | (np.arange(N) < 12)),
], ids=["set", "indices", "set and type", "part of a set", "part and area"])  # fmt: skip
def test_they_receive_the_inputs(units, truth):
    found, inh = receiving(run(input_units=units, areas=AREAS))
    np.testing.assert_array_equal(found, truth(np.isin(np.arange(N), [1, 4, 7]), inh))
    net = RateNetwork(run(output_units=units, areas=AREAS).network, 2, rng=0)
    np.testing.assert_array_equal((net.w_out.detach().numpy() != 0).any(0), found)


def test_the_identity_depends_on_what_is_in_the_set(tmp_path):
    (tmp_path / "few.csv").write_text("1\n4\n7\n")
    np.save(tmp_path / "few.npy", [1, 4, 7])
    alike = [SETS, {"few": {"file": str(tmp_path / "few.csv")}}, {"few": {"file": str(tmp_path / "few.npy")}}]
    assert len({run(sets, input_units="few").identity() for sets in alike}) == 1
    assert run({"few": [1, 4, 8]}, input_units="few").identity() != run(input_units="few").identity()
    assert run().identity() == run({}).identity() == run({}, input_units="all").identity()


def test_paths_have_the_name_and_all_seeds_the_set(tmp_path):
    config = {"experiment": "sets", "results": str(tmp_path), "unit_sets": SETS, "network": {"N": N}}
    grid = {"input_units": ["few", ["few", "exc"], "all", [2, 3]], "seed": [0, 1]}
    experiment = Experiment.from_config({**config, "grid": grid})
    shown = [point.values["input_units"] for point in experiment.grid_points]
    assert shown[0] == "few" and shown[2:] == ["all", "2_3"]
    few = [experiment.grid_points[0].run(seed).network for seed in (0, 1)]
    assert few[0] == few[1] and few[0].named_units == {"few": (1, 4, 7)}
    assert experiment.grid_points[2].settings.network.named_units is None
    assert experiment.grid_points[0].identity(1) == experiment.grid_points[0].run(1).identity()


def test_files_of_a_network_say_all_of_it(tmp_path):
    """Training changes inputs of chosen units only, and the network is whole without the sets."""
    training = {"n_trials": 3, "eval_freq": 3, "eval_tr": 2}
    network = {"N": N, "P_inh": 0.4, "input_units": ["few.exc", "inhibitory"], "trained": ["w", "w_in", "w_out"]}
    settings = RunSettings(network=network, unit_sets=SETS, training=training)
    result = train(settings)
    save_pth(tmp_path / "network.pth", settings, result)
    net = result_from_pth(tmp_path / "network.pth").net
    assert net.settings == settings.network and net.settings.named_units["few"] == (1, 4, 7)
    chosen = net.inh.numpy() | np.isin(np.arange(N), [1, 4, 7])
    np.testing.assert_array_equal((net.w_in.detach().numpy() != 0).all(1), chosen)
    assert (net.w_in.detach().numpy() != result.initial["w_in"].numpy()).any()


@pytest.mark.parametrize(("sets", "units", "message"), [
    (SETS, "tuned", r"network\.input_units = 'tuned': 'tuned' is a set by tuning, which is measured in the trained"),
    (SETS, ["few", "tuned.exc"], r"network\.input_units = \['few', 'tuned.exc'\]: 'tuned.exc' is a set by tuning"),
    (SETS, "fw", r"network\.input_units = \['fw'\]: 'fw' is no group of units; allowed: all, .*; unit_sets gives a"),
    ({"few": [1, 20]}, "few", r"unit_sets\.few = \(1, 20\): they must be indices from 0 to 19"),
    ({"few": {"file": "none.csv"}}, "few", r"unit_sets\.few\.file = 'none.csv': there is no such file"),
    ({"few": {"fill": "x.csv"}}, "few", r"unknown setting 'unit_sets\.few\.fill' \(did you mean 'file'"),
    ({}, [3, 20], r"network\.input_units = \[3, 20\]: 20 is no unit; indices must be from 0 to 19"),
    ({}, ["exc", 3], r"network\.input_units = \['exc', 3\]: it must be a list of indices >= 0, or one of"),
    ({"none": {"units": "som"}}, "none", r"unit_sets\.none\.units = 'som': the network has no SST units"),
], ids=lambda v: str(v) if isinstance(v, str | list) else "")  # fmt: skip
def test_bad_sets_have_one_error(sets, units, message):
    for make in (lambda: run(sets, input_units=units), lambda: experiment_of(sets, units)):
        with pytest.raises(SettingsError, match=message) as error:
            make()
        assert len(error.value.problems) == 1


def experiment_of(sets, units):
    config = {"experiment": "bad", "unit_sets": sets, "network": {"N": N, "P_inh": 0.4, "input_units": units}}
    return Experiment(ExperimentSettings(**config))
