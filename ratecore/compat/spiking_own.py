"""Scores of a spiking network by a user's class from the `spiking` package's registries."""

from __future__ import annotations

from typing import Any

from ratecore.compat.spiking_evaluation import SpikingEvaluatorFactory
from ratecore.compat.spiking_networks import LIFNetworkAdapter
from ratecore.compat.spiking_tasks import SpikingTaskFactory


def scores_of_own(
    task_name: str, path: Any, scaling: float, settings: dict[str, Any] | None, n_trials: int
) -> dict[str, Any] | None:
    """Score a network with the evaluator or spiking task that a user registered; None where there is none."""
    scores: dict[str, Any] = {"model": str(path), "scaling_factor": scaling, "n_trials": n_trials}
    if (evaluator := SpikingEvaluatorFactory.added(task_name)) is not None:
        own = evaluator(settings or {})
        correct = [own.evaluate_single_trial(str(path), scaling) for _ in range(n_trials)]
        if not all(value in (0, 1) for value in correct):
            wrong = next(value for value in correct if value not in (0, 1))
            raise ValueError(f"{evaluator.__name__}.evaluate_single_trial must return 0 or 1; it gave {wrong!r}")
        hits = int(sum(correct))
        counts = {"Correct trials": hits, "Incorrect trials": n_trials - hits, "Total trials": n_trials}
        return scores | {"overall_accuracy": hits / n_trials} | counts
    if (task := SpikingTaskFactory.added(task_name)) is not None:
        scores |= task(settings).evaluate_performance(LIFNetworkAdapter(path, scaling), n_trials)
        return scores
    return None
