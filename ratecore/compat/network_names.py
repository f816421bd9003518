"""The names under which the existing packages keep the parts of a network."""

from __future__ import annotations

import torch


class NetworkNames:
    """Attributes of the existing `FR_RNN_dale` that have other names in ratecore's."""

    @property
    def mask(self) -> torch.Tensor:
        """(N, N): `m`, +1 or -1 on the diagonal."""
        return self.m

    @property
    def som_mask(self) -> torch.Tensor:
        """(N, N): `som_m`, 0 where an inhibitory unit would reach an SST unit."""
        return self.som_m

    @property
    def NI(self) -> int:
        """Number of inhibitory units."""
        return int(self.inh.sum())

    @property
    def NE(self) -> int:
        """Number of excitatory units."""
        return int(self.exc.sum())

    @property
    def som_inh(self) -> torch.Tensor:
        """(som_N,): indices of the SST units, the first inhibitory ones."""
        return torch.nonzero(self.inh)[: self.som_N, 0]

    @property
    def device(self) -> torch.device:
        """Where the parameters are; `net.to(device)` moves them."""
        return self.w.device

    @property
    def w0(self) -> torch.Tensor:
        """(N, N): `w` as it was drawn when this network was made."""
        return self._as_drawn("w")

    @property
    def taus_gaus0(self) -> torch.Tensor:
        """(N, 1): `taus_gaus` as it was drawn when this network was made."""
        return self._as_drawn("taus_gaus")

    def _as_drawn(self, name: str) -> torch.Tensor:
        if self._drawn is None:
            # No AttributeError: torch.nn.Module would replace its message.
            raise ValueError(
                f"{name}0 is not known: the numbers of this network were loaded; a .mat file has them as '{name}0'"
            )
        return self._drawn[name].to(self.w)

    def project_weights(self, training_params=None) -> None:
        """Changes nothing, as in the `rate` package: Dale's law holds in the rectified `w` that every trial uses."""
