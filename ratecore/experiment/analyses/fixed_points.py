"""Analysis 'fixed_points': where the noiseless dynamics come to rest, or nearly so, for inputs held constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from ratecore.experiment.analyses.material import Material
from ratecore.experiment.analyses.results import AnalysisResult, Arrays, Networks
from ratecore.settings.analysis import FixedPointsSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.analysis.fixed_points import FixedPoints, SlowPoints
    from ratecore.analysis.held_inputs import HeldInput
    from ratecore.analysis.lines import Line
    from ratecore.analysis.rate_equations import RateEquations
    from ratecore.rate.results import Activity
    from ratecore.tasks.base import AbstractTask

N_PLACES = 4  # points of each line at which the dynamics are linearised
MOST_NETWORKS, MOST_INPUTS = 3, 4  # in a figure


@dataclass(frozen=True, eq=False)
class _Found:
    """What was found for one input."""

    held: HeldInput
    points: FixedPoints
    slow: SlowPoints
    line: Line | None  # None of fewer than three slow points
    share_of_activity: float
    length: float  # SD of the slow points, as a fraction of that of their starts
    lost: float  # share of the starts


def analyse(material: Material, settings: FixedPointsSettings) -> AnalysisResult:
    """Find the fixed and slow points of a network for the inputs of its task.

    Args:
        material: of the network.
        settings: of the analysis.

    Returns:
        numbers and arrays, as the table of the analyses says.

    Source:
        Sussillo & Barak 2013, Neural Computation 25:626; Mante et al. 2013, Nature 503:78.
    """
    from ratecore.analysis.rate_equations import RateEquations

    equations = RateEquations.of(material.tested)
    activity = material.activity(settings.n_trials)
    held = _held(material.task, activity, settings.input, settings.n_inputs)
    found = [_found(equations, activity, one, settings, (material.settings.seed, k)) for k, one in enumerate(held)]
    return AnalysisResult(_numbers(found), _arrays(equations, activity, found))


def _held(task: AbstractTask, activity: Activity, which: str, most: int) -> list[HeldInput]:
    """The inputs of the task's conditions in the chosen part of the trial; of many, those of the most trials."""
    from ratecore.analysis.held_inputs import HeldInput, held_inputs
    from ratecore.tasks.trials import response_of

    conditions, drawn = activity.scores.conditions, activity.scores.trials
    B, n_in, _ = activity.u.shape
    if which == "zero":
        return [HeldInput(np.zeros(n_in), tuple(map(str, np.unique(conditions))), np.arange(B))]
    windows = []
    for k in range(B):
        trial = None if drawn is None else drawn[k]
        stimuli = list(task.stimulus_windows if trial is None else trial.stimuli)
        if which == "stimulus" and stimuli:
            windows.append(slice(*stimuli[-1]))
        else:
            windows.append(task.response_window if trial is None else response_of(task, trial))
    held = held_inputs(activity.u, conditions, windows)
    kept = np.sort(np.argsort([-len(one.trials) for one in held], kind="stable")[:most])
    return [held[k] for k in kept]


def _found(
    equations: RateEquations, activity: Activity, held: HeldInput, settings: FixedPointsSettings, seed: tuple[int, int]
) -> _Found:
    from ratecore.analysis.fixed_points import find_fixed_points, find_slow_points
    from ratecore.analysis.held_inputs import states_of
    from ratecore.analysis.lines import FEWEST, line_through, share_along_line
    from ratecore.system.streams import stream

    rng = stream(seed[0], "fixed_points", seed[1])
    starts = states_of(activity.x, held.trials, settings.n_starts, rng)
    points = find_fixed_points(
        equations,
        held.u,
        starts,
        n_random=settings.n_random,
        rng=rng,
        tolerance=settings.tolerance,
        slow_speed=settings.slow_speed,
        merge=settings.merge,
        marginal_ms=settings.marginal_ms,
    )
    slow = find_slow_points(equations, held.u, starts, speed=settings.slow_speed)
    line = line_through(equations, slow.x, N_PLACES) if len(slow.x) >= FEWEST else None
    lost = points.n_lost / (settings.n_starts + settings.n_random)
    spread, length = float(starts.var(0).sum()), float("nan")
    if spread > 0 and len(slow.x):
        length = float(np.sqrt(slow.x.var(0).sum() / spread))
    return _Found(held, points, slow, line, share_along_line(starts), length, lost)


def _numbers(found: list[_Found]) -> dict[str, float]:
    from ratecore.analysis.fixed_points import KINDS

    lines = [one.line for one in found if one.line is not None]
    resting = np.concatenate([one.points.slowest_ms[np.isin(one.points.kind, ("stable", "marginal"))] for one in found])

    def mean(values: list[float]) -> float:
        return float(np.mean(values)) if values else float("nan")

    return {
        "inputs": len(found),
        **{kind: mean([one.points.count(kind) for one in found]) for kind in KINDS},
        "slowest_ms": float(np.abs(resting).max()) if resting.size else float("nan"),
        "line": mean([line.share for line in lines]),
        "line_of_activity": mean([one.share_of_activity for one in found]),
        "line_length": mean([one.length for one in found]),
        "line_output": mean([line.output_correlation for line in lines]),
        "line_ms": float(np.median(np.abs(np.concatenate([line.time_constants[:, 0] for line in lines]))))
        if lines
        else float("nan"),
        "lost": mean([one.lost for one in found]),
    }


def _arrays(equations: RateEquations, activity: Activity, found: list[_Found]) -> dict[str, Any]:
    means, names = _means(activity)
    mean, components = _plane(means)
    n_in = equations.w_in.shape[1]
    points = np.concatenate([one.points.x for one in found])
    slow = np.concatenate([one.slow.x for one in found])
    selection = [np.full(n_in, np.nan) if one.line is None else one.line.selection.mean(0) for one in found]
    return {
        "u": np.array([one.held.u for one in found]),
        "conditions": np.array([", ".join(one.held.conditions) for one in found]),
        "points": points,
        "points_input": np.concatenate([np.full(len(one.points), k) for k, one in enumerate(found)]),
        "points_kind": np.concatenate([one.points.kind for one in found]),
        "points_speed": np.concatenate([one.points.speed for one in found]),
        "points_unstable": np.concatenate([one.points.n_unstable for one in found]),
        "points_slowest_ms": np.concatenate([one.points.slowest_ms for one in found]),
        "points_reached": np.concatenate([one.points.n_reached for one in found]),
        "points_output": np.concatenate([one.points.output for one in found]),
        "multipliers": np.concatenate([one.points.multipliers for one in found]),
        "slow_place": (slow - mean) @ components.T,
        "slow_input": np.concatenate([np.full(len(one.slow.x), k) for k, one in enumerate(found)]),
        "slow_speed": np.concatenate([one.slow.speed for one in found]),
        "slow_output": np.concatenate([one.slow.output for one in found]),
        "selection": np.array(selection),
        "mean": mean,
        "components": components,
        "trajectories": ((means - mean) @ components.T).astype(np.float32),
        "trajectory_names": np.array(names),
        "trajectory_input": np.array([_input_of(name, found) for name in names]),
    }


def _input_of(condition: str, found: list[_Found]) -> int:
    """Number of the input that stands for a condition; -1 of one that is left out."""
    return next((k for k, one in enumerate(found) if condition in one.held.conditions), -1)


def _means(activity: Activity) -> tuple[Float[np.ndarray, "C T N"], list[str]]:
    """Mean activity of each condition, NaN after the end of its longest trial."""
    names, complete = sorted(map(str, np.unique(activity.scores.conditions))), not np.isnan(activity.x).any()
    means = []
    for name in names:
        x = activity.x[activity.scores.conditions == name]
        if complete:
            means.append(x.mean(0, dtype=float))
            continue
        x = x.astype(float)
        there = ~np.isnan(x)
        n = np.where(there.any(0), there.sum(0), np.nan)
        means.append(np.where(there, x, 0).sum(0) / n)
    return np.array(means), names


def _plane(means: Float[np.ndarray, "C T N"]) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, "2 N"]]:
    """Mean and first two principal components of the conditions' mean activity."""
    states = means.reshape(-1, means.shape[-1])
    states = states[~np.isnan(states).any(1)]
    mean = states.mean(0)
    components = np.zeros((2, states.shape[1]))
    found = np.linalg.svd(states - mean, full_matrices=False)[2][:2]
    components[: len(found)] = found
    return mean, components


def draw(networks: Networks) -> dict[str, Figure]:
    """Draw fixed and slow points with trajectories, the modes of the points, and the selection vectors.

    Args:
        networks: the arrays of each.

    Returns:
        figures by name.
    """
    from ratecore.figures.fixed_points import modes, selection
    from ratecore.figures.style import legend, new_figure

    kinds = np.concatenate([a["points_kind"] for a in networks.values()])
    multipliers = [mu for a in networks.values() for mu in a["multipliers"]]
    figure, (left, right) = new_figure(9.5, 3.0, columns=2)
    modes(left, multipliers, kinds)
    if len(kinds):
        legend(left)
    taken_up: dict[str, list[Any]] = {}
    for arrays in networks.values():
        for text, row in zip(arrays["conditions"].tolist(), arrays["selection"], strict=True):
            taken_up.setdefault(_short(text), []).extend([] if np.isnan(row).any() else [row])
    n_in = next(iter(networks.values()))["u"].shape[1]
    selection(right, [np.reshape(rows, (-1, n_in)) for rows in taken_up.values()], list(taken_up))
    legend(right, title="conditions")
    return {"fixed_points_slow": _planes(networks), "fixed_points_modes": figure}


def _planes(networks: Networks) -> Figure:
    from ratecore.figures.style import legend, new_figure, title_over

    shown = list(networks.items())[:MOST_NETWORKS]
    columns = min(max(len(arrays["u"]) for _, arrays in shown), MOST_INPUTS)
    figure, axes = new_figure(1.5 + 3.6 * columns, 0.3 + 2.8 * len(shown), len(shown), columns, squeeze=False)
    for row, (label, arrays) in zip(axes, shown, strict=True):
        for k, axis in enumerate(row):
            if k >= len(arrays["u"]):
                axis.set_axis_off()
                continue
            _one_plane(axis, arrays, k, last=k + 1 == columns)
            title_over(axis, f"{label}: {_short(str(arrays['conditions'][k]))}")
            legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)
    return figure


def _one_plane(axis: Any, arrays: Arrays, k: int, last: bool) -> None:
    from ratecore.figures.fixed_points import slow_points, speed_limits

    of_input = arrays["trajectory_input"] == k
    slow, points = arrays["slow_input"] == k, arrays["points_input"] == k
    slow_points(
        axis,
        arrays["trajectories"][of_input],
        arrays["trajectory_names"][of_input].tolist(),
        arrays["slow_place"][slow],
        arrays["slow_speed"][slow],
        (arrays["points"][points] - arrays["mean"]) @ arrays["components"].T,
        arrays["points_kind"][points],
        limits=speed_limits(arrays["slow_speed"]) if len(arrays["slow_speed"]) else None,
        colorbar=last,
    )


def _short(text: str, length: int = 30) -> str:
    """The names of conditions, cut where they are many."""
    return text if len(text) <= length else text[: length - 2] + " …"
