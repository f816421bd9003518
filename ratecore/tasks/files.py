"""A user's task file, loaded as a module, and the hash of the code that a task consists of."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import re
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from ratecore.settings.base import Lines, SettingsError, shown
from ratecore.settings.reading import expanded
from ratecore.tasks.base import TaskFactory
from ratecore.tasks.randomness import isolated, same_folder
from ratecore.tasks.tracebacks import user_frames


@dataclass(frozen=True)
class TaskFile:
    """A task file that was loaded: the name of its module, the SHA-256 of its text and when that was last changed."""

    module: str
    sha256: str
    changed: int


_loaded: dict[Path, TaskFile] = {}
_code: dict[str, str] = {}  # module: SHA-256 of the code that was loaded, with that of the files beside it
_resolved: dict[tuple[str, str], Path] = {}  # (working directory, path as given): path


def load_task_file(path) -> None:
    """Loads a user's Python file as a module, once in a process, so that it registers its task.

    The folder of the file can be imported from. Random numbers that the file draws from `random`, `np.random` or torch
    while it is loaded are the same in every process.

    Raises:
        SettingsError: the file is not there or cannot be loaded; with the user's part of the traceback, and the
            original exception as its cause.
    """
    path = _resolve(path)
    known = _loaded.get(path)
    if known is not None:
        _warn_if_changed(path, known)
        return
    if not path.is_file():
        raise SettingsError(f"task_file = {shown(str(path))}: there is no such file")
    try:
        changed, code = path.stat().st_mtime_ns, path.read_bytes()
    except OSError as error:
        raise SettingsError(f"task_file = {shown(str(path))}: it cannot be read: {error}") from error
    module = _module_of(path)
    if module is None:
        module = _module_name(path)
        _execute(path, module, code)
    _loaded[path] = TaskFile(module, hashlib.sha256(code).hexdigest(), changed)
    _code[module] = _hash(path, code, sources := _sources_beside(path, code))
    for name, file in sources.items():
        inner = file.read_bytes()
        _code.setdefault(name, _hash(file, inner, _sources_beside(file, inner, path.parent)))


def registered_by(path) -> list[str]:
    """Names of the tasks that a loaded file registered, itself or by a file beside it."""
    folder = _resolve(path).parent
    found = {name: sys.modules.get(task.__module__) for name, task in TaskFactory._tasks.items()}
    return sorted(name for name, module in found.items() if module is not None and _is_beside(module, folder))


def task_code(task_class: type) -> str | None:
    """SHA-256 of the user's code that a task comes from, as it was when it was loaded.

    The code is the task file's and that of the files beside it that it imports. None for a task of the package, and for
    one that comes from no task file.
    """
    return _code.get(task_class.__module__)


def _resolve(path) -> Path:
    try:
        given = os.getcwd(), str(path)
        if given not in _resolved:  # a grid asks for it at every point
            resolved = Path(expanded(str(path))).resolve()
            resolved.is_file()
            _resolved[given] = resolved
        return _resolved[given]
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL in it, links in a circle
        raise SettingsError(f"task_file = {shown(str(path))}: it is no path: {error}") from error


def _warn_if_changed(path: Path, known: TaskFile) -> None:
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return  # what was loaded still works
    if changed == known.changed:
        return
    _loaded[path] = replace(known, changed=changed)  # to be told once
    if hashlib.sha256(path.read_bytes()).hexdigest() != known.sha256:
        warnings.warn(
            f"task_file = {str(path)!r} was changed after it was loaded; the code loaded earlier is still in use. "
            "Restart Python to use the new code",
            stacklevel=4,
        )


def _module_of(path: Path) -> str | None:
    """The module that the user imported this file as, or runs it as."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and os.path.basename(file) == path.name and Path(file).resolve() == path:
            return name
    return None


def _module_name(path: Path) -> str:
    # The same in every process, so that what is pickled in one can be read in another.
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return f"ratecore_task_file_{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}_{digest}"


def _execute(path: Path, name: str, code: bytes) -> None:
    try:
        compiled = compile(code, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:  # ValueError: a NUL in it
        raise _loading_error(path, error) from error
    before, registered = set(sys.modules), dict(TaskFactory._tasks)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # at the end: a file named as a module of Python's does not replace it
    importlib.invalidate_caches()
    _check_names_beside(path, code)
    loader = importlib.machinery.SourceFileLoader(name, str(path))  # whatever the file's suffix is
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    if path.stem.isidentifier() and _origin(path.stem) == path:
        sys.modules.setdefault(path.stem, module)  # for a file beside it that imports it by its own name
    try:
        with isolated(0), same_folder():
            exec(compiled, module.__dict__)
    except (Exception, SystemExit) as error:
        # As before, so that the file can be loaded once it is mended.
        for new in set(sys.modules) - before:
            if _is_beside(sys.modules[new], path.parent):
                del sys.modules[new]
        TaskFactory._tasks.clear()
        TaskFactory._tasks.update(registered)
        raise _loading_error(path, error) from error


def _loading_error(path: Path, error: BaseException) -> SettingsError:
    start = f"task_file = {str(path)!r}: "
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line = (error.text or "").strip()
        return SettingsError(f"{start}line {error.lineno}: {type(error).__name__}: {error.msg}: {line}")
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, SystemExit):
        said = f"it ends the program while it is loaded, by SystemExit({error.code!r}); a task file must not"
    return SettingsError(Lines(start + said + user_frames(error)))


def _is_beside(module, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).resolve().is_relative_to(folder)


def _origin(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(spec.origin).resolve() if spec is not None and spec.origin and spec.has_location else None


def _imported(code: bytes) -> list[str]:
    """Dotted names that a module imports, wherever in it; relative ones with their dots in front."""
    names = []
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return names  # of a file beside it that nothing has run yet
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names += [base, *(f"{base}.{alias.name}" if node.module else f"{base}{alias.name}" for alias in node.names)]
    return names


def _file_of(name: str, folder: Path) -> Path | None:
    """The file of a module or package in a folder."""
    place = folder.joinpath(*name.split("."))
    found = (file for file in (place / "__init__.py", place.with_name(f"{place.name}.py")) if file.is_file())
    return next(found, None)


def _ours(name: str) -> bool:
    """Whether a file beside a task file is left alone: Python's own modules and ratecore come first."""
    return name in sys.stdlib_module_names or name == "ratecore"


def _check_names_beside(path: Path, code: bytes) -> None:
    """Raises SettingsError where a name that is imported would not be the file beside the task file."""
    for name in sorted({full.partition(".")[0] for full in _imported(code)} - {""}):
        file = None if _ours(name) else _file_of(name, path.parent)
        other = _origin(name) if file else None
        if other is not None and other != file.resolve():
            raise SettingsError(
                f"it imports '{name}', which is {str(other)!r} in this process and not {file.name!r} beside it; one "
                "of the two must have another name"
            )


def _sources_beside(path: Path, code: bytes, top: Path | None = None) -> dict[str, Path]:
    """Module: file of what a file imports from its own folder, and of what those import, in the order of the names."""
    top, found = top or path.parent, {}
    waiting = [(path, code)]
    while waiting:
        file, text = waiting.pop()
        for name in _imported(text):
            dots = len(name) - len(name.lstrip("."))
            if dots:
                folder = file.parents[dots - 1]
                if not folder.is_relative_to(top):
                    continue
                name = ".".join([*folder.relative_to(top).parts, name.lstrip(".")]).strip(".")
            if not name or _ours(name.partition(".")[0]):
                continue
            parts = name.split(".")
            for k in range(1, len(parts) + 1):  # a package, then the module in it
                inner, module = _file_of(".".join(parts[:k]), top), ".".join(parts[:k])
                if inner is not None and inner != path and module not in found:
                    found[module] = inner
                    waiting.append((inner, inner.read_bytes()))
    return dict(sorted(found.items()))


def _hash(path: Path, code: bytes, sources: dict[str, Path]) -> str:
    own = hashlib.sha256(code).hexdigest()
    if not sources:
        return own
    parts = [own, *(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for name, file in sources.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
