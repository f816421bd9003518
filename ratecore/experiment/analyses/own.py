"""Calls the functions of analyses that a user's file registered, and checks what they return."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from functools import partial
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.settings.base import shown
from ratecore.settings.own_analyses import OWN, OwnAnalysis, OwnSettings
from ratecore.tasks.randomness import isolated
from ratecore.tasks.tracebacks import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from ratecore.experiment.analyses.material import Material


# What of a Material depends on more than the trained network, and which `of` an analysis needs to look at it: only then
# are the settings that it depends on part of the identity.
DEPENDS_ON = {
    **dict.fromkeys(("activity", "tested_net", "task"), ("activity", "spikes")),
    **dict.fromkeys(("spikes", "scaling_factor", "not_converted"), ("spikes",)),
}


class OwnAnalysisError(ValueError):
    """What is wrong with an analysis of a user, in one line."""


class Limited:
    """A Material with what an analysis has registered to look at.

    Args:
        material: of the network.
        of: 'activity', 'weights' or 'spikes'.
    """

    def __init__(self, material: Material, of: str) -> None:
        self._material, self._of = material, of

    def __getattr__(self, name: str) -> Any:
        allowed = DEPENDS_ON.get(name, (self._of,))
        if self._of not in allowed:
            words = " or ".join(f"of='{of}'" for of in allowed)
            raise ValueError(f"material.{name} needs an analysis that is registered with {words}, not '{self._of}'")
        return getattr(self._material, name)


def analysed(own: OwnAnalysis, material: Material, settings: OwnSettings) -> AnalysisResult:
    """Do a user's analysis of a network. Shared random generators have the same state each time.

    Args:
        own: the analysis.
        material: of the network.
        settings: of the analysis.

    Returns:
        what the function returned.

    Raises:
        OwnAnalysisError: the function raised an error, or returned something else.

    Source: none
    """
    with _one_line(own, own.analyse), isolated(0):
        returned = own.analyse(Limited(material, own.of), settings)
    return _checked(own, returned)


def drawn(own: OwnAnalysis, networks: Networks) -> dict[str, Figure]:
    """Draw a user's figure.

    Args:
        own: the analysis.
        networks: the arrays of each network, by its label.

    Returns:
        the figure by its name.

    Raises:
        OwnAnalysisError: the function raised an error, or returned something else.
    """
    from matplotlib.figure import Figure

    if own.draw is None:
        return {}
    with _one_line(own, own.draw), isolated(0):
        figure = own.draw(networks)
    if not isinstance(figure, Figure):
        raise OwnAnalysisError(f"{_called(own, own.draw)} returned {shown(figure)}; it must be a matplotlib Figure")
    return {f"{own.name}_own": figure}


def _called(own: OwnAnalysis, function: Callable[..., Any]) -> str:
    return f"{Path(own.file).name}: {getattr(function, '__name__', 'function')}"


@contextmanager
def _one_line(own: OwnAnalysis, function: Callable[..., Any]) -> Iterator[None]:
    """Turns an error of the user's code into one line; those of ratecore and of the machine stay as they are."""
    try:
        yield
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        if frames[-1].filename.startswith(PACKAGE) and isinstance(error, OSError | SystemExit):
            raise
        users = [frame for frame in frames if not frame.filename.startswith(PACKAGE)]
        users = [
            frame for frame in users if "site-packages" not in frame.filename and "contextlib" not in frame.filename
        ]
        place = f", line {users[-1].lineno}" if users else ""
        message = " ".join(str(error).split())
        raise OwnAnalysisError(f"{_called(own, function)}{place}: {type(error).__name__}: {message}") from error


def _checked(own: OwnAnalysis, returned: Any) -> AnalysisResult:
    """The result in what a function returned. Raises OwnAnalysisError for anything else."""
    start = f"{_called(own, own.analyse)} returned "
    if isinstance(returned, AnalysisResult):
        returned = returned.skipped or (returned.numbers, returned.arrays)
    if isinstance(returned, str):
        return AnalysisResult(skipped=" ".join(returned.split()))
    pair = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, {})
    numbers, arrays = pair
    if not isinstance(numbers, Mapping) or not isinstance(arrays, Mapping):
        raise OwnAnalysisError(
            f"{start}{shown(returned)}; it must be numbers by name, a tuple of numbers and arrays by name, or a text"
        )
    for name, value in numbers.items():
        if name not in own.numbers:
            raise OwnAnalysisError(f"{start}the number {shown(name)}; it registers {', '.join(own.numbers)}")
        if not isinstance(value, Real | np.integer | np.floating):
            raise OwnAnalysisError(f"{start}{name} = {shown(value)}; it must be a real number")
    found = {}
    for name, value in arrays.items():
        array = np.asarray(value)
        if not isinstance(name, str) or not name or "/" in name or array.dtype.kind not in "biufcU":
            raise OwnAnalysisError(f"{start}the array {shown(name)} of {array.dtype}; arrays have numbers or text")
        found[name] = array
    plain = {name: int(v) if isinstance(v, int | np.integer) else float(v) for name, v in numbers.items()}
    return AnalysisResult(plain, found)


_FUNCTIONS: dict[str, Callable[..., Any]] = {"analyse": analysed, "draw": drawn}


def __getattr__(name: str) -> Callable[..., Any]:
    """The functions of the rows of such analyses: `analyse_<name>` and `draw_<name>`."""
    kind, _, own = name.partition("_")
    if kind in _FUNCTIONS and own in OWN:
        return partial(_FUNCTIONS[kind], OWN[own])
    raise AttributeError(f"there is no analysis '{own}'", name=name)
