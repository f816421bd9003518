"""The independent truth for spiking networks: model.md 5 step by step in float64, without any code of ratecore."""

import numpy as np


def lif(p, u, v0, noise=None, kicks=None, hit=None):
    """A trial of a spiking network.

    Args:
        p: W (N, N) and w_out (N,) or (n_out, N), both scaled by 1 / lambda; w_in (N, n_in); td (N,) and tr, tau_m,
            refractory, dt in ms (dt before downsampling); threshold, reset, peak, bias in mV; qif, downsample,
            bias_out.
        u: (n_in, T).   v0: (N,) membrane at the start.
        noise: (nt, N) mV added at every step.   kicks: (nt,) mV added to the units in `hit` (N,) bool.

    Returns:
        dict of v, spikes, r, ipsc (nt, N) and out (nt,) or (nt, n_out).
    """
    u = u[:, :: p["downsample"]]
    dt, columns = p["dt"] * p["downsample"], round(5 / p["dt"])
    nt, N = (u.shape[1] - 1) * columns, len(v0)
    dead = int(np.floor(p["refractory"] / dt + 1e-9))
    v, ipsc, h, r, hr, last = v0.copy(), *(np.zeros(N) for _ in range(4)), np.zeros(N, int)
    kept = {key: np.zeros((nt, N)) for key in ("v", "spikes", "r", "ipsc")}
    out = np.zeros((nt, *np.shape(p["w_out"])[:-1]))
    for i in range(1, nt + 1):  # steps are counted from 1, as in the paper's MATLAB code
        column = int(np.floor(i / columns + 0.5))
        kept["ipsc"][i - 1] = ipsc
        current = ipsc + p["bias"] + p["w_in"] @ u[:, column]
        slope = (v**2 + current if p["qif"] else -v + current) / p["tau_m"]
        v = v + dt * slope * (i - last > dead)
        if noise is not None:
            v = v + noise[i - 1]
        if kicks is not None:
            v = v + kicks[i - 1] * hit
        fired = v >= p["threshold"]
        last[fired] = i
        jump = p["W"] @ fired.astype(float)
        # In seconds, as the units of W and of r are: per second.
        t, td, tr = dt / 1000, p["td"] / 1000, p["tr"] / 1000
        if tr == 0:
            ipsc = ipsc * np.exp(-t / td) + jump / td
            r = r * np.exp(-t / td) + fired / td
        else:
            ipsc = ipsc * np.exp(-t / td) + h * t
            h = h * np.exp(-t / tr) + jump / (tr * td)
            r = r * np.exp(-t / td) + hr * t
            hr = hr * np.exp(-t / tr) + fired / (tr * td)
        v = np.where(fired, p["peak"], v)
        kept["v"][i - 1], kept["spikes"][i - 1], kept["r"][i - 1] = v, fired, r
        v = np.where(fired, p["reset"], v)
        out[i - 1] = p["w_out"] @ r + p["bias_out"]
    return {**kept, "out": out}


def lif_rate(current, tau_m=10.0, refractory=2.0, threshold=-40.0, reset=-65.0):
    """Spikes a second of a unit with a constant current (mV) without noise: the analytic f-I curve of the LIF model."""
    if current <= threshold:
        return 0.0
    return 1000 / (refractory + tau_m * np.log((current - reset) / (current - threshold)))


def sfc32(a, b, c, counter):
    """The next word of generators of Chris Doty-Humphrey's small fast counting kind, 32 bits; arrays of uint64.

    Returns:
        word, a, b, c.
    """
    mask = 0xFFFFFFFF
    word = (a + b + counter) & mask
    a, b, c = b ^ (b >> 9), (c + (c << 3)) & mask, (((c << 21) | (c >> 11)) + word) & mask
    return word, a, b, c
