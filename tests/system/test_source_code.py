"""Hashes of source code: what changes them, what doesn't, and which modules they are of."""

import ast
import os
import sys
from pathlib import Path

import pytest

from ratecore.system.source_code import code_hash_of, modules_behind, normal_form, read_module

SOURCE = '''"""About the module."""
import numpy as np
from pydantic import Field


class Settings:
    """About the class."""

    gain: float = Field(1.5, gt=0, description="how strong")

    def scaled(self, x, *, by: int = 2, **others):
        """About the function."""
        return self.gain * x[1:] @ np.ones(by)  # a comment


async def f(x=None, y=...):
    while (n := len(x)) and not x[0] is None:
        x, *y = (a if a > 1e-3 else -a for a in {**{1: "a"}, "b": b"c"})
        yield f"{x!r:>{n}} and" " more", 1j, True
    return lambda z: z**0.5
'''
# The same in every version of Python, or each new one would have all scores made again.
DIGEST = "5c0d7d151c91616c"
SAME = {
    "docstrings": [("About the", "On the")],
    "no docstring": [('        """About the function."""\n', "")],
    "comment": [("# a comment", "# another comment")],
    "description": [('description="how strong"', 'description="strength"')],
    "layout": [("x[1:] @", "(x[1:])\\\n            @"), ("\n\n\n", "\n\n")],
    "types of arguments": [
        ("by: int = 2", "by=2"),
        ("self, x,", "self, x: np.ndarray,"),
        ("others):", "others) -> float:"),
    ],
    "imports for type checkers": [("\n\nclass Settings", "\nif TYPE_CHECKING:\n    from x import y\n\nclass Settings")],
    "quotes": [('"b": b"c"', "'b': b'c'")],
}
OTHER = {
    "a number": [("1.5", "1.6")],
    "an integer": [("by: int = 2", "by: int = 3")],
    "its type": [("1.5", "1"), ("x[1:]", "x[1.0:]")],
    "True for 1": [("True", "1")],
    "a text": [('"a"', '"A"')],
    "a keyword": [("gt=0", "ge=0")],
    "None for ...": [("y=...", "y=None")],
    "an operator": [("z**0.5", "z*0.5")],
    "the order": [("self.gain * x[1:]", "x[1:] * self.gain")],
    "the type of an attribute": [("gain: float", "gain: int")],
    "a name": [("np.ones", "np.zeros")],
    "a description elsewhere": [("Field(1.5, gt=0, description", "field(1.5, gt=0, description")],
}


def changed(replacements) -> str:
    source = SOURCE
    for before, after in replacements:
        assert before in source
        source = source.replace(before, after)
    return source


def form(source: str) -> str:
    return normal_form(ast.parse(source))


@pytest.mark.parametrize("change", SAME)
def test_what_computes_nothing_changes_nothing(change):
    assert form(changed(SAME[change])) == form(SOURCE)


@pytest.mark.parametrize("change", OTHER)
def test_what_computes_something_counts(change):
    assert form(changed(OTHER[change])) != form(SOURCE)


def package_of(folder: Path, files: dict[str, str]) -> Path:
    package = folder / "example"
    for name, text in {"__init__.py": "", **files}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    return package


def test_the_hash_is_that_of_every_version_of_python(tmp_path):
    package = package_of(tmp_path, {"module.py": SOURCE})
    assert code_hash_of(package, ["example.module"]) == DIGEST, sys.version


FILES = {
    "top.py": "import example.a\nfrom example.b import value\nfrom example import c\n",
    "a.py": "def late():\n    from . import d\n    return d\n",
    "b/__init__.py": "from .inner import value\n",
    "b/inner.py": "value = 1\n",
    "b/other.py": "from importlib import import_module\nimport_module('example.unused')\n",
    "c.py": "import os, numpy.linalg\nfrom .b import other as another\n",
    "d.py": "from ..example.words import say\n",
    "words.py": "from example import e\n",
    "e.py": "",
    "unused.py": "",
    "alone.py": "",
}


@pytest.mark.parametrize(
    ("roots", "without", "found"),
    [
        (["top"], [], "top a b b.inner b.other c d words e unused"),
        (["top"], ["words"], "top a b b.inner b.other c d unused"),
        (["top"], ["b"], "top a c d words e"),
        (["top"], ["b", "c", "d"], "top a"),
        (["b"], [], "b b.inner b.other unused"),
        (["b.inner"], [], "b.inner"),
        (["alone", "e"], [], "alone e"),
    ],
)
def test_modules_behind_others(tmp_path, roots, without, found):
    package = package_of(tmp_path, FILES)
    modules = modules_behind(package, [f"example.{root}" for root in roots], [f"example.{name}" for name in without])
    assert {name.removeprefix("example.") for name in modules} == set(found.split())
    assert all(path.is_file() for path in modules.values())


def test_modules_that_are_not_there_are_named(tmp_path):
    package = package_of(tmp_path, FILES)
    with pytest.raises(ModuleNotFoundError, match=r"example has no module 'example.tops'"):
        code_hash_of(package, ["example.tops"])
    with pytest.raises(ModuleNotFoundError, match=r"example has no module 'example.word'"):
        code_hash_of(package, ["example.top"], ["example.word"])


def test_the_hash_is_of_names_and_contents_wherever_the_package_is(tmp_path):
    first, second, renamed = (package_of(tmp_path / name, FILES) for name in "abc")
    (renamed / "alone.py").rename(renamed / "single.py")
    assert code_hash_of(first, ["example"]) == code_hash_of(second, ["example"])
    assert code_hash_of(first, ["example"]) != code_hash_of(renamed, ["example"])


def test_names_from_importing_in_functions_and_classes(tmp_path):
    source = "class A:\n    def f(self):\n        if self:\n            import example.a as b\n        return b\n"
    package = package_of(tmp_path, {"module.py": source})
    assert read_module(package / "module.py", "example.module").imports == {"example.a"}


def read_again(path, monkeypatch=None):
    """As another process reads a module; with `monkeypatch`, one that cannot parse."""
    if monkeypatch is None:
        return read_module.__wrapped__(path, "example.module")
    with monkeypatch.context() as changed:
        changed.setattr(ast, "parse", lambda *a: pytest.fail("it was parsed again"))
        return read_module.__wrapped__(path, "example.module")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module, and the file in which what was read of it is kept."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    path = package_of(tmp_path, {"module.py": "import a.b\nx = 1\n"}) / "module.py"
    return path, path.parent / "__pycache__" / f"module.{sys.implementation.cache_tag}.form"


def test_a_source_file_is_parsed_once_and_again_when_it_changes(module, monkeypatch):
    path, kept = module
    first = read_again(path)
    assert kept.is_file() and first.imports == {"a.b"}
    assert read_again(path, monkeypatch) == first
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_text("import a.c\nx = 2\n")  # of the same length and time
    os.utime(path, ns=times)
    second = read_again(path)
    assert second.imports == {"a.c"} and second.digest != first.digest
    assert read_again(path, monkeypatch) == second
    assert {file.name for file in kept.parent.iterdir()} == {kept.name}


@pytest.mark.parametrize("contents", [b"", b"[", b"3", b"[1, 2]", b'["key", "00"]', b"\xff", b"{}"])
def test_what_is_kept_damaged_is_ignored(module, contents):
    path, kept = module
    first = read_again(path)
    whole = kept.read_bytes()
    kept.write_bytes(contents)
    assert read_again(path) == first and kept.read_bytes() == whole


def test_nothing_is_kept_where_python_keeps_nothing(module, monkeypatch):
    path, kept = module
    with monkeypatch.context() as changed:
        changed.setattr(sys, "dont_write_bytecode", True)
        first = read_again(path)
    assert not kept.parent.exists()
    kept.parent.write_text("in the way")
    assert read_again(path) == first
    kept.parent.unlink()
    monkeypatch.setattr(sys, "pycache_prefix", str(path.parent / "elsewhere"))
    assert read_again(path) == first and not kept.parent.exists()
    assert len(list((path.parent / "elsewhere").rglob("module.*.form"))) == 1
