"""Measures what a slow tracking server costs a job: the same work with the mirror running and paused, in turns.

    python benchmarks/mirror.py [--quick] [--out FILE]

The mirror is one process next to the jobs, as in a workflow. Its server answers every request after 5 s with an error,
so that each request is repeated. In one round the mirror runs; in the next, a signal stops it. The job trains, scores
and exports a network. It shares one core with the mirror, which is the worst case: a workflow with a job on every core.
The ratio is the median over pairs of rounds, with its 95 % interval from (binomial) order statistics. The mirror's own
CPU time, after it has imported its client, is an upper bound of its cost.
"""

from __future__ import annotations

import os

os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])  # also for all child processes
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
from scipy.stats import binom  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ratecore.experiment.grid import Experiment  # noqa: E402
from ratecore.experiment.runs import Run  # noqa: E402
from ratecore.experiment.stages.evaluate import evaluate_run  # noqa: E402
from ratecore.experiment.stages.export import export_run  # noqa: E402
from ratecore.experiment.stages.running import run_block  # noqa: E402
from ratecore.experiment.stages.train import train_run  # noqa: E402
from ratecore.rate.training import warm_up  # noqa: E402
from ratecore.tracking.mlflow.follow import Follower  # noqa: E402

DELAY = 5.0  # seconds until every answer


class Slow(BaseHTTPRequestHandler):
    """A slow server that answers with an error, so that every request is repeated."""

    def answer(self):
        time.sleep(DELAY)
        self.send_response(500)
        self.end_headers()

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *args):
        pass


def job(run: Run, log) -> float:
    """Trains, scores and exports a network, and returns the seconds."""
    start = time.perf_counter()
    run_block("train", [run], lambda run: train_run(run, log=log), log)
    run_block("evaluate", [run], evaluate_run, log)
    run_block("export", [run], export_run, log)
    return time.perf_counter() - start


def on_the_core(pid: int) -> float:
    """Returns the CPU seconds of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def networks(experiment: str, results: str, pairs: int) -> list[Run]:
    """Returns a run to start with, and one for each pair."""
    found = Experiment.from_config({
        "experiment": experiment, "results": results, "grid": {"seed": list(range(pairs + 1))},
        "network": {"N": 100}, "training": {"n_trials": 1000, "loss_threshold": 1e-9}, "convert": False,
    })  # fmt: skip
    return [Run.at(found, found.grid_points[0], seed) for seed in found.seeds]


def median_with_interval(ratios) -> tuple[float, float, float]:
    """Returns the median and its 95 % interval from order statistics."""
    ordered, n = np.sort(ratios), len(ratios)
    k = int(binom.ppf(0.025, n, 0.5))
    return float(np.median(ordered)), float(ordered[k]), float(ordered[n - 1 - k])


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="three pairs")
    p.add_argument("--out", default="benchmarks/results/mirror.json")
    args = p.parse_args()
    pairs = 3 if args.quick else 40
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as results, open(os.devnull, "w") as log:
        ways = {signal.SIGCONT: "mirror", signal.SIGSTOP: "still"}  # the same networks, each with separate results
        runs = {way: networks(name, results, pairs) for way, name in ways.items()}
        warm_up(runs[signal.SIGCONT][0].settings)
        follower = Follower(f"http://127.0.0.1:{server.server_port}", "mirror", results).start()
        try:
            job(runs[signal.SIGCONT][0], log)
            time.sleep(15)  # so that the mirror has imported its client and sent its first request
            ratios, took, used = [], 0.0, on_the_core(follower.pid)
            for k in range(pairs):
                seconds = {}
                for way in (signal.SIGCONT, signal.SIGSTOP) if k % 2 else (signal.SIGSTOP, signal.SIGCONT):
                    os.kill(follower.pid, way)
                    seconds[way] = job(runs[way][k + 1], log)
                took += seconds[signal.SIGCONT]
                ratios.append(seconds[signal.SIGCONT] / seconds[signal.SIGSTOP])
            share = (on_the_core(follower.pid) - used) / took
        finally:
            os.kill(follower.pid, signal.SIGCONT)
            follower.stop(0)
    median, low, high = median_with_interval(ratios)
    print(f"a job next to a mirror with a slow server takes {median:.4f} times as long [{low:.4f}, {high:.4f}]")
    print(f"the mirror used the core for {100 * share:.2f} % of the time")
    os.makedirs(os.path.dirname(args.out) or ".", exist_ok=True)
    with open(args.out, "w") as file:
        json.dump({"ratio": median, "low": low, "high": high, "pairs": pairs, "share": share}, file, indent=1)


if __name__ == "__main__":
    main()
