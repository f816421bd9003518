"""Parts of pages that come from the code, and links that lead to the right place on GitHub and on the site.

A line `<!-- generated: NAME -->` of a page is replaced by what GENERATED has under that name. Links of pages are
relative to files of the repository; those to files that are pages elsewhere on the site are turned to these pages.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import api
import commands_page
import gallery
import settings_page
from links import REPOSITORY, relinked
from sphinx.addnodes import desc_name, desc_signature
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

LARGEST = 2_000_000  # bytes of a page
GENERATED: dict[str, Callable[[], str]] = {
    "settings": settings_page.text,
    "commands": commands_page.text,
}


def included(name: str) -> str:
    """A file of the repository, without its title."""
    return (REPOSITORY / name).read_text(encoding="utf-8").partition("\n")[2]


def notebook(text: str, page: Path) -> str:
    """A notebook with the links of its cells turned, and as one of IPython, so that `!command` is coloured."""
    content = json.loads(text)
    for cell in content["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = relinked("".join(cell["source"]), page, page)
    content["metadata"].setdefault("language_info", {"name": "python"})["pygments_lexer"] = "ipython3"
    return json.dumps(content)


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Handler of `source-read`."""
    page = Path(app.env.doc2path(docname))
    if page.suffix == ".ipynb":
        source[0] = notebook(source[0], page)
        return
    text = relinked(source[0], page, page)
    for name in re.findall(r"^<!-- included: (.*) -->$", text, re.M):
        app.env.note_dependency(str(REPOSITORY / name))
        text = text.replace(f"<!-- included: {name} -->", relinked(included(name), REPOSITORY / name, page))
    for name in re.findall(r"^<!-- generated: (.*) -->$", text, re.M):
        text = text.replace(f"<!-- generated: {name} -->", GENERATED[name]())
    source[0] = text


def option_node(env: Any, signature: str, node: desc_signature) -> str:
    """Shows `ratecore train | --task TASK` without the command, whose section it is in, and returns the whole."""
    command, _, shown = signature.partition(" | ")
    node += desc_name(shown, shown)
    return f"{command} {shown}"


def check_sizes(app: Sphinx, exception: Exception | None) -> None:
    """Handler of `build-finished`: no page is too large for a slow connection.

    Raises:
        ExtensionError: names those that are.
    """
    if exception is None and app.builder.format == "html":
        sizes = {path: path.stat().st_size for path in Path(app.outdir).rglob("*.html")}
        if large := [f"{path}: {size:,} bytes" for path, size in sizes.items() if size > LARGEST]:
            raise ExtensionError(f"pages of more than {LARGEST:,} bytes: {'; '.join(large)}")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the handlers, and add the kinds of things that are not Python: settings and options of commands."""
    app.add_object_type("setting", "setting", "%s (setting)")
    app.add_object_type("command-option", "command-option", "%s (option)", parse_node=option_node)
    app.connect("builder-inited", lambda app: api.write_pages(Path(app.srcdir) / "gallery", gallery.texts()))
    app.connect("source-read", read)
    app.connect("build-finished", check_sizes)
    code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": zlib.crc32(code)}


__all__ = ["api", "setup"]
