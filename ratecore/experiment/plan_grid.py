"""The plan of a grid: its networks and the values of each axis, in words and with units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ratecore.experiment.axes import Axis
from ratecore.experiment.grid import Experiment
from ratecore.experiment.networks_from import FileNetwork, not_told
from ratecore.experiment.stages.table import TRAIN, stages_of
from ratecore.settings.base import shown
from ratecore.settings.hints import DURATIONS
from ratecore.settings.network_from import NetworkFromSettings
from ratecore.settings.spiking import RATE_STEP

MOST_SHOWN = 8  # values of an axis
UNITS = {
    **dict.fromkeys(("dt", "tau_m", "refractory", "tau_rise"), "ms"),
    **dict.fromkeys(("threshold", "v_reset", "v_peak", "bias", "noise_sd", "v_init_low", "v_init_high"), "mV"),
}


def plan(experiment: Experiment) -> list[str]:
    """How many networks a grid has, and the values of each axis with their units.

    Args:
        experiment: of the configuration.

    Returns:
        one line for the count and one per axis; of a list of products the same for each.
    """
    points = experiment.grid_points_of(TRAIN).values()
    counts = {len(point.seeds) for point in points}
    grid_points = _count(len(points), "grid point")
    if len(counts) == 1:
        grid_points += f" x {_count(counts.pop(), 'seed')}"
    networks = _count(experiment.n_networks, "network")
    head = f"{experiment.settings.experiment}: {networks} ({grid_points})"
    variants = max(experiment.variants_of(point) for point in points)
    if variants > 1:
        head += f", each {_done_in_variants(experiment)} in {'up to ' * experiment.is_list}{variants:,} ways"
    if experiment.is_list:
        return [head, *_products(experiment), *_not_told(experiment)]
    return [head, *_rows(experiment.axes, experiment.seeds), *_not_told(experiment)]


def _not_told(experiment: Experiment) -> Iterator[str]:
    """What files of networks do not tell, and what was assumed of them: each once, with the number of files."""
    every = [network for part in experiment.files.values() for network in part]
    missing = Counter(name for network in every for name in not_told(network))
    if missing:
        names = ", ".join(name if n == len(every) else f"{name} ({n:,} files)" for name, n in missing.items())
        yield f"  {_count(len(every), 'file')} of networks; not told: {names}"
    for note, n in Counter(note for network in every for note in network.notes).items():
        yield f"  {_count(n, 'file')}: {note}"


def _products(experiment: Experiment) -> Iterator[str]:
    """A line for each product, with the number of its networks that are in the products before it, and its axes."""
    columns = experiment.columns(TRAIN)
    known: dict[str, set[int]] = {}  # seeds of the networks of the products so far, by their grid point
    for product in experiment.products:
        own = {point.path_in(columns) for point in experiment.grid_points if product in point.products}
        shared = sum(len(product.seed_set & known.get(path, set())) for path in own)
        for path in own:
            known.setdefault(path, set()).update(product.seeds)
        networks = len(own) * len(product.seeds)
        size = f"{_count(len(own), 'grid point')} x {_count(len(product.seeds), 'seed')}"
        line = f"{product.name}: {_count(networks, 'network')} ({size})"
        if shared:
            line += f", {'all' if shared == networks else f'{shared:,}'} of them shared with products above"
        yield line
        yield from _rows(product.axes, product.seeds)


def _rows(axes: Sequence[Axis], seeds: tuple[int, ...]) -> Iterator[str]:
    rows = {axis.column: [_value(axis.path, value) for value in axis.values] for axis in axes}
    width = max(map(len, [*rows, "seed"]))
    for name, values in rows.items():
        more = f", ... ({len(values):,} values)" if len(values) > MOST_SHOWN else ""
        yield f"  {name:<{width}}  {', '.join(values[:MOST_SHOWN])}{more}"
    yield f"  {'seed':<{width}}  {_seeds(seeds)}"


def _done_in_variants(experiment: Experiment) -> str:
    """'scored or converted': what the stages do whose results an axis after training can change."""
    verbs = [stage.verb for stage in stages_of(experiment.settings).values() if stage.variants and stage.verb]
    return " or ".join(filter(None, [", ".join(verbs[:-1]), verbs[-1]]))


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _seeds(seeds: tuple[int, ...]) -> str:
    if len(seeds) > 2 and seeds == tuple(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}..{seeds[-1]}"
    more = f", ... ({len(seeds):,} seeds)" if len(seeds) > MOST_SHOWN else ""
    return ", ".join(map(str, seeds[:MOST_SHOWN])) + more


def _value(path: tuple[str, ...], value: Any) -> str:
    """A value of an axis with its unit."""
    if path == ("network", "taus"):
        return taus_in_ms(value)
    if isinstance(value, NetworkFromSettings | FileNetwork):
        return Path(value.file).name
    text = str(value) if isinstance(value, str) else "default" if value is None else shown(value)
    if "task_settings" in path and path[-1] in DURATIONS and isinstance(value, int | float):
        return f"{value:g} steps ({value * RATE_STEP:g} ms)"
    unit = UNITS.get(path[-1], "") if path[0] == "spiking" and isinstance(value, int | float) else ""
    return f"{text} {unit}".rstrip()


def as_taus(taus: Any) -> tuple[float, ...]:
    """Time constants as a setting gives them.

    Args:
        taus: one number, or a list of one or two, in steps.

    Returns:
        one time constant, or the smallest and the largest, in steps.

    Source: none
    """
    return tuple(float(t) for t in (taus if isinstance(taus, list | tuple) else (taus,)))


def taus_in_ms(taus: Any) -> str:
    """Time constants in words.

    Args:
        taus: as in `as_taus`.

    Returns:
        '20 to 100 ms', or '20 ms fixed'.
    """
    ms = [f"{t * RATE_STEP:g}" for t in as_taus(taus)]
    return f"{ms[0]} to {ms[1]} ms" if len(ms) == 2 else f"{ms[0]} ms fixed"
