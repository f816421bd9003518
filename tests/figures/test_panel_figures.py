"""Panels: points, bars and words against numbers chosen here; sizes, letters and files as for print."""

import itertools
import re

import numpy as np
import pytest
from matplotlib.text import Text

from ratecore import figures
from ratecore.figures.boxes import LEAST, Mark, jitter, published_handles
from ratecore.figures.by_axis import Positions, Series
from ratecore.figures.evidence import Curve
from ratecore.figures.groups import in_words
from ratecore.figures.lambda_curves import common
from ratecore.figures.print_style import SMALLEST, touching
from ratecore.system.intervals import wilson_interval

VALUES = [np.array([90.0, 95, 100]), np.array([60.0, 80]), np.empty(0)]


def axes(width=85, height=60, **options):
    figure, found = figures.print_figure(width, height, **options)
    return figure, found[0, 0]


def bars(axis):
    """Points (k, 2) and ends of their bars (k, 2) of each container."""
    return [
        (line.get_xydata(), np.array([segment[:, 1] for segment in segments.get_segments()]))
        for line, _, (segments,) in axis.containers
    ]


def test_means_have_sd_and_numbers():
    _, ax = axes()
    figures.by_axis(ax, Positions(["a", "b", "c"]), [Series("x", VALUES, "k")])
    ((points, ends),) = bars(ax)
    np.testing.assert_allclose(points, [[0, 95], [1, 70]])  # nothing at the third position
    np.testing.assert_allclose(ends, [[90, 100], [70 - 200**0.5, 70 + 200**0.5]])
    assert [t.get_text() for t in ax.texts] == ["n", "3", "2", "0"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b", "c"]


def test_shares_have_wilsons_interval():
    _, ax = axes()
    share = [np.array([100.0] * 9 + [0.0]), np.array([100.0] * 4)]
    figures.by_axis(ax, Positions(["a", "b"]), [Series("x", share, "k", share=True, whole=100.0)])
    ((points, ends),) = bars(ax)
    np.testing.assert_allclose(points[:, 1], [90, 100])
    np.testing.assert_allclose(ends, 100 * np.array([wilson_interval(9, 10), wilson_interval(4, 4)]))


def test_series_and_published_values_are_side_by_side():
    _, ax = axes()
    series = [Series(name, VALUES, color) for name, color in (("x", "k"), ("y", "C0"))]
    marks = [Mark(1, None, 94.0, 8.0), Mark(0, 1, 50.0), Mark(None, None, low=10.0, high=20.0)]
    figures.by_axis(ax, Positions(["a", "b", "c"]), series, published=marks)
    first, second, beside, at_second = (container.lines[0].get_xydata() for container in ax.containers)
    assert first[0, 0] < second[0, 0] < 0.5 and beside[0].tolist() == pytest.approx([1 + 0.4 / 3, 94])
    assert at_second[0].tolist() == pytest.approx([second[0, 0], 50])
    (bars_of_published,) = ax.containers[2].lines[2]
    np.testing.assert_allclose(bars_of_published.get_segments()[0][:, 1], [86, 102])
    rows = [t.get_text() for t in ax.texts]
    assert rows == ["n", "3", "2", "0"]  # one row, as both series have these numbers
    assert [h.get_label() for h in published_handles(marks)] == ["published", "published, range"]


@pytest.mark.parametrize(
    ("scale", "expected"), [("linear", [10, 100, 1000]), ("log", [1, 2, 3]), ("categories", [0, 1, 2])]
)
def test_positions(scale, expected):
    _, ax = axes()
    positions = Positions(["10", "100", "1000"], [10, 100, 1000], scale)
    figures.by_axis(ax, positions, [Series("x", VALUES, "k")])
    np.testing.assert_allclose(positions.x, expected)
    np.testing.assert_allclose(ax.get_xticks(), expected)
    np.testing.assert_allclose(bars(ax)[0][0][:, 0], expected[:2])


def test_a_box_has_quartiles_whiskers_and_few_points():
    rng = np.random.default_rng(0)
    many, few = np.append(rng.normal(0, 1, 99), 50.0), rng.normal(0, 1, LEAST)
    _, ax = axes()
    figures.by_axis(ax, Positions(["a", "b"]), [Series("x", [many, few], "C0")], style="boxes")
    quartiles = [np.quantile(v, (0.25, 0.75)) for v in (many, few)]
    drawn = [patch.get_path().vertices[:, 1] for patch in ax.patches]
    for (low, high), ys in zip(quartiles, drawn, strict=True):
        assert ys.min() == pytest.approx(low) and ys.max() == pytest.approx(high)
    ends = [line.get_ydata() for line in ax.get_lines()]
    low, high = quartiles[0]
    whisker = many[many <= high + 1.5 * (high - low)].max()
    assert any(np.allclose(y[-1], whisker) for y in ends if len(y))
    assert any(y.tolist() == [50.0] for y in ends)  # the outlier of many values is a point
    assert any(len(y) == LEAST and np.allclose(np.sort(y), np.sort(few)) for y in ends)


def test_jitter_stays_within_its_width_and_tells_equal_values_apart():
    shifts = jitter(np.ones(20), 0.4)
    assert np.abs(shifts).max() <= 0.2 and len(np.unique(shifts)) == 20


def test_groups_say_number_mean_and_sd_and_the_outcome_of_tests():
    _, ax = axes()
    values = {"single": np.array([95.0, 97]), "double": np.array([96.0]), "none": np.empty(0)}
    figures.groups(ax, values, tests={1: "P = 0.3"}, published=[Mark(1, None, 97.0, 6.6)])
    labels = [t.get_text() for t in ax.get_xticklabels()]
    assert labels == ["single\nn = 2\n96.0 ± 1.4", "double\nn = 1\n96.0", "none\nn = 0"]
    assert "P = 0.3" in [t.get_text() for t in ax.texts]
    assert in_words(np.array([1.0, 2.0, 4.0]), 2) == "n = 3\n2.33 ± 1.53"


def test_lambda_curves_are_over_the_values_that_all_networks_have():
    searches = [(np.array([20.0, 25, 30]), np.array([0.2, 0.4, 0.6])), (np.array([30.0, 20]), np.array([1.0, 0.4]))]
    values, table = common(searches)
    assert values.tolist() == [20, 30] and table.tolist() == [[0.2, 0.6], [0.4, 1.0]]
    _, ax = axes()
    figures.lambda_curves(ax, {"a": searches, "b": []}, {"a": [30.0, 20.0], "b": []})
    line, triangle = ax.get_lines()
    np.testing.assert_allclose(line.get_xydata(), [[20, 30], [30, 80]])
    assert line.get_label() == "a (n = 2)" and triangle.get_xdata().tolist() == [25]


def test_choices_are_means_over_networks():
    _, ax = axes()
    shares = np.array([[0.0, 0.5, 1.0], [0.2, 0.5, 0.8]])
    figures.by_evidence(ax, [Curve("x", np.array([-1.0, 0, 1]), shares, "k")])
    ((points, ends),) = bars(ax)
    np.testing.assert_allclose(points, [[-1, 10], [0, 50], [1, 90]])
    np.testing.assert_allclose(ends[:, 1] - ends[:, 0], [2 * 0.02**0.5 * 100, 0, 2 * 0.02**0.5 * 100], atol=1e-9)


def test_shares_of_a_distribution_add_up_to_all():
    _, ax = axes()
    figures.distribution(ax, {"a": np.array([1.0, 2, 2, 4]), "b": np.array([1.0]), "c": np.empty(0)}, bins=3)
    for steps in ax.patches:
        assert steps.get_data().values.sum() == pytest.approx(100)
    np.testing.assert_allclose(ax.patches[0].get_data().values, [25, 50, 25])
    _, ax = axes()
    figures.distribution(ax, {"a": np.array([3.0, 3.0])})  # all the same


def test_outputs_and_spikes_are_in_ms():
    _, ax = axes()
    mean, sd = np.linspace(0, 1, 40), np.full(40, 0.1)
    figures.example_outputs(ax, {"go": (mean, sd)}, [(10, 15)], (15, 40), (0.7, 0.3))
    (line,) = [line for line in ax.get_lines() if line.get_label() == "go"]
    np.testing.assert_allclose(line.get_xydata(), np.stack([np.arange(40) * 5, mean], -1))
    assert {0.7, 0.3} <= {line.get_ydata()[0] for line in ax.get_lines()}
    _, ax = axes()
    types = ["I", "E", "E", "SST"]
    figures.example_raster(ax, np.array([5.0, 7, 9, 9]), np.array([0, 1, 2, 3]), types, [(1, 2)], 200.0)
    rows = {line.get_label(): line.get_xydata().tolist() for line in ax.get_lines()}
    assert rows == {"E units (2)": [[7, 0], [9, 1]], "I units (1)": [[5, 2]], "SST units (1)": [[9, 3]]}


# -------------------------------------------------------------------------------------------------------- for print


def example():
    figure, found = figures.print_figure(85, 70, title="A title that is so long that it needs two lines at this width")
    ax = found[0, 0]
    labels = ["20", *(f"20–{50 * k}" for k in range(1, 9))]
    figures.by_axis(ax, Positions(labels), [Series("rate network", [np.arange(5.0)] * 9, "k")])
    ax.set(xlabel="synaptic decay time constants (ms)", ylabel="accuracy (%)")
    figures.legend_below(ax, published_handles([Mark(0, None, 1.0), Mark(low=0.0, high=1.0)]))
    figures.settle_ticks(figure)
    return figure, ax


def test_labels_that_would_touch_are_turned():
    _, ax = example()
    labels = ax.get_xticklabels()
    assert {label.get_rotation() for label in labels} == {40}
    few, other = axes()
    figures.by_axis(other, Positions(["20", "50"]), [Series("x", VALUES[:2], "k")])
    figures.settle_ticks(few)
    assert {label.get_rotation() for label in other.get_xticklabels()} == {0}
    assert not touching(other.get_xticklabels(), few.canvas.get_renderer())


def test_letters_are_large_enough_and_within_the_figure():
    figure, _ = example()
    texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    assert min(t.get_fontsize() for t in texts) >= SMALLEST
    renderer = figure.canvas.get_renderer()
    boxes = [t.get_window_extent(renderer) for t in texts]
    for text, box in zip(texts, boxes, strict=True):
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert inside, text.get_text()
    straight = [box for text, box in zip(texts, boxes, strict=True) if not text.get_rotation()]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(straight, 2))


def test_files_have_the_size_in_print_and_the_same_bytes():
    first, second = (figures.pdf(example()[0]) for _ in range(2))
    assert first == second and first.startswith(b"%PDF")
    width, height = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", first).groups()
    assert float(width) / 72 * 25.4 == pytest.approx(85, abs=0.1)
    assert float(height) / 72 * 25.4 == pytest.approx(70, abs=0.1)
    data = figures.print_png(example()[0])
    assert int.from_bytes(data[16:20]) == pytest.approx(85 / 25.4 * 300, abs=1)  # pixels of its width


def test_a_reason_stands_for_missing_data():
    _, ax = axes()
    figures.say_instead(ax, "No network of this panel was trained.")
    assert [t.get_text() for t in ax.texts] == ["No network of this panel was trained."] and not ax.axison
