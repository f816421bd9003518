"""How recurrent weights change during training: how far, in which directions, of which units, and their eigenvalues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Learning:
    """The course of the weights over S copies of a network during training.

    Attributes:
        trials: number of trials before each copy (S,).
        change: norm of the change of all weights since the first copy, as a fraction of the norm of the first (S,),
            unitless.
        change_exc: the same of the weights from excitatory units (S,); NaN if they are all 0 or there are none.
        change_inh: the same of the weights from inhibitory units (S,).
        overlap: cosine of the angle between the change so far and the change by the last copy (S,), in [-1, 1]; NaN
            where nothing has changed.
        dimensionality: effective number of dimensions of the path of the weights, unitless; NaN if nothing changes.
        spectrum_trials: trials of the copies with eigenvalues (K,).
        radius: spectral radius of these copies (K,), unitless.
        abscissa: largest real part of an eigenvalue of these copies (K,), unitless.
    """

    trials: Int[np.ndarray, " S"]
    change: Float[np.ndarray, " S"]
    change_exc: Float[np.ndarray, " S"]
    change_inh: Float[np.ndarray, " S"]
    overlap: Float[np.ndarray, " S"]
    dimensionality: float
    spectrum_trials: Int[np.ndarray, " K"]
    radius: Float[np.ndarray, " K"]
    abscissa: Float[np.ndarray, " K"]

    @property
    def trials_to_half(self) -> float:
        """Trials after which the weights have first changed by half of what they change in all; NaN if they do not."""
        if not self.change[-1] > 0:
            return float("nan")
        return float(self.trials[np.argmax(self.change >= self.change[-1] / 2)])


def learning(
    weights: ArrayLike, trials: ArrayLike, inhibitory: ArrayLike | None = None, n_spectra: int = 50
) -> Learning:
    """Describe how weights change during training.

    Args:
        weights: effective weights of S copies (S, N, N), unitless, weights[k, i, j] from unit j to unit i; finite.
        trials: number of trials before each copy (S,), increasing.
        inhibitory: which units are inhibitory (N,); none by default.
        n_spectra: largest number of copies whose eigenvalues are computed, evenly spaced with the first and the last.

    Returns:
        the course of learning.

    Raises:
        ValueError: shapes do not fit, there are fewer than two copies, or a number is not finite.

    Source:
        Effective dimensionality: the participation ratio of the variances along principal components, Litwin-Kumar et
        al. 2017, Neuron 93:1153, equation 1; here of copies of the weights instead of activity.
    """
    W, steps, inh = _checked(weights, trials, inhibitory, n_spectra)
    gram, gram_inh = np.zeros((2, len(W), len(W)))
    norms = np.zeros(2)  # squared, of the first copy: of weights from excitatory and from inhibitory units
    for i in range(W.shape[1]):  # row by row, so that no second copy of all weights is held in double precision
        rows = W[:, i].astype(float)
        norms += [np.sum(rows[0, ~inh] ** 2), np.sum(rows[0, inh] ** 2)]
        changes = rows - rows[0]
        gram += changes @ changes.T
        gram_inh += changes[:, inh] @ changes[:, inh].T
    squares, squares_inh = np.diag(gram), np.diag(gram_inh)
    chosen = np.unique(np.linspace(0, len(W) - 1, min(n_spectra, len(W))).round().astype(int))
    values = [np.linalg.eigvals(W[k].astype(float)) for k in chosen]
    return Learning(
        trials=steps,
        change=_fraction(squares, norms.sum()),
        change_exc=_fraction(np.maximum(squares - squares_inh, 0), norms[0]),
        change_inh=_fraction(squares_inh, norms[1]),
        overlap=_cosines(gram),
        dimensionality=_participation(gram),
        spectrum_trials=steps[chosen],
        radius=np.array([np.abs(v).max() for v in values]),
        abscissa=np.array([v.real.max() for v in values]),
    )


def _fraction(squares: Float[np.ndarray, " S"], whole: float) -> Float[np.ndarray, " S"]:
    """Norms as fractions of another one; NaN if that is 0."""
    return np.sqrt(squares / whole) if whole > 0 else np.full(len(squares), np.nan)


def _cosines(gram: Float[np.ndarray, "S S"]) -> Float[np.ndarray, " S"]:
    """Cosine of the angle between each change and the last one."""
    norms = np.sqrt(np.diag(gram))
    products = norms * norms[-1]
    found = np.full(len(gram), np.nan)
    np.divide(gram[:, -1], products, out=found, where=products > 0)
    clipped: Float[np.ndarray, " S"] = np.clip(found, -1, 1)
    return clipped


def _participation(gram: Float[np.ndarray, "S S"]) -> float:
    """(sum of variances)^2 / sum of squared variances, from the products of the changes of all pairs of copies."""
    centred = gram - gram.mean(0) - gram.mean(1)[:, None] + gram.mean()
    total = np.trace(centred)
    return float(total**2 / np.sum(centred**2)) if total > 0 else float("nan")


def _checked(
    weights: ArrayLike, trials: ArrayLike, inhibitory: ArrayLike | None, n_spectra: int
) -> tuple[Float[np.ndarray, "S N N"], Int[np.ndarray, " S"], Bool[np.ndarray, " N"]]:
    W, steps = np.asarray(weights), np.asarray(trials)
    if W.ndim != 3 or W.shape[1] != W.shape[2] or len(W) < 2:
        raise ValueError(f"weights has shape {W.shape}; it must be (S, N, N) of at least two copies")
    if W.dtype.kind not in "fiu" or not np.isfinite(W).all():
        raise ValueError("weights must be finite real numbers")
    if steps.shape != (len(W),) or steps.dtype.kind not in "iu" or (np.diff(steps.astype(np.int64)) <= 0).any():
        raise ValueError(f"trials must be {len(W)} increasing whole numbers, one for each copy of the weights")
    inh = np.zeros(W.shape[1], bool) if inhibitory is None else np.asarray(inhibitory)
    if inh.shape != W.shape[1:2] or inh.dtype != bool:
        raise ValueError(f"inhibitory has shape {inh.shape} of {inh.dtype}; it must be ({W.shape[1]},) of bool")
    if n_spectra < 2:
        raise ValueError(f"n_spectra = {n_spectra}: it must be at least 2")
    return W, steps, inh
