"""From events of the run record to what MLflow shows: names of metrics, params and tags, integer steps, colours.

The record holds scientific values under plain names. MLflow's steps are integers, so curves over lambda and evidence
have steps in thousandths. Its names are limited in length and characters. Values of different settings or variants
would be joined to one line, so they have groups of their own.

Older records contain what MLflow shows: an event with `params`, `tags`, `values` or `curves`, or an artifact with a
`folder`, is taken as it is.
"""

from __future__ import annotations

import colorsys
import hashlib
import json
import posixpath
import re
from typing import Any, NamedTuple

from ratecore.settings.run import hash_of
from ratecore.tracking.record import Event

Points = dict[tuple[str, int], float]  # by name and step
Tags = dict[str, Any]

STATUS = {"done": "FINISHED", "interrupted": "KILLED", "killed": "KILLED"}  # of an `end`; all others are FAILED
LONGEST_VARIANT = 120  # characters of a variant in a name; MLflow allows 250 for a name
# Names of the group of a stage's metrics and of the tag with its settings, where it is not the name of the stage.
GROUPS = {"evaluate": "eval", "convert": "spiking", "analyse": "analysis"}
CONDITION_METRICS = ("accuracy", "loss", "response_mean", "response_sd")
OUTPUTS = ("output_mean", "output_sd")
GRADED = {"psychometric": ("accuracy", "p_positive"), "chronometric": ("crossed", "median", "q25", "q75")}
SPIKING_METRICS = {
    "lambda": "lambda",
    "spiking_accuracy": "accuracy",
    "ci_low": "ci_low",
    "ci_high": "ci_high",
    "mean_rate_exc": "mean_rate_exc",
    "mean_rate_inh": "mean_rate_inh",
}


class Shown(NamedTuple):
    """What MLflow shows of one event.

    Attributes:
        points: values of metrics, by name and step.
        params: by name.
        tags: by name; those with the value None are not sent.
        folder: folder of the artifact, if the event is one.
    """

    points: Points
    params: dict[str, Any]
    tags: Tags
    folder: str = ""


class Translation:
    """Translates the events of one record, in their order, starting with the first.

    The result depends on earlier events: on the settings with which the stage started, and on the number of other
    settings that it has been run with before.
    """

    def __init__(self) -> None:
        # All by the name of the stage with its variant, except for artifacts.
        self._settings: dict[str, dict[str, Any]] = {}  # in the newest `start`
        self._seed: int | None = None
        self._identities: dict[str, list[str | None]] = {}  # in each `end`
        self._folders: dict[str, str] = {}  # of artifacts, by path

    def __call__(self, event: Event) -> Shown:
        """Translate the next event."""
        match event["event"]:
            case "start":
                return self._start(event)
            case "metrics":
                return Shown(_numbers(event, _group(event["stage"])), {}, {})
            case "artifact":
                return Shown({}, {}, {}, self._folder(event))
            case "end":
                return self._end(event)
        return Shown(_points(event), event.get("params", {}), event.get("tags", {}))

    def _start(self, event: Event) -> Shown:
        step, settings = event["stage"], event.get("settings", {})
        self._settings[step] = settings
        if step == "train":
            self._seed = settings.get("seed", self._seed)
        if "params" in event or "tags" in event:
            return Shown(_points(event), event.get("params", {}), event.get("tags", {}))
        labels = event.get("labels", {})
        tags = {key: labels[key] for key in ("grid", "cell", "grids") if key in labels}
        if "grid_point" in event and self._seed is not None:
            tags["mlflow.runColor"] = color(event["grid_point"], self._seed)
        if step != "train" or not settings:
            return Shown({}, {}, tags)
        return Shown({}, _params(event), tags | _training_tags(event))

    def _folder(self, event: Event) -> str:
        """The folder of an artifact, by its stage. A `.mat` stays in the folder where it was first."""
        path = event["path"]
        if "folder" not in event:
            stage, kind = event["stage"].partition(" ")[0], path.rpartition(".")[2]
            names = {
                "train": "environment",
                "evaluate": "figures" if kind == "png" else "evaluation",
                "export": "model",
                "convert": "model" if kind == "mat" else "spiking",
                "analyse": "analysis",
            }
            default = f"{names.get(stage, stage)}{_variant(event['stage'])}"
            # The conversion adds to the file of the export, whose name may have fewer axes.
            event = {"folder": self._folders.get(path, default) if kind == "mat" else default}
        folder = str(event["folder"])
        self._folders[path] = folder
        return folder

    def _end(self, event: Event) -> Shown:
        step = event["stage"]
        identities = self._identities.setdefault(step, [])
        if event.get("identity") not in identities:
            identities.append(event.get("identity"))
        number = identities.index(event.get("identity")) + 1
        if any(key in event for key in ("tags", "values", "curves")):
            return Shown(_numbers(event, _group(step)), event.get("params", {}), event.get("tags", {}))
        points: Points = {}
        tags: Tags = {"error": event.get("error", "")}
        translate = {"train": _training, "evaluate": _evaluation, "export": _export, "convert": _conversion}
        translate["analyse"] = _analyses
        stage = step.partition(" ")[0]
        if event.get("status") == "done" and stage not in translate:
            points = _other_stage(event, f"{stage}{_variant(step)}")
        elif event.get("status") == "done":
            # Curves of different settings would be joined to one line. Settings that are used again keep their group.
            curves = f"{GROUPS.get(stage, stage)}_curves{f'_{number}' * (number > 1)}{_variant(step)}"
            points, more = translate[stage](event, _variant(step), curves, self._settings.get(step, {}))
            tags |= more
        return Shown(points, {}, tags)


def _training(end: Event, variant: str, curves: str, settings: dict[str, Any]) -> tuple[Points, Tags]:
    points = {
        ("train/n_trials", 0): end.get("n_trials"),
        ("train/seconds", 0): end.get("seconds"),
        ("train/trained", 0): int(end["trained"]) if "trained" in end else None,
    }
    tags: Tags = {key: end[key] for key in ("trained", "device", "no_gpu") if key in end}
    return _known(points), tags


def _evaluation(end: Event, variant: str, curves: str, settings: dict[str, Any]) -> tuple[Points, Tags]:
    points = {(f"eval{variant}/{key}", 0): end.get(key) for key in ("accuracy", "loss")}
    for name, row in end.get("conditions", {}).items():
        for key, value in row.items():
            kind = re.sub(r"_\d+$", "", key)  # outputs after the first are numbered: response_mean_2
            if kind in CONDITION_METRICS:
                points[f"eval_by_condition{variant}/{key}/{name}", 0] = value
            elif kind in OUTPUTS:
                points |= {(f"{curves}/{key}/{name}", step): y for step, y in value}
    points |= _graded(end, curves)
    tags = {f"evaluation{variant}": json.dumps(settings["evaluation"])} if "evaluation" in settings else {}
    return _known(points), tags


def _graded(end: Event, curves: str) -> dict[tuple[str, int], float | None]:
    """The points of the psychometric and chronometric curves."""
    points: dict[tuple[str, int], float | None] = {}
    for name, keys in GRADED.items():
        for row in end.get(name, ()):
            for key in keys:
                points[f"{curves}/{name}_{key}/{row['trial_type']}", thousandths(row["evidence"])] = row.get(key)
    return points


def _export(end: Event, variant: str, curves: str, settings: dict[str, Any]) -> tuple[Points, Tags]:
    return {}, {f"{key}{variant}": end[key] for key in ("mat", "pth") if key in end}


def _conversion(end: Event, variant: str, curves: str, settings: dict[str, Any]) -> tuple[Points, Tags]:
    if "skipped" in end:
        return {}, {f"spiking{variant}": f"skipped: {end['skipped']}"}
    points = {(f"spiking{variant}/{short}", 0): end.get(key) for key, short in SPIKING_METRICS.items()}
    points |= {(f"{curves}/accuracy_by_lambda", thousandths(value)): perf for value, perf in end.get("search", ())}
    points |= _graded(end, curves)
    used = {key: settings[key] for key in ("spiking", "conversion") if key in settings}
    return _known(points), {f"spiking{variant}": json.dumps(used)} if used else {}


def _analyses(end: Event, variant: str, curves: str, settings: dict[str, Any]) -> tuple[Points, Tags]:
    points = {(f"analysis{variant}/{name}", 0): value for name, value in end.get("numbers", {}).items()}
    tags: Tags = {f"analysis{variant}": json.dumps(settings["analysis"])} if "analysis" in settings else {}
    for key, word in (("left_out", "left out"), ("errors", "failed")):
        tags |= {f"analysis{variant}/{name}": f"{word}: {why}" for name, why in end.get(key, {}).items()}
    return _known(points), tags


def _other_stage(end: Event, group: str) -> Points:
    """The numbers of a stage without names of its own in MLflow, as `stage/key`."""
    numbers = {key: value for key, value in end.items() if isinstance(value, int | float) and key != "time"}
    return {(f"{group}/{key}", 0): float(value) for key, value in numbers.items()}


def _known(points: dict[tuple[str, int], float | None]) -> Points:
    return {point: value for point, value in points.items() if value is not None}


def _numbers(event: Event, group: str) -> Points:
    """The points of an event's `values` and `curves`; names without a group get this one."""
    named = {
        key: {name if "/" in name else f"{group}/{name}": value for name, value in event.get(key, {}).items()}
        for key in ("values", "curves")
    }
    return _points({**event, **named})


def _points(event: Event) -> Points:
    points = {(name, event.get("step", 0)): value for name, value in event.get("values", {}).items()}
    return points | {(name, step): v for name, curve in event.get("curves", {}).items() for step, v in curve}


def _group(step: str) -> str:
    stage = step.partition(" ")[0]
    return f"{GROUPS.get(stage, stage)}{_variant(step)}"


def _variant(step: str) -> str:
    """The part of a metric's name for a variant: '/refractory_2' for 'convert refractory~2', or ''."""
    variant = step.partition(" ")[2].replace("~", "_")
    if len(variant) > LONGEST_VARIANT:
        variant = f"{variant[:80]}_{hash_of({'variant': variant})}"
    return f"/{variant}" if variant else ""


def _params(start: Event) -> dict[str, Any]:
    """The settings that a network depends on, by their names without sections."""
    s = start["settings"]
    flat = {key: s[key] for key in ("task", "seed") if key in s} | s.get("network", {}) | _flat(s.get("training", {}))
    flat |= {parameter_name(f"task.{key}"): value for key, value in start.get("task_settings", {}).items()}
    return {key: _taus(v) if key == "taus" else v for key, v in flat.items() if v is not None}


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings without nesting: of sections as `penalties.rate_mean`, of lists of sections as `stages.1.n_trials`."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
            value = {str(k): part for k, part in enumerate(value, 1)}
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _training_tags(start: Event) -> Tags:
    from pydantic_core import to_json  # formats numbers as the settings do

    s, origin = start["settings"], start.get("provenance", {})
    commit, network = origin.get("git_commit"), s.get("network", {})
    return {
        "seed": s.get("seed"),
        "task": s.get("task"),
        "N": network.get("N"),
        "taus": _taus(network["taus"]) if "taus" in network else None,
        "config_hash": start.get("identity"),
        "config": to_json(s).decode(),
        "git_commit": commit,
        "mlflow.source.git.commit": commit,
        "code_hash": origin.get("code_hash"),
        "environment": origin.get("environment"),
    }


def _taus(taus: list[float]) -> str:
    """'4_20', as in the paths of results."""
    return "_".join(str(tau).removesuffix(".0") for tau in taus)


def thousandths(value: float) -> int:
    """Convert a number to a step of MLflow.

    Args:
        value: scaling factor or evidence, unitless.

    Returns:
        Thousandths, rounded.

    Source: none
    """
    return round(1000 * value)


def color(grid_point: int, seed: int) -> str:
    """A colour for MLflow's charts: distant hues for neighbouring grid points, and a shade for the seed.

    Args:
        grid_point: number of the grid point.
        seed: seed of the run.

    Returns:
        '#' and six hexadecimal digits.
    """
    golden = 0.618034
    rgb = colorsys.hls_to_rgb(grid_point * golden % 1, 0.35 + 0.25 * (seed * golden % 1), 0.7)
    return "#" + "".join(f"{round(255 * c):02x}" for c in rgb)


def parameter_name(name: str) -> str:
    """The name of a setting in the characters that MLflow allows.

    Args:
        name: name of the setting.

    Returns:
        The name; if characters had to be replaced, by '_', or the length cut, then with a hash.
    """
    safe = re.sub(r"[^\w ./:-]", "_", name)[:200]
    if safe == name and posixpath.normpath(name) == name:
        return name
    return f"{safe.replace('/', '_')}_{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def metric_name(name: str) -> str:
    """The name of a metric in the characters that MLflow allows.

    Args:
        name: such as 'eval/accuracy/+-'.

    Returns:
        The name with signs as words, 'eval/accuracy/plus_minus', and '_' for other characters.
    """
    words = re.sub(r"([+-])(?=[+-])", r"\1_", name)
    words = re.sub(r"(?<![A-Za-z0-9])-|-$", "minus", words.replace("+", "plus"))
    return re.sub(r"[^\w ./-]", "_", words).replace(" ", "_")


def status_of(events: list[Event]) -> tuple[str, Event | None, str]:
    """The status of a run in MLflow.

    A run with a broken stage stays FAILED, with that error, although other stages or variants succeed after it, until
    the broken stage is done, or is done for other axes.

    Args:
        events: all events of the record, oldest first.

    Returns:
        The status, the last `end` (None while a stage is under way) and the error.
    """
    last = next((e for e in reversed(events) if e["event"] in ("start", "end")), None)
    if last is None or last["event"] == "start":
        return "RUNNING", None, ""
    seen: set[str] = set()
    axes: dict[str, tuple[str, ...]] = {}
    undone: list[Event] = []
    for event in reversed(events):
        if event["event"] != "end" or event["stage"] in seen:
            continue
        seen.add(event["stage"])
        stage, its_axes = _stage_and_axes(event["stage"])
        newest_axes = axes.setdefault(stage, its_axes)
        if event["status"] != "done" and its_axes == newest_axes:
            undone.append(event)
    if not undone:
        return STATUS["done"], last, ""
    # A broken stage is more informative than an interrupted one.
    newest = next((event for event in undone if event["status"] not in STATUS), undone[0])
    error = str(newest.get("error", newest.get("tags", {}).get("error", "")))
    return STATUS.get(newest["status"], "FAILED"), last, error if newest is last else f"{newest['stage']}: {error}"


def _stage_and_axes(step: str) -> tuple[str, tuple[str, ...]]:
    """The stage and the axes of its variant: 'convert', ('refractory',) for 'convert refractory~2'."""
    stage, _, variant = step.partition(" ")
    return stage, tuple(part.partition("~")[0] for part in variant.split("/") if part)
