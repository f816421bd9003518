"""Few trials of a network on the CPU, in one compiled call: what a user's own loop over trials waits for.

What a call prepares for the next, such as where the live connections are, is kept for each network and thread. It is
compared with the network's numbers at every call, so that a network that changed in any way is simulated as it is.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ratecore.rate.dynamics import alone_kernels as loops
from ratecore.rate.dynamics.kernels import CODES
from ratecore.rate.dynamics.packed import lanes_of
from ratecore.rate.dynamics.packing import FRESH, LEAST_UNITS, MOST_LIVE, packed_entries
from ratecore.rate.saved import SavedNetwork
from ratecore.system.arrays import numbers

if TYPE_CHECKING:  # without PyTorch for networks as arrays
    import torch

    from ratecore.rate.network import RateNetwork


class _Prepared:
    """What is known about a network from the call before."""

    def __init__(self) -> None:
        self._layout: list[Any] = []
        self._bounds: tuple[float, ...] = ()
        self.arrays: list[Any] = []
        self.usable = False

    def look_at(self, net: RateNetwork | SavedNetwork) -> bool:
        """Takes over the arrays of a network that are not those of the call before; tells whether loops take them."""
        return self._look_at_arrays(net) if isinstance(net, SavedNetwork) else self._look_at_tensors(net)

    def _look_at_arrays(self, net: SavedNetwork) -> bool:
        """As `look_at`, of a network that does not change."""
        if net.conn_m is None and not self.usable:
            arrays = (net.w, net.w_out, net.b_out, net.taus_gaus, net.w_in, net.m, net.som_m)
            self.usable = net.w.dtype in (np.float32, np.float64) and lanes_of(net.w.dtype) > 0
            if self.usable:
                self.arrays = [np.ascontiguousarray(array, net.w.dtype) for array in arrays]
                self.find_taus(net)
                self.find_connections(net)
        return self.usable and not self._dense

    def _look_at_tensors(self, net: RateNetwork) -> bool:
        from ratecore.rate.network import compiled_loops_take

        parameters, buffers = net._parameters, net._buffers
        if buffers.get("conn_m") is not None:  # a mask of a kind that the loops do not know
            return False
        w_in = parameters["w_in"] if "w_in" in parameters else buffers["w_in"]
        tensors: tuple[Any, ...] = (
            *(parameters["w"], parameters["w_out"], parameters["b_out"], parameters["taus_gaus"]),
            *(w_in, buffers["m"], buffers["som_m"]),
        )
        layout = [(v.data_ptr(), v.shape, v.is_contiguous(), v.dtype) for v in tensors]
        if layout != self._layout or net.settings.taus != self._bounds:
            self._layout, self._bounds = layout, net.settings.taus
            N, n_in, n_out = net.N, tensors[4].shape[-1], net.n_out
            shapes = [(N, N), (n_out, N), (n_out,), (N, 1), (N, n_in), (N, N), (N, N)]
            self.usable = compiled_loops_take(net) and all(
                v.shape == shape and v.dtype == net.w.dtype and v.device == net.w.device and v.is_contiguous()
                for v, shape in zip(tensors, shapes, strict=True)
            )
            if self.usable:
                self.arrays = [v.detach().numpy() for v in tensors]
                self.usable = lanes_of(self.arrays[0].dtype) > 0
            if self.usable:
                self.find_taus(net)
                self.find_connections(net)
        if self.usable and self._dense:  # until enough connections are lost
            w, m, som_m = self.arrays[0], self.arrays[5], self.arrays[6]
            if loops.count_connections(w, m, som_m, net.apply_dale) <= MOST_LIVE * w.size:
                self.find_connections(net)
        return self.usable and not self._dense

    def find_taus(self, net: RateNetwork | SavedNetwork) -> None:
        """Computes the time constants."""
        tau = numbers(net.time_constants())
        N, dtype = net.N, self.arrays[0].dtype
        self.known_taus, self.shortest = numbers(net.taus_gaus).copy(), float(tau.min())
        self.n_out, self.dtype, self.nothing = net.n_out, dtype, (np.empty((0, 0, 0), dtype),) * 3
        self.alpha = np.zeros(-(-N // loops.WIDTH) * loops.WIDTH, dtype)
        self.alpha[:N] = 1 / tau

    def find_connections(self, net: RateNetwork | SavedNetwork) -> None:
        """Packs the live connections, where that pays."""
        live, N, n = numbers(net.effective_weights()) != 0, net.N, self.alpha.size
        count = int(np.count_nonzero(live))
        self._dense = N >= LEAST_UNITS and count > MOST_LIVE * N * N
        padded = np.zeros((n, n), bool)
        padded[:N, :N] = live
        packed, place = packed_entries(padded, (N, 1), self.alpha.dtype, by_length=False)
        sender = np.maximum(place, 0) % N
        self.connections = *packed[:4], place, sender.astype(np.int32), int(FRESH * count)


class _PerThread(threading.local):
    def __init__(self) -> None:
        self.of: weakref.WeakKeyDictionary[Any, _Prepared] = weakref.WeakKeyDictionary()


_prepared = _PerThread()


def takes(net: RateNetwork | SavedNetwork) -> bool:
    """Tell whether `simulated` can run a standard network.

    Args:
        net: the network.

    Returns:
        False where matrix products are faster, or time constants are too short.
    """
    known = _known(net)
    return known.look_at(net) and known.shortest >= 1


def _known(net: RateNetwork | SavedNetwork) -> _Prepared:
    known = _prepared.of.get(net)
    if known is None:
        known = _prepared.of[net] = _Prepared()
    return known


def simulated(
    net: RateNetwork,
    stim: Float[torch.Tensor, "B n_in T"],
    x0: Float[torch.Tensor, "B N"],
    noise: Float[torch.Tensor, "B T-1 N"],
    finite: bool,
    activation: str,
    kept: str,
    first: int,
) -> tuple[torch.Tensor, ...] | None:
    """Simulate trials of a standard network without a graph, if loops can.

    Args:
        net: the network.
        stim: stimuli (B, n_in, T), unitless.
        x0: synaptic currents at the first step (B, N), unitless.
        noise: (B, T-1, N), unitless.
        finite: whether the trials are checked for NaN and infinity.
        activation: name of phi.
        kept: which states are returned besides the outputs: '', 'xr', or 'xrh' with the total input.
        first: step of the first output, 0 or 1.

    Returns:
        o (B, T - first) or (B, n_out, T - first) and, as far as kept, x and r (B, T, N) and h (B, T-1, N); unitless.
        None when the network is none that these loops take, or the trials contain NaN or infinity.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    if not _known(net).look_at(net):
        return None
    arrays = [
        (v if v.is_contiguous() and not v.requires_grad else v.detach().contiguous()).numpy() for v in (stim, x0, noise)
    ]
    found = _simulated(net, net.apply_dale, arrays, (finite, activation, kept, first))
    if found is None:
        return None
    from torch import from_numpy

    return tuple([from_numpy(array) for array in found])


def simulated_arrays(net: SavedNetwork, arrays: list[NDArray[Any]]) -> tuple[NDArray[Any], ...] | None:
    """As `simulated`, of a network and trials that are arrays, from the first step on.

    Args:
        net: the network.
        arrays: stimuli (B, n_in, T), first states (B, N) and noise (B, T-1, N), unitless, contiguous and in the
            network's precision.

    Returns:
        o (B, T) or (B, n_out, T), x and r (B, T, N), unitless; None when these loops take the network not, or the
        trials contain NaN or infinity.

    Source:
        docs/model.md 1.1, equations 1 to 3.
    """
    if not _known(net).look_at(net):
        return None
    return _simulated(net, net.settings.apply_dale, arrays, (True, net.activation, "xr", 0))


def _simulated(
    net: RateNetwork | SavedNetwork, dale: bool, arrays: list[NDArray[Any]], options: tuple[bool, str, str, int]
) -> tuple[NDArray[Any], ...] | None:
    """`simulated` of a network that has been looked at; `options` are its last arguments."""
    known, (finite, activation, kept, first) = _known(net), options
    (B, _, T), N, n_out, dtype = arrays[0].shape, net.N, known.n_out, known.dtype
    o = np.empty((B, T - first) if n_out == 1 else (B, n_out, T - first), dtype)
    states = [np.empty((B, T - (name == "h"), N), dtype) for name in kept]
    results = *states, *known.nothing[len(kept) :], o.reshape(-1)
    for _ in range(3):
        if not known.shortest >= 1:
            return None
        done = loops.simulate(  # type: ignore[call-arg]  # the fields of tuples, which type checkers cannot follow
            *known.arrays,
            dale,
            CODES[activation],
            known.known_taus,
            known.alpha,
            *known.connections,
            *arrays,
            finite,
            *results,
            first,
        )
        if done == loops.DONE:
            return o, *states
        if done == loops.OTHER_TAUS:
            known.find_taus(net)
        elif done == loops.OTHER_CONNECTIONS:
            known.find_connections(net)
            if not known.look_at(net):
                return None
        else:
            return None
    return None  # another thread changes the network, or its numbers are NaN
