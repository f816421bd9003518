"""Packs the live connections of a network for `ratecore.rate.dynamics.packed`, and packs them again as they die."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from ratecore.rate.dynamics.packed import Packed, lanes_of
from ratecore.system.compilation import compiled

LEAST_UNITS = 32  # smaller networks gain little, and their numbers stay those of dense products
MOST_LIVE = 0.35  # above this fraction of live connections, dense products are faster
LINE = 64  # bytes of a line of the cache
FRESH = 0.95  # when less than this fraction of the packed connections is live, they are packed again


def can_pack(N: int, dtype: np.dtype[Any] | type[np.floating[Any]]) -> bool:
    """Tell whether packed products pay for some density.

    Args:
        N: units.
        dtype: of the weights.

    Returns:
        Whether the processor can permute vectors, and the network is large enough.

    Source: none
    """
    return 0 < lanes_of(dtype) <= N and N >= LEAST_UNITS


@compiled
def pack(
    first: Int[np.ndarray, " N+1"],
    column: Int[np.ndarray, " _"],
    order: Int[np.ndarray, " N"],
    lanes: int,
    to_row: int,
    to_column: int,
    start: Int[np.ndarray, " _"],
    base: Int[np.ndarray, " n"],
    index: UInt8[np.ndarray, " _"],
    place: Int[np.ndarray, " _"],
) -> int:
    """Pack entries into vectors. With empty `base`, `index` and `place` only count the vectors.

    Args:
        first: first entry of each row in `column` (N+1,).
        column: of the entries (n_entries,), row by row, increasing within a row.
        order: (N,), the rows in the order of their lanes; the last block has the last `lanes` rows, of which it takes
            those that no other block has.
        lanes: of a vector.
        to_row: distance in the flat matrix from a row to the next.
        to_column: distance in the flat matrix from a column to the next.
        start: (n_blocks+1,), receives the first vector of each block.
        base: receives the first column of each vector (n,).
        index: receives the columns less `base` (n * lanes,).
        place: receives the positions in the flat matrix (n * lanes,).

    Returns:
        number of vectors.

    Source: none
    """
    N, n = order.size, 0
    n_blocks, writes = start.size - 1, base.size > 0
    following, last = np.empty(lanes, np.int64), np.empty(lanes, np.int64)
    for b in range(n_blocks):
        start[b] = n
        top = min(b * lanes, N - lanes)
        for lane in range(lanes):
            i = order[top + lane]
            following[lane], last[lane] = first[i], first[i + 1]
            if top + lane < b * lanes:  # a row of the block before
                last[lane] = first[i]
        while True:
            lowest = N
            for lane in range(lanes):
                if following[lane] < last[lane]:
                    lowest = min(lowest, column[following[lane]])
            if lowest == N:
                break
            lowest = min(lowest, N - lanes)
            if writes:
                base[n] = lowest
            for lane in range(lanes):
                k = following[lane]
                taken = k < last[lane] and column[k] < lowest + lanes
                if taken:
                    following[lane] += 1
                if writes:
                    index[n * lanes + lane] = column[k] - lowest if taken else 0
                    place[n * lanes + lane] = order[top + lane] * to_row + column[k] * to_column if taken else -1
            n += 1
    start[n_blocks] = n
    return n


@compiled
def count_live(W: Float[np.ndarray, " n"]) -> int:
    """Count nonzero numbers.

    Args:
        W: (n,), unitless.

    Returns:
        how many are not 0.

    Source: none
    """
    n = 0
    for k in range(W.size):
        n += W[k] != 0
    return n


@compiled
def _take(place: Int[np.ndarray, " n"], W: Float[np.ndarray, " _"], value: Float[np.ndarray, " n"]) -> int:
    n = 0
    for k in range(place.size):
        value[k] = W[place[k]] if place[k] >= 0 else W.dtype.type(0)
        n += value[k] != 0
    return n


@compiled
def take_values(
    W: Float[np.ndarray, " _"],
    place: Int[np.ndarray, " n"],
    place_t: Int[np.ndarray, " m"],
    value: Float[np.ndarray, " n"],
    value_t: Float[np.ndarray, " m"],
    g: Float[np.ndarray, " n"],
) -> int:
    """Read the packed entries of a matrix and of its transpose, and set the sums of their gradients to 0.

    Args:
        W: flat matrix (N * N,), unitless.
        place: positions of the entries in `W` (n,), -1 for none.
        place_t: those of the entries of its transpose (m,).
        value: receives the entries of the matrix (n,), unitless; 0 where there is none.
        value_t: receives those of its transpose (m,), unitless.
        g: receives zeros (n,), unitless.

    Returns:
        how many entries of the matrix are packed and not 0.

    Source: none
    """
    for k in range(g.size):
        g[k] = g.dtype.type(0)
    _take(place_t, W, value_t)
    return _take(place, W, value)


@compiled
def add_values(place: Int[np.ndarray, " n"], value: Float[np.ndarray, " n"], W: Float[np.ndarray, " _"]) -> None:
    """Add packed entries to those of a matrix.

    Args:
        place: positions of the entries in `W` (n,), -1 for none.
        value: entries (n,), unitless.
        W: flat matrix (N * N,), unitless, added to.

    Source: none
    """
    for k in range(place.size):
        if place[k] >= 0:
            W[place[k]] += value[k]


def packed_entries(
    live: Bool[np.ndarray, "N N"], strides: tuple[int, int], dtype: np.dtype[Any], by_length: bool
) -> tuple[Packed, Int[np.ndarray, " _"]]:
    """Pack the live entries of a matrix.

    Args:
        live: which entries are live (N, N), N at least `lanes_of`.
        strides: distance in the flat matrix of the values from a row to the next, and from a column to the next.
        dtype: of the values.
        by_length: whether rows with similar numbers of entries share a block, which makes fewer vectors.

    Returns:
        the entries, with values 0, and the place of each value in the flat matrix (n * lanes,), -1 for none.

    Source: none
    """
    N, lanes = len(live), lanes_of(dtype)
    counts = live.sum(1)
    first = np.concatenate([[0], np.cumsum(counts)])
    column = np.append(np.nonzero(live)[1], 0)  # one more, which `pack` looks at but does not take
    order = np.argsort(counts, kind="stable") if by_length else np.arange(N)
    n_blocks = -(-N // lanes)
    start, no_place = np.zeros(n_blocks + 1, np.int64), np.zeros(0, np.int32)
    none = no_place.astype(np.int64), no_place.astype(np.uint8), no_place
    n = pack(first, column, order, lanes, *strides, start, *none)
    base, index, place = np.zeros(n, np.int64), np.zeros(n * lanes, np.uint8), np.zeros(n * lanes, np.int32)
    pack(first, column, order, lanes, *strides, start, base, index, place)
    slot, sums = no_place, np.zeros(0, dtype)
    if by_length:
        sums, slot = np.zeros(n_blocks * lanes, dtype), np.zeros(N, np.int32)
        lane = np.arange(N)
        if N % lanes:
            lane[N - N % lanes :] += n_blocks * lanes - N  # the last block ends with the last row
        slot[order] = lane
    return Packed(start, base, index, aligned_zeros(n * lanes, dtype), slot, sums), place


def aligned_zeros(n: int, dtype: np.dtype[Any]) -> np.ndarray:
    """Make an array of zeros that starts at a line of the cache, so that reading a vector never takes two lines.

    Args:
        n: numbers.
        dtype: of them.

    Returns:
        (n,), unitless.

    Source: none
    """
    room = np.zeros(n * dtype.itemsize + LINE, np.uint8)
    skipped = -room.ctypes.data % LINE
    return room[skipped : skipped + n * dtype.itemsize].view(dtype)


class Packing:
    """The effective weights of a network and their transpose, packed, and packed again as connections die.

    Attributes:
        W: effective weights.
        W_t: their transpose.
        g: sums of the gradient of W, laid out as `W.value`, unitless.

    Args:
        matrix: effective weights (N, N), unitless, with at least `lanes_of` rows.
    """

    def __init__(self, matrix: Float[np.ndarray, "N N"]) -> None:
        self._pack(matrix)

    def _pack(self, matrix: Float[np.ndarray, "N N"]) -> None:
        live, N = matrix != 0, len(matrix)
        # W r goes straight to its place. W^T a is sorted, since few units send many of the connections after training.
        self.W, self._place = packed_entries(live, (N, 1), matrix.dtype, by_length=False)
        self.W_t, self._place_t = packed_entries(np.ascontiguousarray(live.T), (1, N), matrix.dtype, by_length=True)
        self.g, self._live = aligned_zeros(self.W.value.size, matrix.dtype), int(live.sum())

    def take(self, matrix: Float[np.ndarray, "N N"], live: int) -> Self:
        """Take over the values of a matrix, and set `g` to 0.

        Args:
            matrix: (N, N), unitless.
            live: number of its nonzero entries.

        Returns:
            This object.

        Source: none
        """
        if live < FRESH * self._live:
            self._pack(matrix)
        if self._take(matrix) != live:  # others are live than those that were packed
            self._pack(matrix)
            self._take(matrix)
        return self

    def _take(self, matrix: Float[np.ndarray, "N N"]) -> int:
        return take_values(matrix.reshape(-1), self._place, self._place_t, self.W.value, self.W_t.value, self.g)

    def add_to(self, gradient: Float[np.ndarray, "N N"]) -> None:
        """Add the sums of the gradient to a matrix.

        Args:
            gradient: of W (N, N), unitless, added to where connections are live.

        Source: none
        """
        add_values(self._place, self.g, gradient.reshape(-1))
