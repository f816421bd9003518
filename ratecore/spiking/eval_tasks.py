"""The `spiking` package's import path of its evaluation; `python -m ratecore.spiking.eval_tasks`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


def load_model_and_scaling_factor(model_path: Any, optimal_scaling_factor: Any = None) -> tuple[str, float]:
    """`load_model_and_scaling_factor` of the `spiking` package: find a network's file and its lambda.

    Args:
        model_path: a `.mat` file, or a folder whose newest file is used.
        optimal_scaling_factor: lambda, unitless; by default the one in the file.

    Returns:
        path of the file and lambda, unitless.

    Raises:
        FileNotFoundError: no file.
        ValueError: no lambda in it and none given.

    Source: none
    """
    path = max(_mat_files(model_path), key=lambda file: (file.stat().st_mtime, file.name))
    given = optimal_scaling_factor
    return str(Path(path)), _scaling_of(path) if given is None else number(given)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `python -m ratecore.spiking evaluate` with these arguments.

    Args:
        argv: arguments; by default those of the process.

    Returns:
        the exit status.
    """
    return commands(["evaluate", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    sys.exit(main())
