"""docs/analysis.md is that of the table of analyses, and results are as it says."""

import re
import runpy
from pathlib import Path

from ratecore.experiment.analyses.table import ROWS

ROOT = Path(__file__).parents[1]


def test_the_page_is_that_of_the_table():
    page = runpy.run_path(str(ROOT / "docs/analysis.py"))["page"]()
    assert (ROOT / "docs/analysis.md").read_text() == page, "python docs/analysis.py > docs/analysis.md"


def test_every_array_has_its_shape():
    for row in ROWS:
        for name, words in row.arrays.items():
            assert re.match(r"\([^)]*\) ", words), f"{row.name}/{name}: {words}"


def test_every_analysis_is_in_the_description_of_the_configuration():
    text = (ROOT / "config/README.md").read_text()
    assert [row.name for row in ROWS if f"| `{row.name}` |" not in text] == []
