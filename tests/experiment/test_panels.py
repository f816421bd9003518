"""Panels of a grid: which networks they show, what is refused before any work, and their files."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ratecore.cli import main
from ratecore.experiment.configurations import keep_configuration
from ratecore.experiment.grid import Experiment
from ratecore.experiment.panels.captions import escaped
from ratecore.experiment.panels.cells import Cells
from ratecore.experiment.panels.columns import axis_of, in_order, measure_of, same_value, words_of_axis, words_of_value
from ratecore.experiment.panels.drawing import DRAW, Source, draw_panel, write_panel
from ratecore.experiment.panels.examples import draw_examples, thresholds_of
from ratecore.experiment.panels.networks import Networks, networks_of
from ratecore.experiment.panels.tables import paired
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import do_stage
from ratecore.experiment.stages.table import stages_of
from ratecore.experiment.summary import summarize, write_summary
from ratecore.settings.base import SettingsError
from ratecore.settings.panels import KINDS, PublishedValue
from ratecore.settings.reading import load_yaml
from ratecore.tasks import TaskFactory

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/panels.md"
ACCURACY = {"kind": "by_axis", "title": "t", "axis": "N", "measures": "accuracy"}
GROUPS = {"kind": "groups", "title": "t", "by": "N", "measure": "gap"}
EXAMPLE = {"kind": "example_outputs", "title": "t", "where": {"N": 12, "noise_sd": 0.1, "task": "go-nogo"}}
CONFIG = {
    "experiment": "panels",
    "grid": {"task": ["go-nogo", "mante"], "N": [12, 14], "spiking.noise_sd": [0, 0.1], "seed": [0, 1]},
    "network": {"P_inh": 0.3},
    "training": {
        "n_trials": 2000, "min_trials": 50, "eval_freq": 50, "eval_tr": 10, "loss_threshold": 1e6,
        "accuracy_threshold": 0,  # at the first correct trial
    },
    "evaluation": {"n_trials": 10, "psychometric_trials": 2},
    "task_settings": {"go-nogo": {"T": 60, "stim_on": 10, "stim_dur": 10}, "mante": {"T": 260, "stim_dur": 20}},
    "conversion": {"scaling_factors": [20, 40], "n_trials": 4, "trials_shown": 2},
}  # fmt: skip
PANELS = {
    "by_axis": {
        **ACCURACY, "measures": ["accuracy", "spiking_accuracy", "n_trials", "share of spiking_accuracy >= 0.95"],
        "by": "task", "published": [{"at": 12, "value": 0.9, "sd": 0.1, "by": "mante"}], "source": "Fig. 1C",
    },
    "groups": {
        "kind": "groups", "title": "t", "by": "spiking.noise_sd", "measure": "spiking_accuracy", "test": "signed_rank",
        "where": {"task": "go-nogo"}, "published": [{"at": 0.1, "value": 0.97, "sd": 0.066}],
    },
    "example_outputs": {**EXAMPLE, "network": "spiking", "scaling": ["none", "chosen"], "raster": "go", "trials": 4},
    "by_evidence": {"kind": "by_evidence", "title": "t", "where": {"task": "mante"}, "by": "N"},
    "lambda_curves": {"kind": "lambda_curves", "title": "t", "by": "N"},
    "distribution": {"kind": "distribution", "title": "t", "of": "taus", "where": {"noise_sd": 0}},
}  # fmt: skip


def experiment(panels=None, **changes):
    return Experiment.from_config({**CONFIG, **changes, "panels": panels or {}})


@pytest.fixture(scope="module")
def results(tmp_path_factory, png_file):
    """The folder of a grid with everything done but what mante's larger networks need of seed 1."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ratecore.figures.png", lambda figure: png_file)
        e = experiment(PANELS, results=str(tmp_path_factory.mktemp("results")))
        for stage in stages_of(e.settings):
            for point in e.grid_points:
                left_out = point.values["task"] == "mante" and point.values["N"] == "14"
                runs = [Run.at(e, point, seed) for seed in e.seeds if not (left_out and seed == 1)]
                do_stage(stage, runs, e.settings)
        keep_configuration(e.root, e.given())
    return e


# ------------------------------------------------------------------------------------------------------- before work


@pytest.mark.parametrize(
    ("panel", "message"),
    [
        ({"axis": "n"}, r"panels.a.axis = 'n': the grid has no such axis \(did you mean 'N'\?\); axes: task, N, taus"),
        ({"axis": "gain"}, "axis = 'gain': the grid has no such axis; it has one value in all networks"),
        ({"measures": ["accuracyy"]}, r"measures\[0\] = 'accuracyy': there is no such .*did you mean 'accuracy'\?"),
        ({"measures": ["share of acc > 1"]}, r"measures\[0\] = 'share of acc > 1': there is no such measure"),
        ({"grid": "fig1c"}, "grid = 'fig1c': there is no such product; the grid is one product without a name"),
        ({"where": {"N": 13}}, r"where.N = 13: no network has 13; values: 12, 14"),
        ({"where": {"N": [12, 13]}}, "no network has 13; values: 12, 14"),
        ({"where": {"gian": 1}}, "where.gian = 1: the grid has no such axis"),
        ({"where": {"gain": 2}}, r"where.gain = 2: no network has 2; values: 1.5"),
        ({"where": {"seed": 7}}, "where.seed = 7: no network has 7; values: 0, 1"),
        ({"by": "N"}, "by = 'N': it is the horizontal axis already"),
        ({"axis": "task", "scale": "linear"}, "scale = 'linear': the values of task are not all numbers"),
        ({"axis": "noise_sd", "scale": "log"}, "scale = 'log': the values of noise_sd are not all numbers above 0"),
        ({"limits": [1, 0]}, r"limits = \[1.0, 0.0\]: the first must be below the second"),
        ({"published": [{"at": 13, "value": 0.9}]}, r"published\[0\].at = 13: no network here has it; values of N: 12"),
        ({"published": [{"by": 1, "value": 0.9}]}, r"published\[0\].by = 1: the panel has no column `by`"),
        ({"published": [{"measure": "gap", "value": 1}]}, r"measure = 'gap': it must be one of the panel's: accuracy"),
        ({"published": [{"value": 93.9}]}, r"value = 93.9: accuracy is a fraction, as in the table; 0.939 is 93.9 %"),
    ],
)  # fmt: skip
def test_what_the_grid_does_not_have_is_refused(panel, message):
    with pytest.raises(SettingsError, match=message):
        experiment({"a": {**ACCURACY, **panel}})


@pytest.mark.parametrize(
    ("panel", "message"),
    [
        ({**EXAMPLE, "where": {"task": "mante"}}, "4 grid points are left, .*: choose a value of N, noise_sd"),
        ({**EXAMPLE, "where": {}, "by": "task"}, "4 grid points are left with task = 'go-nogo'"),
        ({**EXAMPLE, "raster": "go"}, "raster = 'go': it is of spiking networks; set network: spiking"),
        ({**EXAMPLE, "network": "spiking", "raster": "Go"}, r"\(did you mean 'go'\?\); it has go, nogo"),
        ({"kind": "by_evidence", "title": "t", "where": {"task": "go-nogo"}}, "go-nogo does not grade its evidence"),
        ({"kind": "by_evidence", "title": "t", "network": "both"}, "it needs conversion.psychometric_trials above 0"),
        ({**GROUPS, "measure": "trained"}, "shares of networks have no boxes"),
        ({**GROUPS, "where": {"N": 12}, "test": "rank_sum"}, "a test needs two groups"),
        ({"kind": "distribution", "title": "t", "of": "tau"}, "of = 'tau': there is no.*: taus, weights, n_trials"),
        ({"kind": "distribution", "title": "t", "of": "trained"}, "a share has no distribution"),
    ],
)  # fmt: skip
def test_what_a_kind_cannot_show_is_refused(panel, message):
    with pytest.raises(SettingsError, match=message):
        experiment({"a": panel})


def test_spiking_networks_that_are_left_out_are_said():
    grid = {key: values for key, values in CONFIG["grid"].items() if key != "spiking.noise_sd"}
    for panel, message in (
        ({**ACCURACY, "measures": ["spiking_accuracy"]}, "spiking networks are left out"),
        ({"kind": "lambda_curves", "title": "t"}, "spiking networks are left out"),
    ):
        with pytest.raises(SettingsError, match=message):
            experiment({"a": panel}, grid=grid, convert=False)


def test_panels_change_no_identity():
    plain, with_panels = experiment(), experiment(PANELS)
    assert [p.identity(0) for p in plain.grid_points] == [p.identity(0) for p in with_panels.grid_points]


# ------------------------------------------------------------------------------------------------- words and values


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("taus", (4.0, 10.0), "20–50 ms"), ("taus", (4.0,), "20 ms"), ("N", 200, "200"),
        ("spiking.noise_sd", 0.1, "0.1 mV"), ("task", "go-nogo", "go-nogo"),
    ],
)  # fmt: skip
def test_values_are_in_words_with_units(name, value, words):
    axis = axis_of(name, experiment())
    assert words_of_value(axis, value, {}) == words
    assert words_of_value(axis, value, {str(value): "mine"}) == "mine"
    assert words_of_value(axis, value, {}, unit=False) == words.removesuffix(" ms").removesuffix(" mV")


def test_axes_have_units():
    e = experiment()
    words = [words_of_axis(axis_of(name, e)) for name in ("taus", "noise_sd", "N")]
    assert words == ["synaptic decay time constants (ms)", "noise on the membrane at each step (mV)", "number of units"]


@pytest.mark.parametrize(
    ("value", "given", "same"),
    [
        ((4.0, 10.0), [4, 10], True), ((4.0, 10.0), "4_10", True), ((4.0,), 4, True), ((4.0,), [4], True),
        ((4.0, 10.0), 4, False), (True, 1, False), (0.1, 0.1, True), ("lif", "lif", True), (None, None, True),
    ],
)  # fmt: skip
def test_values_are_recognised_as_they_are_written(value, given, same):
    assert same_value(value, given) is same


def test_values_are_in_order():
    assert in_order([(4.0, 200.0), (4.0, 10.0), (4.0,), (4.0, 10.0)]) == [(4.0,), (4.0, 10.0), (4.0, 200.0)]
    assert in_order(["sigmoid", "clipped_relu"]) == ["sigmoid", "clipped_relu"] and in_order([2, 0.5]) == [0.5, 2]
    assert in_order([None, 3]) == [None, 3]


def test_a_list_in_where_is_a_value_or_several():
    e = experiment(grid={"taus": [4, [4, 10], [4, 20]], "seed": [0]})
    cells = Cells.of(e)
    assert cells.having("taus", [4, 10]).tolist() == [False, True, False]
    assert cells.having("taus", [4, [4, 20]]).tolist() == [True, False, True]
    assert cells.having("network.gain", 1.5).all() and cells.having("taus", "4_20").tolist() == [False, False, True]


def table(e, **columns):
    cells = Cells.of(e)
    n = len(cells.seeds)
    return cells, pd.DataFrame({"seed": cells.seeds, "status": ["trained"] * n, **columns})


def test_measures_of_networks():
    e = experiment(grid={"N": [12], "seed": "0..3"})
    status = ["trained", "trained", "not trained", "not done"]
    accuracy, spiking = [1.0, 0.9, 0.5, np.nan], [0.95, 0.7, np.nan, np.nan]
    cells, rows = table(e, accuracy=accuracy, spiking_accuracy=spiking)
    rows["status"] = status
    panel = experiment({"a": {**ACCURACY, "networks": "all"}}, grid=e.settings.grid).settings.panels["a"]

    def numbers(name, chosen=panel):
        return networks_of(cells, rows, chosen).numbers(measure_of(name, e.settings)).tolist()

    assert numbers("accuracy") == [100, 90, 50] and numbers("gap") == pytest.approx([5, 20])
    assert numbers("trained") == [100, 100, 0] and numbers("share of spiking_accuracy >= 0.95") == [100, 0, 0]
    assert numbers("share of accuracy < 0.9") == [0, 0, 100] == numbers("share of  accuracy < .9")
    only = panel.model_copy(update={"networks": "trained"})
    assert numbers("accuracy", only) == [100, 90]
    assert networks_of(cells, rows, only).left_out == {"not trained": 1, "not done": 1}
    assert networks_of(cells, rows, panel).left_out == {"not done": 1}


@pytest.mark.parametrize(
    ("accuracy", "seed"),
    [([0.9, 1.0, 0.8], 0), ([0.7, 0.9, 0.9, 1.0], 1), ([1.0, 0.9, 0.8, 0.7], 2), ([np.nan, 0.9, np.nan], 1)],
)
def test_the_example_has_the_median_accuracy(accuracy, seed):
    e = experiment(grid={"N": [12], "seed": f"0..{len(accuracy) - 1}"})
    cells, rows = table(e, accuracy=accuracy)
    assert cells.seeds[Networks(cells, rows).example("accuracy")] == seed
    assert Networks(cells, rows).example("spiking_accuracy") is None


def test_pairs_differ_in_the_groups_alone():
    e = experiment(grid={"N": [12, 14], "spiking.noise_sd": [0, 0.1], "seed": [0, 1]})
    cells, rows = table(e, accuracy=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, np.nan, 0.8])
    groups = Networks(cells, rows).grouped(axis_of("noise_sd", e))
    pairs = paired(groups[0][1], groups[1][1], measure_of("accuracy", e.settings), "noise_sd")
    # Rows are N 12 (noise 0: seeds 0, 1; noise 0.1: seeds 0, 1), then N 14, whose third has no accuracy
    np.testing.assert_allclose(pairs, [[10, 30], [20, 40], [60, 80]])


def test_thresholds_are_those_of_the_task():
    found = {name: thresholds_of(TaskFactory.create_task(name), -1.0) for name in ("go-nogo", "mante", "xor")}
    assert found == {"go-nogo": (0.7, 0.3), "mante": (0.7, -0.7), "xor": (0.7, -0.7)}
    assert thresholds_of(TaskFactory.create_task("mante"), 0.0) == (0.7,)


# -------------------------------------------------------------------------------------------------------- from a grid


def test_every_kind_is_drawn_from_what_is_done(results, tmp_path):
    assert PANELS.keys() == KINDS.keys() == DRAW.keys()
    source = Source(results, partial=True)
    for name in PANELS:
        paths = write_panel(source, name, tmp_path)
        assert [path.name for path in paths] == [f"{name}{suffix}" for suffix in (".pdf", ".png", ".rst")]
        starts = [path.read_bytes()[:4] for path in paths]
        assert starts == [b"%PDF", b"\x89PNG", b"**t*"]
        caption = paths[2].read_text()
        assert f"``ratecore panels {results.root.as_posix()} --only {name}``" in caption
        assert re.search(r"n = \d|networks", caption), caption
    assert len(list(tmp_path.iterdir())) == 3 * len(PANELS)


def test_captions_say_how_many_and_which(results):
    source = Source(results, partial=True)
    caption = draw_panel(source, "by_axis").caption
    assert "go-nogo, rate network: n = 4 networks at each position" in caption
    assert "mante, rate network: n = 4 (12), 2 (14) networks" in caption
    assert "not done (2)" in caption and "Open diamonds are the published values of Fig. 1C, bars their SD" in caption
    caption = draw_panel(source, "groups").caption
    assert "Two-sided Wilcoxon signed-rank test" in caption and "(4 pairs)" in caption
    caption = draw_panel(source, "example_outputs").caption
    assert re.search(r"seed [01], with the median accuracy \([\d.]+ %\) of 2 networks; λ = (20|40) was chosen", caption)


def test_an_example_is_the_very_trials_of_its_network(results):
    from ratecore.formats import load_scores

    e = experiment({"a": {**EXAMPLE, "trials": 10}}, results=results.settings.results)
    source = Source(e, partial=True)
    panel = e.settings.panels["a"]
    networks = source.networks(panel)
    run = networks.run(networks.example("accuracy"))
    figure, _ = draw_examples(source, panel)
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].get_lines()}
    for name, row in load_scores(run.evaluation).by_condition().items():
        np.testing.assert_allclose(lines[name], row["output_mean"], rtol=0, atol=1e-6)


def test_lambda_one_is_the_network_without_scaling(results):
    from ratecore.spiking.activity import trial_spikes

    source = Source(results, partial=True)
    panel = results.settings.panels["example_outputs"]
    networks = source.networks(panel)
    opened = networks.opened(networks.example("spiking_accuracy"))
    task, spiking = opened.settings.tested_task("conversion"), opened.settings.spiking
    found = trial_spikes(task, opened.spiking_model(), spiking, 1.0, opened.seed, range(4))
    figure, _ = draw_examples(source, panel)
    assert figure.axes[0].get_title() == "λ = 1"
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[2].get_lines()}
    chosen = np.array(found.condition) == "go"
    np.testing.assert_allclose(lines["go"], found.o[chosen].mean(0))
    times, units = found.of_trial(found.condition.index("go"))
    dots = [line.get_xydata() for line in figure.axes[0].get_lines() if "units" in str(line.get_label())]
    np.testing.assert_allclose(np.sort(np.concatenate(dots)[:, 0]), np.sort(times))
    assert sum(map(len, dots)) == len(units)


def test_numbers_are_those_of_the_table(results):
    source = Source(results, partial=True)
    figure = draw_panel(source, "groups").figure
    found = Source(results, partial=True).networks(results.settings.panels["groups"]).table
    labels = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    for label, (_, rows) in zip(labels, found.groupby("noise_sd"), strict=True):
        assert label.endswith(
            f"{100 * rows['spiking_accuracy'].mean():.1f} ± {100 * rows['spiking_accuracy'].std():.1f}"
        )


def test_choices_are_those_of_the_scores(results):
    figure = draw_panel(Source(results, partial=True), "by_evidence").figure
    rows = []
    for point in [p for p in results.grid_points if (p.values["task"], p.values["N"]) == ("mante", "12")]:
        for seed in results.seeds:
            rows += json.loads(Run.at(results, point, seed).scores.read_text())["psychometric"]
    (first, *_) = figure.axes[0].containers
    motion = pd.DataFrame(rows).query("trial_type == 'motion'").groupby("evidence")["p_positive"].mean()
    np.testing.assert_allclose(first.lines[0].get_xydata()[:, 1], 100 * motion.values)


def test_a_grid_without_trained_networks_says_so(tmp_path):
    e = experiment(PANELS, results=str(tmp_path))
    for name in PANELS:
        drawn = draw_panel(Source(e, partial=True), name)
        assert "No network of this panel was trained." in drawn.caption
        words = " ".join(t.get_text() for ax in drawn.figure.axes for t in ax.texts)
        assert "No network of this panel was trained." in " ".join(words.split())


def test_the_table_of_the_workflow_gives_the_same_panel(tmp_path, results):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(results.root, copy / "panels")
    seeds = {"grid": {**CONFIG["grid"], "task": ["go-nogo"]}, "results": str(copy)}
    panels = {name: PANELS[name] for name in ("groups", "lambda_curves")}
    e = experiment(panels, **seeds)
    write_summary(summarize(e), e.root)
    for name in panels:
        assert draw_panel(Source(e), name).caption == draw_panel(Source(e, partial=True), name).caption
    with pytest.raises(ValueError, match="the table of another grid; run the workflow again"):
        draw_panel(Source(experiment(panels, **{**seeds, "grid": {**seeds["grid"], "seed": [0]}})), "groups")


def test_the_command(results, tmp_path, capsys):
    root = str(results.root)
    assert main(["panels", root, "--only", "groups", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"groups: {tmp_path}/groups.pdf\n"
    other = tmp_path / "other.yaml"
    other.write_text(json.dumps({"panels": {"mine": {**ACCURACY, "title": "mine"}}}))
    assert main(["panels", root, "--config", str(other)]) == 0
    assert (results.root / "figures/panels/mine.pdf").is_file()
    for arguments, message in (
        (["--only", "group"], "--only group: there is no such panel (did you mean 'groups'?); panels: by_axis, groups"),
        (["--config", str(other), "--only", "groups"], "there is no such panel"),
    ):
        assert main(["panels", root, *arguments]) == 2
        assert message in capsys.readouterr().err
    other.write_text("experiment: x\n")
    assert main(["panels", root, "--config", str(other)]) == 2
    assert "it has no section panels" in capsys.readouterr().err
    other.write_text(json.dumps({"panels": {"mine": {**ACCURACY, "where": {"N": 13}}}}))
    assert main(["panels", root, "--config", str(other)]) == 2
    assert "panels.mine.where.N = 13: no network has 13" in capsys.readouterr().err


def test_text_of_users_is_no_markup():
    from docutils.core import publish_parts
    from jinja2 import Environment

    text = "a * b ** c `d`_ |e| f_ {{ g }} {% h %} <i> \\ 5 %"
    template = Environment().from_string("{{ caption }}").render(caption=escaped(text))
    body = publish_parts(template, writer="html")["body"]
    assert body.strip() == "<p>a * b ** c `d`_ |e| f_ {{ g }} {% h %} &lt;i&gt; \\ 5 %</p>"


def test_the_example_has_every_kind_and_its_pictures_are_on_the_page():
    assert len((ROOT / "config/examples/panels.yaml").read_text().splitlines()) < 40
    e = Experiment.from_config({**load_yaml(ROOT / "config/examples/panels.yaml"), "results": "nowhere"})
    assert {panel.kind for panel in e.settings.panels.values()} == KINDS.keys()
    shown = re.findall(r"\(images/(panel-\w+)\.png\)", PAGE.read_text())
    assert sorted(shown) == sorted(e.settings.panels)
    assert all((ROOT / f"docs/images/{name}.png").is_file() for name in shown)


def test_the_example_is_drawn_from_a_small_grid(tmp_path, figures_are_not_rendered):
    """The example's panels of networks as small as those of these tests, which take a second instead of minutes."""
    small = {key: CONFIG[key] for key in ("training", "evaluation", "task_settings", "conversion")}
    config = load_yaml(ROOT / "config/examples/panels.yaml")
    for product in config["grid"]:
        product["seed"] = [0]
    e = Experiment.from_config({**config, **small, "network": {"N": 12, "P_inh": 0.3}, "results": str(tmp_path)})
    for stage in stages_of(e.settings):
        for point in e.grid_points:
            do_stage(stage, [Run.at(e, point, seed) for seed in point.seeds], e.settings)
    write_summary(summarize(e), e.root)
    source = Source(e)
    for name, panel in e.settings.panels.items():
        caption = draw_panel(source, name).caption
        assert "No network of this panel" not in caption, caption
        assert f"product {panel.grid}" in caption


def test_the_page_names_every_key_and_its_python_runs(tmp_path, monkeypatch):
    page = PAGE.read_text()
    named = set(re.findall(r"`(\w+)", page))
    keys = {key for panel in (*KINDS.values(), PublishedValue) for key in panel.model_fields}
    assert keys <= named, keys - named
    (block,) = re.findall(r"```python\n(.*?)```", page, re.S)
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    assert (tmp_path / "accuracy.pdf").read_bytes().startswith(b"%PDF")
