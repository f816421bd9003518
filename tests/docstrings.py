"""Checks the docstrings of the package and counts the complete ones.

    python tests/docstrings.py                     # counts per folder; fails for incomplete ones in FINISHED
    python tests/docstrings.py rate system/noise   # lists what is missing there

A docstring is complete when its sections match the code: every parameter is in `Args` (`Attributes` of a data class);
`Returns` or `Yields` is there; arrays have a shape, `(T, N)`; floats and arrays of floats have a unit; every exception
that the body raises is in `Raises`; and what computes with arrays or returns a float names its `Source`, a section of
docs/model.md or a publication, or says `Source: none`. A method that overrides a documented one may inherit its
docstring.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "ratecore"
FOLDERS = {
    "rate": ["rate/**/*.py"],
    "spiking": ["spiking/**/*.py"],
    "tasks": ["tasks/**/*.py"],
    "formats": ["formats/**/*.py"],
    "figures": ["figures/**/*.py"],
    "settings": ["settings/*.py"],
    "system": ["system/*.py"],
}
FINISHED = ("rate", "tasks", "settings", "system", "spiking", "formats", "figures", "tracking", "experiment")

ARRAY = re.compile(r"\b(ndarray|NDArray|ArrayLike|Tensor|(Float|Int|Integer|Bool|Num|Real|Shaped|UInt)\d*\[)")
FLOATS = re.compile(r"\b(float|float32|float64|floating|Float\d*\[|Tensor|ArrayLike|Num\[|Real\[)")
NO_QUANTITY = re.compile(r"\b(dict|Mapping|Callable|type)\[")
SHAPE = re.compile(r"\((?:[\w.+*/ -]+,)+(?: ?[\w.+*/ -]+)?\)|\(\)|\b(any shape|shape of|scalar)\b")
UNIT = re.compile(
    r"\b(ms|s|seconds|Hz|mV|pA|nA|bytes?|steps?|per step|unitless|probability|probabilities|fractions?|units? of|"
    r"percent|inches|points|log odds)\b|in [\[(]0, 1[\])]"
)
SOURCE = re.compile(r"docs/model\.md \d|\b(19|20)\d\d\b|\bnone$")
SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Source): *(.*)$")
ENTRY = re.compile(r"^(\*{0,2}[\w.]+): +(.*)$")
ORDER = ["Attributes", "Args", "Returns", "Yields", "Raises", "Source"]


@dataclass
class Docstring:
    """A docstring taken apart: the text before the sections, and each section by its title."""

    summary: str
    sections: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Docstring:
        lines: dict[str, list[str]] = {"": []}
        title = ""
        for line in inspect.cleandoc(text).splitlines():
            if match := SECTION.match(line):
                title = match[1]
                lines[title] = [match[2]] if match[2] else []
            else:
                lines[title].append(line)
        parts = {title: inspect.cleandoc("\n" + "\n".join(text)) for title, text in lines.items()}
        return cls(parts.pop(""), parts)

    def entries(self, title: str) -> dict[str, str]:
        """The text of each `name: text` of a section, with its continuation lines."""
        entries: dict[str, str] = {}
        name = ""
        for line in self.sections.get(title, "").splitlines():
            if match := ENTRY.match(line):
                name = match[1]
                entries[name] = match[2]
            elif name:
                entries[name] += " " + line.strip()
        return entries


@dataclass
class Checked:
    """A public function, method or class, and what its docstring lacks."""

    path: Path
    line: int
    name: str
    problems: list[str] = field(default_factory=list)


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions and classes defined in it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield child
            yield from own_nodes(child)


def raised(function: ast.FunctionDef) -> set[str]:
    """The exception classes that a function raises; '' for one that another function makes."""
    names = set()
    for node in own_nodes(function):
        if isinstance(node, ast.Raise) and node.exc is not None:
            called = isinstance(node.exc, ast.Call)
            text = ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
            classes = [part for part in text.split(".") if part[:1].isupper()]
            if classes or called:  # `raise error` passes on what was caught
                names.add(classes[0] if classes else "")
    return names


def parameters(function: ast.FunctionDef, method: bool) -> dict[str, str]:
    """The parameters that a docstring describes, with their annotations."""
    a = function.args
    plain = [*a.posonlyargs, *a.args]
    if method and not has_decorator(function, "staticmethod"):
        plain = plain[1:]
    named = [(arg.arg, arg) for arg in plain]
    named += [("*" + a.vararg.arg, a.vararg)] if a.vararg else []
    named += [(arg.arg, arg) for arg in a.kwonlyargs]
    named += [("**" + a.kwarg.arg, a.kwarg)] if a.kwarg else []
    return {name: annotation_text(arg.annotation) for name, arg in named if not name.lstrip("*").startswith("_")}


def annotation_text(annotation: ast.expr | None) -> str:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    return "" if annotation is None else ast.unparse(annotation)


def has_decorator(node: ast.FunctionDef | ast.ClassDef, *names: str) -> bool:
    texts = [ast.unparse(decorator).partition("(")[0] for decorator in node.decorator_list]
    return any(text.split(".")[-1] in names for text in texts)


def check_value(what: str, annotation: str, text: str) -> Iterator[str]:
    """What the text of a parameter or return lacks, by its annotation."""
    if not text.strip():
        yield f"{what} is not described"
        return
    if ARRAY.search(annotation) and not SHAPE.search(text):
        yield f"{what} has no shape"
    if FLOATS.search(annotation) and not NO_QUANTITY.search(annotation) and not UNIT.search(text):
        yield f"{what} has no unit"


def check_named(title: str, doc: Docstring, expected: dict[str, str]) -> Iterator[str]:
    """What a section with one entry for each name lacks."""
    entries = doc.entries(title)
    if list(entries) != list(expected):
        missing = [name for name in expected if name not in entries]
        extra = [name for name in entries if name not in expected]
        if missing:
            yield f"{title}: {', '.join(missing)} missing"
        if extra:
            yield f"{title}: {', '.join(extra)} unknown"
        if not missing and not extra:
            yield f"{title}: not in the order of the signature"
    for name, annotation in expected.items():
        if name in entries:
            yield from check_value(name, annotation, entries[name])


def check_source(doc: Docstring, annotations: list[str], returns: str) -> Iterator[str]:
    """Whether a function that computes names its source."""
    computes = any(ARRAY.search(text) for text in annotations) or re.search(r"\bfloat\b", returns)
    source = doc.sections.get("Source")
    if source is None:
        if computes:
            yield "Source missing (`Source: none` where nothing scientific is computed)"
    elif not SOURCE.search(source):
        yield "Source names no section of docs/model.md, no publication and not `none`"


def check_function(function: ast.FunctionDef, method: bool) -> Iterator[str]:
    """What the docstring of a function lacks."""
    text = ast.get_docstring(function)
    if not text:
        yield "no docstring"
        return
    doc = Docstring.parse(text)
    returns = annotation_text(function.returns)
    if has_decorator(function, "property", "cached_property"):
        yield from check_value("the property", returns, text)
        return
    expected = parameters(function, method)
    yield from check_layout(doc)
    yield from check_named("Args", doc, expected)
    if returns not in ("", "None", "NoReturn", "Never"):
        section = doc.sections.get("Returns", doc.sections.get("Yields", ""))
        yield from check_value("Returns", returns, section)
    elif not returns:
        yield "no return annotation"
    documented = {name.split(".")[-1] for name in doc.entries("Raises")}
    missing = raised(function) - documented
    if missing - {""} or (missing and not documented):
        yield f"Raises: {', '.join(sorted(missing - {''})) or 'section'} missing"
    yield from check_source(doc, [*expected.values(), returns], returns)


def check_layout(doc: Docstring) -> Iterator[str]:
    """Whether the sections are in their order, after a summary."""
    if not doc.summary.strip():
        yield "no summary"
    titles = list(doc.sections)
    if titles != sorted(titles, key=ORDER.index):
        yield f"sections in the order {', '.join(titles)}"


def check_class(node: ast.ClassDef) -> Iterator[str]:
    """What the docstring of a class lacks."""
    text = ast.get_docstring(node)
    if not text:
        yield "no docstring"
        return
    doc = Docstring.parse(text)
    yield from check_layout(doc)
    init = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    if has_decorator(node, "dataclass") or any(base in ("NamedTuple",) for base in base_names(node)):
        fields = {
            part.target.id: annotation_text(part.annotation)
            for part in node.body
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.target.id[0] != "_"
        }
        fields = {name: text for name, text in fields.items() if "ClassVar" not in text}
        yield from check_named("Attributes", doc, fields)
    elif init:
        yield from check_named("Args", doc, parameters(init[0], method=True))
        documented = {name.split(".")[-1] for name in doc.entries("Raises")}
        if missing := raised(init[0]) - documented - {""}:
            yield f"Raises: {', '.join(sorted(missing))} missing"


def base_names(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).partition("[")[0].split(".")[-1] for base in node.bases]


class Package:
    """All modules of the package, and which class documents which method."""

    def __init__(self, root: Path = PACKAGE):
        self.root = root
        self.trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(root.rglob("*.py"))}
        self.classes: dict[str, ast.ClassDef] = {}
        for tree in self.trees.values():
            self.classes |= {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}

    def inherits(self, node: ast.ClassDef, method: str) -> bool:
        """Whether a base class in the package documents the method."""
        for base in (self.classes.get(name) for name in base_names(node)):
            if base is None or base is node:
                continue
            own = [part for part in base.body if isinstance(part, ast.FunctionDef) and part.name == method]
            if any(ast.get_docstring(part) for part in own) or self.inherits(base, method):
                return True
        return False

    def check_module(self, path: Path) -> Iterator[Checked]:
        """Each public function, method and class of a module."""
        for node in self.trees[path].body:
            if isinstance(node, ast.FunctionDef) and node.name[0] != "_" and not has_decorator(node, "overload"):
                yield Checked(path, node.lineno, node.name, list(check_function(node, method=False)))
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield Checked(path, node.lineno, node.name, list(check_class(node)))
                yield from self.check_methods(path, node)

    def check_methods(self, path: Path, node: ast.ClassDef) -> Iterator[Checked]:
        """Each public method of a class that does not inherit its docstring."""
        for part in node.body:
            if not isinstance(part, ast.FunctionDef) or part.name.startswith("_"):
                continue
            if has_decorator(part, "setter", "overload"):
                continue
            if ast.get_docstring(part) is None and self.inherits(node, part.name):
                continue
            problems = list(check_function(part, method=True))
            yield Checked(path, part.lineno, f"{node.name}.{part.name}", problems)

    def check_folder(self, folder: str) -> list[Checked]:
        """Everything public in one of FOLDERS, or in a file or folder by its path in the package."""
        patterns = FOLDERS.get(folder, [f"{folder}.py", f"{folder}/**/*.py", folder])
        paths = {path for pattern in patterns for path in self.root.glob(pattern) if path in self.trees}
        if not paths:
            raise SystemExit(f"docstrings: {folder} has no modules; it must be one of {', '.join(FOLDERS)}, or a path")
        return [checked for path in sorted(paths) for checked in self.check_module(path)]


def report(found: list[Checked]) -> str:
    """One line for each incomplete docstring."""
    return "\n".join(
        f"{each.path.relative_to(PACKAGE.parent)}:{each.line}: {each.name}: {'; '.join(each.problems)}"
        for each in found
        if each.problems
    )


def main(arguments: list[str]) -> int:
    package = Package()
    checked = {folder: package.check_folder(folder) for folder in arguments or FOLDERS}
    for folder, found in checked.items():
        if (arguments or folder in FINISHED) and (lines := report(found)):
            print(lines)
    for folder, found in checked.items():
        complete = sum(not each.problems for each in found)
        print(f"{folder:<12}{complete:>4} of {len(found):>4} docstrings complete")
    finished = [found for folder, found in checked.items() if arguments or folder in FINISHED]
    return int(any(each.problems for found in finished for each in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
