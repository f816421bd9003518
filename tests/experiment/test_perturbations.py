"""Perturbations and named sets of units in grids: axes, identities, errors before any job, and all stages."""

import re
from pathlib import Path

import numpy as np
import pytest

from ratecore.experiment.configurations import keep_configuration
from ratecore.experiment.grid import Experiment
from ratecore.experiment.opening import open_results
from ratecore.experiment.plan import find_cautions
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import do_stage
from ratecore.experiment.summary import grid_pages, summarize
from ratecore.rate import testing
from ratecore.rate.evaluation import evaluate
from ratecore.rate.perturbation import perturbed
from ratecore.rate.training import train
from ratecore.rate.tuning import tuned_units
from ratecore.settings.base import SettingsError
from ratecore.settings.perturbation import PerturbationSettings, RatePerturbationSettings
from ratecore.settings.reading import load_yaml
from ratecore.settings.run import RunSettings
from ratecore.settings.unit_sets import TuningSettings
from ratecore.spiking import rate_model
from ratecore.spiking import testing as spiking_testing
from ratecore.spiking.conversion import scored_network
from ratecore.spiking.scoring import TrialsOfTask, run_trials
from ratecore.tracking.mlflow.translation import _params

CONFIG = {
    "experiment": "perturbed",
    "task_settings": {"T": 60, "stim_on": 5, "stim_dur": 5},
    "network": {"N": 20, "P_inh": 0.4, "areas": {"sensory": 8, "motor": 12}, "P_rec": 0.5},
    # Any network counts as trained, so that it is converted.
    "training": {"n_trials": 4, "eval_freq": 4, "eval_tr": 12, "min_trials": 0, "loss_threshold": 1e6,
                 "accuracy_threshold": 0.0},
    "evaluation": {"n_trials": 10},
    "conversion": {"n_trials": 4, "scaling_factors": [20, 40], "trials_shown": 1},
    "spiking": {"dt": 0.5},
}  # fmt: skip
TUNED = {"condition_a": "go", "condition_b": "nogo", "n_trials": 20}
SETS = {"left": [3, 17, 5], "go_units": {"tuning": TUNED}, "both": {"units": ["sensory", "inh"]}}


def experiment(grid=None, **changes):
    return Experiment.from_config({**CONFIG, **changes, "grid": grid or {}})


ROWS = {  # of every setting a value that is not its default, with others that it needs
    "lesion_units": {"lesion_units": "motor"},
    "lesion_fraction": {"lesion_units": "all", "lesion_fraction": 0.25},
    "lesion_order": {"lesion_units": "left", "lesion_fraction": 0.5, "lesion_order": "listed"},
    "scale_synapses": {"scale_synapses": {"E-E": 0.5, "motor->sensory": 2.0}},
    "shuffle_synapses": {"shuffle_synapses": ("E-I", "I-I")},
    "shuffle_keeps": {"shuffle_synapses": ("all",), "shuffle_keeps": "in_degree"},
    "weight_noise": {"weight_noise": 0.1},
    "inputs_to": {"inputs_to": "exc"},
    "stimulation_units": {"stimulation_units": (1, 2), "stimulation_current": 0.5},
    "stimulation_current": {"stimulation_current": -0.5},
    "stimulation_window": {"stimulation_current": 0.5, "stimulation_window": (20.0, 100.0)},
    "noise_sd": {"noise_sd": 0.4},
    "noise_units": {"noise_sd": 0.4, "noise_units": "go_units"},
}
CASES = [(s, n) for s in ("evaluation", "conversion") for n in ROWS if s == "evaluation" or not n.startswith("noise")]
by_case = pytest.mark.parametrize(("section", "name"), CASES)


def test_every_setting_has_a_row():
    assert ROWS.keys() == RatePerturbationSettings.model_fields.keys() > PerturbationSettings.model_fields.keys()


@by_case
def test_it_is_an_axis_and_part_of_the_identity_of_its_stage_alone(section, name):
    row = ROWS[name]
    grid = {f"{section}.perturbation.{key}": [value] for key, value in row.items()}
    (point,) = experiment(grid, unit_sets=SETS).grid_points
    settings, plain = point.settings, experiment(unit_sets=SETS).grid_points[0].settings
    assert getattr(settings, section).perturbation.changed().keys() == row.keys()
    assert settings.identity("training") == plain.identity("training")
    of_stage = ("training", "evaluation") if section == "evaluation" else ("training", "spiking", "conversion")
    of_other = ("training", "spiking", "conversion") if section == "evaluation" else ("training", "evaluation")
    assert settings.identity(*of_stage) != plain.identity(*of_stage)
    assert settings.identity(*of_other) == plain.identity(*of_other)
    assert RunSettings(**settings.model_dump(mode="json")) == settings  # as the record has them
    params = _params({"settings": settings.model_dump(mode="json")})
    assert not any(
        "perturbation" in key for key in params
    )  # a network is one MLflow run, its variants are groups in it


def test_defaults_and_unused_sets_change_no_identity():
    plain = RunSettings()
    # The identities of the commit before there were perturbations.
    assert plain.identity() == "b6ad8ec0b38db996" and plain.identity("training", "evaluation") == "b4b5c95c6da03ce4"
    given = RunSettings(
        evaluation={"perturbation": {"lesion_fraction": 1, "scale_synapses": {}, "inputs_to": "all"}},
        unit_sets={"left": [1, 2], "other": {"tuning": {"condition_a": "x", "condition_b": "y"}}},
    )
    assert given.identity() == plain.identity() == RunSettings(spiking={"stimulation": {"units": "all"}}).identity()


def test_the_content_of_a_set_is_part_of_the_identity_and_its_file_is_not(tmp_path):
    def identity(units):
        settings = RunSettings(unit_sets={"left": units}, evaluation={"perturbation": {"lesion_units": "left"}})
        return settings.identity("training", "evaluation")

    first = identity([3, 1, 2])
    for name, text in (("a.csv", "3,1,2\n"), ("b.csv", "unit\n3\n1\n2\n")):
        (tmp_path / name).write_text(text)
        assert identity({"file": str(tmp_path / name)}) == first
    np.save(tmp_path / "c.npy", np.array([3, 1, 2]))
    assert identity({"file": str(tmp_path / "c.npy")}) == identity({"units": [3, 1, 2]}) == first
    assert identity([3, 1]) != first != identity(["exc"])
    stimulated = {"stimulation": {"mode": "exc", "units": "left"}}
    spiking = [RunSettings(unit_sets={"left": units}, spiking=stimulated).identity() for units in ([1], [2])]
    assert spiking[0] != spiking[1]


def test_paths_have_the_names_of_sets_and_the_factors_of_synapses():
    grid = {
        "stimulation.units": ["left", "exc"],
        "stimulation.mode": ["exc"],
        "evaluation.perturbation.lesion_units": [None, "go_units"],
        "evaluation.perturbation.scale_synapses.E-E": [0.5, 1],
        "conversion.perturbation.scale_synapses.motor->sensory": [2],
        "conversion.perturbation.scale_synapses.I-E": [0, 3],
    }
    e = experiment(grid, unit_sets=SETS)
    assert len(e.grid_points) == 16 and len(e.grid_points_of("train")) == 1
    path = e.grid_points[4 + 2].path
    assert "/stimulation_units~left/" in path and "/evaluation_perturbation_lesion_units~go_units/" in path
    assert "/evaluation_perturbation_scale_synapses_E_E~1/" in path
    assert path.endswith("scale_synapses_motor__sensory~2/conversion_perturbation_scale_synapses_I_E~0")
    last = e.grid_points[-1].settings
    assert last.evaluation.perturbation.scale_synapses == {"E-E": 1}
    assert last.conversion.perturbation.scale_synapses == {"motor->sensory": 2, "I-E": 3}
    whole = experiment({"evaluation.perturbation.scale_synapses": [{"E-E": 0.5}, {"E-E": 0.5, "I-E": 2}]})
    assert len({point.path for point in whole.grid_points}) == 2
    assert find_cautions(e) == ["unit_sets.both has no effect: no setting uses it"]


WRONG = {
    "an unknown name": (
        {"evaluation": {"perturbation": {"lesion_units": "lfet"}}},
        r"evaluation\.perturbation\.lesion_units = 'lfet': 'lfet' is no group of units \(did you mean 'left'\?\); "
        r"allowed: all, exc, inh, som, sensory, motor, left, go_units, both, or indices; unit_sets gives a list a name",
    ),
    "an index": (
        {"conversion": {"perturbation": {"inputs_to": [3, 20]}}},
        r"conversion\.perturbation\.inputs_to = \(3, 20\): they must be indices from 0 to 19",
    ),
    "an index in a set": ({"unit_sets": {"far": [99]}}, r"unit_sets\.far = \(99,\): they must be indices from 0 to 19"),
    "no index": ({"unit_sets": {"far": [1.5]}}, r"unit_sets\.far\.units = \[1\.5\]: it must be a list of indices"),
    "nothing in a set": ({"unit_sets": {"far": {}}}, r"unit_sets\.far: give a list of indices, or one of \{file"),
    "two things in a set": (
        {"unit_sets": {"far": {"units": [1], "file": "x.csv"}}},
        r"unit_sets\.far: give a list of indices, or one of",
    ),
    "a name of a set": ({"unit_sets": {"a-b": [1]}}, r"unit_sets.*'a-b' is no name of a set: letters, digits and _"),
    "a type as a name": ({"unit_sets": {"exc": [1]}}, r"'exc' is no name of a set"),
    "an area as a name": ({"unit_sets": {"motor": [1]}}, r"unit_sets\.motor: network\.areas has an area 'motor'"),
    "a set of sets": (
        {"unit_sets": {"all2": "left", "left": [1]}},
        r"unit_sets\.all2\.units = 'left': 'left' is no gr",
    ),
    "a file": ({"unit_sets": {"far": {"file": "no.csv"}}}, r"unit_sets\.far\.file = 'no\.csv': there is no such file"),
    "a file of text": ({"unit_sets": {"far": {"file": __file__}}}, r"unit_sets\.far\.file = .*a file \.csv or \.npy"),
    "no list of sets": ({"unit_sets": [1, 2]}, r"unit_sets = \[1, 2\]: "),
    "SST units": (
        {"evaluation": {"perturbation": {"noise_sd": 1, "noise_units": "motor.som"}}},
        r"noise_units = 'motor\.som': the network has no SST units \(network\.som_N = 0\)",
    ),
    "synapses": (
        {"evaluation": {"perturbation": {"scale_synapses": {"motor->pfc": 1}}}},
        r"evaluation\.perturbation\.scale_synapses = \('motor', 'pfc'\): 'pfc' is no group of units",
    ),
    "synapses of an axis": (
        {"grid": {"evaluation.perturbation.scale_synapses.E-X": [1]}},
        r"'E-X' names no synapses; allowed: all, E-E, E-I, I-E, I-I \(from - to\), or groups as exc->motor",
    ),
    "noise of a spiking network": (
        {"conversion": {"perturbation": {"noise_sd": 1}}},
        r"unknown setting 'conversion\.perturbation\.noise_sd'",
    ),
    "an axis by its short name": (
        {"grid": {"perturbation.lesion_units": ["exc"]}},
        r"could be evaluation\.perturbation\.lesion_units or conversion\.perturbation\.lesion_units; say which",
    ),
    "a condition": (
        {
            "unit_sets": {"go_units": {"tuning": {"condition_a": "Go", "condition_b": "nogo"}}},
            "evaluation": {"perturbation": {"lesion_units": "go_units"}},
        },
        r"unit_sets\.go_units\.tuning\.condition_a = 'Go': no condition of 'go-nogo' \(did you mean 'go'\?\); ",
    ),
    "stimulation": (
        {"spiking": {"stimulation": {"mode": "exc", "units": "rightx"}}, "unit_sets": {"right": [1]}},
        r"spiking\.stimulation\.units = 'rightx': 'rightx' is no group of units \(did you mean 'right'\?\)",
    ),
}


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_said_before_any_job(changes, message):
    with pytest.raises(SettingsError, match=message):
        Experiment.from_config({**CONFIG, "unit_sets": SETS, **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1,2", "it has an index twice"),
        ("1,-2", "it has numbers that are no indices"),
        ("1.5", "it has numbers that are no indices"),
        ("1,2\n3,4", r"its array has shape \(2, 2\)"),
        ("1,b", "it cannot be read"),
        ("unit", "it has no index"),
        ("nan", "it has numbers that are no indices"),
        ("", "it has no index"),
    ],
)
def test_bad_files_of_units(text, message, tmp_path):
    (tmp_path / "units.csv").write_text(text)
    with pytest.raises(SettingsError, match=rf"unit_sets\.far\.file = .*: {message}"):
        experiment(unit_sets={"far": {"file": str(tmp_path / "units.csv")}})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"evaluation": {"perturbation": {"lesion_order": "listed"}}},
            "evaluation.perturbation.lesion_order has no effect",
        ),
        ({"conversion": {"perturbation": {"shuffle_keeps": "number"}}}, "conversion.perturbation.shuffle_keeps has no"),
        (
            {"evaluation": {"perturbation": {"stimulation_units": "exc"}}},
            "evaluation.perturbation.stimulation_units has no effect without a stimulation_current",
        ),
        (
            {"evaluation": {"perturbation": {"stimulation_current": 1, "stimulation_window": [300, 400]}}},
            "evaluation.perturbation.stimulation_window = [300.0, 400.0] has no effect: it begins after the end of the "
            "trial, which lasts 300 ms",
        ),
        (
            {"network": {"N": 90}, "grid": {"evaluation.perturbation.lesion_units": [list(range(80))]}},
            "grid.evaluation.perturbation.lesion_units has a list of 80 units, whose path says little; unit_sets can",
        ),
    ],
    ids=[0, 1, 2, 3, 4],
)
def test_what_has_no_effect_is_pointed_out(changes, sentence):
    found = find_cautions(Experiment.from_config({**CONFIG, **changes}))
    assert any(text.startswith(sentence) for text in found), found


# --------------------------------------------------------------------------------------------------------------- stages


@pytest.mark.usefixtures("figures_are_not_rendered")
def test_a_grid_trains_once_and_tests_each_perturbation(tmp_path):
    from ratecore.formats import load_scores
    from ratecore.formats.pth import result_from_pth

    grid = {
        "evaluation.perturbation.lesion_fraction": [0, 1],
        "conversion.perturbation.scale_synapses.I-E": [1, 0],
        "seed": [1],
    }
    changes = {"evaluation": {"n_trials": 10, "perturbation": {"lesion_units": "go_units"}}, "unit_sets": SETS}
    e = experiment(grid, results=str(tmp_path), **changes)
    runs = [Run.at(e, point, 1) for point in e.grid_points]
    for run in runs:
        for stage in ("train", "evaluate", "export", "convert"):
            (end,) = do_stage(stage, [run], e.settings)
            assert end["status"] == "done" and "skipped" not in end
    assert len({run.folder for run in runs}) == 1 and len(list(runs[0].folder.glob("search-*.json"))) == 1
    starts = {event["stage"]: event["settings"] for event in runs[2].record.events() if event["event"] == "start"}
    assert not {"unit_sets", "evaluation"} & starts["train"].keys()
    evaluated = starts[runs[2].step("evaluate")]
    assert evaluated["evaluation"]["perturbation"] == {"lesion_units": "go_units"}
    assert evaluated["unit_sets"] == {"go_units": {"tuning": TUNED}}
    result = result_from_pth(runs[0].network)
    task, net = runs[0].settings.create_task(), result.net
    units = tuned_units(net, task, TUNED, 1)
    intact, lesioned = (runs[k].settings for k in (0, 2))
    for settings, run, other in (
        (intact, runs[0], net),
        (lesioned, runs[2], perturbed(net, {"lesion_units": units.tolist()})),
    ):
        expected = evaluate(task, other, 1, settings.evaluation).scores
        assert load_scores(run.evaluation).outputs.tobytes() == expected.outputs.tobytes()
        own_task, own_net = testing.tested(settings, net)
        assert np.array_equal(evaluate(own_task, own_net, 1, settings.evaluation).scores.outputs, expected.outputs)
    keep_configuration(e.root, e.given())
    activity = open_results(e.root).activity(evaluation_perturbation_lesion_fraction=1.0)
    assert np.array_equal(activity.o.values[0, :, :, 0], load_scores(runs[2].evaluation).outputs.astype(np.float32))
    assert not activity.r.values[0][:, :, units].any() and activity.r.values[0].any()
    assert activity.sizes["input"] == 1
    table = summarize(e)
    column = "evaluation_perturbation_lesion_fraction"
    assert list(table[column]) == ["0", "0", "1", "1"] and table["loss"].nunique() == 2
    assert table["lambda"].nunique() == 1
    model = rate_model(net)
    W = model.W.copy()
    W[np.ix_(~model.inh, model.inh)] = 0
    (expected,) = run_trials(
        TrialsOfTask(model.with_weights(W), task, intact.spiking, 1), range(4), [table["lambda"][1]]
    )
    assert table["spiking_accuracy"][1] == expected.accuracy
    np.testing.assert_allclose(table["mean_rate_exc"][1], np.mean(expected.rate_exc))
    pages = grid_pages(e, table)
    labels = {name: [axis.get_xlabel() for axis in pages[name].axes] for name in pages}
    assert labels["trained"] == ["N (units)"] and labels["accuracy"] == ["lesion fraction in evaluation"]
    assert labels["spiking_accuracy"] == ["scale synapses I-E in conversion"]


def test_the_network_of_the_search_gets_the_sets_from_the_rate_network():
    settings = RunSettings(
        **{key: CONFIG[key] for key in ("task_settings", "network")},
        unit_sets=SETS,
        spiking={"stimulation": {"mode": "inh", "units": "go_units"}},
    )
    from ratecore.rate.network import RateNetwork

    net = RateNetwork(settings.network, 1, 0)
    _, model, spiking = spiking_testing.tested(settings, rate_model(net), net)
    assert model.sets["go_units"].tolist() == tuned_units(net, settings.create_task(), TUNED, 0).tolist()
    assert np.flatnonzero(model.units(spiking.stimulation.units)).tolist() == sorted(model.sets["go_units"])
    assert model.sets["motor"].tolist() == list(range(8, 20))
    with pytest.raises(ValueError, match="net is None; it must be the rate network"):
        spiking_testing.tested(settings, rate_model(net))


def test_the_example_of_perturbations():
    config = load_yaml("config/examples/perturbations.yaml")
    assert len(Path("config/examples/perturbations.yaml").read_text().splitlines()) < 40
    small = {key: CONFIG[key] for key in ("task_settings", "training", "evaluation", "conversion", "spiking")}
    e = Experiment.from_config({**config, **small, "network": {"N": 30}})
    assert len(e.grid_points_of("train")) == 1 and len(e.grid_points) == 9 and not find_cautions(e)
    net, losses, weights = train(e.grid_points[0].run(1)).net, set(), set()
    model = rate_model(net)
    for point in e.grid_points:
        settings = point.run(1)
        task, tested = testing.tested(settings, net)
        gone = 0 if tested.silent is None else tested.silent.sum()
        assert gone == (3 if settings.evaluation.perturbation.lesion_units else 0)
        losses.add(evaluate(task, tested, 1, settings.evaluation).scores.losses.mean())
        scored = scored_network(spiking_testing.tested(settings, model, net)[1], settings.conversion, 1)
        weights.add(
            round(scored.W[np.ix_(~model.inh, model.inh)].sum() / model.W[np.ix_(~model.inh, model.inh)].sum(), 9)
        )
    assert len(losses) == 3 and weights == {0.5, 1.0, 1.5}


def test_the_python_of_the_page_runs(tmp_path, monkeypatch):
    from ratecore.experiment.exporting import export

    page = Path("docs/perturbations.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page, re.S)
    settings = RunSettings(
        **{key: CONFIG[key] for key in ("task_settings", "training")}, network={"N": 20, "P_inh": 0.4}
    )
    result = train(settings)
    mat, _ = export(tmp_path, settings, result, result.last_test)
    monkeypatch.chdir(tmp_path)
    mat.rename("network.mat")
    names = {"u": np.zeros((2, 1, 30))}
    exec(block, names)
    assert len(names["rows"]) == len(names["spiking"]) == 3 and len(names["tuned"]) == 4
    assert names["r"].shape[:2] == (2, 30) and not names["r"][..., names["net"].inh].any()
    named = set(re.findall(r"`(\w+)", page))
    assert {*RatePerturbationSettings.model_fields, *TuningSettings.model_fields} <= named
