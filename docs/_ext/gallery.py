"""The gallery: a page for each script of docs/examples, with its picture and its code.

    python docs/_ext/gallery.py RESULTS

runs the scripts on a folder of results and draws their pictures again, docs/images/gallery/*.png.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1]
PICTURES = DOCS / "images/gallery"
TITLES = {
    "activity": "Mean rates by condition",
    "balance": "Excitation and inhibition",
    "decoding": "Decoding over time",
    "first_calls": "First calls",
    "fixed_points": "Fixed points",
    "lesion": "Lesions",
    "own_analysis": "An analysis of your own",
    "psychometric": "Psychometric curves",
    "rate_and_spikes": "Rates and spikes",
    "spectrum": "Eigenvalues",
    "spike_trains": "Variability of spikes",
    "spikes": "Spikes",
    "timescales": "Timescales",
}
INTRODUCTION = """# Gallery

Each picture is what the script behind it drew of the networks of a small grid: two tasks, two seeds, 200 units. All
scripts take a folder of results, so that yours is `python docs/examples/balance.py results/demo`.

"""


def scripts() -> list[Path]:
    """The scripts, in the order of their names."""
    return sorted((DOCS / "examples").glob("*.py"))


def described(script: Path) -> str:
    """The first paragraph of a script's docstring, without how it is called."""
    doc = (ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or "").partition("\n\n")[0]
    words = " ".join(doc.split())
    for end in (f": `python {script.name}", f": {script.name}", f" {script.name}"):
        words = words.partition(end)[0]
    return words.rstrip(".:") + ("." if not words.endswith("?") else "")


def page(script: Path) -> str:
    """The page of one script, as Markdown."""
    picture = PICTURES / f"{script.stem}.png"
    shown = f"![{TITLES[script.stem]}](../images/gallery/{picture.name})\n\n" if picture.is_file() else ""
    return (
        f"# {TITLES[script.stem]}\n\n{described(script)}\n\n{shown}"
        f"```bash\npython docs/examples/{script.name} results/demo\n```\n\n"
        f"{{download}}`{script.name} <../examples/{script.name}>`\n\n"
        f"```{{literalinclude}} ../examples/{script.name}\n:language: python\n```\n"
    )


def _card(script: Path) -> str:
    picture = PICTURES / f"{script.stem}.png"
    image = (
        f":img-top: ../images/gallery/{picture.name}\n:img-alt: {TITLES[script.stem]}\n" if picture.is_file() else ""
    )
    head = f":::{{grid-item-card}} {TITLES[script.stem]}\n:link: {script.stem}\n:link-type: doc\n"
    return f"{head}{image}\n{described(script)}\n:::\n"


def index() -> str:
    """The page with all pictures, those without one at the end."""
    ordered = sorted(scripts(), key=lambda script: not (PICTURES / f"{script.stem}.png").is_file())
    names = "\n".join(script.stem for script in ordered)
    return (
        f"{INTRODUCTION}```{{toctree}}\n:hidden:\n\n{names}\n```\n\n::::{{grid}} 1 2 3 3\n:gutter: 3\n\n"
        + "".join(map(_card, ordered))
        + "::::\n"
    )


def texts() -> dict[str, str]:
    """The text of each page by the name of its file."""
    return {f"{script.stem}.md": page(script) for script in scripts()} | {"index.md": index()}


def draw(results: str) -> None:
    """Run the scripts that draw something.

    Args:
        results: folder of an experiment.
    """
    PICTURES.mkdir(parents=True, exist_ok=True)
    for script in scripts():
        if "sys.argv[2]" in script.read_text(encoding="utf-8"):
            call = [sys.executable, str(script), results, str(PICTURES / f"{script.stem}.png")]
            subprocess.run(call, check=True, env={**os.environ, "MPLBACKEND": "agg"})


if __name__ == "__main__":
    draw(sys.argv[1])
