"""The names that the existing packages use for the parts of a network."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int

FUNCTIONS = {  # in place of methods that a network of another library would have
    **dict.fromkeys(("run", "simulate", "predict"), "ratecore.run(net, u), or net(u)"),
    **dict.fromkeys(("evaluate", "score", "test"), "ratecore.evaluate(net, task)"),
    "fit": "ratecore.train(ratecore.RunSettings(task='go-nogo'))",
    "save": "torch.save(net.state_dict(), path); `ratecore train` writes .mat and .pth",
}


class NetworkNames:
    """Attributes of the existing packages' `FR_RNN_dale` that ratecore's network has under other names."""

    # Of `RateNetwork`, with which this class is combined
    w: torch.Tensor
    m: torch.Tensor
    som_m: torch.Tensor
    inh: torch.Tensor
    exc: torch.Tensor
    som_N: int
    _drawn: dict[str, torch.Tensor] | None

    def __getattr__(self, name: str) -> Any:
        if name in FUNCTIONS:
            raise AttributeError(f"a network has no method {name}; call {FUNCTIONS[name]}")
        return super().__getattr__(name)  # type: ignore[misc]  # torch.nn.Module's

    @property
    def mask(self) -> Float[torch.Tensor, "N N"]:
        """`m` (N, N), +1 or -1 on the diagonal, unitless."""
        return self.m

    @property
    def som_mask(self) -> Float[torch.Tensor, "N N"]:
        """`som_m` (N, N), 0 from inhibitory units onto SST units, unitless."""
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
    def som_inh(self) -> Int[torch.Tensor, " som_N"]:
        """Indices of the SST units (som_N,), which are the first inhibitory units."""
        return torch.nonzero(self.inh)[: self.som_N, 0]

    @property
    def device(self) -> torch.device:
        """Device of the parameters; `net.to(device)` moves them."""
        return self.w.device

    @property
    def w0(self) -> Float[torch.Tensor, "N N"]:
        """`w` (N, N) as drawn when this network was made, unitless."""
        return self._as_drawn("w")

    @property
    def taus_gaus0(self) -> Float[torch.Tensor, "N 1"]:
        """`taus_gaus` (N, 1) as drawn when this network was made, unitless."""
        return self._as_drawn("taus_gaus")

    def _as_drawn(self, name: str) -> torch.Tensor:
        if self._drawn is None:
            # Not an AttributeError: torch.nn.Module would replace its message.
            raise ValueError(
                f"{name}0 is not known: the numbers of this network were loaded; a .mat file has them as '{name}0'"
            )
        return self._drawn[name].to(self.w)

    def project_weights(self, training_params: object = None) -> None:
        """Do nothing, as in the `rate` package: Dale's law holds in the rectified `w` that every trial uses."""
