"""The `spiking` package's import path of `eval_xor`; `python -m ratecore.spiking.eval_xor`."""

import sys

from ratecore.compat.spiking_examples import eval_xor
from ratecore.spiking.__main__ import main as commands

__all__ = ["eval_xor"]

if __name__ == "__main__":
    sys.exit(commands(["evaluate", "--task", "xor", *sys.argv[1:]]))
