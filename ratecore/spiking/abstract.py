"""The `spiking` package's import path of its configuration, interfaces and factory."""

from ratecore.compat.spiking_networks import (
    AbstractSpikingConverter,
    AbstractSpikingEvaluator,
    AbstractSpikingRNN,
    SpikingConfig,
    SpikingRNNFactory,
    create_default_spiking_config,
    validate_spiking_config,
)

__all__ = [
    "AbstractSpikingConverter",
    "AbstractSpikingEvaluator",
    "AbstractSpikingRNN",
    "SpikingConfig",
    "SpikingRNNFactory",
    "create_default_spiking_config",
    "validate_spiking_config",
]
