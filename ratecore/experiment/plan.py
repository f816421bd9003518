"""What a workflow prints before its first job: the plan, and cautions about settings that are probably mistakes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ratecore.experiment import plan_perturbations
from ratecore.experiment.axes import SECTIONS
from ratecore.experiment.grid import Experiment
from ratecore.experiment.plan_grid import MOST_SHOWN, as_taus, plan, taus_in_ms
from ratecore.experiment.products import Product
from ratecore.settings.base import shown, task_key
from ratecore.settings.grid import NAME, products_in
from ratecore.settings.hints import DURATIONS
from ratecore.settings.run import TESTED, RunSettings
from ratecore.settings.spiking import RATE_STEP
from ratecore.settings.training import TrainingSettings
from ratecore.tasks.multi import SUM

SLOW = 20  # steps; published networks have a smallest time constant of 4 to 10, and 20 ms is a common one
LONG = 200  # steps, which are a second, the largest time constant of the paper


def announcement(experiment: Experiment, quiet: bool = False) -> str:
    """The plan and the cautions, which a workflow prints before its first job.

    Args:
        experiment: of the configuration.
        quiet: leaves out the plan.

    Returns:
        the text.
    """
    warnings = [f"WARNING: {sentence}." for sentence in find_cautions(experiment)]
    return "\n".join([*([] if quiet else plan(experiment)), *warnings])


def find_cautions(experiment: Experiment) -> list[str]:
    """Settings that have no effect, prevent networks from counting as trained, or may have the wrong unit.

    None of them is an error: each can be intended.

    Args:
        experiment: of the configuration.

    Returns:
        a sentence, without a full stop, for each setting.
    """
    units = (_taus_in_ms, _single_lambdas, _durations, _spiking_in_seconds)
    parts = (
        _dashes,
        *units,
        _unreachable,
        _overruled,
        _idle,
        _idle_spiking,
        _idle_analyses,
        plan_perturbations.cautions,
    )
    return list(dict.fromkeys(sentence for part in parts for sentence in part(experiment)))  # products share some


def _dashes(experiment: Experiment) -> Iterator[str]:
    """Axes of one product that are written as a list."""
    grid = experiment.settings.grid
    if not isinstance(grid, list) or len(grid) < 2 or any(len(part) != 1 or NAME in part for part in grid):
        return
    if len(axes := [next(iter(part)) for part in grid]) == len(set(axes)):
        yield (
            f"grid: each '-' begins another product, so that {' and '.join(axes[:2])} are not combined; axes of one "
            "product are a mapping, without the dashes"
        )


def _values(experiment: Experiment, section: str, key: str) -> set[Any]:
    """The values of a setting in the grid."""
    return {getattr(getattr(grid_point.settings, section), key) for grid_point in experiment.grid_points}


def _chosen(experiment: Experiment, *path: str) -> bool:
    """Whether the configuration sets this setting, in its section or as an axis."""
    section: Any = experiment.settings
    for key in path[:-1]:
        section = getattr(section, key)
    return path[-1] in section.model_fields_set or any(axis.path == path for axis in experiment.axes)


def _taus_in_ms(experiment: Experiment) -> Iterator[str]:
    for product in (product for product in experiment.products if not product.of_files):
        yield from _taus_of_product_in_ms(product)


def _taus_of_product_in_ms(product: Product) -> Iterator[str]:
    given = next(axis.values for axis in product.axes if axis.column == "taus")
    taus = [as_taus(value) for value in given]
    if len(taus) == 2 and all(len(t) == 1 for t in taus) and taus[0] < taus[1]:
        (low,), (high,) = taus
        yield (
            f"{product.key}.taus = [{low:g}, {high:g}] asks for networks of one fixed time constant, "
            f"{low * RATE_STEP:g} ms or {high * RATE_STEP:g} ms; time constants trained from "
            f"{taus_in_ms((low, high))} are [[{low:g}, {high:g}]]"
        )
    slow = taus if min(min(t) for t in taus) >= SLOW else []
    if suspects := slow or [t for t in taus if max(t) > LONG and min(t) >= 2 * RATE_STEP]:
        text = ", ".join(map(taus_in_ms, suspects[:MOST_SHOWN]))
        first = ", ".join(f"{t / RATE_STEP:g}" for t in suspects[0])
        ms = " to ".join(f"{t:g}" for t in suspects[0])
        where = product.key if len(taus) > 1 else "network"
        yield (
            f"{where}.taus is in steps of {RATE_STEP:g} ms, which makes {text}; if ms were meant, "
            f"{ms} ms {'is' if len(suspects[0]) == 1 else 'are'} [{first}]"
        )


def _single_lambdas(experiment: Experiment) -> Iterator[str]:
    for product in experiment.products:
        values = next((axis.values for axis in product.axes if axis.path == ("conversion", "scaling_factors")), ())
        if len(values) < 2 or not all(isinstance(value, int | float) for value in values):
            continue
        some = ", ".join(f"{value:g}" for value in values[:MOST_SHOWN]) + (", ..." if len(values) > MOST_SHOWN else "")
        yield (
            f"{product.key}.scaling_factors = [{some}] converts every network {len(values)} times, each with one "
            "lambda; a search over them is conversion: {scaling_factors: [...]}"
        )


def _durations(experiment: Experiment) -> Iterator[str]:
    """Task durations that are five times their defaults, as they are in ms: T, or several at once.

    A single one, such as a delay, is usually intended.
    """
    seen: set[Any] = set()
    for grid_point in experiment.grid_points:
        numbers = {key: v for key, v in grid_point.settings.task_settings.items() if isinstance(v, int | float)}
        given = {key: value for key, value in numbers.items() if key in DURATIONS}
        if not given or (known := (grid_point.settings.task, *given.items())) in seen:
            continue
        seen.add(known)
        defaults = grid_point.settings.create_task().defaults
        fivefold = [key for key, value in given.items() if defaults.get(key) and value == defaults[key] * RATE_STEP]
        if "T" in fivefold or 1 < len(fivefold) == len(given):
            values = ", ".join(f"{key} = {given[key]:g}" for key in fivefold)
            meant = ", ".join(f"{given[key] / RATE_STEP:g}" for key in fivefold)
            are = "is" if len(fivefold) == 1 else "are"
            yield (
                f"task_settings of {grid_point.settings.task}: {values} {are} in steps of {RATE_STEP:g} ms; "
                f"if ms were meant, write {meant}"
            )


def _spiking_in_seconds(experiment: Experiment) -> Iterator[str]:
    if not experiment.settings.convert:
        return
    step = max(min(_values(experiment, "spiking", "dt")), 0.05)
    for key, least in (("dt", 0.001), ("refractory", step), ("tau_rise", step), ("tau_m", 1.0)):
        for value in sorted(v for v in _values(experiment, "spiking", key) if 0 < v < least):
            meant = f"if seconds were meant, write {value * 1000:g}"
            yield f"spiking.{key} = {value:g} is in ms and less than {least:g} ms; {meant}"
    for key in ("threshold", "v_reset", "v_peak"):
        for value in sorted(v for v in _values(experiment, "spiking", key) if v and abs(v) < 0.1):
            yield f"spiking.{key} = {value:g} is in mV; if volts were meant, write {value * 1000:g}"
    windows = {
        (stimulation.window, grid_point.settings.tested_task("conversion").T * RATE_STEP)
        for grid_point in experiment.grid_points
        if (stimulation := grid_point.settings.spiking.stimulation).mode != "none" and stimulation.window
    }
    for (start, end), duration in sorted(windows):
        what = f"spiking.stimulation.window = [{start:g}, {end:g}]"
        if end <= RATE_STEP:
            yield f"{what} is in ms; if seconds were meant, write [{start * 1000:g}, {end * 1000:g}]"
        if start >= duration:
            yield f"{what} has no effect: it begins after the end of the trial, which lasts {duration:g} ms"


def _unreachable(experiment: Experiment) -> Iterator[str]:
    """Criteria that no network can meet."""
    none = "so no network counts as trained" + (", and none is converted" if experiment.settings.convert else "")
    found: dict[Any, tuple[str, TrainingSettings, int]] = {}
    for grid_point in experiment.grid_points:
        settings = grid_point.settings
        for stage in range(max(len(settings.training.stages), 1)):
            training = settings.training.in_stage(stage)
            key = (settings.task, training.model_dump_json())
            if key not in found:
                task = settings.create_task(stage)
                least = getattr(task, "min_trials", 0) if training.min_trials is None else training.min_trials
                found[key] = settings.task, training, least
    sentences = []
    for name, training, least in found.values():
        if training.accuracy_threshold >= 1:
            sentences.append(
                f"training.accuracy_threshold = {training.accuracy_threshold:g}: no accuracy is above it, {none}"
            )
        if least > training.n_trials and training.min_trials is not None:
            sentences.append(f"training.min_trials = {least:,} is above n_trials = {training.n_trials:,}, {none}")
        elif least > training.n_trials:
            sentences.append(
                f"training.n_trials = {training.n_trials:,}: {name} counts as trained after {least:,} trials at the "
                f"earliest (training.min_trials), {none}"
            )
        if training.batch_size > training.n_trials:
            sentences.append(
                f"training.batch_size = {training.batch_size:,} is above n_trials = {training.n_trials:,}, which is in "
                "trials: networks are updated once"
            )
        if training.eval_freq > training.n_trials and _chosen(experiment, "training", "eval_freq"):
            sentences.append(
                f"training.eval_freq = {training.eval_freq:,} is above n_trials = {training.n_trials:,}: networks are "
                "tested once, at the end, and none stops earlier"
            )
    if "l1" in _values(experiment, "training", "loss_fn") and not _chosen(experiment, "training", "loss_threshold"):
        sentences.append(
            "training.loss_fn = 'l1' is a sum over the whole trial; training.loss_threshold = 7 was made for 'l2' and "
            "is hardly met"
        )
    if not _chosen(experiment, "training", "loss_threshold"):
        for loss_fn in sorted({"mse", "huber", "cross_entropy"} & set(_values(experiment, "training", "loss_fn"))):
            sentences.append(
                f"training.loss_fn = '{loss_fn}' is a mean over the trial; training.loss_threshold = 7 was made for "
                "'l2' and is met from the start"
            )
    yield from dict.fromkeys(sentences)


def _overruled(experiment: Experiment) -> Iterator[str]:
    """Settings that have a value in their section while the grid has others."""
    swept = {axis.path for axis in experiment.axes} if experiment.settings.grid else set()
    named = {".".join(path) for path in swept if _in_grid(experiment, path)}
    for path in sorted(swept):
        section: Any = experiment.settings
        for key in path[:-1]:
            section = section.get(key, {}) if isinstance(section, dict) else getattr(section, key, {})
        chosen = path[-1] in (section if isinstance(section, dict) else section.model_fields_set)
        if chosen and ".".join(path) in named:
            yield f"{'.'.join(path)} has no effect: the grid overrides it"


def _in_grid(experiment: Experiment, path: tuple[str, ...]) -> bool:
    """Whether every product of the grid names an axis; task, N and taus are axes of every grid."""
    names = {".".join(path[start:]) for start in range(len(path))}
    return all(names & axes.keys() for axes in products_in(experiment.settings.grid).values())


def _idle(experiment: Experiment) -> Iterator[str]:
    """Settings that have no effect with the values of others."""
    s = experiment.settings
    if s.tracking.uri and os.environ.get("MLFLOW_TRACKING_URI"):
        yield "tracking.uri has no effect: the environment variable MLFLOW_TRACKING_URI overrides it"
    tasks = {task_key(grid_point.settings.task): grid_point for grid_point in experiment.grid_points}
    used = {part for task in tasks for part in (task, *task.split(SUM))}
    of_tasks = {"task_settings": s.task_settings}
    of_tasks |= {f"{section}.task_settings": getattr(s, section).task_settings for section in TESTED}
    for where, given in of_tasks.items():
        for name in (name for name, own in given.items() if isinstance(own, dict) and task_key(name) not in used):
            yield f"{where}.{name} has no effect: no grid point has that task"
    if _values(experiment, "network", "P_rec") == {0}:
        yield "network.P_rec = 0 leaves every network without recurrent connections"
    if _chosen(experiment, "network", "gain") and _values(experiment, "network", "w_dist") == {"gamma"}:
        yield "network.gain has no effect with w_dist = 'gamma', whose weights are not scaled"
    if _chosen(experiment, "network", "P_inh") and _values(experiment, "network", "apply_dale") == {False}:
        yield "network.P_inh has no effect with apply_dale = false: without Dale's law there are no inhibitory units"
    yield from _idle_optimizer(experiment)
    yield from _idle_structure(experiment)
    if s.device == "cpu":
        for key in ("gpu_frac", "jobs_per_gpu"):
            if key in s.model_fields_set:
                yield f"{key} = {shown(getattr(s, key))} has no effect with device = 'cpu'"
    yield from _idle_curves(experiment, [grid_point.settings for grid_point in tasks.values()])


def _idle_curves(experiment: Experiment, of_tasks: list[RunSettings]) -> Iterator[str]:
    """Settings of psychometric and chronometric curves that have no effect."""
    graded = any(getattr(settings.create_task(), "evidence_levels", ()) for settings in of_tasks)
    for section in TESTED:
        if section == "conversion" and not experiment.settings.convert:
            continue
        if not graded and _chosen(experiment, section, "psychometric_trials"):
            names = ", ".join(settings.task for settings in of_tasks)
            yield f"{section}.psychometric_trials has no effect: {names} grades no evidence"
        without = not graded or _values(experiment, section, "psychometric_trials") == {0}
        for key in ("evidence_levels", "decision_threshold", "response_time_from"):
            if without and _chosen(experiment, section, key):
                why = f"with {section}.psychometric_trials = 0" if graded else "without graded evidence"
                yield f"{section}.{key} has no effect {why}"


def _idle_optimizer(experiment: Experiment) -> Iterator[str]:
    """Settings of training that have no effect with the chosen optimizer or schedule."""
    optimizers = _values(experiment, "training", "optimizer")
    for key, needed in (("momentum", "sgd"), ("revive", "eg")):
        if _chosen(experiment, "training", key) and needed not in optimizers:
            yield f"training.{key} has no effect without optimizer = '{needed}'"
    if "adamw" in optimizers and _values(experiment, "training", "weight_decay") == {0}:
        yield "training.optimizer = 'adamw' is 'adam' without a training.weight_decay"
    if _values(experiment, "training", "schedule") == {"constant"}:
        idle = [key for key in ("schedule_trials", "schedule_factor") if _chosen(experiment, "training", key)]
        if idle:
            yield f"training.{', '.join(idle)} {_has(idle)} no effect with schedule = 'constant'"


def _idle_structure(experiment: Experiment) -> Iterator[str]:
    """Settings of areas and of the start that have no effect."""
    networks = [grid_point.settings.network for grid_point in experiment.grid_points]
    for key in ("long_range", "feedback"):
        if _chosen(experiment, "network", key) and not any(network.areas for network in networks):
            yield f"network.{key} has no effect without areas"
    penalised = any(grid_point.settings.training.penalties.distance for grid_point in experiment.grid_points)
    for key in ("positions", "positions_file"):
        if _chosen(experiment, "network", key) and not penalised:
            yield f"network.{key} has no effect without training.penalties.distance"
    if all(network.rank is not None for network in networks):
        for key in ("w_dist", "P_rec"):
            if _chosen(experiment, "network", key) and (key == "w_dist" or not any(n.areas for n in networks)):
                yield f"network.{key} has no effect with a rank, which replaces the independent weights"
    if _chosen(experiment, "network", "gain") and all(n.spectral_radius is not None for n in networks):
        yield "network.gain has no effect with a spectral_radius, to which the weights are scaled"


def _idle_spiking(experiment: Experiment) -> Iterator[str]:
    s = experiment.settings
    if not s.convert:
        for name in ("spiking", "conversion"):
            if name in SECTIONS and getattr(s, name).model_fields_set:
                yield f"{name} has no effect with convert = false"
        return
    grid_points = experiment.grid_points
    idle = sorted(
        key
        for key in ("units", "window", "amplitude", "probability")
        if _chosen(experiment, "spiking", "stimulation", key)
    )
    if idle and all(grid_point.settings.spiking.stimulation.mode == "none" for grid_point in grid_points):
        yield f"spiking.stimulation.{', '.join(idle)} {_has(idle)} no effect with mode = 'none'"
    if _chosen(experiment, "conversion", "lesion", "synapses") and not any(
        grid_point.settings.conversion.lesion.fraction for grid_point in grid_points
    ):
        yield "conversion.lesion.synapses has no effect with fraction = 0"


def _idle_analyses(experiment: Experiment) -> Iterator[str]:
    """Settings of analyses that are not chosen, and analyses of weights that are not kept."""
    s, chosen = experiment.settings, experiment.settings.analyses
    given = {key for key in s.analysis.model_fields_set if getattr(s.analysis, key).model_fields_set}
    given |= {axis.path[1] for axis in experiment.axes if axis.path[0] == "analysis"}
    for name in sorted(given - set(chosen)):
        yield f"analysis.{name} has no effect: analyses = {shown(list(chosen))} does not name it"
    if "learning" in chosen and _values(experiment, "training", "keep_weights") == {None}:
        yield "analyses: learning needs copies of the weights; set training.keep_weights"


def _has(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"
