"""The registry of kinds of rate networks, so that code can make one by its name."""

from __future__ import annotations

from typing import ClassVar

from ratecore.compat.config import RNNConfig, validate_config
from ratecore.compat.rate_network import AbstractRateRNN, FR_RNN_dale
from ratecore.settings.base import did_you_mean


class RateRNNFactory:
    """The registry of kinds of rate networks."""

    _kinds: ClassVar[dict[str, type[AbstractRateRNN]]] = {}

    @classmethod
    def register(cls, name: str, rnn_class: type[AbstractRateRNN]) -> None:
        """Makes `rnn_class` available as `name`.

        Raises:
            TypeError: no subclass of AbstractRateRNN.
            ValueError: the name belongs to another class.
        """
        if not (isinstance(rnn_class, type) and issubclass(rnn_class, AbstractRateRNN)):
            raise TypeError(f"register: {rnn_class!r} is not a subclass of AbstractRateRNN")
        known = cls._kinds.get(name)
        if known is not None and known is not rnn_class:
            raise ValueError(f"register: '{name}' is already {known.__module__}.{known.__qualname__}")
        cls._kinds[name] = rnn_class

    @classmethod
    def create(cls, name: str, config: RNNConfig, **more) -> AbstractRateRNN:
        """A network of kind `name` from a validated configuration.

        Args:
            more: what else the kind needs; `FR_RNN_dale`: w_in (N, n_in), w_out (1, N), and if wanted taus, activation

        Raises:
            ValueError: unknown kind, with the nearest name, or a bad configuration.
        """
        if name not in cls._kinds:
            available = ", ".join(cls.list_available())
            raise ValueError(f"unknown network '{name}'{did_you_mean(name, cls._kinds)}; available: {available}")
        validate_config(config)
        return cls._kinds[name].from_config(config, **more)

    @classmethod
    def list_available(cls) -> list[str]:
        """Names of all registered kinds, sorted."""
        return sorted(cls._kinds)


RateRNNFactory.register("FR_RNN_dale", FR_RNN_dale)
