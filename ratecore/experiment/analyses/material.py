"""What the analyses of one network share: the network, its task, and its activity, drawn once for all of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from ratecore.experiment.runs import Run

if TYPE_CHECKING:
    from ratecore.rate.network import RateNetwork
    from ratecore.rate.results import TrainingResult
    from ratecore.tasks.base import AbstractTask


class Material:
    """A trained network for its analyses. Everything is read or drawn when it is first asked for.

    Args:
        run: of the network.

    Attributes:
        settings: of the run.
    """

    def __init__(self, run: Run) -> None:
        self._run, self.settings = run, run.settings

    @cached_property
    def result(self) -> TrainingResult:
        """The network with the course of its training."""
        from ratecore.formats.pth import result_from_pth

        return result_from_pth(self._run.network)

    @property
    def trained(self) -> bool:
        """Whether training met its criterion."""
        return self.result.trained

    @property
    def net(self) -> RateNetwork:
        """The trained network as it is, without what tests change."""
        return self.result.net

    @property
    def initial(self) -> dict[str, Any]:
        """The parameters before training, as the network's state_dict."""
        return self.result.initial

    @cached_property
    def task(self) -> AbstractTask:
        """The task as it is tested."""
        return self.settings.create_task()

    @cached_property
    def inhibitory(self) -> Bool[np.ndarray, " N"]:
        """Which units are inhibitory (N,)."""
        found: Bool[np.ndarray, " N"] = self.net.inh.detach().cpu().numpy().astype(bool).reshape(-1)
        return found

    @cached_property
    def weights(self) -> Float[np.ndarray, "N N"]:
        """The effective weights after training (N, N), unitless, row = receiving unit."""
        return self._effective(None)

    @cached_property
    def initial_weights(self) -> Float[np.ndarray, "N N"]:
        """The effective weights before training (N, N), unitless, row = receiving unit."""
        return self._effective(self.initial["w"])

    def _effective(self, w: Any) -> Float[np.ndarray, "N N"]:
        import torch

        with torch.no_grad():
            given = None if w is None else w.to(self.net.w)
            W: Float[np.ndarray, "N N"] = self.net.effective_weights(given).double().cpu().numpy()
        return W
