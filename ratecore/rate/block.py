"""A block of networks that train together, as one batched program on one device.

The networks share their settings and differ in their seed. Trials are drawn on the CPU from each run's own streams, so
that a network sees the trials that it would see alone. A network that is over leaves, and the program gets smaller.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from jaxtyping import Float

from ratecore.rate.evaluation import draw_trials, join_scores, one_thread, scores_of
from ratecore.rate.results import Scores, TrainingResult
from ratecore.rate.stacked import BlockUpdates, StackedNetworks
from ratecore.rate.training import Training
from ratecore.settings.run import RunSettings

MOST_NUMBERS = 2**26  # of noise in a chunk of test trials: 256 MiB in float32; a test holds about eight times as much


class _Signals(Protocol):
    """Whether the process was told to end."""

    def check(self, trial: int | None = None) -> None: ...


class _Checkpoints(Protocol):
    """Where the networks of a block are saved to (`ratecore.experiment.checkpoints`)."""

    @property
    def signals(self) -> _Signals: ...
    def due(self) -> bool: ...
    def write(self, result: TrainingResult) -> None: ...


_Outcome = TrainingResult | FloatingPointError


class _Callbacks(NamedTuple):
    """Called with a network's index and its result so far: after a test, and when its weights are to be kept."""

    on_test: Callable[[int, TrainingResult], None] | None
    on_keep: Callable[[int, TrainingResult], None] | None


class StackedTrials(NamedTuple):
    """The trials of K networks on one device.

    Attributes:
        u: stimuli (K, B, n_in, T), unitless.
        z: targets (K, B, T), or (K, B, n_out, T) of several outputs, unitless.
        x0: states at the first step (K, B, N), unitless.
        noise: (K, B, T-1, N), unitless.
        weight: weights in the loss, in the shape of z, unitless; all 1 when None.
    """

    u: torch.Tensor
    z: torch.Tensor
    x0: torch.Tensor
    noise: torch.Tensor
    weight: torch.Tensor | None


def stack_trials(
    draws: Sequence[tuple[Any, Float[torch.Tensor, "_ N"], Float[torch.Tensor, "_ T-1 N"]]], device: torch.device | str
) -> StackedTrials:
    """Stack the trials of K networks on a device; each array moves in one copy.

    Args:
        draws: for each network the trials, x0 (b, N) and noise (b, T-1, N) of `draw_trials`, on the CPU; unitless.
            B is the largest b and T the largest T; smaller batches and shorter trials are filled up with zeros.
        device: torch device of the stacked arrays.

    Returns:
        The trials. They have weights if those of a network have or if trials differ in length.

    Source: none
    """
    device = torch.device(device)
    u, z, x0, noise = (
        _stacked(rows, device) for rows in zip(*((t.u, t.z, x0, noise) for t, x0, noise in draws), strict=True)
    )
    weights = [trials.weight for trials, _, _ in draws]
    weight = None
    if any(given is not None for given in weights) or len({trials.u.shape[-1] for trials, _, _ in draws}) > 1:
        rows = [_weight_of(t.z) if given is None else given for (t, _, _), given in zip(draws, weights, strict=True)]
        weight = _stacked(rows, device)
        for place, row in zip(weight, rows, strict=True):
            place[len(row) :] = 1  # of the trials that fill up: no loss may divide by 0 there
    return StackedTrials(u, z, x0, noise, weight)


def _weight_of(z: torch.Tensor) -> torch.Tensor:
    """The weights of trials that have none: 1 at each step of a target that is compared."""
    weight = torch.ones_like(z)
    weight[..., -1] = 0
    return weight


def _stacked(rows: Sequence[torch.Tensor], device: torch.device) -> torch.Tensor:
    """Arrays of K networks in one (K, ...), smaller ones filled up with zeros."""
    shape = [max(sizes) for sizes in zip(*(row.shape for row in rows), strict=True)]
    # From pinned memory the copy runs while the CPU goes on.
    whole = torch.zeros(len(rows), *shape, dtype=rows[0].dtype, pin_memory=device.type == "cuda")
    for place, row in zip(whole, rows, strict=True):
        place[tuple(slice(n) for n in row.shape)] = row
    return whole.to(device, non_blocking=True)


def scores_of_tests(networks: StackedNetworks, places: list[int], trainings: list[Training]) -> list[Scores]:
    """Test some networks of a stack, as one program over networks and trials.

    Args:
        networks: the stack.
        places: positions in the stack of the networks to test.
        trainings: of these networks, in the same order and in the same stage; they say which trials come.

    Returns:
        the scores of each network, in the same order.
    """
    generators = [training.test_generators() for training in trainings]
    task, loss_fn = trainings[0].task, trainings[0].stage_settings.loss_fn
    n = len(generators[0])
    chunk = max(1, MOST_NUMBERS // (len(places) * task.T * networks.settings.N))
    parts: list[list[Scores]] = [[] for _ in trainings]
    for first in range(0, n, chunk):
        draws = [
            draw_trials(task, t.result.net, g[first : first + chunk])
            for t, g in zip(trainings, generators, strict=True)
        ]
        stacked = stack_trials(draws, networks.device)
        outputs = networks.outputs(stacked.u, stacked.x0, stacked.noise, places).cpu()
        for scores, (trials, _, _), o in zip(parts, draws, outputs, strict=True):
            scores.append(scores_of(task, trials, o[..., : trials.u.shape[-1]], loss_fn))
    return [join_scores(scores) for scores in parts]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one mapping of dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def check_agree(settings: list[RunSettings]) -> None:
    """Check that runs differ in their seed only.

    Args:
        settings: of the runs.

    Raises:
        ValueError: they differ in another setting, which is named.
    """
    first, *others = (_flat(s.model_dump(exclude={"seed"})) for s in settings)
    for other in others:
        for key in first | other:
            a, b = first.get(key), other.get(key)
            if a != b:
                raise ValueError(f"{key} = {a!r} and {b!r} in one block; its runs may differ in their seed only")


class _Group:
    """The networks of a block that are in one stage of their curriculum, stacked; all of them without stages."""

    def __init__(self, going: Sequence[tuple[int, Training]], device: torch.device | str, compile_step: bool) -> None:
        self.going = list(going)  # (index in the block, Training) in the order of the stack
        first, results = self.going[0][1], [training.result for _, training in self.going]
        self._scheduled = first.stage_settings.schedule != "constant"
        distances = [training.distances for _, training in self.going]
        self.updates = BlockUpdates(
            StackedNetworks([r.net for r in results], device),
            first.stage_settings,
            [r.optimizer for r in results],
            compile_step,
            first.own_loss,
            None if distances[0] is None else torch.stack([d for d in distances if d is not None]),
        )

    def bring_back(self, networks: list[int] | None = None) -> None:
        """Write the weights and the states of optimizers of some networks of the stack into their results."""
        places = list(range(len(self.going))) if networks is None else networks
        self.updates.networks.write_back(places)
        for k, state in zip(places, self.updates.state_dicts(places), strict=True):
            self.going[k][1].result.optimizer = state

    def update(self) -> dict[int, FloatingPointError]:
        """Update every network; gives those whose loss is not finite."""
        draws = [training.draw() for _, training in self.going]
        counts = [len(trials.u) for trials, _, _ in draws]
        stacked = stack_trials(draws, self.updates.networks.device)
        if self._scheduled:
            self.updates.learning_rate = [training.learning_rate for _, training in self.going]
        lengths = [trials.steps or [trials.u.shape[-1]] * len(trials.u) for trials, _, _ in draws]
        u, z, x0, noise, weight = stacked
        losses = self.updates.update(u, z, x0, noise, counts if len(set(counts)) > 1 else None, weight, lengths)
        failed = {}
        for (index, training), loss in zip(self.going, losses, strict=True):
            try:
                training.took(loss)
            except FloatingPointError as error:
                failed[index] = error
        return failed

    def test(
        self, failed: Mapping[int, FloatingPointError], on_test: Callable[[int, TrainingResult], None] | None
    ) -> dict[int, FloatingPointError]:
        """Test the networks that are due, but for the failed ones; gives those whose loss is not finite."""
        due = [k for k, (index, training) in enumerate(self.going) if index not in failed and training.test_due]
        if not due:
            return {}
        trainings = [self.going[k][1] for k in due]
        broken: dict[int, FloatingPointError] = {}
        scores = scores_of_tests(self.updates.networks, due, trainings)
        self.bring_back(due)
        for k, training, score in zip(due, trainings, scores, strict=True):
            index = self.going[k][0]
            try:
                training.tested(score)
            except FloatingPointError as error:
                broken[index] = error
                continue
            if on_test:
                on_test(index, training.result)
        return broken

    def keep(self, staying: list[int]) -> None:
        """Keep some networks of the stack; the others leave."""
        if len(staying) < len(self.going):
            self.updates.keep(staying)
            self.going = [self.going[k] for k in staying]


class _Block:
    """The networks of a block under way; `outcomes` trains them."""

    def __init__(
        self,
        trainings: list[Training],
        device: torch.device | str,
        callbacks: _Callbacks,
        checkpoints: Sequence[_Checkpoints] | None,
        compile_step: bool,
    ) -> None:
        self._callbacks, self._checkpoints = callbacks, checkpoints
        self._device, self._compile_step = device, compile_step
        self._groups: dict[int, _Group] = {}  # by stage
        self._add(list(enumerate(trainings)))

    @property
    def _going(self) -> list[tuple[int, Training]]:
        return [pair for group in self._groups.values() for pair in group.going]

    def _add(self, networks: list[tuple[int, Training]]) -> None:
        """Stacks networks with those that are in the same stages."""
        for stage in sorted({training.stage for _, training in networks}):
            members = [pair for pair in networks if pair[1].stage == stage]
            if group := self._groups.get(stage):
                group.bring_back()
                members += group.going
            self._groups[stage] = _Group(sorted(members, key=lambda p: p[0]), self._device, self._compile_step)

    def outcomes(self) -> Iterator[tuple[int, _Outcome]]:
        failed: dict[int, FloatingPointError] = {}
        self._keep_weights()
        while self._groups:
            with one_thread():
                # First, since a network may come from a checkpoint between an update and its test.
                for group in self._groups.values():
                    failed |= group.test(failed, self._callbacks.on_test)
                ended = self._leave(failed)
            yield from ended
            if self._groups:
                self._save()
                with one_thread():
                    failed = {}
                    for group in self._groups.values():
                        failed |= group.update()
                    self._keep_weights(failed)

    def _save(self) -> None:
        """Checkpoints of all networks once one of them is due: bringing them from the device takes the same for all."""
        going = self._going
        kept = [self._checkpoints[index] for index, _ in going] if self._checkpoints else []
        if not any(checkpoints.due() for checkpoints in kept):
            return
        for group in self._groups.values():
            group.bring_back()
        for checkpoints, (_, training) in zip(kept, going, strict=True):
            checkpoints.write(training.result)
        trials = {training.result.n_trials for _, training in going}  # of networks that went on, not all the same
        for checkpoints in kept:
            checkpoints.signals.check(min(trials) if len(trials) == 1 else None)

    def _keep_weights(self, failed: Mapping[int, FloatingPointError] | None = None) -> None:
        """Hands over the networks whose weights are to be kept after the last update."""
        if self._callbacks.on_keep is None:
            return
        for group in self._groups.values():
            due = [k for k, (i, training) in enumerate(group.going) if training.keep_due and i not in (failed or {})]
            if due:
                group.updates.networks.write_back(due)
            for index, training in (group.going[k] for k in due):
                self._callbacks.on_keep(index, training.result)

    def _leave(self, failed: Mapping[int, FloatingPointError]) -> list[tuple[int, _Outcome]]:
        """Takes the networks that failed or are over out of their stacks, gives their outcomes, and moves those that
        are in another stage now.
        """
        ended: list[tuple[int, _Outcome]] = []
        moving: list[tuple[int, Training]] = []
        for stage, group in list(self._groups.items()):
            staying = []
            for k, (index, training) in enumerate(group.going):
                if index in failed:
                    ended.append((index, failed[index].with_traceback(None)))  # which would hold on to the whole block
                elif training.over:
                    training.result.finished = training.result.finished or time.time()
                    ended.append((index, training.result))
                elif training.stage != stage:
                    moving.append((index, training))
                else:
                    staying.append(k)
            if staying:
                group.keep(staying)
            else:
                del self._groups[stage]
        self._add(moving)
        return ended


def train_block(
    settings: list[RunSettings],
    device: torch.device | str = "cpu",
    on_test: Callable[[int, TrainingResult], None] | None = None,
    results: Sequence[TrainingResult | None] | None = None,
    checkpoints: Sequence[_Checkpoints] | None = None,
    compile_step: bool = False,
    on_keep: Callable[[int, TrainingResult], None] | None = None,
) -> Iterator[tuple[int, TrainingResult | FloatingPointError]]:
    """Train the networks of a block together, each as `train` does alone (docs/model.md 3).

    Args:
        settings: of the runs; they may differ in their seed only.
        device: where the block is computed. The networks of the results are on the CPU.
        on_test: called with a network's index and its result so far after every test of it. The result's network and
            optimizer are then those of the test, so that it can be saved as a checkpoint.
        results: of an earlier training of each run, to continue from there; None for a run that starts.
        checkpoints: of each run, a `ratecore.experiment.checkpoints.Checkpoints`; all are written when one is due.
        compile_step: as in `BlockUpdates`.
        on_keep: called with a network's index and its result so far before its first update and every `keep_weights`
            trials.

    Returns:
        an iterator over (index in `settings`, outcome), each as soon as the network is over: a TrainingResult, or the
        FloatingPointError of a network whose loss is no longer finite, which disturbs no other. `seconds` of a result
        is the time that the block took until then.

    Raises:
        ValueError: the runs do not belong in one block; raised by the call, before any work.
        Interrupted: the process was told to end; checkpoints are written.
    """
    if not settings:
        return iter(())
    check_agree(settings)
    given: Sequence[TrainingResult | None] = results or [None] * len(settings)
    if len(given) != len(settings):
        raise ValueError(f"{len(given)} results for {len(settings)} runs; give one, or None, for each")
    trainings = [Training(s, "cpu", result) for s, result in zip(settings, given, strict=True)]
    for training in trainings:
        training.result.net.to("cpu")  # of a result that was loaded onto a GPU; trials are drawn where the network is
    return _Block(trainings, device, _Callbacks(on_test, on_keep), checkpoints, compile_step).outcomes()
