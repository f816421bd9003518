"""Figures of tasks: lines, bars and shades against the trials that they show."""

import numpy as np
import pytest

from ratecore import Trial, figures
from ratecore.tasks import TaskFactory
from ratecore.tasks.examples import examples_of

T = 20
U = np.zeros((2, T))
U[0, 4:8], U[1, 10:12] = 1, -2


def trial(**fields):
    values = dict(target=np.linspace(0, 1, T), condition="a", response=slice(12, T), stimuli=[(4, 8), (10, 12)])
    return Trial(U, **(values | fields))


def test_lines_and_bars_are_those_of_the_trial():
    weight = np.ones(T)
    weight[12:15] = 0
    inputs, target, weights = figures.trials_by_condition([trial(weight=weight)], "mine").axes
    assert inputs.get_title() == "a" and weights.get_xlabel() == "time (ms)"
    rows = [line.get_ydata() for line in inputs.get_lines() if len(line.get_ydata()) == T]
    np.testing.assert_allclose(rows[0], U[0] / 2 * 0.8)
    np.testing.assert_allclose(rows[1], U[1] / 2 * 0.8 - 1)
    low, high = inputs.get_ylim()
    assert low <= rows[1].min() and high >= rows[0].max()
    line = next(line for line in target.get_lines() if line.get_label() == "target 0")
    np.testing.assert_allclose(line.get_xdata(), np.arange(T) * 5)
    np.testing.assert_allclose(line.get_ydata(), np.linspace(0, 1, T))
    bar = next(line for line in target.get_lines() if line.get_label() == "response window")
    assert list(bar.get_xdata()) == [60, 100]
    shades = sorted(patch.get_extents().transformed(target.transData.inverted()).x0 for patch in target.patches)
    np.testing.assert_allclose(shades, [20, 50], atol=1e-6)
    filled = weights.collections[0].get_paths()[0].vertices
    for step, value in enumerate(weight):
        inside = filled[(filled[:, 0] > step * 5 - 1e-6) & (filled[:, 0] < step * 5 + 5 + 1e-6)]
        assert value in inside[:, 1]
    assert not any((filled[:, 0] > 60 + 1e-6) & (filled[:, 0] < 75 - 1e-6) & (filled[:, 1] > 0))


def test_several_outputs_have_a_colour_each_and_shorter_trials_end_earlier():
    two = np.stack([np.zeros(T), np.ones(T)])
    short = Trial(U[:, :15], two[:, :15], condition="b")
    figure = figures.trials_by_condition([trial(target=two), short])
    first, second = figure.axes[2], figure.axes[3]
    assert first.get_xlim() == second.get_xlim() == (0, T * 5)
    colors = {line.get_label(): line.get_color() for line in first.get_lines() if line.get_label().startswith("target")}
    assert len(set(colors.values())) == 2
    assert max(line.get_xdata()[-1] for line in second.get_lines() if line.get_label() == "target 0") == 14 * 5
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["target of output 0", "target of output 1", "stimulus", "response window"]


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (2, 2), (4, 4), (5, 3), (6, 3), (7, 4), (8, 4), (9, 3), (12, 4)])
def test_conditions_leave_few_places_empty(n, columns):
    figure = figures.trials_by_condition([trial(condition=f"c{k}") for k in range(n)])
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == [f"c{k}" for k in range(n)]
    assert len(figure.axes) == 3 * columns * -(-n // columns)
    labelled = [axis for axis in figure.axes if axis.get_xlabel()]
    assert len(labelled) == columns


def test_many_inputs_are_an_image():
    u = np.random.default_rng(0).normal(size=(12, T))
    figure = figures.trials_by_condition([Trial(u, np.zeros(T), condition="a")])
    (mesh,) = figure.axes[0].collections
    np.testing.assert_allclose(mesh.get_array(), u)
    low, high = figure.axes[0].get_ylim()
    assert low > high  # input 0 on top


@pytest.mark.parametrize("name", ["go-nogo", "ready-set-go"])
def test_tasks_are_drawn_as_files(name):
    examples = examples_of(TaskFactory.create_task(name))
    data = figures.png(figures.trials_by_condition(examples, name))
    assert data[:4] == b"\x89PNG" and data == figures.png(figures.trials_by_condition(examples, name))
