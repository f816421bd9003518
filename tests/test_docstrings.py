"""The check of docstrings finds what it is there to find."""

import ast
import shutil
import subprocess
import sys

import docstrings
import pytest

COMPLETE = '''
def decay_times(theta: Float[np.ndarray, "N 1"], low: float, *more: int) -> Float[np.ndarray, "N 1"]:
    """Synaptic decay times.

    Args:
        theta: (N, 1),
            unitless.
        low: shortest decay time, steps.
        *more: anything.

    Returns:
        (N, 1), steps.

    Raises:
        ValueError: `low` is negative.

    Source:
        docs/model.md 1.4, equation 5.
    """
    if low < 0:
        raise ValueError("low")
    return theta
'''


def problems(code: str) -> list[str]:
    (function,) = ast.parse(code).body
    check = docstrings.check_class if isinstance(function, ast.ClassDef) else docstrings.check_function
    return list(check(function, False) if check is docstrings.check_function else check(function))


def test_a_complete_docstring_passes():
    assert problems(COMPLETE) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("        low: shortest decay time, steps.\n", "", "Args: low missing"),
        ("low: shortest", "high: shortest", "Args: high unknown"),
        ("        *more: anything.\n", "        *more: anything.\n        extra: no.\n", "Args: extra unknown"),
        ("theta: (N, 1),", "theta: values,", "theta has no shape"),
        ("            unitless.\n", "            plain.\n", "theta has no unit"),
        ("(N, 1), steps.", "steps.", "Returns has no shape"),
        ("(N, 1), steps.", "(N, 1).", "Returns has no unit"),
        ("    Returns:\n        (N, 1), steps.\n\n", "", "Returns is not described"),
        ("        ValueError: `low`", "        KeyError: `low`", "Raises: ValueError missing"),
        ("    Raises:\n        ValueError: `low` is negative.\n\n", "", "Raises: ValueError missing"),
        ("docs/model.md 1.4, equation 5.", "equation 5.", "Source names no section"),
        ("    Source:\n        docs/model.md 1.4, equation 5.\n", "", "Source missing"),
        (' -> Float[np.ndarray, "N 1"]:', ":", "no return annotation"),
        ("Synaptic decay times.", "", "no summary"),
        ("    Args:\n        theta", "    Source: none\n\n    Args:\n        theta", "sections in the order"),
    ],
)
def test_what_is_missing_is_found(old, new, expected):
    assert old in COMPLETE
    assert any(expected in problem for problem in problems(COMPLETE.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('class Point(NamedTuple):\n    """A point."""\n\n    x: float\n', ["Attributes: x missing"]),
        ('class Point(NamedTuple):\n    """A point.\n\n    Attributes:\n        x: ms.\n    """\n    x: float\n', []),
        ('class Point:\n    """A point."""\n    def __init__(self, x): ...\n', ["Args: x missing"]),
        ('class Point:\n    """A point."""\n    def size(self): ...\n', []),
        ("class Point:\n    x = 1\n", ["no docstring"]),
        ('def f() -> None:\n    """Work."""\n    try:\n        pass\n    except OSError as e:\n        raise e\n', []),
        ('def f() -> None:\n    """Work."""\n    raise trouble("x")\n', ["Raises: section missing"]),
        ('def f() -> None:\n    """Work."""\n    def g():\n        raise ValueError\n', []),
        ('@property\ndef T(self) -> int:\n    """Length."""\n', []),
        ('@property\ndef dt(self) -> float:\n    """Length."""\n', ["the property has no unit"]),
    ],
)
def test_classes_properties_and_raising(code, expected):
    assert problems(code) == expected


def test_a_method_inherits_its_docstring_from_a_class_of_another_module(tmp_path):
    (tmp_path / "base.py").write_text('class Base:\n    """B."""\n\n    def run(self) -> None:\n        """Run."""\n')
    (tmp_path / "more.py").write_text(
        'class More(Base):\n    """M."""\n    def run(self): ...\n    def own(self): ...\n'
    )
    found = docstrings.Package(tmp_path).check_folder("more")
    assert {each.name: each.problems for each in found} == {"More": [], "More.own": ["no docstring"]}


def test_the_program_fails_for_a_folder_with_a_line_for_each_problem(tmp_path):
    program = tmp_path / "tests" / "docstrings.py"
    program.parent.mkdir()
    (tmp_path / "ratecore").mkdir()
    shutil.copy(docstrings.__file__, program)
    (tmp_path / "ratecore" / "noise.py").write_text("def draw() -> None: ...\n")
    result = subprocess.run([sys.executable, program, "noise"], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "ratecore/noise.py:1: draw: no docstring" in result.stdout
    assert "0 of    1 docstrings complete" in result.stdout


def test_the_finished_folders_are_complete():
    package = docstrings.Package()
    assert [docstrings.report(package.check_folder(folder)) for folder in docstrings.FINISHED] == [
        "" for _ in docstrings.FINISHED
    ]
