"""Loads a user's file of a task or of analyses as a module, and hashes the code that it consists of."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.machinery
import importlib.util
import json
import os
import re
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from ratecore.settings.base import Lines, SettingsError, shown
from ratecore.settings.own_analyses import OWN
from ratecore.settings.reading import expanded
from ratecore.system.files import AnyPath
from ratecore.tasks.base import AbstractTask
from ratecore.tasks.randomness import isolated, same_folder
from ratecore.tasks.registry import TaskFactory
from ratecore.tasks.tracebacks import user_frames


@dataclass(frozen=True)
class TaskFile:
    """A task file that was loaded.

    Attributes:
        module: name of its module.
        sha256: SHA-256 of its text.
        changed: time of its last change, as in `os.stat_result.st_mtime_ns`.
    """

    module: str
    sha256: str
    changed: int


_loaded: dict[Path, TaskFile] = {}
_code: dict[str, str] = {}  # module: SHA-256 of the code that was loaded, including the files that it imports
_resolved: dict[tuple[str, str], Path] = {}  # (working directory, path as given): path


def load_task_file(path: AnyPath) -> None:
    """Load a user's Python file as a module, once in a process, so that it registers its task.

    The file can import from its own folder. Random numbers that it draws from `random`, `np.random` or torch while it
    is loaded are the same in every process.

    Args:
        path: the file; `~` and variables are expanded.

    Raises:
        SettingsError: the file does not exist or cannot be loaded; with the user's part of the traceback, and the
            original exception as its cause.
    """
    _load(path, "task_file")


def load_analysis_file(path: AnyPath) -> None:
    """Load a user's Python file as `load_task_file` does, so that it registers its analyses.

    Args:
        path: the file; `~` and variables are expanded.

    Raises:
        SettingsError: the file does not exist, cannot be loaded or registers no analysis.
    """
    before = dict(OWN)
    file = _load(path, "analysis_file")
    for own in OWN.values():
        module = getattr(own.analyse, "__module__", "")
        if own is not before.get(own.name) or not own.code:
            own.file, own.code = str(file), _code.get(module) or _code[_loaded[file].module]
    if not any(own.file == str(file) for own in OWN.values()):
        line = "ratecore.register_analysis(<name>, <function>, numbers={...})"
        message = f"it registers no analysis: it must call {line} when it is imported"
        raise SettingsError(f"analysis_file = {shown(str(path))}: {message}")


def _load(path: AnyPath, key: str) -> Path:
    """Load a file once in a process; `key` is the setting that names it."""
    given, path = path, _resolve(path, key)
    known = _loaded.get(path)
    if known is not None:
        _warn_if_changed(path, known, key)
        return path
    if not path.is_file():
        raise SettingsError(f"{key} = {shown(str(given))}: there is no such file")
    try:
        changed, code = path.stat().st_mtime_ns, path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{key} = {shown(str(path))}: it cannot be read: {error}") from error
    module = _module_of(path)
    if module is None:
        module = _module_name(path, key)
        _execute(path, module, code, key)
    _loaded[path] = TaskFile(module, hashlib.sha256(code).hexdigest(), changed)
    _code[module] = _hash(path, code, sources := _sources_beside(path, code))
    for name, file in sources.items():
        inner = file.read_bytes()
        _code.setdefault(name, _hash(file, inner, _sources_beside(file, inner, path.parent)))
    return path


def registered_by(path: AnyPath) -> list[str]:
    """The tasks that a loaded file registered, itself or through a file in its folder.

    Args:
        path: the file, as it was loaded.

    Returns:
        Sorted names.
    """
    folder = _resolve(path, "task_file").parent
    modules = {name: sys.modules.get(task.__module__) for name, task in TaskFactory._tasks.items()}
    return sorted(name for name, module in modules.items() if module is not None and _is_beside(module, folder))


def task_code(task_class: type[AbstractTask]) -> str | None:
    """Hash of the user's code that a task comes from, as it was when it was loaded.

    Args:
        task_class: class of the task.

    Returns:
        SHA-256 of the task file and the files in its folder that it imports, the version of neurogym for its
        environments, and both by name for several tasks in one network; None for a task of the package.
    """
    if parts := getattr(task_class, "part_classes", None):
        code = {name: own for name, part in parts.items() if (own := task_code(part))}
        return json.dumps(code, sort_keys=True) if code else None
    return _code.get(task_class.__module__) or getattr(task_class, "version", None)


def _resolve(path: AnyPath, key: str) -> Path:
    try:
        given = os.getcwd(), str(path)
        if given not in _resolved:  # a grid asks for it at every point
            resolved = Path(expanded(str(path))).resolve()
            resolved.is_file()
            _resolved[given] = resolved
        return _resolved[given]
    except (OSError, ValueError, RuntimeError) as error:  # too long, contains NUL, circular links
        raise SettingsError(f"{key} = {shown(str(path))}: it is no path: {error}") from error


def _warn_if_changed(path: Path, known: TaskFile, key: str) -> None:
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return  # what was loaded still works
    if changed == known.changed:
        return
    _loaded[path] = replace(known, changed=changed)  # so that the warning comes once
    if hashlib.sha256(path.read_bytes()).hexdigest() != known.sha256:
        warnings.warn(
            f"{key} = {str(path)!r} was changed after it was loaded; the code loaded earlier is still in use. "
            "Restart Python to use the new code",
            stacklevel=5,
        )


def _module_of(path: Path) -> str | None:
    """The name of the module under which the user imported or runs this file."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and os.path.basename(file) == path.name and Path(file).resolve() == path:
            return name
    return None


def _module_name(path: Path, key: str) -> str:
    # The same in every process, so that objects pickled in one can be read in another.
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return f"ratecore_{key}_{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}_{digest}"


def _execute(path: Path, name: str, code: bytes, key: str) -> None:
    try:
        compiled = compile(code, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:  # ValueError: it contains NUL
        raise _loading_error(path, error, key) from error
    before, registered, analyses = set(sys.modules), dict(TaskFactory._tasks), dict(OWN)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # at the end, so that no file there replaces a module of Python
    importlib.invalidate_caches()
    _check_names_beside(path, code)
    loader = importlib.machinery.SourceFileLoader(name, str(path))  # whatever the file's suffix is
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None, "a loader is given"
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    if path.stem.isidentifier() and _origin(path.stem) == path:
        sys.modules.setdefault(path.stem, module)  # for files in its folder that import it by its own name
    try:
        with isolated(0), same_folder():
            exec(compiled, module.__dict__)
    except (Exception, SystemExit) as error:
        # Undo everything, so that the file can be loaded once it is corrected.
        for new in set(sys.modules) - before:
            if _is_beside(sys.modules[new], path.parent):
                del sys.modules[new]
        TaskFactory._tasks.clear()
        TaskFactory._tasks.update(registered)
        OWN.clear()
        OWN.update(analyses)
        raise _loading_error(path, error, key) from error


def _loading_error(path: Path, error: BaseException, key: str) -> SettingsError:
    start = f"{key} = {str(path)!r}: "
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line = (error.text or "").strip()
        return SettingsError(f"{start}line {error.lineno}: {type(error).__name__}: {error.msg}: {line}")
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, SystemExit):
        message = f"it ends the program while it is loaded, by SystemExit({error.code!r}); {key} must not"
    return SettingsError(Lines(start + message + user_frames(error)))


def _is_beside(module: ModuleType, folder: Path) -> bool:
    """Whether a module's file is in a folder or below it."""
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).resolve().is_relative_to(folder)


def _origin(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(spec.origin).resolve() if spec is not None and spec.origin and spec.has_location else None


def _imported(code: bytes) -> list[str]:
    """Dotted names that a module imports, also inside functions; relative ones with leading dots."""
    names: list[str] = []
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return names  # a file that is imported, but not yet executed
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names += [base, *(f"{base}.{alias.name}" if node.module else f"{base}{alias.name}" for alias in node.names)]
    return names


def _file_of(name: str, folder: Path) -> Path | None:
    """The file of a module or package in a folder."""
    base = folder.joinpath(*name.split("."))
    files = (base / "__init__.py", base.with_name(f"{base.name}.py"))
    return next((file for file in files if file.is_file()), None)


def _takes_precedence(name: str) -> bool:
    """Whether an imported name is Python's own or ratecore, whatever files are in the folder of a task file."""
    return name in sys.stdlib_module_names or name == "ratecore"


def _check_names_beside(path: Path, code: bytes) -> None:
    """Raise SettingsError where an import would not load the file in the task file's folder, but one elsewhere."""
    for name in sorted({full.partition(".")[0] for full in _imported(code)} - {""}):
        file = None if _takes_precedence(name) else _file_of(name, path.parent)
        other = _origin(name) if file else None
        if file is not None and other is not None and other != file.resolve():
            raise SettingsError(
                f"it imports '{name}', which is {str(other)!r} in this process and not {file.name!r} beside it; one "
                "of the two must have another name"
            )


def _sources_beside(path: Path, code: bytes, top: Path | None = None) -> dict[str, Path]:
    """Module and file of everything that a file imports from its own folder, directly or not, sorted by name."""
    top = top or path.parent
    files: dict[str, Path] = {}
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
            if not name or _takes_precedence(name.partition(".")[0]):
                continue
            parts = name.split(".")
            for k in range(1, len(parts) + 1):  # a package, then the module in it
                inner, module = _file_of(".".join(parts[:k]), top), ".".join(parts[:k])
                if inner is not None and inner != path and module not in files:
                    files[module] = inner
                    waiting.append((inner, inner.read_bytes()))
    return dict(sorted(files.items()))


def _hash(path: Path, code: bytes, sources: dict[str, Path]) -> str:
    own = hashlib.sha256(code).hexdigest()
    if not sources:
        return own
    parts = [own, *(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for name, file in sources.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
