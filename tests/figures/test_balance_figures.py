"""Lines and words in the figures of balance, against numbers chosen here."""

import numpy as np

from ratecore import figures

TIMES = np.arange(4) * 5.0


def test_currents_of_few_conditions_have_dashes():
    E = np.array([[1.0, 2, 3, np.nan], [2, 2, 2, 2]])
    axis = figures.currents_over_time(None, TIMES, E, -E / 2, 0 * E + 1, ["go", "nogo"])
    lines = {line.get_label(): line for line in axis.lines if not line.get_label().startswith("_")}
    assert list(lines) == ["excitatory", "inhibitory", "external", "net", "go", "nogo"]
    np.testing.assert_array_equal(lines["net"].get_ydata(), [1.5, 2, 2.5, np.nan])
    assert lines["nogo"].get_linestyle() == "--" and axis.get_ylabel() == "mean current (units of x)"


def test_of_many_conditions_there_is_the_mean():
    E = np.arange(24.0).reshape(6, 4)
    axis = figures.currents_over_time(None, TIMES, E, 0 * E, None, list("abcdef"), unit="mV")
    (mean,) = [line for line in axis.lines if line.get_label() == "excitatory"]
    np.testing.assert_array_equal(mean.get_ydata(), E.mean(0))
    assert [line.get_label() for line in axis.lines if not line.get_label().startswith("_")][1:] == [
        "inhibitory",
        "net",
    ]
    assert axis.get_ylabel() == "mean current (mV)"


def test_units_and_medians():
    types = np.array(["E", "E", "I"])
    axis = figures.exc_against_inh(None, np.array([1.0, 2, 4]), np.array([-1.0, -3, 0]), types)
    line, exc, inh = axis.lines
    np.testing.assert_allclose(line.get_xydata(), [[0, 0], [4.2, 4.2]])
    assert exc.get_xydata().tolist() == [[1, 1], [2, 3]] and inh.get_xydata().tolist() == [[4, 0]]
    axis = figures.correlations(None, np.array([0.2, 0.4, np.nan]), types)
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["onto E: median 0.30"]
    assert figures.correlations(None, np.full(3, np.nan), types).get_legend() is None
