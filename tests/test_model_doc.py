"""Sections and equations of docs/model.md that code, settings and documents cite exist."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
CITED = r"model\.md[, ]+(?:sections? )?(\d+(?:\.\d+)?)(?: and (\d+(?:\.\d+)?))?"


def citations():
    """(file, section) of every citation in the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.suffix in (".py", ".smk", ".md", ".rst", ".yaml", ".toml") and path.is_file():
            for match in re.finditer(CITED, path.read_text()):
                yield from ((name, section) for section in match.groups() if section)


def test_every_cited_section_exists():
    text = (ROOT / "docs" / "model.md").read_text()
    sections = set(re.findall(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", text, re.M))
    found = list(citations())
    assert len(found) > 50
    assert not [place for place in found if place[1] not in sections]


def test_equations_are_numbered_in_order_and_cited_by_their_numbers():
    text = (ROOT / "docs" / "model.md").read_text()
    numbers = [int(n) for n in re.findall(r"\\tag\{(\d+)\}", text)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {int(n) for n in re.findall(r"equation (\d+)(?! of the paper)", text)} <= set(numbers)


def test_nothing_cites_a_text_that_is_not_in_the_repository():
    listed = subprocess.run(["git", "grep", "-nE", r"\bSPEC\b [0-9]"], cwd=ROOT, capture_output=True, text=True)
    assert not listed.stdout
