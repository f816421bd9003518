"""Fixed and slow points of the noiseless rate dynamics, merged and classified (docs/fixed_points.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Complex, Float, Int, Shaped
from numpy.typing import ArrayLike

from ratecore.analysis.rate_equations import LARGEST_RATE, STEP_MS, RateEquations
from ratecore.analysis.slow_search import Ends, slowest_states

if TYPE_CHECKING:
    from ratecore.rate.network import RateNetwork

KINDS = ("stable", "saddle", "unstable", "marginal", "kink", "slow")
SLOW = 0.01  # |dx/dt| of a slow point, 1/ms
DAMPING = 0.03  # of the search for slow points
AT_KINK = 10  # a unit is at a kink of phi within this number of tolerances


@dataclass(frozen=True, eq=False)
class FixedPoints:
    """Fixed points, and minima of the speed that are slow, for one constant input.

    Attributes:
        x: states (K, N), unitless; fixed points first, each group by the number of starts that it was reached from.
        u: the input (n_in,), unitless.
        speed: |dx/dt| (K,), 1/ms.
        kind: one of `KINDS` (K,).
        n_unstable: number of directions in which the network leaves the point (K,): eigenvalues of the map with
            absolute value above 1, except those of marginal modes.
        slowest_ms: time constant of the slowest mode (K,), ms; negative if it grows.
        n_reached: number of starts that ended at the point (K,).
        n_lost: number of starts that ended nowhere: neither at rest nor slow.
        output: readout of each point (K, n_out), unitless.
        multipliers: of the map of a step at each point (K, N), unitless, the largest first; on the flat side of a kink.
    """

    x: Float[np.ndarray, "K N"]
    u: Float[np.ndarray, " n_in"]
    speed: Float[np.ndarray, " K"]
    kind: Shaped[np.ndarray, " K"]
    n_unstable: Int[np.ndarray, " K"]
    slowest_ms: Float[np.ndarray, " K"]
    n_reached: Int[np.ndarray, " K"]
    n_lost: int
    output: Float[np.ndarray, "K n_out"]
    multipliers: Complex[np.ndarray, "K N"]

    def __len__(self) -> int:
        return len(self.x)

    def count(self, kind: str) -> int:
        """Count the points of a kind.

        Args:
            kind: one of `KINDS`.

        Returns:
            how many there are.

        Raises:
            ValueError: unknown kind.
        """
        if kind not in KINDS:
            raise ValueError(f"kind = {kind!r}; it must be one of {', '.join(KINDS)}")
        return int((self.kind == kind).sum())


@dataclass(frozen=True, eq=False)
class SlowPoints:
    """States on the slow manifold: starts that were moved until they were slow.

    Attributes:
        x: states (K, N), unitless.
        u: the input (n_in,), unitless.
        speed: |dx/dt| (K,), 1/ms.
        start: index of the start of each point (K,).
        n_lost: number of starts that did not become slow.
        output: readout of each point (K, n_out), unitless.
    """

    x: Float[np.ndarray, "K N"]
    u: Float[np.ndarray, " n_in"]
    speed: Float[np.ndarray, " K"]
    start: Int[np.ndarray, " K"]
    n_lost: int
    output: Float[np.ndarray, "K n_out"]


def find_fixed_points(
    net: RateNetwork | RateEquations,
    u: ArrayLike,
    starts: ArrayLike | None = None,
    *,
    n_random: int = 0,
    rng: np.random.Generator | int | None = None,
    tolerance: float = 1e-9,
    slow_speed: float = SLOW,
    merge: float = 1e-3,
    marginal_ms: float = 1e4,
) -> FixedPoints:
    """Find and classify the fixed points of the noiseless dynamics, and slow points that are no fixed points.

    Every start goes downhill in speed, to a fixed point of any stability or to another minimum of the speed. The
    latter is kept as `slow` if it is slow enough.

    The kinds are those of the map that a step of the network is. `stable`: no direction grows. `saddle`: some grow.
    `unstable`: all grow. `marginal`: the slowest mode takes longer than `marginal_ms`, as at each point of a line
    attractor. `kink`: a unit is where the activation has no derivative, and the slopes on both sides differ in what
    grows. `slow`: not a fixed point.

    Args:
        net: the network or its equations.
        u: constant input (n_in,), unitless.
        starts: states (K, N), unitless, such as those of trials; None for random ones only.
        n_random: number of random starts besides, see `random_starts`.
        rng: generator or seed of the random starts; fresh entropy when None.
        tolerance: largest |tau dx/dt| of any unit at a fixed point, unitless.
        slow_speed: largest |dx/dt| of a slow point, 1/ms.
        merge: distance below which two points are one, unitless.
        marginal_ms: time constant above which a mode neither decays nor grows, ms.

    Returns:
        the points; none if no start arrived anywhere.

    Raises:
        ValueError: states or input of another shape, no starts, or a limit that is not positive.

    Source:
        Sussillo & Barak 2013, Neural Computation 25:626; docs/model.md 1.1.
    """
    equations = RateEquations.of(net)
    _check_positive(tolerance=tolerance, slow_speed=slow_speed, merge=merge, marginal_ms=marginal_ms)
    all_starts = _starts(equations, u, starts, n_random, rng)
    value = np.asarray(u, float)
    ends = slowest_states(equations, value, all_starts, tolerance=tolerance)
    fixed = ends.residual <= tolerance
    slow = ~fixed & (ends.speed <= slow_speed) & (ends.slope <= 1e-3)
    kept = [_merged(ends, np.flatnonzero(chosen), merge) for chosen in (fixed, slow)]
    points = np.concatenate([where for where, _ in kept])
    x = ends.x[points]
    kinds = [_classified(equations, state, marginal_ms, AT_KINK * tolerance) for state in x]
    kind = np.array([name for name, _, _, _ in kinds], dtype="<U8")
    kind[len(kept[0][0]) :] = "slow"
    return FixedPoints(
        x,
        value,
        ends.speed[points],
        kind,
        np.array([n for _, n, _, _ in kinds], dtype=int),
        np.array([slowest for _, _, slowest, _ in kinds], dtype=float),
        np.concatenate([n for _, n in kept]).astype(int),
        int((~fixed & ~slow).sum()),
        equations.readout(x),
        np.array([multipliers for _, _, _, multipliers in kinds], complex).reshape(-1, equations.N),
    )


def find_slow_points(
    net: RateNetwork | RateEquations,
    u: ArrayLike,
    starts: ArrayLike | None = None,
    *,
    n_random: int = 0,
    rng: np.random.Generator | int | None = None,
    speed: float = SLOW,
    damping: float = DAMPING,
) -> SlowPoints:
    """Move states onto the slow manifold: downhill in speed, only until they are slow.

    A damped step relaxes the fast directions and hardly moves the state along those whose time constant is above
    tau / sqrt(damping), so that the points stay spread along a line or ring that has few true fixed points, or none.

    Args:
        net: the network or its equations.
        u: constant input (n_in,), unitless.
        starts: states (K, N), unitless, such as those of trials; None for random ones only.
        n_random: number of random starts besides, see `random_starts`.
        rng: generator or seed of the random starts; fresh entropy when None.
        speed: |dx/dt| of a slow point, 1/ms.
        damping: of the steps, unitless.

    Returns:
        the points, in the order of the starts.

    Raises:
        ValueError: states or input of another shape, no starts, or a limit that is not positive.

    Source:
        Sussillo & Barak 2013, Neural Computation 25:626; Maheswaranathan et al. 2019, NeurIPS.
    """
    equations = RateEquations.of(net)
    _check_positive(speed=speed, damping=damping)
    all_starts = _starts(equations, u, starts, n_random, rng)
    value = np.asarray(u, float)
    ends = slowest_states(equations, value, all_starts, tolerance=1e-12, speed=speed, floor=damping, max_iterations=100)
    (kept,) = np.nonzero(ends.speed <= speed * (1 + 1e-9))
    x = ends.x[kept]
    return SlowPoints(x, value, ends.speed[kept], kept, len(all_starts) - len(kept), equations.readout(x))


def random_starts(
    net: RateNetwork | RateEquations, u: ArrayLike, n: int, rng: np.random.Generator | int | None = None
) -> Float[np.ndarray, "n N"]:
    """Draw states that a network could be driven to.

    In each, a random share of the units fires, each at a random fraction of a random largest rate; the state is that
    to which such rates drive all units.

    Args:
        net: the network or its equations.
        u: constant input (n_in,), unitless.
        n: number of states.
        rng: generator or seed; fresh entropy when None.

    Returns:
        (n, N), unitless.

    Source: none
    """
    equations, generator = RateEquations.of(net), np.random.default_rng(rng)
    active = generator.random((n, equations.N)) < generator.random((n, 1))
    largest = LARGEST_RATE[equations.activation] * generator.random((n, 1)) ** 2
    if equations.activation == "sigmoid":
        largest = np.ones((n, 1))
    rates = active * largest * generator.random((n, equations.N)) ** 0.25
    states: Float[np.ndarray, "n N"] = rates @ equations.W.T + equations.drive(u)
    return states


def _check_positive(**limits: float) -> None:
    for name, value in limits.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} = {value}; it must be above 0")


def _starts(
    equations: RateEquations,
    u: ArrayLike,
    starts: ArrayLike | None,
    n_random: int,
    rng: np.random.Generator | int | None,
) -> Float[np.ndarray, "K N"]:
    given = np.zeros((0, equations.N)) if starts is None else np.asarray(starts, float)
    if given.ndim != 2 or given.shape[1] != equations.N or not np.isfinite(given).all():
        raise ValueError(f"starts have shape {given.shape}; they must be (K, {equations.N}) finite numbers, K states")
    if not len(given) and n_random < 1:
        raise ValueError(f"n_random = {n_random}; without given starts it must be at least 1")
    return np.concatenate([given, random_starts(equations, u, max(n_random, 0), rng)])


def _merged(
    ends: Ends, chosen: Int[np.ndarray, " M"], distance: float
) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " K"]]:
    """Indices of the distinct ones, those with most starts first, and how many starts each stands for."""
    left = chosen[np.argsort(ends.residual[chosen], kind="stable")]  # the most exact one stands for its neighbours
    kept, counts = [], []
    while left.size:
        near = np.linalg.norm(ends.x[left] - ends.x[left[0]], axis=1) <= distance
        kept.append(left[0])
        counts.append(near.sum())
        left = left[~near]
    order = np.argsort(-np.array(counts, int), kind="stable")
    return np.array(kept, int)[order], np.array(counts, int)[order]


def _classified(
    equations: RateEquations, x: Float[np.ndarray, " N"], marginal_ms: float, within: float
) -> tuple[str, int, float, Complex[np.ndarray, " N"]]:
    """Kind of a fixed point, number of growing directions, time constant of the slowest mode in ms, and multipliers."""
    multipliers, *rest = (_multipliers(equations, state) for state in _sides(equations, x, within))
    growth, *others = map(_growth, (multipliers, *rest))
    n_unstable = int((growth > 1 / marginal_ms).sum())
    slowest = growth[np.argmin(np.abs(growth))]
    slowest_ms = float(np.inf if slowest == 0 else -1 / slowest)
    if any((other > 1 / marginal_ms).sum() != n_unstable for other in others):
        return "kink", n_unstable, slowest_ms, multipliers
    if abs(slowest_ms) > marginal_ms:
        return "marginal", n_unstable, slowest_ms, multipliers
    kind = "stable" if n_unstable == 0 else "unstable" if n_unstable == equations.N else "saddle"
    return kind, n_unstable, slowest_ms, multipliers


def _sides(equations: RateEquations, x: Float[np.ndarray, " N"], within: float) -> tuple[Float[np.ndarray, " N"], ...]:
    """The state, or where units are at a kink of phi, that on its flat and on its steep side."""
    flat, steep = equations.beside_kinks(x, within)
    return (x,) if np.array_equal(flat, steep) else (flat, steep)


def _multipliers(equations: RateEquations, x: Float[np.ndarray, " N"]) -> Complex[np.ndarray, " N"]:
    """Eigenvalues of the map, the largest first; other units than the core decay on their own."""
    core = equations.reaching()
    J = equations.jacobian(x)
    eigenvalues = np.concatenate([np.linalg.eigvals(J[np.ix_(core, core)]), -1 / equations.tau[~core]])
    multipliers = (1 + STEP_MS * eigenvalues).astype(complex)
    found: Complex[np.ndarray, " N"] = multipliers[np.argsort(-np.abs(multipliers), kind="stable")]
    return found


def _growth(multipliers: Complex[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Growth rate of each mode of the map, ln|mu| / 5 ms, in 1/ms."""
    growth: Float[np.ndarray, " N"] = np.log(np.maximum(np.abs(multipliers), np.finfo(float).tiny)) / STEP_MS
    return growth
