"""Links of pages, which are relative to files of the repository, as links of the site."""

from __future__ import annotations

import os
import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
# Files outside docs/ that are pages of the site.
PAGES = {
    "config/README.md": "reference/configuration.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
}
LINK = re.compile(r"(?<!\\)\[((?:`[^`]*`|[^\]`])*)\]\(([^)\s:#]+)((?:#[^)\s]*)?)\)")


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
