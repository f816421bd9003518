"""The `spiking` package's import path of `eval_go_nogo`; `python -m ratecore.spiking.eval_go_nogo`."""

import sys

from ratecore.compat.spiking_examples import eval_go_nogo
from ratecore.spiking.__main__ import main as commands

__all__ = ["eval_go_nogo"]

if __name__ == "__main__":
    sys.exit(commands(["evaluate", "--task", "go-nogo", *sys.argv[1:]]))
