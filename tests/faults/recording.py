"""A small piece of real work as in the workflow: `python recording.py CONFIG.json URI|- [GRACE]`.

Trains, evaluates and exports every run of a configuration one after the other, next to the follower of the Snakefile,
or without one for the URI `-`. Prints `ready`, waits for a line, and prints `done` when the work is done. At the end,
it prints as JSON how long the work waited for anything except a core, how long the follower delayed the end, and
whether the follower had mirrored everything.
"""

import json
import sys
import time
from pathlib import Path

from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.evaluate import evaluate_run
from ratecore.experiment.stages.export import export_run
from ratecore.experiment.stages.running import run_block
from ratecore.experiment.stages.train import train_run
from ratecore.rate.training import warm_up
from ratecore.tracking.mlflow.follow import Follower
from ratecore.tracking.queue import note_deaths


def waited() -> float:
    """Returns the seconds in which this thread waited for a disk, a server or a process, but not for a core.

    A busy machine makes everything take longer except this.
    """
    on_core, in_queue, _ = Path("/proc/thread-self/schedstat").read_text().split()
    return time.perf_counter() - (int(on_core) + int(in_queue)) / 1e9


def main(config: str, uri: str, grace: str = "60") -> None:
    experiment = Experiment.from_config(json.loads(Path(config).read_text()))
    seeds = [seed for block in experiment.blocks.values() for seed in block]
    runs = [Run.at(experiment, grid_point, seed) for grid_point in experiment.grid_points for seed in seeds]
    warm_up(runs[0].settings)
    print("ready", flush=True)
    sys.stdin.readline()
    note_deaths(experiment.root)
    follower = None if uri == "-" else Follower(uri, experiment.settings.experiment, experiment.settings.results)
    if follower:
        follower.start()
    start = waited()
    with open(f"{config}.log", "w") as log:
        for run in runs:
            for stage, work in (
                ("train", lambda run: train_run(run, log=log)),
                ("evaluate", evaluate_run),
                ("export", export_run),
            ):
                run_block(stage, [run], work, log)
    end = waited()
    print("done", flush=True)
    whole = follower.stop(float(grace)) if follower else False
    print(json.dumps({"waited": end - start, "held_up": waited() - end, "whole": whole}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
