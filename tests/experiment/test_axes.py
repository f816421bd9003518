"""Names and values of axes as columns, wildcards and parts of paths."""

import re

import numpy as np
import pandas as pd
import pytest
from snakemake.utils import Paramspace

from ratecore.experiment import axes
from ratecore.experiment.axes import SECTIONS, _setting_paths, column_name, format_value
from ratecore.experiment.grid import Experiment
from ratecore.settings import base as settings_base
from ratecore.settings.base import SettingsError
from ratecore.tasks import AbstractTask, TaskFactory
from ratecore.tracking.mlflow.translation import parameter_name

NAMES = ["go-prob", "go_prob", "go.prob", "delay.long", "1st", "_hidden", "lambda", "class", "keys", "sort", "index",
         "size", "n_trials", "seed", "seeds", "task", "N", "gain", "with space", "a/b", "*", "{x}", "größe", "ﬁ", "-",
         "", "_", "x" * 74, "x" * 75, "x" * 300, "name\nof two lines", "..", "Go-Prob"]  # fmt: skip


class Named(AbstractTask):
    """A task whose settings have these names."""

    n_inputs = 1
    defaults = {"T": 40, "stim_on": 5, "stim_dur": 5, **dict.fromkeys(NAMES, 0.5)}
    trial_types = ("only",)

    def draw_trial(self, trial_type, rng):
        return np.zeros((1, self.T)), trial_type

    def generate_target(self, label):
        return np.zeros(self.T)

    def is_correct(self, o, label):
        return bool(o.max() < 0.5)


def grid(given: dict) -> Experiment:
    TaskFactory.register_task("named", Named)
    return Experiment.from_config({"experiment": "x", "task": "named", "grid": given})


@pytest.mark.parametrize("part", [slice(k, k + 5) for k in range(0, len(NAMES), 5)])
def test_any_name_of_a_setting_of_a_task_can_be_an_axis(part):
    names = [name for name in NAMES[part] if name]
    e = grid({f"task_settings.{name}": [0.5, 1.5] if name == names[0] else [0.5] for name in names})
    columns = [axis.column for axis in e.axes]
    assert len(set(columns)) == len(columns) == 3 + len(names)
    # What the workflow makes of them, as Snakemake does: patterns, paths, and back to the grid point.
    space = Paramspace(pd.DataFrame([grid_point.values for grid_point in e.grid_points], columns=columns))
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", space.wildcard_pattern))
    for path, grid_point in zip(space.instance_patterns, e.grid_points, strict=True):
        assert path == grid_point.path and all(len(folder) <= 255 for folder in path.split("/"))
        assert e.grid_point_of(pattern.fullmatch(path).groupdict()) is grid_point
        labels = "/".join(f"{column}~{{{column}}}" for column in columns)  # of the report
        assert labels == space.wildcard_pattern and labels.format(**grid_point.values) == path


def test_names_that_work_are_left_alone_and_others_are_readable():
    columns = {
        axis.path[-1]: axis.column
        for axis in grid({"task_settings.go-prob": [0.1], "task_settings.delay.long": [9]}).axes
    }
    assert columns["go-prob"] == "go_prob" and columns["delay.long"] == "delay_long"
    both = ["go-prob", "go_prob", "go.prob"]
    for order in (both, both[::-1]):
        columns = {axis.path[-1]: axis.column for axis in grid({f"task_settings.{name}": [0.1] for name in order}).axes}
        assert columns["go_prob"] == "go_prob"
        assert re.fullmatch("go_prob_[0-9a-f]{8}", columns["go-prob"]) and columns["go-prob"] != columns["go.prob"]
        found = columns if order is both else found  # noqa: F821
        assert found == columns
    for section, model in SECTIONS.items():
        for path in _setting_paths(model, (section,)):
            assert column_name("_".join(path[1:]), set()) == "_".join(path[1:])


def test_mlflow_can_have_every_name_as_a_parameter():
    from mlflow.utils.validation import _validate_param

    given = {f"task.{name}": parameter_name(f"task.{name}") for name in [*NAMES, "a//b", "a/../b", "a/b"]}
    for name in given.values():
        _validate_param(name, "1")
    assert len(set(given.values())) == len(given)
    for name in ("task.n_trials", "task.go-prob", "task.delay.long", "task.with space", "task.a/b", "task.größe"):
        assert given[name] == name


@pytest.mark.parametrize(("value", "text"), [
    (4.0, "4"), ((4.0, 20.0), "4_20"), (1e-05, "1e-05"), (True, "True"), (None, "default"),
    ("clipped_relu", "clipped_relu"), (-65, "-65"), ([-65, 30], "-65_30"), ([], "empty"),
    (list(range(60)), "_".join(map(str, range(60)))),
])  # fmt: skip
def test_values_as_parts_of_paths(value, text):
    assert format_value(value) == text


@pytest.mark.parametrize("value", ["a/b", "a~b", "a\nb", "..", "../x", "ü", " ", "", "a=b", "{x}", "*", "x" * 181,
                                   list(range(80)), "\udc80", ".hidden"], ids=repr)  # fmt: skip
def test_a_value_that_no_path_can_have_is_a_readable_start_and_a_hash(value):
    text = format_value(value)
    assert re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9_.+-]{0,59}-)?[0-9a-f]{12}", text)
    start = "_".join(map(str, value)) if isinstance(value, list) else value
    assert text.startswith(re.match("[a-z0-9_]*", start)[0][:60].strip("_"))


def test_values_that_differ_have_paths_that_differ():
    values = ["a/b", "a-b", "a~b", "x" * 181, "x" * 182, list(range(80)), list(range(81)), [], "", " "]
    assert len({format_value(v) for v in values}) == len(values)
    units = [list(range(80)), list(range(81)), [3]]
    e = Experiment.from_config({"experiment": "x", "grid": {"stimulation.units": units}})
    starts = [grid_point.values["stimulation_units"] for grid_point in e.grid_points]
    assert len(set(starts)) == 3 and starts[0].startswith("0_1_2_3_4") and starts[2] == "3"


def test_two_values_with_one_hash_are_refused(monkeypatch):
    monkeypatch.setattr(settings_base, "hashed", lambda start, whole: start[:5])
    monkeypatch.setattr(axes, "hashed", lambda start, whole: start[:5])
    with pytest.raises(SettingsError, match="two grid points have the same path"):
        Experiment.from_config({"experiment": "x", "grid": {"stimulation.units": [list(range(80)), list(range(81))]}})
