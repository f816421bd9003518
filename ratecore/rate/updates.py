"""One update of a network (model.md 3): by torch's autograd, or on the CPU by compiled loops that do the same.

Both hold the optimizer's state, Adam's in the layout of `torch.optim.Adam.state_dict`, so that either goes on where the
other stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from numpy.typing import ArrayLike

from ratecore.rate.adam import BETAS, EPS
from ratecore.rate.constraints import Constraints
from ratecore.rate.dynamics import simulate
from ratecore.rate.fused_updates import FusedUpdates
from ratecore.rate.losses import TaskLoss, chosen_loss, trial_losses
from ratecore.rate.network import RateNetwork, compiled_loops_take, is_standard
from ratecore.rate.optimizers import Optimizer, is_plain
from ratecore.rate.penalties import rate_penalty, weight_penalty
from ratecore.settings.training import TrainingSettings
from ratecore.system.arrays import BATCH, STEPS, tensor_of

__all__ = ["FusedUpdates", "TorchUpdates", "make_updates"]


class TorchUpdates:
    """Updates by autograd, for every device and every kind of network. `learning_rate` is that of the next update.

    Args:
        net: the network, updated in place.
        training: optimizer, loss and penalties.
        own_loss: the task's loss, for `training.loss_fn: task`.
        distances: of the units (N, N), unitless, where they cost something.

    Raises:
        ValueError: the task's loss is missing, or a single output cannot have the loss.
    """

    def __init__(
        self,
        net: RateNetwork,
        training: TrainingSettings,
        own_loss: TaskLoss | None = None,
        distances: Float[torch.Tensor, "N N"] | None = None,
    ):
        self.net, self.loss_fn = net, chosen_loss(training.loss_fn, net.n_out, own_loss)
        self.training, self.learning_rate, self._penalties = training, training.learning_rate, training.penalties
        self._distances = None if distances is None else distances.to(net.w)
        self._parameters = {name: p for name, p in net.named_parameters() if p.requires_grad}
        self._constraints = Constraints([net], is_plain(training))
        self.optimizer: torch.optim.Adam | Optimizer
        if is_plain(training):
            # fused: one pass over each parameter, on CPU and GPU alike.
            self.optimizer = torch.optim.Adam(
                list(self._parameters.values()), lr=training.learning_rate, betas=BETAS, eps=EPS, fused=True
            )
        else:
            self.optimizer = Optimizer(self._parameters, training, net.apply_dale)

    def update(
        self,
        u: ArrayLike,
        z: ArrayLike,
        x0: ArrayLike,
        noise: ArrayLike,
        weight: ArrayLike | None = None,
        *,
        finite: bool = True,
        steps: Sequence[int] | None = None,
    ) -> float:
        """Take one step on a batch of trials.

        Args:
            u: stimuli (B, n_in, T), unitless.
            z: targets (B, T), or (B, n_out, T) of several outputs, unitless.
            x0: states at the first step (B, N), unitless.
            noise: (B, T-1, N), unitless.
            weight: of each step in the loss, at least 0, in the shape of z, unitless; all 1 when None.
            finite: whether they are checked for NaN and infinity; not needed for what `draw_trials` gives.
            steps: length of each trial, for penalties on rates; T when None.

        Returns:
            the mean loss of the trials before the step, unitless.

        Raises:
            ValueError: a shape that does not fit, no real numbers, NaN or infinity, or a negative weight; the network
                stays as it was.

        Source:
            docs/model.md 3.
        """
        dtype, device = self.net.w.dtype, self.net.w.device
        u = tensor_of("u", u, (BATCH, self.net.w_in.shape[1], STEPS), dtype, device, finite)
        n_out = self.net.n_out
        shape = (len(u), u.shape[2]) if n_out == 1 else (len(u), n_out, u.shape[2])
        z = tensor_of("z", z, shape, dtype, device, finite)
        if weight is not None:
            weight = tensor_of("weight", weight, shape, dtype, device, finite)
            if finite and bool((weight < 0).any()):
                raise ValueError(f"weight holds {float(weight.min()):g}; it must be at least 0")
        _, r, o = simulate(self.net, u, x0=x0, noise=noise, finite=finite)
        loss = trial_losses(o, z, self.loss_fn, weight, n_out).mean()
        total = loss
        if self._penalties.of_rates:
            lengths = None if steps is None else torch.as_tensor(list(steps), device=device)
            total = total + rate_penalty(r, self._penalties, lengths).mean()
        if self._penalties.of_weights:
            total = total + weight_penalty(self.net.effective_weights(), self._penalties, self._distances)
        for p in self._parameters.values():
            p.grad = None
        total.backward()  # type: ignore[no-untyped-call]  # torch annotates only its arguments
        slopes = {}
        if self._constraints or isinstance(self.optimizer, Optimizer):
            slopes = {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in self._parameters.items()}
            self._constraints.before(slopes, self._parameters)
        if isinstance(self.optimizer, Optimizer):
            self.optimizer.step(slopes, self.learning_rate)
        else:
            self.optimizer.param_groups[0]["lr"] = self.learning_rate
            self.optimizer.step()
        self._constraints.after(self._parameters)
        return float(loss.detach())

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state.

        Returns:
            the state as torch lays it out.
        """
        state = self.optimizer.state_dict()
        state["param_groups"][0]["lr"] = self.training.learning_rate  # which a schedule changes
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state.

        Args:
            state: as from `state_dict`.
        """
        self.optimizer.load_state_dict(state)


def make_updates(
    net: RateNetwork,
    training: TrainingSettings,
    own_loss: TaskLoss | None = None,
    distances: Float[torch.Tensor, "N N"] | None = None,
) -> FusedUpdates | TorchUpdates:
    """Choose the fastest updates for a network.

    Args:
        net: the network.
        training: optimizer, loss and penalties.
        own_loss: the task's loss, for `training.loss_fn: task`.
        distances: of the units (N, N), unitless, where they cost something.

    Returns:
        fused updates for a standard network on the CPU with a built-in loss, torch's otherwise.

    Source: none
    """
    if own_loss is None and is_standard(net) and compiled_loops_take(net):
        return FusedUpdates(net, training, distances)
    return TorchUpdates(net, training, own_loss, distances)
