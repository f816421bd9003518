"""What of a rate network becomes spiking: read from a file, the content of one, or a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ratecore.formats import SavedTask, read_network
from ratecore.formats.conform import conform
from ratecore.formats.errors import say_once
from ratecore.formats.pth import result_of_content
from ratecore.rate.network import RateNetwork
from ratecore.rate.parameters import connection_signs, effective_weights, time_constants
from ratecore.settings.spiking import RATE_STEP


@dataclass(frozen=True)
class RateModel:
    """The numbers of a rate network that carry over, all float64.

    Attributes:
        W (N, N): effective recurrent weights, signed by the presynaptic unit; Dale's law holds in them.
        W_initial: the same before training, or None where they are not known.
        w_in (N, n_in).   w_out (N,).   b_out: bias of the rate readout.
        tau, tau_initial (N,): decay time constants in ms, after and before training.   homogeneous: all have one.
        inh, som (N,) bool: inhibitory units, and the SST units among them.   activation: name.
        task: what the file says of the task that it was trained on, or None.
    """

    W: np.ndarray
    W_initial: np.ndarray | None
    w_in: np.ndarray
    w_out: np.ndarray
    b_out: float
    tau: np.ndarray
    tau_initial: np.ndarray
    homogeneous: bool
    inh: np.ndarray
    som: np.ndarray
    activation: str
    task: SavedTask | None = None

    @property
    def N(self) -> int:
        return len(self.W)

    def weights(self, initial: bool = False) -> np.ndarray:
        """W (N, N), or the one before training. Raises ValueError where that is not known."""
        if initial and self.W_initial is None:
            raise ValueError("use_initial_weights = True: the model holds no weights from before training (w0)")
        return self.W_initial if initial else self.W

    def units(self, which) -> np.ndarray:
        """(N,) bool: the units of a group (all, exc, inh, som) or with the given indices.

        Raises:
            ValueError: an index outside the network.
        """
        groups = {"all": np.ones(self.N, bool), "exc": ~self.inh, "inh": self.inh, "som": self.som}
        if isinstance(which, str):
            return groups[which]
        chosen = np.zeros(self.N, bool)
        index = np.asarray(which, int).ravel()
        if index.size and not 0 <= index.min() <= index.max() < self.N:
            raise ValueError(f"units = {index.tolist()}: they must be indices from 0 to {self.N - 1}")
        chosen[index] = True
        return chosen

    def with_weights(self, W: np.ndarray) -> RateModel:
        """The same with other trained weights W (N, N)."""
        return replace(self, W=W)


def rate_model(model) -> RateModel:
    """The rate network in a path (.mat or .pth), in the content of a `.mat` file (a dict) or as FR_RNN_dale.

    Raises:
        FormatError: a file that is damaged or no network.   ValueError: a dict that is none.   TypeError: neither.
    """
    if isinstance(model, RateModel):
        return model
    if isinstance(model, RateNetwork):
        return model_of(model)
    if isinstance(model, dict):
        notes = []
        found = _of_arrays(conform(model, notes, "not a rate network"))
        say_once("the model", notes)
        return found
    if not isinstance(model, str | Path):
        raise TypeError(f"model is a {type(model).__name__}; it must be a path, a dict or a network")
    file = read_network(model)
    if file.arrays is not None:
        return replace(_of_arrays(file.arrays), task=file.task)
    result = result_of_content(file.path, file.content)
    return replace(model_of(result.net, result.initial), task=file.task)


def model_of(net, initial: dict | None = None) -> RateModel:
    """The RateModel of an FR_RNN_dale; `initial`: its state before training, as `TrainingResult` has it."""
    s = net.settings
    content = {name: getattr(net, name).detach().cpu().numpy() for name in
               ("w", "w_in", "w_out", "b_out", "m", "som_m", "inh", "exc", "taus_gaus")}  # fmt: skip
    content |= {"taus": np.array(s.taus), "activation": np.array([s.activation]), "apply_dale": s.apply_dale}
    if initial is not None:
        content |= {"w0": initial["w"].cpu().numpy(), "taus_gaus0": initial["taus_gaus"].cpu().numpy()}
    return replace(_of_arrays(conform(content, [], "not a rate network")), task=getattr(net, "saved_task", None))


def _of_arrays(arrays: dict) -> RateModel:
    """The RateModel of what `conform` gives."""
    s, som_m = arrays["settings"], arrays["som_m"]
    signs = connection_signs(arrays["m"], som_m)

    def effective(w):
        # Files of others may hold w as it was trained: negative entries, silent in the rate network, would make an
        # excitatory unit inhibit.
        return None if w is None else effective_weights(w, signs, s.apply_dale)

    before = arrays["taus_gaus"] if arrays["taus_gaus0"] is None else arrays["taus_gaus0"]
    return RateModel(
        W=effective(arrays["w"]), W_initial=effective(arrays["w0"]), w_in=arrays["w_in"], w_out=arrays["w_out"][0],
        b_out=float(arrays["b_out"][0]), tau=RATE_STEP * time_constants(arrays["taus_gaus"][:, 0], s.taus),
        tau_initial=RATE_STEP * time_constants(before[:, 0], s.taus), homogeneous=len(s.taus) == 1,
        inh=arrays["inh"] == 1, som=(som_m == 0).any(1), activation=s.activation,
    )  # fmt: skip
