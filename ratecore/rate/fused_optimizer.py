"""The optimizers of `ratecore.rate.optimizers` in compiled loops, for networks on the CPU."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ratecore.rate.adam import BETAS, EPS, corrections
from ratecore.rate.optimizers import DECAYED, LEAST, Optimizer
from ratecore.settings.training import TrainingSettings


class FusedOptimizer(Optimizer):
    """An optimizer of one network on the CPU.

    Args:
        parameters: as of `Optimizer`, any shape, contiguous and of one precision, unitless.
        training: settings of the optimizer.
        dale: whether Dale's law holds.
    """

    def __init__(self, parameters: Mapping[str, torch.Tensor], training: TrainingSettings, dale: bool) -> None:
        from ratecore.rate.dynamics import optimizer_kernels

        super().__init__(parameters, training, dale)
        self._kernels: Any = optimizer_kernels  # Any: several arguments are passed as one list
        self._flat = {name: p.numpy().reshape(-1) for name, p in self._p.items()}
        # Views, whose numbers `load_state_dict` replaces.
        self._moments = {name: [t.numpy().reshape(-1) for t in own.values()] for name, own in self._state.items()}
        self._dtype = next(iter(self._flat.values())).dtype.type

    def take(self, gradients: Mapping[str, NDArray[Any]], rate: float) -> None:
        """Take one step in place, as `step`.

        Args:
            gradients: of every parameter by name, flat (n,), unitless.
            rate: learning rate, unitless.

        Source:
            docs/model.md 3.2.
        """
        self._steps = float(self._steps) + 1
        share, training, dtype = 1.0, self.training, self._dtype
        if training.clip is not None:
            norm = math.sqrt(sum(float(self._kernels.sum_of_squares(gradients[name])) for name in self._flat))
            share = min(1.0, training.clip / (norm + 1e-6))
        with np.errstate(over="ignore"):  # an absurd learning rate gives infinity, and the loss tells
            numbers = [dtype(number) for number in (*corrections(rate, self._steps), *BETAS, EPS)]
            own_rate = dtype(rate)
        for name, p in self._flat.items():
            g, moments = gradients[name], self._moments[name]
            decay = training.weight_decay if name in DECAYED else 0.0
            least = dtype(0 if name == "w" and self._dale else -np.inf)
            coupled = dtype(0 if training.optimizer == "adamw" else decay)
            if training.optimizer == "sgd":
                buffer = moments[0] if moments else np.zeros_like(p)
                self._kernels.sgd(p, g, buffer, least, dtype(share), coupled, dtype(training.momentum), own_rate)
            elif training.optimizer == "eg" and name == "w":
                self._kernels.exponentiated(
                    p, g, self._dale, training.revive, dtype(LEAST), dtype(share), coupled, own_rate
                )
            else:
                direct = dtype(rate * decay if training.optimizer == "adamw" else 0)
                self._kernels.adam_with_decay(p, g, *moments, least, dtype(share), coupled, direct, *numbers)
