"""The spikes of a converted network on any of its trials, which need not be stored: each can be drawn again alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index
from typing import Any

import numpy as np
from jaxtyping import Float

from ratecore.settings.spiking import SpikingSettings
from ratecore.spiking.results import SpikeTrials
from ratecore.spiking.scoring import TrialsOfTask, spread_over
from ratecore.spiking.source import RateModel
from ratecore.system.processes import side_by_side
from ratecore.system.streams import STREAMS
from ratecore.tasks import AbstractTask
from ratecore.tasks.trials import Trial, response_of, score


def trial_spikes(
    task: AbstractTask,
    model: RateModel,
    settings: SpikingSettings,
    scaling_factor: float,
    seed: int,
    numbers: Iterable[int],
    *,
    output_of_step: str | None = None,
    stream_name: str = "lif_trial",
    threads: int = 1,
) -> SpikeTrials:
    """Run trials of a spiking network and keep all their spikes.

    With the defaults these are the very trials of the conversion: the trial of number k has the stimulus, membrane
    potentials and noise with which the search for lambda scored it, and the same spikes, to the bit.

    Args:
        task: any task that can be scored.
        model: `rate_model(...)`, or anything that it accepts.
        settings: of the simulation.
        scaling_factor: lambda, unitless.
        seed: of the run.
        numbers: of the trials, >= 0.
        output_of_step: as in `TrialsOfTask`.
        stream_name: of the stream that the trials are drawn from, see `ratecore.system.streams`.
        threads: processes at once.

    Returns:
        the trials, in the order of `numbers`; the same for any number of threads.

    Raises:
        ValueError: names the argument, its value and what is allowed.
        RuntimeError: a process failed or was killed; the message says why.

    Source:
        docs/model.md 5.2 and 5.5.
    """
    chosen = _checked(numbers, stream_name)
    trials = TrialsOfTask(model, task, settings, seed, output_of_step, stream_name)
    groups = [[chosen[k] for k in part] for part, _ in spread_over(range(len(chosen)), (), threads)]
    if len(groups) == 1:
        return _run(trials, chosen, scaling_factor)

    def do(group: list[int]) -> tuple[SpikeTrials | None, str]:
        try:
            return _run(trials, group, scaling_factor), ""
        except Exception as error:  # raised again below, with its message
            return None, f"{type(error).__name__}: {error}"

    trials.warm_up()
    done = side_by_side(do, groups, threads)
    for _, error in done:
        if error:
            raise RuntimeError(f"LIF trials: {error}")
    return _joined([part for part, _ in done if part is not None])


def unit_types(model: RateModel) -> list[str]:
    """Name the type of each unit.

    Args:
        model: the network.

    Returns:
        'E', 'I' or 'SST' of each unit (N,).

    Source: none
    """
    return ["SST" if som else "I" if inh else "E" for som, inh in zip(model.som, model.inh, strict=True)]


def _checked(numbers: Iterable[int], stream_name: str) -> list[int]:
    if stream_name not in STREAMS:
        raise ValueError(f"stream_name = {stream_name!r}; it must be one of {', '.join(STREAMS)}")
    try:
        chosen = [index(k) for k in numbers]
    except TypeError:
        raise ValueError(f"numbers = {numbers!r}; they must be whole numbers of trials, >= 0") from None
    if not chosen or min(chosen) < 0:
        raise ValueError(f"numbers = {chosen}; they must be at least one whole number of a trial, >= 0")
    return chosen


def _run(trials: TrialsOfTask, numbers: Sequence[int], scaling_factor: float) -> SpikeTrials:
    simulator, task = trials.simulator, trials.task
    recorded, steps, rows, correct, choices, conditions = [], [], [], [], [], []
    for k in numbers:
        u, scored_by, randomness = trials.draw(k)
        trial = simulator.record(scaling_factor, u, randomness)
        (o,) = trials.by_step(trial.out[None], u.shape[1])
        recorded.append(trial)
        rows.append(o)
        steps.append(u.shape[1])
        correct.append(bool(score(task, o, scored_by, "is_correct_spiking")))
        choices.append(_choice(task, o, scored_by))
        conditions.append(trials.condition(k))
    ends = np.array([trial.nt for trial in recorded])
    sizes = [trial.spike_steps.size for trial in recorded]
    dt = simulator.settings.step
    return SpikeTrials(
        times=(np.concatenate([trial.spike_steps for trial in recorded]) + 1) * dt,
        units=np.concatenate([trial.spike_units for trial in recorded]),
        trials=np.repeat(np.arange(len(recorded)), sizes),
        numbers=np.array(numbers),
        # Rates are whole numbers of spikes over the duration, so this is exact.
        counts=np.rint([trial.rates * (trial.nt * trial.dt) for trial in recorded]).astype(np.int64),
        o=_to_length(rows, max([task.T, *steps])),
        condition=conditions,
        choice=np.array(choices),
        correct=np.array(correct),
        dt=dt,
        duration=ends * dt,
        unit_type=unit_types(simulator.model),
        tau=simulator.model.tau,
        scaling_factor=float(np.ravel(scaling_factor)[0]),
    )


def _choice(task: AbstractTask, o: Float[np.ndarray, "*out T"], scored_by: Any) -> int:
    """Sign of the mean of the (first) output where the trial is scored; -1 for a mean of 0, as in rate networks."""
    own = isinstance(scored_by, Trial)
    window = response_of(task, scored_by) if own else task.spiking_window
    first = (o if o.ndim == 1 else o[0])[window]
    return 1 if first.size and first.mean() > 0 else -1  # a trial may end before the window


def _to_length(rows: list[Float[np.ndarray, "*out _"]], T: int) -> Float[np.ndarray, "B *out T"]:
    """Outputs over T steps, NaN after the end of shorter trials."""
    to_length = np.full((len(rows), *rows[0].shape[:-1], T), np.nan)
    for row, given in zip(to_length, rows, strict=True):
        row[..., : given.shape[-1]] = given
    return to_length


def _joined(parts: list[SpikeTrials]) -> SpikeTrials:
    """The trials of several groups as one."""
    first = np.cumsum([0, *(len(part.numbers) for part in parts)])
    names = ("times", "units", "numbers", "counts", "o", "choice", "correct", "duration")
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return SpikeTrials(
        **joined,
        trials=np.concatenate([part.trials + k for part, k in zip(parts, first, strict=False)]),
        condition=[name for part in parts for name in part.condition],
        dt=parts[0].dt,
        unit_type=parts[0].unit_type,
        tau=parts[0].tau,
        scaling_factor=parts[0].scaling_factor,
    )
