"""Panels of one network: its outputs by condition, and the spikes of one trial, simulated again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from ratecore.experiment.converted import Source as Converted
from ratecore.experiment.panels.networks import Networks
from ratecore.experiment.panels.tables import say_why
from ratecore.experiment.panels.trials import NOT_CONVERTED, groups_of
from ratecore.settings.panels import ExampleOutputsSettings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ratecore.experiment.panels.drawing import Source
    from ratecore.spiking.results import SpikeTrials
    from ratecore.tasks import AbstractTask

WORDS = {"none": "λ = 1", "chosen": "λ = {:g}"}


@dataclass(frozen=True)
class Example:
    """Trials of one network.

    Attributes:
        title: of its axes.
        task: that it is tested on.
        outputs: (B, T), unitless, of the first output; NaN after the end of shorter trials.
        conditions: of the trials.
        response: response window, rate steps.
        spikes: of the trials; None for a rate network.
    """

    title: str
    task: AbstractTask
    outputs: Float[np.ndarray, "B T"]
    conditions: list[str]
    response: tuple[int, int]
    spikes: SpikeTrials | None = None

    def by_condition(self) -> dict[str, tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"]]]:
        """Mean and SD over trials.

        Returns:
            of each condition (T,), unitless.

        Source: none
        """
        from ratecore.figures.style import mean_and_sd

        names = np.array(self.conditions)
        return {name: mean_and_sd(list(self.outputs[names == name])) for name in sorted(set(self.conditions))}


def draw_examples(source: Source, panel: ExampleOutputsSettings) -> tuple[Figure, list[str]]:
    """Draw a panel of kind `example_outputs`.

    Args:
        source: of the networks.
        panel: its settings.

    Returns:
        the figure, and the sentences of its caption.
    """
    from ratecore import figures
    from ratecore.figures.print_style import SIZE

    found: list[Example] = []
    told: list[str] = []
    groups = groups_of(source, panel, panel.by)
    for name, own in groups:
        examples, words = _examples(own, panel, "" if panel.by is None else name)
        found += examples
        told += words
    rows = 1 + (panel.raster is not None)
    height = panel.height or 20 + 42 * rows
    options = {"height_ratios": (1.2, 1)} if rows == 2 else {}
    figure, axes = figures.print_figure(panel.width, height, rows, max(1, len(found)), panel.title, **options)
    if not found:
        for ax in axes.flat:
            ax.set_axis_off()
        trained = panel.network == "spiking" and any(len(own) for _, own in groups)
        return figure, [say_why(axes[-1, 0], trained, NOT_CONVERTED)]
    for ax, example in zip(axes[-1], found, strict=True):
        _outputs(ax, example)
    for ax, example in zip(axes[0], found, strict=True):
        if panel.raster is not None:
            _raster(ax, example, panel.raster)
            ax.set_xlabel("")
        if example.title:
            ax.set_title(example.title, fontsize=SIZE)
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    handles = {h.get_label(): h for ax in axes.flat for h in ax.get_legend_handles_labels()[0]}
    figures.legend_below(axes[-1, 0], list(handles.values()), 3 if panel.columns == 1 else 8, markerscale=2.5)
    return figure, [*_words(panel, found), *told]


def _words(panel: ExampleOutputsSettings, found: list[Example]) -> list[str]:
    kind = "spiking network" if panel.network == "spiking" else "rate network"
    sentences = [
        f"Output of a {kind}, mean over trials of each condition with a band of one SD ({panel.trials} trials in all). "
        "Stimuli are shaded, the bar marks the response window, and dashed lines are what the task asks for."
    ]
    if panel.raster is not None:
        sentences.append(f"Above, the spikes of all units in the first trial of the condition {panel.raster}.")
    if found[0].task.n_outputs > 1:
        sentences.append("Of several outputs the first one is shown.")
    return sentences


def _examples(own: Networks, panel: ExampleOutputsSettings, name: str) -> tuple[list[Example], list[str]]:
    """The example of one group, once for each scaling, and the sentence about it."""
    spiking = panel.network == "spiking"
    column = "spiking_accuracy" if spiking else "accuracy"
    index = own.example(column)
    if index is None:
        return [], []
    row: dict[str, Any] = dict(own.table.loc[index])
    n = int(own.table[column].notna().sum())
    of = f"{name}: " if name else ""
    told = f"{of}seed {own.cells.seeds[index]}, with the median accuracy ({100 * row[column]:.1f} %) of {n} networks"
    if not spiking:
        return [_rate_example(own, index, panel.trials, name)], [f"The example is {told}."]
    best = float(row["lambda"])
    values = [(1.0 if scaling == "none" else best, WORDS[scaling].format(best)) for scaling in panel.scaling]
    titles = [", ".join(filter(None, [name, words])) for _, words in values]
    examples = [
        _spiking_example(own, index, value, panel.trials, title)
        for (value, _), title in zip(values, titles, strict=True)
    ]
    unscaled = " λ = 1 leaves the weights as they are." if "none" in panel.scaling else ""
    return examples, [f"The example is {told}; λ = {best:g} was chosen.{unscaled}"]


def _first(outputs: Any) -> Float[np.ndarray, "B T"]:
    """The first of several outputs."""
    return np.asarray(outputs if outputs.ndim == 2 else outputs[:, 0], float)


def _rate_example(own: Networks, index: int, trials: int, title: str) -> Example:
    from ratecore.rate.activity import trial_activity

    opened = own.opened(index)
    task, net = opened.tested(opened.load())
    found = trial_activity(task, net, opened.seed, range(trials), loss_fn=opened.loss_fn, n_trials=opened.n_trials)
    conditions = [str(name) for name in found.scores.conditions]
    return Example(title, task, _first(found.o), conditions, task.response_steps)


def _spiking_example(own: Networks, index: int, scaling_factor: float, trials: int, title: str) -> Example:
    from ratecore.spiking.activity import trial_spikes

    opened = own.opened(index)
    converted = Converted(opened, {}, scaling_factor, trials)
    task, model, settings = converted.tested()
    output = converted.conversion.output_of_step
    found = trial_spikes(task, model, settings, scaling_factor, opened.seed, range(trials), output_of_step=output)
    start, stop, _ = task.spiking_window.indices(task.T)
    return Example(title, task, _first(found.o), [str(c) for c in found.condition], (start, stop), found)


def _outputs(ax: Axes, example: Example) -> None:
    from ratecore import figures

    outputs = example.by_condition()
    lowest = min(float(np.nanmin(mean)) for mean, _ in outputs.values())
    figures.example_outputs(
        ax, outputs, example.task.stimulus_windows, example.response, thresholds_of(example.task, lowest)
    )


def thresholds_of(task: AbstractTask, lowest: float) -> tuple[float, ...]:
    """The outputs that a task's criterion asks for.

    Args:
        task: the task.
        lowest: output that is drawn, unitless.

    Returns:
        the output of a correct answer, its negative where outputs are negative, and what a quiet one must stay below
        (unitless); none for a task that names none.

    Source:
        docs/model.md 2.
    """
    amplitude = getattr(task, "amplitude", getattr(task, "answer_amplitude", None))
    if amplitude is None:
        return ()
    quiet = getattr(task, "quiet", None)
    if quiet is not None:
        return float(amplitude), float(quiet)
    return (float(amplitude), -float(amplitude)) if lowest < -amplitude / 2 else (float(amplitude),)


def _raster(ax: Axes, example: Example, condition: str) -> None:
    from ratecore import figures
    from ratecore.figures.style import STEP_MS

    spikes = example.spikes
    assert spikes is not None  # the settings allow rasters of spiking networks alone
    if condition not in example.conditions:
        figures.say_instead(ax, f"None of the {len(example.conditions)} trials is of the condition {condition}.")
        return
    k = example.conditions.index(condition)
    times, units = spikes.of_trial(k)
    duration = float(example.outputs.shape[1] * STEP_MS)
    figures.example_raster(ax, times, units, spikes.unit_type, example.task.stimulus_windows, duration)
