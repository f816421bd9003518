"""A user's task file: loaded once as a module, errors with file, line and traceback, its code in the identity."""

import hashlib
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from ratecore.experiment.grid import Experiment
from ratecore.settings.base import SettingsError
from ratecore.settings.run import RunSettings
from ratecore.tasks import TaskFactory
from ratecore.tasks.files import load_task_file, task_code

TASK = """
import numpy as np
from ratecore.tasks import AbstractTask, TaskFactory


class Mine(AbstractTask):
    name = "mine"
    n_inputs = 1
    defaults = {"T": 40, "stim_on": 5, "stim_dur": 5}
    trial_types = ("up", "down")

    def draw_trial(self, trial_type, rng):
        return np.full((1, self.T), SIZE if trial_type == "up" else -SIZE), trial_type

    def generate_target(self, label):
        return np.ones(self.T) if label == "up" else -np.ones(self.T)

    def is_correct(self, o, label):
        return bool(o[-1] > 0) == (label == "up")


TaskFactory.register_task("mine", Mine)
"""


def written(folder: Path, text: str, name="mine.py") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(textwrap.dedent(text))
    return str(folder / name)


def run(path) -> RunSettings:
    return RunSettings(task="mine", task_file=path)


@pytest.mark.parametrize(
    "text",
    [
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Size:\n    value: float\n"
        "SIZE = Size(1.0).value",
        "from typing import NamedTuple\nclass Size(NamedTuple):\n    value: float\nSIZE = Size(1.0).value",
        "import enum\nclass Size(enum.Enum):\n    ONE = 1\nSIZE = Size.ONE.value",
        "from beside import SIZE",
        "import package.inner\nSIZE = package.inner.SIZE",
        "from package import inner\nSIZE = inner.SIZE",
        "import json\nfrom pathlib import Path\n"
        "SIZE = json.loads(Path(__file__).with_name('size.json').read_text())[0]",
        "SIZE = 1\nif __name__ == '__main__':\n    raise SystemExit",
        "import random\nSIZE = 1 + 0 * random.random()",
    ],
    ids=["dataclass", "named tuple", "enum", "beside", "package", "from package", "file", "main", "random.py"],
)
def test_a_task_file_is_a_module_whose_folder_can_be_imported_from(tmp_path, text):
    written(tmp_path, "SIZE = 1", "beside.py")
    written(tmp_path, "raise RuntimeError('this is no module of Python')", "random.py")
    written(tmp_path / "package", "", "__init__.py")
    written(tmp_path / "package", "from . import deep\nSIZE = deep.SIZE", "inner.py")
    written(tmp_path / "package", "SIZE = 1", "deep.py")
    written(tmp_path, "[1]", "size.json")
    path = written(tmp_path, text + "\n" + TASK)
    task = run(path).create_task()
    module = sys.modules[type(task).__module__]
    assert module.__file__ == path and module.SIZE == 1
    assert type(pickle.loads(pickle.dumps(task))) is type(task)
    assert sys.modules["random"] is random


def test_the_code_of_a_task_is_its_file_and_what_it_imports_beside_it(tmp_path):
    alone = run(written(tmp_path / "a", "SIZE = 1\n" + TASK))
    text = (tmp_path / "a" / "mine.py").read_bytes()
    assert task_code(type(alone.create_task())) == hashlib.sha256(text).hexdigest()  # as it always was
    codes = {alone.identity()}
    imports = "from deeper import SIZE"
    for folder, beside, deeper in (
        ("b", imports, "SIZE = 1"),
        ("c", f"{imports}  #", "SIZE = 1"),
        ("d", imports, "SIZE = 1  #"),
    ):
        for name in ("beside", "deeper"):
            sys.modules.pop(name, None)
        TaskFactory._tasks.pop("mine")
        written(tmp_path / folder, beside, "beside.py")
        written(tmp_path / folder, deeper, "deeper.py")
        written(tmp_path / folder, "SIZE = 2", "unused.py")
        sys.path[:] = [place for place in sys.path if not place.startswith(str(tmp_path))]
        codes.add(run(written(tmp_path / folder, "from beside import SIZE\n" + TASK)).identity())
    assert len(codes) == 4


def test_a_task_that_is_defined_in_a_file_beside_has_a_code_too(tmp_path):
    written(tmp_path, "SIZE = 1\n" + TASK.replace('TaskFactory.register_task("mine", Mine)', ""), "beside.py")
    register = (
        "from beside import Mine\nfrom ratecore.tasks import TaskFactory\nTaskFactory.register_task('mine', Mine)\n"
    )
    task = run(written(tmp_path, register, "register.py")).create_task()
    assert task_code(type(task)) == hashlib.sha256((tmp_path / "beside.py").read_bytes()).hexdigest()


def test_two_files_of_one_name_and_a_file_beside_that_both_have(tmp_path):
    one = written(tmp_path / "a", "SIZE = 1\n" + TASK)
    two = written(tmp_path / "b", "SIZE = 2\n" + TASK.replace('"mine"', '"other"').replace("Mine", "Other"))
    assert run(one).create_task().draw_trial("up", None)[0].max() == 1
    other = RunSettings(task="other", task_file=two).create_task()
    assert other.draw_trial("up", None)[0].max() == 2
    # Python holds one module by a name: the second file would have the first one's numbers.
    written(tmp_path / "c", "SIZE = 3", "sizes.py")
    written(tmp_path / "d", "SIZE = 4", "sizes.py")
    load_task_file(written(tmp_path / "c", "import sizes"))
    with pytest.raises(SettingsError, match=r"it imports 'sizes', which is '.*c/sizes.py' in this process and not"):
        load_task_file(written(tmp_path / "d", "import sizes"))


def test_a_file_beside_may_import_the_task_file_by_its_name(tmp_path):
    written(tmp_path, "import mine\n\ndef size():\n    return mine.SIZE", "beside.py")
    task = run(written(tmp_path, "SIZE = 3\nimport beside\n" + TASK)).create_task()
    assert sys.modules["beside"].mine is sys.modules[type(task).__module__] and sys.modules["beside"].size() == 3


def test_a_module_that_was_imported_before_is_not_run_again(tmp_path, monkeypatch):
    path = written(tmp_path, "SIZE = 1\n" + TASK)
    monkeypatch.syspath_prepend(str(tmp_path))
    import mine

    task = run(path).create_task()
    assert type(task) is mine.Mine and task_code(mine.Mine) == hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_program_may_name_itself_as_the_task_file(tmp_path):
    path = written(
        tmp_path,
        "SIZE = 1\n"
        + TASK
        + (
            "if __name__ == '__main__':\n"
            "    from ratecore.settings.run import RunSettings\n"
            "    run = RunSettings(task='mine', task_file=__file__)\n"
            "    print(run.identity(), type(run.create_task()) is Mine)\n"
        ),
    )
    said = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True).stdout
    assert said.split() == [run(path).identity(), "True"]


def _of_child(send, settings):
    send.send(settings.create_task().simulate_trial("up", 0)[0].sum())


def test_a_process_that_is_forked_has_the_module(tmp_path):
    settings = run(written(tmp_path, "SIZE = 2\n" + TASK))
    fork = multiprocessing.get_context("fork")
    receive, send = fork.Pipe(duplex=False)
    process = fork.Process(target=_of_child, args=(send, settings))
    process.start()
    assert receive.recv() == 80
    process.join()


BROKEN = {
    "name": ("\n\nSIZE = size\n", ["NameError: name 'size' is not defined", "line 3, in <module>", "SIZE = size"]),
    "syntax": ("def f(:\n", ["line 1: SyntaxError: invalid syntax", "def f(:"]),
    "indentation": ("if True:\nx = 1\n", ["line 2: IndentationError"]),
    "nul": ("SIZE = 1\0", ["null bytes"]),
    "exit": ("import sys\nsys.exit(3)\n", ["it ends the program while it is loaded, by SystemExit(3)", "line 2"]),
    "function": ("def size():\n    return 1 / 0\n\nsize()\n", ["ZeroDivisionError", "line 4", "line 2, in size"]),
    "beside": ("import broken\n", ["ValueError: not this", "broken.py', line 1"]),
    "missing": ("import beside_nothing\n", ["ModuleNotFoundError: No module named 'beside_nothing'"]),
    "register": (
        "from ratecore.tasks import TaskFactory\nTaskFactory.register_task('mine', int)\n",
        ["TypeError: register_task: <class 'int'> is not a subclass", "line 2, in <module>"],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_error_names_the_line_and_the_file_can_be_loaded_once_it_is_mended(tmp_path, case):
    text, words = BROKEN[case]
    written(tmp_path, "raise ValueError('not this')", "broken.py")
    path = written(tmp_path, text)
    with pytest.raises(SettingsError) as error:
        run(path)
    for word in ["task_file = ", path, *words]:
        assert word in str(error.value), str(error.value)
    assert isinstance(error.value.__cause__, Exception | SystemExit)  # with the whole traceback
    assert not any(name.startswith("ratecore_task_file_mine") for name in sys.modules)
    with pytest.raises(SettingsError) as direct:
        load_task_file(path)
    assert isinstance(direct.value.__cause__, Exception | SystemExit)
    written(tmp_path, "SIZE = 1", "broken.py")
    written(tmp_path, "import broken\nSIZE = 1\n" + TASK)
    assert run(path).create_task().T == 40


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "if __name__ == '__main__':\n    TaskFactory.register_task('mine', Mine)",
            "registers no task: it must call TaskFactory.register_task('mine', <the class>)",
        ),
        ("", "registers no task"),
        ("TaskFactory.register_task('my-own', Mine)", "registers my-own; available: "),
    ],
    ids=["under main", "none", "another name"],
)
def test_a_file_that_registers_no_such_task_is_named(tmp_path, text, words):
    path = written(tmp_path, "SIZE = 1\n" + TASK.rpartition("TaskFactory")[0] + text)
    with pytest.raises(SettingsError, match="unknown task 'mine'; task_file ") as error:
        run(path)
    assert path in str(error.value) and words in str(error.value)
    assert "did you mean" not in str(error.value)


def test_a_file_that_changes_the_working_directory_does_not_change_it_for_others(tmp_path):
    text = "import os\nfrom pathlib import Path\n"
    text += "os.chdir(os.path.dirname(__file__))\nSIZE = float(Path('size').read_text())\n"
    written(tmp_path / "there", "1", "size")
    folder = os.getcwd()
    assert run(written(tmp_path / "there", text + TASK)).create_task().T == 40
    assert os.getcwd() == folder


def test_a_grid_runs_a_file_once_whether_it_is_right_or_not(tmp_path):
    count = f"with open({str(tmp_path / 'count')!r}, 'a') as file:\n    file.write('x')\n"
    grid = {"task_settings.stim_on": list(range(1, 21)), "N": [5, 6], "seed": [0]}
    config = {"experiment": "x", "task": "mine", "grid": grid}
    Experiment.from_config({**config, "task_file": written(tmp_path, count + "SIZE = 1\n" + TASK)})
    assert (tmp_path / "count").read_text() == "x"
    with pytest.raises(SettingsError, match="ZeroDivisionError"):
        Experiment.from_config({**config, "task_file": written(tmp_path, count + "1 / 0\n", "other.py")})
    assert (tmp_path / "count").read_text() == "xx"


def test_what_a_file_draws_while_it_is_loaded_is_the_same_in_every_process(tmp_path):
    path = written(tmp_path, "SIZE = np.random.rand() + random.random()\n" + TASK)
    Path(path).write_text("import random\nimport numpy as np\n" + Path(path).read_text())
    before = np.random.get_state()[1].copy()
    sizes = [run(path).create_task().draw_trial("up", None)[0].max()]
    assert (np.random.get_state()[1] == before).all()
    code = f"from ratecore.settings.run import RunSettings as R; r = R(task='mine', task_file={path!r})"
    code += "; print(repr(float(r.create_task().draw_trial('up', None)[0].max())))"
    sizes += [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) for _ in range(2)
    ]
    assert len(set(sizes)) == 1


@pytest.mark.parametrize("given", ["~/mine.py", "$PLACE/mine.py", "mine.py", "mine", "my task.v2.txt"])
def test_paths_of_people(tmp_path, monkeypatch, given):
    written(tmp_path, "SIZE = 1\n" + TASK, given.rpartition("/")[2])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PLACE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    load_task_file(given)
    assert TaskFactory.create_task("mine").T == 40
