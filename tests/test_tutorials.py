"""The notebooks of the tutorials and of the examples: as they should be stored. `make docs` executes the tutorials."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

import ratecore

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.ipynb"))
NOTEBOOKS = [*TUTORIALS, *sorted((ROOT / "examples").glob("*/*.ipynb"))]
# Modules besides the names of `ratecore` itself, all of them in the documentation.
PUBLIC = re.compile(r"ratecore(\.(figures|spiking|tasks|formats|analysis(\.\w+)?|rate\.(activity|testing)))?")
OUTSIDE = {"matplotlib", "numpy", "scipy", "torch", "xarray", "pandas"}


def sources(path: Path, kind: str) -> list[str]:
    return [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def python(source: str) -> ast.Module:
    """The Python of a cell, without commands of Jupyter and with the content of a file that it writes."""
    lines = source.splitlines()
    if lines[0].startswith("%%writefile"):
        lines = lines[1:] if lines[0].endswith(".py") else []
    return ast.parse("\n".join("pass" if line.startswith(("!", "%")) else line for line in lines))


def imports(source: str) -> list[tuple[str, list[str]]]:
    """Modules that a cell imports, and the names that it takes from each."""
    found = []
    for node in ast.walk(python(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module, [alias.name for alias in node.names]))
    return found


def anchors(page: Path) -> set[str]:
    """Names of the headings of a page, as GitHub and the site have them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_there_is_a_tutorial_for_each_row_of_the_index():
    index = (ROOT / "docs/tutorials/index.md").read_text()
    rows = re.findall(r"^\| \[.+?\]\((\w+)\.ipynb\) \|", index, re.M)
    tree = index.partition("{toctree}")[2].split("```")[0].split()[1:]
    assert rows == tree == [path.stem for path in TUTORIALS] and len(rows) == 8


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.parent.name + "/" + path.stem)
def test_it_is_stored_as_it_should_be(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert path.read_text() == nbformat.writes(notebook) + "\n", "as Jupyter writes it"
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None, "a stored output"
        assert len(cell.source.splitlines()) <= 60, "a large cell"
        assert max(map(len, cell.source.splitlines())) <= 120
        assert not re.search(r"(?<![\w.~])/(home|tmp|work|root|Users)/", cell.source), "a path of one machine"


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_it_says_what_one_learns_and_ends_in_what_is_next(path):
    first, *_, last = sources(path, "markdown")
    assert re.match(r"# \S", first)
    for part in ("**You will learn**", "**Time:**", "Needed: `pip install"):
        assert part in first
    # The build of the site, as others, sets MPLBACKEND, and figures would not be shown.
    assert sources(path, "code")[0].startswith("%matplotlib inline\n")
    assert last.startswith("## What next") and last.count("\n- ") >= 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.parent.name + "/" + path.stem)
def test_it_uses_the_public_interface(path):
    for source in sources(path, "code"):
        for module, names in imports(source):
            if not module.startswith("ratecore"):
                assert module.split(".")[0] in OUTSIDE or not names or module in ("pathlib",), module
                continue
            assert PUBLIC.fullmatch(module), f"{module} is not in the documentation"
            for name in names:
                assert not name.startswith("_")
                if module == "ratecore":
                    assert name in (*ratecore.__all__, "figures"), name
        for node in ast.walk(python(source)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rate":
                assert node.attr in ratecore.__all__, f"rate.{node.attr}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.parent.name + "/" + path.stem)
def test_its_links_lead_somewhere(path):
    for source in sources(path, "markdown"):
        for target, anchor in re.findall(r"\]\(([^)#\s]+)(?:#([^)]*))?\)", source):
            page = path.parent / target
            assert page.resolve().is_file(), target
            assert not anchor or anchor in anchors(page), f"{target}#{anchor}"
