"""A spiking trial as in existing code, for `spiking.py`; a test compares it with ratecore's output."""

from __future__ import annotations

import numpy as np
import torch


def textbook(model, settings, scaling_factor, u, rng, steps=None):
    """Simulates a trial as in existing code: a dozen vector operations per step, keeping all membrane potentials.

    Args:
        model: RateModel.   settings: SpikingSettings of a LIF network.   scaling_factor: lambda.   u: (n_in, T).
        rng: numpy generator; its first numbers are the initial membrane potentials.
        steps: number of steps to run; by default all.

    Returns:
        out (nt,).
    """
    t = {key: torch.as_tensor(getattr(model, key)) for key in ("w_in", "w_out")}
    W, w_out = torch.as_tensor(model.W) / scaling_factor, t["w_out"][0] / scaling_factor
    dt, tr, tm, td = (
        settings.dt / 1000,
        settings.tau_rise / 1000,
        settings.tau_m / 1000,
        torch.as_tensor(model.tau) / 1000,
    )
    N, nt = model.N, (u.shape[1] - 1) * settings.steps_per_column
    drive, dead = t["w_in"] @ torch.as_tensor(u), settings.refractory / 1000
    v = torch.as_tensor(settings.v_reset + (settings.v_init_high - settings.v_reset) * rng.random(N))
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    ipsc, h, r, hr, last = (torch.zeros(N, dtype=torch.float64) for _ in range(5))
    membrane, spikes, rates = (torch.zeros(N, nt, dtype=torch.float64) for _ in range(3))
    for i in range(nt if steps is None else steps):
        current = ipsc + settings.constant_current + drive[:, (i + 51) // settings.steps_per_column]
        slope = (dt * (i + 1) > last + dead).double() * (current - v) / tm
        v = v + dt * slope + settings.noise_sd * torch.randn(N, generator=generator, dtype=torch.float64)
        fired = v >= settings.spike_threshold
        units = torch.where(fired)[0]
        jump = W[:, units].sum(1) if len(units) else torch.zeros(N, dtype=torch.float64)
        last = torch.where(fired, dt * (i + 1), last)
        ipsc = ipsc * torch.exp(-dt / td) + h * dt
        h = h * np.exp(-dt / tr) + jump / (tr * td)
        r = r * torch.exp(-dt / td) + hr * dt
        hr = hr * np.exp(-dt / tr) + fired / (tr * td)
        rates[:, i], spikes[:, i] = r, fired.double()
        v = torch.where(fired, settings.v_peak, v)
        membrane[:, i] = v
        v = torch.where(fired, settings.v_reset, v)
    return w_out @ rates
