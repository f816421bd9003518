"""What a network's settings say about its connections, its start and what of it is trained."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from ratecore.rate.parameters import connection_signs
from ratecore.rate.starting import low_rank, parameters_of_taus, rescaled
from ratecore.rate.structure import gradient_masks
from ratecore.settings.network import NetworkSettings
from ratecore.settings.network_files import file_array
from ratecore.settings.network_units import units_in


class Structured:
    """The structure of a network of two types of units; a base class of `RateNetwork`."""

    settings: NetworkSettings
    w: torch.Tensor
    w_in: torch.Tensor
    w_out: torch.Tensor
    taus_gaus: torch.Tensor
    m: torch.Tensor
    som_m: torch.Tensor
    conn_m: torch.Tensor | None
    inh: torch.Tensor
    _allowed: np.ndarray | None
    _drawn: dict[str, torch.Tensor] | None

    def connection_signs(self, full: bool = False) -> Float[torch.Tensor, "_ N"]:
        """What the rectified weights are multiplied by, see `ratecore.rate.parameters.connection_signs`.

        Args:
            full: whether (N, N) is wanted even where the signs of the columns are enough.

        Returns:
            (N, N), or (1, N) for a network that can have all connections; unitless.

        Source:
            docs/model.md 1.2, equation 4.
        """
        connections = self.som_m if self.conn_m is None else self.som_m * self.conn_m
        return connection_signs(self.m, connections, full or self.settings.som_N > 0 or self.conn_m is not None)

    def gradient_masks(self, connections: bool = False) -> dict[str, torch.Tensor]:
        """What gradients are multiplied by, see `ratecore.rate.structure.gradient_masks`.

        Args:
            connections: whether that of `w` is also 0 for connections that there never are.

        Returns:
            by the name of the parameter, w (N, N), w_in and taus_gaus (N, 1), w_out (1, N), unitless.

        Source:
            docs/model.md 3.2.
        """
        found = gradient_masks(self.settings, self.inh.cpu().numpy())
        masks = {name: torch.as_tensor(mask).to(self.w) for name, mask in found.items()}
        if connections and self.conn_m is not None:
            masks["w"] = masks["w"] * self.conn_m if "w" in masks else self.conn_m
        return masks

    def _start(self, rng: np.random.Generator) -> None:
        """Gives the start what the settings ask for, with random numbers that come after all others."""
        s, inh = self.settings, self.inh.numpy()
        for groups, weights in ((s.input_units, self.w_in.T), (s.output_units, self.w_out)):
            weights[:, torch.from_numpy(~units_in(groups, s, inh))] = 0
        if s.readout_dale:
            self.w_out.copy_(self.w_out.abs() * self.m.diagonal())
        if s.rank is not None:
            self.w.copy_(torch.as_tensor(low_rank(s, self._allowed, rng)))
        if s.balance or s.spectral_radius is not None:
            signs = self.connection_signs(True).double().numpy()
            self.w.copy_(torch.as_tensor(rescaled(self.w.double().numpy(), signs, s)))
        if (tau := file_array(s, "taus_file")) is not None:
            self.taus_gaus.copy_(torch.as_tensor(parameters_of_taus(tau, s.taus)))
        self._drawn = {name: getattr(self, name).detach().clone() for name in ("w", "taus_gaus")}
