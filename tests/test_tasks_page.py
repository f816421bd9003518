"""docs/tasks.md says what the built-in tasks are, and its measurements are there."""

import csv
import re
import runpy
from pathlib import Path

from ratecore.tasks import TaskFactory

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_is_that_of_the_tasks():
    assert (DOCS / "tasks.md").read_text() == runpy.run_path(str(DOCS / "tasks.py"))["page"](), (
        "python docs/tasks.py > docs/tasks.md"
    )


def test_every_task_has_a_section_a_figure_and_ten_networks():
    page = (DOCS / "tasks.md").read_text()
    names = re.findall(r"^## (?!Which)(.+)$", page, re.MULTILINE)
    own = {
        n for n in TaskFactory.list_available_tasks() if TaskFactory.task_class(n).__module__.startswith("ratecore.")
    }
    assert set(names) == own - {"go-nogo", "xor", "mante"}
    with (DOCS / "tasks.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name in names:
        assert (DOCS / f"images/task-{name}.png").read_bytes()[:4] == b"\x89PNG"
        measured = [row for row in rows if row["task"] == name]
        assert sorted(int(row["seed"]) for row in measured) == list(range(10))
        trained = sum(row["trained"] == "1" for row in measured)
        assert trained >= 8, name
        assert f"| [`{name}`](#{name}) | {TaskFactory.create_task(name).T} | {trained} of 10 | " in page


def test_sections_say_where_a_task_comes_from_and_how_it_is_scored():
    text = (DOCS / "tasks.md").read_text()
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[2:]:
        name, words = section.split("\n")[0], " ".join(section.split())
        assert re.search(r"Source: .*(19|20)\d\d", words), name
        for key in TaskFactory.task_class(name).defaults:
            assert f"| `{key}` | " in section, (name, key)
        if name != "random-dots-delay":  # which says that it is as random-dots
            assert re.search(r"Target: ", words) and re.search(r"Response windows?: ", words), name
            assert re.search(r"weight", words, re.IGNORECASE) and "Criterion: " in words, name
