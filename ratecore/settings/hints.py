"""Guesses what a wrong key or value was meant to be: the '(did you mean ...?)' in messages."""

from __future__ import annotations

import datetime
import difflib
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, get_args, get_origin

from pydantic_core import PydanticUndefined

from ratecore.settings.synonyms import NAMES, REMARKS, WORDS

if TYPE_CHECKING:
    from pydantic import BaseModel

DURATIONS = ("T", "stim_on", "stim_dur", "delay")  # settings of tasks that are counted in steps of 5 ms
TRUE, FALSE, NOTHING = {"true", "yes", "y", "on", "1", "t"}, {"false", "no", "n", "off", "0", "f"}, {"none", "null"}
DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
QUOTES = "'\"\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
MOST_NAMES = 4  # in one hint


def plain(word: str) -> str:
    """Reduce a name to what all its spellings have in common.

    Args:
        word: any spelling.

    Returns:
        The name in lower case without separators and quotation marks.
    """
    return re.sub(rf"[\s_.:/{QUOTES}-]", "", word.translate(DASHES).casefold())


def is_section(annotation: object) -> TypeGuard[type[BaseModel]]:
    """Whether the type of a setting is a section of further settings.

    Args:
        annotation: type of the setting.

    Returns:
        True for a class of settings.
    """
    return hasattr(annotation, "model_fields")


def near(word: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The most similar of some names.

    Args:
        word: a word in any case.
        names: the names to choose from.
        cutoff: smallest similarity in [0, 1], as in `difflib.get_close_matches`.

    Returns:
        One of `names`; None when none is similar.
    """
    names = list(names)
    by_plain = {plain(name): name for name in names}
    if (same := plain(word)) in by_plain:
        return by_plain[same]
    matches = difflib.get_close_matches(word[:100], names, 1, cutoff)
    matches = matches or [by_plain[n] for n in difflib.get_close_matches(same[:100], by_plain, 1, cutoff)]
    return matches[0] if matches else None


_roots: list[type[BaseModel]] = []  # settings that contain all others; `ratecore.settings.experiment` adds its own


def look_in(root: type[BaseModel]) -> None:
    """Make all settings of a class known, so that a key in the wrong section is recognized.

    Args:
        root: a class of settings, with its sections.
    """
    _roots.append(root)


def every_setting() -> dict[str, type[BaseModel]]:
    """All settings of an experiment.

    Returns:
        Dotted path of each setting, with the class that it belongs to.
    """
    paths: dict[str, type[BaseModel]] = {}

    def visit(model: type[BaseModel], path: tuple[str, ...]) -> None:
        for key, field in model.model_fields.items():
            paths[".".join((*path, key))] = model
            if is_section(field.annotation):
                visit(field.annotation, (*path, key))

    for root in _roots:
        visit(root, ())
    return paths


def for_key(key: str, model: type[BaseModel]) -> str:
    """The hint for an unknown key.

    Args:
        key: as it was given.
        model: class of the section in which it was given.

    Returns:
        The nearest name, there or elsewhere, or ''.
    """
    own, same = model.model_fields, plain(key)
    if name := next((name for name in own if plain(name) == same), None):
        return _mean(name)
    if match := re.match(r"\s*([\w.]+)\s*[:=]\s*\S", key):  # `N:200`
        return f" (did you mean '{match[1]}'? a colon needs a space after it)"
    if same in REMARKS:
        return REMARKS[same]
    settings = every_setting()
    if "." in key and (path := near(key, settings, 0.8)):
        return _mean(path.rpartition(".")[2]) if settings[path] is model else f" (did you mean {_nested(path)}?)"
    if target := NAMES.get(same):
        name = target.rpartition(".")[2]
        same_section = settings.get(target, model) is model or (name in own and near(key, [name]))
        return _mean(name if name in own and same_section else target)
    elsewhere = [path for path in settings if "." in path and plain(path.rpartition(".")[2]) == same]
    depth = min((path.count(".") for path in elsewhere), default=0)
    elsewhere = [path for path in elsewhere if path.count(".") == depth][:MOST_NAMES]  # a name can be in many sections
    here = near(key, own, 0.76 if elsewhere else 0.6)
    if elsewhere or here:
        return _mean(*filter(None, [here]), *elsewhere)
    return _mean(*filter(None, [near(key, settings, 0.75)]))


def _nested(path: str) -> str:
    """A dotted path as YAML has it: network: {N: ...}."""
    section, *rest = path.split(".")
    return f"{section}: {{{': {'.join(rest)}: ...{'}' * len(rest)}"


def for_axis(name: str, axes: Collection[str]) -> str:
    """The hint for an unknown axis of the grid.

    Args:
        name: as it was given.
        axes: the axes that there are.

    Returns:
        The nearest axis, or ''.
    """
    same = plain(name)
    if same in REMARKS:
        return REMARKS[same]
    field = next((root.model_fields[name] for root in _roots if name in root.model_fields), None)
    if field is not None:
        section = is_section(field.annotation)
        return f"; name a setting in it, as {name}.<key>" if section else "; it is one for all runs, outside grid"
    target = NAMES.get(same, "").removeprefix("grid.")
    if target in axes or target.startswith("task_settings."):
        return _mean(target)
    if inside := [axis for axis in axes if axis.startswith(f"{name}.")]:  # a section within a section
        return _mean(*inside)
    similar = near(name, axes)
    return _mean(similar) if similar else ""


def _mean(*names: str) -> str:
    if not names:
        return ""
    quoted = [f"'{name}'" for name in names]
    return f" (did you mean {' or '.join(filter(None, [', '.join(quoted[:-1]), quoted[-1]]))}?)"


def kinds_of(annotation: object) -> set[Any]:
    """The plain types that values of a type may have, including those in lists and mappings.

    Args:
        annotation: type of a setting.

    Returns:
        int, float, str ..., and Literal.
    """
    if isinstance(annotation, type) and not get_args(annotation):
        return {annotation}
    if get_origin(annotation) is Literal:
        return {Literal}
    inner = get_args(annotation)
    if get_origin(annotation) is dict:
        inner = inner[1:]
    return set().union(*(kinds_of(part) for part in inner)) if inner else set()


def for_value(key: str, annotation: object, default: object, options: list[str], value: Any) -> str:
    """The hint for a wrong value.

    Args:
        key: name of the setting.
        annotation: its type.
        default: its default.
        options: the words that are allowed, if the setting has such.
        value: what was given.

    Returns:
        How the value is written, or the option that was meant, in parentheses; or ''.
    """
    kinds = kinds_of(annotation)
    single = not any(get_origin(part) in (tuple, list, dict) for part in (annotation, *get_args(annotation)))
    if value is None:
        return " (it has no value)" if default is PydanticUndefined else f" (leave it out for {_yaml(default)})"
    if isinstance(value, bool) and (options or str in kinds) and bool not in kinds:
        return f" (YAML reads {'yes, on' if value else 'no, off'} and the like as {value}: put words in quotes)"
    if options and isinstance(value, str):
        choice = WORDS.get(key, {}).get(plain(value)) or near(value, options)
        return _mean(choice) if choice in options else ""
    if key == "task" and isinstance(name := getattr(value, "name", None), str):  # a task or its class
        return f" (write its name, '{name}')"
    if key == "device" and isinstance(value, int):
        return " (did you mean 'cuda'? CUDA_VISIBLE_DEVICES says which ones)"
    if isinstance(value, list | tuple) and single and kinds & {int, float, bool, Literal, str}:
        return f" (one value is wanted here{_sweep(key, value)})"
    if isinstance(value, str) and kinds & {int, float, bool}:
        return _for_text(key, kinds, single, value)
    if bool in kinds and value in (0, 1):
        return f" (write {'true' if value else 'false'})"
    if str in kinds and isinstance(value, int | float) and abs(value) < 1e15:
        return f" (put it in quotes: '{value}')"
    if key == "experiment" and isinstance(value, datetime.date):
        return f" (put it in quotes: '{value:%Y-%m-%d}')"
    if key == "experiment" and isinstance(value, str):
        words = re.fullmatch(r"[\w .,;+/()-]{1,50}", value)  # not a URI, whose password would be shown
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", value).strip("._-") if words else ""
        return f" (letters, digits, '.', '_' and '-' make a name{f', as {name}' if name else ''})"
    return ""


def _sweep(key: str, values: object) -> str:
    """How to sweep the values of a list; '' for what cannot be an axis of the grid."""
    if key != "task" and any(key in root.model_fields for root in _roots):
        return ", the same for all runs"
    inner = str(values) if len(str(values)) < 60 else "[...]"
    return f"; to sweep it, write grid: {{{key}: {inner}}}"


def for_bound(most: float, value: object) -> str:
    """The hint for a number that is too large.

    Args:
        most: largest value that is allowed, in units of the setting.
        value: what was given.

    Returns:
        The fraction that a percentage stands for, or ''.
    """
    if most == 1 and not isinstance(value, bool) and isinstance(value, int | float) and 1 < value <= 100:
        return f" (a fraction, not per cent: {value / 100:g})"
    return ""


NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


def _for_text(key: str, kinds: set[Any], single: bool, text: str) -> str:
    """How a text was meant where a number, or true or false, is wanted."""
    word = text.strip().strip(QUOTES).strip()
    if bool in kinds:
        low = word.casefold()
        quotes = ", without quotes" if low in ("true", "false", "yes", "no", "on", "off") else ""
        return f" (write {'true' if low in TRUE else 'false'}{quotes})" if low in TRUE | FALSE else ""
    if word.casefold() in NOTHING | {"~"}:
        return " (leave the key out for its default)"
    ascii_word = word.translate(DASHES)
    if word[:1] in "[{" and word[:1]:
        return " (write it without quotes)"
    if not single and (match := re.fullmatch(r"(\d{1,6}):(\d{1,6}):(\d{1,6})", word)) and int(match[3]):
        values = list(range(int(match[1]), int(match[2]) + 1, int(match[3])))  # as --scaling_factors 20:75:5
        return f" (write a list, as {values if len(values) < 20 else [*values[:3], '...']})"
    if not single and (numbers := re.fullmatch(rf"{NUMBER}(?:\s*(?:[,;:_ -]|\.\.)\s*{NUMBER})+", ascii_word)):
        words = re.split(r"(?<=\d)(?:[,;:_ -]|\.\.)+", numbers[0])
        return f" (write a list, as [{', '.join(words[:8])}])"
    if match := re.fullmatch(rf"({NUMBER})\s*%", ascii_word):
        return f" (write {float(match[1]) / 100:g})"
    if re.fullmatch(r"[-+]?\d{1,3}(?:[ '\u00a0\u2009\u202f]\d{3})+", ascii_word):
        return f" (write {re.sub(r'[^-+0-9]', '', ascii_word)})"
    if match := re.fullmatch(r"([-+]?\d{1,3}),(\d{3})", ascii_word):
        return f" (write {match[1]}{match[2]} or {match[1]}.{match[2]}, without a comma)"
    if re.fullmatch(r"[-+]?\d+,\d+", ascii_word):
        return f" (write {ascii_word.replace(',', '.')})"
    if match := re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s*([kKM])", word):
        return f" (write {float(match[1]) * (1e6 if match[2] == 'M' else 1e3):.0f})"
    if match := re.fullmatch(rf"({NUMBER})\s*(ms|s|steps?|units?|trials?|mV)", ascii_word):
        if key in ("taus", "task_settings") and match[2] in ("ms", "s"):  # these are in steps
            steps = float(match[1]) * (200 if match[2] == "s" else 0.2)
            return f" (it is in steps of 5 ms: write {steps:g})"
        if match[2] == "s":
            return f" (write {float(match[1]) * 1000:g}, in ms)"
        return f" (write the number alone: {match[1]})"
    if re.fullmatch(NUMBER, ascii_word) and math.isfinite(float(ascii_word)):
        return f" (write {ascii_word}, without quotes)" if ascii_word == word else f" (write {ascii_word})"
    return ""


def _yaml(value: object) -> str:
    """A default as YAML has it."""
    if value in (None, {}, ()):
        return "its default"
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)


def for_seeds(text: str) -> str:
    """The hint for a range of seeds that is written in another way.

    Args:
        text: as it was given.

    Returns:
        How it is written, or ''.
    """
    numbers = re.findall(r"\d+", text.translate(DASHES))
    if len(numbers) == 2 and re.fullmatch(r"\D*\d+\s*(\.+|-|:|to|,|\.\.\s*)\s*\d+\D*", text.translate(DASHES)):
        if len(max(numbers, key=len)) > 19:
            return ""
        first, last = sorted(map(int, numbers))
        return f" (did you mean {first}..{last}?)"
    if (match := re.fullmatch(r"\s*range\((\d{1,18})\)\s*|(\d{1,18})", text)) and int(match[1] or match[2]):
        return f" (did you mean 0..{int(match[1] or match[2]) - 1}, or [{match[1] or match[2]}]?)"
    if len(numbers) > 2 and re.fullmatch(r"[\d,; ]+", text):
        return f" (did you mean [{', '.join(numbers[:20])}]?)"
    return ""


def for_list(text: str) -> str:
    """The hint for a text where the list of an axis should be.

    Args:
        text: as it was given.

    Returns:
        How it is written, or ''.
    """
    if text.startswith(("[", "'[", '"[')):
        return " (without quotes around it)"
    if re.fullmatch(r"[0-9]+ *(\.\.|-) *[0-9]+", text):
        return " (only seed can be a range)"
    return f" (write [{text}])" if re.fullmatch(r"[\w.,+ -]{1,80}", text) else ""


def for_seed(seed: object) -> str:
    """The hint for something in the list of seeds that is not a seed.

    Args:
        seed: as it was given.

    Returns:
        How it is written, or ''.
    """
    if isinstance(seed, str):
        if re.fullmatch(r"[0-9]{1,19}\.\.[0-9]{1,19}", seed):
            return f" (a range stands alone: seed: {seed})"
        return f" (write {seed}, without quotes)" if re.fullmatch(r"[0-9]{1,19}", seed) else for_seeds(seed)
    return ""


def in_steps(settings: Mapping[str, Any], make_task: Callable[[dict[str, Any]], object]) -> str:
    """The hint for durations of a task that would fit if they were given in ms instead of steps.

    Args:
        settings: as they were given.
        make_task: raises ValueError for settings that a task cannot have.

    Returns:
        The durations in steps, or ''.
    """
    given = {key: value for key, value in settings.items() if key in DURATIONS}
    if not given or any(isinstance(value, str | list) or value % 5 for value in given.values()):
        return ""
    steps = {key: value / 5 for key, value in given.items()}
    try:
        make_task({**settings, **steps})
    except ValueError:
        return ""
    written = ", ".join(f"{key}: {value:g}" for key, value in steps.items())
    return f" (durations are in steps of 5 ms; if ms were meant, write {written})"
