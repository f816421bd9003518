"""Parts of pages that come from the code, and links that lead to the right place on GitHub and on the site.

A line `<!-- generated: NAME -->` of a page is replaced by what GENERATED has under that name. Links of pages are
relative to files of the repository; those to files that are pages elsewhere on the site are turned to these pages.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import api
import commands_page
import gallery
import settings_page
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

REPOSITORY = Path(__file__).parents[2]
LARGEST = 2_000_000  # bytes of a page
# Files outside docs/ that are pages of the site.
PAGES = {
    "config/README.md": "reference/configuration.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
}
LINK = re.compile(r"(?<!\\)\[((?:`[^`]*`|[^\]`])*)\]\(([^)\s:#]+)((?:#[^)\s]*)?)\)")
GENERATED: dict[str, Callable[[], str]] = {
    "settings": settings_page.text,
    "commands": commands_page.text,
}


def included(name: str) -> str:
    """A file of the repository, without its title."""
    return (REPOSITORY / name).read_text(encoding="utf-8").partition("\n")[2]


def relinked(text: str, of: Path, page: Path) -> str:
    """A text with the links of the file that it is from turned to pages of the site.

    Args:
        text: Markdown.
        of: file that the links are relative to.
        page: page of docs/ that shows it.

    Returns:
        The Markdown with links relative to the page.
    """

    def turned(match: re.Match[str]) -> str:
        text, target, anchor = match.groups()
        path = Path(os.path.normpath(of.parent / target))
        if not path.is_relative_to(REPOSITORY) or not path.exists():
            return match[0]  # the build reports it
        name = path.relative_to(REPOSITORY).as_posix()
        if name in PAGES:
            path = REPOSITORY / "docs" / PAGES[name]
        elif path.suffix == ".py" and path.parent == REPOSITORY / "docs/examples":
            path = REPOSITORY / "docs/gallery" / f"{path.stem}.md"
        elif path.is_dir() or (path.suffix == ".md" and not path.is_relative_to(REPOSITORY / "docs")):
            return f"{text} (`{name}`)" if name not in text else f"`{name}`"  # on GitHub alone
        return f"[{text}]({os.path.relpath(path, page.parent)}{anchor})"

    parts = re.split(r"(^```.*?^```$|^~~~.*?^~~~$)", text, flags=re.M | re.S)
    return "".join(part if k % 2 else LINK.sub(turned, part) for k, part in enumerate(parts))


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Handler of `source-read`."""
    page = Path(app.env.doc2path(docname))
    if page.suffix != ".md":
        return
    text = relinked(source[0], page, page)
    for name in re.findall(r"^<!-- included: (.*) -->$", text, re.M):
        app.env.note_dependency(str(REPOSITORY / name))
        text = text.replace(f"<!-- included: {name} -->", relinked(included(name), REPOSITORY / name, page))
    for name in re.findall(r"^<!-- generated: (.*) -->$", text, re.M):
        text = text.replace(f"<!-- generated: {name} -->", GENERATED[name]())
    source[0] = text


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
    app.add_object_type("command-option", "command-option", "%s (option)")
    app.connect("builder-inited", lambda app: api.write_pages(Path(app.srcdir) / "gallery", gallery.texts()))
    app.connect("source-read", read)
    app.connect("build-finished", check_sizes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


__all__ = ["api", "setup"]
