"""One configuration from several: the same runs, settings as axes of one value, and what cannot be combined."""

import itertools
from pathlib import Path

import pytest
import yaml

from ratecore.cli import main
from ratecore.experiment.combine import MERGED, _check_columns, _merge, _Part, as_text, combine
from ratecore.experiment.grid import Experiment
from ratecore.experiment.plan import find_cautions
from ratecore.settings.base import SettingsError
from ratecore.settings.reading import load_yaml

ROOT = Path(__file__).parents[2]
PAPER = sorted((ROOT / "config/paper").glob("*.yaml"))
XOR = {"grid": {"task": ["xor"], "seed": [0, 3]}, "task_settings": {"xor": {"delay": 30}}}
MANY = {
    "sizes": {"grid": {"N": [10, 20], "taus": [[4, 20]], "seed": "0..2"}, "network": {"gain": 2.0}},
    "large": {"network": {"N": 250, "taus": 8}, "spiking": {"noise_sd": 0.05}, "conversion": {"n_trials": 7}},
    "xor": XOR,
    "xors": {"task": "xor", "task_settings": {"delay": 12}, "evaluation": {"task_settings": {"delay": 20}}},
    "list": {"grid": [{"name": "mine", "gain": [1.0]}, {"refractory": [2, 5]}], "evaluation": {"n_trials": 3}},
    "both": {"grid": {"task": ["xor", "go-nogo"]}, "task_settings": {"xor": {"delay": 30}}},
    "sets": {
        "unit_sets": {"some": [0, 1]},
        "conversion": {"perturbation": {"lesion_units": "some"}},
        "training": {"penalties": {"rate_mean": 0.1}, "stages": [{"n_trials": 5}, {"n_trials": 6}]},
    },
}  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def write(name, config):
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"experiment": "paper", **config}, sort_keys=False))
        return str(path)

    return write


def identities(e, product=None):
    """Everything that tells runs and their stages apart."""
    return {
        (point.identity(seed), point.identity(seed, "training"), point.identity(seed, "training", "evaluation"))
        for point in e.grid_points
        for seed in point.seeds
        if product is None or product in point.grids(seed)
    }


def combined(files, **options):
    """The experiment of what is written, as a workflow reads it."""
    text = as_text(combine(files, **options), ["a comment"])
    assert text.startswith("# a comment\n")
    path = Path(files[0]).parent / "combined-by-test.yaml"
    path.write_text(text)
    return Experiment.from_yaml(path)


PAIRS = [names for names in itertools.combinations(MANY, 2) if names != ("xors", "both")]  # those cannot be combined


@pytest.mark.parametrize("names", [*PAIRS, tuple(name for name in MANY if name != "both")], ids="+".join)
def test_runs_are_those_of_the_files(write, names):
    files = [write(name, MANY[name]) for name in names]
    e = combined(files)
    alone = {name: identities(Experiment.from_yaml(file)) for name, file in zip(names, files, strict=True)}
    assert identities(e) == set().union(*alone.values())
    for name, own in alone.items():
        products = ["mine", "list-2"] if name == "list" else [name]
        assert set().union(*(identities(e, product) for product in products)) == own
    folders = {name for file in files for name in Experiment.from_yaml(file).run_names()}
    assert set(e.run_names()) == folders


def test_the_figures_of_the_paper_share_networks(tmp_path):
    single = [Experiment.from_yaml(path) for path in PAPER]
    config = combine(PAPER, experiment="paper", seeds="0..1")
    e = Experiment.from_config(config)
    names = [p.name for one, path in zip(single, PAPER, strict=True) for p in one.products if one.is_list]
    names += [path.stem for one, path in zip(single, PAPER, strict=True) if not one.is_list]
    assert sorted(product.name for product in e.products) == sorted(names) and e.seeds == (0, 1)
    expected = {p.identity(seed, "training") for one in single for p in one.grid_points for seed in (0, 1)}
    assert set(e.run_names()) == expected and e.n_networks == len(expected)
    assert e.n_networks < sum(2 * len(one.grid_points_of("train")) for one in single)
    assert find_cautions(e) == []


def test_settings_in_common_stay_settings_and_others_become_axes(write):
    config = combine([write("sizes", {**MANY["sizes"], "evaluation": {"n_trials": 5}, "seeds_per_job": 3}),
                      write("large", {**MANY["large"], "evaluation": {"n_trials": 5}, "device": "cpu"})])  # fmt: skip
    assert config == {
        "experiment": "paper",
        "grid": [
            {"name": "sizes", "N": [10, 20], "taus": [[4, 20]], "seed": "0..2", "gain": [2.0]},
            {"name": "large", "spiking.noise_sd": [0.05], "conversion.n_trials": [7]},
        ],
        "seeds_per_job": 3,
        "device": "cpu",
        "network": {"N": 250, "taus": 8},  # the other file sweeps them
        "evaluation": {"n_trials": 5},
    }


def test_settings_of_a_task_stay_where_all_that_have_it_agree(write):
    same = combine([write("a", XOR), write("b", {"network": {"N": 12}})])
    assert same["task_settings"] == {"xor": {"delay": 30}} and same["grid"][1] == {"name": "b", "N": [12]}
    other = combine([write("a", XOR), write("b", {"task": "xor"})])
    assert other["grid"] == [
        {"name": "a", "task": ["xor"], "seed": [0, 3], "task_settings.delay": [30]}, {"name": "b"},
    ]  # fmt: skip
    assert "task_settings" not in other and other["task"] == "xor"


def test_seeds_of_all_products(write):
    files = [write("sizes", MANY["sizes"]), write("xor", XOR)]
    assert [product.seeds for product in combined(files).products] == [(0, 1, 2), (0, 3)]
    assert [product.seeds for product in combined(files, seeds=[5]).products] == [(5,), (5,)]
    with pytest.raises(SettingsError, match="a range of seeds is written"):
        combine(files, seeds="4..0")


WRONG = [
    ({"experiment": "other"}, {}, "experiment is 'other' in {0}, 'paper' in {1}; .*; choose one with --experiment"),
    ({"analyses": ["fixed_points"]}, {}, r"analyses is \['fixed_points'\] in {0}, \(\) in {1}; it cannot be an axis"),
    ({"seeds_per_job": 3}, {"seeds_per_job": 4}, "seeds_per_job is 3 in {0}, 4 in {1}; the files that set it must agr"),
    ({"tracking": {"uri": "a"}}, {"tracking": {"uri": "b"}}, "tracking is .*'a'.* in {0}, .*'b'.* in {1}; the files"),
    ({"grid": [{"name": "b"}]}, {}, "{0} and {1} have products of the name 'b'; give each a name of its own"),
    ({"unit_sets": {"x": [0]}}, {"unit_sets": {"x": [1]}}, r"unit_sets.x is \[0\] in {0}, \[1\] in {1}; give one of"),
    ({"network": {"N": 0}}, {}, "{0}: network.N = 0: Input should be greater than or equal to 1"),
    ({"grid": {"gian": [0]}}, {}, "{0}: grid: unknown axis 'gian'"),
    ({"grid": {"task": ["xor", "mante"]}, "task_settings": {"xor": {"delay": 30}}}, {"task": "xor"},
     "task_settings.xor.delay is 30 in {0}, nothing in {1}; it cannot be an axis of a, which has several tasks"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "message"), WRONG, ids=[m[:30] for _, _, m in WRONG])
def test_what_cannot_be_combined_is_one_clear_error(write, first, second, message):
    files = [write("a", first), write("b", second)]
    with pytest.raises(SettingsError, match=message.format(*files)) as error:
        combine(files)
    assert len(error.value.lines()) == 1


@pytest.mark.parametrize(
    ("first", "second", "converts"), [(False, True, True), (True, False, True), (False, False, False)]
)
def test_networks_are_converted_if_one_file_converts_them(write, first, second, converts):
    files = [write(name, {"grid": {"N": [n]}, "convert": on}) for name, n, on in (("a", 10, first), ("b", 20, second))]
    assert combined(files).settings.convert is converts


def part(write, name, config, **entries):
    """A file with entries, whatever sections this version knows."""
    read = _Part.read(write(name, config))
    read.given |= entries
    return read


def test_entries_belong_to_the_product_of_their_file(write):
    one = part(write, "fig1c", {"grid": {"N": [10, 20]}}, panels={"1C": {"kind": "box"}})
    two = part(write, "figs", MANY["list"], panels={"S1": {"grid": "mine"}, "S2": {"grid": "2", "where": {"N": 3}}})
    merged, problems = {}, []
    for section in MERGED:
        _merge([one, two], section, merged, problems)
    assert not problems and merged == {
        "panels": {
            "1C": {"kind": "box", "grid": "fig1c"}, "S1": {"grid": "mine"}, "S2": {"grid": "figs-2", "where": {"N": 3}},
        }
    }  # fmt: skip
    assert "grid" not in one.given["panels"]["1C"]


def test_entries_that_cannot_be_merged_are_named(write):
    one = part(write, "a", {}, claims={"x": {}})
    two = part(write, "b", MANY["list"], claims={"x": {}, "y": {}})
    problems = []
    _merge([one, two], "claims", {}, problems)
    assert SettingsError(problems).lines() == [
        f"claims.x is in {one.path} and in {two.path}; give one of them another name",
        f"claims.y in {two.path}: grid must name one of its products (mine, b-2)",
    ]


def test_entries_that_name_a_column_of_another_name_are_refused(write):
    one = part(write, "a", {"grid": {"training.n_trials": [100]}, "task_settings": {"xor": {"delay": 3}}})
    two = part(write, "b", {"grid": {"spiking.noise_sd": [0.1]}}, panels={"p": {"where": {"noise_sd": 0.1}}})
    three = part(write, "c", {"grid": {"network.noise_sd": [0.2]}})
    parts = [one, two, three]
    whole = Experiment.from_config(combine([p.path for p in parts]))
    columns = [axis.column for axis in two.experiment.axes if axis.path[-1] == "noise_sd"]
    assert columns == ["noise_sd"]
    with pytest.raises(
        SettingsError, match="panels.p in .*b.yaml names the column noise_sd, which is spiking_noise_sd"
    ):
        _check_columns(parts, whole)


def test_the_command_writes_a_file_that_says_how_it_was_made(write, capsys, tmp_path):
    files, out = [write("a", MANY["sizes"]), write("b", XOR)], tmp_path / "new" / "all.yaml"
    assert main(["combine", *files, "--experiment", "all", "--seeds", "0..4", "-o", str(out)]) == 0
    text = out.read_text()
    assert text.startswith(f"# Written by `ratecore combine {files[0]} {files[1]} --experiment all --seeds 0..4`")
    assert load_yaml(out) == combine(files, "all", "0..4") and "2 products" in capsys.readouterr().err
    assert main(["combine", *files, "--seeds", "3"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert [product["seed"] for product in printed["grid"]] == [[3], [3]]
    assert main(["combine", *files, "-o", files[1]]) == 2
    assert "it is one of the files to combine" in capsys.readouterr().err
    assert main(["combine", *files, str(tmp_path / "no.yaml")]) == 2
