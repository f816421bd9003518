"""From a configuration to runs: axes, paths, blocks, identities, and an error for every mistake."""

import copy
import re
import time
from pathlib import Path

import pytest
import yaml

from ratecore.experiment.axes import RESERVED, format_value
from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.seeds import block_name
from ratecore.settings.base import SettingsError
from ratecore.settings.experiment import ExperimentSettings, schema_yaml
from ratecore.settings.reading import load_yaml
from ratecore.settings.run import RunSettings
from ratecore.system.files import check_writable
from ratecore.system.streams import stream
from ratecore.tasks import TaskFactory

ROOT = Path(__file__).parents[2]


def experiment(grid=None, **changes):
    return Experiment.from_config({"experiment": "test", "grid": grid or {}, **changes})


def test_the_grid_is_the_product_of_its_axes():
    e = experiment({"task": ["xor", "go_nogo"], "taus": [[4, 20], 10], "gain": [0.5, 1.5], "seed": "3..5"})
    assert [grid_point.path for grid_point in e.grid_points[:3]] == [
        "task~xor/N~200/taus~4_20/gain~0.5",
        "task~xor/N~200/taus~4_20/gain~1.5",
        "task~xor/N~200/taus~10/gain~0.5",
    ]
    assert len(e.grid_points) == 8 and e.seeds == (3, 4, 5)
    run = e.by_path["task~go-nogo/N~200/taus~10/gain~1.5"].run(5)
    assert (run.task, run.network.taus, run.network.gain, run.seed) == ("go-nogo", (10.0,), 1.5, 5)


@pytest.mark.parametrize(
    ("axis", "value", "read"),
    [
        ("gain", 2.5, lambda r: r.network.gain),
        ("activation", "softplus", lambda r: r.network.activation),
        ("P_rec", 0.4, lambda r: r.network.P_rec),
        ("P_inh", 0.3, lambda r: r.network.P_inh),
        ("som_N", 5, lambda r: r.network.som_N),
        ("apply_dale", False, lambda r: r.network.apply_dale),
        ("w_dist", "gamma", lambda r: r.network.w_dist),
        ("learning_rate", 0.001, lambda r: r.training.learning_rate),
        ("batch_size", 4, lambda r: r.training.batch_size),
        ("loss_fn", "l1", lambda r: r.training.loss_fn),
        ("training.n_trials", 50, lambda r: r.training.n_trials),
        ("evaluation.n_trials", 50, lambda r: r.evaluation.n_trials),
        ("psychometric_trials", 3, lambda r: r.evaluation.psychometric_trials),
        ("refractory", 5.0, lambda r: r.spiking.refractory),
        ("model", "qif", lambda r: r.spiking.model),
        ("tau_rise", 0.0, lambda r: r.spiking.tau_rise),
        ("search", "full", lambda r: r.conversion.search),
        ("scaling_factors", (20.0, 30.0), lambda r: r.conversion.scaling_factors),
        ("task_settings.stim_dur", 30, lambda r: r.create_task().settings["stim_dur"]),
    ],
)
def test_any_setting_can_be_an_axis(axis, value, read):
    e = experiment({axis: [value]})
    assert read(e.grid_points[0].settings) == value
    column = axis.replace(".", "_") if axis.endswith("n_trials") else axis.split(".")[-1]
    assert e.grid_points[0].path.split("/")[-1] == f"{column}~{format_value(value)}"


def test_two_axes_of_one_name_are_told_apart():
    e = experiment({"training.n_trials": [10], "evaluation.n_trials": [20]})
    assert e.grid_points[0].path.endswith("training_n_trials~10/evaluation_n_trials~20")
    assert (
        e.grid_point_of(
            {"task": "go-nogo", "N": "200", "taus": "4_20", "training_n_trials": "10", "evaluation_n_trials": "20"}
        )
        is e.grid_points[0]
    )


def test_task_settings_of_one_task_alone():
    e = experiment({"task": ["go-nogo", "xor"]}, task_settings={"stim_on": 40, "xor": {"delay": 30}})
    go, xor = (grid_point.settings.create_task().settings for grid_point in e.grid_points)
    assert go["stim_on"] == xor["stim_on"] == 40 and xor["delay"] == 30 and "delay" not in go


def test_identity_is_what_the_numbers_depend_on():
    base = RunSettings()
    same = [RunSettings(task="Go_NoGo"), RunSettings(task_settings={"T": 200}), RunSettings(network=dict(N=200))]
    assert {run.identity() for run in same} == {base.identity()}
    other = [
        RunSettings(seed=1),
        RunSettings(network=dict(gain=1.4)),
        RunSettings(training=dict(learning_rate=0.02)),
        RunSettings(task="xor"),
        RunSettings(task_settings={"stim_on": 51}),
    ]
    assert len({run.identity("training") for run in [base, *other]}) == len(other) + 1
    scored = RunSettings(evaluation=dict(n_trials=7))
    assert scored.identity("training") == base.identity("training") and scored.identity() != base.identity()


ALL_CHANGED = dict(
    task="Go_NoGo",
    seed=2**40,
    task_settings={"T": 250, "stim_dur": 30.0},
    network=dict(N=150, taus=10, gain=2, som_N=3, w_dist="gamma", activation="softplus"),
    training=dict(learning_rate=0.001, n_trials=50, loss_fn="l1"),
    evaluation=dict(n_trials=7),
)
MANTE = dict(task="mante", task_settings={"offset": 0.25}, seed=3, network=dict(P_rec=0, apply_dale=False))


@pytest.mark.parametrize(
    ("changes", "training", "whole"),
    [
        ({}, "f0b104a9d4f425f1", "b4b5c95c6da03ce4"),
        ({"seed": 7}, "0f7a76773ba14c56", "d13e7a6d77ec5a38"),
        (ALL_CHANGED, "2ae4f660a4ce60c8", "3029233f8e258bd2"),
        (MANTE, "fdaf90fdbef54b38", "ba0bbcb7c6f4e9e4"),
    ],
    ids=["default", "seed", "all", "mante"],
)
def test_identities_never_change(changes, training, whole):
    # Another hash of the same settings would train every network of every user again.
    run = RunSettings(**changes)
    assert (run.identity("training"), run.identity("training", "evaluation")) == (training, whole)


def test_a_setting_that_is_left_out_is_no_part_of_the_identity():
    # min_trials is newer than the first networks, which keep their identity.
    assert "min_trials" not in RunSettings().identity_values("training")["training"]
    assert RunSettings(training={"min_trials": 1500}).identity("training") != RunSettings().identity("training")


def test_folders_never_change():
    e = experiment({"task": ["xor"], "taus": [[4, 50], 10], "seed": "5..9"}, task_settings={"delay": 20})
    names = {
        grid_point.path.partition("taus~")[2]: [e.folder(grid_point.run(s)).name for s in (5, 9)]
        for grid_point in e.grid_points
    }
    assert names == {"4_50": ["142d767ee2afbb9a", "e2d74c59ede09741"], "10": ["b9618b58292deef6", "9c819136c43435c0"]}


def test_identities_of_a_grid_point_are_those_of_its_runs():
    grid = {"task": ["xor", "mante"], "som_N": [0, 3], "seed": [4, 0, 2**40]}
    for grid_point in experiment(grid).grid_points:
        for stages in ((), ("training",), ("training", "evaluation"), ("evaluation",)):
            for seed in (4, 0, 2**40, 5):
                assert grid_point.identity(seed, *stages) == grid_point.run(seed).identity(*stages)


def test_a_tasks_code_is_part_of_the_identity(tmp_path):
    path = tmp_path / "mine.py"
    code = (ROOT / "tests" / "data" / "my_task.py").read_text()
    path.write_text(code)
    run = RunSettings(task="count-pulses", task_file=str(path))
    before = run.identity()
    assert run.identity("training") == RunSettings(task="count-pulses", task_file=str(path)).identity("training")
    # A task of the package does not depend on the file beside it.
    assert RunSettings(task_file=str(path)).identity() == RunSettings().identity()
    # What counts is the code that runs, not the file that was edited meanwhile.
    path.write_text(code + "\n# changed\n")
    with pytest.warns(UserWarning, match="was changed after it was loaded"):
        assert run.identity() == before
    other = tmp_path / "other.py"
    other.write_text(code + "\n# changed\n")
    TaskFactory._tasks.pop("count-pulses")
    assert RunSettings(task="count-pulses", task_file=str(other)).identity() != before


def test_folders_do_not_depend_on_the_layout_of_the_grid():
    few = experiment({"task": ["xor"], "seed": [0, 1]}, seeds_per_job=1)
    many = experiment({"gain": [1.5, 2.0], "N": [50, 200], "task": ["go-nogo", "xor"], "seed": "0..9"})
    assert few.folder(few.grid_points[0].run(1)) == many.folder(
        many.by_path["task~xor/N~200/taus~4_20/gain~1.5"].run(1)
    )


def test_what_is_swept_after_training_trains_no_network_twice():
    e = experiment({"N": [10, 20], "evaluation.n_trials": [10, 20], "refractory": [0.0, 2.0, 5.0], "seed": [0, 1]})
    assert len(e.grid_points) == 12
    assert [len(e.grid_points_of(stage)) for stage in ("train", "evaluate", "export", "convert")] == [2, 4, 12, 12]
    assert len({e.folder(grid_point.settings) for grid_point in e.grid_points}) == 2
    seeds = {
        (grid_point.path, seed): e.folder(grid_point.run(seed)).name for grid_point in e.grid_points for seed in e.seeds
    }
    assert set(e.run_names()) == set(seeds.values()) and len(e.run_names()) == 2 * len(e.seeds)
    assert list(e.grid_points_of("train")) == ["task~go-nogo/N~10/taus~4_20", "task~go-nogo/N~20/taus~4_20"]
    last = e.grid_points[-1]
    assert [e.variant(last, stage) for stage in ("train", "evaluate", "convert")] == [
        "",
        "evaluation_n_trials~20",
        "evaluation_n_trials~20/refractory~5",
    ]
    # Wildcards of each stage find a grid point that has its values.
    found = e.grid_point_of({"task": "go-nogo", "N": "20", "taus": "4_20", "evaluation_n_trials": "20", "seeds": "0-1"})
    assert (found.settings.network.N, found.settings.evaluation.n_trials) == (20, 20)
    # All variants are one run: one folder, one name, one number.
    runs = [Run.at(e, grid_point, 1) for grid_point in e.grid_points[6:]]
    assert len({(str(run.folder), run.grid_point, *run.labels.values()) for run in runs}) == 1
    assert runs[0].labels["name"] == "go-nogo N=20 seed=1"
    assert len({run.folder_of("convert") for run in runs}) == 6 and len({run.evaluation for run in runs}) == 2
    assert runs[-1].step("convert") == "convert evaluation_n_trials~20/refractory~5"
    assert runs[-1].step("train") == "train"


def test_the_order_of_axes_makes_no_other_variant():
    one, two = (
        experiment(grid)
        for grid in (
            {"refractory": [2.0, 5.0], "tau_rise": [0.0, 2.0]},
            {"tau_rise": [0.0, 2.0], "refractory": [2.0, 5.0]},
        )
    )
    assert {one.variant(c, "convert") for c in one.grid_points} == {two.variant(c, "convert") for c in two.grid_points}
    (grid_point, _) = experiment({"threshold": [None, -45.0]}).grid_points
    assert grid_point.path.endswith("threshold~default")


def test_settings_within_sections_can_be_axes():
    e = experiment(
        {
            "spiking.stimulation.mode": ["none", "inh"],
            "stimulation.units": ["exc", [0, 7]],
            "conversion.lesion.fraction": [0.0, 0.5],
        }
    )
    paths = [grid_point.path.partition("taus~4_20/")[2] for grid_point in e.grid_points]
    assert paths[-1] == "stimulation_mode~inh/stimulation_units~0_7/lesion_fraction~0.5" and len(set(paths)) == 8
    s = e.grid_points[-1].settings
    assert (s.spiking.stimulation.units, s.conversion.lesion.fraction) == ((0, 7), 0.5)


def test_blocks():
    e = experiment({"seed": "0..24"}, seeds_per_job=10)
    assert list(e.blocks) == ["0-9", "10-19", "20-24"] and e.blocks["20-24"] == (20, 21, 22, 23, 24)
    assert block_name((0, 1, 2, 7, 9, 10)) == "0-2+7+9-10"
    long = [block_name(tuple(range(start, 9000, 17))) for start in (0, 1)]
    assert len(set(long)) == 2 and all(len(name) < 60 for name in long)


BAD = [
    ({"grid": {"task": ["go-nog"]}}, "unknown task 'go-nog' (did you mean 'go-nogo'?)"),
    ({"grid": {"gian": [1]}}, "grid: unknown axis 'gian' (did you mean 'gain'?)"),
    ({"grid": {"network.gian": [1]}}, "grid: unknown axis 'network.gian' (did you mean 'network.gain'?)"),
    (
        {"grid": {"n_trials": [1]}},
        "axis 'n_trials' could be training.n_trials or evaluation.n_trials or conversion.n_trials; say which",
    ),
    ({"spiking": {"refractory": -1}}, "spiking.refractory = -1: Input should be greater than or equal to 0"),
    ({"spiking": {"dt": 0.3}}, "dt = 0.3: it must divide the rate step of 5 ms"),
    ({"spiking": {"stimulation": {"mode": "exi"}}}, "spiking.stimulation.mode = 'exi': Input should be 'none', 'exc'"),
    ({"conversion": {"search": "rasing"}}, "conversion.search = 'rasing': Input should be 'full' or 'racing'"),
    (
        {"conversion": {"scaling_factors": [0]}},
        "conversion.scaling_factors = [0]: each scaling factor must be a number",
    ),
    ({"conversion": {"lesion": {"fraction": 2}}}, "conversion.lesion.fraction = 2: Input should be less than or equal"),
    (
        {"grid": {"stimulation.units": [[200]]}, "spiking": {"stimulation": {"mode": "exc"}}},
        "spiking.stimulation.units = (200,): they must be indices from 0 to 199",
    ),
    (
        {"spiking": {"stimulation": {"mode": "inh", "units": "som"}}},
        "spiking.stimulation.units = 'som': the network has no SST",
    ),
    ({"convert": False, "grid": {"refractory": [1, 2]}}, "grid: refractory has no effect with convert = False"),
    ({"grid": {"refractary": [1]}}, "grid: unknown axis 'refractary' (did you mean 'refractory'?)"),
    ({"grid": {"N": []}}, "grid.N = []: an axis needs at least one value"),
    ({"grid": {"N": 200}}, "grid.N = 200: it must be a list of values"),
    ({"grid": {"N": "10..20"}}, "grid.N = '10..20': it must be a list of values"),
    ({"grid": {"N": [0]}}, "network.N = 0: Input should be greater than or equal to 1"),
    ({"grid": {"P_inh": [1.5]}}, "network.P_inh = 1.5: Input should be less than or equal to 1"),
    ({"grid": {"P_rec": [-0.1]}}, "network.P_rec = -0.1: Input should be greater than or equal to 0"),
    ({"grid": {"taus": [[20, 4]]}}, "network.taus = [20, 4]: the minimum must be below the maximum"),
    ({"grid": {"taus": [0.5]}}, "network.taus = 0.5: each time constant must be at least one step"),
    ({"grid": {"taus": [[4, 10, 20]]}}, "give one time constant, or a minimum and a maximum"),
    ({"grid": {"taus": [10, [10]]}}, "grid.taus = [10]: it is listed twice, also as 10; list it once"),
    ({"grid": {"task": ["xor", "XOR"]}}, "grid.task = 'XOR': it is listed twice, also as 'xor'; list it once"),
    ({"grid": {"N": [5, 6, 5], "gain": [1, 2]}}, "grid.N = 5: it is listed twice; list it once"),
    ({"grid": {"gain": [1, 2.0, 2]}}, "grid.gain = 2: it is listed twice, also as 2.0; list it once"),
    ({"grid": {"gain": [1.5], "network.gain": [2.0]}}, "grid: axis 'network.gain' is listed twice"),
    ({"grid": {"seed": [1, 1]}}, "grid.seed: 1 is listed more than once"),
    ({"grid": {"seed": [-1]}}, "grid.seed = -1: it must be a whole number >= 0"),
    ({"grid": {"seed": "9..0"}}, "a range of seeds is written 'first..last', as '0..99' (did you mean 0..9?)"),
    ({"grid": {"som_N": [60]}}, "network.som_N = 60: it must be at most the number of inhibitory units, which is"),
    ({"grid": {"som_N": [5], "apply_dale": [False]}}, "som_N = 5: without Dale's law there are 0 inhibitory units"),
    ({"grid": {"task_settings.stim_on": [190]}}, "the stimulus ends at step 215, outside a trial of T = 200"),
    ({"grid": {"task_settings.delay": [5]}}, "go-nogo: unknown setting 'delay'; allowed: T, stim_on, stim_dur"),
    ({"grid": {"activation": ["sigmod"]}}, "'clipped_relu' or 'softplus' (did you mean 'sigmoid'?)"),
    (
        {"grid": {"loss_fn": ["l3"]}},
        "training.loss_fn = 'l3': Input should be 'l2', 'l1', 'mse', 'huber', 'cross_entropy' or 'task'",
    ),
    ({"network": {"activation": "relu"}}, "network.activation = 'relu': Input should be"),
    ({"network": {"gian": 2}}, "unknown setting 'network.gian' (did you mean 'gain'?)"),
    ({"network": {"N": "200"}}, "network.N = '200': Input should be a valid integer"),
    ({"network": {"N": True}}, "network.N = True: Input should be a valid integer"),
    ({"network": {"gain": float("nan")}}, "network.gain = nan: Input should be a finite number"),
    ({"training": {"learning_rate": 0}}, "training.learning_rate = 0: Input should be greater than 0"),
    ({"sedes_per_job": 3}, "unknown setting 'sedes_per_job' (did you mean 'seeds_per_job'?)"),
    ({"seeds_per_job": 0}, "seeds_per_job = 0: Input should be greater than or equal to 1"),
    ({"device": "gpu"}, "device = 'gpu': Input should be 'cpu', 'cuda' or 'auto'"),
    ({"experiment": "../outside"}, "experiment = '../outside': String should match pattern"),
    ({"task_file": "nowhere.py"}, "nowhere.py': there is no such file"),
    ({"task_settings": {"xorr": {"delay": 3}}}, "task_settings: 'xorr' is no task (did you mean 'xor'?)"),
    ({"grid": [1]}, "grid = [1]: it must be a mapping of axis: list of values, or a list of such mappings"),
    ({"grid": {"seed": "0..99999999999"}}, "100,000,000,000 seeds; at most 10,000,000 are allowed"),
    ({"grid": {"seed": "0..9" + "9" * 5000}}, "a range of seeds is written 'first..last'"),
    ({"grid": {"seed": [2**63]}}, "it must be a whole number >= 0 and below 2^63"),
    ({"grid": {"gain": [k / 8 for k in range(1, 1002)], "seed": "0..9999"}}, "are 10,010,000 runs; at most"),
    ({"grid": {"gain": [1.0] * 1001, "N": [5] * 1000}}, "grid: 1,001,000 grid points with 1 seeds each"),
    ({"grid": {"N": [10**9], "som_N": [1]}}, "network.N = 1000000000: Input should be less than or equal to 100000"),
    ({"grid": {"task": [10**5000]}}, "task = a whole number of more than 4,300 digits"),
    ({"grid": {"loss_fn": [10**5000]}}, "training.loss_fn = a whole number of more than 4,300 digits"),
    ({"grid": {"N": [10**5000]}}, "network.N = a whole number of more than 4,300 digits"),
    ({"grid": {"task_settings.T": [1e300]}}, "T = 1e+300; it must be a whole number of steps from 2 to 1,000,000"),
    ({"grid": {"training.n_trials": [10**10]}}, "less than or equal to 1000000000"),
    ({"network": {"gain": "x" * 1000}}, "x ...: Input should be a valid number"),
    ({"experiment": "x" * 101}, "String should have at most 100 characters"),
    ({"results": "a\0b"}, "results = 'a\\x00b': String should match pattern"),
    ({"self": 1}, "unknown setting 'self'"),
    ({"tracking": "http://me:sesame@host/x"}, "tracking = 'http://***@host/x': it must be a mapping"),
    ({"task_file": "a\0b"}, "task_file = 'a\\x00b': it is no path"),
]


@pytest.mark.parametrize(("config", "message"), BAD, ids=[m[:40] for _, m in BAD])
def test_bad_input_is_one_clear_error(config, message):
    with pytest.raises(SettingsError) as error:
        Experiment.from_config({"experiment": "test", **config})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([1], "the configuration is list"),
        ({1: 2, "experiment": "x"}, "1: unknown setting; its name must be text"),
        ({"experiment": "x", "network": {1: 2}}, "network.1: unknown setting"),
        ({"http://me:sesame@host/x": 1}, "unknown setting 'http://***@host/x'"),
    ],
    ids=str,
)
def test_what_is_no_mapping_of_names_is_refused(config, message):
    with pytest.raises(SettingsError) as error:
        Experiment.from_config(config)
    assert message in str(error.value) and "sesame" not in str(error.value)


@pytest.mark.parametrize("key", ["experiment", "seeds_per_job", "grid", "network"])
def test_a_few_lines_of_aliases_are_not_spelled_out(tmp_path, key):
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    (tmp_path / "c.yaml").write_text("\n".join([*lines, f"{key}: *a11"]))
    with pytest.raises(SettingsError, match="more than 200,000 values"):
        Experiment.from_yaml(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text("grid: &a {N: *a}")
    with pytest.raises(SettingsError, match="nested more than 20 deep"):
        Experiment.from_yaml(tmp_path / "c.yaml")


def test_many_seeds_are_looked_at_quickly():
    start = time.process_time()  # of this process alone, whatever else the machine does
    assert len(experiment({"seed": list(range(100_000))}).seeds) == 100_000
    assert time.process_time() - start < 20  # comparing each with each takes hundreds


def test_every_problem_is_named_at_once():
    with pytest.raises(SettingsError) as error:
        Experiment.from_config(
            {"experiment": "test", "grid": {"N": [0, 10], "activation": ["sigmod", "sigmoid"]}, "training": {}}
        )
    assert len(error.value.lines()) == 2
    with pytest.raises(SettingsError) as error:
        ExperimentSettings(experiment="test", network={"N": 0, "gain": -1}, training={"n_trials": 0}, devise="cpu")
    assert len(error.value.lines()) == 4


def test_schema_is_that_of_the_settings():
    assert (ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text() == schema_yaml(), "run `make schema`"


@pytest.mark.parametrize("path", sorted(ROOT.glob("config/**/*.yaml")), ids=lambda p: p.name)
def test_configurations_of_the_repository_can_be_used(path, monkeypatch):
    import jsonschema

    if path.name == "original.yaml":
        monkeypatch.chdir(ROOT / "tests" / "data")  # has the folder that this example names

    config = load_yaml(path)
    assert Experiment.from_config(copy.deepcopy(config)).grid_points
    jsonschema.Draft202012Validator(yaml.safe_load(schema_yaml())).validate(config)


# What a JSON schema can see: not NaN, not files, not which tasks the grid has.
IN_SCHEMA = [
    c
    for c, message in BAD
    if "grid" not in c and not re.search("finite|such file|is no task|is no path|dt = |no SST", message)
]


@pytest.mark.parametrize("config", IN_SCHEMA, ids=str)
def test_the_schema_refuses_wrong_values_too(config):
    import jsonschema

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(yaml.safe_load(schema_yaml())).validate({"experiment": "test", **config})


def test_every_key_is_explained():
    text = (ROOT / "config" / "README.md").read_text()
    for name, field in ExperimentSettings.model_fields.items():
        assert f"`{name}`" in text, name
        for key in set(getattr(field.annotation, "model_fields", {})) - {"network_from"}:  # set by `grid.networks_from`
            assert f"`{key}`" in text, f"{name}.{key}"


@pytest.mark.parametrize(("text", "message"), [
    ("a: [1", "not a readable YAML"), ("- 1", "must be a mapping"), ("N: " + "9" * 5000, "not a readable YAML"),
    ("a: 2026-02-31", "not a readable YAML"), ("[" * 50_000, "100 brackets"), ("- " * 5000, "not a readable YAML"),
    ("experiment: !!python/object/apply:os.system [exit]", "not a readable YAML"), ("a" * 2**22, "at most 2,097,152"),
    ("uri: http://me:sesame@host: [", "not a readable YAML file: line 1"),
], ids=lambda v: v[:30])  # fmt: skip
def test_a_bad_yaml_file_is_named(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(SettingsError, match=message) as error:
        load_yaml(tmp_path / "c.yaml")
    assert "c.yaml" in str(error.value) and "sesame" not in str(error.value)


def test_folders_that_cannot_be_written_are_named(tmp_path):
    check_writable(tmp_path / "new" / "deep")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"this is a file, not a folder to write in: .*file"):
        check_writable(tmp_path / "file" / "results")


def test_a_task_file_that_cannot_run_is_named(tmp_path):
    (tmp_path / "broken.py").write_text("import numpy\nraise RuntimeError('half-written')\n")
    with pytest.raises(SettingsError, match=r"broken.py': RuntimeError: half-written"):
        RunSettings(task="mine", task_file=str(tmp_path / "broken.py"))


def test_no_axis_takes_the_column_of_a_result():
    for axis in ("training.n_trials", "evaluation.n_trials"):
        assert not set(experiment({axis: [10, 20]}).grid_points[0].values) & RESERVED


def test_streams_of_different_seeds_never_meet():
    # As numbers in one sequence, seed 5 + 2^32 of stream 0 would be seed 5 of stream 1.
    names, numbers = ("initialisation", "trial"), (0, 1, 2**31)
    seeds = (0, 5, 2**32 + 5, 2**62)
    draws = [stream(seed, name, k).integers(2**63) for seed in seeds for name in names for k in numbers]
    assert len(set(draws)) == len(draws)
