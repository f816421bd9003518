"""Lines, points and words in the figures of spiking networks, against numbers chosen here."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ratecore import figures
from ratecore.spiking import wilson_interval
from ratecore.spiking.comparison import Comparison, Components, Example
from ratecore.spiking.conversion import SearchResult

NAMES = ["scaling", "raster", "spiking_outputs", "firing_rates", "units", "components"]
N, T = 10, 30
INH, SOM = np.arange(N) % 3 == 0, np.arange(N) == 3  # I: 0, 6, 9; SST: 3


def comparison(seed=0, conditions=("go", "nogo"), n_in=1, som=SOM, **changes):
    """Numbers of no network; the spiking one is the rate one, twice as large."""
    rng, C = np.random.default_rng(seed), len(conditions)
    out, sd, activity, path = (rng.random(shape) for shape in ((C, T), (C, T), (C, N), (C, T, 3)))
    examples = [
        Example(rng.standard_normal((n_in, T)), 5e-4, np.arange(0, 280, 7), np.arange(40) % N, rng.random(28), 5e-3)
        for _ in conditions
    ]
    rates = np.array([0, 0, 0.1, 5, 1, 2, 20, 4, 8, 0])
    values = dict(
        scaling_factor=2.0, conditions=list(conditions), n_trials=np.full(C, 5), rate_mean=out, rate_sd=sd,
        lif_mean=2 * out, lif_sd=2 * sd, examples=examples, rates=rates, rate_activity=activity,
        lif_activity=2 * activity, rate_components=Components(path, np.array([0.5, 0.3, 0.1])),
        lif_components=Components(2 * path, np.array([0.4, 0.2, 0.15])), inh=INH, som=som,
        stimulus_windows=np.array([[5, 10]]), response=np.array([15, T]),
    )  # fmt: skip
    return Comparison(**values | changes)


def search(accuracy=(0.5, 0.9, 0.8), n=(10, 40, 40), values=(20.0, 25.0, 30.0), **changes):
    best = int(np.argmax(accuracy))
    low, high = wilson_interval(round(accuracy[best] * n[best]), n[best])
    result = SearchResult(
        np.array(values), np.array(accuracy), np.array(n), values[best], accuracy[best], low, high, 1.0, 2.0, {}
    )
    return result.summary() | changes


def words(axis):
    return [text.get_text() for text in axis.get_legend().get_texts()]


def lines(axis, label):
    return [line for line in axis.get_lines() if line.get_label() == label]


# ------------------------------------------------------------------------------------------------------ scaling


def test_accuracy_of_one_network_with_its_intervals():
    (axis,) = figures.scaling({"": search()}).axes
    shown, dropped = axis.containers
    assert shown.get_label() == "40 trials" and dropped.get_label() == "dropped after\nfewer trials"
    assert shown.lines[0].get_xydata().tolist() == [[25, 0.9], [30, 0.8]] and shown.lines[0].get_alpha() == 1
    assert dropped.lines[0].get_xydata().tolist() == [[20, 0.5]] and dropped.lines[0].get_alpha() < 0.5
    for container, counts in ((shown, [(36, 40), (32, 40)]), (dropped, [(5, 10)])):
        for segment, (correct, n) in zip(container.lines[2][0].get_segments(), counts, strict=True):
            np.testing.assert_allclose(segment[:, 1], wilson_interval(correct, n))
    assert axis.get_ylabel() == "accuracy (95 % interval)"
    (best,) = lines(axis, "best: λ = 25,\n90 % [77, 96]")
    assert best.get_xydata().tolist() == [[25, 0.9]]
    assert axis.get_xlabel() == "λ, by which the weights are divided"


def test_intervals_are_as_sure_as_was_asked_for():
    (axis,) = figures.scaling({"": search(n=(40,) * 3, confidence=0.5)}).axes
    segments = axis.containers[0].lines[2][0].get_segments()
    for segment, correct in zip(segments, (20, 36, 32), strict=True):
        np.testing.assert_allclose(segment[:, 1], wilson_interval(correct, 40, 0.5))
    assert axis.get_ylabel() == "accuracy (50 % interval)"


def test_all_values_with_all_trials_and_the_best_on_fresh_ones():
    fresh = {"spiking_accuracy": 0.75, "ci_low": 0.7, "ci_high": 0.8, "scored": "fresh"}
    (axis,) = figures.scaling({"a": search(n=(40,) * 3, **fresh)}).axes
    assert words(axis) == ["best: λ = 25", "95 %", "40 trials", "on fresh trials,\n75 % [70, 80]"]
    assert axis.containers[1].lines[0].get_xydata().tolist() == [[25, 0.75]]
    np.testing.assert_allclose(axis.containers[1].lines[2][0].get_segments()[0][:, 1], [0.7, 0.8])


@pytest.mark.parametrize("n", [2, 20])
def test_accuracy_of_several_networks_and_their_mean(n):
    searches = {f"seed {k}": search(accuracy=(0.5, 0.6 + k / 1000, 0.7)) for k in range(n - 1)}
    searches["seed x"] = search((0.2, 0.4, 0.3), values=(20.0, 22.5, 25.0))  # one has refined values
    (axis,) = figures.scaling(searches, "cell").axes
    (mean,) = lines(axis, f"mean of {n}")
    truth = [0.5 * (n - 1) + 0.2, sum(0.6 + k / 1000 for k in range(n - 1)) + 0.3]
    np.testing.assert_allclose(mean.get_xydata(), np.transpose([[20, 25], np.array(truth) / n]))
    assert ("seed 0" in words(axis)) == (n == 2)  # more have no name, since they cannot be told apart
    (sample,) = lines(axis, "best of each")
    rings = [
        line for line in axis.get_lines() if line.get_markersize() == sample.get_markersize() and line is not sample
    ]
    assert [line.get_xdata().tolist() for line in rings] == [[30.0]] * (n - 1) + [[22.5]]
    assert axis.get_title() == "cell"


# ------------------------------------------------------------------------------------------------------- trials


def test_a_raster_has_each_type_in_its_place():
    c = comparison()
    figure = figures.raster(dict(zip(c.conditions, c.examples, strict=True)), INH, SOM, [(5, 10)], (15, T), "λ = 2")
    assert len(figure.axes) == 6 and figure.get_suptitle() == "λ = 2"
    spikes, output, stimulus = figure.axes[0], figure.axes[2], figure.axes[4]
    assert [axis.get_title() for axis in figure.axes[:2]] == ["go", "nogo"]
    assert words(figure.axes[1]) == ["E: 6", "I: 3", "SST: 1"]
    drawn = {line.get_label(): line for line in spikes.get_lines() if line.get_label() in ("E", "I", "SST")}
    assert {line.get_color() for line in drawn.values()} == set(figures.COLORS[:3])
    rows = {"E": range(6), "I": range(6, 9), "SST": [9]}
    for label, units in (("E", [1, 2, 4, 5, 7, 8]), ("I", [0, 6, 9]), ("SST", [3])):
        x, y = drawn[label].get_data()
        of = np.isin(c.examples[0].spike_units, units)
        np.testing.assert_allclose(x, (c.examples[0].spike_steps[of] + 1) * 0.5)  # ms
        assert dict(zip(units, rows[label], strict=True)) == dict(
            zip(c.examples[0].spike_units[of].tolist(), y.tolist(), strict=True)
        )
    np.testing.assert_allclose(
        output.get_lines()[0].get_xydata(), np.transpose([np.arange(1, 29) * 5, c.examples[0].out])
    )
    assert lines(output, "response window")[0].get_xdata().tolist() == [75, 150]
    assert output.patches[0].get_x() == 25 and output.patches[0].get_width() == 25
    np.testing.assert_allclose(stimulus.get_lines()[0].get_ydata(), c.examples[0].u[0])
    assert stimulus.get_xlabel() == "time (ms)" and stimulus.get_ylabel() == "stimulus"


def test_inputs_of_several_are_on_one_scale_and_apart():
    c = comparison(conditions=("a",), n_in=3)
    figure = figures.raster({"a": c.examples[0]}, np.zeros(N, bool), np.zeros(N, bool), [], (15, T))
    axis = figure.axes[2]
    courses = [line.get_ydata() for line in axis.get_lines() if line.get_drawstyle() == "steps-post"]
    for i, (course, zero) in enumerate(zip(courses, axis.get_yticks(), strict=True)):
        np.testing.assert_allclose(course - zero, c.examples[0].u[i])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["0", "1", "2"] and axis.get_ylabel() == "input"
    assert words(figure.axes[0]) == ["all: 10"]  # without inhibitory units none is excitatory either


@pytest.mark.parametrize("conditions", [("go", "nogo"), ("++", "+-", "-+", "--"), tuple("abcdef")])
def test_outputs_of_both_networks_by_condition(conditions):
    c = comparison(conditions=conditions)
    figure = figures.conversion_figures(search(), c)["spiking_outputs"]
    axes = [axis for axis in figure.axes if axis.axison]
    assert [axis.get_title() for axis in axes] == list(conditions)
    for i, axis in enumerate(axes):
        for label, factor, band in (("spiking network", 2, 0), ("rate network", 1, 1)):
            (line,) = lines(axis, label)
            np.testing.assert_allclose(line.get_xydata(), np.transpose([np.arange(T) * 5, factor * c.rate_mean[i]]))
            edges = axis.collections[band].get_paths()[0].vertices[:, 1]
            assert edges.max() == pytest.approx((factor * (c.rate_mean[i] + c.rate_sd[i])).max())
        assert lines(axis, "response window")[0].get_xdata().tolist() == [75, 150]
    assert words(axes[-1]) == ["spiking network", "rate network", "stimulus", "response window"]
    assert axes[0].get_ylabel() == "output (mean, SD over trials)"


def several(n_out=3, short=20):
    """A comparison of several outputs whose second condition has only short trials."""
    rng, c = np.random.default_rng(3), comparison()
    courses = {name: rng.random((2, n_out, T)) for name in ("rate_mean", "rate_sd", "lif_mean", "lif_sd")}
    for course in courses.values():
        course[1, :, short:] = np.nan
    examples = [
        Example(e.u[:, :steps], e.dt, e.spike_steps, e.spike_units, rng.random((n_out, steps - 1)), 5e-3)
        for e, steps in zip(c.examples, (T, short), strict=True)
    ]
    return comparison(**courses, examples=examples)


def test_each_of_several_outputs_has_a_panel():
    c = several()
    figure = figures.conversion_figures(search(), c)["spiking_outputs"]
    titles = [f"{name}, output {k}" for name in c.conditions for k in (1, 2, 3)]
    assert [axis.get_title() for axis in figure.axes] == titles
    for axis, (i, k) in zip(figure.axes, np.ndindex(2, 3), strict=True):
        for label, means in (("spiking network", c.lif_mean), ("rate network", c.rate_mean)):
            (line,) = lines(axis, label)
            np.testing.assert_array_equal(line.get_ydata(), means[i, k])
    made = figures.outputs_by_condition(
        {name: (c.rate_mean[i], c.rate_sd[i]) for i, name in enumerate(c.conditions)}, [(5, 10)], (15, T), "t"
    )
    assert [axis.get_ylabel() for axis in made.axes] == [f"output {k}\n(mean, SD)" for k in (1, 2, 3)]
    assert made.axes[0].get_title() == "t" and [axis.get_xlabel() for axis in made.axes] == ["", "", "time (ms)"]
    for k, axis in enumerate(made.axes):
        for i, name in enumerate(c.conditions):
            np.testing.assert_array_equal(lines(axis, name)[0].get_ydata(), c.rate_mean[i, k])


def test_a_raster_has_a_line_for_each_output_and_no_window_beyond_the_trial():
    c = several()
    figure = figures.raster(dict(zip(c.conditions, c.examples, strict=True)), INH, SOM, [(5, 10)], (15, T))
    for axis, example in zip(figure.axes[2:4], c.examples, strict=True):
        for k in range(3):
            (line,) = lines(axis, f"output {k + 1}")
            np.testing.assert_array_equal(line.get_ydata(), example.out[k])
    assert lines(figure.axes[2], "response window") and not lines(figure.axes[3], "response window")
    assert words(figure.axes[3]) == ["output 1", "output 2", "output 3", "stimulus", "response window"]


def test_means_over_networks_leave_out_what_is_missing():
    one, other = several(), several()
    one.lif_mean[0, :, 25:] = np.nan
    other.lif_mean[:] += 1
    axis = figures.grid_point_figures({}, [one, other])["spiking_outputs"].axes[0]
    (line,) = lines(axis, "spiking network")
    truth = np.where(np.arange(T) < 25, (one.lif_mean[0, 0] + other.lif_mean[0, 0]) / 2, other.lif_mean[0, 0])
    np.testing.assert_allclose(line.get_ydata(), truth)
    for courses in ([np.array([1.0, 2.0]), np.array([3.0, 5.0])], [np.array([1.0, np.nan]), np.array([3.0, np.nan])]):
        mean, sd = figures.mean_and_sd(courses)
        np.testing.assert_array_equal((mean[0], sd[0]), (2, 1))
        assert (mean[1], sd[1]) == (3.5, 1.5) or np.isnan([mean[1], sd[1]]).all()


# -------------------------------------------------------------------------------------------------------- units


def test_firing_rates_say_how_many_are_silent():
    (axis,) = figures.firing_rates(comparison().rates, INH, SOM).axes
    assert axis.get_xscale() == "log" and axis.get_xlabel() == "firing rate (spikes/s)"
    assert words(axis) == [
        "E: 6 units, 1 silent,\nmedian 1.5 spikes/s",
        "I: 3 units, 2 silent,\nmedian 0 spikes/s",
        "SST: 1 units, 0 silent,\nmedian 5 spikes/s",
    ]
    (near,) = figures.firing_rates(np.array([2.0, 3.0, 4.0]), np.zeros(3, bool), np.zeros(3, bool)).axes
    assert near.get_xscale() == "linear"
    (none,) = figures.firing_rates(np.zeros(3), np.zeros(3, bool), np.zeros(3, bool)).axes
    assert words(none) == ["all: 3 units, 3 silent,\nmedian 0 spikes/s"]


def test_units_of_both_networks():
    c = comparison(lif_activity=np.stack([np.linspace(0, 9, N), np.zeros(N)]))
    c.rate_activity[0] = 1 - np.linspace(0, 1, N)  # the other way round
    figure = figures.units(c)
    assert [axis.get_title() for axis in figure.axes] == ["go: r = -1.00", "nogo: r not defined"]
    for axis in figure.axes:
        line = lines(axis, "λ × rate")[0].get_xydata()
        np.testing.assert_allclose(line[:, 1], 2 * line[:, 0])
    (inhibitory,) = lines(figure.axes[0], "I")
    np.testing.assert_allclose(
        inhibitory.get_xydata(), np.transpose([c.rate_activity[0], c.lif_activity[0]])[[0, 6, 9]]
    )
    assert words(figure.axes[1]) == ["E", "I", "SST", "λ × rate"]


def test_components_of_both_networks():
    c = comparison()
    axes = figures.components(c).axes
    assert [axis.get_title() for axis in axes] == [
        f"PC {p + 1}: {share} % of the variance" for row in ((50, 30, 10), (40, 20, 15)) for p, share in enumerate(row)
    ]
    for k, axis in enumerate(axes):
        for i, name in enumerate(c.conditions):
            (line,) = lines(axis, name)
            np.testing.assert_allclose(line.get_ydata(), (1 + k // 3) * c.rate_components.projections[i, :, k % 3])
    assert [axes[k].get_ylabel() for k in (0, 3)] == ["rate network\n(activity)", "spiking network\n(spikes/s)"]


# -------------------------------------------------------------------------------------------------- all of them


def test_all_figures_of_one_network_become_files():
    files, again = (
        {name: figures.png(figure) for name, figure in figures.conversion_figures(search(), comparison()).items()}
        for _ in range(2)
    )
    assert sorted(files) == sorted(NAMES) and files == again
    assert all(data[:8] == b"\x89PNG\r\n\x1a\n" for data in files.values())


def test_figures_of_a_grid_point_pool_its_networks():
    both = [comparison(0), comparison(1, rates=np.full(N, 3.0))]
    made = figures.grid_point_figures({"seed 0": search(), "seed 1": search()}, both, "cell")
    assert sorted(made) == sorted(NAMES)
    axis = made["spiking_outputs"].axes[1]
    means = np.array([c.lif_mean[1] for c in both])
    np.testing.assert_allclose(lines(axis, "spiking network")[0].get_ydata(), means.mean(0))
    edges = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert edges.max() == pytest.approx((means.mean(0) + means.std(0)).max())
    assert made["spiking_outputs"].axes[0].get_ylabel() == "output (mean, SD over networks)"
    assert words(made["firing_rates"].axes[0])[0].startswith("E: 12 units, 1 silent")
    assert made["raster"].get_suptitle() == "cell\nfirst of 2 networks, λ = 2"
    np.testing.assert_allclose(made["raster"].axes[2].get_lines()[0].get_ydata(), both[0].examples[0].out)


def test_figures_of_a_grid_point_with_one_network_or_none():
    made = figures.grid_point_figures({"seed 0": search()}, [comparison()], "cell")
    assert sorted(made) == sorted(NAMES)
    assert made["spiking_outputs"].axes[0].get_ylabel() == "output (mean, SD over trials)"
    assert made["units"].get_suptitle() == "cell\nλ = 2"
    assert figures.grid_point_figures({}, []) == {}
    assert list(figures.grid_point_figures({"seed 0": search()}, [])) == ["scaling"]


BACKEND = """
import os
from ratecore import figures
from matplotlib import rcParams
assert len(figures.png(figures.note("x"))) > 1000
print(os.environ.get("MPLBACKEND"), dict.__getitem__(rcParams, "backend") if {set} else "-", "matplotlib.pyplot" in __import__("sys").modules)
"""  # noqa: E501


@pytest.mark.parametrize(
    ("given", "holds"),
    [("module://matplotlib_inline.backend_nowhere", None), ("nonsense", None), ("", None), ("svg", "svg")],
)
def test_figures_are_made_whatever_backend_a_notebook_has_left_and_no_other_is_chosen(given, holds):
    code = BACKEND.replace("{set}", str(bool(holds)))
    env = {**os.environ, "MPLBACKEND": given}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{given} {holds or '-'} False".strip()


def test_the_backend_of_a_session_is_left_as_it_is():
    import matplotlib

    before = dict(matplotlib.rcParams)
    assert figures.png(figures.note("x")) and dict(matplotlib.rcParams) == before


# ---------------------------------------------------------------------------------------------------- all of them


def all_figures():
    """One of every kind, with what it is of."""
    from conftest import small_settings

    from ratecore.rate.evaluation import Evaluation, Scores
    from ratecore.rate.training import TrainingResult, initial_network

    settings, rng = small_settings(), np.random.default_rng(0)
    net = initial_network(settings)
    tests = [{"trial": 100, "loss": 3.0, "accuracy": 0.5}, {"trial": 200, "loss": 2.0, "accuracy": 0.9}]
    result = TrainingResult(net, net.state_dict(), losses=rng.random(200).tolist(), tests=tests)
    scores = Scores(rng.random(4), rng.random(4) < 0.5, rng.random((4, 60)), [1, 0] * 2, np.array(["go", "nogo"] * 2))
    points = [{"trial_type": kind, "evidence": e, "n": 10} for kind in "ab" for e in (-1, 0, 1)]
    choices = [{**point, "p_positive": 0.5, "accuracy": 0.7} for point in points]
    times = [{**point, "crossed": 0.5, "median": 200.0, "q25": 100.0, "q75": 300.0} for point in points]
    yield from figures.run_figures(settings, result, Evaluation(scores, (20, 60), choices, times)).items()
    curves = {f"seed {k}": (list(range(5)), rng.random(5).tolist(), k % 2 == 1) for k in range(6)}
    yield "loss_curves", figures.loss_curves(curves, 0.3)
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"task": ["a", "b"], "N": [20, 40], "taus": ["4_20", "10"], "accuracy": [0.5, 0.9]})
    yield "against_axes", figures.against_axes(table, "accuracy", "accuracy")
    searches = {f"{k}": search() for k in range(3)}
    for n in (1, 3):
        made = figures.grid_point_figures(
            {k: searches[k] for k in list(searches)[:n]}, [comparison(k) for k in range(n)]
        )
        yield from ((f"{name} of {n}", figure) for name, figure in made.items())


def test_no_legend_hides_data_or_looks_for_its_place():
    for name, figure in all_figures():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # where matplotlib's warnings are errors
        renderer = canvas.get_renderer()
        legends = [axis.get_legend() for axis in figure.axes if axis.get_legend()]
        assert legends, name
        for one in legends:
            # "best" weighs every point: slow, and on a busy machine a warning
            assert one._loc != 0 and one._get_loc() != 0, name
            box = one.get_window_extent(renderer)
            assert not any(box.overlaps(axis.get_window_extent(renderer).padded(-2)) for axis in figure.axes), name
            assert figure.bbox.padded(1).contains(*box.max) and figure.bbox.padded(1).contains(*box.min), name


def test_a_warning_about_a_figure_never_breaks_a_stage(monkeypatch):
    figure = figures.note("a word")

    def slow(*args, **options):
        warnings.warn('Creating legend with loc="best" can be slow', UserWarning, stacklevel=1)
        return type(figure).draw(figure, *args, **options)

    monkeypatch.setattr(figure, "draw", slow)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("error")  # as python -W error
        assert figures.png(figure).startswith(b"\x89PNG")
    assert len(said) == 1  # and yet it is seen
