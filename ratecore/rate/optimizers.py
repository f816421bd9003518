"""How an update follows from the gradient (docs/model.md 3.2): optimizers, weight decay, clipping, schedules.

Adam with its defaults has faster forms of its own: torch's, and the compiled loops. All else is here, once for all
engines, as operations on tensors of one network or of K stacked ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float

from ratecore.rate.adam import adam_step, corrections
from ratecore.rate.parameters import rectified
from ratecore.settings.training import TrainingSettings

DECAYED = ("w", "w_in", "w_out")  # weights; a time constant or a bias has no reason to be 0
LEAST = 1e-12  # smallest size of a weight that exponentiated gradient changes, as in the `rate` package
FLUSH = 64  # updates between two passes that set negligible moments to 0


def scheduled_rate(training: TrainingSettings, trial: int) -> float:
    """Compute the learning rate of an update.

    Args:
        training: learning rate and schedule.
        trial: trials before the update, of its stage.

    Returns:
        learning rate, unitless.

    Source:
        docs/model.md 3.2.
    """
    share, factor = trial / training.schedule_trials, training.schedule_factor
    if training.schedule == "step":
        return training.learning_rate * factor ** math.floor(share)
    if training.schedule == "exponential":
        return float(training.learning_rate * factor**share)
    if training.schedule == "cosine":
        return training.learning_rate * (factor + (1 - factor) * (1 + math.cos(math.pi * min(share, 1.0))) / 2)
    return training.learning_rate


def is_plain(training: TrainingSettings) -> bool:
    """Tell whether updates are those of Adam alone, without decay and clipping.

    Args:
        training: settings of the optimizer.

    Returns:
        True for the default; a schedule and penalties do not count.
    """
    return training.optimizer == "adam" and training.weight_decay == 0 and training.clip is None


class Optimizer:
    """The optimizer of the parameters of a network, or of K stacked networks, each as if it were alone.

    Args:
        parameters: trained parameters by name, in the order of the state, any shape, unitless, changed in place;
            stacked ones have a leading dimension K.
        training: settings of the optimizer.
        dale: whether Dale's law holds, so that `w` below 0 is silent.
        networks: K of stacked networks; None for one network.
    """

    def __init__(
        self,
        parameters: Mapping[str, torch.Tensor],
        training: TrainingSettings,
        dale: bool,
        networks: int | None = None,
    ) -> None:
        self.training, self._dale = training, dale
        self._p = {name: p.detach() for name, p in parameters.items()}
        device = next(iter(self._p.values())).device
        # In float64: 1 - 0.999 has lost four digits in float32.
        self._steps: float | torch.Tensor = 0.0
        if networks is not None:
            self._steps = torch.zeros(networks, dtype=torch.float64, device=device)
        self._state = {name: {key: torch.zeros_like(p) for key in self._keys(name)} for name, p in self._p.items()}

    def _keys(self, name: str) -> tuple[str, ...]:
        """The moments of a parameter, under torch's names."""
        if self.training.optimizer == "sgd":
            return ("momentum_buffer",) if self.training.momentum else ()
        if self.training.optimizer == "eg" and name == "w":
            return ()
        return ("exp_avg", "exp_avg_sq")

    @torch.no_grad()
    def step(self, gradients: Mapping[str, torch.Tensor], rate: float | Float[torch.Tensor, " K"]) -> None:
        """Take one step in place.

        Args:
            gradients: of every parameter by name, any shape, unitless; overwritten. That of a silenced weight is 0.
            rate: learning rate, a number or (K,) for stacked networks, unitless.

        Source:
            docs/model.md 3.2; Kingma & Ba 2015; Loshchilov & Hutter 2019; Kivinen & Warmuth 1997.
        """
        self._steps = self._steps + 1
        if self.training.clip is not None:
            self._clip(gradients, self.training.clip)
        for name, p in self._p.items():
            g, own_rate = gradients[name], self._shaped(rate, p)
            if self.training.weight_decay and name in DECAYED:
                self._decay(name, p, g, own_rate)
            if self.training.optimizer == "sgd":
                self._sgd(name, p, g, own_rate)
            elif self.training.optimizer == "eg" and name == "w":
                self._exponentiated(p, g, own_rate)
            else:
                self._adam(name, p, g, rate)

    def _shaped(self, value: float | torch.Tensor, p: torch.Tensor) -> float | torch.Tensor:
        """A number of each network in a shape that broadcasts to a parameter's."""
        if not isinstance(value, torch.Tensor):
            return value
        return value.to(p.dtype).reshape(-1, *[1] * (p.ndim - 1))

    def _clip(self, gradients: Mapping[str, torch.Tensor], most: float) -> None:
        """Scales the gradients to a norm of at most `most`, as `torch.nn.utils.clip_grad_norm_`."""
        if not isinstance(self._steps, torch.Tensor):
            norms = torch.stack([torch.linalg.vector_norm(gradients[name]) for name in self._p])
            norm: Any = float(torch.linalg.vector_norm(norms))
            if norm <= most:
                return
            scale: Any = most / (norm + 1e-6)
        else:
            squares = [gradients[name].flatten(1).square().sum(1) for name in self._p]
            scale = (most / (torch.stack(squares).sum(0).sqrt() + 1e-6)).clamp(max=1)
        for name in self._p:
            gradients[name].mul_(self._shaped(scale, gradients[name]))

    def _decay(self, name: str, p: torch.Tensor, g: torch.Tensor, rate: Any) -> None:
        """Decays live weights: directly (AdamW), else through the gradient."""
        live = rectified(p) if name == "w" and self._dale else p
        if self.training.optimizer == "adamw":
            p.sub_(live * (rate * self.training.weight_decay))
        else:
            g.add_(live, alpha=self.training.weight_decay)

    def _sgd(self, name: str, p: torch.Tensor, g: torch.Tensor, rate: Any) -> None:
        if self.training.momentum:
            g = self._state[name]["momentum_buffer"].mul_(self.training.momentum).add_(g)
        p.sub_(g * rate)

    def _exponentiated(self, p: torch.Tensor, g: torch.Tensor, rate: Any) -> None:
        """Multiplies the size of each weight by exp(-rate * dL/d|w|); none changes its sign or becomes 0."""
        if self._dale:
            if self.training.revive:
                p.clamp_(min=LEAST)
            live = p > 0
            p.mul_(g.mul_(-rate).exp_())  # of silenced weights g is 0
        else:
            if self.training.revive:
                p.masked_fill_(p == 0, LEAST)
            live = p != 0
            p.mul_(g.mul_(-rate).mul_(p.sign()).exp_())
        p.copy_(torch.where(live & (p.abs() < LEAST), p.sign() * LEAST if not self._dale else LEAST, p))

    def _adam(self, name: str, p: torch.Tensor, g: torch.Tensor, rate: Any) -> None:
        m, v = (self._state[name][key] for key in ("exp_avg", "exp_avg_sq"))
        first, root = corrections(rate, self._steps)
        adam_step(p, g, m, v, self._shaped(first, p), self._shaped(root, p))
        if not isinstance(self._steps, torch.Tensor) and self._steps % FLUSH == 0:
            # Moments of lost connections leave the range of normal numbers, below which processors are slow; they
            # are negligible next to eps.
            for moment in (m, v):
                moment.masked_fill_(moment.abs() < 1e-30, 0)

    def keep(self, networks: list[int], parameters: Mapping[str, torch.Tensor]) -> None:
        """Keep the states of some stacked networks.

        Args:
            networks: positions in the stack, in their new order.
            parameters: of these networks by name, any shape, unitless.

        Source: none
        """
        self._p = {name: parameters[name].detach() for name in self._p}
        self._state = {name: {key: t[networks] for key, t in own.items()} for name, own in self._state.items()}
        if isinstance(self._steps, torch.Tensor):
            self._steps = self._steps[networks]

    def state_dict(self, network: int | None = None) -> dict[str, Any]:
        """Return the state of one network.

        Args:
            network: position of a stacked network; None for an optimizer of one network.

        Returns:
            the state, laid out as torch does, on the CPU; its tensors are copies.
        """
        steps = torch.as_tensor(self._steps, dtype=torch.float32)
        step = (steps if network is None else steps[network]).cpu().clone()
        state = {
            i: {"step": step.clone()}
            | {key: (t if network is None else t[network]).cpu().clone() for key, t in self._state[name].items()}
            for i, name in enumerate(self._p)
        }
        group = {"optimizer": self.training.optimizer, "lr": self.training.learning_rate, "params": list(state)}
        return {"state": state if step else {}, "param_groups": [group]}

    def load_state_dict(self, state: Mapping[str, Any], network: int | None = None) -> None:
        """Continue from a state.

        Args:
            state: as from `state_dict`, or of torch's optimizer of the same kind.
            network: position of a stacked network; None for an optimizer of one network.

        Raises:
            ValueError: it is the state of another optimizer.
        """
        for i, name in enumerate(self._p):
            if (entry := state.get("state", {}).get(i)) is None:
                continue
            if network is None:
                self._steps = float(entry["step"])
            elif isinstance(self._steps, torch.Tensor):
                self._steps[network] = float(entry["step"])
            for key, own in self._state[name].items():
                place = own if network is None else own[network]
                if key not in entry or entry[key].shape != place.shape:
                    raise ValueError(f"the state has no {key} of {name} with shape {tuple(place.shape)}")
                place.copy_(entry[key])
