"""The table of stages: rows that fit together, and which code each stage's numbers come from."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ratecore.experiment.grid import Experiment
from ratecore.experiment.stages import table
from ratecore.experiment.stages.table import ROWS, STAGES, function_of, last_of, stages_of
from ratecore.experiment.summary import grid_figures
from ratecore.settings.analysis import KNOWN
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.run import AFTER_TRAINING
from ratecore.system import source_code

ROOT = Path(table.PACKAGE).parent
ALL = set(STAGES)


def test_the_table_is_read_without_torch():
    code = "import sys; from ratecore.experiment.stages.table import figures_hash; figures_hash(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "ratecore.system.source_code" in loaded and not {"torch", "numba", "matplotlib", "mlflow"} & set(loaded)


@pytest.mark.parametrize("stage", ROWS, ids=lambda stage: stage.name)
def test_rows_fit_together(stage):
    before = ROWS[: ROWS.index(stage)]
    assert set(stage.needs) <= {row.name for row in before} and bool(stage.needs) == bool(before)
    # A result is of the variants of all that it depends on.
    for other in (STAGES[name] for name in stage.needs):
        assert set(stage.variants) >= set(other.variants)
    assert set(stage.variants) >= set(stage.settings) & set(AFTER_TRAINING)
    for name in stage.reads:
        assert name in {file for row in before for file in row.files}
    if stage.adds_to:
        assert stage.adds_to[1] in STAGES[stage.adds_to[0]].paths and stage.adds_to[0] in stage.needs
    if stage.switch:
        assert ExperimentSettings.model_fields[stage.switch].annotation in (bool, tuple[str, ...])
    named = [stage.work, stage.minutes, stage.block, stage.redraw, stage.point_figures and stage.point_figures.draw]
    assert all(callable(function_of(name)) for name in named if name)
    drawn = [figure.name for figure in stage.grid_figures]
    drawn += stage.point_figures.names if stage.point_figures else ()
    assert (ROOT / "workflow/rules" / f"{stage.name}.smk").is_file()
    assert all((ROOT / "workflow/report" / f"{name}.rst").is_file() for name in drawn)


def test_names_are_used_once():
    for names in (
        [stage.name for stage in ROWS],
        [file for stage in ROWS for file in stage.files],
        [file for stage in ROWS for file in stage.files.values()],
        [column for stage in ROWS for column in (*stage.columns, *stage.paths)],
        [figure.name for stage in ROWS for figure in stage.grid_figures],
    ):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("convert", "names"), [(True, ["train", "evaluate", "export", "convert"]), (False, ["train", "evaluate", "export"])]
)
def test_stages_of_an_experiment(convert, names):
    experiment = Experiment.from_config({"experiment": "e", "convert": convert})
    assert list(stages_of(experiment.settings)) == names and last_of(stages_of(experiment.settings)) == names[-1:]
    assert {"spiking_accuracy", "lambda"} <= set(grid_figures(experiment)) or not convert


def test_a_stage_without_the_one_that_it_needs_is_left_out(monkeypatch):
    row = table.Stage("more", work="a:b", settings=(), needs=("convert",))
    monkeypatch.setitem(STAGES, "more", row)
    for convert in (True, False):
        assert ("more" in stages_of(ExperimentSettings(experiment="e", convert=convert))) == convert


def test_a_module_that_the_table_leaves_out_is_there():
    known = source_code.modules_behind(table.PACKAGE, ["ratecore"])
    assert set(table.WITHOUT_NUMBERS) <= set(known)


def _docstring(source: str) -> str:
    """Other words in the docstring of the module and of all functions and classes in it."""
    tree, lines = ast.parse(source), source.splitlines(keepends=True)
    texts = [
        node.body[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
    ]
    for text in sorted(texts, key=lambda text: -text.lineno):
        lines[text.lineno - 1 : text.end_lineno] = [" " * text.col_offset + '"""Other words."""\n']
    return "".join(lines)


EDITS = {
    "docstring": _docstring,
    "comment": lambda source: f"# before\n{source}\n\n# after\n",
    "number": lambda source: f"{source}\n\nADDED = 2.5\n",
    "description": lambda source: source.replace('description="', 'description="in other words: '),
}
# File, kind of edit, what is redone.
EDITED = [
    *((path, kind, set()) for path in ("rate/network.py", "spiking/kernels.py", "tasks/base.py", "settings/base.py",
      "experiment/stages/train.py", "formats/pth.py", "figures/rate.py") for kind in ("docstring", "comment")),
    ("rate/network.py", "number", ALL),
    ("rate/losses.py", "number", ALL),
    ("rate/updates.py", "number", {"train"}),
    ("rate/block.py", "number", {"train"}),
    ("rate/stacked.py", "number", {"train"}),
    ("rate/training.py", "number", {"train"}),
    ("rate/evaluation.py", "number", ALL),
    ("rate/activity.py", "number", {"analyse"}),
    ("rate/dynamics/__init__.py", "number", ALL),
    ("rate/dynamics/kernels.py", "number", ALL),
    ("rate/dynamics/training_kernels.py", "number", {"train"}),
    ("spiking/kernels.py", "number", {"convert", "analyse"}),
    *((f"spiking/{name}_kernels.py", "number", {"convert", "analyse"}) for name in ("step", "membrane", "noise")),
    ("spiking/conversion.py", "number", {"convert", "analyse"}),
    ("spiking/comparison.py", "number", {"convert"}),
    ("spiking/companion.py", "number", set()),
    ("tasks/mante.py", "number", ALL),
    ("tasks/trials.py", "number", ALL),
    ("tasks/checks.py", "number", set()),
    ("settings/training.py", "number", ALL),
    ("settings/training.py", "description", set()),
    ("settings/hints.py", "number", set()),
    ("settings/experiment.py", "number", set()),
    ("settings/analysis.py", "number", set()),
    ("analysis/spectrum.py", "number", {"analyse"}),
    ("experiment/analyses/spectrum.py", "number", {"analyse"}),
    ("experiment/analyses/table.py", "number", set()),
    ("formats/pth.py", "number", ALL),
    ("formats/npz.py", "number", {"evaluate", "export", "convert", "analyse"}),
    ("formats/matlab_writing.py", "number", {"train", "export", "convert", "analyse"}),
    ("experiment/exporting.py", "number", {"export"}),
    *((f"experiment/stages/{name}.py", "number", {name}) for name in STAGES),
    *((f"experiment/{name}.py", "number", set()) for name in ("summary", "grid", "runs", "closing", "jobs", "plan",
      "checkpoints", "continuation", "stages/running", "stages/table")),
    ("system/noise.py", "number", ALL),
    ("system/streams.py", "number", ALL),
    ("system/files.py", "number", set()),
    ("system/intervals.py", "number", {"evaluate", "convert", "figures", "analyse"}),
    ("tracking/record.py", "number", set()),
    ("tracking/mlflow/mirror.py", "number", set()),
    ("compat/rate_network.py", "number", set()),
    ("cli/__init__.py", "number", set()),
    ("figures/rate.py", "number", {"figures"}),
    ("figures/spiking.py", "number", {"figures"}),
    ("figures/style.py", "number", {"figures"}),
]  # fmt: skip


def hashes(package: Path) -> dict[str, str]:
    stages = {stage: table.code_hash.__wrapped__(stage, package) for stage in STAGES if stage != table.ANALYSE}
    stages[table.ANALYSE] = table.code_hash.__wrapped__(table.ANALYSE, package, KNOWN)
    return stages | {"figures": table.figures_hash.__wrapped__(package)}


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of the package, and its hashes."""
    package = tmp_path_factory.mktemp("copy") / "ratecore"
    shutil.copytree(table.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    return package, hashes(package)


def test_a_copy_has_the_same_hashes(copied):
    assert copied[1] == hashes(table.PACKAGE) and len(set(copied[1].values())) == len(copied[1])


@pytest.mark.parametrize(("path", "kind", "redone"), EDITED)
def test_edited_here_redone_is_that(copied, monkeypatch, path, kind, redone):
    package, before = copied
    file, read = package / path, source_code.read_module
    # All other files are read once for all edits.
    monkeypatch.setattr(
        source_code, "read_module", lambda path, name: (read.__wrapped__ if path == file else read)(path, name)
    )
    source = file.read_text()
    edited = EDITS[kind](source)
    assert edited != source
    try:
        file.write_text(edited)
        after = hashes(package)
    finally:
        file.write_text(source)
    assert {name for name in before if after[name] != before[name]} == redone
