"""What is probably not intended in the perturbations of an experiment, and in its sets of units."""

from __future__ import annotations

from collections.abc import Iterator

from ratecore.experiment.grid import Experiment
from ratecore.settings.base import shown
from ratecore.settings.perturbation import PerturbationSettings
from ratecore.settings.run import TESTED
from ratecore.settings.spiking import RATE_STEP

LONG = 20  # units of a list in a path, from which on a name is better
# Settings that do nothing unless another one does something
NEEDS = {
    "lesion_fraction": ("lesion_units", "lesion_units"),
    "lesion_order": ("lesion_units", "lesion_units"),
    "shuffle_keeps": ("shuffle_synapses", "shuffle_synapses"),
    "stimulation_units": ("stimulation_current", "a stimulation_current"),
    "stimulation_window": ("stimulation_current", "a stimulation_current"),
    "noise_units": ("noise_sd", "a noise_sd"),
}


def cautions(experiment: Experiment) -> Iterator[str]:
    """Settings of perturbations that do nothing, and lists of units that make long paths.

    Args:
        experiment: of the grid.

    Yields:
        a sentence for each.
    """
    yield from _idle(experiment)
    yield from _late(experiment)
    points = experiment.grid_points
    used = {name for point in points for name in point.settings.sets_used_in(*TESTED, "spiking")}
    if idle := [name for name in experiment.settings.unit_sets if name not in used]:
        has, it = ("has", "it") if len(idle) == 1 else ("have", "them")
        yield f"unit_sets.{', '.join(idle)} {has} no effect: no setting uses {it}"
    for axis in experiment.axes:
        lists = [v for v in axis.values if isinstance(v, list | tuple) and len(v) >= LONG]
        if axis.path[-1].endswith("units") and lists:
            name, length = ".".join(axis.path), len(lists[0])
            yield f"grid.{name} has a list of {length} units, whose path says little; unit_sets can give it a name"


def _sections(experiment: Experiment) -> list[str]:
    return [section for section in TESTED if section == "evaluation" or experiment.settings.convert]


def _idle(experiment: Experiment) -> Iterator[str]:
    for section in _sections(experiment):
        given: PerturbationSettings = getattr(experiment.settings, section).perturbation
        axes = {axis.path[2] for axis in experiment.axes if axis.path[:2] == (section, "perturbation")}
        chosen = given.model_fields_set | axes
        every = [getattr(point.settings, section).perturbation for point in experiment.grid_points]
        for key, (other, what) in NEEDS.items():
            if key in chosen and all(getattr(own, other, None) in (None, 0.0, ()) for own in every):
                yield f"{section}.perturbation.{key} has no effect without {what}"


def _late(experiment: Experiment) -> Iterator[str]:
    windows = {
        (section, own.stimulation_window, point.settings.tested_task(section).T * RATE_STEP)
        for section in TESTED
        if section in _sections(experiment)
        for point in experiment.grid_points
        if (own := getattr(point.settings, section).perturbation).stimulation_current and own.stimulation_window
    }
    for section, window, duration in sorted(windows):
        if window[0] >= duration:
            what = f"{section}.perturbation.stimulation_window = {shown(list(window))}"
            yield f"{what} has no effect: it begins after the end of the trial, which lasts {duration:g} ms"
