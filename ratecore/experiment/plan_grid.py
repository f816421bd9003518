"""The plan of a grid in words and with units: what is combined, and how many networks that makes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ratecore.experiment.axes import MISSING, Axis, format_value
from ratecore.experiment.grid import Experiment
from ratecore.experiment.networks_from import FileNetwork, not_told
from ratecore.experiment.points import GridPoint
from ratecore.experiment.products import Product
from ratecore.experiment.run_values import value_on
from ratecore.experiment.stages.table import TRAIN, stages_of
from ratecore.settings.base import shown
from ratecore.settings.hints import DURATIONS
from ratecore.settings.network_from import PATH as FILES
from ratecore.settings.network_from import NetworkFromSettings
from ratecore.settings.run import AFTER_TRAINING
from ratecore.settings.spiking import RATE_STEP

MOST_SHOWN = 6  # values of an axis
MOST_PRODUCTS = 6  # of a list that have a line of their own
UNITS = {
    **dict.fromkeys(("dt", "tau_m", "refractory", "tau_rise"), "ms"),
    **dict.fromkeys(("threshold", "v_reset", "v_peak", "bias", "noise_sd", "v_init_low", "v_init_high"), "mV"),
    "N": "units",
}
WORDS = {  # of axes, in the singular
    ("task",): "task",
    ("network", "N"): "network size",
    ("network", "gain"): "gain",
    ("network", "P_rec"): "connection probability",
    ("network", "P_inh"): "share of inhibitory units",
    ("network", "activation"): "activation function",
    ("network", "apply_dale"): "choice of Dale's law",
    ("network", "w_dist"): "distribution of weights",
    ("network", "rank"): "rank",
    ("training", "learning_rate"): "learning rate",
    ("training", "optimizer"): "optimizer",
    ("training", "batch_size"): "batch size",
    ("training", "loss_fn"): "loss function",
    ("training", "n_trials"): "limit of trials",
    ("spiking", "refractory"): "refractory period",
    ("spiking", "tau_m"): "membrane time constant",
    ("spiking", "tau_rise"): "synaptic rise time",
    ("spiking", "threshold"): "spike threshold",
    ("spiking", "noise_sd"): "membrane noise",
    ("conversion", "scaling_factors"): "lambda",
    FILES: "file",
}
_PLAIN = (("network", "N"), ("network", "taus"), FILES)  # axes whose values need no name


def plan(experiment: Experiment) -> list[str]:
    """What a grid combines and how many networks that makes: '2 tasks (xor, mante) x 2 seeds (0, 1) = 4 networks'.

    Args:
        experiment: of the configuration.

    Returns:
        one line; of a list of products one more for each of the first.
    """
    name = experiment.settings.experiment
    if experiment.is_list:
        products = _count(len(experiment.products), "product")
        head = f"{name}: {_count(experiment.n_networks, 'network')} of {products}{_variants(experiment)}"
        return [head, *_products(experiment), *_not_told(experiment)]
    (product,) = experiment.products
    line = f"{name}: {_sentence(product, experiment.n_networks)}{_variants(experiment)}"
    line += f": {later}" if (later := _later(product)) else ""
    return [line, *_not_told(experiment)]


def network_words(experiment: Experiment, point: GridPoint, seeds: Sequence[int]) -> str:
    """A network, or several that differ in their seed, in words: 'go-nogo, 20 to 150 ms, seed 0'.

    Args:
        experiment: of the networks.
        point: their grid point, of any stage.
        seeds: of the networks.

    Returns:
        the task, the values of the axes that the grid sweeps, and the seeds.
    """
    swept = [axis for axis in experiment.axes if len(axis.values) > 1 and axis.column in point.values]
    parts = [point.settings.task]
    for axis in swept:
        if axis.path != ("task",) and point.values[axis.column] != MISSING:
            value = _value(axis.path, value_on(axis, point.settings))
            parts.append(value if axis.path in _PLAIN else f"{axis.column} {value}")
    return ", ".join([*parts, f"seed{'s' * (len(seeds) > 1)} {_seeds(tuple(seeds))}"])


def point_words(experiment: Experiment, point: GridPoint, stage: str) -> str:
    """A grid point in words, for titles: 'mante, N = 200, time constants 20 to 150 ms, gain 0.5'.

    Args:
        experiment: of the grid.
        point: to name.
        stage: whose figures are titled; axes of later stages are left out.

    Returns:
        the task, size, time constants and the values of all other axes that the grid sweeps.
    """
    net = point.settings.network
    constants = f"time constant{'s' * (len(as_taus(net.taus)) > 1)}"
    parts = [point.settings.task, f"N = {net.N}", f"{constants} {taus_in_ms(net.taus)}"]
    for axis in experiment.axes:
        swept = len(axis.values) > 1 and axis.column in experiment.columns(stage)
        if swept and axis.path not in (("task",), ("network", "N"), ("network", "taus")):
            if point.values[axis.column] != MISSING:
                words = WORDS.get(axis.path, axis.column.replace("_", " "))
                parts.append(f"{words} {_value(axis.path, value_on(axis, point.settings))}")
    return ", ".join(parts)


def _variants(experiment: Experiment) -> str:
    """', each scored or converted in 4 ways'; nothing if every network is used once."""
    points = experiment.grid_points_of(TRAIN).values()
    variants = max(experiment.variants_of(point) for point in points)
    if variants < 2:
        return ""
    return f", each {_done_in_variants(experiment)} in {'up to ' * experiment.is_list}{variants:,} ways"


def _sentence(product: Product, networks: int) -> str:
    """'2 tasks (xor, mante) x 10 seeds (0..9) = 20 networks: 200 units, time constants 20 to 100 ms'."""
    axes = [axis for axis in product.multiplied if axis.path[0] not in AFTER_TRAINING]
    swept = [axis for axis in axes if len(axis.values) > 1]
    factors = [_factor(axis) for axis in swept]
    if len(product.seeds) > 1:
        factors.append(f"{len(product.seeds):,} seeds ({_seeds(product.seeds)})")
    given = [axis for axis in product.axes if axis not in swept and axis.path[0] not in AFTER_TRAINING]
    rest = [_given(axis) for axis in given]
    rest += [f"seed {product.seeds[0]}"] if len(product.seeds) == 1 else []
    size = math.prod(len(axis.values) for axis in swept) * len(product.seeds)
    count = _count(networks, "network")
    of_it = f": {', '.join(rest)}" if rest else ""
    if not factors:
        return f"{count}{of_it}"
    combined = " x ".join(factors)
    known = f"{combined} = {count}" if size == networks else f"{combined}, which are {count}"
    return known + of_it


def _later(product: Product) -> str:
    """What is combined after training: '2 refractory periods (0, 2.5 ms) x 2 spike thresholds (-50, -45 mV)'."""
    later = (axis for axis in product.multiplied if axis.path[0] in AFTER_TRAINING and len(axis.values) > 1)
    return " x ".join(map(_factor, later))


def _factor(axis: Axis) -> str:
    """'2 ranges of time constants (20 to 150 ms, 20 to 200 ms)'."""
    n = len(axis.values)
    values = [_value(axis.path, value) for value in axis.values]
    if axis.path == ("network", "taus"):
        fixed = [len(as_taus(value)) == 1 for value in axis.values]
        noun = "fixed time constants" if all(fixed) else "choices of time constants"
        noun = noun if any(fixed) else "ranges of time constants"
        return f"{n:,} {noun} ({_some(values)})"
    if axis.path == FILES:  # whose names are long
        return f"{_count(n, 'file')} ({values[0]}{' ...' if n > 1 else ''})"
    unit = _unit(axis.path)
    if unit and all(value.endswith(f" {unit}") for value in values):  # each unit once
        values = [value.removesuffix(f" {unit}") for value in values]
        return f"{n:,} {_plural(_word(axis))} ({_some(values)} {unit})"
    return f"{n:,} {_plural(_word(axis))} ({_some(values)})"


def _given(axis: Axis) -> str:
    """An axis that is not combined: 'go-nogo', '200 units', 'time constants 20 to 100 ms', 'gain = 1.5'.

    Networks of files can have several values: 'go-nogo or xor'.
    """
    value = _some([_value(axis.path, value) for value in axis.values]).replace(", ", " or ")
    if axis.path in (("task",), ("network", "N")):
        return value
    if axis.path == ("network", "taus"):
        several = len(axis.values) > 1 or len(as_taus(axis.values[0])) > 1
        return f"time constant{'s' * several} {value}"
    return f"{axis.column} = {value}"


def _word(axis: Axis) -> str:
    return WORDS.get(axis.path, f"value of {axis.column}")


def _plural(words: str) -> str:
    """'gains', 'shares of inhibitory units', 'probabilities'."""
    first, of, rest = words.partition(" of ")
    first = f"{first[:-1]}ies" if first.endswith("y") else f"{first}s"
    return f"{first}{of}{rest}"


def _some(values: Sequence[str]) -> str:
    """Values; of many the first, and the last."""
    if len(values) <= MOST_SHOWN:
        return ", ".join(values)
    return f"{', '.join(values[: MOST_SHOWN - 2])} ... {values[-1]}"


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
    """A line for each of the first products, with the number of its networks that are in those before it."""
    columns = experiment.columns(TRAIN)
    known: dict[str, set[int]] = {}  # seeds of the networks of the products so far, by their grid point
    left_out = 0
    for number, product in enumerate(experiment.products):
        own = {point.path_in(columns) for point in experiment.grid_points if product in point.products}
        shared = sum(len(product.seed_set & known.get(path, set())) for path in own)
        for path in own:
            known.setdefault(path, set()).update(product.seeds)
        networks = len(own) * len(product.seeds)
        if number >= MOST_PRODUCTS:
            left_out += networks - shared
            continue
        line = f"  {product.name}: {_sentence(product, networks)}"
        line += f"; then with {later}" if (later := _later(product)) else ""
        if shared:
            line += f"; {'all' if shared == networks else f'{shared:,}'} of them shared with products above"
        yield line
    if len(experiment.products) > MOST_PRODUCTS:
        more = _count(len(experiment.products) - MOST_PRODUCTS, "more product")
        yield f"  ... and {more} with {_count(left_out, 'other network')}"


def _done_in_variants(experiment: Experiment) -> str:
    """'scored or converted': what the stages do whose results an axis after training can change."""
    verbs = [stage.verb for stage in stages_of(experiment.settings).values() if stage.variants and stage.verb]
    return " or ".join(filter(None, [", ".join(verbs[:-1]), verbs[-1]]))


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _seeds(seeds: tuple[int, ...]) -> str:
    if len(seeds) > 2 and seeds == tuple(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}..{seeds[-1]}"
    return _some(list(map(str, seeds)))


def _unit(path: tuple[str, ...]) -> str:
    return UNITS.get(path[-1], "") if path[0] == "spiking" or path == ("network", "N") else ""


def _value(path: tuple[str, ...], value: Any) -> str:
    """A value of an axis with its unit."""
    if path == ("network", "taus"):
        return taus_in_ms(value)
    if isinstance(value, NetworkFromSettings | FileNetwork):
        return Path(value.file).name
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = str(value) if isinstance(value, str) else "default" if value is None else shown(value)
    text = format_value(value) if is_number else text
    if "task_settings" in path and path[-1] in DURATIONS and is_number:
        return f"{value * RATE_STEP:g} ms"
    unit = _unit(path) if is_number else ""
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
        '20 to 100 ms', or '20 ms' if it is fixed.
    """
    ms = [f"{t * RATE_STEP:g}" for t in as_taus(taus)]
    return f"{ms[0]} to {ms[1]} ms" if len(ms) == 2 else f"{ms[0]} ms"
