"""The search for lambda, the factor that divides the weights when a rate network becomes spiking (docs/model.md 5)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Real

from ratecore.settings.spiking import ConversionSettings, SpikingSettings, StimulationSettings
from ratecore.spiking.exploration import lesioned
from ratecore.spiking.perturbation import perturbed
from ratecore.spiking.results import SearchSummary
from ratecore.spiking.scoring import Outcomes, TrialsOfTask, run_trials
from ratecore.spiking.source import RateModel, rate_model
from ratecore.system.streams import stream
from ratecore.tasks import AbstractTask

A_ROUND = 5.0  # seconds of a full search between calls of `on_round`
FIRST_ROUND, NEXT_ROUND = 10, 10  # trials of a racing search before values are dropped, and between such decisions

OnRound = Callable[[dict[float, Outcomes]], None]


@dataclass
class SearchResult:
    """The best lambda and the scores of the spiking network with it.

    Attributes:
        scaling_factors: values of lambda (L,), unitless, increasing.
        all_perfs: accuracy at each value (L,), fraction.
        n_trials: trials at each value (L,); fewer than asked for where a value was dropped.
        opt_scaling_factor: lambda with most correct trials, unitless; of equals the smallest.
        spiking_accuracy: accuracy at this value, fraction.
        ci_low: lower end of its Wilson interval, fraction.
        ci_high: upper end, fraction.
        mean_rate_exc: mean firing rate of excitatory units, spikes/s; NaN without any.
        mean_rate_inh: mean firing rate of inhibitory units, spikes/s; NaN without any.
        outcomes: results of all trials by lambda, from which a search can resume.
        scored: trials that accuracy and rates are measured on: those of the 'search', 'fresh' ones, or those of a
            network 'changed' by a lesion or stimulation after the search.
        confidence: of the interval, in (0, 1), unitless.
    """

    scaling_factors: Real[np.ndarray, " L"]
    all_perfs: Float[np.ndarray, " L"]
    n_trials: Int[np.ndarray, " L"]
    opt_scaling_factor: float
    spiking_accuracy: float
    ci_low: float
    ci_high: float
    mean_rate_exc: float
    mean_rate_inh: float
    outcomes: dict[float, Outcomes]
    scored: str = "search"
    confidence: float = 0.95

    def for_mat(self) -> dict[str, Any]:
        """Collect the variables that the `spiking` package adds to a `.mat` file.

        Returns:
            opt_scaling_factor, all_perfs (L,) and scaling_factors (L,), see docs/model.md 4.
        """
        return {
            "opt_scaling_factor": self.opt_scaling_factor,
            "all_perfs": self.all_perfs,
            "scaling_factors": self.scaling_factors,
        }

    def summary(self) -> SearchSummary:
        """Convert the results to plain numbers, for records and files.

        Returns:
            accuracies (fractions) and rates (spikes/s), None for rates without units of the type.
        """
        return {
            "lambda": self.opt_scaling_factor,
            "opt_scaling_factor": self.opt_scaling_factor,
            "all_perfs": self.all_perfs.tolist(),
            "scaling_factors": self.scaling_factors.tolist(),
            "n_trials": self.n_trials.tolist(),
            "scored": self.scored,
            "confidence": self.confidence,
            "spiking_accuracy": float(self.spiking_accuracy),
            "ci_low": float(self.ci_low),
            "ci_high": float(self.ci_high),
            "mean_rate_exc": _plain(self.mean_rate_exc),
            "mean_rate_inh": _plain(self.mean_rate_inh),
        }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


class Search:
    """The state of a search: the results so far at each value of lambda.

    `outcomes` has the results of this search by lambda.

    Args:
        trials: of the network and task.
        settings: of the search.
        threads: processes at once.
        known: results of earlier trials by lambda, from the first trial on. They are used when the search reaches
            them, so that it takes the same course as without them.
        on_round: called after each round with all results so far, to save them.
    """

    def __init__(
        self,
        trials: TrialsOfTask,
        settings: ConversionSettings,
        threads: int,
        known: dict[float, Outcomes],
        on_round: OnRound | None,
    ) -> None:
        self.trials, self.settings, self.threads, self.on_round = trials, settings, threads, on_round
        self.known = known
        self.outcomes: dict[float, Outcomes] = {}

    def full(self, values: Sequence[float]) -> None:
        """Run all trials at all values.

        Args:
            values: of lambda, unitless.
        """
        n, done = self.settings.n_trials, 0
        step = FIRST_ROUND if self.on_round else n  # each round starts its processes
        while done < n:
            start, done = time.monotonic(), min(done + step, n)
            self._up_to(values, done)
            step = max(1, int(step * A_ROUND / (time.monotonic() - start + 1e-3)))

    def race(self, values: Sequence[float]) -> None:
        """Run all trials at the best value, and at each other one until it cannot be the best.

        A value is dropped when it would not be the best even if all its remaining trials were correct. To drop values
        early, the one that looks best runs to its end first; then each other one runs until it is dropped or the best.

        Args:
            values: of lambda, unitless.
        """
        self._up_to(values, min(FIRST_ROUND, self.settings.n_trials))
        while left := [v for v in self._contenders(values) if len(self.outcomes[v]) < self.settings.n_trials]:
            # By accuracy, since numbers of trials differ.
            leader = max(left, key=lambda v: (self.outcomes[v].accuracy, -v))
            complete = any(len(self.outcomes[v]) == self.settings.n_trials for v in values)
            done = len(self.outcomes[leader])
            goal = done + NEXT_ROUND if complete else self.settings.n_trials
            # The others run together: the noise of a trial is drawn once for all of them.
            group = [v for v in left if len(self.outcomes[v]) == done] if complete else [leader]
            self._up_to(group, min(goal, self.settings.n_trials))

    def _contenders(self, values: Sequence[float]) -> list[float]:
        """Values that may still be the best: none is certain to have more correct trials, or as many and be smaller."""
        n, found = self.settings.n_trials, self.outcomes
        at_least = {v: sum(found[v].correct) for v in values}
        at_most = {v: at_least[v] + n - len(found[v]) for v in values}
        return [v for v in values if not any((at_least[w], -w) > (at_most[v], -v) for w in values if w != v)]

    def _up_to(self, values: Sequence[float], n: int) -> None:
        """Bring each value to n trials; values with the same number of trials run together."""
        todo: dict[int, list[float]] = {}
        for v in values:
            found = self.outcomes.setdefault(v, Outcomes())
            found.extend(self.known.get(v, Outcomes()).part(len(found), n))
            if len(found) < n:
                todo.setdefault(len(found), []).append(v)
        for done, group in todo.items():
            for v, more in zip(group, run_trials(self.trials, range(done, n), group, self.threads), strict=True):
                self.outcomes[v].extend(more)
        if todo and self.on_round:
            longer = {v: o for v, o in self.outcomes.items() if len(o) >= len(self.known.get(v, Outcomes()))}
            self.on_round(self.known | longer)

    def best(self, values: Sequence[float]) -> float:
        """Find the value with the highest accuracy, the smallest of equals.

        Args:
            values: of lambda, unitless.

        Returns:
            the best value, unitless.

        Source:
            docs/model.md 5.5.
        """
        return max(values, key=lambda v: (self.outcomes[v].accuracy, -v))


def search_scaling(
    model: RateModel,
    task: AbstractTask,
    settings: ConversionSettings | None = None,
    spiking: SpikingSettings | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
    earlier: dict[float, Outcomes] | None = None,
    on_round: OnRound | None = None,
) -> SearchResult:
    """Find the lambda at which the spiking network has the highest accuracy.

    Trial k is the same at every value: its stimulus, initial membrane potentials and noise.

    Args:
        model: `rate_model(...)`, or anything that it accepts.
        task: any task that can be scored.
        settings: of the search.
        spiking: of the simulation.
        seed: of the run, for its stream `lif_trial`.
        threads: processes at once.
        earlier: results that `on_round` got in a search with the same network, task, seed and spiking settings.
        on_round: called every few seconds with all results so far, the earlier ones included.

    Returns:
        the result, the same for any number of threads and any earlier results.

    Raises:
        ValueError: settings that do not fit the network.
        RuntimeError: a process was killed.

    Source:
        docs/model.md 5.5.
    """
    settings, spiking, model = settings or ConversionSettings(), spiking or SpikingSettings(), rate_model(model)
    trials = TrialsOfTask(model, task, spiking, seed, settings.output_of_step)
    n, values = settings.n_trials, list(settings.values_for(model.activation or "sigmoid"))
    search = Search(trials, settings, threads, {float(v): o for v, o in (earlier or {}).items()}, on_round)
    outcomes = search.outcomes
    find = search.race if settings.search == "racing" else search.full
    find(values)
    if settings.refine:
        values = sorted({*values, *_between(values, search.best(values), settings.refine)})
        find(values)
    best = search.best(values)
    scored = outcomes[best]
    if settings.fresh_trials:
        (scored,) = run_trials(trials, range(n, n + settings.fresh_trials), [best], threads)
    return SearchResult(
        scaling_factors=np.array(values),
        all_perfs=np.array([outcomes[v].accuracy for v in values]),
        n_trials=np.array([len(outcomes[v]) for v in values]),
        opt_scaling_factor=best,
        **_scores(scored, settings),
        outcomes={v: outcomes[v] for v in values},
        scored="fresh" if settings.fresh_trials else "search",
        confidence=settings.confidence,
    )


def _scores(scored: Outcomes, settings: ConversionSettings) -> dict[str, Any]:
    found = scored.scores(settings.confidence)
    return {"spiking_accuracy": found.pop("accuracy"), **found}


def unperturbed(spiking: SpikingSettings) -> SpikingSettings:
    """Remove stimulation from settings, as for the search.

    Args:
        spiking: settings of the simulation.

    Returns:
        the same without stimulation.
    """
    return spiking.model_copy(update={"stimulation": StimulationSettings()})


def convert(
    model: RateModel,
    task: AbstractTask,
    settings: ConversionSettings,
    spiking: SpikingSettings,
    *,
    seed: int = 0,
    threads: int = 1,
    earlier: dict[float, Outcomes] | None = None,
    on_round: OnRound | None = None,
) -> tuple[SearchResult, RateModel]:
    """Search lambda in the intact network, then score the network once it is lesioned, perturbed or stimulated.

    Args:
        model: the network, with the named sets of units that the settings use.
        task: any task that can be scored.
        settings: of the search, the lesion, whose synapses are drawn from the seed's stream `lesion`, and the
            perturbation.
        spiking: of the simulation and the stimulation.
        seed: of the run.
        threads: processes at once.
        earlier: as in `search_scaling`.
        on_round: as in `search_scaling`.

    Returns:
        the result, with scores and rates of the changed network, and the network that was scored.

    Source:
        docs/model.md 5.4, 5.5 and 8.
    """
    intact = unperturbed(spiking)
    result = search_scaling(
        model, task, settings, intact, seed=seed, threads=threads, earlier=earlier, on_round=on_round
    )
    changed = scored_network(model, settings, seed, spiking.use_initial_weights)
    if changed is model and spiking.stimulation.mode == "none":
        return result, model
    trials = TrialsOfTask(changed, task, spiking, seed, settings.output_of_step)
    n, fresh = settings.n_trials, settings.fresh_trials
    numbers = range(n, n + fresh) if fresh else range(n)  # the same trials as for the intact network
    (scored,) = run_trials(trials, numbers, [result.opt_scaling_factor], threads)
    return replace(result, **_scores(scored, settings), scored="changed"), changed


def scored_network(
    model: RateModel, settings: ConversionSettings, seed: int = 0, use_initial_weights: bool = False
) -> RateModel:
    """Change the network in which lambda was found to the one that is scored.

    Args:
        model: the network, with the named sets of units that the settings use.
        settings: of the lesion, whose synapses are drawn from the seed's stream `lesion`, and of the perturbation.
        seed: of the run.
        use_initial_weights: whether the weights before training are lesioned, which `spiking.use_initial_weights`
            simulates.

    Returns:
        a changed copy; `model` itself if the settings change nothing.

    Raises:
        ValueError: an unknown group of units, or an index outside the network.

    Source:
        docs/model.md 5.4 and 8.
    """
    if (lesion := settings.lesion).fraction:
        model, _ = lesioned(model, lesion.fraction, lesion.synapses, stream(seed, "lesion"), use_initial_weights)
    return perturbed(model, settings.perturbation, seed)


def evaluate_scaling(
    model: RateModel,
    task: AbstractTask,
    scaling_factor: float,
    n_trials: int = 100,
    spiking: SpikingSettings | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
    first: int = 0,
) -> Outcomes:
    """Run trials of a spiking network at one lambda.

    Args:
        model: `rate_model(...)`, or anything that it accepts.
        task: any task that can be scored.
        scaling_factor: lambda, unitless.
        n_trials: number of trials.
        spiking: of the simulation.
        seed: of the run, for its stream `lif_trial`.
        threads: processes at once.
        first: number of the first trial.

    Returns:
        results of the trials.

    Source:
        docs/model.md 5.5.
    """
    trials = TrialsOfTask(model, task, spiking or SpikingSettings(), seed)
    return run_trials(trials, range(first, first + n_trials), [scaling_factor], threads)[0]


def _between(values: Sequence[float], best: float, n: int) -> list[float]:
    """n values evenly spaced between the best one and each of its neighbours.

    Where the best is the first or the last value, the search extends beyond it, by the distance to its neighbour.
    """
    k = values.index(best)
    found: list[float] = []
    below, above = values[k - 1] if k else None, values[k + 1] if k + 1 < len(values) else None
    if below is None and above is not None:
        below = max(2 * best - above, 0.0)
    elif above is None and below is not None:
        above = 2 * best - below
    for other in (below, above):
        if other is not None:
            found += [round(best + (other - best) * j / (n + 1), 6) for j in range(1, n + 1)]
    return found
