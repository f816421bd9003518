"""The `spiking` package's import path of its helpers."""

from ratecore.compat.spiking_utils import (
    check_gpu_availability,
    create_connectivity_masks,
    format_spike_data,
    generate_lif_params,
    load_rate_model,
    set_random_seed,
    validate_scaling_factor,
    validate_stimulus,
)

__all__ = [
    "check_gpu_availability",
    "create_connectivity_masks",
    "format_spike_data",
    "generate_lif_params",
    "load_rate_model",
    "set_random_seed",
    "validate_scaling_factor",
    "validate_stimulus",
]
