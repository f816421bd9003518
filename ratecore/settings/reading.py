"""Reads configurations: YAML files without silent losses, values on the command line, and `~` in paths."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ratecore.settings.base import Problem, SettingsError, shortened
from ratecore.system.files import AnyPath, read_bounded

if TYPE_CHECKING:
    import yaml

LARGEST_FILE = 2 * 2**20  # bytes of a configuration
MOST_BRACKETS = 100  # nested; with thousands a YAML reader takes hours
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_LOCAL = re.compile(r"(?:sqlite(?:\+\w+)?|file):", re.I)


def load_yaml(path: AnyPath) -> dict[str, Any]:
    """Read the mapping in a YAML (or JSON) file.

    Args:
        path: the file.

    Returns:
        The mapping.

    Raises:
        SettingsError: the file is missing, not YAML or not a mapping, or a key is given twice, with the lines.
    """
    import yaml

    try:
        text = _text_of(path)
        if mapping := _json(text):
            return mapping
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            problems = _lost(node)
            values = None if problems or node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:  # without the text around it, which may hold a password
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise SettingsError(f"{path}: not a readable YAML file: {where}{error.problem}{_yaml_hint(error)}") from None
    # ValueError: too large, not UTF-8, or a value such as a number of 5,000 digits or the 30th of February.
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: not a readable YAML file: {error}") from error
    if problems:
        raise SettingsError([((), f"{path}: {problem}") for problem in problems])
    if not isinstance(values, dict):
        what = "empty" if values is None else f"a {type(values).__name__}"
        raise SettingsError(f"{path}: it must be a mapping of settings, `key: value`; it is {what}")
    return values


def _text_of(path: AnyPath) -> str:
    """The text of a configuration. Raises OSError, and ValueError: too large, not UTF-8, or too many brackets."""
    data = read_bounded(path, LARGEST_FILE)
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    depth = itertools.accumulate({"[": 1, "{": 1, "]": -1, "}": -1}.get(letter, 0) for letter in text)
    if max(depth, default=0) > MOST_BRACKETS:
        raise ValueError(f"more than {MOST_BRACKETS} brackets are open at once")
    return text


def _json(text: str) -> dict[str, Any] | None:
    """The mapping in a JSON text, whose tabs YAML does not accept; None for other texts and for repeated keys."""
    if not text.lstrip().startswith("{"):
        return None

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        values = json.loads(text, object_pairs_hook=mapping)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _lost(root: yaml.Node | None) -> list[str]:
    """A sentence for everything that YAML would change silently: it keeps the last of two equal keys, and numbers such
    as 010 are not what they look like.
    """
    import yaml

    problems: list[str] = []
    seen: set[int] = set()
    left: list[tuple[tuple[str, ...], yaml.Node | None]] = [((), root)]
    while left:
        path, node = left.pop()
        if id(node) in seen:  # an alias, or a mapping that contains itself
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            if node.style is None and (fault := misread(node.value, node.tag)):
                problems.append(f"{shortened('.'.join(path))}, line {node.start_mark.line + 1}: {fault}")
        elif isinstance(node, yaml.SequenceNode):
            left += [(path, part) for part in reversed(node.value)]
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, list[int]] = {}
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    lines.setdefault(key.value, []).append(key.start_mark.line + 1)
            for key, where in lines.items():
                if len(where) > 1:
                    name = shortened(".".join((*path, key)))
                    at = ", ".join(map(str, where[:-1])) + f" and {where[-1]}"
                    problems.append(f"{name}: it is given {_times(len(where))}, in lines {at}; give it once")
            left += [((*path, str(key.value)[:50]), inner) for key, inner in reversed(node.value)]
    return problems[:20]


def misread(word: str, tag: str) -> str:
    """Whether YAML 1.1 reads a plain word as another number than people do.

    Args:
        word: a scalar without quotes.
        tag: type that YAML gives it.

    Returns:
        A sentence that says so, or ''.
    """
    if tag.rpartition(":")[2] not in ("int", "float"):
        return ""
    digits = word.lstrip("+-")
    if ":" in digits:
        return f"{shortened(word)} is read in base 60; put it in quotes if it is no number"
    if re.fullmatch(r"0[0-7_]*[0-7]", digits):
        return f"{shortened(word)} is read as an octal number; write it without the 0 in front, or in quotes"
    if re.fullmatch(r"[\d_.]*_[\d_.]*", digits) and not re.fullmatch(r"\d{1,3}(_\d{3})*(\.\d*)?", digits):
        plain = shortened(digits.replace("_", ""))
        return f"{shortened(word)} is read as {plain}; write {plain}, or a list as [{', '.join(digits.split('_')[:8])}]"
    return ""


def _times(n: int) -> str:
    return "twice" if n == 2 else f"{n} times"


def _yaml_hint(error: yaml.MarkedYAMLError) -> str:
    """The most likely cause of a YAML error, where its own message does not name it."""
    problem = error.problem or ""
    if "'\\t'" in problem:
        return " (indent with spaces, not with tabs)"
    if "could not find expected ':'" in problem:
        return " (a key is followed by a colon and a space, `key: value`)"
    if "mapping values are not allowed" in problem:
        return " (is the indentation that of the lines around it, and a value with a colon in quotes?)"
    if "expected <block end>" in problem:
        return " (is the indentation that of the lines around it?)"
    if "expected ',' or" in problem:
        return " (is a bracket closed, and is there a comma between values?)"
    if "undefined alias" in problem or "expected alphabetic or numeric" in problem:
        return " (* stands for an alias in YAML: put the value in quotes)"
    return ""


def check_files(paths: Iterable[AnyPath]) -> None:
    """Check configuration files that Snakemake reads.

    Snakemake itself takes the last of two equal keys and names no line where it cannot read one.

    Args:
        paths: the files.

    Raises:
        SettingsError: names every problem of every file.
    """
    problems: list[Problem] = []
    for path in paths:
        try:
            load_yaml(path)
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)


def check_arguments(arguments: Sequence[str], given: Mapping[str, Any]) -> None:
    """Check that Snakemake has lost nothing of `--config` and `--configfile`.

    When an option or a key is given twice, Snakemake silently takes the last.

    Args:
        arguments: of the command line.
        given: what Snakemake read from `--config`.

    Raises:
        SettingsError: names the argument, without its value.
    """
    import yaml

    problems: list[str] = []
    for option, example in (("--config", "a=1 b=2"), ("--configfile", "a.yaml b.yaml")):
        if (n := len(_values_of(arguments, option))) > 1:
            times = f"it is given {_times(n)} on the command line"
            problems.append(f"{option}: {times}; give it once, as {option} {example}")
    counts: Counter[str] = Counter()
    for argument in (argument for values in _values_of(arguments, "--config") for argument in values):
        key, _, value = argument.partition("=")
        if key not in given:
            continue
        if key == "experiment" and type(given[key]) is int and value != str(given[key]):
            problems.append(f"--config experiment: {shortened(value)} is read as {given[key]}; give it a letter")
        if "{" not in value:
            counts[key] += 1
            continue
        try:
            node = yaml.compose(value, Loader=yaml.SafeLoader)
        except (yaml.YAMLError, RecursionError):
            continue  # then Snakemake keeps it as text, which no section accepts
        problems += [f"--config {key}: {problem}" for problem in _lost(node)]
        if isinstance(node, yaml.MappingNode):
            counts.update({f"{key}.{name.value}" for name, _ in node.value if isinstance(name, yaml.ScalarNode)})
    twice = [(shortened(key), n) for key, n in counts.items() if n > 1]
    problems += [f"--config {key}: it is given {_times(n)} on the command line; give it once" for key, n in twice]
    if problems:
        raise SettingsError([((), problem) for problem in problems])


def _values_of(arguments: Sequence[str], option: str) -> list[list[str]]:
    """The values of an option that takes several, for each time that it is given."""
    names = {"--config": ("--config", "-C"), "--configfile": ("--configfile", "--configfiles")}[option]
    all_values: list[list[str]] = []
    current: list[str] | None = None
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name in names:
            current = [value] if equals else []
            all_values.append(current)
        elif argument.startswith("-"):
            current = None
        elif current is not None:
            current.append(argument)
    return all_values


def read_words(config: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Convert the values of `--config` as YAML does; Snakemake leaves those in brackets as text.

    Args:
        config: the configuration, changed in place.
        given: what Snakemake read from `--config`, with the same keys as `config`.
    """
    for key, value in given.items():
        if isinstance(value, Mapping) and isinstance(config.get(key), dict):
            read_words(config[key], value)
        elif key in config:
            config[key] = _read(value)
        if key == "experiment" and type(config.get(key)) is int:
            config[key] = str(config[key])  # a name that lost its quotes in the shell


def _read(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _read(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_read(v) for v in value]
    return _word(value) if isinstance(value, str) else value


def _word(word: str) -> Any:
    """A word as YAML reads it without quotes: a number, true or false, null, or itself."""
    import yaml

    if word == "None":  # what Snakemake passes to its jobs for null
        return None
    loader: Any = yaml.SafeLoader("")  # its methods have no types
    tag = loader.resolve(yaml.ScalarNode, word, (True, False))
    if tag.rpartition(":")[2] not in ("int", "float", "bool", "null"):
        return word
    if fault := misread(word, tag):
        raise SettingsError(f"--config: {fault}")
    try:
        return loader.construct_object(yaml.ScalarNode(tag, word))
    except ValueError:  # a number of thousands of digits
        return word
    finally:
        loader.dispose()


def local_path(path: str | None) -> str | None:
    """Expand a setting that must be a path.

    Args:
        path: may start with `~` and contain variables; None is returned as it is.

    Returns:
        The path on this machine.

    Raises:
        ValueError: as `expanded`, or it is a URI.
    """
    if path is None:
        return None
    if re.match(r"[A-Za-z][\w+.-]*://", path):
        raise ValueError("it must be a path on this machine, not a URI")
    return expanded(path)


def expanded(path: str) -> str:
    """Expand `~` and variables such as `$HOME` and `${SCRATCH}` in a path.

    Args:
        path: may start with `~` and contain variables.

    Returns:
        The path on this machine.

    Raises:
        ValueError: names the variables that are not set, or the user who has no home here.
    """
    # An empty variable counts as not set: $SCRATCH/results would be /results.
    if missing := sorted(name for m in _VARIABLE.finditer(path) if not os.environ.get(name := m[1] or m[2])):
        names = ", ".join(f"${name}" for name in dict.fromkeys(missing))
        raise ValueError(f"{names} must be set in the environment and {'is' if len(set(missing)) == 1 else 'are'} not")
    path = _VARIABLE.sub(lambda m: os.environ[m[1] or m[2]], path)
    if not path.startswith("~"):
        return path
    full = os.path.expanduser(path)
    if full.startswith("~"):
        user = path.partition("/")[0]
        why = "HOME is not set and the user has no home" if user == "~" else f"there is no user {user[1:]}"
        raise ValueError(f"{user} stands for no folder here: {why}; a folder of that name must be given as ./{user}")
    return full


def expanded_uri(uri: str | None) -> str | None:
    """Expand `~` and variables in a tracking URI that is a path on this machine.

    URIs of servers are not changed, since passwords may contain a `$`.

    Args:
        uri: tracking URI; None is returned as it is.

    Returns:
        The URI on this machine.

    Raises:
        ValueError: as `expanded`.
    """
    if uri is None or ("://" in uri and not _LOCAL.match(uri)):
        return uri
    scheme = _LOCAL.match(uri)
    if not scheme:
        return uri if ":" in uri else expanded(uri)
    rest = uri[scheme.end() :]
    path = rest.lstrip("/")
    slashes = rest[: len(rest) - len(path)]
    sqlite = scheme[0].lower().startswith("sqlite")
    if sqlite and len(slashes) < 3:  # not a URI of SQLite, which the check of URIs reports
        return uri
    full = expanded(path)
    if full.startswith("/"):  # sqlite:///~/x is sqlite:////home/me/x, and file:~/x is file:/home/me/x
        slashes = "///" if sqlite else slashes[:2] if len(slashes) > 1 else ""
    return scheme[0] + slashes + full
