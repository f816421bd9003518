"""`spikeRNN.rate` with its package's name changed: the names of ratecore itself."""

import ratecore

__all__ = list(ratecore.__all__)


def __getattr__(name: str) -> object:
    return getattr(ratecore, name)
