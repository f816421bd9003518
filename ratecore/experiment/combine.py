"""One configuration from several: its grid is the list of their products, so that they share networks and one table."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ratecore.experiment.axes import SECTIONS, axis_path, setting_paths
from ratecore.experiment.configurations import OF_THE_WORK
from ratecore.experiment.grid import Experiment
from ratecore.experiment.run_values import settings_of_task
from ratecore.experiment.seeds import parse_seeds
from ratecore.settings.base import Problem, SettingsError, shown, task_name
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.grid import LONGEST_NAME, NAME, products_in
from ratecore.settings.network_from import NETWORKS_FROM
from ratecore.settings.reading import load_yaml
from ratecore.settings.run import TESTED

Keys = tuple[str, ...]  # of a setting
MERGED = ("claims", "panels")  # sections of entries by name, each of which can belong to a product
TASKS = (("task_settings",), *((section, "task_settings") for section in TESTED))  # settings by key, or task and key


@dataclass
class _Part:
    """One of the configurations.

    Attributes:
        path: of its file, as it was given.
        given: what is in it.
        experiment: that it describes.
        products: name in the combined grid: axes with their values.
        renamed: name of a product in the file: its name in the combined grid.
    """

    path: str
    given: dict[str, Any]
    experiment: Experiment
    products: dict[str, dict[str, Any]]
    renamed: dict[str, str]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> _Part:
        """Read and check a configuration.

        Args:
            path: of the file.

        Returns:
            the configuration.

        Raises:
            SettingsError: with every problem of the file, which it names.
        """
        name = os.fspath(path)
        given = load_yaml(path)
        try:
            experiment = Experiment.from_config(copy.deepcopy(given))
        except SettingsError as error:
            raise SettingsError([((), f"{name}: {line}") for line in error.lines()]) from None
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", Path(path).stem).lstrip("._-")[: LONGEST_NAME - 8] or "grid"
        grid = given.get("grid") or {}
        named = {part.get(NAME) for part in grid} if isinstance(grid, list) else set()
        products, renamed = {}, {}
        for old, axes in products_in(grid).items():
            new = old if old in named else f"{stem}-{old}" if old else stem
            products[new], renamed[old] = axes, new
        return cls(name, given, experiment, products, renamed)

    @property
    def settings(self) -> ExperimentSettings:
        """The settings with their parsed values."""
        return self.experiment.settings

    @cached_property
    def paths(self) -> dict[str, set[Keys]]:
        """Product: keys of the settings that are its axes."""
        return {name: {axis_path(axis) for axis in axes if axis != "seed"} for name, axes in self.products.items()}

    @cached_property
    def tasks(self) -> dict[str, list[str]]:
        """Product: names of its tasks."""
        found = {}
        for name, axes in self.products.items():
            given = axes.get("task", [self.settings.task])
            found[name] = list(dict.fromkeys(str(task_name(task)) for task in given))
        return found

    def without(self, keys: Keys) -> list[str]:
        """The products for which a setting has the value of its section, since it is no axis of theirs."""
        return [name for name, paths in self.paths.items() if keys not in paths]

    def gives(self, keys: Keys) -> bool:
        """Whether the file has a setting."""
        section: Any = self.given
        for key in keys:
            if not isinstance(section, dict) or key not in section:
                return False
            section = section[key]
        return True

    def raw(self, keys: Keys) -> Any:
        """The value of a setting as it is written in the file."""
        value: Any = self.given
        for key in keys:
            value = value[key]
        return value

    def value(self, keys: Keys) -> Any:
        """The value of a setting, or its default."""
        value: Any = self.settings
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else getattr(value, key)
        return value

    def task_settings(self, keys: Keys, task: str, raw: bool = False) -> dict[str, Any]:
        """What `task_settings`, or those of a test elsewhere, set for a task, parsed or as it is written."""
        given = (self.raw(keys) if self.gives(keys) else {}) if raw else self.value(keys)
        return settings_of_task(task, given)

    def add_axis(self, product: str, keys: Keys, value: Any) -> None:
        """Make a setting an axis of one value."""
        self.products[product][_axis_name(keys)] = [copy.deepcopy(value)]


def _axis_name(keys: Keys) -> str:
    """The name of an axis: that of the setting, with its section where others have one of this name."""
    try:
        return keys[-1] if axis_path(keys[-1]) == keys else ".".join(keys)
    except SettingsError:
        return ".".join(keys)


def combine(
    files: Sequence[str | os.PathLike[str]], experiment: str | None = None, seeds: str | Sequence[int] | None = None
) -> dict[str, Any]:
    """Combine configurations to one.

    Its grid is the list of their products, each named after its file unless it has a name. Settings that all have in
    common stay settings; where they differ they become axes of one value. Every run has the identity that it has
    in its file. If one file converts its networks, those of all files are converted.

    Args:
        files: paths of the configurations.
        experiment: name of the combined one; that of the files, if they agree.
        seeds: of all products, as '0..4'; those of each file when None.

    Returns:
        the configuration.

    Raises:
        SettingsError: a file that cannot be used, a setting that differs and cannot be an axis, or a name used twice.
    """
    parts = [_Part.read(path) for path in files]
    problems: list[Problem] = _names_twice(parts)
    combined: dict[str, Any] = {"experiment": experiment}
    if experiment is None:
        combined["experiment"] = _same(parts, "experiment", problems, "; choose one with --experiment")
    top = [name for name in ExperimentSettings.model_fields if name not in {*SECTIONS, *MERGED}]
    for name in top:
        if name in ("experiment", "grid", "task", "task_settings", "unit_sets", "convert"):
            continue
        value = _of_the_work(parts, name, problems) if name in LENIENT else _same(parts, name, problems)
        if value is not None:
            combined[name] = value
    if not any(part.value(("convert",)) for part in parts):  # else those of all files, so that they share networks
        combined["convert"] = False
    for keys in [("task",), *setting_paths()]:
        if keys not in TASKS:
            _settle(parts, keys, combined)
    for keys in TASKS:
        _settle_task_settings(parts, keys, combined, problems)
    _join(parts, "unit_sets", combined, problems)
    for section in MERGED:
        _merge(parts, section, combined, problems)
    if problems:
        raise SettingsError(problems)
    combined["grid"] = [_product(name, axes, seeds) for part in parts for name, axes in part.products.items()]
    _check_columns(parts, Experiment.from_config(copy.deepcopy(combined)))
    return {key: combined[key] for key in ExperimentSettings.model_fields if key in combined} | combined


# Settings that change no number, and the file of tasks: those that files leave out are taken from the others.
LENIENT = OF_THE_WORK | {"task_file"}


def _product(name: str, axes: dict[str, Any], seeds: str | Sequence[int] | None) -> dict[str, Any]:
    if seeds is None or NETWORKS_FROM in axes:  # networks of files are not drawn from seeds
        return {NAME: name, **axes}
    if not isinstance(seeds, str):
        seeds = list(seeds)
    parse_seeds(seeds)
    return {NAME: name, **{axis: values for axis, values in axes.items() if axis != "seed"}, "seed": seeds}


def _names_twice(parts: Iterable[_Part]) -> list[Problem]:
    files: dict[str, list[str]] = {}
    for part in parts:
        for name in part.products:
            files.setdefault(name, []).append(part.path)
    return [
        ((), f"{' and '.join(paths)} have products of the name '{name}'; give each a name of its own in its grid")
        for name, paths in files.items()
        if len(paths) > 1
    ]


def _differ(key: str, values: dict[str, Any], why: str) -> Problem:
    """The problem of a setting that has several values."""
    found = ", ".join(f"{value} in {path}" for path, value in values.items())
    return ((), f"{key} is {found}; {why}")


def _same(parts: Sequence[_Part], key: str, problems: list[Problem], hint: str = "") -> Any:
    """A setting that must be the same in all files, as it is written; None where none has it."""
    if any(part.value((key,)) != parts[0].value((key,)) for part in parts):
        values = {part.path: shown(part.raw((key,)) if part.gives((key,)) else part.value((key,))) for part in parts}
        problems.append(_differ(key, values, f"it cannot be an axis and must be the same in all files{hint}"))
    return next((part.raw((key,)) for part in parts if part.gives((key,))), None)


def _of_the_work(parts: Sequence[_Part], key: str, problems: list[Problem]) -> Any:
    """A setting that files may leave out, but that may not have two values; None where none has it."""
    given = [part for part in parts if part.gives((key,))]
    if any(part.value((key,)) != given[0].value((key,)) for part in given):
        values = {part.path: shown(part.raw((key,))) for part in given}
        problems.append(_differ(key, values, "the files that set it must agree"))
    return given[0].raw((key,)) if given else None


def _settle(parts: Sequence[_Part], keys: Keys, combined: dict[str, Any]) -> None:
    """Keep a setting that is the same for all products, or make it an axis of those that do not have the default."""
    using = [part for part in parts if part.without(keys)]
    given = [part for part in using if part.gives(keys)]
    if not given:
        return
    if all(part.value(keys) == given[0].value(keys) for part in using):
        _put(combined, keys, given[0].raw(keys))
        return
    default = _default(keys)
    for part in given:
        for product in part.without(keys) if part.value(keys) != default else ():
            part.add_axis(product, keys, part.raw(keys))


def _default(keys: Keys) -> Any:
    value: Any = ExperimentSettings(experiment="default")
    for key in keys:
        value = getattr(value, key)
    return value


def _put(combined: dict[str, Any], keys: Keys, value: Any) -> None:
    section = combined
    for key in keys[:-1]:
        section = section.setdefault(key, {})
    section[keys[-1]] = copy.deepcopy(value)


def _settle_task_settings(
    parts: Sequence[_Part], keys: Keys, combined: dict[str, Any], problems: list[Problem]
) -> None:
    """Keep settings of a task that all files which use it have in common, and make the others axes."""
    if all(part.value(keys) == parts[0].value(keys) for part in parts):
        if parts[0].value(keys):
            _put(combined, keys, parts[0].raw(keys))
        return
    users: dict[str, list[tuple[_Part, str]]] = {}  # task: products that have it
    for part in parts:
        for product, tasks in part.tasks.items():
            for task in tasks:
                users.setdefault(task, []).append((part, product))
    for task, having in users.items():
        for key in dict.fromkeys(key for part, _ in having for key in part.task_settings(keys, task)):
            using = [(part, product) for part, product in having if (*keys, key) not in part.paths[product]]
            given = [(part, product) for part, product in using if key in part.task_settings(keys, task)]
            if len(given) == len(using) and len({repr(p.task_settings(keys, task)[key]) for p, _ in using}) == 1:
                _put(combined, (*keys, task, key), given[0][0].task_settings(keys, task, raw=True)[key])
                continue
            for part, product in given:
                value = part.task_settings(keys, task)[key]
                if all(part.task_settings(keys, other).get(key) == value for other in part.tasks[product]):
                    part.add_axis(product, (*keys, key), part.task_settings(keys, task, raw=True)[key])
                    continue
                texts = {p.path: _given(p.task_settings(keys, task, raw=True), key) for p, _ in using}
                why = f"it cannot be an axis of {product}, which has several tasks; give each task its own product"
                problems.append(_differ(".".join((*keys, task, key)), texts, why))


def _given(settings: dict[str, Any], key: str) -> str:
    return shown(settings[key]) if key in settings else "nothing"


def _join(parts: Sequence[_Part], section: str, combined: dict[str, Any], problems: list[Problem]) -> None:
    """Join what files have by name in a section; the same name must have the same value."""
    files: dict[str, _Part] = {}
    for part in parts:
        for name in part.given.get(section) or {}:
            first = files.setdefault(name, part)
            if first.value((section, name)) != part.value((section, name)):
                values = {p.path: shown(p.raw((section, name))) for p in (first, part)}
                problems.append(_differ(f"{section}.{name}", values, "give one of them another name"))
            combined.setdefault(section, {})[name] = copy.deepcopy(first.raw((section, name)))


def _merge(parts: Sequence[_Part], section: str, combined: dict[str, Any], problems: list[Problem]) -> None:
    """Join the entries of a section; each gets the product of its file."""
    files: dict[str, str] = {}
    for part in parts:
        for name, entry in (part.given.get(section) or {}).items():
            where = f"{section}.{name}"
            if name in files:
                problems.append(((), f"{where} is in {files[name]} and in {part.path}; give one of them another name"))
                continue
            files[name] = part.path
            entry = copy.deepcopy(entry)
            if entry.get("grid") is None and len(part.products) > 1:
                choice = ", ".join(part.products)
                message = f"{where} in {part.path}: grid must name one of its products ({choice})"
                problems.append(((), message))
            product = str(entry.get("grid") or next(iter(part.renamed)))
            combined.setdefault(section, {})[name] = {**entry, "grid": part.renamed.get(product, product)}


def _check_columns(parts: Sequence[_Part], whole: Experiment) -> None:
    """Check that columns which entries of a file name have the same names in the combined table."""
    problems: list[Problem] = []
    new = {axis.path: axis.column for axis in whole.axes}
    for part in parts:
        for axis in part.experiment.axes:
            if axis.column == new[axis.path]:
                continue
            for section in MERGED:
                for name, entry in (part.given.get(section) or {}).items():
                    if axis.column in _words(entry):
                        what = f"{section}.{name} in {part.path} names the column {axis.column}"
                        why = (
                            f"which is {new[axis.path]} in the combined table, where other files have axes of that name"
                        )
                        problems.append(((), f"{what}, {why}"))
    if problems:
        raise SettingsError(problems)


def _words(entry: Any) -> set[str]:
    """All text in an entry, its keys included."""
    if isinstance(entry, dict):
        return {str(key) for key in entry}.union(*map(_words, entry.values()))
    return set().union(*map(_words, entry)) if isinstance(entry, list) else {str(entry)}


def as_text(config: dict[str, Any], head: Iterable[str]) -> str:
    """A combined configuration as the text of its file.

    Args:
        config: of `combine`.
        head: lines of the comment at its top.

    Returns:
        YAML.
    """
    import yaml

    def flow(value: Any) -> str:
        text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
        return text.removesuffix("\n").removesuffix("\n...")

    lines = [f"# {line}" for line in head]
    for key, value in config.items():
        if key == "grid":
            lines.append("grid:")
            for product in value:
                rows = [f"{flow(axis)}: {flow(values)}" for axis, values in product.items()]
                lines += [f"{'    ' if k else '  - '}{row}" for k, row in enumerate(rows)]
        elif not isinstance(value, dict):
            lines.append(f"{key}: {flow(value)}")
        else:
            lines += yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=118).splitlines()
    return "\n".join(lines) + "\n"
