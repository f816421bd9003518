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

from ratecore.rate.constraints import Constraints
from ratecore.rate.dynamics import outputs_of_all_steps, stacked_step, torch_engine
from ratecore.rate.losses import TaskLoss, chosen_loss, trial_losses
from ratecore.rate.network import RateNetwork, is_standard
from ratecore.rate.optimizers import Optimizer, is_plain
from ratecore.rate.parameters import effective_weights, time_constants
from ratecore.rate.penalties import rate_penalty, weight_penalty
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

        stack = self._stack
        # w (K, N, N), w_out (K, n_out, N), b_out (K, n_out) and, with two taus, taus_gaus (K, N, 1)
        self.parameters: dict[str, torch.Tensor] = {
            name: stack(getattr(net, name) for net in nets).requires_grad_() for name in trained_names(nets[0])
        }
        # What is not trained, also where w_in or x0_mean could be.
        fixed = {"w", "w_out", "b_out", "taus_gaus"} - self.parameters.keys()
        self._fixed = {name: stack(getattr(net, name) for net in nets) for name in sorted(fixed)}
        if "w_in" not in self.parameters:
            self._fixed["w_in_t"] = stack(net.w_in.mT for net in nets)
        # m is diagonal: it signs the columns. Where all connections are allowed, signs (K, 1, N) are enough.
        self._scale = stack(net.connection_signs() for net in nets)

    def _stack(self, arrays: Iterable[torch.Tensor]) -> torch.Tensor:
        return torch.stack([array.detach() for array in arrays]).to(self.device)

    @property
    def _w_in_t(self) -> torch.Tensor:
        """Transposed input weights (K, n_in, N)."""
        return self.parameters["w_in"].mT if "w_in" in self.parameters else self._fixed["w_in_t"]

    def _array(self, name: str) -> torch.Tensor:
        """A stacked array, trained or not."""
        return self.parameters[name] if name in self.parameters else self._fixed[name]

    def __len__(self) -> int:
        return len(self.nets)

    def effective_weights(self) -> Float[torch.Tensor, "K N N"]:
        """Compute the matrices W that multiply r.

        Returns:
            (K, N, N), unitless.

        Source:
            docs/model.md 1.
        """
        return effective_weights(self._array("w"), self._scale, self.settings.apply_dale)

    def time_constants(self) -> Float[torch.Tensor, "K N"]:
        """Compute the synaptic decay times.

        Returns:
            tau (K, N), steps.

        Source:
            docs/model.md 1; Kim et al. 2019, Eq. 5.
        """
        return time_constants(self._array("taus_gaus")[..., 0], self.settings.taus)

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
        w_out, b_out = self._array("w_out"), self._array("b_out")
        if (own := self.parameters.get("x0_mean")) is not None:
            x0 = x0 + (own if networks is None else own[networks])[:, None]
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
            w_out, b_out = (self._array(name) for name in ("w_out", "b_out"))
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
        self._fixed = {name: array[networks] for name, array in self._fixed.items()}
        self._scale = self._scale[networks]

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
    """Updates of all networks of a stack at once, by autograd (docs/model.md 3).

    The optimizer works on the stacked arrays, since each network has a count of steps of its own: one that goes on
    from a checkpoint has taken others than its neighbours. `learning_rate` is that of the next update, one number or
    one for each network.

    Args:
        networks: the stack.
        training: settings that all networks share.
        optimizers: state_dict of each network's optimizer, empty for a new one; all are new when None.
        compile_step: whether `torch.compile` compiles a time step. Off, since compiling takes seconds to minutes.
        own_loss: the task's loss, for `training.loss_fn: task`.
        distances: of the units (K, N, N), unitless, where they cost something.

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
        distances: Float[torch.Tensor, "K N N"] | None = None,
    ) -> None:
        self.networks, self.training, self._own_loss = networks, training, own_loss
        self.learning_rate: float | list[float] = training.learning_rate
        self._distances = None if distances is None else distances.to(networks._array("w"))
        self._loss = chosen_loss(training.loss_fn, networks.n_out, own_loss)
        step = stacked_step(networks.settings.activation)
        self._step = torch.compile(step) if compile_step else step
        self._constraints = Constraints(networks.nets, is_plain(training), networks._stack)
        self._optimizer = Optimizer(networks.parameters, training, networks.settings.apply_dale, len(networks))
        for k, state in enumerate(optimizers or [{}] * len(networks)):
            self._optimizer.load_state_dict(state, k)

    def update(
        self,
        u: ArrayLike | torch.Tensor,
        z: ArrayLike | torch.Tensor,
        x0: ArrayLike | torch.Tensor,
        noise: ArrayLike | torch.Tensor,
        counts: list[int] | None = None,
        weight: ArrayLike | torch.Tensor | None = None,
        steps: Sequence[Sequence[int]] | None = None,
    ) -> list[float]:
        """Take one step of every network, each on its own batch of trials.

        Args:
            u: stimuli (K, B, n_in, T), unitless, on the stack's device as the others.
            z: targets (K, B, T), or (K, B, n_out, T) of several outputs, unitless.
            x0: states at the first step (K, B, N), unitless.
            noise: (K, B, T-1, N), unitless.
            counts: number of trials of each network; those after them only fill up and change nothing. B when None.
            weight: of each step in the loss, at least 0, in the shape of z, unitless; all 1 when None.
            steps: lengths of the trials of each network, for penalties on rates; T when None.

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
        parameters = self.networks.parameters
        with torch.enable_grad():
            _, r, o = self.networks.run(u, x0, noise, step=self._step)
            losses = trial_losses(o, z, self._loss, weight, self.networks.n_out)
            losses = losses.mean(1) if counts is None else _means(losses, counts)
            total = losses + self._penalty(r, counts, steps)
            # No network's loss depends on another's parameters, so the gradient of the sum is that of each.
            gradients = dict(zip(parameters, torch.autograd.grad(total.sum(), list(parameters.values())), strict=True))
        rates: Any = self.learning_rate
        if isinstance(rates, list):
            rates = torch.tensor(rates, dtype=torch.float64, device=self.networks.device)
        self._constraints.before(gradients, parameters)
        self._optimizer.step(gradients, rates)
        self._constraints.after(parameters)
        values: list[float] = losses.tolist()
        return values

    def _penalty(
        self, r: torch.Tensor, counts: list[int] | None, steps: Sequence[Sequence[int]] | None
    ) -> torch.Tensor | float:
        """The penalties of each network (K,)."""
        penalties, value = self.training.penalties, torch.zeros((), dtype=r.dtype, device=r.device)
        if penalties.of_rates:
            lengths = None
            if steps is not None:
                rows = [[*own, *[r.shape[2]] * (r.shape[1] - len(own))] for own in steps]  # those that only fill up
                lengths = torch.tensor(rows, device=r.device)
            of_trials = rate_penalty(r, penalties, lengths)
            value = of_trials.mean(1) if counts is None else _means(of_trials, counts)
        if penalties.of_weights:
            value = value + weight_penalty(self.networks.effective_weights(), penalties, self._distances)
        return value

    def keep(self, networks: list[int]) -> None:
        """Keep some networks; the others leave.

        Args:
            networks: positions in the stack, in their new order.
        """
        self.networks.keep(networks)
        self._optimizer.keep(networks, self.networks.parameters)
        self._constraints.keep(networks)
        if self._distances is not None:
            self._distances = self._distances[networks]

    def state_dicts(self, networks: list[int] | None = None) -> list[dict[str, Any]]:
        """Return the state of the optimizer of some networks.

        Args:
            networks: positions in the stack; all when None.

        Returns:
            a state for each, as from `TorchUpdates.state_dict`, on the CPU.
        """
        networks = list(range(len(self.networks))) if networks is None else networks
        states = [self._optimizer.state_dict(k) for k in networks]
        if is_plain(self.training):  # as torch's Adam has it, so that single networks can go on from there
            for k, state in zip(networks, states, strict=True):
                torchs = TorchUpdates(self.networks.nets[k], self.training, self._own_loss).state_dict()
                state["param_groups"] = torchs["param_groups"]
        return states


def _means(losses: torch.Tensor, counts: list[int]) -> torch.Tensor:
    """Mean losses (K,) of the first counts[k] of the trials of each network; losses (K, B)."""
    weights = torch.tensor([[b < n for b in range(losses.shape[1])] for n in counts], dtype=losses.dtype)
    return (losses * (weights / weights.sum(1, keepdim=True)).to(losses.device)).sum(1)
