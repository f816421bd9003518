"""What of a rate network becomes spiking: read from a file, the content of one, or a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ratecore.formats import FormatError, load_mat, result_from_pth
from ratecore.network import FR_RNN_dale

# What the companion package reads from a `.mat` file or the dict of one, besides the weights before training.
NEEDED = ("w", "w_in", "w_out", "m", "som_m", "inh", "taus", "taus_gaus")


@dataclass(frozen=True)
class RateModel:
    """The numbers of a rate network that carry over, all float64.

    Attributes:
        W (N, N): effective recurrent weights, signed by the presynaptic unit; Dale's law holds in them.
        W_initial: the same before training, or None where they are not known.
        w_in (N, n_in).   w_out (N,).   b_out: bias of the rate readout.
        tau, tau_initial (N,): decay time constants in ms, after and before training.   homogeneous: all have one.
        inh, som (N,) bool: inhibitory units, and the SST units among them.   activation: name, or None if not known.
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
    activation: str | None

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
    if isinstance(model, FR_RNN_dale):
        return model_of(model)
    if isinstance(model, dict):
        return _of_content(model)
    if not isinstance(model, str | Path):
        raise TypeError(f"model is a {type(model).__name__}; it must be a path, a dict or a network")
    path = Path(model)
    if not path.is_file():
        raise FormatError(f"{path}: there is no such file")
    if path.suffix == ".pth":
        result = result_from_pth(path)
        return model_of(result.net, result.initial)
    try:
        return _of_content(load_mat(path))
    except (ValueError, TypeError, IndexError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: {error}") from error


def model_of(net, initial: dict | None = None) -> RateModel:
    """The RateModel of an FR_RNN_dale; `initial`: its state before training, as `TrainingResult` has it."""
    s = net.settings
    content = {name: getattr(net, name).detach().cpu().numpy() for name in
               ("w", "w_in", "w_out", "b_out", "m", "som_m", "inh", "taus_gaus")}  # fmt: skip
    content |= {"taus": np.array(s.taus), "activation": s.activation, "apply_dale": s.apply_dale}
    if initial is not None:
        content |= {"w0": initial["w"].cpu().numpy(), "taus_gaus0": initial["taus_gaus"].cpu().numpy()}
    return _of_content(content)


def _of_content(content: dict) -> RateModel:
    if missing := [key for key in NEEDED if key not in content]:
        raise ValueError(f"not a rate network: it has no {', '.join(missing)}")

    def array(key, shape=None):
        value = np.asarray(content[key])
        if value.dtype.kind not in "fiub" or not np.isfinite(value.astype(float)).all():
            raise ValueError(f"{key} must be finite numbers")
        if shape is not None and value.size != int(np.prod(shape)):
            raise ValueError(f"{key} has shape {value.shape}; it must be {shape}")
        return value.astype(float) if shape is None else value.astype(float).reshape(shape)

    w = array("w")
    N = len(w)
    w, m, som_m = array("w", (N, N)), array("m", (N, N)), array("som_m", (N, N))
    inh = array("inh", (N,)) == 1
    if not (np.abs(m) == np.eye(N)).all():
        raise ValueError("m is not a diagonal of +1 and -1")
    dale = bool(np.ravel(content.get("apply_dale", inh.any()))[0])

    def effective(key):
        # Files of others may hold w as it was trained: negative entries, silent in the rate network, would make an
        # excitatory unit inhibit.
        raw = array(key, (N, N))
        return (np.maximum(raw, 0) if dale else raw) * m.diagonal() * som_m

    taus = array("taus").ravel()
    if taus.size not in (1, 2):
        raise ValueError(f"taus = {taus.tolist()}: one time constant, or a minimum and a maximum")
    w_in = array("w_in")
    return RateModel(
        W=effective("w"), W_initial=effective("w0") if "w0" in content else None,
        w_in=w_in.reshape(N, -1) if w_in.ndim == 1 else array("w_in", (N, w_in.shape[1])), w_out=array("w_out", (N,)),
        b_out=float(array("b_out", (1,))[0]) if "b_out" in content else 0.0,
        tau=_time_constants(taus, array("taus_gaus", (N,))),
        tau_initial=_time_constants(taus, array("taus_gaus0" if "taus_gaus0" in content else "taus_gaus", (N,))),
        homogeneous=taus.size == 1, inh=inh, som=(som_m == 0).any(1),
        activation=str(np.ravel(content["activation"])[0]) if "activation" in content else None,
    )  # fmt: skip


def _time_constants(taus, taus_gaus):
    """tau (N,) in ms (SPEC 1): steps of 5 ms."""
    if taus.size == 1:
        return np.full(taus_gaus.size, 5 * taus[0])
    return 5 * (taus[0] + (taus[1] - taus[0]) / (1 + np.exp(-taus_gaus)))
