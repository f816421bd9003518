"""Computes x, r and o from parameters, stimulus and noise, with one of two engines: torch, or fused (CPU only).

The functions of `engines` are imported when they are first used: the compiled loops beside it do not need PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ratecore.rate.dynamics.engines import (
        draw_noise,
        noise_of_units,
        noise_settings,
        outputs,
        outputs_of_all_steps,
        run,
        simulate,
        stacked_step,
        states,
        torch_engine,
        trial_noise,
        trials_are_independent,
        with_input_noise,
    )

__all__ = [
    "draw_noise",
    "noise_of_units",
    "noise_settings",
    "outputs",
    "outputs_of_all_steps",
    "run",
    "simulate",
    "stacked_step",
    "states",
    "torch_engine",
    "trial_noise",
    "trials_are_independent",
    "with_input_noise",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from ratecore.rate.dynamics import engines

    return getattr(engines, name)
