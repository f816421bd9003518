"""Products with the live connections alone, for trials one by one: compiled loops over packed vectors.

A vector of the processor holds one connection of each of `lanes` receiving units. Those of one vector come from sending
units at most `lanes` apart, so that one vector has their rates, too, and one instruction brings each to its lane. This
takes a fraction of the time of gathering them from memory.

The sum of a unit takes its connections in the order of their columns, one after another. What is packed with what
therefore changes no bit, nor does a connection that died after it was packed, nor the width of the vectors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from ratecore.system.compilation import BOUNDS_CHECKED, compiled

LEAST_UNITS = 16  # in smaller networks a product is so short that the calls count
MOST_LIVE = 0.3  # above this fraction of live connections, dense products are faster
_AT_ONCE = 8  # steps whose outer products are added in one go
_FEATURES = frozenset(cpu_target.target_context.codegen().magic_tuple()[2].split(","))


class Permutation(NamedTuple):
    """The processor's instruction that permutes a vector by variable indices.

    Attributes:
        name: of the LLVM intrinsic.
        lanes: numbers in a vector.
        bits: of an index.
    """

    name: str
    lanes: int
    bits: int


def permutation(dtype: np.dtype[Any] | type[np.floating[Any]], features: frozenset[str]) -> Permutation | None:
    """Find the widest permutation of vectors.

    Args:
        dtype: of the numbers.
        features: of the processor, as LLVM names them: '+avx2'.

    Returns:
        the permutation, or None where the processor has none.

    Source: none
    """
    single, fused = np.dtype(dtype) == np.float32, "+fma" in features
    if fused and "+avx512f" in features:
        return (
            Permutation("llvm.x86.avx512.permvar.sf.512", 16, 32)
            if single
            else Permutation("llvm.x86.avx512.permvar.df.512", 8, 64)
        )
    return Permutation("llvm.x86.avx2.permps", 8, 32) if fused and single and "+avx2" in features else None


def lanes_of(dtype: np.dtype[Any] | type[np.floating[Any]]) -> int:
    """Numbers in a vector that this processor can permute.

    Args:
        dtype: of the numbers.

    Returns:
        lanes; 0 where the processor has no such instruction, so that nothing can be packed.

    Source: none
    """
    found = permutation(dtype, _FEATURES)
    return found.lanes if found else 0


class Packed(NamedTuple):
    """The live entries of a matrix A (N, N), packed for the product A v.

    Each of the n vectors holds entries of up to `lanes` rows, one of each. A block of vectors belongs to `lanes` rows.

    Attributes:
        start: first vector of each block (n_blocks+1,), int64.
        base: first column that each vector can reach (n,), int64.
        index: column less `base` (n * lanes,), uint8.
        value: (n * lanes,), unitless; 0 in lanes without an entry.
        slot: place of each row's sum in `sums` (N,), int32. (0,) where the rows are in their own order; the last block
            then has the last `lanes` rows, and no entries of those that the block before has, too.
        sums: buffer (n_blocks * lanes,), unitless; (0,) without `slot`.
    """

    start: np.ndarray
    base: np.ndarray
    index: np.ndarray  # type: ignore[assignment]  # hides tuple.index, which nothing needs
    value: np.ndarray
    slot: np.ndarray
    sums: np.ndarray


class _Vectors:
    """Writes instructions on vectors of one kind of number."""

    def __init__(self, context: Any, builder: Any, of: Any) -> None:
        found = permutation(np.float32 if of == types.float32 else np.float64, _FEATURES)
        assert found is not None  # `Packing` exists only where there is one
        self.builder, self.lanes, self.scalar = builder, found.lanes, context.get_data_type(of)
        self.vector = ir.VectorType(self.scalar, found.lanes)
        self.indices, self.bytes = (ir.VectorType(ir.IntType(bits), found.lanes) for bits in (found.bits, 8))
        self.align = 4 if of == types.float32 else 8
        kind, module = self.vector, builder.module
        self.permute = module.declare_intrinsic(found.name, fnty=ir.FunctionType(kind, [kind, self.indices]))
        name = f"llvm.fma.v{found.lanes}f{8 * self.align}"
        self.fma = module.declare_intrinsic(name, fnty=ir.FunctionType(kind, [kind] * 3))

    def _at(self, array: Any, kind: Any, of: Any, k: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(array, [k], source_etype=of), kind.as_pointer())

    def load(self, array: Any, k: Any) -> Any:
        return self.builder.load(self._at(array, self.vector, self.scalar, k), typ=self.vector, align=self.align)

    def store(self, value: Any, array: Any, k: Any) -> None:
        self.builder.store(value, self._at(array, self.vector, self.scalar, k), align=self.align)

    def load_indices(self, array: Any, k: Any) -> Any:
        found = self.builder.load(self._at(array, self.bytes, ir.IntType(8), k), typ=self.bytes, align=1)
        return self.builder.zext(found, self.indices)

    def load_place(self, array: Any, k: Any) -> Any:
        place = ir.IntType(64)
        return self.builder.load(self.builder.gep(array, [k], source_etype=place), typ=place)


def _data(context: Any, builder: Any, signature: Any, args: Any, *numbers: int) -> list[Any]:
    """Pointers to the numbers of the arrays among the arguments."""
    return [context.make_array(signature.args[k])(context, builder, args[k]).data for k in numbers]


@intrinsic
def _add_product(typing_context: Any, packed: Any, v: Any, y: Any) -> tuple[Any, Any]:
    """y += A v, as `add_packed_product`, all in one piece: Numba would count references to each array at every call.

    One sum per lane keeps the order of the columns; the processor works on several blocks at once by itself.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        of, one_tuple = signature.args[0], args[0]
        arrays = [
            context.make_array(kind)(context, builder, builder.extract_value(one_tuple, k))
            for k, kind in enumerate(of.types)
        ]
        starts, bases, indices, values, slots, sums = (array.data for array in arrays)
        n_starts, n_slots = arrays[0].nitems, arrays[4].nitems
        source, out = _data(context, builder, signature, args, 1, 2)
        on = _Vectors(context, builder, of.types[3].dtype)
        N = context.make_array(signature.args[2])(context, builder, args[2]).nitems
        kind = N.type
        zero, one, lanes = (ir.Constant(kind, k) for k in (0, 1, on.lanes))
        in_order = builder.icmp_signed("==", n_slots, zero)

        def sum_of_block(b: Any) -> Any:
            total = cgutils.alloca_once(builder, on.vector)  # type: ignore[no-untyped-call]
            builder.store(ir.Constant(on.vector, None), total)
            first, last = on.load_place(starts, b), on.load_place(starts, builder.add(b, one))
            with cgutils.for_range_slice(builder, first, last, one) as (k, _):
                entry = builder.mul(k, lanes)
                rates = on.load(source, on.load_place(bases, k))
                rates = builder.call(on.permute, [rates, on.load_indices(indices, entry)])
                before = builder.load(total, typ=on.vector)
                builder.store(builder.call(on.fma, [on.load(values, entry), rates, before]), total)
            return builder.load(total, typ=on.vector)

        with cgutils.for_range(builder, builder.sub(n_starts, one)) as block:
            place = builder.mul(block.index, lanes)
            found = sum_of_block(block.index)
            with builder.if_else(in_order) as (then, otherwise):
                with then:
                    final = builder.sub(N, lanes)
                    row = builder.select(builder.icmp_signed("<", place, final), place, final)
                    on.store(builder.fadd(on.load(out, row), found), out, row)
                with otherwise:
                    on.store(found, sums, place)
        with cgutils.for_range(builder, n_slots) as unit:
            where = builder.gep(slots, [unit.index], source_etype=ir.IntType(32))
            where = builder.sext(builder.load(where, typ=ir.IntType(32)), kind)
            own = builder.gep(out, [unit.index], source_etype=on.scalar)
            found = builder.load(builder.gep(sums, [where], source_etype=on.scalar), typ=on.scalar)
            builder.store(builder.fadd(builder.load(own, typ=on.scalar), found), own)
        return context.get_dummy_value()

    return types.void(packed, v, y), generate


def _outer_products(steps: int) -> Any:
    """An intrinsic that adds the outer products of some steps to one block."""

    @intrinsic
    def add(
        typing_context: Any, base: Any, index: Any, g: Any, first: Any, last: Any, a: Any, r: Any, row: Any, N: Any
    ) -> tuple[Any, Any]:
        """g[k, l] += the sum over steps t of a[t N + row + l] * r[t N + base[k] + index[k, l]], for each lane l."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            bases, indices, sums, left, right = _data(context, builder, signature, args, 0, 1, 2, 5, 6)
            first, last, row, N = args[3], args[4], args[7], args[8]
            on, kind = _Vectors(context, builder, signature.args[2].dtype), first.type
            offsets = [builder.mul(N, ir.Constant(kind, t)) for t in range(steps)]
            slopes = [on.load(left, builder.add(row, offset)) for offset in offsets]
            with cgutils.for_range_slice(builder, first, last, ir.Constant(kind, 1)) as (k, _):
                entry = builder.mul(k, ir.Constant(kind, on.lanes))
                column, order = on.load_place(bases, k), on.load_indices(indices, entry)
                total = on.load(sums, entry)
                for slope, offset in zip(slopes, offsets, strict=True):
                    rates = builder.call(on.permute, [on.load(right, builder.add(column, offset)), order])
                    total = builder.call(on.fma, [slope, rates, total])
                on.store(total, sums, entry)
            return context.get_dummy_value()

        return types.void(base, index, g, first, last, a, r, row, N), generate

    return add


_add_steps, _add_step = _outer_products(_AT_ONCE), _outer_products(1)


@compiled
def _lanes(packed: Packed) -> int:
    return packed.value.size // max(packed.base.size, 1)


@compiled
def _check(packed: Packed, n_source: int, n_out: int) -> None:
    """Raises IndexError where the loops over pointers would leave their arrays, of n_source and n_out numbers."""
    start, base, slot, lanes = packed.start, packed.base, packed.slot, _lanes(packed)
    if packed.index.size != packed.value.size or lanes * base.size != packed.value.size:
        raise IndexError("arrays of packed connections differ in length")
    if start[0] < 0 or start[start.size - 1] > base.size or lanes > n_out:
        raise IndexError("a block has vectors that are not there")
    for k in range(base.size):
        if base[k] < 0 or base[k] + lanes > n_source:
            raise IndexError("packed connections from units that are not there")
        for lane in range(lanes):
            if packed.index[k * lanes + lane] >= lanes:
                raise IndexError("a packed connection is outside its vector")
    if slot.size > 0 and (slot.size != n_out or packed.sums.size < lanes * (start.size - 1)):
        raise IndexError("there are more sums than places")
    for i in range(slot.size):
        if slot[i] < 0 or slot[i] >= packed.sums.size:
            raise IndexError("a sum is outside its buffer")


@compiled
def add_packed_product(packed: Packed, v: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"]) -> None:
    """Compute y += A v.

    Args:
        packed: A.
        v: (N,), unitless.
        y: (N,), unitless, added to.

    Source: none
    """
    if BOUNDS_CHECKED:
        _check(packed, v.size, y.size)
    _add_product(packed, v, y)  # type: ignore[call-arg]  # Numba adds the context


@compiled
def add_outer_products(
    packed: Packed, a: Float[np.ndarray, "n N"], r: Float[np.ndarray, "_ N"], g: Float[np.ndarray, " _"]
) -> None:
    """Add the sum over t of a[t] r[t]^T to the entries that are packed.

    Args:
        packed: matrix without `slot`.
        a: (n, N), unitless.
        r: (n, N) or more rows, unitless; only the first n are read.
        g: sums (n_vectors * lanes,), laid out as `packed.value`, unitless, added to.

    Raises:
        IndexError: arrays do not belong together; only where bounds are checked.

    Source: none
    """
    n, N = a.shape
    start, base, index, lanes = packed.start, packed.base, packed.index, _lanes(packed)
    if BOUNDS_CHECKED:
        _check(packed, N, N)
        if packed.slot.size > 0:
            raise IndexError("outer products of rows that are not in order")
        if r.shape[0] < n or r.shape[1] != N or g.size != packed.value.size:
            raise IndexError("arrays of outer products differ in length")
    a_flat, r_flat = a.reshape(a.size), r.reshape(r.size)
    whole = n - n % _AT_ONCE
    for t in range(0, whole, _AT_ONCE):
        left, right = a_flat[t * N :], r_flat[t * N :]
        for b in range(start.size - 1):
            _add_steps(base, index, g, start[b], start[b + 1], left, right, min(b * lanes, N - lanes), N)
    for t in range(whole, n):
        left, right = a_flat[t * N :], r_flat[t * N :]
        for b in range(start.size - 1):
            _add_step(base, index, g, start[b], start[b + 1], left, right, min(b * lanes, N - lanes), N)
