"""The parts of a rate network that a spiking network takes over, from a file, its content, or a network."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from ratecore.formats.conform import conform
from ratecore.formats.containers import Content
from ratecore.formats.errors import say_once
from ratecore.formats.task_settings import SavedTask
from ratecore.rate.parameters import connection_signs, effective_weights, time_constants
from ratecore.rate.saved import SavedNetwork
from ratecore.rate.stimulation import Stimulation
from ratecore.rate.synapses import Sets, Types, mask_of
from ratecore.settings.spiking import RATE_STEP
from ratecore.system.arrays import numbers

if TYPE_CHECKING:
    from ratecore.rate.network import RateNetwork


@dataclass(frozen=True)
class RateModel:
    """The parts of a rate network that carry over, all float64.

    Attributes:
        W: effective recurrent weights (N, N), unitless, signed by the presynaptic unit; Dale's law holds in them.
        W_initial: the same before training (N, N), unitless, or None where they are not known.
        w_in: input weights (N, n_in), unitless.
        w_out: readout weights (n_out, N), unitless.
        b_out: biases of the rate network's readout (n_out,), unitless.
        tau: synaptic decay time constants (N,), ms.
        tau_initial: the same before training (N,), ms.
        homogeneous: whether all units share one time constant.
        inh: inhibitory units (N,).
        som: SST units among them (N,).
        activation: name of the activation function.
        task: what the file says about the task that the network was trained on, or None.
        input_noise_sd: standard deviation of the noise that is added to each input at every rate step, unitless.
        allowed: connections that it can have (N, N), to which a shuffle may move others; None if all.
        silent: units that never fire (N,), since they are lesioned; None without a lesion of units.
        stimulation: a constant current into some units, mV; None without.
        sets: indices of the units of named sets and areas (n,), which `units` knows besides the types.
    """

    W: Float[np.ndarray, "N N"]
    W_initial: Float[np.ndarray, "N N"] | None
    w_in: Float[np.ndarray, "N n_in"]
    w_out: Float[np.ndarray, "n_out N"]
    b_out: Float[np.ndarray, " n_out"]
    tau: Float[np.ndarray, " N"]
    tau_initial: Float[np.ndarray, " N"]
    homogeneous: bool
    inh: Bool[np.ndarray, " N"]
    som: Bool[np.ndarray, " N"]
    activation: str
    task: SavedTask | None = None
    input_noise_sd: float = 0.0
    allowed: Bool[np.ndarray, "N N"] | None = None
    silent: Bool[np.ndarray, " N"] | None = None
    stimulation: Stimulation | None = None
    sets: Sets | None = None

    @property
    def N(self) -> int:
        """Number of units."""
        return len(self.W)

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return len(self.w_out)

    def weights(self, initial: bool = False) -> Float[np.ndarray, "N N"]:
        """Get the effective recurrent weights.

        Args:
            initial: whether those before training are wanted.

        Returns:
            (N, N), unitless.

        Raises:
            ValueError: the weights before training are not known.

        Source:
            docs/model.md 1.2, equation 4.
        """
        if not initial:
            return self.W
        if self.W_initial is None:
            raise ValueError("use_initial_weights = True: the model holds no weights from before training (w0)")
        return self.W_initial

    def units(self, which: str | Collection[str | int]) -> Bool[np.ndarray, " N"]:
        """Select units.

        Args:
            which: a group or several (all, exc, inh, som, a name in `sets`), or indices from 0.

        Returns:
            whether each unit is selected (N,).

        Raises:
            ValueError: an unknown group, or an index outside the network.

        Source: none
        """
        parts = which if isinstance(which, str) else np.ravel(list(which)).tolist()
        return mask_of(parts, Types(self.inh, self.som), self.sets)

    def with_weights(self, W: Float[np.ndarray, "N N"]) -> RateModel:
        """Replace the trained weights.

        Args:
            W: effective recurrent weights (N, N), unitless.

        Returns:
            a copy with these weights.

        Source: none
        """
        return replace(self, W=W)


def rate_model(model: Any) -> RateModel:
    """Read the parts of a rate network that a spiking network takes over.

    Args:
        model: path of a `.mat` or `.pth` file, content of a `.mat` file (a dict), or a network.

    Returns:
        the network; a RateModel is returned as it is.

    Raises:
        FormatError: the file is damaged or not that of a network.
        ValueError: the dict is not the content of a network's file.
        TypeError: anything else.
    """
    if isinstance(model, RateModel):
        return model
    if isinstance(model, SavedNetwork):
        return model_of(model, model.initial)
    if isinstance(model, dict):
        notes: list[str] = []
        found = _of_arrays(conform(model, notes, "not a rate network"))
        say_once("the model", notes)
        return found
    from ratecore.formats.pth import result_of_content  # with PyTorch, as all networks that are not of a SavedNetwork
    from ratecore.formats.reading import read_network
    from ratecore.rate.network import RateNetwork

    if isinstance(model, RateNetwork):
        return model_of(model)
    if not isinstance(model, str | Path):
        raise TypeError(f"model is a {type(model).__name__}; it must be a path, a dict or a network")
    file = read_network(model)
    if file.arrays is not None:
        return replace(_of_arrays(file.arrays), task=file.task)
    result = result_of_content(file.path, file.content or {})
    return replace(model_of(result.net, result.initial), task=file.task)


def model_of(net: RateNetwork | SavedNetwork, initial: Content | None = None) -> RateModel:
    """Take the parts of a rate network that a spiking network takes over.

    Args:
        net: the rate network.
        initial: its state before training, as in `TrainingResult`.

    Returns:
        the parts.
    """
    s = net.settings
    names = ("w", "w_in", "w_out", "b_out", "m", "som_m", "inh", "exc", "taus_gaus")
    content: Content = {name: numbers(getattr(net, name)) for name in names}
    content |= {"taus": np.array(s.taus), "activation": np.array([s.activation]), "apply_dale": s.apply_dale}
    newer = {name: getattr(net, name) for name in ("conn_m", "x0_mean")}
    content |= {name: numbers(value) for name, value in newer.items() if value is not None}
    content |= {"network_settings": np.array([json.dumps(s.newer_values())])}
    if initial is not None:
        content |= {"w0": numbers(initial["w"]), "taus_gaus0": numbers(initial["taus_gaus"])}
    return replace(_of_arrays(conform(content, [], "not a rate network")), task=getattr(net, "saved_task", None))


def _of_arrays(arrays: Content) -> RateModel:
    """The RateModel of what `conform` gives."""
    s, som_m = arrays["settings"], arrays["som_m"]
    if s.not_convertible:
        raise ValueError(f"the network cannot become a spiking one: {s.not_convertible}")
    signs = connection_signs(arrays["m"], som_m * arrays.get("conn_m", 1.0))

    def effective(w: Float[np.ndarray, "N N"]) -> Float[np.ndarray, "N N"]:
        # Files of others may hold w as it was trained: negative entries, silent in the rate network, would make an
        # excitatory unit inhibit.
        return effective_weights(w, signs, s.apply_dale)

    before = arrays["taus_gaus"] if arrays["taus_gaus0"] is None else arrays["taus_gaus0"]
    return RateModel(
        W=effective(arrays["w"]),
        W_initial=None if arrays["w0"] is None else effective(arrays["w0"]),
        w_in=arrays["w_in"],
        w_out=arrays["w_out"],
        b_out=arrays["b_out"],
        tau=RATE_STEP * time_constants(arrays["taus_gaus"][:, 0], s.taus),
        tau_initial=RATE_STEP * time_constants(before[:, 0], s.taus),
        homogeneous=len(s.taus) == 1,
        inh=arrays["inh"] == 1,
        som=(som_m == 0).any(1),
        activation=s.activation,
        input_noise_sd=s.input_noise_sd,
        allowed=None if (signs != 0).all() else signs != 0,
    )
