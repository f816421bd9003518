"""`FR_RNN_dale`: the rate network with the names, the call and the files of the existing packages."""

from __future__ import annotations

import numpy as np

from ratecore.compat.network_names import NetworkNames
from ratecore.formats import load_network
from ratecore.rate.dynamics import run
from ratecore.rate.network import AbstractRateRNN, RateNetwork
from ratecore.system.arrays import STEPS, tensor_of


class FR_RNN_dale(NetworkNames, RateNetwork, AbstractRateRNN):
    """The `RateNetwork`, whose arguments it takes, with the calls and names of the `rate` package.

    `forward` runs trials and returns what the package's network returns, `load_net` takes over a saved network, and the
    attributes of `NetworkNames` have the package's names.
    """

    __module__ = "ratecore.rate.network"  # where programs import it from, and pickles name it
    _standard = True

    def load_net(self, path):
        """Becomes the network saved in a `.mat` or `.pth` file, whatever this one was; optimizers must be made anew.

        Returns:
            self.

        Raises:
            ratecore.formats.FormatError: the file is damaged or holds no such network; this network stays as it was.
        """
        loaded = load_network(path, device=self.w.device, dtype=self.w.dtype)
        self._adopt(loaded.settings)
        self.saved_task = loaded.saved_task
        self._register(**dict(loaded.named_buffers()), **dict(loaded.named_parameters()))
        self._drawn = None
        return self

    def forward(self, stim, taus=None, training_params=None, settings=None, *, x0=None, noise=None, rng=None):
        """Runs trials with noise (docs/model.md 1); the seed package's call.

        Args:
            stim: (n_in, T), or (B, n_in, T) for a batch of trials.
            taus: one or two values in steps; the network's own when None or equal.
            training_params: `activation` is taken from it when given.
            settings: `DeltaT` (default 1) and `T` are taken from it; of a longer `stim` the first T steps are run.
            x0, noise: (B, N), (B, T-1, N), to run a trial with known randomness; drawn when None.
            rng: seed or generator of what is drawn.

        Returns:
            stim, x, r (T entries of (N, 1)), o (T - 1 entries of (1, 1)), w, w_in, m, som_m, w_out, b_out, taus_gaus.
            With a batch x, r are (B, T, N) and o is (B, T - 1).

        Raises:
            ValueError: `stim` has another shape, or fewer steps than `settings["T"]`.
        """
        shape = (("B", 0), self.w_in.shape[1], STEPS)[0 if np.ndim(stim) == 3 else 1 :]
        stim = tensor_of("stim", stim, shape, self.w.dtype, self.w.device)
        T = (settings or {}).get("T", stim.shape[-1])
        if stim.shape[-1] < T:
            raise ValueError(f"settings['T'] = {T}: stim has only {stim.shape[-1]} steps")
        stim = stim[..., : int(T)]
        x, r, o = run(
            self, stim if stim.ndim == 3 else stim[None], x0=x0, noise=noise, rng=rng, taus=taus,
            activation=(training_params or {}).get("activation"), DeltaT=(settings or {}).get("DeltaT", 1),
        )  # fmt: skip
        if stim.ndim == 2:
            x, r, o = [v[:, None] for v in x[0]], [v[:, None] for v in r[0]], [v[None, None] for v in o[0]]
        return stim, x, r, o, self.w, self.w_in, self.m, self.som_m, self.w_out, self.b_out, self.taus_gaus
