"""The `spiking` package's import path of `lambda_grid_search`; `python -m ratecore.spiking.lambda_grid_search`."""

import sys
from collections.abc import Sequence

from ratecore.compat.spiking_evaluation import evaluate_single_trial
from ratecore.spiking.__main__ import main as commands
from ratecore.spiking.__main__ import scaling_range as parse_range
from ratecore.spiking.companion import lambda_grid_search

__all__ = ["evaluate_single_trial", "lambda_grid_search", "parse_range"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `python -m ratecore.spiking search` with these arguments.

    Args:
        argv: arguments; by default those of the process.

    Returns:
        the exit status.
    """
    return commands(["search", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    sys.exit(main())
