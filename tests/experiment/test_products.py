"""Grids that are lists of products: points, shared networks, seeds, the plan, the table, and wrong ones."""

import itertools

import pandas as pd
import pytest

from ratecore.cli.networks import single_run
from ratecore.experiment.axes import ABSENT
from ratecore.experiment.closing import Closing
from ratecore.experiment.grid import Experiment
from ratecore.experiment.plan import find_cautions, plan
from ratecore.experiment.results import Results
from ratecore.experiment.runs import Run
from ratecore.experiment.selection import chosen_rows, typed_column
from ratecore.experiment.summary import all_runs, grid_pages, partial_summary, read_summary, write_summary
from ratecore.settings.base import SettingsError
from ratecore.settings.experiment import ExperimentSettings
from ratecore.tracking.mlflow.translation import Translation

PAPER = [
    {"name": "sizes", "task": ["go-nogo"], "N": [10, 50], "seed": "0..2"},
    {"name": "taus", "N": [50], "taus": [[4, 20], 10], "seed": [0, 1, 7]},
    {"name": "gaps", "task": ["xor"], "task_settings.delay": [10, 20], "seed": [1]},
    {"name": "refractory", "N": [50], "spiking.refractory": [2, 5], "seed": [1, 0, 7]},
]


def experiment(grid=PAPER, **changes):
    return Experiment.from_config({"experiment": "test", "grid": grid, **changes})


def run_key(run):
    return run.identity()


def test_points_are_those_of_all_products_each_once():
    e = experiment()
    assert [point.path for point in e.grid_points] == [
        "task~go-nogo/N~10/taus~4_20/delay~-/refractory~2",
        "task~go-nogo/N~50/taus~4_20/delay~-/refractory~2",
        "task~go-nogo/N~50/taus~10/delay~-/refractory~2",
        "task~xor/N~200/taus~4_20/delay~10/refractory~2",
        "task~xor/N~200/taus~4_20/delay~20/refractory~2",
        "task~go-nogo/N~50/taus~4_20/delay~-/refractory~5",
    ]
    assert [point.number for point in e.grid_points] == list(range(6))
    assert [[product.name for product in point.products] for point in e.grid_points] == [
        ["sizes"], ["sizes", "taus", "refractory"], ["taus"], ["gaps"], ["gaps"], ["refractory"],
    ]  # fmt: skip
    shared = e.grid_points[1]
    assert shared.seeds == (0, 1, 2, 7) and [shared.grids(seed) for seed in (2, 7)] == [
        ("sizes",), ("taus", "refractory"),
    ]  # fmt: skip


def test_runs_are_those_of_each_product_alone():
    # Each product as a grid of its own is the truth: a mapping.
    alone = [experiment({k: v for k, v in part.items() if k != "name"}) for part in PAPER]
    expected = {run_key(point.run(seed)) for e in alone for point in e.grid_points for seed in e.seeds}
    e = experiment()
    runs = [point.run(seed) for point in e.grid_points for seed in point.seeds]
    assert {run_key(run) for run in runs} == expected and len(runs) == len(expected) == e.n_runs
    folders = {
        single.folder(point.run(s)).name for single in alone for point in single.grid_points for s in single.seeds
    }
    assert set(e.run_names()) == folders and e.n_networks == len(e.run_names()) == len(folders)
    for part, single in zip(PAPER, alone, strict=True):
        own = {run_key(p.run(s)) for p in e.grid_points for s in p.seeds if part["name"] in p.grids(s)}
        assert own == {run_key(p.run(s)) for p in single.grid_points for s in single.seeds}


def test_a_point_without_an_axis_has_the_value_of_the_configuration():
    e = experiment([{"N": [10]}, {"gain": [1.0, 2.5]}], network={"N": 30, "gain": 2.5}, task="xor")
    assert [point.path for point in e.grid_points] == [
        "task~xor/N~10/taus~4_20/gain~2.5", "task~xor/N~30/taus~4_20/gain~1", "task~xor/N~30/taus~4_20/gain~2.5",
    ]  # fmt: skip
    assert [[p.name for p in point.products] for point in e.grid_points] == [["1"], ["2"], ["2"]]
    assert {axis.column: axis.values for axis in e.axes}["gain"] == (2.5, 1.0)


def test_a_test_elsewhere_has_the_value_of_the_trained_task_where_it_is_not_swept():
    grid = [{"name": "a", "seed": [0]}, {"name": "b", "evaluation.task_settings.delay": [10, 15]}]
    e = experiment(grid, task="xor")
    assert [point.values["evaluation_delay"] for point in e.grid_points] == ["10", "15"]  # 10 is xor's own
    assert [product.name for product in e.grid_points[0].products] == ["a", "b"]


def test_a_list_of_one_product_is_the_grid_of_its_axes():
    mapping = {"task": ["xor", "go-nogo"], "refractory": [2, 5], "seed": "0..11"}
    one, same = experiment(mapping), experiment([{"name": "all", **mapping}])
    assert [point.path for point in one.grid_points] == [point.path for point in same.grid_points]
    assert one.blocks == same.blocks and one.run_names() == same.run_names()
    assert [one.variant(p, "convert") for p in one.grid_points] == [
        same.variant(p, "convert") for p in same.grid_points
    ]


def test_blocks_have_all_seeds_of_a_product_or_none():
    e = experiment(seeds_per_job=2)
    assert e.seeds == (0, 1, 2, 7)
    assert all(len(seeds) <= 2 for seeds in e.blocks.values())
    assert sorted(itertools.chain(*e.blocks.values())) == [0, 1, 2, 7]
    for stage in ("train", "evaluate", "export", "convert"):
        for point in e.grid_points_of(stage).values():
            blocks = e.blocks_of(point)
            assert sorted(itertools.chain(*blocks.values())) == sorted(point.seeds)
    # A stage has the blocks that the stages it needs have.
    for point in e.grid_points:
        train = e.grid_points_of("train")[point.path_in(e.columns("train"))]
        assert e.blocks_of(point).keys() <= e.blocks_of(train).keys()


def test_each_run_has_its_row():
    e = experiment()
    rows = [(point, run.settings.seed) for point, run in all_runs(e)]
    assert [(p.path, s) for p, s in map(e.place, range(e.n_runs))] == [(p.path, s) for p, s in rows]


def test_trainings_start_from_networks_of_other_products():
    start = {"name": "later", "gain": [2.0], "training.start_from": [{"task_settings.delay": 20}], "seed": [0, 1]}
    sizes = {"task": "xor", "task_settings": {"delay": 30}, "network": {"gain": 2.0}}
    e = experiment([{"name": "first", "task_settings.delay": [20], "seed": [3, 0, 1]}, start], **sizes)
    first, later = e.grid_points
    assert e.start_of(later).values["delay"] == "20" and e.start_of(first) is None
    with pytest.raises(SettingsError, match="has seed 1, which task~xor.*give its product the same seeds"):
        experiment([{"name": "first", "task_settings.delay": [20], "seed": [0]}, start], **sizes)


def test_the_plan_has_a_line_for_each_product():
    assert plan(experiment()) == [
        "test: 12 networks of 4 products, each scored or converted in up to 2 ways",
        "  sizes: 2 network sizes (10, 50 units) x 3 seeds (0..2) = 6 networks: go-nogo, time constants 20 to 100 ms",
        "  taus: 2 choices of time constants (20 to 100 ms, 50 ms) x 3 seeds (0, 1, 7) = 6 networks: go-nogo, "
        "50 units; 2 of them shared with products above",
        "  gaps: 2 values of delay (50 ms, 100 ms) = 2 networks: xor, 200 units, time constants 20 to 100 ms, seed 1",
        "  refractory: 3 seeds (1, 0, 7) = 3 networks: go-nogo, 50 units, time constants 20 to 100 ms; then with "
        "2 refractory periods (2, 5 ms); all of them shared with products above",
    ]


def test_cautions_are_about_products():
    assert find_cautions(experiment()) == []
    (dashes,) = find_cautions(experiment([{"N": [10, 20]}, {"gain": [1.0, 2.0]}]))
    assert "each '-' begins another product, so that N and gain are not combined" in dashes
    (both,) = find_cautions(experiment([{"name": "a", "taus": [4, 20]}, {"name": "b", "N": [10]}]))
    assert both.startswith("grid.a.taus = [4, 20] asks for networks of one fixed time constant")
    given = {"network": {"gain": 2.0}}
    assert find_cautions(experiment([{"gain": [1.0]}, {"name": "b", "N": [10]}], **given)) == []
    (over,) = find_cautions(experiment([{"name": "a", "gain": [1.0]}, {"name": "b", "network.gain": [3.0]}], **given))
    assert over == "network.gain has no effect: the grid overrides it"


def test_the_table_names_the_products_of_each_row(tmp_path):
    e = experiment(results=str(tmp_path))
    table, undone = partial_summary(e)
    assert len(table) == len(undone) == e.n_runs == 15
    assert list(table.columns[:8]) == ["task", "N", "taus", "delay", "refractory", "seed", "grids", "status"]
    shared = table[(table["N"] == "50") & (table["taus"] == "4_20") & (table["refractory"] == "2")]
    assert dict(zip(shared["seed"], shared["grids"], strict=True)) == {
        0: "sizes taus refractory", 1: "sizes taus refractory", 2: "sizes", 7: "taus refractory",
    }  # fmt: skip
    assert table["delay"].isna().sum() == 13  # of another task than xor
    write_summary(table.assign(mat=None), e.root)
    assert list(read_summary(e)["grids"]) == list(table["grids"])
    plain, _ = partial_summary(experiment({"N": [10]}, results=str(tmp_path)))
    assert "grids" not in plain.columns


def test_labels_name_the_products_that_train_a_network():
    e = experiment()
    runs = {(run.grid_point, run.settings.seed): run for _, run in all_runs(e)}
    assert runs[1, 7].labels == {
        "name": "go-nogo N=50 taus=4_20 seed=7", "grid": "test",
        "cell": "task~go-nogo/N~50/taus~4_20/delay~-", "grids": "taus refractory",
    }  # fmt: skip
    assert runs[3, 1].labels["name"] == "xor N=200 taus=4_20 delay=10 seed=1"
    start = {"event": "start", "stage": "train", "labels": runs[1, 7].labels, "settings": {}}
    assert Translation()(start).tags["grids"] == "taus refractory"
    assert "grids" not in Run.at(experiment({"N": [10]}), experiment({"N": [10]}).grid_points[0], 0).labels


def test_figures_of_the_grid_have_a_row_for_each_product(tmp_path):
    e = experiment(results=str(tmp_path))
    table, _ = partial_summary(e)
    table = table.assign(status="trained", trained=True, n_trials=1500, accuracy=0.5)
    made = grid_pages(e, table)["accuracy"]
    assert [axis.get_title(loc="left") for axis in made.axes if axis.get_title(loc="left")] == [
        p["name"] for p in PAPER
    ]
    labels = [axis.get_xlabel() for axis in made.axes if axis.axison]
    assert labels == ["N (units)", "synaptic time constants (ms)", "delay (ms)", "N (units)"]
    converted = grid_pages(e, table)["spiking_accuracy"]
    assert [axis.get_xlabel() for axis in converted.axes][-1] == "refractory period (ms)"


def test_a_network_is_one_point_however_many_variants_of_its_conversion_there_are(tmp_path):
    e = experiment({"refractory": [0, 2, 4], "taus": [4, [4, 20]], "seed": [0, 1]}, results=str(tmp_path))
    table, _ = partial_summary(e)
    table = table.assign(status="trained", trained=True, n_trials=1500, accuracy=0.5, spiking_accuracy=0.9)
    pages = grid_pages(e, table)
    points = {
        name: [[len(line.get_xdata()) for line in axis.lines if line.get_marker() == "o"] for axis in page.axes]
        for name, page in pages.items()
    }
    assert points["trained"] == points["accuracy"] == [[4]]  # against taus: two networks at each value
    assert points["spiking_accuracy"] == [[12], [12]]  # and against the refractory period


def test_hundreds_of_products_are_a_figure_that_can_be_drawn(tmp_path):
    e = experiment([{"name": f"p{k}", "N": [10 + k]} for k in range(200)], results=str(tmp_path))
    table, _ = partial_summary(e)
    page = grid_pages(e, table.assign(status="trained", trained=True, n_trials=1500, accuracy=0.5))["accuracy"]
    assert len(page.axes) == 12 and page.get_suptitle() == "The first 12 of 200 products of the grid"


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [("a", [0, 2]), (["a", "b"], [0, 1, 2]), ("b", [1, 2]), (lambda column: column == "a b", [2])],
    ids=["one", "two", "another", "function"],
)
def test_rows_are_chosen_by_product(wanted, rows):
    table = pd.DataFrame({"grids": ["a", "b", "a b", "c"]})
    assert list(chosen_rows(table, {"grids": wanted}, {}).index) == rows


def test_a_product_that_no_row_has_is_named():
    table = pd.DataFrame({"grids": ["a", "a b"]})
    with pytest.raises(ValueError, match="grids = 'ab': no network is in it; products: a, b"):
        chosen_rows(table, {"grids": "ab"}, {})
    with pytest.raises(ValueError, match="it names no product"):
        chosen_rows(table, {"grids": []}, {})


def test_results_open_with_products(tmp_path):
    from ratecore.experiment.configurations import keep_configuration
    from ratecore.experiment.opened import open_experiment

    config = {"experiment": "test", "results": str(tmp_path), "grid": PAPER}
    keep_configuration(tmp_path / "test", config)
    results = Results(experiment=open_experiment(tmp_path / "test"))
    table = results.table
    assert len(table) == 15 and table["N"].dtype == "int64" and table["refractory"].dtype == "float64"
    assert sorted(table["delay"].dropna()) == [10, 20] and len(results.networks(grids="taus", seed=7)) == 2
    row = results.networks(grids="refractory", refractory=5, seed=7)
    settings = results.run_settings(row)
    assert (settings.seed, settings.spiking.refractory, settings.network.N) == (7, 5.0, 50)
    assert results.variants == ("refractory",)


def test_after_a_stop_the_words_count_every_run(tmp_path):
    words = Closing(experiment(results=str(tmp_path)), "ui", "report").interrupted()
    assert "12 networks" in words


def test_one_network_of_a_list_is_trained_by_itself(tmp_path):
    import yaml

    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump({"experiment": "e", "grid": PAPER}))
    run, _ = single_run(str(file), "go-nogo", {"N": 10, "taus": 8, "refractory": 3}, 4)
    with pytest.raises(
        SettingsError, match=r"its grid has 6 networks, .* choose it with --set task=... --set N=\.\.\. "
    ):
        single_run(str(file), None, {}, 4)
    with pytest.raises(SettingsError, match="unknown task 'xorr'"):
        single_run(str(file), "xorr", {}, 4)
    assert (run.task, run.network.N, run.seed, run.spiking.refractory) == ("go-nogo", 10, 4, 3.0)


WRONG = [
    ([], "grid = []: it must be a mapping of axis: list of values, or a list of such mappings; the list is empty"),
    ([{"N": [1]}, 3], "it must be a mapping of axis: list of values, or a list of such mappings"),
    (["N"], "or a list of such mappings"),
    ([{1: [2]}], "grid..1: unknown setting; its name must be text"),
    ([{"name": "a", "N": [1]}, {"name": "a"}], "grid: products 1 and 2 of the list have the name 'a'; each needs"),
    ([{"N": [1]}, {"name": "1"}], "grid: products 1 and 2 of the list have the name '1'; each needs another"),
    ([{"name": "a b"}], "grid.1.name = 'a b': it must be text of at most 100 letters"),
    ([{"name": "../a"}], "grid.1.name = '../a': it must be text"),
    ([{"name": "a" * 101}], "it must be text of at most 100 letters"),
    ([{"name": 3}], "grid.1.name = 3: it must be text of at most 100 letters, digits, '.', '_' and '-', as fig1c"),
    ([{"name": ["a", "b"]}], "grid.1.name = ['a', 'b']: it must be text of at most 100 letters, digits, '.', '_' and "
                             "'-', as fig1c; an axis cannot be called name"),
    ([{"name": "a", "N": []}], "grid.a.N = []: an axis needs at least one value"),
    ([{"N": 10}], "grid.1.N = 10: it must be a list of values, as [10]"),
    ([{"name": "a", "N": "10..20"}], "grid.a.N = '10..20': it must be a list of values"),
    ([{"name": "a", "gian": [1]}], "grid.a: unknown axis 'gian' (did you mean 'gain'?)"),
    ([{"name": "a", "gain": [1.0], "network.gain": [2.0]}], "grid.a: axis 'network.gain' is listed twice"),
    ([{"name": "a", "seed": [1, 1]}], "grid.a.seed: 1 is listed more than once"),
    ([{"name": "a", "seed": "9..0"}], "grid.a.seed = '9..0': a range of seeds"),
    ([{"name": "a", "seed": 5}], "grid.a.seed = 5: it must be a list of values; 5 seeds are 0..4"),
    ([{"name": "a", "N": [5, 6, 5]}], "grid.a.N = 5: it is listed twice; list it once"),
    ([{"name": "a.b", "N": [5, 6, 5]}], "grid.a.b.N = 5: it is listed twice; list it once"),
    ([{"name": "a", "N": [0]}], "network.N = 0: Input should be greater than or equal to 1"),
    ([{"gain": [k / 8 for k in range(1, 1002)], "seed": "0..9999"}, {"name": "b"}], "at most 1,000,000 grid points"),
]  # fmt: skip


@pytest.mark.parametrize(("grid", "message"), WRONG, ids=[m[-45:] for _, m in WRONG])
def test_a_wrong_list_is_one_clear_error(grid, message):
    with pytest.raises(SettingsError) as error:
        experiment(grid)
    assert message in str(error.value) and len(error.value.lines()) == 1


def test_name_is_no_axis_of_a_mapping():
    with pytest.raises(SettingsError, match="grid: unknown axis 'name'"):
        experiment({"name": ["a"]})


def test_idle_axes_are_named_with_their_product():
    with pytest.raises(SettingsError, match="grid.b: refractory has no effect with convert = False; set it to true"):
        experiment([{"name": "a"}, {"name": "b", "refractory": [1, 2]}], convert=False)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([ABSENT, 3, 4], "float64"), ([True, ABSENT, False], "boolean"), (["a", ABSENT, "b"], "category"),
        ([(4.0, 20.0), None, ABSENT], "category"), ([ABSENT, ABSENT], "category"),
    ],
    ids=["numbers", "booleans", "words", "pairs", "none"],
)  # fmt: skip
def test_a_setting_that_a_row_does_not_have_is_missing(values, dtype):
    column = pd.Series(typed_column(values))
    assert column.dtype == dtype and list(column.isna()) == [value is ABSENT for value in values]


def test_tuples_are_lists():
    assert ExperimentSettings(experiment="e", grid=({"N": (1, 2), "seed": range(3)},)).grid == [
        {"N": [1, 2], "seed": [0, 1, 2]}
    ]
