"""What analyses share: activity and spikes are those of the evaluation and of the conversion, drawn once."""

import numpy as np
import pytest

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import do_stage
from ratecore.formats import load_scores
from ratecore.rate import activity
from ratecore.spiking.source import model_of

pytestmark = pytest.mark.usefixtures("figures_are_not_rendered")

CONFIG = {
    "experiment": "material",
    "analyses": ["spectrum", "learning"],
    "grid": {"evaluation.noise_sd": [None, 0.3], "conversion.lesion.fraction": [0.0, 0.4]},
    "network": {"N": 12, "P_inh": 0.3},
    "training": {
        "n_trials": 1500,
        "eval_freq": 1500,
        "eval_tr": 5,
        "loss_threshold": 1e6,
        "accuracy_threshold": 0,
        "keep_weights": 500,
    },
    "evaluation": {"n_trials": 6},
    "task_settings": {"T": 30, "stim_on": 5, "stim_dur": 5},
    "conversion": {"n_trials": 6, "scaling_factors": [2, 4], "trials_shown": 1},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, png_file):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ratecore.figures.png", lambda figure: png_file)
        experiment = Experiment.from_config({**CONFIG, "results": str(tmp_path_factory.mktemp("results"))})
        for stage in ("train", "evaluate", "export", "convert"):
            for point in experiment.grid_points_of(stage).values():
                do_stage(stage, [Run.at(experiment, point, 0)], experiment.settings)
    return [Run.at(experiment, point, 0) for point in experiment.grid_points]


def test_activity_is_that_of_the_evaluation(runs):
    assert len(runs) == 4
    for run in runs:
        found = Material(run).activity(6)
        scores = load_scores(run.evaluation)
        np.testing.assert_array_equal(found.scores.outputs, scores.outputs)
        np.testing.assert_array_equal(found.scores.losses, scores.losses)
        assert list(found.scores.conditions) == list(scores.conditions)
    assert not np.array_equal(load_scores(runs[0].evaluation).outputs, load_scores(runs[2].evaluation).outputs)


def test_trials_are_drawn_once_for_all_analyses(runs, monkeypatch):
    calls = []

    def counted(*args, **options):
        calls.append(args[3])
        return given(*args, **options)

    given = activity.trial_activity
    monkeypatch.setattr(activity, "trial_activity", counted)
    monkeypatch.setattr(Material, "_most_trials", lambda material, section: 9)
    material = Material(runs[0])
    few, many = material.activity(4), material.activity(9)
    assert calls == [range(9)]
    assert few.x.base is not None and np.shares_memory(few.x, many.x)
    np.testing.assert_array_equal(few.o, given(material.task, material.tested_net, 0, range(4), n_trials=6).o)
    assert len(few.scores.labels) == len(few.scores.losses) == len(few.steps) == 4
    assert few.scores.accuracy == pytest.approx(np.mean(few.scores.correct))


def test_spikes_are_those_of_the_network_that_was_scored(runs):
    for run in runs:
        material = Material(run)
        end = run.outcome("convert")
        spikes = material.spikes(6)
        assert spikes.correct.mean() == pytest.approx(end["spiking_accuracy"])
        exc = ~material.inhibitory
        assert spikes.rates[:, exc].mean() == pytest.approx(end["mean_rate_exc"])
        assert material.spikes(6) is spikes
        for k in range(2):
            few = material.spikes(4)
            for own, expected in zip(few.of_trial(k), spikes.of_trial(k), strict=True):
                np.testing.assert_array_equal(own, expected)
        alone = Material(run).spikes(4)
        for name, value in vars(alone).items():
            np.testing.assert_array_equal(getattr(few, name), value, err_msg=name)
    intact, lesioned = (Material(run).spikes(6) for run in runs[:2])
    assert not np.array_equal(intact.counts, lesioned.counts)


def test_weights_are_those_before_during_and_after_training(runs):
    material = Material(runs[0])
    model = model_of(material.net, material.initial)
    np.testing.assert_allclose(material.weights, model.W, rtol=1e-6)
    kept = material.kept_weights
    W = kept["w"] * (np.diagonal(kept["m"])[None] * kept["som_m"])
    np.testing.assert_allclose(W[0], material.initial_weights, rtol=1e-6)
    np.testing.assert_allclose(W[-1], material.weights, rtol=1e-6)


def test_a_network_that_was_not_converted_says_why(tmp_path):
    settings = {**CONFIG, "grid": {}, "results": str(tmp_path), "training": {"n_trials": 4, "eval_freq": 4}}
    experiment = Experiment.from_config(settings)
    run = Run.at(experiment, experiment.grid_points[0], 0)
    for stage in ("train", "evaluate", "export", "convert"):
        do_stage(stage, [run], experiment.settings)
    material = Material(run)
    assert material.kept_weights is None and not material.trained
    with pytest.raises(ValueError, match="there are no spikes: the network was not trained within 4 trials"):
        material.spikes(3)
