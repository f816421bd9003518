"""One update of a network by Adam (model.md 3) in compiled loops, on the CPU.

It does what `ratecore.rate.updates.TorchUpdates` does by autograd, and holds Adam's state in the same layout.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from ratecore.rate.adam import BETAS, EPS, corrections
from ratecore.rate.constraints import Constraints
from ratecore.rate.dynamics.limits import LANES_PAY
from ratecore.rate.fused_optimizer import FusedOptimizer
from ratecore.rate.losses import chosen_loss
from ratecore.rate.network import RateNetwork, compiled_loops_take
from ratecore.rate.optimizers import is_plain
from ratecore.rate.parameters import share_of_span
from ratecore.rate.penalties import add_weight_slopes, rate_slope
from ratecore.settings.training import TrainingSettings
from ratecore.system.arrays import BATCH, STEPS, array_of, tensor_of

if TYPE_CHECKING:
    from ratecore.rate.dynamics.live import LiveMatrix
    from ratecore.rate.dynamics.packing import Packing

_Array = NDArray[Any]


class FusedUpdates:
    """Updates of an `FR_RNN_dale` on the CPU: no graph, no allocation and a handful of calls a trial.

    The network's own parameters are updated in place. They must not be changed by others between two updates, except
    that `reload` is called afterwards. `learning_rate` is that of the next update.

    Args:
        net: the network, updated in place.
        training: optimizer, loss and penalties.
        distances: of the units (N, N), unitless, where they cost something.

    Raises:
        ValueError: an array of the network has a wrong shape, dtype or device, or the loss cannot be compiled.
    """

    def __init__(
        self, net: RateNetwork, training: TrainingSettings, distances: Float[torch.Tensor, "N N"] | None = None
    ):
        from ratecore.rate.dynamics import (
            kernels,
            lanes,
            live,
            loss_kernels,
            optimizer_kernels,
            packed_training,
            packing,
            training_kernels,
        )

        self.net, self.training, self._lanes, self._of_live = net, training, lanes, live
        self.learning_rate, self._penalties = training.learning_rate, training.penalties
        # Any, since the fields of several tuples are passed one after another, which type checkers cannot follow.
        self._kernels: Any = training_kernels
        self._of_optimizer: Any = optimizer_kernels
        self._packed_kernels: Any = packed_training
        self._of_packing = packing
        self._clipped, self._units = kernels.CLIPPED_RELU, kernels.Units
        self._phi, self._slope_of_phi = kernels.CODES[net.activation], kernels.slope_of_phi
        self._loss = loss_kernels.LOSS_CODES[str(chosen_loss(training.loss_fn, net.n_out))]
        self._check_network()
        names = [name for name, p in net.named_parameters() if p.requires_grad]
        self._p = {name: getattr(net, name).detach().numpy() for name in names}
        every = ("w", "w_in", "w_out", "b_out", "taus_gaus")
        self._a = {name: getattr(net, name).detach().numpy() for name in every}  # trained or not
        self._m, self._v = ({name: np.zeros_like(p) for name, p in self._p.items()} for _ in range(2))
        self._flat = {name: [d[name].reshape(-1) for d in (self._p, self._m, self._v)] for name in names}
        self._step = 0
        self._buffers: dict[str, dict[str, Any]] = {}
        self._storage: dict[str, _Array] = {}
        self._dtype = self._a["w"].dtype.type
        self._low, self._span = (
            self._dtype(net.settings.taus[0]),
            self._dtype(net.settings.taus[-1] - net.settings.taus[0]),
        )
        self._n_out = n_out = net.n_out
        N = net.N
        shapes = {"W": (N, N), "alpha": (N,), "w_out": (n_out, N), "b_out": (n_out,)}
        also_trained = {"w_in": (N, net.w_in.shape[1]), "x0_mean": (N,)}
        shapes |= {name: shape for name, shape in also_trained.items() if name in self._p}
        self._g = {name: np.zeros(shape, self._dtype) for name, shape in shapes.items()}
        self._constraints = Constraints([net], is_plain(training))
        self._tensors = {name: torch.from_numpy(p) for name, p in self._p.items()}
        self._all_ones = np.empty((0, 0), self._dtype), np.empty((0, 0, 0), self._dtype)  # where no weight is given
        self._g_W = torch.from_numpy(self._g["W"])
        self._w_in = np.ascontiguousarray(self._a["w_in"])
        self._w_in_t = np.ascontiguousarray(self._w_in.T)
        self._scale = np.ascontiguousarray(net.connection_signs().numpy())
        self._W, self._W_t = np.empty_like(self._a["w"]), np.empty_like(self._a["w"])
        self._packed: Packing | None = None
        # Elsewhere than here, connections that are not live have gradients that matter, such as without Dale's law.
        self._may_be_packed = (
            net.apply_dale and is_plain(training) and "w" in self._p and packing.can_pack(N, self._dtype)
        )
        self._sums = lanes.Gradients(self._g["alpha"], self._g["w_out"], self._g["b_out"])
        self._distances = None if distances is None else distances.to(self._g_W.dtype)
        self._free = kernels.RateSlopes(self._dtype(0), self._dtype(0), 0)
        none = np.empty(0, self._dtype)
        self._all_free = kernels.RateSlopes(none, none, np.empty(0, np.int64))
        self._optimizer = None
        if not is_plain(training):
            self._optimizer = FusedOptimizer({name: getattr(net, name) for name in names}, training, net.apply_dale)
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
        if net.conn_m is not None:
            shapes["conn_m"] = (N, N)
        for name, shape in shapes.items():
            own = getattr(net, name)
            if own.dtype != net.w.dtype or own.device != net.w.device:
                raise ValueError(f"{name} is {own.dtype} on {own.device}; w is {net.w.dtype} on {net.w.device}")
            tensor_of(name, own, shape, own.dtype, own.device, finite=name in ("w_in", "m", "som_m", "conn_m"))
            if not own.is_contiguous():  # flat views would be copies, and their updates lost
                own.data = own.data.contiguous()

    def reload(self) -> None:
        """Take over the network's weights as they are now."""
        self._W[:] = self.net.effective_weights().detach().numpy()
        self._W_t_is_new = False
        np.copyto(self._w_in_t, self._w_in.T)

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
        steps: Sequence[int] | None = None,
    ) -> float:
        """Take one step on a batch of trials.

        Args:
            u: as in `TorchUpdates.update` (B, n_in, T), unitless.
            z: (B, T), or (B, n_out, T) of several outputs, unitless.
            x0: (B, N), unitless.
            noise: (B, T-1, N), unitless.
            weight: in the shape of z, at least 0, unitless; all 1 when None.
            finite: whether they are checked for NaN and infinity.
            steps: length of each trial, for penalties on rates; T when None.

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
        first = array_of("x0", x0, (B, N), dtype, finite)
        if "x0_mean" in self._p:
            first = first + self._p["x0_mean"]
        noise = array_of("noise", noise, (B, T - 1, N), dtype, finite)
        for g in self._g.values():
            g[:] = 0
        share = self._share_of_span()
        alpha = 1 / (share * self._span + self._low)
        L = self._of_live.LANES
        units = self._units(alpha, self._a["w_out"], self._a["b_out"], self._phi)
        common = units, self._kernels.Objective(self._loss, dtype(1 / B))
        rates = self._rates(B, T, steps) if self._penalties.of_rates else None
        loss = 0.0
        for start in range(0, B, L):
            k = slice(start, start + L)
            group = u[k], z[k], None if weight is None else weight[k], first[k], noise[k], rates and rates[k]
            pays = len(group[0]) >= LANES_PAY
            loss += (self._side_by_side if pays else self._one_by_one)(common, *group)
        if self._penalties.of_weights:
            add_weight_slopes(torch.from_numpy(self._W), self._g_W, self._penalties, self._distances)
        self._take_step(share, alpha)
        mean: float = loss / B
        return mean

    def _rates(self, B: int, T: int, steps: Sequence[int] | None) -> list[tuple[Any, ...]]:
        """The slopes of the penalties on the rates of each trial, as `RateSlopes`."""
        lengths = [T] * B if steps is None else [int(n) for n in steps]
        slopes = [rate_slope(self._penalties, self.net.N, max(n - 1, 1)) for n in lengths]
        return [(self._dtype(s.mean / B), self._dtype(s.square / B), n) for s, n in zip(slopes, lengths, strict=True)]

    def _one_by_one(
        self,
        common: tuple[Any, Any],
        u: _Array,
        z: _Array,
        weight: _Array | None,
        x0: _Array,
        noise: _Array,
        rates: list[tuple[Any, ...]] | None,
    ) -> float:
        (units, objective), b, loss = common, self._buffer("single", u.shape[2]), 0.0
        packing = self._packing()
        for k in range(len(u)):
            b["x"][0] = x0[k]
            trial = u[k], z[k], self._all_ones[0] if weight is None else weight[k], noise[k]  # as in Trial
            slopes = self._free if rates is None else rates[k]
            rest = self._w_in_t, *units, *objective, *trial, *slopes, *b["space"], *self._sums
            if packing is None:
                loss += self._kernels.trial_gradients(self._W, self._transposed(), *rest)
            else:
                connections = *packing.W, *packing.W_t, packing.g
                loss += self._packed_kernels.packed_trial_gradients(*connections, *rest)
            self._products(b, u[k : k + 1], x0[k : k + 1], alpha=units.alpha, of_W=packing is None)
        if packing is not None:
            packing.add_to(self._g["W"])
        return loss

    def _packing(self) -> Packing | None:
        """The live connections, packed, where that pays. It depends on the weights alone, not on what was before."""
        if not self._may_be_packed:
            return None
        live = self._of_packing.count_live(self._W.reshape(-1))
        if live > self._of_packing.MOST_LIVE * self._W.size:
            return None
        if self._packed is None:
            self._packed = self._of_packing.Packing(self._W)
        return self._packed.take(self._W, live)

    def _transposed(self) -> _Array:
        """The transposed effective weights, which packed trials do without."""
        if not self._W_t_is_new:
            np.copyto(self._W_t, self._W.T)
            self._W_t_is_new = True
        transposed: _Array = self._W_t
        return transposed

    def _side_by_side(
        self,
        common: tuple[Any, Any],
        u: _Array,
        z: _Array,
        weight: _Array | None,
        x0: _Array,
        noise: _Array,
        rates: list[tuple[Any, ...]] | None,
    ) -> float:
        slopes = self._all_free
        if rates is not None:
            mean, square, steps = (np.array(v) for v in zip(*rates, strict=True))
            slopes = type(slopes)(mean, square, steps.astype(np.int64))
        b = self._buffer("lanes", u.shape[2])
        live, live_t = self._live
        loss: float = self._kernels.gradients_side_by_side(
            live.take(self._W).parts,
            live_t.take(self._transposed()).parts,
            self._w_in,
            *common,
            self._lanes.Trials(u, x0, noise),
            z,
            self._all_ones[1] if weight is None else weight,
            slopes,
            b["o"],
            b["go"],
            b["kept"],
            self._sums,
        )
        self._products(b, u, x0, alpha=common[0].alpha)
        return loss

    def _products(self, b: dict[str, Any], u: _Array, x0: _Array, alpha: _Array, of_W: bool = True) -> None:
        """Adds to the gradients what follows from a[t] = alpha dL/dx[t], the gradient of the input of each unit.

        That of W is the sum over steps of a[t] r[t-1]^T, that of w_in the sum of a[t] u[t-1]^T, both by BLAS.
        """
        if "w" in self._p and of_W:
            self._g_W.addmm_(*b["of_product"])
        if "w_in" in self._p:
            a = b["of_product"][0].numpy()  # (N, steps), or (N, steps x lanes)
            lanes = a.shape[1] // (u.shape[2] - 1)
            inputs = np.zeros((u.shape[2] - 1, lanes, u.shape[1]), self._dtype)
            inputs[:, : len(u)] = u[:, :, :-1].transpose(2, 0, 1)
            self._g["w_in"] += a @ inputs.reshape(-1, u.shape[1])
        if "x0_mean" in self._p:
            lanes = "A" in b
            first, r = (b["A"][:, 0, : len(u)].T, b["R"][:, 0, : len(u)].T) if lanes else (b["a"][:1], b["r"][:1])
            x, r, slope = x0.reshape(-1), r.reshape(-1), np.empty(x0.size, self._dtype)
            self._slope_of_phi(x, r, self._phi, slope)
            through_rates = slope.reshape(x0.shape) * (first @ self._W)
            self._g["x0_mean"] += ((1 - alpha) / alpha * first + through_rates).sum(0)

    @functools.cached_property
    def _live(self) -> list[LiveMatrix]:
        return [self._of_live.LiveMatrix(self.net.N, self._dtype) for _ in range(2)]

    def _share_of_span(self) -> _Array:
        """sigmoid(taus_gaus) (N,): where each tau lies between the bounds; 0 for the one tau that all units share."""
        if len(self.net.settings.taus) == 1:
            return np.zeros(self.net.N, self._dtype)
        return share_of_span(self._a["taus_gaus"].reshape(-1))

    def _take_step(self, share: _Array, alpha: _Array) -> None:
        gradients = {name: self._g[name].reshape(-1) for name in self._p if name not in ("w", "taus_gaus")}
        if "taus_gaus" in self._p:
            # dL/dtau = -alpha^2 dL/dalpha, dtau/dtaus_gaus = span share (1 - share)
            gradients["taus_gaus"] = -self._g["alpha"] * alpha * alpha * self._span * share * (1 - share)
        every = gradients | {"w": self._g["W"]} if "w" in self._p else gradients
        if self._constraints:
            slopes = {name: torch.from_numpy(g).reshape(self._p[name].shape) for name, g in every.items()}
            self._constraints.before(slopes, self._tensors)
        if self._optimizer is None:
            self._adam(gradients)
            self._constraints.after(self._tensors)
        else:
            self._general_step(self._optimizer, every)
        self._W_t_is_new = False
        if "w_in" in self._p:
            np.copyto(self._w_in_t, self._w_in.T)

    def _general_step(self, optimizer: FusedOptimizer, gradients: dict[str, _Array]) -> None:
        """A step of any optimizer, from the gradient of W to the new w and W."""
        w, dale = self._a["w"], self.net.apply_dale
        if "w" in self._p:
            self._of_optimizer.gradient_of_weights(w, self._g["W"], self._scale, dale)
        optimizer.take({name: g.reshape(-1) for name, g in gradients.items()}, self.learning_rate)
        self._constraints.after(self._tensors)
        self._of_optimizer.effective(w, self._scale, dale, self._W)

    def _adam(self, gradients: dict[str, _Array]) -> None:
        self._step += 1
        with np.errstate(over="ignore"):  # an absurd learning rate gives infinity, and the loss tells
            numbers = *corrections(self.learning_rate, self._step), *BETAS, EPS
            constants = [self._dtype(number) for number in numbers]
        for name, g in gradients.items():
            p, m, v = self._flat[name]
            self._kernels.adam(p, g, m, v, *constants)
        if "w" not in self._p:
            return
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

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state.

        Returns:
            the state as torch lays it out; its tensors are copies.
        """
        if self._optimizer is not None:
            return self._optimizer.state_dict()
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
        if self._optimizer is not None:
            self._optimizer.load_state_dict(state)
            return self.reload()
        for i, name in enumerate(self._p):
            if i in state["state"]:
                entry = state["state"][i]
                self._step = int(entry["step"])
                for moments, key in ((self._m, "exp_avg"), (self._v, "exp_avg_sq")):
                    own = moments[name]
                    own[:] = array_of(f"{key} of {name}", entry[key], own.shape, own.dtype, finite=False)
        self.reload()
