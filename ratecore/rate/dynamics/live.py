"""The live connections of a network: a list of the nonzero entries of a matrix, and its product with many trials.

With Dale's law few connections are live (20 % before training, about 5 % after), and only these take time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import ArrayLike

from ratecore.system.arrays import array_of
from ratecore.system.compilation import BOUNDS_CHECKED, compiled

if TYPE_CHECKING:
    import torch

LANES = 16  # trials at once; a row of them is one cache line in float32
_AT_ONCE = 4  # sums side by side, since one sum alone would wait for each of its additions
_FLAGS = ("reassoc", "contract", "nsz")


class Entries(NamedTuple):
    """The nonzero entries of a matrix (N, N), row by row.

    Attributes:
        start: first entry of each row (N+1,), int64; entries from start[N] on are not used.
        index: LANES times the column of each entry (N*N+1,), int32.
        value: of each entry (N*N+1,), unitless.
    """

    start: np.ndarray
    index: np.ndarray  # type: ignore[assignment]  # hides tuple.index, which nothing needs
    value: np.ndarray


@intrinsic
def _add_row(
    typing_context: Any, index: Any, value: Any, first: Any, last: Any, R: Any, h: Any, place: Any
) -> tuple[Any, Any]:
    """h[place : place + LANES] += the sum over k = first .. last-1 of value[k] * R[index[k] : index[k] + LANES].

    All arrays are flat. The sums are LLVM vectors because Numba keeps no array in registers.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        index_type, value_type = signature.args[0], signature.args[1]
        arrays = [context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 1, 4, 5)]
        indices, values, rows, out = arrays
        scalar = context.get_data_type(value_type.dtype)
        vector = ir.VectorType(scalar, LANES)
        bytes_of = 4 if value_type.dtype == types.float32 else 8
        integer = context.get_data_type(index_type.dtype)
        first, last, place = args[2], args[3], args[6]
        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(_AT_ONCE)]  # type: ignore[no-untyped-call]

        def element(array: Any, kind: Any, k: Any) -> Any:
            return builder.gep(array, [k], source_etype=kind)

        def lanes_at(array: Any, k: Any) -> Any:
            return builder.bitcast(element(array, scalar, k), vector.as_pointer())

        def add(k: Any, total: Any) -> None:
            weight = builder.load(element(values, scalar, k), typ=scalar)
            row = builder.sext(builder.load(element(indices, integer, k), typ=integer), first.type)
            r = builder.load(lanes_at(rows, row), typ=vector, align=bytes_of)
            one = builder.insert_element(ir.Constant(vector, ir.Undefined), weight, ir.Constant(ir.IntType(32), 0))
            mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
            all_lanes = builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)
            product = builder.fmul(all_lanes, r, flags=_FLAGS)
            builder.store(builder.fadd(builder.load(total, typ=vector), product, flags=_FLAGS), total)

        whole = builder.and_(builder.sub(last, first), ir.Constant(first.type, -_AT_ONCE))
        middle = builder.add(first, whole)
        with cgutils.for_range_slice(builder, first, middle, ir.Constant(first.type, _AT_ONCE)) as (k, _):
            for j, total in enumerate(sums):
                add(builder.add(k, ir.Constant(k.type, j)), total)
        with cgutils.for_range_slice(builder, middle, last, ir.Constant(first.type, 1)) as (k, _):
            add(k, sums[0])
        parts = [builder.load(total, typ=vector) for total in sums]
        while len(parts) > 1:
            parts = [builder.fadd(a, b, flags=_FLAGS) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        target = lanes_at(out, place)
        before = builder.load(target, typ=vector, align=bytes_of)
        builder.store(builder.fadd(before, parts[0], flags=_FLAGS), target, align=bytes_of)
        return context.get_dummy_value()

    return types.void(index, value, first, last, R, h, place), generate


@compiled
def live_entries(
    W: Float[np.ndarray, "N N"],
    start: Int[np.ndarray, " N+1"],
    index: Int[np.ndarray, " N*N+1"],
    value: Float[np.ndarray, " N*N+1"],
) -> None:
    """List the nonzero entries of a matrix, row by row, as `Entries` describes.

    Args:
        W: (N, N), unitless.
        start: (N+1,), int64, receives the first entry of each row.
        index: (N*N+1,), int32, receives LANES times the column of each entry.
        value: (N*N+1,), unitless, receives the value of each entry.

    Source: none
    """
    n = 0
    for i in range(len(W)):
        start[i] = n
        row = W[i]
        for j in range(row.size):
            index[n], value[n] = LANES * j, row[j]
            n += row[j] != 0  # no branch: it would be mispredicted for one connection in five
    start[len(W)] = n


@compiled
def _read_product(
    start: Int[np.ndarray, " _"],
    index: Int[np.ndarray, " _"],
    value: Float[np.ndarray, " _"],
    R: Float[np.ndarray, " _"],
    H: Float[np.ndarray, " _"],
) -> float:
    """Reads by index what `_add_row` reads through pointers, so that Numba checks the bounds."""
    total = H[(len(start) - 1) * LANES - 1] * R.dtype.type(0)
    for i in range(len(start) - 1):
        for k in range(start[i], start[i + 1]):
            if index[k] < 0:
                raise IndexError("a live entry has a column below 0")
            total += value[k] * R[index[k]] * R[index[k] + LANES - 1]
    return total  # type: ignore[no-any-return]  # a number in the arrays' precision


@compiled
def add_live_product(
    start: Int[np.ndarray, " _"],
    index: Int[np.ndarray, " _"],
    value: Float[np.ndarray, " _"],
    R: Float[np.ndarray, " _"],
    H: Float[np.ndarray, " _"],
) -> None:
    """Compute H += W R for the live entries of W.

    Args:
        start: first entry of each row (N+1,), as in `Entries`.
        index: LANES times the column of each entry (N*N+1,).
        value: of each entry (N*N+1,), unitless.
        R: N rows of LANES numbers, flat (N * LANES,), unitless.
        H: (N * LANES,), unitless, added to.

    Source: none
    """
    if BOUNDS_CHECKED:
        _read_product(start, index, value, R, H)
    for i in range(len(start) - 1):
        _add_row(index, value, start[i], start[i + 1], R, H, i * LANES)  # type: ignore[call-arg]  # Numba adds the context


class LiveMatrix:
    """The nonzero entries of a square matrix, in the form that the loops here read.

    Args:
        N: number of rows and of columns.
        dtype: type of the values.
    """

    def __init__(self, N: int, dtype: np.dtype[Any] | type[np.floating[Any]]):
        self.start, self.index, self.value = (
            np.zeros(N + 1, np.int64),
            np.empty(N * N + 1, np.int32),
            np.empty(N * N + 1, dtype),
        )

    @classmethod
    def of(cls, W: Float[torch.Tensor, "N N"] | Float[np.ndarray, "N N"]) -> LiveMatrix:
        """List the nonzero entries of a tensor or array.

        Args:
            W: (N, N), unitless, on the CPU.

        Returns:
            Its entries.

        Source: none
        """
        array = W if isinstance(W, np.ndarray) else W.detach().numpy()
        return cls(len(array), array.dtype).take(array)

    def take(self, W: ArrayLike) -> LiveMatrix:
        """Replace the entries by those of another matrix of the same shape.

        Args:
            W: (N, N), unitless.

        Returns:
            This object.

        Raises:
            ValueError: `W` has another shape.

        Source: none
        """
        N = len(self.start) - 1
        array = array_of("W", W, (N, N), self.value.dtype, finite=False)  # divergence shows in the loss
        live_entries(array, self.start, self.index, self.value)
        return self

    @property
    def parts(self) -> Entries:
        """The arrays that the loops read."""
        return Entries(self.start, self.index, self.value)

    @property
    def share(self) -> float:
        """Fraction of the entries that are nonzero, in [0, 1]."""
        return float(self.start[-1] / (len(self.start) - 1) ** 2)
