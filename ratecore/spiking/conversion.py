"""The search for lambda, by which the weights are divided when a rate network becomes spiking (docs/model.md 5)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ratecore.settings.spiking import ConversionSettings, SpikingSettings, StimulationSettings
from ratecore.spiking.exploration import lesioned
from ratecore.spiking.scoring import Outcomes, TrialsOfTask, run_trials
from ratecore.spiking.source import RateModel, rate_model
from ratecore.system.streams import stream

A_ROUND = 5.0  # seconds of a full search that go by before `on_round` can keep what is done
FIRST_ROUND, NEXT_ROUND = 10, 10  # trials of a racing search before anything is dropped, and between looks


@dataclass
class SearchResult:
    """The best lambda and how the spiking network does with it.

    Attributes:
        scaling_factors (L,): values of lambda, increasing.   all_perfs (L,): share of correct trials at each.
        n_trials (L,): trials that each had; fewer than asked for where a value was dropped.
        opt_scaling_factor: the value with most correct trials, the smallest of several.
        spiking_accuracy: with it, on the trials of the search, or on fresh ones where these were asked for.
        ci_low, ci_high: Wilson's interval around it.   confidence: of the interval.
        mean_rate_exc, mean_rate_inh: spikes a second; NaN without units of the type.
        outcomes: lambda: Outcomes, from which a search can go on.
        scored: what the accuracy and the rates are of: the trials of the 'search', 'fresh' ones, or a network that was
            'changed' by a lesion or stimulation after the search.
    """

    scaling_factors: np.ndarray
    all_perfs: np.ndarray
    n_trials: np.ndarray
    opt_scaling_factor: float
    spiking_accuracy: float
    ci_low: float
    ci_high: float
    mean_rate_exc: float
    mean_rate_inh: float
    outcomes: dict[float, Outcomes]
    scored: str = "search"
    confidence: float = 0.95

    def for_mat(self) -> dict:
        """What the companion package adds to a `.mat` file (docs/model.md 4)."""
        return {"opt_scaling_factor": self.opt_scaling_factor, "all_perfs": self.all_perfs,
                "scaling_factors": self.scaling_factors}  # fmt: skip

    def summary(self) -> dict:
        """The results in plain numbers, for records and files; a rate of no units is None."""
        names = ("spiking_accuracy", "ci_low", "ci_high", "mean_rate_exc", "mean_rate_inh")
        plain = {name: None if math.isnan(v := float(getattr(self, name))) else v for name in names}
        return {"lambda": self.opt_scaling_factor, "opt_scaling_factor": self.opt_scaling_factor,
                "all_perfs": self.all_perfs.tolist(), "scaling_factors": self.scaling_factors.tolist(),
                "n_trials": self.n_trials.tolist(), "scored": self.scored, "confidence": self.confidence,
                **plain}  # fmt: skip


class Search:
    """A search under way: which values are still in it, and what they have come to.

    Args:
        trials: TrialsOfTask.   settings: ConversionSettings.   threads: processes that trials are spread over.
        known: lambda: Outcomes of trials that were done before, from the first one on. A trial is taken from them
            when the search comes to it, so that it goes the same way as without them.
        on_round: called after each round with all trials that are known by then, to keep them.

    Attributes:
        outcomes: lambda: Outcomes of this search.
    """

    def __init__(self, trials: TrialsOfTask, settings: ConversionSettings, threads: int, known: dict, on_round):
        self.trials, self.settings, self.threads, self.on_round = trials, settings, threads, on_round
        self.known, self.outcomes = known, {}

    def full(self, values) -> None:
        """All trials of all values."""
        n, done = self.settings.n_trials, 0
        step = FIRST_ROUND if self.on_round else n  # rounds cost the processes of each their start and their end
        while done < n:
            start, done = time.monotonic(), min(done + step, n)
            self._up_to(values, done)
            step = max(1, int(step * A_ROUND / (time.monotonic() - start + 1e-3)))

    def race(self, values) -> None:
        """All trials of the best value, and of each other one only as many as show that it is not the best.

        A value is out when it would not be the best even if all of its trials to come were correct. To have that
        early, the value that looks best runs to its end first; then each other one runs until it is out or the best.
        """
        self._up_to(values, min(FIRST_ROUND, self.settings.n_trials))
        while left := [v for v in self._contenders(values) if len(self.outcomes[v]) < self.settings.n_trials]:
            # By the share of correct trials, since some have had more of them.
            leader = max(left, key=lambda v: (self.outcomes[v].accuracy, -v))
            complete = any(len(self.outcomes[v]) == self.settings.n_trials for v in values)
            done = len(self.outcomes[leader])
            goal = done + NEXT_ROUND if complete else self.settings.n_trials
            # What is left runs together: the noise of a trial is drawn once for all of them.
            self._up_to([v for v in left if len(self.outcomes[v]) == done] if complete else [leader],
                        min(goal, self.settings.n_trials))  # fmt: skip

    def _contenders(self, values) -> list[float]:
        """Values that may still be the best: none is sure to have more correct trials, or as many and be smaller."""
        n, found = self.settings.n_trials, self.outcomes
        at_least = {v: sum(found[v].correct) for v in values}
        at_most = {v: at_least[v] + n - len(found[v]) for v in values}
        return [v for v in values if not any((at_least[w], -w) > (at_most[v], -v) for w in values if w != v)]

    def _up_to(self, values, n: int) -> None:
        """Brings each value to n trials; values that have had as many run together."""
        todo = {}
        for v in values:
            found = self.outcomes.setdefault(v, Outcomes())
            found.extend(self.known.get(v, Outcomes()).part(len(found), n))
            if len(found) < n:
                todo.setdefault(len(found), []).append(v)
        for done, group in todo.items():
            for v, more in zip(group, run_trials(self.trials, range(done, n), group, self.threads), strict=True):
                self.outcomes[v].extend(more)
        if todo and self.on_round:
            longer = {v: o for v, o in self.outcomes.items() if len(o) >= len(self.known.get(v, ()))}
            self.on_round(self.known | longer)

    def best(self, values) -> float:
        """The value with the largest share of correct trials, the smallest of several."""
        return max(values, key=lambda v: (self.outcomes[v].accuracy, -v))


def search_scaling(
    model: RateModel,
    task,
    settings: ConversionSettings | None = None,
    spiking: SpikingSettings | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
    earlier: dict[float, Outcomes] | None = None,
    on_round: Callable[[dict[float, Outcomes]], None] | None = None,
) -> SearchResult:
    """Finds the lambda with which the spiking network does best.

    Trial k is the same at every value: its stimulus, its membranes at the start and its noise.

    Args:
        model: `rate_model(...)`.   task: an AbstractTask.   seed: of the run, for its stream `lif_trial`.
        threads: processes at once.
        earlier: what `on_round` was given by a search of the same network, task, seed and spiking settings.
        on_round: called now and then with the outcomes so far, the earlier ones among them.

    Returns:
        SearchResult; the same for any number of threads, and whatever was done earlier.

    Raises:
        ValueError: settings that do not fit the network.   RuntimeError: a process was killed.
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
    of = [outcomes[v] for v in values]
    return SearchResult(
        np.array(values), np.array([o.accuracy for o in of]), np.array([len(o) for o in of]), best,
        **_scores(scored, settings), outcomes={v: outcomes[v] for v in values},
        scored="fresh" if settings.fresh_trials else "search", confidence=settings.confidence,
    )  # fmt: skip


def _scores(scored: Outcomes, settings: ConversionSettings) -> dict[str, float]:
    found = scored.scores(settings.confidence)
    return {"spiking_accuracy": found.pop("accuracy"), **found}


def unperturbed(spiking: SpikingSettings) -> SpikingSettings:
    """The same settings without stimulation: those with which lambda is searched."""
    return spiking.model_copy(update={"stimulation": StimulationSettings()})


def convert(model: RateModel, task, settings: ConversionSettings, spiking: SpikingSettings, *, seed: int = 0,
            threads: int = 1, earlier=None, on_round=None) -> tuple[SearchResult, RateModel]:  # fmt: skip
    """The search for lambda in the intact network, and how that does once it is lesioned or stimulated.

    Arguments as of `search_scaling`; a lesion is of `settings`, stimulation of `spiking`. Synapses are chosen from the
    seed's stream `lesion`.

    Returns:
        the search's result, whose scores and rates are those of the changed network; the RateModel that was scored.
    """
    result = search_scaling(model, task, settings, unperturbed(spiking), seed=seed, threads=threads, earlier=earlier,
                            on_round=on_round)  # fmt: skip
    lesion = settings.lesion
    if not lesion.fraction and spiking.stimulation.mode == "none":
        return result, model
    changed, _ = lesioned(model, lesion.fraction, lesion.synapses, stream(seed, "lesion"), spiking.use_initial_weights)
    trials = TrialsOfTask(changed, task, spiking, seed, settings.output_of_step)
    n, fresh = settings.n_trials, settings.fresh_trials
    numbers = range(n, n + fresh) if fresh else range(n)  # the trials by which the intact network is scored
    (scored,) = run_trials(trials, numbers, [result.opt_scaling_factor], threads)
    return replace(result, **_scores(scored, settings), scored="changed"), changed


def evaluate_scaling(model, task, scaling_factor: float, n_trials: int = 100, spiking=None, *, seed=0, threads=1,
                     first: int = 0) -> Outcomes:  # fmt: skip
    """The trials first, first + 1 .. of a spiking network at one lambda; arguments as `search_scaling`."""
    trials = TrialsOfTask(model, task, spiking or SpikingSettings(), seed)
    return run_trials(trials, range(first, first + n_trials), [scaling_factor], threads)[0]


def _between(values, best: float, n: int) -> list[float]:
    """n values evenly spread on each side of the best one, up to its neighbours and without them.

    Where the best is the first or the last value, the search goes on beyond it, as far as to the neighbour it has.
    """
    k, found = values.index(best), []
    below, above = values[k - 1] if k else None, values[k + 1] if k + 1 < len(values) else None
    if below is None and above is not None:
        below = max(2 * best - above, 0.0)
    elif above is None and below is not None:
        above = 2 * best - below
    for other in (below, above):
        if other is not None:
            found += [round(best + (other - best) * j / (n + 1), 6) for j in range(1, n + 1)]
    return found
