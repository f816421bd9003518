"""Networks of the same settings, stacked on one device and updated as one batched program.

A network's numbers are those of the single network by `TorchUpdates`, to rounding: a batched product may add in another
order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from numpy.typing import ArrayLike

from ratecore.rate.adam import adam_step, corrections
from ratecore.rate.dynamics import outputs_of_all_steps, stacked_step, torch_engine
from ratecore.rate.losses import TaskLoss, chosen_loss, trial_losses
from ratecore.rate.network import RateNetwork, is_standard
from ratecore.rate.parameters import connection_signs, effective_weights, time_constants
from ratecore.rate.updates import TorchUpdates
from ratecore.settings.training import TrainingSettings
from ratecore.system.arrays import BATCH, STEPS, Dimension, tensor_of

_Step = Callable[..., tuple[torch.Tensor, torch.Tensor]]  # as `stacked_step` returns it


def trained_names(net: RateNetwork) -> list[str]:
    """List the parameters that training changes.

    Args:
        net: the network.

    Returns:
        their names, in the order of the optimizer's state.
    """
    return [name for name, p in net.named_parameters() if p.requires_grad]


class StackedNetworks:
    """K networks `FR_RNN_dale` of the same settings, each array stacked on one device.

    Args:
        nets: the networks, of the same settings and dtype. They keep their own parameters until `write_back`.
        device: torch device of the stack.

    Raises:
        ValueError: no network, one of another kind, or networks that do not belong together.
    """

    def __init__(self, nets: list[RateNetwork], device: torch.device | str = "cpu") -> None:
        if not nets:
            raise ValueError("a stack needs at least one network")
        for net in nets:
            if not is_standard(net):
                raise ValueError(f"{type(net).__name__} cannot be stacked; only FR_RNN_dale can")
            mine, first = ((n.settings, n.w_in.shape, n.n_out, n.w.dtype) for n in (net, nets[0]))
            if mine != first:
                raise ValueError(
                    "the networks of a stack must have the same settings, number of inputs, number of outputs and dtype"
                )
        self.nets, self.settings, self.n_out = list(nets), nets[0].settings, nets[0].n_out
        self.device = torch.device(device)

        def stack(arrays: Iterable[torch.Tensor]) -> torch.Tensor:
            return torch.stack([array.detach() for array in arrays]).to(self.device)

        # w (K, N, N), w_out (K, n_out, N), b_out (K, n_out) and, with two taus, taus_gaus (K, N, 1)
        self.parameters: dict[str, torch.Tensor] = {
            name: stack(getattr(net, name) for net in nets).requires_grad_() for name in trained_names(nets[0])
        }
        self._w_in_t = stack(net.w_in.mT for net in nets)
        # m is diagonal: it signs the columns. Without SST units the mask is all ones, and signs (K, 1, N) are enough.
        masked = self.settings.som_N > 0
        self._scale = stack(connection_signs(net.m, net.som_m, masked) for net in nets)

    def __len__(self) -> int:
        return len(self.nets)

    def effective_weights(self) -> Float[torch.Tensor, "K N N"]:
        """Compute the matrices W that multiply r.

        Returns:
            (K, N, N), unitless.

        Source:
            docs/model.md 1.
        """
        return effective_weights(self.parameters["w"], self._scale, self.settings.apply_dale)

    def time_constants(self) -> Float[torch.Tensor, "K N"]:
        """Compute the synaptic decay times.

        Returns:
            tau (K, N), steps.

        Source:
            docs/model.md 1; Kim et al. 2019, Eq. 5.
        """
        trained = self.parameters.get("taus_gaus")
        given = self._w_in_t[:, 0] if trained is None else trained[..., 0]  # only its shape counts where tau is fixed
        return time_constants(given, self.settings.taus)

    def run(
        self,
        u: ArrayLike | torch.Tensor,
        x0: ArrayLike | torch.Tensor,
        noise: ArrayLike | torch.Tensor,
        networks: list[int] | None = None,
        step: _Step | None = None,
    ) -> tuple[
        Float[torch.Tensor, "K B T N"],
        Float[torch.Tensor, "K B T N"],
        Float[torch.Tensor, "K B *out T-1"],
    ]:
        """Run B trials of each network; differentiable in `parameters`.

        Args:
            u: stimuli (K, B, n_in, T), unitless, on the stack's device as the others.
            x0: states at the first step (K, B, N), unitless.
            noise: (K, B, T-1, N), unitless.
            networks: positions in the stack, one for each of the K; all when None.
            step: one time step of all networks, as in `torch_engine`.

        Returns:
            x, r (K, B, T, N), o (K, B, T-1), or (K, B, n_out, T-1) of several outputs; unitless.

        Raises:
            ValueError: a shape that does not fit, which a batched product might broadcast to one that does. NaN and
                infinity are not checked, since that would wait for the device.

        Source:
            docs/model.md 1.
        """
        K = len(self) if networks is None else len(networks)
        u = self._tensor("u", u, K, BATCH, self._w_in_t.shape[1], STEPS)
        B, T, N = u.shape[1], u.shape[3], self.settings.N
        x0, noise = self._tensor("x0", x0, K, B, N), self._tensor("noise", noise, K, B, T - 1, N)
        W, alpha, w_in_t = self.effective_weights(), 1 / self.time_constants(), self._w_in_t
        w_out, b_out = self.parameters["w_out"], self.parameters["b_out"]
        if networks is not None:
            W, alpha, w_in_t, w_out, b_out = (v[networks] for v in (W, alpha, w_in_t, w_out, b_out))
        drive = u[..., :-1].mT @ w_in_t[:, None]
        x, r, o = torch_engine(W, drive, alpha, self.settings.activation, x0, noise, w_out, b_out, step)
        return x, r, o

    def _tensor(self, name: str, value: object, *shape: Dimension) -> torch.Tensor:
        return tensor_of(name, value, shape, self._w_in_t.dtype, self._w_in_t.device, finite=False)

    def outputs(
        self,
        u: ArrayLike | torch.Tensor,
        x0: ArrayLike | torch.Tensor,
        noise: ArrayLike | torch.Tensor,
        networks: list[int] | None = None,
    ) -> Float[torch.Tensor, "K B *out T"]:
        """Compute the outputs of trials, without gradients.

        Args:
            u: as in `run` (K, B, n_in, T), unitless.
            x0: (K, B, N), unitless.
            noise: (K, B, T-1, N), unitless.
            networks: as in `run`.

        Returns:
            o (K, B, T), or (K, B, n_out, T) of several outputs, unitless, o[..., 0] the readout of r[0].

        Source:
            docs/model.md 1.
        """
        with torch.no_grad():
            _, r, o = self.run(u, x0, noise, networks)
            w_out, b_out = (self.parameters[name] for name in ("w_out", "b_out"))
            if networks is not None:
                w_out, b_out = w_out[networks], b_out[networks]
            all_steps: torch.Tensor = outputs_of_all_steps(r, o, w_out, b_out)
            return all_steps

    def keep(self, networks: list[int]) -> None:
        """Keep some networks; the others leave with the parameters of `write_back`.

        Args:
            networks: positions in the stack, in their new order.
        """
        self.nets = [self.nets[k] for k in networks]
        self.parameters = {name: p.detach()[networks].requires_grad_() for name, p in self.parameters.items()}
        self._w_in_t, self._scale = self._w_in_t[networks], self._scale[networks]

    def write_back(self, networks: list[int] | None = None) -> None:
        """Write the stacked parameters into the networks themselves.

        Args:
            networks: positions in the stack; all when None.
        """
        networks = list(range(len(self))) if networks is None else networks
        with torch.no_grad():
            for name, p in self.parameters.items():
                for k, value in zip(networks, p[networks].cpu(), strict=True):
                    getattr(self.nets[k], name).copy_(value)


class BlockUpdates:
    """Updates of all networks of a stack at once, by autograd and Adam (docs/model.md 3).

    Adam is written out over the stacked arrays, since each network has a count of steps of its own: one that goes on
    from a checkpoint has taken others than its neighbours.

    Args:
        networks: the stack.
        training: settings that all networks share.
        optimizers: Adam's state_dict of each network, empty for a new one; all are new when None.
        compile_step: whether `torch.compile` compiles a time step. Off, since compiling takes seconds to minutes.
        own_loss: the task's loss, for `training.loss_fn: task`.

    Raises:
        ValueError: the task's loss is missing, or a single output cannot have the loss.
    """

    def __init__(
        self,
        networks: StackedNetworks,
        training: TrainingSettings,
        optimizers: Sequence[Mapping[str, Any]] | None = None,
        compile_step: bool = False,
        own_loss: TaskLoss | None = None,
    ) -> None:
        self.networks, self.training, self._own_loss = networks, training, own_loss
        self._loss = chosen_loss(training.loss_fn, networks.n_out, own_loss)
        step = stacked_step(networks.settings.activation)
        self._step = torch.compile(step) if compile_step else step
        self._m, self._v = ({name: torch.zeros_like(p) for name, p in networks.parameters.items()} for _ in range(2))
        # In float64: 1 - 0.999 has lost four digits in float32.
        self._steps = torch.zeros(len(networks), dtype=torch.float64, device=networks.device)
        for k, (net, state) in enumerate(zip(networks.nets, optimizers or [{}] * len(networks), strict=True)):
            for i, name in enumerate(trained_names(net)):
                if entry := state.get("state", {}).get(i):
                    self._steps[k] = float(entry["step"])
                    self._m[name][k], self._v[name][k] = entry["exp_avg"], entry["exp_avg_sq"]

    def update(
        self,
        u: ArrayLike | torch.Tensor,
        z: ArrayLike | torch.Tensor,
        x0: ArrayLike | torch.Tensor,
        noise: ArrayLike | torch.Tensor,
        counts: list[int] | None = None,
        weight: ArrayLike | torch.Tensor | None = None,
    ) -> list[float]:
        """Take one step of every network, each on its own batch of trials.

        Args:
            u: stimuli (K, B, n_in, T), unitless, on the stack's device as the others.
            z: targets (K, B, T), or (K, B, n_out, T) of several outputs, unitless.
            x0: states at the first step (K, B, N), unitless.
            noise: (K, B, T-1, N), unitless.
            counts: number of trials of each network; those after them only fill up and change nothing. B when None.
            weight: of each step in the loss, at least 0, in the shape of z, unitless; all 1 when None.

        Returns:
            K losses, each the mean over the network's trials, unitless. Only reading them waits for the device.

        Raises:
            ValueError: as in `StackedNetworks.run`, or counts that do not fit.

        Source:
            docs/model.md 3; Kingma & Ba 2015, Algorithm 1.
        """
        u = self.networks._tensor("u", u, len(self.networks), BATCH, self.networks._w_in_t.shape[1], STEPS)
        out = () if self.networks.n_out == 1 else (self.networks.n_out,)
        shape = (len(u), u.shape[1], *out, u.shape[3])
        z = self.networks._tensor("z", z, *shape)
        weight = None if weight is None else self.networks._tensor("weight", weight, *shape)
        if counts is not None and (len(counts) != len(u) or not all(0 < n <= u.shape[1] for n in counts)):
            raise ValueError(f"counts = {counts}; it must be {len(u)} numbers from 1 to {u.shape[1]}")
        parameters = list(self.networks.parameters.values())
        with torch.enable_grad():
            _, _, o = self.networks.run(u, x0, noise, step=self._step)
            losses = trial_losses(o, z, self._loss, weight, self.networks.n_out)
            losses = losses.mean(1) if counts is None else _means(losses, counts)
            # No network's loss depends on another's parameters, so the gradient of the sum is that of each.
            gradients = torch.autograd.grad(losses.sum(), parameters)
        self._adam(gradients)
        values: list[float] = losses.tolist()
        return values

    @torch.no_grad()
    def _adam(self, gradients: Iterable[torch.Tensor]) -> None:
        self._steps = self._steps + 1
        constants = corrections(self.training.learning_rate, self._steps)
        for (name, p), g in zip(self.networks.parameters.items(), gradients, strict=True):
            rate, root = (c.to(p.dtype).reshape(-1, *[1] * (p.ndim - 1)) for c in constants)
            adam_step(p, g, self._m[name], self._v[name], rate, root)

    def keep(self, networks: list[int]) -> None:
        """Keep some networks; the others leave.

        Args:
            networks: positions in the stack, in their new order.
        """
        self.networks.keep(networks)
        self._steps = self._steps[networks]
        self._m, self._v = ({name: t[networks] for name, t in d.items()} for d in (self._m, self._v))

    def state_dicts(self, networks: list[int] | None = None) -> list[dict[str, Any]]:
        """Return Adam's state of some networks.

        Args:
            networks: positions in the stack; all when None.

        Returns:
            a state for each, as from `TorchUpdates.state_dict`, on the CPU.
        """
        networks = list(range(len(self.networks))) if networks is None else networks
        steps = self._steps[networks].float().cpu()
        m, v = ({name: t[networks].cpu() for name, t in d.items()} for d in (self._m, self._v))
        states = []
        for row, k in enumerate(networks):
            net = self.networks.nets[k]
            state = TorchUpdates(net, self.training, self._own_loss).state_dict()
            if steps[row]:
                # Copies, so that one network's state does not hold the memory of all.
                state["state"] = {
                    i: {"step": steps[row].clone(), "exp_avg": m[name][row].clone(), "exp_avg_sq": v[name][row].clone()}
                    for i, name in enumerate(trained_names(net))
                }
            states.append(state)
        return states


def _means(losses: torch.Tensor, counts: list[int]) -> torch.Tensor:
    """Mean losses (K,) of the first counts[k] of the trials of each network; losses (K, B)."""
    weights = torch.tensor([[b < n for b in range(losses.shape[1])] for n in counts], dtype=losses.dtype)
    return (losses * (weights / weights.sum(1, keepdim=True)).to(losses.device)).sum(1)
