"""Imports between modules: no circles, and contracts that see every import."""

import graphlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

import ratecore

ROOT = Path(ratecore.__file__).parents[1]
MOVED = {
    "ratecore.rate.results": {
        "Scores": ["ratecore.rate.evaluation", "ratecore.rate.block"],
        "Evaluation": ["ratecore.rate.evaluation"],
        "TrainingResult": ["ratecore.rate.training", "ratecore.rate.block"],
    },
    "ratecore.spiking.results": {
        "Comparison": ["ratecore.spiking", "ratecore.spiking.comparison"],
        "Components": ["ratecore.spiking.comparison"],
        "Example": ["ratecore.spiking.comparison"],
    },
    "ratecore.compat.rate_network": {
        "FR_RNN_dale": ["ratecore", "ratecore.model"],
        "AbstractRateRNN": ["ratecore", "ratecore.abstract"],
        "eval_rnn": ["ratecore", "ratecore.model"],
    },
    "ratecore.compat.spiking_simulation": {"LIF_network_fnc": ["ratecore.spiking", "ratecore.spiking.companion"]},
    "ratecore.system.intervals": {"wilson_interval": ["ratecore.spiking", "ratecore.spiking.scoring"]},
}


def modules_by_imports(graph) -> dict[str, set[str]]:
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def test_no_modules_import_each_other_in_a_circle():
    # Without imports for type checkers, which do not run: tasks.values names AbstractTask, and tasks.base imports it.
    graph = grimp.build_graph("ratecore", cache_dir=None, exclude_type_checking_imports=True)
    graphlib.TopologicalSorter(modules_by_imports(graph)).prepare()


def test_a_circle_through_an_import_in_a_function_is_found(tmp_path, monkeypatch):
    package = tmp_path / "circular_example"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "above.py").write_text("import circular_example.below\n")
    (package / "below.py").write_text("def work():\n    from circular_example import above\n\n    return above\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(modules_by_imports(grimp.build_graph(package.name, cache_dir=None))).prepare()


def test_every_module_is_in_one_layer():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    listed = [f"ratecore.{name}" for layer in layers for name in re.split(r"[\s:]+", layer.strip())]
    packages = {
        f"ratecore{name}" for name in ("", ".compat", ".rate", ".settings", ".spiking", ".tracking")
    }  # spread over the layers
    for module in grimp.build_graph("ratecore", cache_dir=None).modules - packages:
        homes = [name for name in listed if f"{module}.".startswith(f"{name}.")]
        assert len(homes) == 1, f"{module}: list it in one layer of tool.importlinter in pyproject.toml, not in {homes}"


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("rate/network", "ratecore.rate.dynamics", "layers"),
        ("settings/hints", "ratecore.settings.experiment", "layers"),
        ("tasks/base", "ratecore.settings.experiment", "layers"),
        ("spiking/source", "ratecore.spiking.companion", "layers"),
        ("formats/mat", "ratecore.rate.dynamics", "formats"),
        ("figures/style", "ratecore.system.files", "figures"),
        ("tracking/queue", "mlflow", "mlflow"),
    ],
)
def test_an_import_in_a_function_breaks_its_contract(tmp_path, module, imported, contract):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "ratecore", tmp_path / "ratecore", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "ratecore" / f"{module}.py"
    path.write_text(f"{path.read_text()}\n\ndef late():\n    import {imported}\n\n    return {imported}\n")
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--contract", contract]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 1 and "1 broken" in run.stdout, run.stdout + run.stderr
    assert f"ratecore.{module.replace('/', '.')} -> {imported}" in run.stdout


@pytest.mark.parametrize("home", MOVED)
def test_names_are_still_where_they_were(home):
    for name, places in MOVED[home].items():
        found = getattr(__import__(home, fromlist=[name]), name)
        assert all(getattr(__import__(place, fromlist=[name]), name) is found for place in places)
