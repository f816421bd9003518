"""Points, intervals and fits in the figures of choices and response times, against numbers chosen here."""

import numpy as np
import pytest

from ratecore import figures
from ratecore.analysis.psychometrics import binomial_intervals
from ratecore.figures.style import new_figure

LEVELS = (-0.4, -0.1, 0.1, 0.4)
PSYCHOMETRIC = [
    {"trial_type": kind, "evidence": level, "n": 40, "accuracy": 0.8, "p_positive": p}
    for kind, shares in (("motion", (0.1, 0.3, 0.8, 1.0)), ("color", (0.5, 0.4, 0.6, 0.5)))
    for level, p in zip(LEVELS, shares, strict=True)
]
CHRONOMETRIC = [
    {"trial_type": "motion", "evidence": level, "n": 40, "crossed": crossed, **times}
    for level, crossed, times in (
        (0.1, 0.5, {"median": 400.0, "q25": 300.0, "q75": 600.0}),
        (-0.4, 1.0, {"median": 200.0, "q25": 150.0, "q75": 220.0}),
        (0.4, 0.0, {}),  # no output crosses
    )
]


def drawn(axis, i=0):
    """The points and the lower and upper ends of the bars of a series."""
    points, _, (bars,) = axis.containers[i]
    return points.get_xydata(), np.array([segment[:, 1] for segment in bars.get_segments()])


def test_choices_have_their_intervals_and_a_fit():
    axis = figures.choices(None, PSYCHOMETRIC, "coherence")
    points, ends = drawn(axis)
    np.testing.assert_allclose(points, np.transpose([LEVELS, (0.1, 0.3, 0.8, 1.0)]))
    np.testing.assert_allclose(ends, binomial_intervals((0.1, 0.3, 0.8, 1.0), 40))
    texts = [text.get_text() for text in axis.get_legend().get_texts()]
    assert texts[0].startswith("motion: bias") and "slope" in texts[0] and "lapse" in texts[0]
    assert axis.get_xlabel() == "coherence"
    fits = [line for line in axis.get_lines() if len(line.get_xdata()) > 100]
    assert len(fits) == 2 and len({fit.get_color() for fit in fits}) == 2


def test_times_leave_out_where_no_output_crosses_and_are_in_the_order_of_the_evidence():
    axis = new_figure()[1]
    assert figures.times(axis, CHRONOMETRIC) is axis
    points, ends = drawn(axis)
    np.testing.assert_allclose(points, [[-0.4, 200], [0.1, 400]])
    np.testing.assert_allclose(ends, [[150, 220], [300, 600]])
    other = [{**row, "trial_type": "color"} for row in CHRONOMETRIC]
    beside, _ = drawn(figures.times(None, [*CHRONOMETRIC, *other]), 1)
    np.testing.assert_allclose(beside - points, [[0.003, 0]] * 2)  # so that no bar hides another
    crossed, _ = drawn(figures.crossings(None, CHRONOMETRIC))
    np.testing.assert_allclose(crossed, [[-0.4, 1], [0.1, 0.5], [0.4, 0]])


@pytest.mark.parametrize("missing", ["psychometric", "chronometric", "both"])
def test_only_what_there_is_becomes_a_figure(missing):
    rows = {"psychometric": PSYCHOMETRIC, "chronometric": CHRONOMETRIC}
    rows = {name: [] if missing in (name, "both") else given for name, given in rows.items()}
    made = figures.graded_figures(**rows)
    assert set(made) == {name for name, given in rows.items() if given}
    for figure in made.values():
        assert figures.png(figure)[:4] == b"\x89PNG"


def test_few_levels_and_no_times_are_drawn_too():
    few = [row for row in PSYCHOMETRIC if row["evidence"] > 0]
    assert figures.png(figures.psychometric(few))  # two levels: points without a fit
    assert [text.get_text() for text in figures.choices(None, few).get_legend().get_texts()] == ["motion", "color"]
    assert figures.png(figures.chronometric([CHRONOMETRIC[-1]]))


def test_axes_of_tests_elsewhere_say_so():
    from ratecore.figures.rate import axis_label, axis_value

    assert axis_label("evaluation_delay") == "delay in evaluation (ms)"
    assert axis_label("conversion_input_gain") == "input gain in conversion"
    assert axis_label("delay") == "delay (ms)" and axis_label("P_rec") == "P rec"
    assert axis_label("delay", in_steps=True) == "delay (steps of 5 ms)"
    assert axis_label("N") == "N (units)" and axis_label("taus") == "synaptic time constants (ms)"
    values = [
        ("taus", "4_20"),
        ("taus", "4"),
        ("delay", "50"),
        ("evaluation_delay", "10"),
        ("delay", "-"),
        ("N", "250"),
    ]
    assert [axis_value(*value) for value in values] == ["20 to 100", "20", "250", "50", "-", "250"]
