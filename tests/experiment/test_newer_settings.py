"""Every newer setting of a network: grid axis, identity, record, MLflow parameter, files and checkpoints."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from network_rows import ROWS, test_each_newer_setting_has_a_row  # noqa: F401  # is collected here

from ratecore import NetworkSettings
from ratecore.experiment.checkpoints import Checkpoints
from ratecore.experiment.exporting import export
from ratecore.experiment.grid import Experiment
from ratecore.formats import load_network
from ratecore.formats.starting import start_of
from ratecore.rate.block import train_block
from ratecore.rate.dynamics import run
from ratecore.rate.training import train
from ratecore.settings.base import SettingsError
from ratecore.settings.reading import load_yaml
from ratecore.settings.run import RunSettings
from ratecore.spiking import rate_model
from ratecore.tracking.mlflow.translation import _params

by_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
FIRST = {"N": 12, "P_inh": 0.4}  # of the networks here, unless a row has others


def settings_of(row, **training):
    training = {"n_trials": 6, "eval_freq": 3, "eval_tr": 2, **training}
    return RunSettings(
        seed=4,
        task_settings={"T": 30, "stim_on": 5, "stim_dur": 5},
        network={**FIRST, **row},
        training=training,
        evaluation={"n_trials": 2},
    )


@by_row
def test_it_is_an_axis_and_part_of_the_identity(row):
    grid = {f"network.{key}": [value] for key, value in row.items()}
    experiment = Experiment.from_config({"experiment": "test", "network": FIRST, "grid": grid})
    (point,) = experiment.grid_points
    assert point.settings.network == NetworkSettings(**{**FIRST, **row})
    changed = RunSettings(network={**FIRST, **row})
    assert changed.identity("training") != RunSettings(network=FIRST).identity("training")
    defaults = {key: NetworkSettings.model_fields[key].default for key in NetworkSettings.newer}
    assert RunSettings(network={**FIRST, **defaults}).identity() == RunSettings(network=FIRST).identity()


@by_row
def test_it_is_in_the_record_and_in_mlflow(row):
    recorded = settings_of(row).model_dump(mode="json")
    params = _params({"settings": recorded})
    for key in row.keys() - {"taus"}:
        assert params[key] == recorded["network"][key] is not None
    assert RunSettings(**recorded) == settings_of(row)


@by_row
def test_either_file_restores_it_alone(row, tmp_path, capsys):
    settings = settings_of(row)
    result = train(settings)
    paths = export(tmp_path, settings, result, result.last_test)
    u, noise = torch.ones(2, 1, 9), torch.zeros(2, 8, result.net.N)
    states = [run(result.net, u, x0=noise[:, 0], noise=noise)]
    for path in paths:
        net = load_network(path)
        assert net.settings == result.net.settings
        states.append(run(net, u, x0=noise[:, 0], noise=noise))
        assert net.state_dict().keys() == result.net.state_dict().keys()
        assert {n for n, p in net.named_parameters() if p.requires_grad} == {
            n for n, p in result.net.named_parameters() if p.requires_grad
        }
        if settings.network.not_convertible:
            with pytest.raises(ValueError, match="its first state is trained"):
                rate_model(path)
            continue
        model = rate_model(path)
        np.testing.assert_allclose(model.W, net.effective_weights().detach().numpy(), rtol=1e-6)
        assert model.input_noise_sd == settings.network.input_noise_sd
    assert all(torch.equal(a, b) for x, *others in zip(*states, strict=True) for a, b in [(x, o) for o in others])
    assert capsys.readouterr().err == ""
    assert "network_settings" in scipy.io.loadmat(paths[0])


class Interruption(Exception):
    """Ends a training that has just written a checkpoint."""


@by_row
def test_a_training_that_was_interrupted_ends_with_the_same_bits(row, tmp_path):
    settings = settings_of(row, batch_size=2)

    class Once(Checkpoints):
        def due(self):
            return True

        def save(self, result):
            self.write(result)
            if result.n_trials == 4:
                raise Interruption

    with pytest.raises(Interruption):
        train(settings, checkpoints=Once(tmp_path, settings))
    resumed, whole = train(settings, checkpoints=Checkpoints(tmp_path, settings)), train(settings)
    assert resumed.losses == whole.losses
    for name, value in whole.net.state_dict().items():
        assert not isinstance(value, torch.Tensor) or torch.equal(resumed.net.state_dict()[name], value), name


@by_row
def test_a_block_is_each_network_alone(row):
    settings = [settings_of(row, batch_size=2).model_copy(update={"seed": seed}) for seed in (1, 2)]
    for k, result in train_block(settings, "cpu"):
        alone = train(settings[k])
        np.testing.assert_allclose(result.losses, alone.losses, rtol=1e-4)
        for name, value in alone.net.named_parameters():
            assert torch.allclose(dict(result.net.named_parameters())[name], value, rtol=1e-2, atol=1e-4), name


def test_the_first_networks_files_have_nothing_new(tmp_path):
    settings = settings_of({})
    result = train(settings)
    mat, _ = export(tmp_path, settings, result, result.last_test)
    assert not {"network_settings", "conn_m"} & scipy.io.loadmat(mat).keys()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("noise", "network_settings is no JSON"),
        ("[1]", "it must be settings by name"),
        ('{"noise_sd": -1}', "noise_sd = -1: "),
    ],
)
def test_bad_settings_in_a_file_are_named(text, message, exported):
    content = {**exported[2], "network_settings": np.array([text])}
    with pytest.raises(ValueError, match=message):
        rate_model(content)


def test_a_training_that_starts_from_a_file_may_train_more_of_it(tmp_path):
    first = settings_of({"areas": {"b": 5, "a": 7}, "P_rec": 0.5})
    result = train(first)
    mat, _ = export(tmp_path, first, result, result.last_test)
    more = {"areas": {"b": 5, "a": 7}, "trained": ("w", "w_in", "x0"), "frozen": ("b->b",)}
    then = settings_of(more, start_from=str(mat))
    start = start_of(then)
    assert torch.equal(start.net.conn_m, result.net.conn_m) and not start.net.x0_mean.any()
    trained = train(then, start=start).net
    assert trained.x0_mean.any() and not torch.equal(trained.w_in, result.net.w_in)
    assert torch.equal(trained.w[:5, :5], result.net.rectified_w()[:5, :5]) and trained.n_out == 1
    for changes, message in (
        ({"areas": {"a": 7, "b": 5}}, r"areas = "),
        ({"areas": {"b": 5, "a": 7}, "readout_dale": True}, "readout_dale = False; network.readout_dale is True"),
        ({}, "autapses|areas"),
    ):
        with pytest.raises(SettingsError, match=message):
            start_of(settings_of(changes, start_from=str(mat)))


def test_the_example_with_three_areas(tmp_path):
    config = load_yaml("config/examples/areas.yaml")
    assert len(Path("config/examples/areas.yaml").read_text().splitlines()) < 40
    config["network"] |= {"N": 30, "areas": {"sensory": 10, "association": 10, "motor": 10}, "P_inh": 0.3}
    config["training"] |= {"n_trials": 8, "eval_freq": 4, "eval_tr": 2}
    config["task_settings"] = {"T": 60, "stim_on": 5, "stim_dur": 10, "delay": 10}
    experiment = Experiment.from_config(config)
    areas = {"sensory": slice(0, 10), "association": slice(10, 20), "motor": slice(20, 30)}
    for point, feedback in zip(experiment.grid_points, (True, False), strict=True):
        settings = point.run(0)
        result = train(settings)
        net, W = result.net, result.net.effective_weights().detach()
        backward = [W[areas[a], areas[b]] for a, b in (("sensory", "motor"), ("sensory", "association"))]
        assert any(block.any() for block in backward) == feedback and W[areas["motor"], areas["association"]].any()
        for receiver, rows in areas.items():
            for sender, columns in areas.items():
                assert receiver == sender or not W[rows, columns][:, net.inh[columns]].any()
        assert not net.w_in[10:].any() and not net.w_out[:, :20].any() and not W.diagonal().any()
        assert result.initial["w_out"][:, 20:].all() and not torch.equal(result.initial["w_out"], net.w_out)
        mat, _ = export(tmp_path, settings, result, result.last_test)
        assert torch.equal(load_network(mat).conn_m, net.conn_m)


def test_a_network_with_a_trained_first_state_is_not_converted_and_says_why(tmp_path):
    from ratecore.experiment.runs import Run
    from ratecore.experiment.stages.convert import convert_run
    from ratecore.experiment.stages.train import train_run

    config = {"experiment": "test", "results": str(tmp_path), "network": {**FIRST, "trained": ["w_out", "x0"]}}
    config["training"] = {"n_trials": 1, "eval_tr": 2, "loss_threshold": 1e6, "accuracy_threshold": 0, "min_trials": 0}
    config["task_settings"] = {"T": 30, "stim_on": 5, "stim_dur": 5}
    experiment = Experiment.from_config(config)
    run = Run.at(experiment, experiment.grid_points[0], 0)
    run.folder.mkdir(parents=True)
    assert train_run(run)["trained"]
    assert convert_run(run)["skipped"].startswith("its first state is trained")
