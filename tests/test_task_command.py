"""`ratecore task`: the list of tasks, a figure of one with its settings, and the check of a task file."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from ratecore.cli import main
from ratecore.tasks import TaskFactory

FILE = '''
"""Tasks of this test."""
import numpy as np
from ratecore import AbstractTask, TaskFactory, Trial


class {name}(AbstractTask):
    """Hold a level. The rest is not shown in lists."""

    defaults = {{"T": 30, "level": 0.5, "signs": [1.0, -1], "side": "left", "flip": False}}
    descriptions = {{"level": "height of the input"}}
    choices = {{"side": ("left", "right")}}
    ranges = {{"level": (0, 1)}}
    trial_types = ("low", "high")

    def draw_trial(self, trial_type, rng):
        u = np.full((2, 30), self.settings["level"] * (1 if trial_type == "low" else 2))
        return Trial(u, {target}, response=slice(20, 30))

    def is_correct(self, o, trial):
        return bool(o[20:].mean() > 0)


TaskFactory.register_task("{key}", {name})
'''


@pytest.fixture(autouse=True)
def tasks(monkeypatch):
    monkeypatch.setattr(TaskFactory, "_tasks", dict(TaskFactory._tasks))


def written(folder: Path, *tasks) -> str:
    """A task file with a class for each (key, target)."""
    path = folder / "own.py"
    path.write_text(
        "".join(FILE.format(name=f"Own{k}", key=key, target=target) for k, (key, target) in enumerate(tasks))
    )
    return str(path)


def test_list_has_a_line_for_each_task(tmp_path, capsys):
    assert main(["task", "list", "--task-file", written(tmp_path, ("own-list", "np.ones(30)"))]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["task", "inputs", "outputs", "steps"]
    assert [line.split()[0] for line in lines] == TaskFactory.list_available_tasks()
    rows = {line.split()[0]: line.split(maxsplit=4)[1:] for line in lines}
    assert rows["pro-anti"][:3] == ["7", "2", "160"] and "saccade" in rows["pro-anti"][3]
    assert rows["own-list"] == ["2", "1", "30", "Hold a level. The rest is not shown in lists."]
    assert rows["mante"][3].startswith("Context-dependent sensory integration")


def test_show_prints_settings_and_draws_every_condition(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["task", "show", "delayed-match", "--set", "delay=40", "--seed", "3"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("delayed-match: Delayed match to sample: is the second stimulus the same as the first?")
    assert "Source: Miyashita & Chang 1988" in said and "2 inputs, 1 output, at most 230 steps of 5 ms" in said
    lines = said.splitlines()
    at = lines.index("  delay = 150, here 40")
    assert lines[at + 1].strip() == "steps of the delay, at least; a whole number from 0 to 10,000"
    for key, value in TaskFactory.task_class("delayed-match").defaults.items():
        assert any(line.startswith(f"  {key} = {value}") for line in lines), key
    assert "conditions: match; nonmatch" in lines
    assert lines[-1] == "delayed-match.png: a trial of each condition"
    assert [path.name for path in tmp_path.iterdir()] == ["delayed-match.png"]
    first = Path("delayed-match.png").read_bytes()
    assert np.ptp(imread("delayed-match.png")[..., :3]) > 0.9
    assert main(["task", "show", "delayed-match", "--set", "delay=40", "--seed", "3", "-o", "again.png"]) == 0
    assert Path("again.png").read_bytes() == first


@pytest.mark.parametrize("name", ["go-nogo", "xor"])
def test_show_takes_tasks_of_stimuli_and_labels(name, tmp_path, capsys):
    assert main(["task", "show", name, "-o", str(tmp_path / "x.png")]) == 0
    out = capsys.readouterr().out
    kinds = TaskFactory.task_class(name).trial_types
    assert f"conditions: {'; '.join(kinds)}" in out
    assert "  stim_on = 50\n      a whole number of steps from 0 to 1,000,000" in out


def test_show_takes_a_task_file_and_settings_of_every_type(tmp_path, capsys):
    path = written(tmp_path, ("own-show", "np.ones(30)"))
    sets = ["--set", "level=0.25", "--set", "side=right", "--set", "flip=true", "--set", "signs=[1, 1, -1]"]
    assert main(["task", "show", "own-show", "--task-file", path, *sets, "-o", str(tmp_path / "x.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    for head, what in {
        "level = 0.5, here 0.25": "height of the input; a number from 0 to 1",
        "signs = [1.0, -1], here [1, 1, -1]": "a list; each: a finite number",
        "side = left, here right": "one of left, right",
        "flip = false, here true": "true or false",
    }.items():
        assert lines[lines.index(f"  {head}") + 1].strip() == what


def test_show_leaves_out_what_does_not_fit_into_a_figure(tmp_path, capsys):
    path = str(tmp_path / "x.png")
    assert main(["task", "show", "pro-anti", "--set", "n_places=10", "-o", path]) == 0
    assert capsys.readouterr().out.endswith(f"{path}: a trial of each condition, 8 conditions left out\n")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["task"], "the following arguments are required: list|show|check (see ratecore task --help)"),
        (["task", "shows"], "invalid choice: 'shows'"),
        (
            ["task", "show", "mante", "--sed", "3"],
            "unknown argument '--sed' (did you mean '--seed'?); see `ratecore task",
        ),
        (["task", "show", "mnate"], "unknown task 'mnate' (did you mean 'mante'?); available: "),
        (
            ["task", "show", "sternberg", "--set", "loads=2"],
            "unknown setting 'loads' (did you mean 'load'?)",
        ),
        (["task", "show", "sternberg", "--set", "load=0"], "load = 0; it must be a whole number from 1 to 99"),
        (["task", "show", "mante", "--seed", "-1"], "--seed -1: it must be a whole number, at least 0"),
        (["task", "show", "mante", "-o", "x.pdf"], "--out x.pdf: it must end in .png"),
        (["task", "show", "mante", "-o", f"{__file__}/x.png"], "this is a file, not a folder to write in"),
        (["task", "check", "nothing.py"], "nothing.py': there is no such file"),
    ],
)
def test_what_cannot_be_used_is_one_line(argv, says, capsys):
    try:
        status = main(argv)
    except SystemExit as end:
        status = end.code
    out, err = capsys.readouterr()
    assert status == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert says in err


def test_check_finds_the_faulty_task(tmp_path, capsys):
    path = written(tmp_path, ("own-good", "np.ones(30)"), ("own-short", "np.ones(29)"), ("own-nan", "u[0] / 0 * 0"))
    with np.errstate(all="ignore"):
        assert main(["task", "check", path]) == 2
    out, err = capsys.readouterr()
    assert out == "own-good: no fault found; 2 inputs, 1 output, at most 30 steps, 2 conditions\n"
    errors = sorted(re.findall("error: (.*)", err))
    assert len(errors) == 2
    assert errors[0].startswith("task 'own-nan': draw_trial('low') returned nan at step 0")
    assert errors[1].startswith("task 'own-short': draw_trial('low') returned an array of shape (29,)")
    assert main(["task", "check", path, "own-good"]) == 0
    assert main(["task", "check", path, "own-good", "--set", "level=2"]) == 2
    assert "own-good: level = 2; it must be a number from 0 to 1" in capsys.readouterr().err
    assert main(["task", "check", path, "other"]) == 2
    assert "registers no task 'other'; it registers own-good, own-nan, own-short" in capsys.readouterr().err


def test_check_says_what_a_task_lacks(tmp_path, capsys):
    path = tmp_path / "own.py"
    path.write_text(FILE.format(name="Own", key="own-open", target="np.ones(30)").replace("is_correct", "is_right"))
    assert main(["task", "check", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("own-open: no fault found") and "note: task 'own-open' has no is_correct" in err
    path = tmp_path / "there" / "none.py"
    path.parent.mkdir()
    path.write_text("SIZE = 3\n")
    assert main(["task", "check", str(path)]) == 2
    assert "it registers no task" in capsys.readouterr().err
    path = tmp_path / "broken.py"
    path.write_text("SIZE = \n")
    assert main(["task", "check", str(path)]) == 2
    assert "line 1: SyntaxError" in capsys.readouterr().err
