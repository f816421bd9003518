"""Lesions: the weakening of live synapses of a rate network, at random or by the types of their units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from ratecore.compat.aliases import accepts
from ratecore.rate.stimulation import Stimulation

if TYPE_CHECKING:
    import torch


def check_lesion(fraction: float, scale: float = 0.0) -> None:
    """Check the share of synapses to lesion and the factor of their weights.

    Args:
        fraction: of the live synapses, in [0, 1].
        scale: factor of the weights, in [0, 1].

    Raises:
        ValueError: names the one outside [0, 1].
    """
    for name, value in (("fraction", fraction), ("lesion_scale", scale)):
        if isinstance(value, str) or value is None or not 0 <= value <= 1:
            raise ValueError(f"{name} = {value!r}; it must be in [0, 1]")


class Lesions:
    """The lesions of a network with weights and units of two types; a base class of `RateNetwork`."""

    w: torch.Tensor
    exc: torch.Tensor
    inh: torch.Tensor
    # Of perturbed copies alone (docs/model.md 8): units that are lesioned, a current, and the SD of each unit's noise.
    silent: Bool[np.ndarray, " N"] | None = None
    stimulation: Stimulation | None = None
    noise_sds: Float[np.ndarray, " N"] | None = None

    def effective_weights(self) -> Float[torch.Tensor, "N N"]:
        """The matrix W that multiplies r.

        Returns:
            (N, N), unitless.

        Raises:
            NotImplementedError: the network has to define it.

        Source:
            docs/model.md 1.
        """
        raise NotImplementedError

    def live_synapses(self) -> Bool[torch.Tensor, "N N"]:
        """Find the connections whose effective weight is not zero.

        Returns:
            (N, N), row = receiving unit, unitless.

        Source:
            docs/model.md 1.
        """
        return self.effective_weights() != 0

    def _lesion(self, candidates: torch.Tensor, fraction: float, scale: float, rng: np.random.Generator) -> int:
        import torch

        index = torch.nonzero(candidates).cpu().numpy()
        post, pre = index[rng.permutation(len(index))[: round(fraction * len(index))]].T
        with torch.no_grad():
            self.w[post, pre] = scale * self.w[post, pre] if scale else 0.0
        return len(post)

    @accepts(lesion_percentage="fraction")
    def lesion_w(
        self, fraction: float, lesion_scale: float = 0.0, *, seed: np.random.Generator | int | None = None
    ) -> int:
        """Weaken a fraction of the live synapses, chosen at random.

        Args:
            fraction: of the live synapses, in [0, 1]; also called `lesion_percentage`.
            lesion_scale: factor of the weights of the chosen ones, in [0, 1]; 0 removes them.
            seed: int or `numpy.random.Generator`; fresh entropy when None.

        Returns:
            number of lesioned synapses.

        Raises:
            ValueError: a number outside [0, 1].
        """
        check_lesion(fraction, lesion_scale)
        return self._lesion(self.live_synapses(), fraction, lesion_scale, np.random.default_rng(seed))

    @accepts(lesion_percentage="fraction")
    def lesion_w_by_type(
        self, fraction: float, lesion_scale: float = 0.0, *, seed: np.random.Generator | int | None = None
    ) -> dict[str, int]:
        """Weaken the same fraction of the live E-E, E-I, I-E and I-I synapses (from-to).

        Args:
            fraction: as in `lesion_w`, in [0, 1].
            lesion_scale: as in `lesion_w`, in [0, 1].
            seed: as in `lesion_w`.

        Returns:
            number of lesioned synapses of each type.

        Raises:
            ValueError: a number outside [0, 1].
        """
        check_lesion(fraction, lesion_scale)
        rng, live, units = np.random.default_rng(seed), self.live_synapses(), {"E": self.exc, "I": self.inh}
        return {
            f"{pre}-{post}": self._lesion(
                live & units[post][:, None] & units[pre][None, :], fraction, lesion_scale, rng
            )
            for pre in "EI"
            for post in "EI"
        }
