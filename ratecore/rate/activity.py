"""The activity of a network in trials that are drawn again: the very trials, and bits, of its evaluation."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from ratecore.rate import saved_trials
from ratecore.rate.results import Activity, Scores
from ratecore.rate.saved import SavedNetwork
from ratecore.rate.trials import CHUNK, join_scores, trials_are_checked
from ratecore.system.streams import STREAMS, stream
from ratecore.tasks.base import AbstractTask

if TYPE_CHECKING:
    from ratecore.rate.network import RateNetwork


def trial_activity(
    task: AbstractTask,
    net: RateNetwork | SavedNetwork,
    seed: int,
    numbers: Sequence[int],
    *,
    stream_name: str = "evaluation",
    loss_fn: str = "l2",
    n_trials: int | None = None,
) -> Activity:
    """Draw trials of a run again and simulate them, with all states.

    Outputs and scores are those of `rate.evaluation.evaluate` for the same trials, to the bit. Where trials influence
    one another's last bits (dense networks, whose matrix products sum in an order that depends on the size of the
    batch), all of the evaluation's batch is simulated and the trials are taken from it.

    Args:
        task: draws and scores the trials.
        net: the network. A SavedNetwork has the same activity, to the bit, without PyTorch; but its losses are NaN, and
            `takes_arrays` says which trials it can do.
        seed: of the run.
        numbers: of the trials, from 0, in any order. Trials beyond those of the evaluation continue its stream.
        stream_name: name of the random stream, as in `ratecore.system.streams`.
        loss_fn: name of the loss, as in `training.loss_fn`.
        n_trials: number of trials of the evaluation, which decides on its last batch; complete batches when None.

    Returns:
        the activity in these trials, in the order of `numbers`.

    Raises:
        ValueError: there are no numbers, one is below 0 or not whole, or there is no such stream.
        TaskError: a task of the user's with a fault.

    Source:
        docs/model.md 1 to 3.
    """
    wanted = _checked_numbers(numbers)
    if stream_name not in STREAMS:
        raise ValueError(f"stream_name = {stream_name!r}; allowed: {', '.join(STREAMS)}")
    by_number = sorted(wanted)
    if not isinstance(net, SavedNetwork):
        from ratecore.rate.evaluation import one_thread
    with nullcontext() if isinstance(net, SavedNetwork) else one_thread():
        parts = (
            _part(task, net, loss_fn, batch, chosen, lambda k: stream(seed, stream_name, k))
            for batch, chosen in _batches(by_number, n_trials)
        )
        activity = _joined(parts, len(wanted))
    if by_number == wanted:
        return activity
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    return _taken(activity, np.argsort(order).tolist())


def takes_arrays(net: SavedNetwork, numbers: Sequence[int], n_trials: int | None = None) -> bool:
    """Tell whether `trial_activity` can do trials of a saved network.

    Args:
        net: the network.
        numbers: as there.
        n_trials: as there.

    Returns:
        False where compiled loops do not run the trials side by side.
    """
    fewest = min((len(batch) for batch, _ in _batches(sorted(_checked_numbers(numbers)), n_trials)), default=0)
    return saved_trials.side_by_side(net, fewest)


_ARRAYS = ("x", "r", "o", "u", "z", "steps")


def _checked_numbers(numbers: Sequence[int]) -> list[int]:
    """The numbers of trials. Raises ValueError where they are none."""
    array = np.asarray(numbers)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iu" or array.min() < 0:
        raise ValueError(f"numbers = {numbers!r}; it must be a list of numbers of trials, whole and at least 0")
    return [int(k) for k in array]


def _batches(numbers: list[int], n_trials: int | None) -> Iterator[tuple[range, list[int]]]:
    """The evaluation's batch for each group of successive trials, and the trials."""

    def batch(k: int) -> range:
        start, stop = k - k % CHUNK, k - k % CHUNK + CHUNK
        if n_trials is not None and start < n_trials < stop:  # the evaluation ends within these trials
            return range(start, n_trials) if k < n_trials else range(n_trials, stop)
        return range(start, stop)

    return ((same, list(group)) for same, group in groupby(numbers, batch))


_IN_TURN = threading.RLock()
_OF_OTHERS = ("neurogym", "multi")  # modules of ratecore.tasks whose tasks run the code of others


def in_turn(task: AbstractTask) -> AbstractContextManager[Any]:
    """What surrounds calls of a task's methods when several threads simulate.

    Args:
        task: the task.

    Returns:
        a lock for tasks of others, whose code may use what all threads share, such as `np.random`.
    """
    package, _, module = type(task).__module__.rpartition(".")
    return nullcontext() if package == "ratecore.tasks" and module not in _OF_OTHERS else _IN_TURN


def _part(
    task: AbstractTask, net: RateNetwork | SavedNetwork, loss_fn: str, batch: range, chosen: list[int], generator: Any
) -> Activity:
    """The activity in some trials of a batch."""

    def drawn(numbers: Iterable[int]) -> Any:
        with in_turn(task):
            return _draw(task, net, [generator(k) for k in numbers])

    if chosen != list(batch) and trials_are_checked(task) and _independent(net, len(batch)):
        found = drawn(chosen)
        if found[0].trials is None:  # trials of different lengths have weights that depend on the batch
            return _activity(task, net, loss_fn, found, len(batch))
    activity = _activity(task, net, loss_fn, drawn(batch), len(batch))
    return activity if chosen == list(batch) else _taken(activity, [k - batch.start for k in chosen])


def _draw(task: AbstractTask, net: RateNetwork | SavedNetwork, generators: list[np.random.Generator]) -> Any:
    if isinstance(net, SavedNetwork):
        return saved_trials.draw_trials(task, net, generators)
    from ratecore.rate.evaluation import draw_trials

    return draw_trials(task, net, generators)


def _independent(net: RateNetwork | SavedNetwork, batch: int) -> bool:
    if isinstance(net, SavedNetwork):
        return True
    from ratecore.rate.dynamics.engines import trials_are_independent

    return trials_are_independent(net, batch)


def _activity(task: AbstractTask, net: RateNetwork | SavedNetwork, loss_fn: str, drawn: Any, batch: int) -> Activity:
    """The activity in drawn trials."""
    trials, x0, noise = drawn
    x: Any  # arrays, or tensors
    r: Any
    o: Any
    if isinstance(net, SavedNetwork):
        x, r, o = saved_trials.states(net, trials.u, x0, noise)
        with in_turn(task):
            scores = saved_trials.scores_of(task, trials, o)
    else:
        from ratecore.rate.dynamics.engines import states
        from ratecore.rate.evaluation import scores_of

        x, r, o = states(net, trials.u, x0, noise, batch)
        with in_turn(task):
            scores = scores_of(task, trials, o, loss_fn)
    drawn_trials = trials.trials
    steps = np.full(len(x), x.shape[1]) if drawn_trials is None else np.array([trial.T for trial in drawn_trials])

    def whole(values: Any, axis: int = -1) -> np.ndarray:
        array = values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()
        return _until(array, steps, task.T, axis)

    return Activity(whole(x, 1), whole(r, 1), whole(o), whole(trials.u), whole(trials.z), scores, steps)


def _until(array: np.ndarray, steps: np.ndarray, T: int, axis: int) -> np.ndarray:
    """An array over T steps, NaN after the end of each trial."""
    if array.shape[axis] == T and (steps == T).all():
        return array
    array = np.moveaxis(array, axis, 1)
    whole = np.full((len(array), T, *array.shape[2:]), np.nan, array.dtype)
    for row, given, n in zip(whole, array, steps, strict=True):
        row[:n] = given[:n]
    return np.moveaxis(whole, 1, axis)


def _joined(parts: Iterator[Activity], B: int) -> Activity:
    """Parts of B trials in one, filled part by part, so that no second copy of the states is held."""
    first_part = next(parts)
    if len(first_part.steps) == B:
        return first_part
    like = {name: getattr(first_part, name) for name in _ARRAYS}
    arrays: dict[str, Any] = {name: np.empty((B, *array.shape[1:]), array.dtype) for name, array in like.items()}
    first, scores = 0, list[Scores]()
    for part in chain([first_part], parts):
        stop = first + len(part.steps)
        for name, array in arrays.items():
            array[first:stop] = getattr(part, name)
        first, scores = stop, [*scores, part.scores]
    return Activity(**arrays, scores=join_scores(scores))


def _taken(activity: Activity, places: list[int]) -> Activity:
    """Some trials of a batch."""
    s = activity.scores
    scores = Scores(
        s.losses[places],
        s.correct[places],
        s.outputs[places],
        [s.labels[k] for k in places],
        s.conditions[places],
        None if s.trials is None else [s.trials[k] for k in places],
    )
    taken: dict[str, Any] = {name: getattr(activity, name)[places] for name in _ARRAYS}
    return Activity(**taken, scores=scores)
