"""What the analyses of one network share: the network, its task, and its activity, drawn once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from ratecore.experiment.analyses.table import SPIKES
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.table import function_of
from ratecore.settings.analysis import settings_of
from ratecore.settings.own_analyses import OWN

if TYPE_CHECKING:
    from ratecore.rate.network import RateNetwork
    from ratecore.rate.results import Activity, TrainingResult
    from ratecore.rate.saved import SavedNetwork
    from ratecore.spiking.results import SpikeTrials
    from ratecore.tasks.base import AbstractTask

Made = TypeVar("Made")


class Material:
    """A trained network for its analyses. Everything is read or drawn when it is first asked for.

    What does not need PyTorch does not import it, since that takes longer than most analyses: `saved`, `weights`, and,
    unless the settings change the network or the user has own analyses, `activity` and `spikes`.

    Attributes:
        settings: of the run.

    Args:
        run: of the network.
        analyses: names of those that are to be done; all that the settings choose when None.
    """

    def __init__(self, run: Run, analyses: Sequence[str] | None = None) -> None:
        self._run, self.settings = run, run.settings
        self._analyses = run.settings.analyses if analyses is None else tuple(analyses)
        self._drawn: Activity | None = None
        self._shared: dict[Any, Any] = {}
        self._spikes: SpikeTrials | None = None

    @cached_property
    def result(self) -> TrainingResult:
        """The network with the course of its training."""
        from ratecore.formats.pth import result_from_pth

        return result_from_pth(self._run.network)

    @cached_property
    def saved(self) -> SavedNetwork:
        """The trained network as arrays."""
        from ratecore.formats.pth_arrays import saved_network

        return saved_network(self._run.network)

    @property
    def trained(self) -> bool:
        """Whether training met its criterion."""
        return self.saved.trained

    @property
    def net(self) -> RateNetwork:
        """The trained network as it is, without what tests change."""
        return self.result.net

    @property
    def initial(self) -> dict[str, Any]:
        """The parameters before training, as the network's state_dict."""
        return self.result.initial

    @cached_property
    def task(self) -> AbstractTask:
        """The task as the evaluation tests it."""
        return self.settings.tested_task("evaluation")

    @cached_property
    def tested_net(self) -> RateNetwork:
        """The network as the evaluation tests it; the same as `net` unless that changes it."""
        from ratecore.rate.testing import tested

        return tested(self.settings, self.net)[1]

    @property
    def tested(self) -> RateNetwork | SavedNetwork:
        """The network as the evaluation tests it; as arrays unless the settings change it."""
        return self.saved if self.settings.evaluation.keeps_the_network else self.tested_net

    def activity(self, n_trials: int) -> Activity:
        """What the network does in the first trials of its evaluation, and in those that would follow them.

        All analyses of a network share the trials, which are drawn once. The numbers of a trial do not depend on how
        many others are asked for.

        Args:
            n_trials: number of trials.

        Returns:
            the activity. Its arrays are shared: nothing may change them. The losses of trials that are drawn without
            PyTorch are NaN: only analyses of users, for which they are there, could want them.

        Source:
            docs/model.md 1 and 2.
        """
        if self._drawn is None or len(self._drawn.steps) < n_trials:
            from ratecore.rate.activity import takes_arrays, trial_activity

            s = self.settings
            chosen = range(max(n_trials, self._most_trials("evaluation")))
            net = self.tested
            if not self._without_torch or (net is self.saved and not takes_arrays(net, chosen, s.evaluation.n_trials)):
                net = self.tested_net
            self._drawn = trial_activity(
                self.task,
                net,
                s.seed,
                chosen,
                loss_fn=s.training.last.loss_fn,
                n_trials=s.evaluation.n_trials,
            )
        return first_trials(self._drawn, n_trials)

    @property
    def _without_torch(self) -> bool:
        return not OWN.keys() & set(self._analyses)

    def _most_trials(self, section: str) -> int:
        """The largest number of trials that an analysis of activity ('evaluation') or spikes ('conversion') takes."""
        every = settings_of(self._analyses, self.settings.analysis).values()
        return max((getattr(own, "n_trials", 0) for own in every if section in own.depends_on), default=0)

    def shared(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Make what several analyses need, such as the activity in bins, when the first one asks for it.

        Args:
            key: of what is made, with all that it depends on besides the network.
            make: makes it.

        Returns:
            what was made. Nothing may change it.

        Source: none
        """
        if key not in self._shared:
            self._shared[key] = make()
        made: Made = self._shared[key]
        return made

    @cached_property
    def kept_weights(self) -> dict[str, NDArray[Any]] | None:
        """Weights (S, N, N) and other arrays kept during training, unitless, as of `formats.load_weights`; or None."""
        from ratecore.formats.weights import load_weights

        path = self._run.folder / "weights.npz"
        if self.settings.training.keep_weights is None or not path.is_file():
            return None
        return load_weights(path)

    @cached_property
    def scaling_factor(self) -> float | None:
        """Lambda of the network's conversion, unitless; None if it was not converted."""
        found = self._conversion.get("lambda")
        return None if found is None else float(found)

    @property
    def not_converted(self) -> str:
        """Why the network was not converted; '' if it was."""
        return "" if self.scaling_factor is not None else str(self._conversion.get("skipped", "it was not converted"))

    @cached_property
    def _conversion(self) -> dict[str, Any]:
        return self._run.outcome("convert", verify=False) or {}

    def spikes(self, n_trials: int) -> SpikeTrials:
        """The spikes of the converted network in the first trials of its conversion, and in those that would follow.

        All analyses of a network share the trials, which are simulated once.

        Args:
            n_trials: number of trials.

        Returns:
            the spikes, with the network as it was scored. Its arrays are shared: nothing may change them.

        Raises:
            ValueError: the network was not converted.

        Source:
            docs/model.md 5.
        """
        if self.scaling_factor is None:
            raise ValueError(f"there are no spikes: {self.not_converted}")
        spikes_of, first_spikes = map(function_of, SPIKES)  # no import, which would make it code of every analysis
        if self._spikes is None or len(self._spikes.numbers) < n_trials:
            most = max(n_trials, self._most_trials("conversion"))
            self._spikes = spikes_of(self.settings, self.converted_from, self.scaling_factor, most)
        found: SpikeTrials = first_spikes(self._spikes, n_trials)
        return found

    @property
    def converted_from(self) -> TrainingResult | SavedNetwork:
        """The network that was converted; as arrays unless sets of its units are found by their activity or areas."""
        s = self.settings
        in_torch = bool(s.network.areas or s.sets_used_in("spiking", "conversion"))
        return self.result if in_torch else self.saved

    @cached_property
    def inhibitory(self) -> Bool[np.ndarray, " N"]:
        """Which units are inhibitory (N,)."""
        found: Bool[np.ndarray, " N"] = self.saved.inh
        return found

    @cached_property
    def weights(self) -> Float[np.ndarray, "N N"]:
        """The effective weights after training (N, N), unitless, row = receiving unit."""
        return self._effective(None)

    @cached_property
    def initial_weights(self) -> Float[np.ndarray, "N N"]:
        """The effective weights before training (N, N), unitless, row = receiving unit."""
        return self._effective(self.saved.initial["w"])

    def _effective(self, w: Float[np.ndarray, "N N"] | None) -> Float[np.ndarray, "N N"]:
        return self.saved.effective_weights(w).astype(np.float64)


def first_trials(activity: Activity, n: int) -> Activity:
    """Take the first trials of an activity, without copying its arrays.

    Args:
        activity: of at least n trials.
        n: number of trials.

    Returns:
        the activity in these trials.

    Source: none
    """
    if len(activity.steps) == n:
        return activity
    s = activity.scores
    scores = replace(
        s,
        losses=s.losses[:n],
        correct=s.correct[:n],
        outputs=s.outputs[:n],
        labels=s.labels[:n],
        conditions=s.conditions[:n],
        trials=None if s.trials is None else s.trials[:n],
    )
    arrays = {name: getattr(activity, name)[:n] for name in ("x", "r", "o", "u", "z", "steps")}
    return replace(activity, scores=scores, **arrays)
