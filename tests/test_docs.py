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


# How pages are made from the code: docs/_ext, without Sphinx


def test_every_setting_that_a_user_can_give_is_in_the_reference():
    import settings_page

    from ratecore.settings.experiment import ExperimentSettings

    schema, keys = ExperimentSettings.model_json_schema(), set()

    def walk(node, path):
        if "$ref" in node:
            walk(schema["$defs"][node["$ref"].rpartition("/")[2]], path)
        for one in [*node.get("anyOf", ()), *node.get("oneOf", ())]:
            walk(one, path)
        if isinstance(node.get("items"), dict):
            walk(node["items"], f"{path}[]")
        if isinstance(node.get("additionalProperties"), dict):
            walk(node["additionalProperties"], f"{path}.NAME")
        for name, inner in node.get("properties", {}).items():
            keys.add(f"{path}.{name}".lstrip("."))
            walk(inner, f"{path}.{name}".lstrip("."))

    walk(schema, "")
    text = settings_page.text()
    listed = re.findall(r"^:::\{setting\} (\S+)$", text, re.M)
    assert len(listed) == len(set(listed))
    assert keys == set(listed) | {section.path for section in settings_page.sections() if section.path in keys}
    assert "{setting} training.n_trials\ndefault `6000` · whole number ≥ 1" in text
    assert "{setting} spiking.refractory\n" in text and "in ms" in text


def test_every_option_of_a_command_is_in_the_reference(capsys):
    import commands_page

    text = commands_page.text()
    for command in ratecore.cli.arguments.COMMANDS:
        with pytest.raises(SystemExit):
            ratecore.cli.parser().parse_args([command, "--help"])
        for option in re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.M):
            assert f"{{command-option}} ratecore {command} | {option}" in text or command == "task"
    assert "ratecore task show | --set" in text and "python -m ratecore.main | --apply_dale" in text


def test_every_public_name_is_on_a_page_and_has_a_docstring():
    import inspect
    from importlib import import_module

    import public

    objects = {id(public.target(name)) for name in public.described()}
    for module in ("ratecore", "ratecore.spiking", "ratecore.tasks", "ratecore.figures", "ratecore.rate"):
        for name in import_module(module).__all__:
            thing = getattr(import_module(module), name)
            assert id(thing) in objects or name.isupper(), f"{module}.{name}"
            assert inspect.getdoc(thing), f"{module}.{name}"


def test_what_pages_and_examples_import_is_public():
    import public

    text = "\n".join(b.text for b in all_blocks("python") if b.page != "docs/migrating.md")
    text += "\n".join(path.read_text() for path in (DOCS / "examples").glob("*.py"))
    text = re.sub(r"  # .*", "", text)
    objects = {id(public.target(name)) for name in public.described()}
    for module, names in re.findall(r"^from (ratecore\.\S+) import (.+)$", text, re.M):
        for name in names.split(", "):
            thing = public.target(f"{module}.{name}")
            assert id(thing) in objects or name.isupper() or module == "ratecore.figures.by_axis", f"{module}.{name}"


def example(x, w=(1, 2), *others):
    """Adds `x` to everything.

    It is a*b.

    Args:
        x: of shape (T,).
        w: weights,
            in two lines.
        *others: more.

    Returns:
        The sum: a number.

    Raises:
        ValueError: `x` is empty.

    Source: none
    """


def test_docstrings_are_converted():
    import inspect

    import markup

    lines = markup.converted(inspect.getdoc(example).splitlines())
    assert lines == [
        "Adds ``x`` to everything.", "", r"It is a\*b.", "",
        "", ":Parameters:", "    * **x** -- of shape (T,).", "    * **w** -- weights, in two lines.",
        r"    * **\*others** -- more.", "", ":Returns: The sum: a number.",
        "", ":Raises:", "    * ``ValueError`` -- ``x`` is empty.", "",
    ]  # fmt: skip
    assert markup.readable('dict[str, Float[np.ndarray, "B *out T"]] | None') == 'dict[str, Float["B *out T"]] | None'
    assert ":doc:`docs/model.md </model>` 3" in markup.escaped("docs/model.md 3")
    assert markup.escaped("see `open_results`") == "see :py:obj:`open_results <ratecore.open_results>`"


def test_links_between_files_become_links_between_pages():
    import links

    readme, page = ROOT / "config/README.md", DOCS / "reference/configuration.md"
    for before, after in {
        "[x](../docs/tasks.md#mante)": "[x](../tasks.md#mante)",
        "[`a`](../README.md)": "[`a`](../index.md)",
        "[x](examples/areas.yaml)": "[x](../../config/examples/areas.yaml)",
        "[x](../docs/examples/spikes.py)": "[x](../gallery/spikes.md)",
        "[x](../SECURITY.md)": "x (`SECURITY.md`)",
        "[x](https://a.b/c.md) [y](#here) [z](gone.md)": "[x](https://a.b/c.md) [y](#here) [z](gone.md)",
        "```\n[x](../docs/tasks.md)\n```": "```\n[x](../docs/tasks.md)\n```",
    }.items():
        assert links.relinked(before, readme, page) == after
