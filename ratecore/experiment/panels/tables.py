"""Panels from the table alone: measures over an axis, groups, and distributions of measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ratecore.experiment.panels.captions import counted_at, with_published
from ratecore.experiment.panels.columns import (
    Measure,
    axis_of,
    measure_of,
    same_value,
    words_of_axis,
    words_of_value,
)
from ratecore.experiment.panels.networks import Networks
from ratecore.settings.claims import TRAINED
from ratecore.settings.panels import ByAxisSettings, GroupsSettings, PublishedValue

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ratecore.experiment.axes import Axis
    from ratecore.experiment.panels.drawing import Source
    from ratecore.figures.boxes import Mark
    from ratecore.figures.by_axis import Positions, Series

NOTHING = "No network of this panel was trained."
NO_NUMBERS = "No network of this panel has this number yet."
MARKERS, LINES = ("o", "s", "^", "v", "P", "X"), ("-", "--", ":", "-.")
LOG_FROM = 4  # values from which equal ratios make a logarithmic axis


def draw_by_axis(source: Source, panel: ByAxisSettings) -> tuple[Figure, list[str]]:
    """Draw a panel of kind `by_axis`.

    Args:
        source: of the networks.
        panel: its settings.

    Returns:
        the figure, and the sentences of its caption.
    """
    from ratecore import figures
    from ratecore.figures.boxes import published_handles

    axis = axis_of(panel.axis, source.experiment)
    measures = [measure_of(name, source.experiment.settings) for name in panel.measures]
    labels = list(dict.fromkeys(measure.label for measure in measures))
    values = source.cells.values_in(panel, axis)
    figure, axes = figures.print_figure(
        panel.width, panel.height or _height(len(labels), panel), len(labels), 1, panel.title, sharex=True
    )
    positions = _positions(panel, axis, values)
    handles: dict[str, Any] = {}
    all_marks: list[Mark] = []
    counts: dict[str, dict[str, str]] = {}
    drawn = 0
    for ax, label in zip(axes[:, 0], labels, strict=True):
        own = [measure for measure in measures if measure.label == label]
        series = _series(source, panel, axis, values, own)
        published = [p for p in panel.published if (p.measure or panel.measures[0]) in {m.name for m in own}]
        marks = _marks(published, panel, source, values, own, series)
        drawn += sum(len(v) for one in series for v in one.values)
        figures.by_axis(ax, positions, series, style=panel.style, published=marks)
        ax.set_ylabel(_wrapped_label(own[0].alone if len(own) == 1 else label, panel, len(labels)))
        _limits(ax, own[0], panel)
        for handle in figures.series_handles(series, panel.style):
            handles.setdefault(handle.get_label(), handle)
        for one in series:
            found = {at: len(v) for at, v in zip(positions.labels, one.values, strict=True)}
            counts.setdefault(one.label, {})[label] = counted_at(found)
        all_marks += marks
    axes[-1, 0].set_xlabel(panel.axis_label or words_of_axis(axis))
    for handle in published_handles(all_marks):
        handles.setdefault(handle.get_label(), handle)
    if len(handles) > 1 or all_marks:
        figures.legend_below(axes[-1, 0], list(handles.values()), 2 if panel.columns == 1 else 4)
    if not drawn:
        why = say_why(axes[0, 0], len(source.networks(panel)) > 0, NO_NUMBERS)
        return figure, [why, _left_out(source, panel)]
    sentences = [_what(panel, measures, axis), _counts(counts), _left_out(source, panel)]
    return figure, [*sentences, with_published(panel, all_marks)]


def say_why(ax: Axes, trained: bool, otherwise: str) -> str:
    """Say in words, in place of a panel, why it shows nothing.

    Args:
        ax: axes of the panel.
        trained: whether it has networks.
        otherwise: what is missing if it has.

    Returns:
        the words.

    Source: none
    """
    from ratecore import figures

    why = otherwise if trained else NOTHING
    figures.say_instead(ax, why)
    return why


def _counts(counts: dict[str, dict[str, str]]) -> str:
    """The sentence about numbers of networks: by series, and by axis where they differ."""
    if len({n for at in counts.values() for n in at.values()}) == 1:
        return f"{next(n for at in counts.values() for n in at.values())}."
    told = []
    for series, at in counts.items():
        same = len(set(at.values())) == 1
        told += [f"{series}{'' if same or label == series else f', {label}'}: {n}" for label, n in at.items()][
            : 1 if same else None
        ]
    return "; ".join(told) + "."


def _height(rows: int, panel: ByAxisSettings) -> float:
    return 22 + 42 * rows


def _wrapped_label(label: str, panel: ByAxisSettings, rows: int) -> str:
    from ratecore.figures.print_style import wrapped

    height = (panel.height or _height(rows, panel)) / rows
    return wrapped(label, 0.75 * height)


def _positions(panel: ByAxisSettings, axis: Axis, values: list[Any]) -> Positions:
    """Where the values of the axis are drawn."""
    from ratecore.figures.by_axis import Positions

    labels = [words_of_value(axis, value, panel.names, unit=False) for value in values]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    scale = panel.scale
    if scale == "auto":
        scale = "linear" if numbers and panel.style == "mean" and len(values) > 1 else "categories"
        if scale == "linear" and _equal_ratios(values):
            scale = "log"
    return Positions(labels, [float(v) for v in values] if numbers else (), scale)


def _equal_ratios(values: Sequence[float]) -> bool:
    """Whether values are more evenly spaced by their ratios than by their differences."""
    if len(values) < LOG_FROM or min(values) <= 0:
        return False
    x = np.array(values, float)
    spacing = [np.diff(scale) for scale in (np.log(x), x)]
    ratios, differences = (float(d.std() / d.mean()) for d in spacing)
    return ratios < differences


def _series(
    source: Source, panel: ByAxisSettings, axis: Axis, values: list[Any], measures: Sequence[Measure]
) -> list[Series]:
    """A series for each measure and each value of `by`."""
    from ratecore.figures.by_axis import Series
    from ratecore.figures.style import color_of

    by = None if panel.by is None else axis_of(panel.by, source.experiment)
    groups = [None] if by is None else source.cells.values_in(panel, by)
    series: list[Series] = []
    for i, value in enumerate(groups):
        for k, measure in enumerate(measures):
            everyone = source.networks(panel, everyone=measure.column == TRAINED)
            own = dict_of(everyone.grouped(by)).get(repr(value))
            at = {} if own is None else dict_of(own.grouped(axis))
            found = [at[repr(v)].numbers(measure) if repr(v) in at else np.empty(0) for v in values]
            words = [] if by is None else [words_of_value(by, value, panel.names)]
            if by is None or len(measures) > 1:
                words.append(measure.words)
            color = _color(measure, k, len(measures)) if by is None else color_of(i)
            line = "-" if by is None else LINES[k % len(LINES)]
            label, marker = ", ".join(words), MARKERS[k % len(MARKERS)]
            series.append(Series(label, found, color, marker, line, measure.is_share, measure.factor))
    return series


def _color(measure: Measure, k: int, n: int) -> str:
    """The colour of the k-th of n measures on one axis: black for rate networks and blue for spiking ones."""
    from ratecore.figures.style import COLORS, LIF, color_of

    if measure.column == "spiking_accuracy" and not measure.is_share:
        return LIF
    return COLORS[6] if n == 1 or measure.column == "accuracy" else color_of(k)


def dict_of(groups: Sequence[tuple[Any, Networks]]) -> dict[str, Networks]:
    """Groups of networks by the text of their value.

    Args:
        groups: of `Networks.grouped`.

    Returns:
        `repr` of the value: networks.
    """
    return {repr(value): networks for value, networks in groups}


def _marks(
    published: Sequence[PublishedValue],
    panel: ByAxisSettings,
    source: Source,
    values: Sequence[Any],
    measures: Sequence[Measure],
    series: Sequence[Series],
) -> list[Mark]:
    """Published values at their places."""
    by = None if panel.by is None else axis_of(panel.by, source.experiment)
    groups = [None] if by is None else source.cells.values_in(panel, by)
    marks = []
    for one in published:
        m = next(k for k, measure in enumerate(measures) if measure.name == (one.measure or panel.measures[0]))
        number = None
        if one.by is not None:
            number = next((i for i, value in enumerate(groups) if same_value(value, one.by)), None)
            number = None if number is None else number * len(measures) + m
        mark = mark_of(one, values, measures[m].factor)
        if mark is not None:
            marks.append(replace(mark, series=number if number is None or number < len(series) else None))
    return marks


def mark_of(one: PublishedValue, values: Sequence[Any], factor: float) -> Mark | None:
    """A published value at its position.

    Args:
        one: as the panel has it.
        values: of the axis.
        factor: from its unit to that of the vertical axis, unitless.

    Returns:
        the value; None where the axis does not have its position, since no network is there.
    """
    from ratecore.figures.boxes import Mark

    position = None
    if one.at is not None:
        position = next((i for i, value in enumerate(values) if same_value(value, one.at)), None)
        if position is None:
            return None
    numbers = {key: getattr(one, key) for key in ("value", "sd", "low", "high")}
    return Mark(position, None, **{key: None if v is None else v * factor for key, v in numbers.items()})


def _limits(ax: Any, measure: Measure, panel: ByAxisSettings | GroupsSettings) -> None:
    if panel.limits is not None:
        ax.set_ylim(*(limit * measure.factor for limit in panel.limits))
    elif measure.is_share:
        ax.set_ylim(-3, 103)
    elif measure.column.endswith("accuracy"):
        ax.set_ylim(max(ax.get_ylim()[0], -3), 103)
    elif measure.column == "n_trials":
        ax.set_ylim(0, None)


def _what(panel: ByAxisSettings, measures: Sequence[Measure], axis: Axis) -> str:
    shares = [measure for measure in measures if measure.is_share]
    numbers = [measure for measure in measures if not measure.is_share]
    parts = []
    if numbers and panel.style == "mean":
        parts.append("points are means over networks and bars their SD")
    if numbers and panel.style == "boxes":
        parts.append(
            "boxes are quartiles over networks with the median, whiskers reach at most 1.5 interquartile ranges, and "
            "points are networks (those beyond the whiskers if there are more than 30)"
        )
    if shares:
        parts.append("shares are of networks, with 95 % intervals (Wilson)")
    names = ", ".join(dict.fromkeys(measure.told for measure in measures))
    text = f"{names} against {words_of_axis(axis)}: {'; '.join(parts)}"
    return text[0].upper() + text[1:] + "."


def _left_out(source: Source, panel: ByAxisSettings | GroupsSettings) -> str:
    """The sentence about networks that are not shown."""
    left_out = source.networks(panel).left_out
    if not left_out:
        return ""
    return f"Left out are networks that are {', '.join(f'{status} ({n})' for status, n in left_out.items())}."


# ----------------------------------------------------------------------------------------------------------- groups


def draw_groups(source: Source, panel: GroupsSettings) -> tuple[Figure, list[str]]:
    """Draw a panel of kind `groups`.

    Args:
        source: of the networks.
        panel: its settings.

    Returns:
        the figure, and the sentences of its caption.
    """
    from ratecore import figures
    from ratecore.figures.boxes import published_handles
    from ratecore.figures.groups import in_words
    from ratecore.figures.print_style import wrapped

    axis, measure = axis_of(panel.by, source.experiment), measure_of(panel.measure, source.experiment.settings)
    networks = source.networks(panel)
    done = dict_of(networks.grouped(axis))
    nobody = Networks(networks.cells, networks.table[:0])
    groups = [(value, done.get(repr(value), nobody)) for value in source.cells.values_in(panel, axis)]
    height = panel.height or 68
    figure, axes = figures.print_figure(panel.width, height, 1, 1, panel.title)
    ax = axes[0, 0]
    values = {words_of_value(axis, value, panel.names, unit=False): own.numbers(measure) for value, own in groups}
    if not any(len(own) for own in values.values()):
        return figure, [say_why(ax, len(networks) > 0, NO_NUMBERS)]
    outcomes, told = _tests(panel, [own for _, own in groups], measure, list(values))
    marks = [mark_of(one, [value for value, _ in groups], measure.factor) for one in panel.published]
    known = [mark for mark in marks if mark is not None]
    digits = 1 if measure.factor == 100 else 2
    figures.groups(ax, values, tests=outcomes, published=known, digits=digits)
    ax.set_ylabel(wrapped(measure.alone, 0.55 * height))
    ax.set_xlabel(words_of_axis(axis))
    _limits(ax, measure, panel)
    if known:
        figures.legend_below(ax, published_handles(known))
    each = "; ".join(f"{name}: {in_words(own, digits).replace(chr(10), ', ')}" for name, own in values.items())
    boxes = (
        "Boxes are quartiles over networks with the median, whiskers reach at most 1.5 interquartile ranges, points "
        "are networks (those beyond the whiskers if there are more than 30); mean ± SD are below."
    )
    sentences = [f"{measure.told} by {words_of_axis(axis)}. {boxes}", f"{each}.", told, _left_out(source, panel)]
    sentences[0] = sentences[0][0].upper() + sentences[0][1:]
    return figure, [*sentences, with_published(panel, known)]


def _tests(
    panel: GroupsSettings, groups: Sequence[Networks], measure: Measure, names: Sequence[str]
) -> tuple[dict[int, str], str]:
    """The outcome of the test of each group against the first, and the sentence about them."""
    from ratecore.analysis.rank_tests import holm, rank_sum, signed_rank

    if panel.test == "none":
        return {}, ""
    found: dict[int, tuple[float, int]] = {}
    for k in range(1, len(groups)):
        if panel.test == "rank_sum":
            a, b = groups[0].numbers(measure), groups[k].numbers(measure)
            outcome = rank_sum(a, b) if len(a) and len(b) else None
            n = len(a) + len(b)
        else:
            pairs = paired(groups[0], groups[k], measure, panel.by)
            outcome, n = (signed_rank(pairs[:, 0], pairs[:, 1]) if len(pairs) else None), len(pairs)
        if outcome is not None:
            found[k] = (outcome, n)
    corrected = dict(zip(found, holm([p for p, _ in found.values()]), strict=True))
    words = {k: f"P = {p:.2g}" if p >= 0.001 else "P < 0.001" for k, p in corrected.items()}
    test = "rank-sum test" if panel.test == "rank_sum" else "signed-rank test of the same networks or seeds"
    how = f"Two-sided Wilcoxon {test} against {names[0]}{', corrected after Holm' if len(found) > 1 else ''}: "
    told = "; ".join(
        f"{names[k]} {words[k]} ({found[k][1]} {'pairs' if panel.test == 'signed_rank' else 'networks'})" for k in found
    )
    return words, how + told + "." if found else "There are too few networks for the test."


def paired(first: Networks, second: Networks, measure: Measure, by: str) -> np.ndarray:
    """The values of networks that differ only in the groups' axis.

    Args:
        first: networks of a group.
        second: networks of another.
        measure: of them.
        by: column of the groups.

    Returns:
        (pairs, 2), in the unit of the vertical axis.

    Source: none
    """
    experiment = first.cells.experiment
    own = axis_of(by, experiment).column
    others = [axis.column for axis in experiment.axes if axis.column != own]

    def keyed(networks: Networks) -> dict[tuple[Any, ...], float]:
        numbers = networks.column(measure)
        cells = networks.cells
        keys = [(*(cells.points[k].values[column] for column in others), cells.seeds[k]) for k in networks.table.index]
        return {key: value for key, value in zip(keys, numbers.tolist(), strict=True) if not np.isnan(value)}

    a, b = keyed(first), keyed(second)
    return np.array([(a[key], b[key]) for key in a if key in b]).reshape(-1, 2)
