"""Trains each built-in task at its defaults and writes which networks met the criterion, for docs/tasks.md.

    python benchmarks/tasks.py                       # 10 seeds of each task, one after the other, into docs/tasks.csv
    python benchmarks/tasks.py n-back --seeds 2      # 2 seeds of one task
    python benchmarks/tasks.py --beyond --seeds 3    # 3 seeds of tasks with other settings

Networks are those of `ratecore train --task NAME --set N=200`. Rows of the tasks that are trained replace older ones.
"""

import argparse
import csv
from pathlib import Path

from ratecore.rate.evaluation import evaluate
from ratecore.rate.training import train
from ratecore.settings.run import RunSettings
from ratecore.settings.training import EvaluationSettings
from ratecore.tasks import TaskFactory

TABLE = Path(__file__).parents[1] / "docs/tasks.csv"
COLUMNS = ("task", "seed", "trained", "trials", "accuracy", "loss")
FRESH = EvaluationSettings(n_trials=200, psychometric_trials=0)


# Tasks with other settings, which show what is harder
BEYOND = (
    "delayed-match hold=0 delay=10",
    "delayed-match hold=0",
    "delayed-match delay=300",
    "n-back n_back=2",
    "sternberg n_items=4 load_max=3",
    "mante-features n_features=5",
    "pro-anti n_places=8",
)


def measured(name: str, seed: int) -> dict[str, str]:
    """One network: whether it met the criterion, after how many trials, and its scores on fresh trials."""
    task, *pairs = name.removeprefix("beyond ").split()
    settings = {key: float(value) for key, value in (pair.split("=") for pair in pairs)}
    run = RunSettings(task=task, task_settings=settings, seed=seed, network={"N": 200})
    result = train(run)
    scores = evaluate(run.create_task(), result.net, seed, FRESH).scores
    values = (name, seed, int(result.trained), result.n_trials, f"{scores.accuracy:.3f}", f"{scores.loss:.3f}")
    return dict(zip(COLUMNS, map(str, values), strict=True))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tasks", nargs="*", metavar="NAME", help="(default: all but go-nogo, xor and mante)")
    p.add_argument("--seeds", type=int, default=10, help="(default: %(default)s)")
    p.add_argument("--beyond", action="store_true", help="tasks with other settings, which show what is harder")
    p.add_argument("--out", type=Path, default=TABLE, metavar="FILE.csv", help="(default: docs/tasks.csv)")
    args = p.parse_args()
    names = args.tasks or [n for n in TaskFactory.list_available_tasks() if n not in ("go-nogo", "xor", "mante")]
    if args.beyond:
        names = [f"beyond {name}" for name in BEYOND]
    for name in names:
        rows = []
        for seed in range(args.seeds):
            rows.append(measured(name, seed))
            print(*rows[-1].values(), flush=True)
        before = list(csv.DictReader(args.out.open())) if args.out.exists() else []
        kept = [row for row in before if row["task"] != name] + rows
        with args.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted(kept, key=lambda row: (row["task"], int(row["seed"]))))


if __name__ == "__main__":
    main()
