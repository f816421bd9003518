"""What a notebook shows: the progress of training, with or without ipywidgets, and figures as pictures."""

import subprocess
import sys
import types
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

import ratecore as rate
from ratecore import figures
from ratecore.experiment import progress

RUN = {
    "network": {"N": 10},
    "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
    "training": {"n_trials": 40, "eval_freq": 20, "eval_tr": 5},
}


@pytest.mark.parametrize("shown", [True, False])
def test_training_shows_its_progress_when_asked(shown, capsys):
    trials = []
    result = rate.train(rate.RunSettings(**RUN), on_test=lambda r: trials.append(r.n_trials), progress=shown)
    said = capsys.readouterr()
    assert said.out == "" and trials == [20, 40]
    if shown:
        last = said.err.split("\r")[-1]
        assert "go-nogo seed 0: 100%" in last and "40/40" in last
        assert f"loss {result.tests[-1]['loss']:.2f}, accuracy {result.tests[-1]['accuracy']:.2f}" in last
    else:
        assert said.err == ""


def test_progress_changes_no_number():
    quiet, shown = (rate.train(rate.RunSettings(**RUN), progress=p) for p in (False, True))
    assert quiet.losses == shown.losses
    for name, value in quiet.net.state_dict().items():
        if isinstance(value, np.ndarray) or hasattr(value, "numpy"):
            np.testing.assert_array_equal(value.numpy(), shown.net.state_dict()[name].numpy())


def test_a_notebook_without_ipywidgets_gets_text_and_no_warning(monkeypatch):
    kernel = types.ModuleType("IPython")
    kernel.get_ipython = lambda: types.SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    for name in ("tqdm.auto", "tqdm.autonotebook", "tqdm.notebook"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bar = progress._tqdm()
    assert [base for base in bar.__mro__ if "notebook" in base.__module__] == []


@pytest.mark.parametrize("make", [figures.new_figure, lambda: figures.print_figure(80, 40)], ids=["screen", "print"])
def test_a_figure_is_a_picture_in_a_notebook(make):
    figure, _ = make()
    assert isinstance(figure, Figure)
    assert figure._repr_png_() == figures.png(figure)
    assert figures.png(figure).startswith(b"\x89PNG\r\n")


def test_a_task_of_a_notebook_cell_can_be_trained():
    """As in a cell, where the class is of `__main__` and there is no file."""
    code = """
import numpy as np, ratecore as rate
class Pulse(rate.AbstractTask):
    name, n_inputs, trial_types = "pulse", 1, ("up", "down")
    defaults = {"T": 40, "stim_on": 5, "stim_dur": 5}
    def draw_trial(self, trial_type, rng):
        u = np.zeros((1, self.T)); u[0, 5:10] = 1 if trial_type == "up" else -1
        return u, trial_type
    def generate_target(self, label):
        return np.where(np.arange(self.T) >= 10, 1.0 if label == "up" else -1.0, 0.0)
    def is_correct(self, o, label):
        return bool((o[10:].mean() > 0) == (label == "up"))
rate.TaskFactory.register_task("pulse", Pulse)
result = rate.train(rate.RunSettings(task="pulse", network={"N": 10}, training={"n_trials": 20, "eval_freq": 10}))
print(result.n_trials, rate.evaluate(result.net, Pulse(), n_trials=5).scores.outputs.shape)
"""
    done = subprocess.run([sys.executable, "-"], input=code, capture_output=True, text=True)
    assert done.stdout.split("\n")[0] == "20 (5, 40)", done.stderr
