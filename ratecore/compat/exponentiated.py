"""Exponentiated gradient descent (Kivinen & Warmuth, Information and Computation 132:1, 1997)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class ExponentiatedGradient(torch.optim.Optimizer):
    """`ExponentiatedGradient` of the `rate` package: multiplies every positive weight by exp(-lr * gradient).

    No weight changes its sign. A weight of 0 or below stays as it is, so that an absent connection stays absent; the
    `rate` package raises it to `eps`.

    Args:
        params: parameters, such as `[net.w]`.
        lr: learning rate, > 0, unitless.
        weight_decay: times the weight it is added to the gradient, >= 0, unitless.
        eps: smallest value of a positive weight, > 0, unitless.
        max_norm: where given, weights are scaled down to at most this norm, unitless.
        norm_axis: axis of the norm.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        weight_decay: float = 0.0,
        eps: float = 1e-12,
        max_norm: float | None = None,
        norm_axis: int | None = None,
    ) -> None:
        for name, value, low in (("lr", lr, "> 0"), ("eps", eps, "> 0"), ("weight_decay", weight_decay, ">= 0")):
            if value < 0 or (value == 0 and low == "> 0"):
                raise ValueError(f"{name} = {value}; it must be {low}")
        settings = dict(lr=lr, weight_decay=weight_decay, eps=eps, max_norm=max_norm, norm_axis=norm_axis)
        super().__init__(params, settings)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters once.

        Args:
            closure: computes gradients and returns the loss.

        Returns:
            the loss of `closure`, or None without one.

        Source:
            Kivinen & Warmuth 1997, Information and Computation 132:1.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                slope = p.grad + group["weight_decay"] * p
                positive = p > 0
                p.copy_(torch.where(positive, (p * torch.exp(-group["lr"] * slope)).clamp_min(group["eps"]), p))
                if group["max_norm"] is not None:
                    norm = torch.linalg.vector_norm(p, dim=group["norm_axis"], keepdim=True)
                    p.mul_((group["max_norm"] / norm.clamp_min(1e-12)).clamp_max(1.0))
        return loss
