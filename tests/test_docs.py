"""The pages of the documentation: each is reached from the first, and the code on them is code that works."""

import argparse
import functools
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from docs_blocks import DOCS, GENERATED, ROOT, all_blocks, blocks, commands, lines_of_commands, pages

import ratecore.cli
import ratecore.main
import ratecore.spiking.__main__
from ratecore.experiment.grid import Experiment

sys.path.insert(0, str(DOCS / "_ext"))

LARGEST = 2_000_000  # bytes of a page's source
NOT_ON_THE_SITE = set()
# What is no configuration of ratecore, and what needs files that only its reader has.
OTHER_YAML = {
    ("docs/originals.md", 0): "the networks of others",
    ("docs/originals.md", 1): "the networks of others",
}


def names_in_toctrees(page: Path) -> set[Path]:
    """Files that the toctrees of a page name, without their suffix."""
    found = set()
    for text in re.findall(r"^`{3,}\{toctree\}\n(.*?)^`{3,}$", page.read_text(), re.M | re.S):
        names = [line for line in text.splitlines() if line and not line.startswith(":")]
        found |= {(page.parent / name).resolve() for name in names}
    return found


def test_every_page_is_reached_from_the_first():
    sources = {path.with_suffix(""): path for path in [*pages(), *(DOCS / "tutorials").glob("*.ipynb")]}
    waiting, reached = [DOCS / "index"], set()
    while waiting:
        page = waiting.pop()
        if page in reached or any(page.is_relative_to(DOCS / folder) for folder in GENERATED):
            continue
        reached.add(page)
        assert page in sources, f"{page} is in a toctree and does not exist"
        if sources[page].suffix == ".md":
            waiting += names_in_toctrees(sources[page])
    assert {path.relative_to(DOCS).as_posix() for path in sources.keys() - reached} == NOT_ON_THE_SITE


def test_no_page_is_too_large():
    for path in DOCS.rglob("*"):
        if path.suffix in (".md", ".ipynb", ".py"):
            assert path.stat().st_size <= LARGEST, path


@functools.cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(), re.M))


@functools.cache
def snakemake_parser() -> argparse.ArgumentParser:
    from snakemake.cli import get_argument_parser

    return get_argument_parser()


def check_command(words: list[str], made: set[str]) -> None:
    """A command that can be called as it is written.

    Args:
        words: of the command.
        made: files that the reader has made by then, as configurations of his own.
    """
    name, *rest = words
    if name == "make":
        given = [word for word in rest if "=" not in word and not word.startswith("-")]
        assert given and set(given) <= targets(), words
    elif name == "ratecore":
        assert not ratecore.cli.parser().parse_known_args(rest)[1], words
    elif name == "snakemake":
        args = snakemake_parser().parse_args(rest)
        for file in args.configfile or ():
            assert (ROOT / str(file)).is_file() or Path(str(file)).name in made, words
        assert all(profile == "auto" or (ROOT / profile).is_dir() for profile in args.profile or ()), words
    elif name == "python" and rest[:1] == ["-m"]:
        known = {"ratecore.main": ratecore.main.parser, "ratecore.spiking": ratecore.spiking.__main__.parser}
        if rest[1] in known:
            known[rest[1]]().parse_args(rest[2:])
        else:
            assert rest[1] in ("venv", "pip", "json.tool"), words
    elif name == "python":
        assert (ROOT / rest[0]).is_file() or rest[0] in made, words


CALLED = [(f"{block}", block.text) for block in all_blocks("bash", "console", "shell")]
CALLED += [(page.name, "\n".join(lines_of_commands(page))) for page in [*pages(), ROOT / "README.md"]]
CALLED += [(f"README.md-{b.number}", b.text) for b in blocks(ROOT / "README.md") if b.kind == "bash"]


@pytest.mark.parametrize(("where", "text"), CALLED, ids=[where for where, _ in CALLED])
def test_commands_can_be_called_as_they_are_written(where, text, capsys):
    made = {"paper.yaml", "original.yaml", "other.yaml", "both.yaml", "my_task.py"}
    for words in commands(text):
        try:
            check_command(words, made)
        except SystemExit:
            pytest.fail(f"{where}: {' '.join(words)}: {capsys.readouterr().err}")


def test_commands_are_found():
    text = "A=1 ratecore ui x  # why\nsource a/activate && snakemake -n | head\n.venv/bin/ratecore \\\n  schema"
    assert commands(text) == [["ratecore", "ui", "x"], ["snakemake", "-n"], ["ratecore", "schema"]]
    with pytest.raises(AssertionError):
        check_command(["make", "nonsense"], set())
    with pytest.raises(SystemExit):
        check_command(["ratecore", "train", "--seed", "x"], set())


YAML = all_blocks("yaml")


@pytest.fixture
def folder(tmp_path, monkeypatch, own_registry):
    """What a reader has beside a configuration: a task of his own, an analysis, a list of units."""
    (own_task,) = (b for b in all_blocks("python") if b.page == "docs/howto/own_task.md")
    (tmp_path / "my_task.py").write_text(own_task.text)
    shutil.copy(DOCS / "examples/own_analysis.py", tmp_path)
    (tmp_path / "units.csv").write_text("3\n17\n42\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", YAML, ids=str)
def test_configurations_are_accepted(block, folder):
    if (block.page, block.number) in OTHER_YAML:
        pytest.skip(OTHER_YAML[block.page, block.number])
    config = yaml.safe_load(block.text)
    if "panels" in config:  # what they show is in the grid that stands before them
        config = {"grid": {"task": ["go-nogo"], "N": [10, 200], "taus": [4, [4, 10]], "seed": "0..9"}} | config
    experiment = Experiment.from_config({"experiment": "page", "results": str(folder / "results")} | config)
    assert len(experiment.grid_points) >= 1
