"""Linear discriminant analysis in closed form, for many labellings of the same trials at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg.lapack import dposv

SHRINKAGE = 0.1  # of the covariance of standardised units towards the identity


@dataclass(frozen=True)
class Discriminants:
    """S trained decoders of K classes.

    Attributes:
        weights: of the units as they are, without standardisation (S, N, K), unitless.
        offsets: (S, K), unitless.
    """

    weights: Float[np.ndarray, "S N K"]
    offsets: Float[np.ndarray, "S K"]

    def predict(self, rates: Float[np.ndarray, "B N"]) -> Int[np.ndarray, "S B"]:
        """Decode trials.

        Args:
            rates: (B, N), unitless.

        Returns:
            index of the class by each decoder (S, B).

        Source:
            Hastie, Tibshirani & Friedman 2009, section 4.3.
        """
        classes: Int[np.ndarray, "S B"] = (rates @ self.weights + self.offsets[:, None]).argmax(2)
        return classes


def discriminants(
    rates: Float[np.ndarray, "n N"], labels: Int[np.ndarray, "S n"], K: int, shrinkage: float = SHRINKAGE
) -> Discriminants:
    """Train decoders of the same trials with different labels.

    Units are standardised. The covariance within classes, the mean over trials, is shrunk towards the identity, and
    classes have equal prior probabilities. All labellings share one inverse, that of the shrunk total covariance A:
    with class means M (K, N) and their shares P, the covariance within classes is A - (1 - shrinkage) M^T P M, so that
    only a K x K matrix is inverted for each.

    Args:
        rates: of the trials (n, N), unitless.
        labels: (S, n), from 0 to K - 1; every class is in every row.
        K: number of classes.
        shrinkage: in (0, 1].

    Returns:
        the decoders.

    Source:
        Hastie, Tibshirani & Friedman 2009, sections 4.3 and 4.3.1; Friedman 1989 (JASA 84:165).
    """
    n, N = rates.shape
    mean = rates.mean(0)
    centred, keep = rates - mean, 1 - shrinkage
    sd = np.sqrt(np.einsum("bn,bn->n", centred, centred) / n)
    scale = np.where(sd > 0, sd, 1.0)
    X = centred / scale
    of_class = (labels[:, None] == np.arange(K)[:, None]).astype(float)  # (S, K, n)
    counts = of_class.sum(2, keepdims=True)
    averaging = of_class / counts
    means, rows = averaging @ X, averaging.reshape(-1, n)  # M (S, K, N), and the mean of each labelling and class
    if n < N:  # A^-1 X^T = X^T (keep X X^T / n + shrinkage)^-1, where the matrix is smaller
        solved = X.T @ _solve(keep * (X @ X.T) / n + shrinkage * np.eye(n), rows.T)
    else:
        solved = _solve(keep * (X.T @ X) / n + shrinkage * np.eye(N), X.T @ rows.T)
    ahead = np.moveaxis(solved.reshape(N, -1, K), 0, 1)  # A^-1 M^T (S, N, K)
    inner = np.eye(K) - keep * (counts / n) * (means @ ahead)
    weights = ahead @ np.linalg.inv(inner)
    offsets = -np.einsum("skn,snk->sk", means, weights) / 2
    weights /= scale[:, None]
    return Discriminants(weights, offsets - mean @ weights)


def _solve(A: Float[np.ndarray, "m m"], B: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "m k"]:
    """A^-1 B for a positive definite matrix, by its Cholesky factor."""
    _, solved, failed = dposv(A, B, lower=1)
    if failed:
        raise np.linalg.LinAlgError(f"a covariance of {len(A)} dimensions is not positive definite")
    return np.asarray(solved)


class Discriminant:
    """One decoder with the methods of scikit-learn's classifiers.

    Args:
        K: number of classes.
    """

    def __init__(self, K: int) -> None:
        self._K = K
        self._trained: Discriminants | None = None

    def fit(self, rates: Float[np.ndarray, "n N"], labels: Int[np.ndarray, " n"]) -> Discriminant:
        """Train the decoder.

        Args:
            rates: of the trials (n, N), unitless.
            labels: (n,), from 0 to K - 1.

        Returns:
            itself.

        Source:
            `discriminants`; Hastie, Tibshirani & Friedman 2009, section 4.3.
        """
        self._trained = discriminants(rates, labels[None], self._K)
        return self

    def predict(self, rates: Float[np.ndarray, "B N"]) -> Int[np.ndarray, " B"]:
        """Decode trials.

        Args:
            rates: (B, N), unitless.

        Returns:
            index of the class (B,).

        Raises:
            RuntimeError: the decoder is not trained.

        Source:
            Hastie, Tibshirani & Friedman 2009, section 4.3.
        """
        if self._trained is None:
            raise RuntimeError("the decoder is not trained: call fit first")
        classes: Int[np.ndarray, " B"] = self._trained.predict(rates)[0]
        return classes
