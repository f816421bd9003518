"""The analyses of populations as parts of stage 'analyse', on activity whose answers are known."""

from dataclasses import dataclass

import numpy as np
import pytest

from ratecore.experiment.analyses import recording as rec
from ratecore.experiment.analyses.table import ANALYSES
from ratecore.experiment.grid import Experiment
from ratecore.experiment.stages.table import function_of
from ratecore.rate.results import Activity, Scores
from ratecore.settings.analysis import AnalysisSettings
from ratecore.settings.base import SettingsError
from ratecore.settings.run import RunSettings
from ratecore.tasks import AbstractTask, TaskFactory

NAMES = ("dimensionality", "tdr", "dpca", "decoding", "selectivity")
N = 12


@dataclass
class Planted:
    """Material of no network: unit 0 has the choice from the stimulus on, unit 1 the context, unit 2 their product."""

    task: AbstractTask
    settings: RunSettings
    noise: float = 0.3

    def shared(self, key, make):
        return make()

    def activity(self, n_trials):
        batch = self.task.generate_batch([np.random.default_rng([7, k]) for k in range(n_trials)])
        rng = np.random.default_rng(0)
        T, on = self.task.T, self.task.stimulus_windows[0][0] if self.task.stimulus_windows else 0
        answers = np.array([1 if np.nansum(z[self.task.response_window]) > 0 else -1 for z in batch.z])
        second = np.array([1 if condition.startswith("m") else -1 for condition in batch.conditions])
        r = self.noise * rng.standard_normal((n_trials, T, N))
        r[:, on:, 0] += answers[:, None]
        r[:, :, 1] += second[:, None]
        r[:, on:, 2] += (answers * second)[:, None]
        o = np.zeros((n_trials, T))
        o[:, self.task.response_window] = answers[:, None]
        scores = Scores(
            np.zeros(n_trials), np.ones(n_trials, bool), o, batch.labels, np.array(batch.conditions), batch.trials
        )
        return Activity(r, r, o, batch.u, batch.z, scores, np.full(n_trials, T))


def material(name="mante", settings=None, **more):
    run = RunSettings(task=name, task_settings=settings or {})
    return Planted(TaskFactory.create_task(name, settings or {}), run, **more)


def result(name, given=None, **settings):
    row = ANALYSES[name]
    own = getattr(AnalysisSettings(**{name: settings}), name)
    return function_of(row.work)(given or material(), own)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_and_arrays_are_those_of_the_table(name):
    settings = {"variables": ["choice", "evidence"]} if name == "decoding" else {}
    found, row = result(name, **settings), ANALYSES[name]
    assert found.skipped is None and set(found.numbers) == set(row.numbers)
    assert set(found.arrays) == set(row.arrays) and set(row.columns) <= set(row.numbers)
    assert all(type(value) in (int, float) for value in found.numbers.values())
    figures = function_of(row.draw)({"seed 0": found.arrays, "seed 1": found.arrays})
    assert tuple(figures) == row.figures


def test_the_choice_is_decoded_from_the_stimulus_on():
    found = result("decoding", shuffles=5)
    times, accuracy = found.arrays["times"], dict(zip(found.arrays["variables"], found.arrays["accuracy"], strict=True))
    assert list(accuracy) == ["choice", "motion", "color", "context"]
    assert (accuracy["choice"][times > 300] > 0.95).all() and accuracy["choice"][times < 200].max() < 0.7
    assert (accuracy["context"] > 0.95).all()
    assert 200 <= found.numbers["onset_ms"] <= 300 and found.numbers["chance"] == 0.5
    graded = result("decoding", variables=["choice", "evidence"], across_time=False, shuffles=0)
    assert graded.arrays["graded"].tolist() == ["evidence"] and graded.arrays["r2"][0, -1] > 0.5
    assert graded.arrays["matrix"].shape == (0, 50, 50) and np.isnan(graded.numbers["chance_high"])


def test_planted_units_are_selective():
    """Choice and context are the factors; the choice is unit 0, the context 1, and 2 their product."""
    found = result("selectivity", variables=["choice", "context"], least=0.1)
    kinds = found.arrays["kind_names"][found.arrays["kinds"]]
    assert kinds[:3].tolist() == ["pure", "pure", "nonlinear mixed"] and (kinds[3:] == "none").all()
    assert found.numbers == {"selective": 3 / N, "pure": 2 / N, "linear_mixed": 0, "nonlinear_mixed": 1 / N}
    assert found.arrays["d_prime"][0, 0] > 5 and found.arrays["roc_area"][0, 0] == 1


def test_planted_units_are_the_axes():
    found = result("tdr", variables=["choice", "context"])
    assert found.arrays["variables"].tolist() == ["choice", "context"]
    assert np.abs(found.arrays["axes"][0]).argmax() == 0 and np.abs(found.arrays["axes"][1]).argmax() == 1
    assert found.numbers["smallest_angle"] > 80
    assert result("tdr").arrays["variables"].tolist() == ["choice", "motion", "color", "context"]


def test_planted_units_are_demixed():
    found = result("dpca", variables=["choice", "context"])
    names = found.arrays["marginalisations"].tolist()
    assert names == ["time", "choice", "context", "choice x context"]
    for m, unit in ((1, 0), (2, 1), (3, 2)):
        assert np.abs(found.arrays["encoders"][m, 0]).argmax() == unit
    assert found.numbers["content"] > 0.9 and found.numbers["share_mixed"] > 0.2
    assert result("dpca").arrays["marginalisations"].tolist()[1:4] == ["motion", "color", "context"]


def test_planted_components_are_significant_from_the_stimulus_on():
    """The choice follows the stimulus, which begins at 250 ms; the context is there throughout."""
    found = result("dpca", variables=["choice", "context"], shuffles=9, repeats=3, penalty=1e-4)
    times, significant = found.arrays["times"], found.arrays["significant"][:, 0]
    assert found.numbers["significant"] == 1 and not significant[0].any()
    assert significant[1][times > 350].all() and not significant[1][times < 200].any()
    assert significant[2].all()
    assert found.numbers["significant_ms"] == 50 * significant[1].sum()
    accuracy, most = found.arrays["accuracy"], found.arrays["shuffles_most"]
    assert accuracy.shape == (4, 5, len(times)) and np.isnan(accuracy[0]).all()
    assert (accuracy[found.arrays["significant"]] > most[found.arrays["significant"]]).all()
    figure = function_of(ANALYSES["dpca"].draw)({"seed 0": found.arrays})["dpca_components"]
    assert any("significant" in axis.get_legend_handles_labels()[1] for axis in figure.axes)
    without = result("dpca", variables=["choice", "context"])
    assert np.isnan(without.numbers["significant"]) and without.arrays["accuracy"].size == 0


def test_planted_units_are_the_dimensions():
    found = result("dimensionality", of="conditions")
    assert found.numbers["components_90"] == 3 and found.arrays["conditions"].tolist() == [
        "color +", "color -", "motion +", "motion -"
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES[1:])
def test_one_condition_is_left_out_with_the_reason(name):
    found = result(name, material("oscillation"))
    assert found.numbers == {} and "of this task" in found.skipped


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("task", ["go-nogo", "xor", "sternberg", "ready-set-go", "pro-anti"])
def test_other_tasks(name, task):
    found = result(name, material(task), n_trials=60)
    assert found.skipped is None
    assert tuple(function_of(ANALYSES[name].draw)({"seed 0": found.arrays})) == ANALYSES[name].figures


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_task_without_a_variable_is_left_out(name):
    found = result(name, material("go-nogo"), variables=["motion"])
    assert found.skipped == "the task has no variable 'motion'; it has choice, condition"


def grid(**more):
    settings = {"analyses": ["decoding", "tdr"], "grid": {"task": ["go-nogo", "mante"]}, "convert": False}
    return Experiment.from_config({"experiment": "names", **settings, **more})


def test_a_variable_that_no_task_of_a_grid_has():
    names = {"decoding": {"variables": ["choice", "motion", "condition"]}, "tdr": {"variables": "color"}}
    assert len(grid(analysis=names).grid_points) == 2  # each is of one of the tasks
    names["tdr"] = {"variables": ["choice", "colour"]}
    message = (
        r"analysis.tdr.variables = \['choice', 'colour'\]: no task has the variable 'colour'.*; available: choice, "
        "condition, motion, color, context, evidence"
    )
    with pytest.raises(SettingsError, match=message):
        grid(analysis=names)
    assert len(grid(analysis=names, analyses=["decoding"]).grid_points) == 2  # that analysis is not chosen


def test_variables_that_cannot_be_decoded():
    with pytest.raises(ValueError, match="evidence are graded"):
        result("decoding", variables=["evidence"])
    with pytest.raises(ValueError, match="'motion' has one value, more than 8, or one with fewer than 50 trials"):
        result("decoding", variables=["motion"], n_trials=60, folds=50)


def test_only_correct_trials():
    given = material()
    drawn = given.activity(40)
    drawn.scores.correct[:30] = False
    given.activity = lambda n: drawn
    settings = AnalysisSettings(dimensionality={"correct_only": True}).dimensionality
    assert len(rec.recording(given, settings).activity) == 10
    drawn.scores.correct[:] = False
    with pytest.raises(ValueError, match="none of the 40 trials is correct"):
        rec.recording(given, settings)


def test_choices_of_tasks_without_negative_targets():
    given = material("go-nogo")
    drawn = given.activity(20)
    drawn.o[:, given.task.response_window] = np.where(np.array(drawn.scores.labels)[:, None] == 1, 0.9, 0.2)
    chosen = rec.choices(given.task, drawn)
    assert chosen.tolist() == [1 if label == 1 else -1 for label in drawn.scores.labels]


def test_which_variables_are_combined():
    a, b = np.tile([0, 0, 1, 1], 10), np.tile([0, 1, 0, 1], 10)
    rare = np.where(np.arange(40) < 1, 1, 0)
    variables = {"a": a, "same": 5 - a, "b": b, "rare": rare, "graded": a / 3, "condition": a}
    assert list(rec.categories_of(variables, 2)) == ["a", "b"]
    assert list(rec.categories_of({"choice": a, "condition": b}, 2)) == ["choice", "condition"]
    assert list(rec.crossed({"a": a, "copy": a, "b": b}, 2)) == ["a", "b"]
    assert not rec.is_category(np.arange(9)) and not rec.is_category(np.zeros(4, int))
    words = rec.kept_trials({"w": np.array(["", "x"]), "n": np.array([1.0, np.nan])})
    assert words.tolist() == [False, False]
