"""The networks that trainings of a grid start from (`training.start_from`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ratecore.experiment.points import GridPoint
from ratecore.settings.run import RunSettings, hash_of
from ratecore.settings.starts import as_text, refused


def network_key(settings: RunSettings) -> str:
    """What tells the network of a grid point from those of others, whatever its seed.

    Args:
        settings: of a run.

    Returns:
        a hash.
    """
    return hash_of({**settings.identity_values("training"), "seed": 0})


def check_starts(grid_points: Iterable[GridPoint]) -> None:
    """Check that the files from which trainings start can be read and fit.

    Args:
        grid_points: of the grid.

    Raises:
        SettingsError: a file does not fit the network that starts from it.
    """
    starts: dict[Any, RunSettings] = {}
    for point in grid_points:
        s = point.settings
        if isinstance(s.training.start_from, str):
            stages = s.training.stages[:1]
            key = (s.training.start_from, s.network, s.task, repr(s.task_settings), repr(stages))
            starts.setdefault(key, s)
    if starts:
        from ratecore.formats.starting import start_of  # with torch, which takes a second

        for settings in starts.values():
            settings.identity("training")  # reads the file once for all seeds
            start_of(settings)


def refuse_missing_starts(grid_points: Iterable[GridPoint], start_of: Callable[[GridPoint], GridPoint | None]) -> None:
    """Check that every network from which a training starts is in the grid.

    Args:
        grid_points: of the grid.
        start_of: grid point: the one that its trainings start from, if any.

    Raises:
        SettingsError: a network is missing, or some of its seeds are.
    """
    for point in grid_points:
        if point.settings.start is None:
            continue
        named = as_text(point.settings.training.start_from)  # type: ignore[arg-type]  # a mapping
        if (start := start_of(point)) is None:
            raise refused(
                f"{named}: {point.path} would start from a network that is not in the grid; add its values to the "
                "axes, and null to an axis training.start_from"
            )
        known = set(start.seeds)
        if missing := [seed for seed in point.seeds if seed not in known]:
            raise refused(
                f"{named}: {point.path} has seed {missing[0]}, which {start.path}, where it starts from, has not; give "
                "its product the same seeds"
            )
