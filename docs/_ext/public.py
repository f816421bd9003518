"""What is public: modules, their names, and the one place on the site where each object is described."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

import ratecore.analysis


@dataclass
class Page:
    """One page of the API reference.

    Attributes:
        name: of its file.
        title: of the page.
        text: what stands above the names, as Markdown.
        groups: heading, and the full names below it.
    """

    name: str
    title: str
    text: str
    groups: dict[str, list[str]] = field(default_factory=dict)


# The names of `ratecore` that existing packages have; the others are ratecore's own.
EXISTING = ("compat", "main", "model")
# Beside the packages with a list of their names: what the documentation's examples import.
FURTHER = {
    "ratecore.rate.activity": ["trial_activity"],
    "ratecore.rate.results": ["Activity", "Evaluation", "Scores", "TrainingResult"],
    "ratecore.rate.testing": ["changed"],
    "ratecore.rate.network": ["RateNetwork"],
    "ratecore.tasks.examples": ["conditions_of", "examples_of"],
    "ratecore.tasks.variables": ["variables_of"],
    "ratecore.formats": ["load_mat", "load_task", "load_pth", "load_analysis", "load_comparison", "load_scores",
                         "load_weights"],
    "ratecore.eg_optimizer": ["ExponentiatedGradient"],
    "ratecore.spiking.lambda_grid_search": ["parse_range"],
    "ratecore.spiking.results": ["SpikeTrials"],
}  # fmt: skip
RESULTS = ("ratecore.experiment.results.Results", "ratecore.experiment.together.ResultsTogether",
           "ratecore.experiment.spikes.Spikes")  # fmt: skip


def target(name: str) -> Any:
    """The object of a full name.

    Args:
        name: such as `ratecore.tasks.Trial`.

    Returns:
        The object.
    """
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


def home(name: str) -> str:
    """The module that defines an object, by the full name of the object."""
    found = target(name)
    return str(getattr(found, "__module__", "") or "")


def sentence(module: ModuleType) -> str:
    """The first paragraph of a module's docstring."""
    return " ".join((inspect.getdoc(module) or "").partition("\n\n")[0].split())


def defined_in(module: ModuleType) -> list[str]:
    """Full names of the public functions and classes that a module defines, in the order of its source."""
    own = {
        name: thing
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(thing) or inspect.isclass(thing))
        and thing.__module__ == module.__name__
    }
    return [f"{module.__name__}.{name}" for name in sorted(own, key=lambda n: inspect.getsourcelines(own[n])[1])]


def _of(package: str, names: list[str] | None = None) -> list[str]:
    return [f"{package}.{name}" for name in names or importlib.import_module(package).__all__]


def _rate_page() -> list[Page]:
    own, existing = [], []
    for name in _of("ratecore"):
        (existing if home(name).split(".")[1:2] and home(name).split(".")[1] in EXISTING else own).append(name)
    tasks = [name for name in own if home(name).startswith("ratecore.tasks")]
    settings = [name for name in own if ".settings." in home(name)]
    rest = [name for name in own if name not in tasks + settings and home(name).startswith("ratecore")]
    return [
        Page("ratecore", "ratecore", "`import ratecore as rate`: settings, training, simulation and scores.",
             {"Work on networks": [*rest, "ratecore.train", "ratecore.load_network"], "Settings": settings}),
        Page("existing", "Names of the existing packages", "Names that `rate` has and ratecore keeps; "
             "[migrating](../../migrating.md) compares them one by one. `ratecore.rate` has the same names.",
             {"Names": [name for name in existing if name not in ("ratecore.train", "ratecore.load_network")]
              + _of("ratecore.eg_optimizer", FURTHER["ratecore.eg_optimizer"])}),
    ]  # fmt: skip


@cache
def pages() -> tuple[Page, ...]:
    """All pages of the API reference."""
    tasks = _of("ratecore.tasks")
    spiking = _of("ratecore.spiking")
    ours = [name for name in spiking if ".compat." not in home(name) and "companion" not in home(name)]
    found = [
        *_rate_page(),
        Page("tasks", "ratecore.tasks", sentence(importlib.import_module("ratecore.tasks")),
             {"What a task is": [n for n in tasks if not n.endswith("Task") or n.endswith("AbstractTask")],
              "Built-in tasks": [n for n in tasks if n.endswith("Task") and not n.endswith("AbstractTask")],
              "Trials": [*_of("ratecore.tasks.examples", FURTHER["ratecore.tasks.examples"]),
                         *_of("ratecore.tasks.variables", FURTHER["ratecore.tasks.variables"])]}),
        Page("results", "Results", "What [`open_results`](#ratecore.open_results) returns; "
             "[Opening results](../../results.md) shows it at work.",
             {"Opened results": list(RESULTS),
              "Rate networks and their trials": [
                  name for module in ("ratecore.rate.network", "ratecore.rate.activity", "ratecore.rate.testing",
                                      "ratecore.rate.results") for name in _of(module, FURTHER[module])],
              "Spiking trials": _of("ratecore.spiking.results", FURTHER["ratecore.spiking.results"])}),
        Page("formats", "ratecore.formats", "Files of networks; [Files](../../files.md) lists what is in them.",
             {"Functions": _of("ratecore.formats", FURTHER["ratecore.formats"])}),
        Page("spiking", "ratecore.spiking", sentence(importlib.import_module("ratecore.spiking")),
             {"Convert, simulate, explore": ours,
              "Names of the existing package": [n for n in spiking if n not in ours]
              + _of("ratecore.spiking.lambda_grid_search", ["parse_range"])}),
        Page("figures", "ratecore.figures", sentence(importlib.import_module("ratecore.figures")),
             {"Functions": [n for n in _of("ratecore.figures") if not n.rpartition(".")[2].isupper()]}),
    ]  # fmt: skip
    for info in sorted(pkgutil.iter_modules(ratecore.analysis.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"ratecore.analysis.{info.name}")
        names = [name for name in defined_in(module) if not info.name.endswith("_kernels")]
        if names:
            found.append(Page(f"analysis.{info.name}", f"ratecore.analysis.{info.name}", sentence(module), {"": names}))
    return tuple(found)


@cache
def described() -> dict[str, str]:
    """The page of each full name, the first that has the object."""
    found: dict[str, str] = {}
    seen: dict[int, str] = {}
    for page in pages():
        for name in (name for names in page.groups.values() for name in names):
            if id(target(name)) not in seen:
                seen[id(target(name))] = name
                found[name] = page.name
    return found


@cache
def by_identity() -> dict[int, str]:
    """The full name under which an object is described, by `id`."""
    return {id(target(name)): name for name in described()}


@cache
def by_short_name() -> dict[str, str]:
    """The full name by the last part of it, where only one described object has that name."""
    short: dict[str, list[str]] = {}
    for name in described():
        short.setdefault(name.rpartition(".")[2], []).append(name)
    return {last: names[0] for last, names in short.items() if len(names) == 1}
