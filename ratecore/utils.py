"""The `rate` package's import path of its helpers: `from ratecore.utils import set_gpu`."""

from typing import Any

from ratecore.compat.absent import missing
from ratecore.main import restricted_float, str2bool
from ratecore.system.devices import set_gpu

__all__ = ["restricted_float", "set_gpu", "str2bool"]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, __all__)
