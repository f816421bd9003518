"""Figures of perturbed networks, and of scores whose intervals end at 0 or 1."""

import numpy as np
import pytest
from matplotlib.axes import Axes

from ratecore import figures
from ratecore.system.intervals import wilson_interval


def row(value, accuracy, n=50, **more):
    low, high = wilson_interval(round(accuracy * n), n)
    return {"x": value, "accuracy": accuracy, "ci_low": low, "ci_high": high, **more}


def drawn(axis):
    """Label: points and ends of the bars of each line, (k, 2) and (k, 2)."""
    found = {}
    for container in axis.containers:
        line, _, (bars,) = container
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        found[container.get_label()] = line.get_xydata(), ends
    return found


def test_single_rows_have_their_confidence_interval():
    rows = [row(0.5, 0.8), row(0.0, 1.0), row(1.0, 0.0)]
    (points, ends), *_ = drawn(figures.accuracy_against(None, rows, "x")).values()
    np.testing.assert_allclose(points, [[0, 1], [0.5, 0.8], [1, 0]])
    expected = [[r["ci_low"], r["ci_high"]] for r in (rows[1], rows[0], rows[2])]
    np.testing.assert_allclose(ends, expected, atol=1e-12)


def test_several_rows_have_mean_and_sd_and_lines_by_a_column():
    rows = [row(x, a, by=name) for name, of in (("a", (0.6, 0.8)), ("b", (1.0, 1.0))) for x in (0, 1) for a in of]
    axis = figures.accuracy_against(None, rows, "x", by="by", label="share")
    lines = drawn(axis)
    np.testing.assert_allclose(lines["a"][0], [[0, 0.7], [1, 0.7]])
    np.testing.assert_allclose(lines["a"][1], [[0.6, 0.8]] * 2)
    np.testing.assert_allclose(lines["b"][1], [[1, 1]] * 2)
    assert axis.get_xlabel() == "share" and axis.get_legend().get_title().get_text() == "by"


def test_values_that_are_no_numbers_are_categories_in_their_order():
    rows = [row(value, 0.5) for value in (None, "inh", (1, 2), "exc")]
    figure, axis = figures.new_figure()
    assert figures.accuracy_against(axis, rows, "x") is axis and isinstance(axis, Axes)
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["None", "inh", "(1, 2)", "exc"]
    assert figures.png(figure).startswith(b"\x89PNG")


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="a row has no column 'y'; it has x, accuracy"):
        figures.accuracy_against(None, [row(0, 1)], "y")


@pytest.mark.parametrize(("correct", "n"), [(0, 5), (7, 7), (40, 40)])
def test_the_search_is_drawn_where_rounding_puts_the_end_of_an_interval_on_the_other_side(correct, n):
    low, high = wilson_interval(correct, n)
    search = {
        "lambda": 25.0, "opt_scaling_factor": 25.0, "all_perfs": [0.5, correct / n], "scaling_factors": [20.0, 25.0],
        "n_trials": [n, n], "scored": "changed", "confidence": 0.95, "spiking_accuracy": correct / n, "ci_low": low,
        "ci_high": high, "mean_rate_exc": 5.0, "mean_rate_inh": None,
    }  # fmt: skip
    assert figures.scaling({"": search}).axes
