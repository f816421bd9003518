"""The independent truth: docs/model.md 1 and 3 written step by step in float64, without any code of ratecore.

Every function also takes complex numbers, on which it acts by the real part's branch: a step of 1e-30 i then gives
derivatives to rounding (the complex-step method; Squire & Trapp, SIAM Review 40:110, 1998).
"""

import numpy as np


def phi(x, activation):
    if activation == "sigmoid":
        return 1 / (1 + np.exp(-x))
    if activation == "clipped_relu":
        return np.where(x.real > 20, 20, np.where(x.real > 0, x, 0))
    y = np.log(1 + np.exp(x))
    return np.where(y.real > 20, 20, y)


def forward(p, u, x0, noise):
    """x (T, N), r (T, N), o (T-1,) or (n_out, T-1) of a trial.

    p has w, m, som_m, w_in, w_out, b_out, taus, taus_gaus, dale, act and, if the network has them, conn_m, x0_mean.
    """
    w = np.where(p["w"].real > 0, p["w"], 0) if p["dale"] else p["w"]
    W = (w @ p["m"]) * p["som_m"] * p.get("conn_m", 1)
    x0 = x0 + p.get("x0_mean", 0)
    if len(p["taus"]) == 2:
        low, high = p["taus"]
        tau = 1 / (1 + np.exp(-p["taus_gaus"][:, 0])) * (high - low) + low
    else:
        tau = np.full(len(W), p["taus"][0])
    alpha = 1 / tau
    x, r, o = [x0], [phi(x0, p["act"])], []
    for t in range(1, u.shape[1]):
        drive = W @ r[t - 1] + p["w_in"] @ u[:, t - 1]
        x.append((1 - alpha) * x[t - 1] + alpha * drive + noise[t - 1])
        r.append(phi(x[t], p["act"]))
        o.append([p["w_out"][k] @ r[t] + p["b_out"][k] for k in range(len(p["w_out"]))])
    o = np.array(o).T
    return np.array(x), np.array(r), o[0] if len(o) == 1 else o


def loss(o, z, loss_fn, weight=None):
    """Loss of one trial: o[t] for t = 1 .. T-1 against z[t-1], each times weight[t-1].

    o (T-1,) or (n_out, T-1); z and weight in the same shape, with the last step, which is not compared.
    """
    o = np.atleast_2d(o)
    z = np.atleast_2d(z)[:, : o.shape[1]]
    weight = np.ones(z.shape) if weight is None else np.atleast_2d(weight)[:, : o.shape[1]]
    if not weight.any():
        return 0.0
    error = o - z
    size = error * np.sign(error.real)
    if loss_fn == "l2":
        return np.sqrt(np.sum(weight * error**2))
    if loss_fn == "l1":
        return np.sum(weight * size)
    if loss_fn == "mse":
        return np.sum(weight * error**2) / np.sum(weight)
    if loss_fn == "huber":
        return np.sum(weight * np.where(size.real <= 1, error**2 / 2, size - 1 / 2)) / np.sum(weight)
    assert loss_fn == "cross_entropy"
    of_step = weight.mean(0)
    softmax = np.exp(o) / np.exp(o).sum(0)
    return np.sum(of_step * -(z * np.log(softmax)).sum(0)) / of_step.sum()


def penalty(p, W, rates, distances):
    """The penalties of an update (docs/model.md 3.4) with factors p: W (N, N), rates of each trial (T, N) with r[0]."""
    size = W * np.sign(W.real)
    value = p.get("weight_l1", 0) * np.mean(size) + p.get("weight_l2", 0) * np.mean(W**2)
    value += p.get("distance", 0) * np.mean(size * distances) + p.get("balance", 0) * np.mean(np.sum(W, 1) ** 2)
    value += p.get("rate_mean", 0) * np.mean([np.mean(r[1:]) for r in rates])
    return value + p.get("rate_square", 0) * np.mean([np.mean(r[1:] ** 2) for r in rates])


def optimizer_step(p, g, state, k, training, dale):
    """Step k = 1, 2 .. of the parameters p (dict) for gradients g, as docs/model.md 3.2 has it; state starts empty."""
    g, new, rate = {name: v.copy() for name, v in g.items()}, {}, training["rate"]
    norm = np.sqrt(sum(np.sum(v**2) for v in g.values()))
    if training.get("clip") and norm > training["clip"]:
        g = {name: v * training["clip"] / (norm + 1e-6) for name, v in g.items()}  # 1e-6 as torch has it
    kind, decay = training.get("optimizer", "adam"), training.get("weight_decay", 0)
    for name, value in p.items():
        value = value.copy()
        live = np.maximum(value, 0) if name == "w" and dale else value
        decayed = decay * live * (name in ("w", "w_out"))
        if kind == "adamw":
            value -= rate * decayed
        else:
            g[name] += decayed
        if kind == "sgd":
            state[name] = training.get("momentum", 0) * state.get(name, 0) + g[name]
            value -= rate * state[name]
        elif kind == "eg" and name == "w":
            if training.get("revive"):
                value = np.where(value <= 0, 1e-12, value)
            sign = np.sign(np.maximum(value, 0) if dale else value)
            size = np.maximum(np.abs(value) * np.exp(-rate * sign * g[name]), 1e-12)
            value = np.where(sign == 0, value, sign * size)
        else:
            m, v = state.get(name, (0, 0))
            state[name] = m, v = 0.9 * m + 0.1 * g[name], 0.999 * v + 0.001 * g[name] ** 2
            value -= rate * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
        new[name] = value
    return new
