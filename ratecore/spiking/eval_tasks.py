"""The `spiking` package's import path of its evaluation; `python -m ratecore.spiking.eval_tasks`."""

import sys
from pathlib import Path

from ratecore.compat.spiking_arguments import number
from ratecore.compat.spiking_evaluation import (
    GoNogoSpikingEvaluator,
    ManteSpikingEvaluator,
    SpikingEvaluatorFactory,
    XORSpikingEvaluator,
    evaluate_single_trial,
)
from ratecore.compat.spiking_networks import LIFNetworkAdapter
from ratecore.spiking.__main__ import main as commands
from ratecore.spiking.companion import _mat_files, _scaling_of, evaluate_task

__all__ = [
    "GoNogoSpikingEvaluator",
    "LIFNetworkAdapter",
    "ManteSpikingEvaluator",
    "SpikingEvaluatorFactory",
    "XORSpikingEvaluator",
    "evaluate_single_trial",
    "evaluate_task",
    "load_model_and_scaling_factor",
]


def load_model_and_scaling_factor(model_path, optimal_scaling_factor=None) -> tuple[str, float]:
    """The `.mat` file, the newest one of a folder, and lambda: the one given or the one in the file.

    Raises:
        FileNotFoundError: no file.   ValueError: no lambda in it and none given.
    """
    path = max(_mat_files(model_path), key=lambda file: (file.stat().st_mtime, file.name))
    given = optimal_scaling_factor
    return str(Path(path)), _scaling_of(path) if given is None else number(given)


def main(argv=None) -> int:
    """Runs `python -m ratecore.spiking evaluate` with these arguments."""
    return commands(["evaluate", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    sys.exit(main())
