"""Panels in the configuration: what is refused, in which words, and that no identity knows them."""

import pytest

from ratecore.experiment.configurations import grid_hash
from ratecore.settings.base import SettingsError
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.panels import KINDS

AXIS = {"kind": "by_axis", "title": "t", "axis": "N", "measures": "accuracy"}


def settings(**panels):
    return ExperimentSettings(experiment="e", panels=panels)


@pytest.mark.parametrize(
    ("panel", "message"),
    [
        (
            {**AXIS, "kind": "by_axes"},
            r"panels.a.kind = 'by_axes': there is no such panel \(did you mean 'by_axis'\?\)",
        ),
        ({**AXIS, "kind": ["by_axis"]}, r"panels.a.kind = \['by_axis'\]: there is no such panel"),
        ({"title": "t"}, "panels.a.kind: it is required and missing; allowed: by_axis, groups"),
        ({"kind": "groups", "title": "t", "by": "N"}, "panels.a.measure: it is required and missing"),
        ({**AXIS, "measuress": []}, r"unknown setting 'panels.a.measuress' \(did you mean 'measures'\?\)"),
        ({**AXIS, "measures": []}, r"panels.a.measures = \[\]: it needs at least one name"),
        ({**AXIS, "columns": 3}, "panels.a.columns = 3: Input should be 1 or 2"),
        ({**AXIS, "published": [{"at": 10}]}, r"panels.a.published\[0\]: give a value, or the ends of a band"),
        ({**AXIS, "published": [{"low": 0.1}]}, r"panels.a.published\[0\]: low and high are the two ends of a band"),
        ({**AXIS, "published": [{"low": 0.4, "high": 0.3}]}, r"published\[0\].low = 0.4: it must be below high = 0.3"),
        ({**AXIS, "published": [{"low": 0, "high": 1, "sd": 1}]}, r"published\[0\]: sd is that of a value"),
        ({"kind": "example_outputs", "title": "t", "scaling": ["nne"]}, r"scaling\[0\] = 'nne'.*did you mean 'none'"),
        ({**AXIS, "limits": []}, r"panels.a.limits = \[\]: it must be two numbers, \[lower, upper\]"),
        ({**AXIS, "limits": [0, 1, 2]}, r"panels.a.limits = \[0, 1, 2\]: it must be two numbers"),
        (3, "panels.a = 3: it must be a mapping of settings: kind, title"),
    ],
)
def test_a_mistake_is_named(panel, message):
    with pytest.raises(SettingsError, match=message):
        settings(a=panel)


def test_a_name_must_be_that_of_a_file():
    with pytest.raises(SettingsError, match="panels.a/b: it names the panel's files"):
        settings(**{"a/b": AXIS})


def test_all_problems_of_all_panels_are_in_one_error():
    with pytest.raises(SettingsError) as error:
        settings(a={**AXIS, "kind": "x"}, b={**AXIS, "height": 1}, c=AXIS)
    assert [path[:2] for path, _ in error.value.problems] == [("panels", "a"), ("panels", "b")]


def test_values_of_each_kind_are_read_and_written_alike():
    kinds = {
        "by_axis": {**AXIS, "limits": [0, 1], "published": [{"at": [4, 10], "value": 0.9, "sd": 0.1, "n": 100}]},
        "groups": {"kind": "groups", "title": "t", "by": "N", "measure": "gap", "test": "rank_sum", "limits": [0, 1]},
        "example_outputs": {"kind": "example_outputs", "title": "t", "network": "spiking", "scaling": ["none"]},
        "by_evidence": {"kind": "by_evidence", "title": "t", "network": "both"},
        "lambda_curves": {"kind": "lambda_curves", "title": "t", "by": "N", "columns": 2},
        "distribution": {"kind": "distribution", "title": "t", "of": "taus", "where": {"N": [10, 20]}},
    }
    assert kinds.keys() == KINDS.keys()
    read = settings(**kinds)
    again = ExperimentSettings(**read.model_dump(mode="json", exclude_unset=True))
    assert again == read and again.panels["by_axis"].measures == ("accuracy",) and again.panels["groups"].width == 85
    assert again.panels["lambda_curves"].width == 174


def test_panels_are_no_part_of_a_grid():
    assert grid_hash(settings(a=AXIS)) == grid_hash(settings())
