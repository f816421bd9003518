"""Hashes of what Python source computes: a module with all modules of its package that it imports.

Comments, docstrings, layout, descriptions of settings and what only type checkers read don't count. Imports are read
from the syntax trees, those inside functions included, so nothing is imported for it.

Every job begins with these hashes, and parsing takes longer than all else that a short job does. So what was read of a
source file is kept beside its bytecode, unless Python is told to write none.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

# Fields of syntax trees that say nothing about what is computed.
_IGNORED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
# The types of arguments and of what functions return. Those of attributes stay: pydantic and dataclasses read them.
_TYPES = {ast.arg: "annotation", ast.FunctionDef: "returns", ast.AsyncFunctionDef: "returns"}


class Module(NamedTuple):
    """A source file as it was read.

    Attributes:
        digest: hash of what it computes.
        imports: full names of all that it imports: modules, and names in modules.
    """

    digest: bytes
    imports: frozenset[str]


def code_hash_of(package: Path, roots: Iterable[str], without: Iterable[str] = ()) -> str:
    """Returns a hash of modules and all that they import from their package.

    Args:
        package: folder of the package.
        roots: names of modules to begin with; of a package, all modules in it.
        without: modules and packages that are left out with what only they import.

    Returns:
        16 hex digits.

    Raises:
        ModuleNotFoundError: a root or an exception is no module of the package.   SyntaxError: in a source file.
    """
    digest = hashlib.sha256()
    for name, path in sorted(modules_behind(package, roots, without).items()):
        digest.update(name.encode() + b"\0" + read_module(path, name).digest)
    return digest.hexdigest()[:16]


def modules_behind(package: Path, roots: Iterable[str], without: Iterable[str] = ()) -> dict[str, Path]:
    """Returns modules and all that they import from their package, also indirectly.

    A package's `__init__` counts where the package itself is imported, or a name that is no module of it.

    Args:
        package: folder of the package.
        roots: names of modules to begin with; of a package, all modules in it.
        without: modules and packages that are left out with what only they import.

    Returns:
        the file of each module, by its name.

    Raises:
        ModuleNotFoundError: a root or an exception is no module of the package.
    """
    files, left_out = _files_of(package), frozenset(without)
    for name in (*(roots := tuple(roots)), *left_out):
        if name not in files:
            raise ModuleNotFoundError(f"{package} has no module '{name}'", name=name)
    found: dict[str, Path] = {}
    left = [name for name in files if any(f"{name}.".startswith(f"{root}.") for root in roots)]
    while left:
        name = left.pop()
        if name in found:
            continue
        found[name] = files[name]
        for imported in read_module(files[name], name).imports:
            module = _module_of(imported, files)
            if module and not any(f"{module}.".startswith(f"{other}.") for other in left_out):
                left.append(module)
    return found


@cache
def _files_of(package: Path) -> dict[str, Path]:
    """Name: file of every module of a package."""
    files = {}
    for path in package.rglob("*.py"):
        parts = (package.name, *path.relative_to(package).with_suffix("").parts)
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def _module_of(name: str, files: dict[str, Path]) -> str | None:
    """The module that an imported name is, or is in."""
    while name and name not in files:
        name = name.rpartition(".")[0]
    return name or None


@cache
def read_module(path: Path, name: str) -> Module:
    """Reads what a source file computes and imports.

    Args:
        path: of the file.
        name: of the module, from which relative imports start.

    Returns:
        the hash and the imports.

    Raises:
        SyntaxError: the file is not Python.
    """
    source = path.read_bytes()
    key = hashlib.sha256(b"\0".join([source, name.encode(), sys.version.encode(), _own_source()])).hexdigest()
    kept = Path(importlib.util.cache_from_source(str(path))).with_suffix(".form")
    if (module := _kept(kept, key)) is not None:
        return module
    tree = ast.parse(source, str(path))
    imports: list[ast.AST] = []
    digest = hashlib.sha256(normal_form(tree, imports).encode()).digest()
    parent = name if path.name == "__init__.py" else name.rpartition(".")[0]
    module = Module(digest, frozenset(_imported(imports, parent)))
    if not sys.dont_write_bytecode:
        _keep(kept, key, module)
    return module


@cache
def _own_source() -> bytes:
    return Path(__file__).read_bytes()


def _kept(file: Path, key: str) -> Module | None:
    """What was read of a source file before; None if nothing was, or of other contents."""
    try:
        of, digest, *imports = json.loads(file.read_bytes())
        return Module(bytes.fromhex(digest), frozenset(imports)) if of == key else None
    except (OSError, ValueError, TypeError):  # missing, or cut short
        return None


def _keep(file: Path, key: str, module: Module) -> None:
    """Keeps what was read of a source file, if its folder is writable."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{os.getpid()}")
        part.write_text(json.dumps([key, module.digest.hex(), *sorted(module.imports)]))
        part.replace(file)


def _imported(nodes: list[ast.AST], parent: str) -> Iterator[str]:
    """The full names of what import statements name, and `import_module` by a fixed name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = parent.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            module = ".".join(filter(None, [*above, node.module]))
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call):
            named = node.args[0] if node.args else None
            if isinstance(named, ast.Constant) and isinstance(named.value, str):
                yield named.value


def normal_form(tree: ast.AST, imports: list[ast.AST] | None = None) -> str:
    """Writes a syntax tree as text, the same for all sources that differ only in what computes nothing.

    `ast.dump` writes other texts in other versions of Python. This form leaves out what is None or empty, so that a
    field that a later version adds, and that older code doesn't use, changes nothing.

    Args:
        tree: of a module.
        imports: list to which the import statements in the tree are added.

    Returns:
        the text.
    """
    parts: list[str] = []
    _write(tree, parts.append, [] if imports is None else imports)
    return "".join(parts)


def _write(node: ast.AST, write: Callable[[str], None], imports: list[ast.AST]) -> None:
    kind = type(node)
    if isinstance(node, ast.Import | ast.ImportFrom) or _is_import(node):
        imports.append(node)
    write(f"{kind.__name__}(")
    for field in _fields_of(kind):
        value = getattr(node, field, None)
        if type(value) is list:
            if isinstance(node, ast.Call) and field == "keywords":
                value = _without_description(node)
            elif kind is ast.JoinedStr:
                value = [part for part in value if getattr(part, "value", None) != ""]  # which Python 3.12 puts in
            if value:
                write(f"{field}[")
                for item in value:
                    if isinstance(item, ast.AST):
                        if not _is_text_alone(item) and not _is_for_type_checkers(item):
                            _write(item, write, imports)
                    else:
                        write(f"{item!r},")
                write("]")
        elif isinstance(value, ast.AST):
            write(f"{field}=")
            _write(value, write, imports)
        elif value is not None or kind is ast.Constant:
            write(f"{field}={value!r},")
    write(")")


def _fields_of(kind: type[ast.AST]) -> Iterator[str]:
    return (field for field in kind._fields if field not in _IGNORED and field != _TYPES.get(kind))


def _is_import(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name_of(node.func) == "import_module"


def _is_text_alone(node: ast.AST) -> bool:
    """Whether a statement is a docstring, or a text elsewhere, which does nothing either."""
    return type(node) is ast.Expr and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_for_type_checkers(node: ast.AST) -> bool:
    return type(node) is ast.If and not node.orelse and _name_of(node.test) == "TYPE_CHECKING"


def _without_description(call: ast.Call) -> list[ast.keyword]:
    """The arguments by name of a call; of pydantic's `Field` without the description."""
    if _name_of(call.func) != "Field":
        return call.keywords
    return [keyword for keyword in call.keywords if keyword.arg != "description"]


def _name_of(function: ast.AST) -> str | None:
    """'f' of `f` and of `module.f`."""
    return getattr(function, "id", None) or getattr(function, "attr", None)
