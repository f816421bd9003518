"""The `rate` package's import path of its configuration, interfaces and factory."""

from ratecore.compat.config import RNNConfig, create_default_config, validate_config
from ratecore.compat.factory import RateRNNFactory
from ratecore.compat.generators import AbstractLossFunction, AbstractTargetGenerator, AbstractTaskGenerator
from ratecore.compat.rate_network import AbstractRateRNN

__all__ = [
    "AbstractLossFunction",
    "AbstractRateRNN",
    "AbstractTargetGenerator",
    "AbstractTaskGenerator",
    "RNNConfig",
    "RateRNNFactory",
    "create_default_config",
    "validate_config",
]
