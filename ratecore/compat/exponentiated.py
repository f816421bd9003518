"""Exponentiated gradient descent (Kivinen & Warmuth, Information and Computation 132:1, 1997)."""

from __future__ import annotations

import torch


class ExponentiatedGradient(torch.optim.Optimizer):
    """Multiplies every positive weight by exp(-lr * gradient), so that none changes its sign.

    A weight of 0 or below is left alone: an absent connection stays absent, whereas the optimizer of this name in the
    `rate` package raises it to `eps`.

    Args:
        params: parameters, such as `[net.w]`.   lr: learning rate, > 0.   weight_decay: added times the weight, >= 0.
        eps: smallest value of a positive weight, > 0.
        max_norm, norm_axis: where given, weights are scaled down until their norm along the axis is at most this.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(self, params, lr=1e-2, weight_decay=0.0, eps=1e-12, max_norm=None, norm_axis=None):
        for name, value, low in (("lr", lr, "> 0"), ("eps", eps, "> 0"), ("weight_decay", weight_decay, ">= 0")):
            if value < 0 or (value == 0 and low == "> 0"):
                raise ValueError(f"{name} = {value}; it must be {low}")
        settings = dict(lr=lr, weight_decay=weight_decay, eps=eps, max_norm=max_norm, norm_axis=norm_axis)
        super().__init__(params, settings)

    @torch.no_grad()
    def step(self, closure=None):
        """One update. Returns the loss of `closure`, where there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                slope = p.grad + group["weight_decay"] * p
                there = p > 0
                p.copy_(torch.where(there, (p * torch.exp(-group["lr"] * slope)).clamp_min(group["eps"]), p))
                if group["max_norm"] is not None:
                    norm = torch.linalg.vector_norm(p, dim=group["norm_axis"], keepdim=True)
                    p.mul_((group["max_norm"] / norm.clamp_min(1e-12)).clamp_max(1.0))
        return loss
