"""What an update leaves as it is: entries that are not trained, and the signs of the readout (docs/model.md 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import nn

from ratecore.rate.network import RateNetwork


class Constraints:
    """The parts of a network, or of K stacked ones, that its settings keep from being trained.

    Args:
        nets: the networks, of the same settings.
        plain: whether an entry whose gradient is 0 stays as it is, as with Adam; not with decay of weights.
        join: makes one array (K, ...) of those of all networks; that of the first when None.
    """

    def __init__(
        self,
        nets: Sequence[nn.Module],
        plain: bool,
        join: Callable[[Sequence[torch.Tensor]], torch.Tensor] | None = None,
    ) -> None:
        self._plain = plain
        self._masks: dict[str, torch.Tensor] = {}
        self._before: dict[str, torch.Tensor] = {}
        self._signs: torch.Tensor | None = None
        own = [net for net in nets if isinstance(net, RateNetwork)]  # a user's network may be any module
        if not own:
            return
        join = join or (lambda arrays: arrays[0])
        masks = [net.gradient_masks(connections=not plain) for net in own]
        self._masks = {name: join([mask[name] for mask in masks]) for name in masks[0]}
        if own[0].settings.readout_dale and "w_out" in own[0].settings.trained:
            self._signs = join([net.m.diagonal()[None] for net in own])

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._masks) or self._signs is not None

    def before(
        self, gradients: Mapping[str, Float[torch.Tensor, ...]], parameters: Mapping[str, Float[torch.Tensor, ...]]
    ) -> None:
        """Set the gradients of entries that are not trained to 0, in place.

        Args:
            gradients: by name, each in the shape of its parameter, unitless.
            parameters: that the update is about to change, by name, any shape, unitless.

        Source:
            docs/model.md 3.2.
        """
        for name, mask in self._masks.items():
            if name in parameters:
                gradients[name].mul_(mask)
                if not self._plain:
                    self._before[name] = parameters[name].detach().clone()

    @torch.no_grad()
    def after(self, parameters: Mapping[str, Float[torch.Tensor, ...]]) -> None:
        """Give entries that are not trained their values back, and set weights of the readout of a wrong sign to 0.

        Args:
            parameters: that the update has changed, by name, any shape, unitless.

        Source:
            docs/model.md 3.2.
        """
        for name, before in self._before.items():
            parameters[name].copy_(torch.where(self._masks[name] == 1, parameters[name], before))
        if self._signs is not None:
            w_out = parameters["w_out"]
            w_out.masked_fill_(w_out * self._signs < 0, 0)

    def keep(self, networks: list[int]) -> None:
        """Keep those of some stacked networks.

        Args:
            networks: positions in the stack, in their new order.
        """
        self._masks = {name: mask[networks] for name, mask in self._masks.items()}
        self._signs = None if self._signs is None else self._signs[networks]
