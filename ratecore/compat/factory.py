"""The registry of kinds of rate networks, so that code can make one by its name."""

from __future__ import annotations

from typing import Any, ClassVar

from ratecore.compat.config import RNNConfig, validate_config
from ratecore.compat.rate_network import AbstractRateRNN, FR_RNN_dale
from ratecore.settings.base import did_you_mean


class RateRNNFactory:
    """The registry of kinds of rate networks."""

    _kinds: ClassVar[dict[str, type[AbstractRateRNN]]] = {}

    @classmethod
    def register(cls, name: str, rnn_class: type[AbstractRateRNN]) -> None:
        """Make a kind of network available under a name.

        Args:
            name: for `create`.
            rnn_class: the kind.

        Raises:
            TypeError: `rnn_class` is not a subclass of AbstractRateRNN.
            ValueError: the name belongs to another class.
        """
        if not (isinstance(rnn_class, type) and issubclass(rnn_class, AbstractRateRNN)):
            raise TypeError(f"register: {rnn_class!r} is not a subclass of AbstractRateRNN")
        known = cls._kinds.get(name)
        if known is not None and known is not rnn_class:
            raise ValueError(f"register: '{name}' is already {known.__module__}.{known.__qualname__}")
        cls._kinds[name] = rnn_class

    @classmethod
    def create(cls, name: str, config: RNNConfig, **more: Any) -> AbstractRateRNN:
        """Create a network from a configuration.

        Args:
            name: of a registered kind.
            config: checked before use.
            **more: what else the kind needs; `FR_RNN_dale` needs w_in (N, n_in) and w_out (1, N), and takes taus,
                activation and rng.

        Returns:
            the network.

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
        """List the registered kinds.

        Returns:
            their names, sorted.
        """
        return sorted(cls._kinds)


RateRNNFactory.register("FR_RNN_dale", FR_RNN_dale)
