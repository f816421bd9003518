"""Implementations of one training trial that `trial.py` times, with the same network, stimuli and noise.

A contender is created from a run's settings and a batch of trials. `train()` does one update, `forward()` one forward
pass, and `forward_for_gradients()` one that keeps what a gradient needs. All contenders implement the equations of
docs/model.md 1 and 3, with Dale's law and Adam.
"""

from __future__ import annotations

import numpy as np
import torch

from ratecore.rate.dynamics import outputs, simulate
from ratecore.rate.losses import trial_losses
from ratecore.rate.training import initial_network
from ratecore.rate.updates import FusedUpdates, TorchUpdates


class Fused:
    """ratecore on the CPU."""

    name = "ratecore"

    def __init__(self, settings, u, z, x0, noise):
        self.net = initial_network(settings)
        self.trial, self.updates = (u, z, x0, noise), FusedUpdates(self.net, settings.training)

    def train(self):
        return self.updates.update(*self.trial)

    def forward(self):
        u, _, x0, noise = self.trial
        return outputs(self.net, u, x0, noise)[:, 1:]

    def forward_for_gradients(self):
        u, _, x0, noise = self.trial
        return simulate(self.net, u, x0=x0, noise=noise)[2]


class TorchLoop:
    """A plain torch loop over the steps, with the effective matrix computed once; autograd and torch's Adam."""

    name = "torch loop"

    def __init__(self, settings, u, z, x0, noise):
        self.net, self.loss_fn = initial_network(settings), settings.training.loss_fn
        self.trial = (u, z, x0, noise)
        self.optimizer = TorchUpdates(self.net, settings.training).optimizer

    def outputs(self):
        u, _, x0, noise = self.trial
        return simulate(self.net, u, x0=x0, noise=noise, engine="torch")[2]

    def train(self):
        loss = trial_losses(self.outputs(), self.trial[1], self.loss_fn).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def forward(self):
        with torch.no_grad():
            return self.outputs()

    def forward_for_gradients(self):
        return self.outputs()


class Textbook(TorchLoop):
    """As in existing implementations: computes the effective matrix, an N^3 product, at every step of every trial."""

    name = "textbook"

    def outputs(self):
        net, (u, _, x0, noise) = self.net, self.trial
        outputs = []
        for k in range(len(u)):
            x = x0[k][:, None]
            r, o = torch.sigmoid(x), []
            for t in range(1, u.shape[2]):
                low, high = net.settings.taus
                tau = torch.sigmoid(net.taus_gaus) * (high - low) + low
                W = torch.matmul(torch.relu(net.w), net.m) * net.som_m
                drive = torch.matmul(W, r) + torch.matmul(net.w_in, u[k, :, t - 1 : t])
                x = (1 - 1 / tau) * x + drive / tau + noise[k, t - 1][:, None]
                r = torch.sigmoid(x)
                o.append((torch.matmul(net.w_out, r) + net.b_out).reshape(()))
            outputs.append(torch.stack(o))
        return torch.stack(outputs)


class Floor:
    """Only the matrix products of a trial, by BLAS: 2 (T - 1) with W, and one for the gradient of W."""

    name = "BLAS floor"

    def __init__(self, settings, u, z, x0, noise):
        self.W = initial_network(settings).effective_weights().detach().numpy()
        B, _, T = u.shape
        self.steps, self.r = T - 1, np.random.default_rng(0).random((self.W.shape[0], B), dtype=np.float32)
        self.a, self.b = (np.random.default_rng(s).random((B * (T - 1), len(self.W)), dtype=np.float32) for s in (1, 2))

    def train(self):
        W, r = self.W, self.r
        for _ in range(self.steps):
            W @ r
        for _ in range(self.steps):
            W.T @ r
        return self.a.T @ self.b

    def forward(self):
        for _ in range(self.steps):
            self.W @ self.r


class JaxScan:
    """JAX: one jitted function with `lax.scan`, its gradient and Adam."""

    name = "JAX lax.scan"

    def __init__(self, settings, u, z, x0, noise):
        import jax
        import jax.numpy as jnp

        net = initial_network(settings)
        low, high = settings.network.taus
        m, w_in = jnp.asarray(net.m.diagonal().numpy()), jnp.asarray(net.w_in.numpy())
        self.p = {k: jnp.asarray(getattr(net, k).detach().numpy()) for k in ("w", "w_out", "b_out", "taus_gaus")}
        self.trial = tuple(jnp.asarray(v.numpy()) for v in (u, z, x0, noise))

        def outputs(p, u, x0, noise):
            W = jax.nn.relu(p["w"]) * m
            alpha = 1 / (jax.nn.sigmoid(p["taus_gaus"][:, 0]) * (high - low) + low)
            outside = alpha * (u[:, :-1].T @ w_in.T) + noise

            def step(carry, eta):
                x, r = carry
                x = (1 - alpha) * x + alpha * (W @ r) + eta
                r = jax.nn.sigmoid(x)
                return (x, r), r

            _, r = jax.lax.scan(step, (x0, jax.nn.sigmoid(x0)), outside)
            return r @ p["w_out"][0] + p["b_out"][0]

        def loss(p, u, z, x0, noise):
            o = jax.vmap(outputs, (None, 0, 0, 0))(p, u, x0, noise)
            return jnp.mean(jnp.sqrt(jnp.sum((o - z[:, :-1]) ** 2, 1)))

        def update(p, moments, k, *trial):
            value, g = jax.value_and_grad(loss)(p, *trial)
            first, second = moments
            first = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, first, g)
            second = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b * b, second, g)
            rate, root = settings.training.learning_rate / (1 - 0.9**k), jnp.sqrt(1 - 0.999**k)
            p = jax.tree.map(lambda q, a, b: q - rate * a / (jnp.sqrt(b) / root + 1e-8), p, first, second)
            return p, (first, second), value

        self.update = jax.jit(update, donate_argnums=(0, 1))
        self.outputs = jax.jit(lambda p, u, x0, noise: jax.vmap(outputs, (None, 0, 0, 0))(p, u, x0, noise))
        self.with_vjp = jax.jit(
            lambda p, u, x0, noise: jax.vjp(lambda q: jax.vmap(outputs, (None, 0, 0, 0))(q, u, x0, noise), p)
        )
        zeros = jax.tree.map(jnp.zeros_like, self.p)
        self.moments, self.k = (zeros, jax.tree.map(jnp.zeros_like, self.p)), 0.0

    def train(self):
        self.k += 1.0
        self.p, self.moments, value = self.update(self.p, self.moments, self.k, *self.trial)
        return float(value)

    def forward(self):
        u, _, x0, noise = self.trial
        return self.outputs(self.p, u, x0, noise).block_until_ready()

    def forward_for_gradients(self):
        u, _, x0, noise = self.trial
        return self.with_vjp(self.p, u, x0, noise)[0].block_until_ready()
