"""`FR_RNN_dale`: the rate network with the names, the call and the files of the existing packages."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike
from torch import nn

from ratecore import formats
from ratecore.compat.config import RNNConfig
from ratecore.compat.network_names import NetworkNames
from ratecore.experiment.progress import ProgressBar
from ratecore.formats.containers import StrPath
from ratecore.formats.starting import start_of
from ratecore.rate import training
from ratecore.rate.dynamics import simulate
from ratecore.rate.network import RateNetwork
from ratecore.rate.results import TrainingResult
from ratecore.settings.network import NetworkSettings
from ratecore.settings.run import RunSettings
from ratecore.system.arrays import STEPS, Dimension, real_tensor, tensor_of
from ratecore.system.devices import torch_device
from ratecore.tasks.values import describe

if TYPE_CHECKING:
    from typing import Self


class AbstractRateRNN(nn.Module, ABC):
    """What every rate network offers; `FR_RNN_dale` is the network of the paper.

    Args:
        config: RNNConfig, kept with its `N` and `device`; a subclass may do without.
    """

    def __init__(self, config: RNNConfig | None = None) -> None:
        super().__init__()
        if config is not None:
            self.config, self.N, self.device = config, config.N, torch.device(config.device)

    @classmethod
    def from_config(cls, config: RNNConfig, **more: Any) -> Self:
        """Create a network from the `rate` package's configuration; by default the constructor takes it.

        Args:
            config: what the network is.
            **more: further arguments of the constructor.

        Returns:
            the network.
        """
        return cls(config, **more)

    @abstractmethod
    def assign_exc_inh(
        self,
    ) -> tuple[Bool[np.ndarray, " N"], Bool[np.ndarray, " N"], int, int, Int[np.ndarray, " som_N"]]:
        """Draw each unit's type.

        Returns:
            inh (N,) bool, exc (N,) bool, NI, NE, som_inh (som_N,).

        Source:
            docs/model.md 1.
        """

    @abstractmethod
    def initialize_W(self) -> tuple[Float[np.ndarray, "N N"], Float[np.ndarray, "N N"], Float[np.ndarray, "N N"]]:
        """Draw the recurrent weights.

        Returns:
            w (N, N), mask (N, N), som_mask (N, N); unitless.

        Source:
            docs/model.md 1.
        """

    def effective_weights(self) -> Float[torch.Tensor, "N N"]:
        """Compute the matrix W that multiplies r. Subclasses that ratecore trains or converts must define it.

        Returns:
            W (N, N), unitless.

        Raises:
            NotImplementedError: the subclass does not define it.

        Source:
            docs/model.md 1.
        """
        raise NotImplementedError(f"{type(self).__name__} must define effective_weights()")

    def time_constants(
        self, taus: ArrayLike | None = None, taus_gaus: Float[torch.Tensor, "N 1"] | None = None
    ) -> Float[torch.Tensor, " N"]:
        """Compute the synaptic decay times. Subclasses that ratecore trains or converts must define them.

        Args:
            taus: (tau,) or (tau_min, tau_max), steps, in place of the network's own.
            taus_gaus: (N, 1), unitless, in place of the network's own.

        Returns:
            tau (N,), steps.

        Raises:
            NotImplementedError: the subclass does not define them.

        Source:
            docs/model.md 1.
        """
        raise NotImplementedError(f"{type(self).__name__} must define time_constants()")

    @abstractmethod
    def load_net(self, path: StrPath) -> Self:
        """Become the network saved in a file.

        Args:
            path: of the file.

        Returns:
            self.
        """

    def display(self) -> str:
        """Print a summary of the network.

        Returns:
            the same text.
        """
        text = f"{type(self).__name__}: {sum(p.numel() for p in self.parameters())} parameters"
        print(text)
        return text


class FR_RNN_dale(NetworkNames, RateNetwork, AbstractRateRNN):  # type: ignore[override]  # `device` is a property here
    """The network of the `rate` package: a `RateNetwork` with its constructor, call and names.

    `forward` runs trials and returns what the package's network returns, `load_net` takes over a saved network, and the
    attributes of `NetworkNames` have the package's names.

    Args:
        N: number of units.
        P_inh: probability that a unit is inhibitory.
        P_rec: probability that a recurrent connection is present at the start.
        w_in: input weights (N, n_in), unitless, fixed; they also say the dtype.
        som_N: number of SST (somatostatin) units, taken from the inhibitory ones.
        w_dist: 'gaus' or 'gamma', the distribution of the starting weights.
        gain: scale of the starting weights (`gaus`), unitless.
        apply_dale: whether Dale's law holds.
        w_out: readout weights (1, N), unitless, trained.
        device: torch device.
        taus: (tau,) or (tau_min, tau_max) in steps of 5 ms; two make `taus_gaus` a trained parameter.
        activation: 'sigmoid', 'clipped_relu' or 'softplus'.
        rng: numpy generator of all that is drawn here; fresh entropy when None. The global generators are not touched.

    Raises:
        ValueError: names the argument, its value and what is allowed.
    """

    _standard = True

    def __init__(
        self,
        N: int,
        P_inh: float,
        P_rec: float,
        w_in: ArrayLike | torch.Tensor,
        som_N: int,
        w_dist: Any,  # NetworkSettings checks it, as it does taus and activation
        gain: float,
        apply_dale: bool,
        w_out: ArrayLike | torch.Tensor,
        device: torch.device | str = "cpu",
        *,
        taus: Any = (4, 20),
        activation: Any = "sigmoid",
        rng: np.random.Generator | int | None = None,
    ) -> None:
        nn.Module.__init__(self)
        settings = NetworkSettings(
            N=N,
            P_inh=P_inh,
            P_rec=P_rec,
            som_N=som_N,
            w_dist=w_dist,
            gain=gain,
            apply_dale=apply_dale,
            taus=taus,
            activation=activation,
        )
        rng = np.random.default_rng(rng)
        w_in, w_out = real_tensor("w_in", w_in), real_tensor("w_out", w_out)
        if w_in.ndim != 2 or w_in.shape[0] != settings.N:
            raise ValueError(f"w_in has shape {tuple(w_in.shape)}; it must be (N, n_in) with N = {settings.N}")
        if tuple(w_out.shape) != (1, settings.N):
            raise ValueError(f"w_out has shape {tuple(w_out.shape)}; it must be (1, {settings.N})")
        self._draw(settings, w_in if w_in.is_floating_point() else w_in.float(), w_out, rng)
        self.to(torch_device(device))

    @classmethod
    def from_network(cls, net: RateNetwork) -> FR_RNN_dale:
        """Give a network the names of this class: itself if it has them, else another object that shares its arrays.

        Args:
            net: the network; its arrays are not copied.

        Returns:
            the network.

        Source: none
        """
        if isinstance(net, cls):
            return net
        same = cls.__new__(cls)
        vars(same).update(vars(net))
        return same

    @classmethod
    def from_config(  # type: ignore[override]  # the signature of the `rate` package
        cls, config: RNNConfig, w_in: ArrayLike | torch.Tensor, w_out: ArrayLike | torch.Tensor, **more: Any
    ) -> Self:
        """Create a network from the `rate` package's configuration.

        Args:
            config: what the network is.
            w_in: (N, n_in), unitless.
            w_out: (1, N), unitless.
            **more: `taus`, `activation` and `rng`, as in the constructor.

        Returns:
            the network.

        Source: none
        """
        c = config
        return cls(c.N, c.P_inh, c.P_rec, w_in, c.som_N, c.w_dist, c.gain, c.apply_dale, w_out, c.device, **more)

    def load_net(self, path: StrPath) -> Self:
        """Become the network saved in a `.mat` or `.pth` file, whatever this one was.

        Existing optimizers keep the old parameters; create new ones.

        Args:
            path: of the file.

        Returns:
            self.

        Raises:
            ratecore.formats.FormatError: the file is damaged or holds no such network; this network stays as it was.
        """
        loaded = formats.load_network(path, device=self.w.device, dtype=self.w.dtype)
        self._adopt(loaded.settings)
        self.saved_task = loaded.saved_task
        arrays: dict[str, Any] = {**dict(loaded.named_buffers()), **dict(loaded.named_parameters())}
        self._register(**{"conn_m": None, "x0_mean": None} | arrays)
        self._drawn = None
        return self

    def forward(
        self,
        stim: ArrayLike | torch.Tensor,
        taus: Sequence[float] | None = None,
        training_params: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        *,
        x0: ArrayLike | torch.Tensor | None = None,
        noise: ArrayLike | torch.Tensor | None = None,
        rng: np.random.Generator | int | None = None,
    ) -> tuple[Any, ...]:
        """Run trials with noise (docs/model.md 1); the call of the `rate` package.

        Args:
            stim: (n_in, T), or (B, n_in, T) for a batch of trials; unitless.
            taus: one or two values in steps; the network's own when None or equal.
            training_params: `activation` is taken from it when given.
            settings: `DeltaT` (default 1) and `T` are taken from it; of a longer `stim` the first T steps are run.
            x0: (B, N), unitless, the state at the first step; drawn when None.
            noise: (B, T-1, N), unitless, added to x at each step; drawn when None.
            rng: seed or generator of what is drawn.

        Returns:
            stim, x, r (T entries of (N, 1)), o (T - 1 entries of (1, 1), or (n_out, 1) of several outputs), w, w_in, m,
            som_m, w_out, b_out, taus_gaus; unitless. With a batch x, r are (B, T, N) and o is (B, T - 1) or
            (B, n_out, T - 1).

        Raises:
            ValueError: `stim` has another shape, or fewer steps than `settings["T"]`.

        Source:
            docs/model.md 1.
        """
        shape: tuple[Dimension, ...] = (("B", 0), self.w_in.shape[1], STEPS)[0 if np.ndim(stim) == 3 else 1 :]
        stim = tensor_of("stim", stim, shape, self.w.dtype, self.w.device)
        T = (settings or {}).get("T", stim.shape[-1])
        if stim.shape[-1] < T:
            raise ValueError(f"settings['T'] = {T}: stim has only {stim.shape[-1]} steps")
        stim = stim[..., : int(T)]
        states: tuple[Any, Any, Any] = simulate(
            self,
            stim if stim.ndim == 3 else stim[None],
            x0=x0,
            noise=noise,
            rng=rng,
            taus=taus,
            activation=(training_params or {}).get("activation"),
            DeltaT=(settings or {}).get("DeltaT", 1),
        )
        x, r, o = states  # tensors, or lists by step for one trial
        if stim.ndim == 2:
            several = self.n_out > 1
            o = [v[:, None] for v in o[0].T] if several else [v[None, None] for v in o[0]]
            x, r = [v[:, None] for v in x[0]], [v[:, None] for v in r[0]]
        return stim, x, r, o, self.w, self.w_in, self.m, self.som_m, self.w_out, self.b_out, self.taus_gaus


def eval_rnn(
    net: FR_RNN_dale,
    settings: Mapping[str, Any],
    u: ArrayLike | torch.Tensor,
    device: torch.device | str = "cpu",
    training_params: Mapping[str, Any] | None = None,
) -> tuple[list[Any], list[Float[np.ndarray, "N 1"]], list[Float[np.ndarray, "N 1"]]]:
    """Run one trial without gradients, as the `rate` package's function of this name.

    Args:
        net: the network, an FR_RNN_dale.
        settings: its `T`, `taus` and `DeltaT` are used when there.
        u: stimulus (n_in, T), unitless.
        device: torch device to run on.
        training_params: its `activation` is used when there; else the network's own.

    Returns:
        o, r, x: T - 1 numbers, or arrays (n_out, 1) of several outputs; T arrays (N, 1); T arrays (N, 1); unitless.

    Source:
        docs/model.md 1.
    """
    with torch.no_grad():
        _, x, r, o, *_ = net.to(device).forward(u, settings.get("taus"), training_params, settings)
    outputs = [v.item() if v.numel() == 1 else v.cpu().numpy() for v in o]
    return outputs, [v.cpu().numpy() for v in r], [v.cpu().numpy() for v in x]


def load_network(
    path: StrPath, device: torch.device | str | None = "cpu", dtype: torch.dtype | None = torch.float32
) -> FR_RNN_dale:
    """Load the trained network in a `.mat` or `.pth` file, as `ratecore.formats.load_network` reads it.

    Args:
        path: of the file.
        device: torch device.
        dtype: of the network's numbers.

    Returns:
        the network; its `saved_task` is what the file says about its task.

    Raises:
        TypeError: `path` is no path.
        ratecore.formats.FormatError: missing, damaged, or not the file of a network.

    Source: none
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path is {describe(path)}; it must be that of a .mat or .pth file")
    return FR_RNN_dale.from_network(formats.load_network(path, device, dtype))


def train(
    settings: RunSettings,
    device: torch.device | str = "cpu",
    on_test: Callable[[TrainingResult], None] | None = None,
    checkpoints: Any = None,
    *,
    progress: bool = False,
) -> TrainingResult:
    """Train one network; arguments, result and errors are those of `ratecore.rate.training.train`.

    Args:
        settings: of the run.
        device: torch device.
        on_test: called with the result so far after every test.
        checkpoints: a `ratecore.experiment.checkpoints.Checkpoints`: where training continues from and is saved to.
        progress: whether a bar shows loss, accuracy and the remaining time: on the terminal, or in a notebook.

    Returns:
        the result; its network is an FR_RNN_dale.

    Raises:
        TypeError: `settings` are none of a run.

    Source:
        docs/model.md 3.
    """
    if not isinstance(settings, RunSettings):
        example = "RunSettings(task='go-nogo', network={'N': 50})"
        how = "RunSettings(**settings)" if isinstance(settings, dict) else example
        raise TypeError(f"settings is {describe(settings)}; train takes settings of a run: {how}")

    def named(result: TrainingResult) -> TrainingResult:
        result.net = FR_RNN_dale.from_network(result.net)
        return result

    with ProgressBar(settings) if progress else nullcontext() as bar:

        def tested(result: TrainingResult) -> None:
            if bar is not None:
                bar.update(result)
            if on_test is not None:
                on_test(named(result))

        return named(training.train(settings, device, tested, checkpoints, start=start_of(settings, device)))
