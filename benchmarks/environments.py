"""Trains a network on every environment of neurogym: the table in docs/neurogym.md.

    python benchmarks/environments.py --jobs 2 > table.md

Each environment is trained with its own defaults; one that does not train, again with steps of 50 ms and more trials.
"Trains" means: the loss of fresh trials has fallen, and so many of them are correct that guessing would give that many
in fewer than one of 10,000 cases. Guessing takes the answers of another trial.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

import numpy as np
from scipy.stats import binomtest

from ratecore.rate.evaluation import evaluate
from ratecore.rate.training import initial_network, train
from ratecore.settings.base import SettingsError
from ratecore.settings.run import RunSettings
from ratecore.settings.training import EvaluationSettings
from ratecore.tasks import TaskFactory, environments

N, FRESH = 100, 300
STEPS = 20, 50  # ms per step: the default at first, and for what does not train with it
HEAD = (
    "| `task: neurogym:...` | inputs | outputs | longest trial | trains | trials | dt | loss | correct | guessing |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def run_settings(name: str, n_trials: int, dt: int) -> RunSettings:
    discrete = TaskFactory.task_class(name).environment.discrete
    return RunSettings(
        task=name,
        task_settings={"dt": min(dt, TaskFactory.task_class(name).defaults["dt"]) if dt == STEPS[0] else dt},
        network=dict(N=N),
        training=dict(
            n_trials=n_trials,
            loss_fn="cross_entropy" if discrete else "mse",
            loss_threshold=1e-9,  # all trials are used
            eval_freq=n_trials,
            eval_tr=1,
        ),
    )


def guesses(task, n: int = FRESH) -> float:
    """Share of trials that the answers of another trial solve: what a network knows that only knows the timing."""
    drawn = [task.draw_trial("trial", np.random.default_rng([11, k])) for k in range(n)]
    correct = []
    for trial, other in zip(drawn, [*drawn[1:], drawn[0]], strict=True):
        z, answer = trial.target.copy(), other.target[:, other.response.stop - 1]
        window = trial.response
        held = len(np.unique(trial.target[:, window], axis=1).T) == 1 and window.start > 0
        if held and len({one.label for one in drawn}) > 1:  # otherwise only the time of the answer matters
            z[:, window] = answer[:, None]
        else:
            steps = min(other.T, trial.T)
            z = np.concatenate([other.target[:, :steps], np.tile(answer[:, None], trial.T - steps)], axis=1)
        correct.append(task.is_correct(np.concatenate([z[:, :1], z[:, :-1]], axis=1), trial))
    return float(np.mean(correct))


def measure(name: str, budgets: tuple[int, int]) -> str:
    """The row of one environment."""
    known = environments.environment_ids()[name]
    try:
        task = TaskFactory.create_task(name)
    except SettingsError as error:
        return f"| `{known}` | | | | no: {str(error).partition('targets: ')[2] or error} | | | | | |"
    fresh, guessed, start = EvaluationSettings(n_trials=FRESH), guesses(task), 0.0
    for n_trials, dt in zip(budgets, STEPS, strict=True):
        settings = run_settings(name, n_trials, dt)
        task = settings.create_task()
        before = evaluate(task, initial_network(settings), 1, fresh, settings.training.loss_fn).scores
        after = evaluate(task, train(settings).net, 1, fresh, settings.training.loss_fn).scores
        correct = round(after.accuracy * FRESH)
        chance = binomtest(correct, FRESH, min(guessed, 1.0), "greater").pvalue
        start, trains = before.loss, after.loss < before.loss and chance < 1e-4
        if trains:
            break
    verdict = "yes" if trains else "no"
    if not trains and guessed > 0.99:
        verdict = "loss only: the environment credits any answer" if after.loss < start / 2 else "no"
    sizes = f"{task.n_inputs} | {task.n_outputs} | {task.T}"
    numbers = f"{n_trials:,} | {dt} | {start:.2f} to {after.loss:.2f} | {after.accuracy:.0%} | {guessed:.0%}"
    return f"| `{known}` | {sizes} | {verdict} | {numbers} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", default="4000,15000", help="trials at first, and if that is too little")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--only", default="", help="part of the names")
    args = parser.parse_args()
    first, second = (int(n) for n in args.trials.split(","))
    names = [name for name in environments.environment_ids() if args.only.lower() in name]
    rows: dict[str, str] = {}
    with ProcessPoolExecutor(args.jobs) as pool:
        waiting = {pool.submit(measure, name, (first, second)): name for name in names}
        for done in as_completed(waiting):
            rows[waiting[done]] = done.result()
            print(rows[waiting[done]], file=sys.stderr, flush=True)
    print(HEAD, *(rows[name] for name in names), sep="\n")


if __name__ == "__main__":
    main()
