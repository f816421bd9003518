"""Adam (Kingma & Ba 2015), as torch has it: its constants, and a step on arrays of many networks.

The compiled loops of `ratecore.rate.dynamics.training_kernels` take the same step entry by entry.
"""

from __future__ import annotations

import math

import torch

BETAS, EPS = (0.9, 0.999), 1e-8  # torch's defaults


def corrections(learning_rate: float, step):
    """The learning rate and the root of the second moment's correction at a step; both moments start at 0.

    Args:
        learning_rate: unitless.
        step: number of updates, this one included; a number, or a float64 tensor of any shape.

    Returns:
        learning_rate / (1 - beta1^step) and sqrt(1 - beta2^step), unitless, numbers or the shape of `step`.

    Source:
        Kingma & Ba 2015, Algorithm 1.
    """
    beta1, beta2 = BETAS
    second = 1 - beta2**step
    root = second.sqrt() if isinstance(second, torch.Tensor) else math.sqrt(second)
    return learning_rate / (1 - beta1**step), root


def adam_step(p: torch.Tensor, g: torch.Tensor, m: torch.Tensor, v: torch.Tensor, rate, root) -> None:
    """One step in place.

    Args:
        p: parameters, any shape.
        g: their gradients, the shape of `p`.
        m: first moments, the shape of `p`.
        v: second moments, the shape of `p`.
        rate: of `corrections`, in a shape that stretches to that of `p`.
        root: as `rate`.

    Source:
        Kingma & Ba 2015, Algorithm 1.
    """
    beta1, beta2 = BETAS
    m.lerp_(g, 1 - beta1)
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    p.addcdiv_(rate * m, (v.sqrt() / root).add_(EPS), value=-1)
