"""Pages of the API reference, written to docs/reference/api/ before the site is read, and the links within them."""

from __future__ import annotations

import builtins
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import markup
import public
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

import ratecore

log = logging.getLogger(__name__)
OUTSIDE = {
    "np", "numpy", "torch", "pd", "pandas", "xr", "xarray", "typing", "collections",
    "matplotlib", "argparse", "jaxtyping", "os", "pathlib", "nap", "ndarray", "Tensor",
}  # fmt: skip
INDEX = """# Python API

What can be imported, and only that: names that are not on these pages may change. `Float["B T"]` is an array of floats
of the shape (B, T), and `Int` and `Bool` accordingly; `*out` stands for any number of dimensions. B are trials, T
steps of 5 ms, N units.

```{toctree}
:hidden:

PAGES
```

"""


def kind(thing: Any) -> str:
    """The directive of autodoc for an object."""
    if inspect.isclass(thing):
        return "autoclass"
    return "autofunction" if callable(thing) else "autodata"


def _directive(name: str) -> list[str]:
    thing = public.target(name)
    module, _, last = name.rpartition(".")
    lines = ["```{eval-rst}", f".. py:currentmodule:: {module}", "", f".. {kind(thing)}:: {module}.{last}"]
    if inspect.isclass(thing):
        hidden = "model_post_init, newer_values" if issubclass(thing, markup.BaseModel) else ""
        lines += ["   :members:", "   :member-order: bysource", *([f"   :exclude-members: {hidden}"] if hidden else [])]
    return [*lines, "```", ""]


def _same(name: str) -> str:
    """A line about a name whose object is described elsewhere."""
    other = public.by_identity()[id(public.target(name))]
    return f"- `{name.rpartition('.')[2]}`: [`{other}`](#{other})"


def page_text(page: public.Page) -> str:
    """One page of the reference, as Markdown."""
    lines = [f"# {page.title}", "", page.text, ""]
    for heading, names in page.groups.items():
        own = [name for name in names if public.described().get(name) == page.name]
        lines += [f"## {heading}", ""] if heading else []
        lines += [line for name in own for line in _directive(name)]
        lines += [_same(name) for name in names if name not in own]
        lines.append("")
    return "\n".join(lines)


def _index() -> str:
    pages = public.pages()
    rows = ["| page | |", "|---|---|"]
    rows += [f"| [{page.title}]({page.name}.md) | {page.text.replace('](../../', '](../../')} |" for page in pages]
    return INDEX.replace("PAGES", "\n".join(page.name for page in pages)) + "\n".join(rows) + "\n"


def texts() -> dict[str, str]:
    """The text of each page by the name of its file."""
    return {f"{page.name}.md": page_text(page) for page in public.pages()} | {"index.md": _index()}


def write_pages(folder: Path, texts: Mapping[str, str]) -> None:
    """Write generated pages; those that are as they were are not touched, and those of earlier names are removed.

    Args:
        folder: of these pages alone.
        texts: text of each page by the name of its file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in {path.name for path in folder.glob("*.md")} - texts.keys():
        (folder / old).unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


@cache
def _known() -> frozenset[str]:
    """Names that an annotation may have without being described: those of Python and of the package's own modules."""
    for info in pkgutil.walk_packages(ratecore.__path__, "ratecore."):
        if not info.name.endswith("__main__") and info.name.split(".")[1] in (
            "experiment",
            "analysis",
            "rate",
            "tasks",
        ):
            importlib.import_module(info.name)
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "ratecore"]
    return frozenset(dir(builtins)).union(*(vars(module) for module in modules))


def resolve(app: Sphinx, env: Any, node: Any, contnode: Any) -> Any:
    """Handler of `missing-reference`: links annotations to the page of what they name.

    Returns:
        A reference; the plain text for names of Python and other packages; None, which is an error of the build, for a
        name that does not exist.
    """
    if node.get("refdomain") != "py":
        return None
    text = str(node["reftarget"])
    short = text.rpartition(".")[2]
    name = public.by_short_name().get(short)
    if name and text in (short, name):
        page = public.described()[name]
        uri = app.builder.get_relative_uri(node["refdoc"], f"reference/api/{page}")
        return nodes.reference("", "", contnode, internal=True, refuri=f"{uri}#{name}", reftitle=name)
    if text.partition(".")[0] in OUTSIDE or short in _known():
        return contnode
    return None


def check(app: Sphinx, env: Any) -> None:
    """Handler of `env-check-consistency`: every public name has a docstring and an anchor."""
    anchors = env.domains.python_domain.objects
    for name, page in public.described().items():
        if name not in anchors:
            log.warning("%s has no anchor on reference/api/%s", name, page)
        thing = public.target(name)
        if callable(thing) and not inspect.getdoc(thing):
            log.warning("%s has no docstring", name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the handlers."""
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "reference/api", texts()))
    app.connect("autodoc-process-docstring", markup.process_docstring)
    app.connect("autodoc-process-signature", markup.process_signature)
    app.connect("missing-reference", resolve)
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
