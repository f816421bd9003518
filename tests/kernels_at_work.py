"""Runs every compiled loop on small arrays; used by `test_bounds.py` with and without Numba's bounds checks.

As a program it writes what the loops gave to the file it is told.
"""

import sys

import numpy as np
import torch

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.rate.dynamics import outputs, simulate, states, trial_noise
from ratecore.rate.updates import FusedUpdates
from ratecore.settings.network import ACTIVATIONS
from ratecore.settings.training import TrainingSettings
from ratecore.spiking import ConversionSettings, SpikingSettings, compare, rate_model, search_scaling
from ratecore.spiking.lif import Simulator
from ratecore.spiking.scoring import outputs_every
from ratecore.tasks import XORTask

N, N_IN, T = 13, 2, 12  # no multiple of the eight rows or 16 lanes that loops take at once
TASK = {"T": 40, "stim_on": 5, "stim_dur": 5, "delay": 5}


def network(n_out=1, **settings):
    return FR_RNN_dale.from_settings(NetworkSettings(N=N, P_inh=0.3, **settings), N_IN, 3, n_out=n_out)


def trials(B, n_out=1):
    rng = np.random.default_rng(B)
    x0, noise = trial_noise([rng] * B, T, N)
    of_output = (B, T) if n_out == 1 else (B, n_out, T)
    return (*(rng.standard_normal(shape, np.float32) for shape in ((B, N_IN, T), of_output)), x0, noise)


def of_training(found):
    cases = [
        (activation, loss, dale, taus, B)
        for activation in ACTIVATIONS
        for loss in ("l2", "l1")
        for dale, taus in ((True, (4, 20)), (False, (10,)), (True, (10,)), (False, (4, 20)))
        for B in (1, 7, 16, 20)
    ]
    for activation, loss, dale, taus, B in cases:
        net = network(activation=activation, apply_dale=dale, taus=taus, som_N=2 if dale else 0)
        updates = FusedUpdates(net, TrainingSettings(loss_fn=loss))
        losses = [updates.update(*trials(B)) for _ in range(2)]
        name = f"{activation} {loss} {dale} {taus} {B}"
        found[f"losses {name}"], found[f"w {name}"] = np.array(losses), net.w.detach().numpy().copy()


def of_losses(found):
    for loss in ("l2", "l1", "mse", "huber", "cross_entropy"):
        for n_out in (1, 3) if loss != "cross_entropy" else (3,):
            for B in (2, 7):
                net = network(n_out)
                updates = FusedUpdates(net, TrainingSettings(loss_fn=loss))
                arrays = trials(B, n_out)
                shorter = [v[..., : T - 3] for v in arrays[:2]], arrays[2], arrays[3][:, : T - 4]
                losses = [
                    updates.update(*arrays, abs(arrays[1])),
                    updates.update(*shorter[0], *shorter[1:]),
                    updates.update(*arrays),
                ]
                found[f"losses {loss} {n_out} {B}"] = np.array(losses)
                found[f"w_out {loss} {n_out} {B}"] = net.w_out.detach().numpy().copy()


def of_optimizers(found):
    rates = dict(penalties=dict(rate_mean=1.0, rate_square=1.0, weight_l1=1.0, balance=1.0), clip=1.0)
    for optimizer in ("adam", "adamw", "sgd", "eg"):
        for som_N, B in ((0, 2), (2, 7)):
            net = network(som_N=som_N)
            training = TrainingSettings(optimizer=optimizer, weight_decay=0.1, revive=True, momentum=0.5, **rates)
            updates = FusedUpdates(net, training)
            losses = [updates.update(*trials(B), steps=[T - k for k in range(B)]) for _ in range(2)]
            name = f"{optimizer} {som_N} {B}"
            found[f"losses {name}"], found[f"w {name}"] = np.array(losses), net.w.detach().numpy().copy()


def of_engines(found):
    net, (u, _, x0, noise) = network(3), trials(6, 3)
    found["several outputs"] = outputs(net, u, x0, noise).numpy()
    simulate(net, u, x0=x0, noise=noise, engine="fused")[2].square().sum().backward()
    found["gradient of several outputs"] = net.w.grad.numpy()
    for activation in ACTIVATIONS:
        for P_rec in (0.1, 1.0):
            net = network(activation=activation, P_rec=P_rec)
            for B in (1, 6, 17):
                u, _, x0, noise = trials(B)
                found[f"outputs {activation} {P_rec} {B}"] = outputs(net, u, x0, noise).numpy()
                for name, array in zip("xro", states(net, *map(torch.as_tensor, (u, x0, noise))), strict=True):
                    found[f"{name} {activation} {P_rec} {B}"] = array.numpy()
        x, r, o = simulate(net, u, x0=x0, noise=noise, engine="fused")
        (x.sum() + (r**2).sum() + o.sum()).backward()
        found[f"gradient {activation}"] = net.w.grad.numpy()
    for kind in (np.random.PCG64, np.random.MT19937):
        x0, _ = trial_noise([np.random.Generator(kind(1))], 2, 7)
        found[f"noise {kind.__name__}"] = x0.numpy()


def of_packed_connections(found):
    """Networks of 32 units and more are packed; 45 is no multiple of the lanes of a vector."""
    for activation in ACTIVATIONS:
        settings = NetworkSettings(N=45, P_inh=0.3, activation=activation)
        net = FR_RNN_dale.from_settings(settings, N_IN, 3, n_out=2)
        rng = np.random.default_rng(1)
        x0, noise = trial_noise([rng] * 2, T, 45)
        u, z = rng.standard_normal((2, N_IN, T)), rng.standard_normal((2, 2, T))
        name = f"packed {activation}"
        found[f"outputs {name}"] = outputs(net, u, x0, noise).numpy()
        with torch.no_grad():
            found[f"states {name}"] = simulate(net, u, x0=x0, noise=noise)[0].numpy()
        simulate(net, u, x0=x0, noise=noise)[2].square().sum().backward()
        found[f"gradient {name}"] = net.w.grad.numpy().copy()
        updates = FusedUpdates(net, TrainingSettings())
        found[f"losses {name}"] = np.array([updates.update(u, z, x0, noise) for _ in range(3)])
        found[f"w {name}"] = net.w.detach().numpy().copy()


def of_spiking(found):
    net, u = network(), np.random.default_rng(0).standard_normal((N_IN, T))
    model = rate_model(net)
    for kind in ("lif", "qif"):
        for tau_rise in (0.0, 2.0):
            for downsample in (1, 3):
                stimulation = {"mode": "exc", "units": "inh", "amplitude": 5.0, "window": (10, 40)}
                settings = SpikingSettings(
                    model=kind,
                    tau_rise=tau_rise,
                    downsample=downsample,
                    noise_sd=0.0,
                    stimulation=stimulation,
                    refractory=1.0,
                )
                name = f"{kind} {tau_rise} {downsample}"
                each, rare = Simulator(model, settings), Simulator(model, settings, outputs_every(settings))
                nt = each.steps(T)
                trial = each.record(4.0, u, each.draw(np.random.default_rng(1), nt), states=True)
                found[f"v {name}"], found[f"r {name}"], found[f"out {name}"] = trial.v, trial.r, trial.out
                out, count = rare.outputs([3.0, 4.0], u, rare.draw(np.random.default_rng(1), nt))
                found[f"outputs {name}"], found[f"count {name}"] = out, count
    task, settings = XORTask(TASK), SpikingSettings(noise_sd=1e-3)  # which rounding cannot turn into another spike
    search = ConversionSettings(n_trials=4, scaling_factors=(5, 30))
    found["search"] = search_scaling(model, task, search, settings).all_perfs
    found["activity"] = compare(net, task, settings, 20.0, 0, 1).lif_activity


def everything():
    found = {}
    torch.set_num_threads(1)
    for part in (of_training, of_losses, of_optimizers, of_engines, of_packed_connections, of_spiking):
        part(found)
    return found


if __name__ == "__main__":
    np.savez(sys.argv[1], **everything())
