"""Outputs that a task's criterion gets: those of every step of a trial, whoever calls it."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from ratecore.tasks.overriding import overrides
from ratecore.tasks.whole_trials import Trial, shape_of_target

if TYPE_CHECKING:
    from ratecore.tasks.base import AbstractTask

CRITERIA = ("is_correct", "is_correct_spiking")


def check_outputs(task_class: type[AbstractTask]) -> None:
    """Make the criteria that a class defines check the outputs that they get.

    Args:
        task_class: a class of tasks; its functions `is_correct` and `is_correct_spiking` are replaced.
    """
    for name in CRITERIA:
        method = vars(task_class).get(name)
        if inspect.isfunction(method) and overrides(method):
            setattr(task_class, name, _with_check(method))


def _with_check(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def criterion(self: AbstractTask, o: Any, label: Any, *more: Any, **named: Any) -> Any:
        shape = shape_of_target(self, label.T if isinstance(label, Trial) else None)
        if type(o) is not np.ndarray or o.shape != shape or o.dtype.kind != "f":
            o = _outputs(self, o, shape)
        return method(self, o, label, *more, **named)

    return criterion


def _outputs(task: AbstractTask, given: Any, shape: tuple[int, ...]) -> Float[np.ndarray, "*out T"]:
    """Outputs as floats (T,) or (n_out, T). Raises ValueError for another shape, and for what is no real numbers."""
    try:
        if isinstance(given, list | tuple):  # one entry a step, as `net.forward` returns them
            given = [_plain(v) for v in given]
        array = np.asarray(_plain(given))
        real = array.dtype.kind in "fiub"
    except (ValueError, TypeError):  # lists whose parts differ in length
        real = False
    if not real:
        raise ValueError(f"{task.name}: o is {type(given).__name__}; it must be an array of real numbers {shape}")
    if len(shape) == 1 and array.shape == (1, *shape):
        array = array[0]
    if array.shape != shape:
        axes = "(T,)" if len(shape) == 1 else "(n_out, T)"
        raise ValueError(
            f"{task.name}: o has shape {array.shape}; it must be {shape}, the outputs {axes} of one trial, o[..., t] "
            f"at step t{_hint(array.shape, shape)}"
        )
    return array if array.dtype.kind == "f" else array.astype(float)


def _plain(value: Any) -> Any:
    """A tensor without its graph, on the CPU; anything else as it is."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _hint(given: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """What may be wrong with outputs of another shape."""
    if math.prod(given) == math.prod(shape[:-1]) * (shape[-1] - 1) and shape[-1] - 1 in given:
        return (
            ". One step is missing: net.forward, eval_rnn and the o of a .mat have no output of the first step; "
            "ratecore.run(net, u) returns all T"
        )
    if len(given) == len(shape) + 1 and given[1:] == shape:
        return f"; score the {given[0]} trials one by one"
    if given[:-1] == shape[:-1] and given[-1] > shape[-1]:
        return f"; without the steps after the end of the trial: o[..., :{shape[-1]}]"
    if given == shape[::-1]:
        return " (is it transposed?)"
    return ""
