"""One update of a network by Adam (model.md 3) in compiled loops, on the CPU.

It does what `ratecore.rate.updates.TorchUpdates` does by autograd, and holds Adam's state in the same layout.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ratecore.rate.adam import BETAS, EPS, corrections
from ratecore.rate.dynamics import LANES_PAY, compiled_loops_take
from ratecore.rate.losses import chosen_loss
from ratecore.rate.network import RateNetwork
from ratecore.rate.parameters import connection_signs, share_of_span
from ratecore.settings.training import TrainingSettings
from ratecore.system.arrays import BATCH, STEPS, array_of, tensor_of

if TYPE_CHECKING:
    from ratecore.rate.dynamics.live import LiveMatrix

_Array = NDArray[Any]


class FusedUpdates:
    """Updates of an `FR_RNN_dale` on the CPU: no graph, no allocation and a handful of calls a trial.

    The network's own parameters are updated in place. They must not be changed by others between two updates, except
    that `reload` is called afterwards.

    Args:
        net: the network, updated in place.
        training: learning rate and loss.

    Raises:
        ValueError: an array of the network has a wrong shape, dtype or device, or the loss cannot be compiled.
    """

    def __init__(self, net: RateNetwork, training: TrainingSettings):
        from ratecore.rate.dynamics import kernels, lanes, live, loss_kernels, training_kernels

        self.net, self.training, self._lanes, self._of_live = net, training, lanes, live
        # Any, since the fields of several tuples are passed one after another, which type checkers cannot follow.
        self._kernels: Any = training_kernels
        self._clipped, self._units = kernels.CLIPPED_RELU, kernels.Units
        self._phi = kernels.CODES[net.activation]
        self._loss = loss_kernels.LOSS_CODES[str(chosen_loss(training.loss_fn, net.n_out))]
        self._check_network()
        names = [name for name, p in net.named_parameters() if p.requires_grad]
        self._p = {name: getattr(net, name).detach().numpy() for name in names}
        self._m, self._v = ({name: np.zeros_like(p) for name, p in self._p.items()} for _ in range(2))
        self._flat = {name: [d[name].reshape(-1) for d in (self._p, self._m, self._v)] for name in names}
        self._step = 0
        self._buffers: dict[str, dict[str, Any]] = {}
        self._storage: dict[str, _Array] = {}
        self._dtype = self._p["w"].dtype.type
        self._low, self._span = (
            self._dtype(net.settings.taus[0]),
            self._dtype(net.settings.taus[-1] - net.settings.taus[0]),
        )
        self._n_out = n_out = net.n_out
        N = net.N
        shapes = {"W": (N, N), "alpha": (N,), "w_out": (n_out, N), "b_out": (n_out,)}
        self._g = {name: np.zeros(shape, self._dtype) for name, shape in shapes.items()}
        self._all_ones = np.empty((0, 0), self._dtype), np.empty((0, 0, 0), self._dtype)  # where no weight is given
        self._g_W = torch.from_numpy(self._g["W"])
        self._w_in = np.ascontiguousarray(net.w_in.numpy())
        self._w_in_t = np.ascontiguousarray(net.w_in.numpy().T)
        self._scale = np.ascontiguousarray(connection_signs(net.m.numpy(), net.som_m.numpy(), net.som_N > 0))
        self._W, self._W_t = np.empty_like(self._p["w"]), np.empty_like(self._p["w"])
        self._dense = training_kernels.Dense(self._W, self._W_t, self._w_in_t)
        self._sums = lanes.Gradients(self._g["alpha"], self._g["w_out"], self._g["b_out"])
        self.reload()

    def _check_network(self) -> None:
        """Check the arrays that loops will read and write by index, and lay out the weights row by row.

        Raises:
            ValueError: an array of the network has a wrong shape, dtype or device.
        """
        net, N = self.net, self.net.N
        if not compiled_loops_take(net):
            raise ValueError(
                f"the network is {net.w.dtype} on {net.w.device}; it must be float32 or float64 on the CPU"
            )
        shapes = {
            "w": (N, N),
            "w_in": (N, net.w_in.shape[-1]),
            "w_out": (net.n_out, N),
            "b_out": (net.n_out,),
            "taus_gaus": (N, 1),
            "m": (N, N),
            "som_m": (N, N),
        }
        for name, shape in shapes.items():
            own = getattr(net, name)
            if own.dtype != net.w.dtype or own.device != net.w.device:
                raise ValueError(f"{name} is {own.dtype} on {own.device}; w is {net.w.dtype} on {net.w.device}")
            tensor_of(name, own, shape, own.dtype, own.device, finite=name in ("w_in", "m", "som_m"))
            if not own.is_contiguous():  # flat views would be copies, and their updates lost
                own.data = own.data.contiguous()

    def reload(self) -> None:
        """Take over the network's weights as they are now."""
        self._W[:] = self.net.effective_weights().detach().numpy()
        np.copyto(self._W_t, self._W.T)

    def _buffer(self, kind: str, T: int) -> dict[str, Any]:
        """Arrays that are reused from update to update, of trials one by one ('single') or side by side ('lanes').

        Those of shorter trials are parts of those of the longest so far, so that memory does not grow with the number
        of lengths.
        """
        if self._buffers.get(kind, {}).get("T") == T:
            return self._buffers[kind]
        N, n_out, L = self.net.N, self._n_out, self._of_live.LANES
        shapes: dict[str, dict[str, tuple[int, ...]]] = {
            "single": {
                "x": (T, N),
                "r": (T, N),
                "h": (T - 1, N),
                "a": (T - 1, N),
                "o": (n_out, T - 1),
                "go": (n_out, T - 1),
                "nothing": (0, 0),
            },
            "lanes": {
                "X": (N, T, L) if self._phi == self._clipped else (0, 0, 0),
                "R": (N, T, L),
                "A": (N, T - 1, L),
                "o": (n_out, T, L),
                "go": (n_out, T - 1, L),
            },
        }
        b: dict[str, Any] = {name: self._part(f"{kind} {name}", shape) for name, shape in shapes[kind].items()}
        if kind == "single":
            b["space"] = self._kernels.Space(**b)
            b["of_product"] = torch.from_numpy(b["a"]).T, torch.from_numpy(b["r"])[:-1]
        else:
            b["kept"] = self._lanes.Kept(b["X"], b["R"], b["A"])
            A, R = (torch.from_numpy(b[name].reshape(N, -1)) for name in ("A", "R"))
            b["of_product"] = A, R[:, :-L].T
        self._buffers[kind] = b | {"T": T}
        return self._buffers[kind]

    def _part(self, name: str, shape: tuple[int, ...]) -> _Array:
        """The first numbers of a buffer, in a shape."""
        size = math.prod(shape)
        if name not in self._storage or self._storage[name].size < size:
            self._storage[name] = np.zeros(size, self._dtype)
        return self._storage[name][:size].reshape(shape)

    def update(
        self,
        u: ArrayLike,
        z: ArrayLike,
        x0: ArrayLike,
        noise: ArrayLike,
        weight: ArrayLike | None = None,
        *,
        finite: bool = True,
    ) -> float:
        """Take one step on a batch of trials.

        Args:
            u: as in `TorchUpdates.update` (B, n_in, T), unitless.
            z: (B, T), or (B, n_out, T) of several outputs, unitless.
            x0: (B, N), unitless.
            noise: (B, T-1, N), unitless.
            weight: in the shape of z, at least 0, unitless; all 1 when None.
            finite: whether they are checked for NaN and infinity.

        Returns:
            the mean loss of the trials before the step, unitless.

        Raises:
            ValueError: as in `TorchUpdates.update`.

        Source:
            docs/model.md 3.
        """
        N, dtype = self.net.N, self._dtype
        u = array_of("u", u, (BATCH, self._w_in.shape[1], STEPS), dtype, finite)
        B, _, T = u.shape
        n_out = self._n_out
        shape = (B, T) if n_out == 1 else (B, n_out, T)
        z = array_of("z", z, shape, dtype, finite).reshape(B, n_out, T)
        if weight is not None:
            weight = array_of("weight", weight, shape, dtype, finite).reshape(B, n_out, T)
            if finite and weight.min() < 0:
                raise ValueError(f"weight holds {weight.min():g}; it must be at least 0")
        x0, noise = array_of("x0", x0, (B, N), dtype, finite), array_of("noise", noise, (B, T - 1, N), dtype, finite)
        for g in self._g.values():
            g[:] = 0
        share = self._share_of_span()
        alpha = 1 / (share * self._span + self._low)
        L = self._of_live.LANES
        units = self._units(alpha, self._p["w_out"], self._p["b_out"], self._phi)
        common = units, self._kernels.Objective(self._loss, dtype(1 / B))
        loss = 0.0
        for first in range(0, B, L):
            k = slice(first, first + L)
            group = u[k], z[k], None if weight is None else weight[k], x0[k], noise[k]
            pays = len(group[0]) >= LANES_PAY
            loss += (self._side_by_side if pays else self._one_by_one)(common, *group)
        self._adam(share, alpha)
        mean: float = loss / B
        return mean

    def _one_by_one(
        self, common: tuple[Any, Any], u: _Array, z: _Array, weight: _Array | None, x0: _Array, noise: _Array
    ) -> float:
        (units, objective), b, loss = common, self._buffer("single", u.shape[2]), 0.0
        for k in range(len(u)):
            b["x"][0] = x0[k]
            trial = u[k], z[k], self._all_ones[0] if weight is None else weight[k], noise[k]  # as in Trial
            loss += self._kernels.trial_gradients(*self._dense, *units, *objective, *trial, *b["space"], *self._sums)
            self._product(*b["of_product"])
        return loss

    def _side_by_side(
        self, common: tuple[Any, Any], u: _Array, z: _Array, weight: _Array | None, x0: _Array, noise: _Array
    ) -> float:
        b = self._buffer("lanes", u.shape[2])
        live, live_t = self._live
        loss: float = self._kernels.gradients_side_by_side(
            live.take(self._W).parts,
            live_t.take(self._W_t).parts,
            self._w_in,
            *common,
            self._lanes.Trials(u, x0, noise),
            z,
            self._all_ones[1] if weight is None else weight,
            b["o"],
            b["go"],
            b["kept"],
            self._sums,
        )
        self._product(*b["of_product"])
        return loss

    def _product(self, a: torch.Tensor, r: torch.Tensor) -> None:
        """Adds to the gradient of W the sum over steps of a[t] r[t-1]^T, by BLAS."""
        self._g_W.addmm_(a, r)

    @functools.cached_property
    def _live(self) -> list[LiveMatrix]:
        return [self._of_live.LiveMatrix(self.net.N, self._dtype) for _ in range(2)]

    def _share_of_span(self) -> _Array:
        """sigmoid(taus_gaus) (N,): where each tau lies between the bounds; 0 for the one tau that all units share."""
        if "taus_gaus" not in self._flat:
            return np.zeros(self.net.N, self._dtype)
        return share_of_span(self._flat["taus_gaus"][0])

    def _adam(self, share: _Array, alpha: _Array) -> None:
        self._step += 1
        with np.errstate(over="ignore"):  # an absurd learning rate gives infinity, and the loss tells
            numbers = *corrections(self.training.learning_rate, self._step), *BETAS, EPS
            constants = [self._dtype(number) for number in numbers]
        gradients = {"w_out": self._g["w_out"].reshape(-1), "b_out": self._g["b_out"]}
        if "taus_gaus" in self._flat:
            # dL/dtau = -alpha^2 dL/dalpha, dtau/dtaus_gaus = span share (1 - share)
            gradients["taus_gaus"] = -self._g["alpha"] * alpha * alpha * self._span * share * (1 - share)
        for name, g in gradients.items():
            p, m, v = self._flat[name]
            self._kernels.adam(p, g, m, v, *constants)
        self._kernels.adam_of_weights(
            self._p["w"],
            self._g["W"],
            self._scale,
            self.net.apply_dale,
            self._m["w"],
            self._v["w"],
            *constants,
            self._W,
        )
        np.copyto(self._W_t, self._W.T)

    def state_dict(self) -> dict[str, Any]:
        """Return Adam's state.

        Returns:
            the state as torch lays it out; its tensors are copies.
        """
        state = {
            i: {
                "step": torch.tensor(float(self._step)),
                "exp_avg": torch.from_numpy(self._m[name].copy()),
                "exp_avg_sq": torch.from_numpy(self._v[name].copy()),
            }
            for i, name in enumerate(self._p)
        }
        # Written out, since making an Adam of torch's imports its compiler, which takes a second.
        group = {
            "lr": self.training.learning_rate,
            "betas": BETAS,
            "eps": EPS,
            "weight_decay": 0,
            "amsgrad": False,
            "maximize": False,
            "foreach": None,
            "capturable": False,
            "differentiable": False,
            "fused": True,
            "decoupled_weight_decay": False,
            "params": list(range(len(self._p))),
        }
        return {"state": state if self._step else {}, "param_groups": [group]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state of this class or of torch's Adam, with the network's weights as they are now.

        Args:
            state: as from `state_dict`.
        """
        for i, name in enumerate(self._p):
            if i in state["state"]:
                entry = state["state"][i]
                self._step = int(entry["step"])
                for moments, key in ((self._m, "exp_avg"), (self._v, "exp_avg_sq")):
                    own = moments[name]
                    own[:] = array_of(f"{key} of {name}", entry[key], own.shape, own.dtype, finite=False)
        self.reload()
