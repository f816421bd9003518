"""Adam (Kingma & Ba 2015), as torch has it: its constants, and a step on arrays of many networks.

The compiled loops of `ratecore.rate.dynamics.training_kernels` take the same step entry by entry.
"""

from __future__ import annotations

import math
from typing import overload

import torch
from jaxtyping import Float

BETAS, EPS = (0.9, 0.999), 1e-8  # torch's defaults


@overload
def corrections(learning_rate: float, step: float) -> tuple[float, float]: ...


@overload
def corrections(
    learning_rate: float | torch.Tensor, step: float | torch.Tensor
) -> tuple[float | torch.Tensor, float | torch.Tensor]: ...


def corrections(
    learning_rate: float | torch.Tensor, step: float | torch.Tensor
) -> tuple[float | torch.Tensor, float | torch.Tensor]:
    """Correct the learning rate and the second moment for moments that start at 0.

    Args:
        learning_rate: unitless, a number, or a tensor of the shape of `step`.
        step: number of updates including this one, in steps; a number, or a float64 tensor of any shape.

    Returns:
        learning_rate / (1 - beta1^step) and sqrt(1 - beta2^step), unitless, numbers or the shape of `step`.

    Source:
        Kingma & Ba 2015, Algorithm 1.
    """
    beta1, beta2 = BETAS
    second = 1 - beta2**step
    root = second.sqrt() if isinstance(second, torch.Tensor) else math.sqrt(second)
    return learning_rate / (1 - beta1**step), root


def adam_step(
    p: Float[torch.Tensor, "*shape"],
    g: Float[torch.Tensor, "*shape"],
    m: Float[torch.Tensor, "*shape"],
    v: Float[torch.Tensor, "*shape"],
    rate: Float[torch.Tensor, "*_"] | float,
    root: Float[torch.Tensor, "*_"] | float,
) -> None:
    """Take one step in place.

    Args:
        p: parameters, any shape, unitless.
        g: their gradients, the shape of `p`, unitless.
        m: first moments, the shape of `p`, unitless.
        v: second moments, the shape of `p`, unitless.
        rate: from `corrections`, unitless, a number or in a shape that broadcasts to the shape of `p`.
        root: from `corrections`, unitless, a number or any shape like that of `rate`.

    Source:
        Kingma & Ba 2015, Algorithm 1.
    """
    beta1, beta2 = BETAS
    m.lerp_(g, 1 - beta1)
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    p.addcdiv_(rate * m, (v.sqrt() / root).add_(EPS), value=-1)
