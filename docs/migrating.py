"""Prints docs/migrating.md from docs/migrating.yaml: `python docs/migrating.py > docs/migrating.md`."""

from __future__ import annotations

from pathlib import Path

import yaml

from ratecore.compat.absent import ABSENT

TABLE = Path(__file__).with_name("migrating.yaml")
INTRODUCTION = """# Migrating from `rate` and `spiking`

Programs written for the PyTorch packages `rate` and `spiking` (NuttidaLab/spikeRNN), or for the TensorFlow and MATLAB
original (rkim35/spikeRNN), run here once their imports are changed:

```python
import ratecore as rate  # was: import rate
from ratecore import spiking  # was: import spiking
from ratecore.model import loss_op  # was: from rate.model import loss_op
```

The tables have one row for each documented name: there, here, and what differs in what it does. Where a name has no
equal, using it raises an ImportError with the sentence in the table. Networks saved by the existing packages are read
as they are. Arrays and tensors are both accepted, and every random draw comes from `seed=` or `rng=` of the call, or
from fresh entropy: NumPy's and torch's global generators are neither read nor reset.

*Made by `python docs/migrating.py > docs/migrating.md` from `docs/migrating.yaml`, each row of which is a test.*
"""


def cell(text: str) -> str:
    """Text as a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Code as a cell."""
    return f"`{cell(text)}`"


def row_of(row: dict) -> str:
    """A row of the table."""
    if "absent" in row:
        module, _, name = row["absent"].rpartition(".")
        return f"| {code(row['there'])} | - | {cell(ABSENT[module][name])} |"
    return f"| {code(row['there'])} | {cell(row['here'])} | {cell(row.get('difference', ''))} |"


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for section in yaml.safe_load(TABLE.read_text()):
        rows = "\n".join(row_of(row) for row in section["rows"])
        parts.append(f"## {section['section']}\n\n| there | here | difference |\n|---|---|---|\n{rows}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
