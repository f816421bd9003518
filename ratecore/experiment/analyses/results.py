"""What an analysis of one network gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Networks = Mapping[str, Arrays]  # of an analysis's arrays, by the label of the network: 'seed 3'


@dataclass(frozen=True)
class AnalysisResult:
    """The results of one analysis of one network.

    Attributes:
        numbers: by name, in the units of the analysis's row. NaN where a number is not defined for this network: it is
            left out of the record and empty in the table.
        arrays: by name, of numbers or text, in the units of the analysis's row.
        skipped: why there are none, such as that the network keeps no weights.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)
    skipped: str | None = None
