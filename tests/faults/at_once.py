"""Processes that send one record each at the same instant: `python at_once.py URI EXPERIMENT RESULTS FOLDER ...`.

The processes are forked after everything is imported, so that all access the store within milliseconds.
"""

import multiprocessing
import sys
import traceback

import mlflow.store.tracking.rest_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

from ratecore.tracking.mlflow.mirror import Mirror


def bring(barrier, uri, experiment, results, folder) -> None:
    barrier.wait(60)
    try:
        Mirror(uri, experiment, results).replay(folder)
    except Exception:
        print(f"{folder}: {traceback.format_exc(limit=-3)}", file=sys.stderr, flush=True)
        sys.exit(1)


def main(uri, experiment, results, *folders) -> int:
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(len(folders))
    processes = [fork.Process(target=bring, args=(barrier, uri, experiment, results, f)) for f in folders]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return sum(process.exitcode != 0 for process in processes)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
