"""Reading a configuration: YAML files without losing anything, values on the command line, and `~` in paths."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Mapping

from ratecore.settings.base import SettingsError, shortened
from ratecore.system.files import read_bounded

LARGEST_FILE = 2 * 2**20  # bytes of a configuration
MOST_BRACKETS = 100  # open at once; with thousands a YAML reader takes hours
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_LOCAL = re.compile(r"(?:sqlite(?:\+\w+)?|file):", re.I)


def load_yaml(path) -> dict:
    """The mapping in a YAML (or JSON) file.

    Raises:
        SettingsError: not there, not YAML, not a mapping, or a key that stands twice, with the lines.
    """
    import yaml

    try:
        text = _text_of(path)
        if _json(text):
            return _json(text)
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


def _text_of(path) -> str:
    """The text of a configuration. Raises OSError, ValueError: too large, no UTF-8, or too many brackets."""
    data = read_bounded(path, LARGEST_FILE)
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    depth = itertools.accumulate({"[": 1, "{": 1, "]": -1, "}": -1}.get(letter, 0) for letter in text)
    if max(depth, default=0) > MOST_BRACKETS:
        raise ValueError(f"more than {MOST_BRACKETS} brackets are open at once")
    return text


def _json(text: str) -> dict | None:
    """The mapping in a JSON text, of which YAML refuses the tabs; None for other texts and for repeated keys."""
    if not text.lstrip().startswith("{"):
        return None

    def mapping(pairs):
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=mapping)
    except (ValueError, RecursionError):
        return None


def _lost(root) -> list[str]:
    """A sentence for everything that YAML would change in silence: of two equal keys it keeps the last, and numbers
    such as 010 are others than they look.
    """
    import yaml

    problems, seen, left = [], set(), [((), root)]
    while left:
        path, node = left.pop()
        if id(node) in seen:  # an alias, or a mapping that holds itself
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            if node.style is None and (said := misread(node.value, node.tag)):
                problems.append(f"{shortened('.'.join(path))}, line {node.start_mark.line + 1}: {said}")
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
                    problems.append(f"{name}: it stands {_times(len(where))}, in lines {at}; give it once")
            left += [((*path, str(key.value)[:50]), inner) for key, inner in reversed(node.value)]
    return problems[:20]


def misread(word: str, tag: str) -> str:
    """A sentence where YAML 1.1 makes another number of a plain word than a reader does; '' elsewhere."""
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


def _yaml_hint(error) -> str:
    """What most likely led to an error of YAML, where its own words do not say it."""
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


def check_files(paths) -> None:
    """Sees that nothing in configuration files is lost before Snakemake's settings come from them.

    Snakemake reads the files itself, takes the last of two equal keys, and names no line where it cannot read one.

    Raises:
        SettingsError: with every problem of every file.
    """
    problems = []
    for path in paths:
        try:
            load_yaml(path)
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)


def check_arguments(arguments, given: Mapping) -> None:
    """Sees that nothing of `--config` and `--configfile` is lost, which Snakemake has read by then.

    Of an option that is given twice, and of two equal keys, Snakemake takes the last without a word.

    Args:
        arguments: of the command.   given: what Snakemake made of `--config`.

    Raises:
        SettingsError: names the argument, but shows no value.
    """
    import yaml

    problems = []
    for option, example in (("--config", "a=1 b=2"), ("--configfile", "a.yaml b.yaml")):
        if (n := len(_values_of(arguments, option))) > 1:
            problems.append(f"{option}: it stands {_times(n)} on the command line; give it once, as {option} {example}")
    places: Counter[str] = Counter()
    for argument in (argument for values in _values_of(arguments, "--config") for argument in values):
        key, _, value = argument.partition("=")
        if key not in given:
            continue
        if key == "experiment" and type(given[key]) is int and value != str(given[key]):
            problems.append(f"--config experiment: {shortened(value)} is read as {given[key]}; give it a letter")
        if "{" not in value:
            places[key] += 1
            continue
        try:
            node = yaml.compose(value, Loader=yaml.SafeLoader)
        except (yaml.YAMLError, RecursionError):
            continue  # then it is one word, which no section takes
        problems += [f"--config {key}: {problem}" for problem in _lost(node)]
        if isinstance(node, yaml.MappingNode):
            places.update({f"{key}.{name.value}" for name, _ in node.value if isinstance(name, yaml.ScalarNode)})
    twice = [(shortened(place), n) for place, n in places.items() if n > 1]
    problems += [f"--config {place}: it stands {_times(n)} on the command line; give it once" for place, n in twice]
    if problems:
        raise SettingsError([((), problem) for problem in problems])


def _values_of(arguments, option: str) -> list[list[str]]:
    """The values of an option of several values, for each time that it is given."""
    names = {"--config": ("--config", "-C"), "--configfile": ("--configfile", "--configfiles")}[option]
    found, current = [], None
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name in names:
            current = [value] if equals else []
            found.append(current)
        elif argument.startswith("-"):
            current = None
        elif current is not None:
            current.append(argument)
    return found


def read_words(config: dict, given: Mapping) -> None:
    """Reads the values of `--config` as YAML reads them; Snakemake leaves those in brackets words.

    Args:
        config: the configuration, changed in place.
        given: what Snakemake made of `--config`; it has `config`'s values at the same places.
    """
    for key, value in given.items():
        if isinstance(value, Mapping) and isinstance(config.get(key), dict):
            read_words(config[key], value)
        elif key in config:
            config[key] = _read(value)
        if key == "experiment" and type(config.get(key)) is int:
            config[key] = str(config[key])  # a name; in the shell it has lost its quotes


def _read(value):
    if isinstance(value, Mapping):
        return {key: _read(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_read(v) for v in value]
    return _word(value) if isinstance(value, str) else value


def _word(word: str):
    """A word as YAML reads it when it is not quoted: a number, true or false, null, or itself."""
    import yaml

    if word == "None":  # as Snakemake hands null to the jobs
        return None
    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, word, (True, False))
    if tag.rpartition(":")[2] not in ("int", "float", "bool", "null"):
        return word
    if said := misread(word, tag):
        raise SettingsError(f"--config: {said}")
    try:
        return loader.construct_object(yaml.ScalarNode(tag, word))
    except ValueError:  # a number of thousands of digits
        return word
    finally:
        loader.dispose()


def local_path(path: str | None) -> str | None:
    """`expanded`, of a setting that must be a path. Raises ValueError as that does, and for a URI."""
    if path is not None and re.match(r"[A-Za-z][\w+.-]*://", path):
        raise ValueError("it must be a path on this machine, not a URI")
    return expanded(path)


def expanded(path: str | None) -> str | None:
    """A path with `~` and `$HOME` (`${SCRATCH}` ...) as they are on this machine.

    Raises:
        ValueError: names the variables that are not set, or the user who has no home here.
    """
    if path is None:
        return None
    # An empty one counts as not set: $SCRATCH/results would be /results.
    if missing := sorted(name for m in _VARIABLE.finditer(path) if not os.environ.get(name := m[1] or m[2])):
        names = ", ".join(f"${name}" for name in dict.fromkeys(missing))
        raise ValueError(f"{names} must be set in the environment and {'is' if len(set(missing)) == 1 else 'are'} not")
    path = _VARIABLE.sub(lambda m: os.environ[m[1] or m[2]], path)
    if not path.startswith("~"):
        return path
    whole = os.path.expanduser(path)
    if whole.startswith("~"):
        user = path.partition("/")[0]
        why = "HOME is not set and the user has no home" if user == "~" else f"there is no user {user[1:]}"
        raise ValueError(f"{user} stands for no folder here: {why}; a folder of that name must be given as ./{user}")
    return whole


def expanded_uri(uri: str | None) -> str | None:
    """A tracking URI with `~` and variables in its path, where that is a path on this machine.

    Those of servers stay as they are, for their passwords may hold a `$`. Raises ValueError as `expanded`.
    """
    if uri is None or ("://" in uri and not _LOCAL.match(uri)):
        return uri
    scheme = _LOCAL.match(uri)
    if not scheme:
        return uri if ":" in uri else expanded(uri)
    slashes, path = re.fullmatch(r"(/*)(.*)", uri[scheme.end() :], re.S).groups()
    sqlite = scheme[0].lower().startswith("sqlite")
    if sqlite and len(slashes) < 3:  # which no URI of SQLite has; what checks URIs says so
        return uri
    whole = expanded(path)
    if whole.startswith("/"):  # sqlite:///~/x is sqlite:////home/me/x, and file:~/x is file:/home/me/x
        slashes = "///" if sqlite else slashes[:2] if len(slashes) > 1 else ""
    return scheme[0] + slashes + whole
