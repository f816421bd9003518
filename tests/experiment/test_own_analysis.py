"""Analyses that a user's file registers: checked before any work, identified by their code, apart when they fail."""

import shutil
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from ratecore.experiment.configurations import keep_configuration
from ratecore.experiment.grid import Experiment
from ratecore.experiment.opened import open_experiment
from ratecore.experiment.point_figures import analysis_figures
from ratecore.experiment.runs import Run
from ratecore.experiment.stages import table
from ratecore.experiment.stages.running import do_stage
from ratecore.experiment.summary import summarize
from ratecore.formats import load_analysis, result_from_pth
from ratecore.rate import testing
from ratecore.rate.activity import trial_activity
from ratecore.settings.base import SettingsError
from ratecore.settings.own_analyses import OWN
from ratecore.tasks import files

pytestmark = pytest.mark.usefixtures("figures_are_not_rendered")
EXAMPLE = Path(__file__).parents[2] / "docs/examples/own_analysis.py"
CONFIG = {
    "experiment": "own",
    "convert": False,
    "analyses": ["active", "spectrum"],
    "analysis": {"active": {"n_trials": 6}},
    "grid": {"seed": [0, 1]},
    "network": {"N": 10},
    "training": {"n_trials": 20, "eval_freq": 10, "eval_tr": 4},
    "evaluation": {"n_trials": 6},
    "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
}


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """What a process knows that has loaded no file."""
    monkeypatch.setattr(files, "_loaded", {})
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    table.row_of.cache_clear()
    yield
    for name in set(sys.modules) - before:
        if name == "mine" or name.startswith("ratecore_analysis_file_"):
            del sys.modules[name]
    OWN.clear()
    table.row_of.cache_clear()


@pytest.fixture
def file(tmp_path):
    return Path(shutil.copy(EXAMPLE, tmp_path / "mine.py"))


def experiment(file, **changes):
    files._loaded.clear()
    for name in [name for name in sys.modules if name.startswith("ratecore_analysis_file_")]:
        del sys.modules[name]
    sys.modules.pop(file.stem, None)
    table.row_of.cache_clear()
    table.code_hash.cache_clear()
    return Experiment.from_config({**CONFIG, "analysis_file": str(file), "results": str(file.parent), **changes})


def written(tmp_path, body, **register):
    """A file with a function `mine` of this body."""
    options = {"numbers": {"n": "a number"}, **register}
    given = ", ".join(f"{key}={value!r}" for key, value in options.items())
    head = "import numpy as np\nimport ratecore as rate\n\ndef mine(material, settings):\n"
    text = f"{head}{textwrap.indent(body, '    ')}\n"
    path = tmp_path / f"file{len(list(tmp_path.glob('file*.py')))}.py"
    path.write_text(f"{text}\nrate.register_analysis('mine', mine, {given})\n")
    return path


def runs_of(e):
    return [Run.at(e, point, seed) for point in e.grid_points for seed in e.seeds]


def done(e, *stages):
    return [do_stage(stage, runs_of(e), e.settings) for stage in stages][-1]


def test_its_numbers_arrays_and_figure_are_with_those_of_all_analyses(file):
    e = experiment(file)
    ends = done(e, "train", "evaluate", "export", "analyse")
    rows = summarize(e).to_dict("records")
    for run, end, row in zip(runs_of(e), ends, rows, strict=True):
        assert end["errors"] == end["left_out"] == {}
        task, net = testing.tested(run.settings, result_from_pth(run.network).net)
        r = trial_activity(task, net, run.settings.seed, range(6)).r
        share = (r.mean(0) > 0.1).mean(1)
        np.testing.assert_allclose(load_analysis(run.file("analysis"))["active"]["share"], share)
        assert row["active_share"] == end["numbers"]["active/share"] == pytest.approx(share.mean(), rel=1e-5)
        assert row["active_peak_ms"] == 5 * share.argmax() and row["spectrum_radius"] > 0
    assert set(analysis_figures(e, e.grid_points[0])) == {"active_own", "spectrum_eigenvalues"}
    assert table.row_of("analyse", ("active",)).point_figures.names == ("active_own",)


def test_settings_can_be_axes_and_only_the_analysis_is_done_for_them(file):
    e = experiment(file, grid={"analysis.active.least": [0.1, 0.5]})
    assert [point.values["active_least"] for point in e.grid_points] == ["0.1", "0.5"]
    assert len(e.grid_points_of("train")) == 1 and len(e.grid_points_of("analyse")) == 2
    first = e.grid_points[0]
    assert first.settings.analysis.active.least == 0.1 and first.identity(1) == first.run(1).identity()


def test_its_code_is_part_of_its_own_identity_alone(file):
    def identities():
        settings = experiment(file).grid_points[0].settings
        other = experiment(file, analyses=["spectrum"]).grid_points[0].settings
        return settings.identity("training"), settings.identity("training", "analysis"), other.identity()

    before = identities()
    file.write_text(file.read_text().replace("settings.least", "2 * settings.least"))
    after = identities()
    assert before[0] == after[0] and before[1] != after[1] and before[2] == after[2]


FAILS = {
    "an error": ("x = np.zeros(3)\nreturn {'n': x[5]}", "file0.py: mine, line 6: IndexError: index 5 is out of bounds"),
    "lines": ("raise ValueError('one\\ntwo')", "file0.py: mine, line 5: ValueError: one two"),
    "import": ("import no_such_package", "file0.py: mine, line 5: ModuleNotFoundError: No module named"),
    "file": ("open('/none/x')", "file0.py: mine, line 5: FileNotFoundError"),
    "exit": ("raise SystemExit(3)", "file0.py: mine, line 5: SystemExit: 3"),
    "nothing": ("pass", "file0.py: mine returned None; it must be numbers by name"),
    "word": ("return {'n': 'many'}", "file0.py: mine returned n = 'many'; it must be a real number"),
    "unknown": ("return {'m': 1}", "file0.py: mine returned the number 'm'; it registers n"),
    "objects": ("return {}, {'a': [None]}", "file0.py: mine returned the array 'a' of object; arrays have numbers"),
}


def test_what_fails_is_one_line_and_the_others_are_done(tmp_path):
    e = experiment(written(tmp_path, "pass"), analyses=["spectrum"], analysis={}, grid={"seed": [0]})
    done(e, "train", "evaluate", "export")
    for path in tmp_path.glob("file*.py"):
        path.unlink()
    for body, message in FAILS.values():
        path = written(tmp_path, body)
        e = experiment(path, analyses=["spectrum", "mine"], analysis={}, grid={"seed": [0]})
        (end,) = done(e, "analyse")
        path.unlink()
        error = end["errors"]["mine"]
        assert message in error and "\n" not in error, error
        assert "spectrum/radius" in end["numbers"] and end["status"] == "done"


def test_only_what_its_identity_covers_can_be_read(tmp_path):
    e = experiment(written(tmp_path, "pass"), analyses=["spectrum"], analysis={}, grid={"seed": [0]})
    done(e, "train", "evaluate", "export")
    next(tmp_path.glob("file*.py")).unlink()
    for of, name, needed in [
        ("weights", "activity", "of='activity' or of='spikes', not 'weights'"),
        ("weights", "tested_net", "of='activity' or of='spikes', not 'weights'"),
        ("weights", "task", "of='activity' or of='spikes', not 'weights'"),
        ("activity", "spikes", "of='spikes', not 'activity'"),
        ("activity", "scaling_factor", "of='spikes', not 'activity'"),
        ("weights", "net", None),
        ("activity", "task", None),
    ]:
        path = written(tmp_path, f"material.{name}\nreturn {{'n': 1}}", of=of)
        (end,) = done(experiment(path, analyses=["mine"], analysis={}, grid={"seed": [0]}), "analyse")
        path.unlink()
        assert end["errors"] == ({} if needed is None else {"mine": end["errors"]["mine"]}), (of, name)
        assert needed is None or f"line 5: ValueError: material.{name} needs" in end["errors"]["mine"]
        assert needed is None or end["errors"]["mine"].endswith(needed)


def test_a_text_says_why_a_network_is_left_out(tmp_path):
    e = experiment(written(tmp_path, "return 'not this one'"), analyses=["mine"], analysis={}, grid={"seed": [0]})
    (end,) = done(e, "train", "evaluate", "export", "analyse")
    assert end["left_out"] == {"mine": "not this one"} and end["errors"] == {}


REGISTERED = {
    "name": ("'Mine', mine", "register_analysis('Mine', ...): the name must have lower-case letters"),
    "taken": ("'spectrum', mine", "ratecore has an analysis of this name"),
    "arguments": ("'mine', lambda x: 0", "analyse: <lambda>(x) cannot be called as <lambda>(material, settings)"),
    "function": ("'mine', 3", "analyse is 3; it must be a function of (material, settings)"),
    "draw": ("'mine', mine, draw=lambda: 0", "draw: <lambda>() cannot be called as <lambda>(networks)"),
    "setting": ("'mine', mine, settings={'a': None}", "settings: a = None; it must be a number, a word or a list"),
    "list": ("'mine', mine, settings={'a': [1, 'b']}", "settings: a = [1, 'b']; a list must have numbers or words"),
    "both": ("'mine', mine, settings={'n': 1}", "'n' is a number and a setting; columns need two names"),
    "of": ("'mine', mine, of='brains'", "of = 'brains'; it must be one of activity, weights, spikes"),
    "seconds": ("'mine', mine, seconds=0", "seconds = 0; it must be a time above 0"),
    "twice": ("'mine', lambda a, b: 0", "register_analysis('mine', ...): mine is registered by this name already"),
}


@pytest.mark.parametrize("case", REGISTERED)
def test_bad_registrations_are_refused_before_any_work(tmp_path, case):
    arguments, message = REGISTERED[case]
    path = tmp_path / "mine.py"
    first = "rate.register_analysis('mine', mine, numbers={'n': 'x'})\n" if case == "twice" else ""
    last = f"rate.register_analysis({arguments}, numbers={{'n': 'x'}})\n"
    text = f"import ratecore as rate\ndef mine(a, b): pass\n{first}{last}"
    path.write_text(text)
    with pytest.raises(SettingsError) as error:
        experiment(path)
    assert (
        message in str(error.value)
        and "analysis_file = " in str(error.value)
        and f"line {4 if first else 3}" in str(error.value)
    )
    assert not OWN


@pytest.mark.parametrize(("changes", "message"), [
    ({"analyses": ["actiwe"]}, r"unknown analysis 'actiwe' \(did you mean 'active'\?\)"),
    ({"analysis": {"active": {"leest": 1}}}, r"unknown setting 'analysis\.active\.leest' \(did you mean 'least'"),
    ({"analysis": {"active": {"least": "x"}}}, r"analysis\.active\.least = 'x'"),
    ({"analysis": {"active": 3}}, r"analysis\.active = 3: it must be a mapping of settings: n_trials, least"),
    ({"analysis": {"actiwe": {}}}, r"unknown setting 'analysis\.actiwe' \(did you mean 'active'"),
    ({"grid": {"analysis.active.leest": [1, 2]}}, r"unknown axis 'analysis\.active\.leest'"),
    ({"analysis_file": "/none/mine.py"}, r"analysis_file = '/none/mine.py': there is no such file"),
], ids=str)  # fmt: skip
def test_bad_settings_are_named(file, changes, message):
    with pytest.raises(SettingsError, match=message):
        experiment(file, **changes)


def test_a_file_that_registers_nothing_says_what_it_must_do(tmp_path):
    (tmp_path / "mine.py").write_text("x = 1\n")
    with pytest.raises(SettingsError, match=r"it registers no analysis: it must call ratecore.register_analysis"):
        experiment(tmp_path / "mine.py", analyses=[], analysis={})


def test_results_open_without_the_file(file):
    e = experiment(file, grid={"analysis.active.least": [0.1], "seed": [0]})
    done(e, "train", "evaluate", "export", "analyse")
    keep_configuration(e.root, e.given())
    file.unlink()
    OWN.clear()
    files._loaded.clear()
    table.row_of.cache_clear()
    opened = open_experiment(e.root)
    assert opened.settings.analyses == ("spectrum",) and opened.settings.analysis_file is None
