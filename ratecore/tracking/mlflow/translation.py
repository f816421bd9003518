"""From run records to what MLflow shows: names of metrics, params and tags, steps that are whole numbers, colours.

The record holds scientific values under plain names and knows nothing of this. MLflow's steps are whole numbers, so
curves over lambda and evidence have them in thousandths; names are limited in their letters and length; values of
different settings or variants would be drawn as one line, so they are in groups of their own.

Older records hold all of this themselves: an event with `params`, `tags`, `values` or `curves`, and an
artifact with a `folder`, is taken as it is.
"""

from __future__ import annotations

import colorsys
import hashlib
import json
import posixpath
import re
from typing import NamedTuple

from ratecore.settings.run import hash_of

STATUS = {"done": "FINISHED", "interrupted": "KILLED", "killed": "KILLED"}  # of an `end`; all others are FAILED
LONGEST_VARIANT = 120  # letters of a variant in a name; MLflow's names have at most 250
# Groups of the numbers of a stage, of their curves, and the tag with the settings; by default the stage's own name.
GROUPS = {"evaluate": "eval", "convert": "spiking"}
OF_CONDITION = ("accuracy", "loss", "response_mean", "response_sd")
OUTPUTS = ("output_mean", "output_sd")
SPIKING = {"lambda": "lambda", "spiking_accuracy": "accuracy", "ci_low": "ci_low", "ci_high": "ci_high",
           "mean_rate_exc": "mean_rate_exc", "mean_rate_inh": "mean_rate_inh"}  # fmt: skip


class Shown(NamedTuple):
    """What MLflow shows of one event.

    Attributes:
        points: (name, step): value.   params, tags: name: value.
        folder: of the artifact, if the event is one.
    """

    points: dict
    params: dict
    tags: dict
    folder: str = ""


class Translation:
    """Translates the events of one record, from its first one on.

    What is shown of an event depends on those before it: on the settings that its stage began with, and on how many
    other settings the stage was done with before.
    """

    def __init__(self):
        self._settings: dict[str, dict] = {}  # by step, of its newest start
        self._seed = None
        self._identities: dict[str, list] = {}  # by step, of its ends
        self._folders: dict[str, str] = {}  # by path, of artifacts

    def __call__(self, event: dict) -> Shown:
        """What MLflow shows of the next event."""
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

    def _start(self, event: dict) -> Shown:
        step, settings = event["stage"], event.get("settings", {})
        self._settings[step] = settings
        if step == "train":
            self._seed = settings.get("seed", self._seed)
        if "params" in event or "tags" in event:
            return Shown(_points(event), event.get("params", {}), event.get("tags", {}))
        labels = event.get("labels", {})
        tags = {key: labels[key] for key in ("grid", "cell") if key in labels}
        if "grid_point" in event and self._seed is not None:
            tags["mlflow.runColor"] = color(event["grid_point"], self._seed)
        if step != "train" or not settings:
            return Shown({}, {}, tags)
        return Shown({}, _params(event), tags | _training_tags(event))

    def _folder(self, event: dict) -> str:
        """Where an artifact goes: by the stage that wrote it. A file that is written again stays where it was."""
        path = event["path"]
        if "folder" not in event:
            stage, kind = event["stage"].partition(" ")[0], path.rpartition(".")[2]
            names = {"train": "environment", "evaluate": "figures" if kind == "png" else "evaluation",
                     "export": "model", "convert": "model" if kind == "mat" else "spiking"}  # fmt: skip
            default = f"{names.get(stage, stage)}{_variant(event['stage'])}"
            # The conversion adds to the file of the export, which may have fewer variants.
            event = {"folder": self._folders.get(path, default) if kind == "mat" else default}
        self._folders[path] = event["folder"]
        return event["folder"]

    def _end(self, event: dict) -> Shown:
        step = event["stage"]
        identities = self._identities.setdefault(step, [])
        if event.get("identity") not in identities:
            identities.append(event.get("identity"))
        number = identities.index(event.get("identity")) + 1
        if any(key in event for key in ("tags", "values", "curves")):
            return Shown(_numbers(event, _group(step)), event.get("params", {}), event.get("tags", {}))
        points, tags = {}, {"error": event.get("error", "")}
        translate = {"train": _of_training, "evaluate": _of_evaluation, "export": _of_export, "convert": _of_conversion}
        stage = step.partition(" ")[0]
        if event.get("status") == "done" and stage not in translate:
            points = _of_other_stages(event, f"{stage}{_variant(step)}")
        elif event.get("status") == "done":
            # Curves of other settings would be drawn as one line; those of settings that come back are where they were.
            curves = f"{GROUPS.get(stage, stage)}_curves{f'_{number}' * (number > 1)}{_variant(step)}"
            points, more = translate[stage](event, _variant(step), curves, self._settings.get(step, {}))
            tags |= more
        return Shown(points, {}, tags)


def _of_training(end: dict, variant: str, curves: str, settings: dict) -> tuple[dict, dict]:
    points = {("train/n_trials", 0): end.get("n_trials"), ("train/seconds", 0): end.get("seconds"),
              ("train/trained", 0): int(end["trained"]) if "trained" in end else None}  # fmt: skip
    tags = {key: end[key] for key in ("trained", "device", "no_gpu") if key in end}
    return _known(points), tags


def _of_evaluation(end: dict, variant: str, curves: str, settings: dict) -> tuple[dict, dict]:
    points = {(f"eval{variant}/{key}", 0): end.get(key) for key in ("accuracy", "loss")}
    for name, row in end.get("conditions", {}).items():
        points |= {(f"eval_by_condition{variant}/{key}/{name}", 0): row.get(key) for key in OF_CONDITION}
        for key in OUTPUTS:
            points |= {(f"{curves}/{key}/{name}", step): value for step, value in row.get(key, ())}
    for row in end.get("psychometric", ()):
        step = thousandths(row["evidence"])
        for key in ("accuracy", "p_positive"):
            points[f"{curves}/psychometric_{key}/{row['trial_type']}", step] = row.get(key)
    tags = {f"evaluation{variant}": json.dumps(settings["evaluation"])} if "evaluation" in settings else {}
    return _known(points), tags


def _of_export(end: dict, variant: str, curves: str, settings: dict) -> tuple[dict, dict]:
    return {}, {f"{key}{variant}": end[key] for key in ("mat", "pth") if key in end}


def _of_conversion(end: dict, variant: str, curves: str, settings: dict) -> tuple[dict, dict]:
    if "skipped" in end:
        return {}, {f"spiking{variant}": f"skipped: {end['skipped']}"}
    points = {(f"spiking{variant}/{short}", 0): end.get(key) for key, short in SPIKING.items()}
    points |= {(f"{curves}/accuracy_by_lambda", thousandths(value)): perf for value, perf in end.get("search", ())}
    used = {key: settings[key] for key in ("spiking", "conversion") if key in settings}
    return _known(points), {f"spiking{variant}": json.dumps(used)} if used else {}


def _of_other_stages(end: dict, group: str) -> dict:
    """The numbers of a stage that has no names of its own in MLflow, as `stage/key`."""
    numbers = {key: value for key, value in end.items() if isinstance(value, int | float) and key != "time"}
    return {(f"{group}/{key}", 0): float(value) for key, value in numbers.items()}


def _known(points: dict) -> dict:
    return {point: value for point, value in points.items() if value is not None}


def _numbers(event: dict, group: str) -> dict:
    """The points of an event's `values` and `curves`; a plain name gets the group, one with a group keeps it."""
    named = {
        key: {name if "/" in name else f"{group}/{name}": value for name, value in event.get(key, {}).items()}
        for key in ("values", "curves")
    }
    return _points({**event, **named})


def _points(event: dict) -> dict:
    points = {(name, event.get("step", 0)): value for name, value in event.get("values", {}).items()}
    return points | {(name, step): v for name, curve in event.get("curves", {}).items() for step, v in curve}


def _group(step: str) -> str:
    stage = step.partition(" ")[0]
    return f"{GROUPS.get(stage, stage)}{_variant(step)}"


def _variant(step: str) -> str:
    """The part of a name that says of which variant it is: '/refractory_2' of 'convert refractory~2', or ''."""
    variant = step.partition(" ")[2].replace("~", "_")
    if len(variant) > LONGEST_VARIANT:
        variant = f"{variant[:80]}_{hash_of({'variant': variant})}"
    return f"/{variant}" if variant else ""


def _params(start: dict) -> dict:
    """What the network depends on, as flat names and values."""
    s = start["settings"]
    flat = {key: s[key] for key in ("task", "seed") if key in s} | s.get("network", {}) | s.get("training", {})
    flat |= {parameter_name(f"task.{key}"): value for key, value in start.get("task_settings", {}).items()}
    return {key: _taus(v) if key == "taus" else v for key, v in flat.items() if v is not None}


def _training_tags(start: dict) -> dict:
    from pydantic_core import to_json  # writes numbers as the settings themselves do

    s, made_with = start["settings"], start.get("provenance", {})
    commit, network = made_with.get("git_commit"), s.get("network", {})
    return {
        "seed": s.get("seed"),
        "task": s.get("task"),
        "N": network.get("N"),
        "taus": _taus(network["taus"]) if "taus" in network else None,
        "config_hash": start.get("identity"),
        "config": to_json(s).decode(),
        "git_commit": commit,
        "mlflow.source.git.commit": commit,
        "code_hash": made_with.get("code_hash"),
        "environment": made_with.get("environment"),
    }


def _taus(taus: list) -> str:
    """'4_20', as in the paths of results."""
    return "_".join(str(tau).removesuffix(".0") for tau in taus)


def thousandths(value: float) -> int:
    """A number as a step of MLflow."""
    return round(1000 * value)


def color(grid_point: int, seed: int) -> str:
    """A colour for MLflow's charts: a hue of the grid point, far from its neighbours', and a shade of the seed."""
    golden = 0.618034
    rgb = colorsys.hls_to_rgb(grid_point * golden % 1, 0.35 + 0.25 * (seed * golden % 1), 0.7)
    return "#" + "".join(f"{round(255 * c):02x}" for c in rgb)


def parameter_name(name: str) -> str:
    """The name of a setting as MLflow allows it: with '_' for other letters, and a hash if there are any."""
    safe = re.sub(r"[^\w ./:-]", "_", name)[:200]
    if safe == name and posixpath.normpath(name) == name:
        return name
    return f"{safe.replace('/', '_')}_{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def metric_name(name: str) -> str:
    """The name with what MLflow does not allow spelled out: 'eval/accuracy/+-' is 'eval/accuracy/plus_minus'."""
    words = re.sub(r"([+-])(?=[+-])", r"\1_", name)
    words = re.sub(r"(?<![A-Za-z0-9])-|-$", "minus", words.replace("+", "plus"))
    return re.sub(r"[^\w ./-]", "_", words).replace(" ", "_")


def status_of(events: list[dict]) -> tuple[str, dict | None, str]:
    """What MLflow shows of a run: its status, the `end` by which it ended (None while it runs), and the error.

    A stage that ended well says nothing of one that broke before, be it of another variant: the run stays FAILED, with
    that error, until the broken stage is done, or is done with other axes than it had.
    """
    last = next((e for e in reversed(events) if e["event"] in ("start", "end")), None)
    if last is None or last["event"] == "start":
        return "RUNNING", None, ""
    seen, axes, undone = set(), {}, []
    for event in reversed(events):
        if event["event"] != "end" or event["stage"] in seen:
            continue
        seen.add(event["stage"])
        stage, columns = _axes_of(event["stage"])
        of_newest = axes.setdefault(stage, columns)
        if event["status"] != "done" and columns == of_newest:
            undone.append(event)
    if not undone:
        return STATUS["done"], last, ""
    # What broke says more than what was interrupted.
    newest = next((event for event in undone if event["status"] not in STATUS), undone[0])
    error = str(newest.get("error", newest.get("tags", {}).get("error", "")))
    return STATUS.get(newest["status"], "FAILED"), last, error if newest is last else f"{newest['stage']}: {error}"


def _axes_of(step: str) -> tuple[str, tuple[str, ...]]:
    """The stage and the axes of a step: 'convert', ('refractory',) of 'convert refractory~2'."""
    stage, _, variant = step.partition(" ")
    return stage, tuple(part.partition("~")[0] for part in variant.split("/") if part)
