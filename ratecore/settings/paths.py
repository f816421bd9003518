"""Types of settings that are paths."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from ratecore.settings.reading import local_path


def _check(path: str) -> str:
    local_path(path)  # which raises ValueError
    return path


# A path that can be expanded here and is kept as it is written, since every run records it.
LocalPathAsWritten = Annotated[str, AfterValidator(_check)]
