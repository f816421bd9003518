"""The rate network of docs/model.md 1 (Kim, Li & Sejnowski, PNAS 2019, Eqs. 1-5): parameters, masks, tau transform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike
from torch import nn

from ratecore.rate.lesions import Lesions
from ratecore.rate.parameters import effective_weights, rectified, time_constants
from ratecore.rate.starting import starting_weights
from ratecore.rate.structured import Structured
from ratecore.settings.network import NetworkSettings
from ratecore.system.devices import torch_device
from ratecore.system.streams import draw_inhibitory


class RateNetwork(Structured, Lesions, nn.Module):
    """A network of N rate units that obeys Dale's law unless told not to (docs/model.md 1).

    Everything that the network is lives in its parameters and buffers and, by its settings, in the extra state of
    `state_dict`, which therefore restores it alone. Time constants are in steps of 5 ms.

    Args:
        settings: what the network is besides its arrays.
        n_in: number of inputs.
        rng: numpy generator or seed of all that is drawn here; fresh entropy when None. The global generators are not
            touched.
        device: torch device.
        dtype: of the parameters.
        n_out: number of outputs.

    Raises:
        ValueError: fewer inhibitory units than `som_N`, or a device that cannot be used.
    """

    # Parameters and buffers, unitless: w is trained before Dale's law, m has the signs on its diagonal, and som_m the
    # mask of the connections that SST units do not receive.
    w: Float[torch.Tensor, "N N"]
    w_in: Float[torch.Tensor, "N n_in"]
    w_out: Float[torch.Tensor, "n_out N"]
    b_out: Float[torch.Tensor, " n_out"]
    taus_gaus: Float[torch.Tensor, "N 1"]
    m: Float[torch.Tensor, "N N"]
    som_m: Float[torch.Tensor, "N N"]
    conn_m: Float[torch.Tensor, "N N"] | None  # of the connections that it can have; None if it can have all
    x0_mean: Float[torch.Tensor, " N"] | None  # state at the first step without noise; None unless it is trained
    inh: Bool[torch.Tensor, " N"]
    exc: Bool[torch.Tensor, " N"]
    saved_task: Any  # what the file of a loaded network says about its task

    parameter_names = ("w", "w_out", "b_out", "taus_gaus")
    _standard = True  # see `is_standard`

    def __init__(
        self,
        settings: NetworkSettings,
        n_in: int,
        rng: np.random.Generator | int | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        n_out: int = 1,
    ):
        super().__init__()
        generator, N = np.random.default_rng(rng), settings.N
        self._draw(settings, torch.zeros(N, n_in, dtype=dtype), torch.zeros(n_out, N, dtype=dtype), generator)
        with torch.no_grad():  # drawn last (docs/model.md 1)
            self.w_in.copy_(torch.as_tensor(generator.standard_normal((N, n_in))))
            self.w_out.copy_(torch.as_tensor(generator.standard_normal((n_out, N)) / 100))
            self._start(generator)
        self.to(torch_device(device))

    def _draw(
        self, settings: NetworkSettings, w_in: torch.Tensor, w_out: torch.Tensor, rng: np.random.Generator
    ) -> None:
        """Draws types, weights and time constants, in this order, for the dtype of w_in (N, n_in)."""
        self._adopt(settings)
        self._rng = rng
        inh, exc, _, _, _ = self.assign_exc_inh()
        self._register(inh=inh, exc=exc)
        self._allowed: np.ndarray | None = None  # set by `initialize_W`, unless a subclass has its own
        w, m, som_m = self.initialize_W()
        taus_gaus = rng.standard_normal((self.N, 1))
        dtype = w_in.dtype
        b_out = np.zeros(len(w_out))
        self._register(dtype, w_in=w_in, m=m, som_m=som_m, w=w, w_out=w_out, b_out=b_out, taus_gaus=taus_gaus)
        x0_mean = torch.zeros(self.N) if "x0" in settings.trained else None
        self._register(dtype, conn_m=self._allowed, x0_mean=x0_mean)
        self._drawn: dict[str, torch.Tensor] | None = {
            name: getattr(self, name).detach().clone() for name in ("w", "taus_gaus")
        }

    def _adopt(self, settings: NetworkSettings) -> None:
        """Takes over what a network is besides its arrays."""
        self.settings = s = settings
        self.N, self.P_inh, self.P_rec, self.som_N = s.N, s.P_inh, s.P_rec, s.som_N
        self.w_dist, self.gain, self.apply_dale, self.activation = s.w_dist, s.gain, s.apply_dale, s.activation
        if hasattr(self, "w_in") and self._trains("w_in") != ("w_in" in self._parameters):
            self._register(w_in=self.w_in)
        if hasattr(self, "x0_mean") and self.x0_mean is None and self._trains("x0_mean"):
            self._register(x0_mean=torch.zeros_like(self.w[0]))
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(self._trains(name))

    def _trains(self, name: str) -> bool:
        """Whether training changes an array."""
        s = self.settings
        return s.trains_taus if name == "taus_gaus" else {"x0_mean": "x0"}.get(name, name) in s.trained

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return self.w_out.shape[0]

    @property
    def taus(self) -> Float[torch.Tensor, " _"]:
        """Bounds of the decay times, (tau,) or (tau_min, tau_max), in steps, float64 (docs/model.md 1)."""
        return torch.tensor(self.settings.taus, dtype=torch.float64)

    def _register(self, dtype: torch.dtype | None = None, **arrays: Any) -> None:
        """Makes a parameter or buffer of each array, with its own copy of the numbers."""
        also_trained = [name for name in ("w_in", "x0_mean") if self._trains(name)]
        # Those last and in this order, since the optimizer's state goes by the order of parameters.
        for name in sorted(arrays, key=lambda name: also_trained.index(name) if name in also_trained else -1):
            value, is_parameter = arrays[name], name in self.parameter_names or name in also_trained
            (self._buffers if is_parameter else self._parameters).pop(name, None)
            if value is None:
                self.register_buffer(name, None)
                continue
            value = torch.as_tensor(value, dtype=dtype).detach().clone()
            if is_parameter:
                self.register_parameter(name, nn.Parameter(value, requires_grad=self._trains(name)))
            else:
                self.register_buffer(name, value)

    def get_extra_state(self) -> dict[str, Any]:
        """Return what `state_dict` holds besides arrays.

        Returns:
            the settings, so that a `state_dict` alone restores the network.
        """
        return self.settings.model_dump(mode="json")

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take over the settings of a `state_dict`.

        Args:
            state: as `get_extra_state` returns it.
        """
        self._adopt(NetworkSettings(**state))

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Take over arrays and settings of a network of the same shapes; `load_net` takes any.

        Args:
            state_dict: of that network.
            strict: whether its keys must be those of this network.
            assign: whether its tensors are used themselves and not copied.

        Returns:
            missing and unexpected keys, as torch returns them.

        Raises:
            ValueError: an array has another shape; this network stays as it was.
        """
        for name, own in self.state_dict().items():
            given = state_dict.get(name)
            if isinstance(given, torch.Tensor) and given.shape != own.shape:
                raise ValueError(
                    f"{name} has shape {tuple(given.shape)}; it must be {tuple(own.shape)} for this network"
                )
        self._drawn = None  # the start of the network whose state this was is not known
        return super().load_state_dict(state_dict, strict=strict, assign=assign)

    @classmethod
    def from_settings(
        cls,
        settings: NetworkSettings,
        n_in: int,
        rng: np.random.Generator | int | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        n_out: int = 1,
    ) -> Self:
        """Create a network before training, with w_in ~ N(0, 1) and w_out ~ N(0, 1)/100 drawn from `rng` too.

        The errors are those of `RateNetwork`; the constructor of a subclass may have other arguments.

        Args:
            settings: what the network is besides its arrays.
            n_in: number of inputs.
            rng: numpy generator or seed; fresh entropy when None.
            device: torch device.
            dtype: of the parameters.
            n_out: number of outputs.

        Returns:
            the network.

        Source:
            docs/model.md 1.
        """
        net = cls.__new__(cls)
        RateNetwork.__init__(net, settings, n_in, rng, device, dtype, n_out)
        return net

    @classmethod
    def from_arrays(
        cls,
        settings: NetworkSettings,
        arrays: Mapping[str, Any],
        device: torch.device | str | None = "cpu",
        dtype: torch.dtype | None = torch.float32,
    ) -> Self:
        """Create a network from its arrays.

        Args:
            settings: what it is besides its arrays.
            arrays: w, w_in, w_out, b_out, taus_gaus, m, som_m, inh, exc and, if it has them, conn_m and x0_mean,
                in the shapes of docs/model.md 4.
            device: torch device.
            dtype: of the parameters.

        Returns:
            the network.

        Raises:
            ValueError: an array is missing, has another shape, is complex or is not finite.
        """
        N, net = settings.N, cls.__new__(cls)
        n_in = np.shape(arrays["w_in"])[-1] if np.ndim(arrays.get("w_in", ())) == 2 else 1
        n_out = max(len(arrays["w_out"]), 1) if np.ndim(arrays.get("w_out", ())) == 2 else 1
        shapes = {
            "w": (N, N),
            "w_in": (N, n_in),
            "w_out": (n_out, N),
            "b_out": (n_out,),
            "taus_gaus": (N, 1),
            "m": (N, N),
            "som_m": (N, N),
            "inh": (N,),
            "exc": (N,),
        }
        if settings.has_mask:
            shapes["conn_m"] = (N, N)
        if "x0" in settings.trained:
            shapes["x0_mean"] = (N,)
        for name, shape in shapes.items():
            if name not in arrays:
                raise ValueError(f"{name} is missing")
            if tuple(arrays[name].shape) != shape:
                raise ValueError(f"{name} has shape {tuple(arrays[name].shape)}; it must be {shape}")
            if np.iscomplexobj(np.asarray(arrays[name])):
                raise ValueError(f"{name} is complex; it must be real")
            if not np.isfinite(np.asarray(arrays[name])).all():
                raise ValueError(f"{name} holds NaN or infinity")
        signs = np.asarray(arrays["m"])
        if not (np.abs(signs) == np.eye(N)).all():
            raise ValueError("m is not a diagonal of +1 and -1")
        nn.Module.__init__(net)
        net._adopt(settings)
        net._rng, net._drawn = np.random.default_rng(), None
        net._register(torch.bool, **{k: arrays[k] for k in ("inh", "exc")})
        net._register(
            dtype, **{"conn_m": None, "x0_mean": None} | {k: arrays[k] for k in shapes if k not in ("inh", "exc")}
        )
        return net.to(torch_device(device))

    def assign_exc_inh(
        self,
    ) -> tuple[Bool[np.ndarray, " N"], Bool[np.ndarray, " N"], int, int, Int[np.ndarray, " som_N"]]:
        """Draw each unit's type.

        Returns:
            inh (N,) bool, exc (N,) bool, NI, NE, som_inh (som_N,): indices of the SST units, the first inhibitory ones.

        Raises:
            ValueError: fewer inhibitory units than `som_N`.

        Source:
            docs/model.md 1.
        """
        inh = draw_inhibitory(self.N, self.P_inh, self.apply_dale, self._rng)
        NI = int(inh.sum())
        if self.som_N > NI:
            raise ValueError(
                f"som_N = {self.som_N}; it must be at most the number of inhibitory units, which is {NI} here"
            )
        return inh, ~inh, NI, self.N - NI, np.flatnonzero(inh)[: self.som_N]

    def initialize_W(
        self,
    ) -> tuple[Float[np.ndarray, "N N"], Float[np.ndarray, "N N"], Float[np.ndarray, "N N"]]:
        """Draw the starting weights for the units' types.

        Returns:
            w (N, N), mask (N, N) with the signs on its diagonal, som_mask (N, N); unitless.

        Source:
            docs/model.md 1.
        """
        N, inh = self.N, self.inh.cpu().numpy()
        w, self._allowed = starting_weights(self.settings, inh, self._rng)
        mask = np.diag(np.where(inh, -1.0, 1.0))
        som_mask = np.ones((N, N))
        som_mask[np.ix_(np.flatnonzero(inh)[: self.som_N], inh)] = 0
        return w, mask, som_mask

    def rectified_w(self) -> Float[torch.Tensor, "N N"]:
        """Compute the weights without the values that Dale's law silences.

        Returns:
            (N, N), unitless.

        Source:
            docs/model.md 1.
        """
        return rectified(self.w) if self.apply_dale else self.w

    def effective_weights(self, w: Float[torch.Tensor, "N N"] | None = None) -> Float[torch.Tensor, "N N"]:
        """Compute the matrix W that multiplies r. `m` is diagonal, so it scales columns instead of costing a product.

        Args:
            w: (N, N), unitless, in place of the network's own, such as those before training.

        Returns:
            W (N, N), unitless.

        Source:
            docs/model.md 1.
        """
        return effective_weights(self.w if w is None else w, self.connection_signs(True), self.apply_dale)

    def time_constants(
        self, taus: ArrayLike | None = None, taus_gaus: Float[torch.Tensor, "N 1"] | None = None
    ) -> Float[torch.Tensor, " N"]:
        """Compute the synaptic decay times: a sigmoid of `taus_gaus`, or the one value that all units share.

        Args:
            taus: (tau,) or (tau_min, tau_max), steps, in place of the network's own.
            taus_gaus: (N, 1), unitless, in place of the network's own, such as those before training.

        Returns:
            tau (N,), steps.

        Raises:
            ValueError: not one or two increasing values.

        Source:
            docs/model.md 1; Kim et al. 2019, Eq. 5.
        """
        bounds = self.taus.tolist() if taus is None else [float(t) for t in np.ravel(taus)]
        if len(bounds) != 1 and (len(bounds) != 2 or not bounds[0] < bounds[1]):
            raise ValueError(f"taus = {bounds}; give one value, or a minimum below a maximum")
        return time_constants((self.taus_gaus if taus_gaus is None else taus_gaus)[:, 0], bounds)

    def display(self) -> str:
        """Print a summary of the network.

        Returns:
            the same text.
        """
        n_inh = int(self.inh.sum())
        text = (
            f"FR_RNN_dale: N = {self.N} ({self.N - n_inh} excitatory, {n_inh} inhibitory, {self.som_N} SST), "
            f"{self.w_in.shape[1]} inputs\n"
            f"  Dale's law {'on' if self.apply_dale else 'off'}, {self.w_dist} weights, gain {self.gain}, "
            f"P_rec {self.P_rec}; {int(self.live_synapses().sum())} live synapses\n"
            f"  taus {', '.join(f'{t:g}' for t in self.taus.tolist())} steps; activation {self.activation}"
        )
        print(text)
        return text


def is_standard(net: nn.Module) -> bool:
    """Tell whether a network computes as `RateNetwork` does, so that compiled loops may replace it.

    A user's subclass may override anything, so it does not count as standard.

    Args:
        net: the network.

    Returns:
        True for `RateNetwork` and for subclasses of ratecore that compute the same.
    """
    return bool(vars(type(net)).get("_standard", False))


def compiled_loops_take(net: RateNetwork) -> bool:
    """Tell whether the compiled loops can run a network.

    Args:
        net: the network.

    Returns:
        Whether it is on the CPU in single or double precision.
    """
    return net.w.device.type == "cpu" and net.w.dtype in (torch.float32, torch.float64)
