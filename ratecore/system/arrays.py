"""Arrays from outside are checked once, on their way in: compiled loops index without looking at bounds.

A wrong shape, anything but real numbers, NaN and infinity raise a ValueError that names the argument. Integers,
booleans, other floats and other memory layouts are converted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

REAL = "fiub"  # kinds of dtype that are real numbers
Dimension = int | tuple[str, int]  # a length, or a name and the smallest length allowed
BATCH, STEPS = ("B", 1), ("T", 2)
Scalar = TypeVar("Scalar", bound=np.generic)


class _TaskShape(Protocol):
    """The name of a task and the shape of its trials."""

    @property
    def name(self) -> str: ...
    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def T(self) -> int: ...


class _TrialArrays(Protocol):
    """A batch of trials."""

    @property
    def u(self) -> NDArray[Any]: ...
    @property
    def z(self) -> NDArray[Any]: ...
    @property
    def labels(self) -> Sequence[object]: ...
    @property
    def conditions(self) -> Sequence[str]: ...


@overload
def array_of(name: str, value: object, shape: Sequence[Dimension], *, finite: bool = True) -> NDArray[np.float64]: ...


@overload
def array_of(
    name: str,
    value: object,
    shape: Sequence[Dimension],
    dtype: type[Scalar] | np.dtype[Scalar],
    finite: bool = True,
) -> NDArray[Scalar]: ...


@overload
def array_of(
    name: str, value: object, shape: Sequence[Dimension], dtype: type[bool], finite: bool = True
) -> NDArray[np.bool_]: ...


def array_of(
    name: str, value: object, shape: Sequence[Dimension], dtype: Any = np.float64, finite: bool = True
) -> NDArray[Any]:
    """Check an argument and convert it to a writable C-contiguous array; nothing is copied where it is one already.

    Args:
        name: name of the argument, for messages.
        value: array, tensor or nested sequence of real numbers.
        shape: for each dimension its length, or a name and the smallest length where it is free.
        dtype: type of the numbers in the result.
        finite: whether NaN and infinity are refused.

    Returns:
        Array with the shape of `shape`, in the unit of `value` (unitless here).

    Raises:
        ValueError: names the argument, what it is and what is allowed.

    Source: none
    """
    array: NDArray[Any] = value if type(value) is np.ndarray else _as_array(name, value)
    if array.shape != shape and not _fits(array.shape, shape):
        raise _another_shape(name, array.shape, shape)
    if array.dtype != dtype or not array.flags.carray:  # loops would be compiled again for any other kind of array
        array = _convert(name, array, dtype)
    if finite and not is_finite(array):
        raise _not_finite(name, array)
    return array


def tensor_of(
    name: str,
    value: object,
    shape: Sequence[Dimension],
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
    finite: bool = True,
) -> torch.Tensor:
    """As `array_of`, for tensors: a tensor stays part of its graph and keeps its layout.

    Args:
        name: name of the argument, for messages.
        value: array, tensor or nested sequence of real numbers.
        shape: for each dimension its length, or a name and the smallest length where it is free.
        dtype: type of the numbers in the result.
        device: device of the result.
        finite: whether NaN and infinity are refused.

    Returns:
        Tensor with the shape of `shape`, in the unit of `value` (unitless here).

    Raises:
        ValueError: names the argument, what it is and what is allowed.

    Source: none
    """
    import torch

    if isinstance(value, torch.Tensor):
        tensor = value
    else:
        array = _as_array(name, value)
        tensor = torch.from_numpy(_convert(name, array, np.float32 if array.dtype == np.float32 else np.float64))
    if not _fits(tensor.shape, shape):
        raise _another_shape(name, tensor.shape, shape)
    if tensor.dtype != dtype or tensor.device != device:
        if tensor.is_complex():
            raise ValueError(f"{name} is complex; it must be real numbers")
        tensor = tensor.to(device=device, dtype=dtype)
    if finite and not is_finite(tensor):
        raise _not_finite(name, tensor)
    return tensor


def real_tensor(name: str, value: object, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Check that an argument holds finite real numbers and convert it to a tensor; a tensor is returned unchanged.

    Args:
        name: name of the argument, for messages.
        value: array, tensor or nested sequence of real numbers.
        dtype: type of the numbers in the result; that of `value` when None.

    Returns:
        Tensor with the shape of `value` and in its unit (unitless here).

    Raises:
        ValueError: names the argument and what it is.

    Source: none
    """
    import torch

    if not isinstance(value, torch.Tensor):
        array = _as_array(name, value)
        if array.dtype.kind not in REAL:
            kind = f" of dtype {value.dtype}" if hasattr(value, "dtype") else ""
            what = "complex" if array.dtype.kind == "c" else f"a {type(value).__name__}{kind}"
            raise ValueError(f"{name} is {what}; it must be an array of real numbers")
        value = torch.as_tensor(value if isinstance(value, list | tuple) else np.ascontiguousarray(array), dtype=dtype)
    if value.is_complex():
        raise ValueError(f"{name} is complex; it must be real numbers")
    if not is_finite(value):
        raise _not_finite(name, value)
    return value


def is_finite(value: NDArray[Any] | torch.Tensor) -> bool:
    """Whether an array or tensor holds neither NaN nor infinity.

    Args:
        value: any shape, unitless.

    Returns:
        True when all numbers are finite.

    Source: none
    """
    if not isinstance(value, np.ndarray):
        import torch

        value = value.detach()
        if value.device.type != "cpu" or value.dtype == torch.bfloat16:
            return bool(torch.isfinite(value).all())
        value = value.numpy()
    return bool(np.count_nonzero(np.isfinite(value)) == value.size)


def numbers(values: NDArray[Any] | torch.Tensor) -> NDArray[Any]:
    """The numbers of a parameter of a network, which is a tensor in PyTorch and an array elsewhere.

    Args:
        values: an array, or a tensor on any device; any shape, unitless.

    Returns:
        the array, or that of the tensor, the shape of `values`, unitless.

    Source: none
    """
    return values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()


def arrays_of_trials(
    task: _TaskShape, trials: _TrialArrays, n: int, dtype: type[np.floating[Any]] = np.float64
) -> tuple[Float[np.ndarray, "n n_in T"], Float[np.ndarray, "n *out T"]]:
    """Stimuli and targets of a batch of trials, checked against the task's own `n_inputs`, `n_outputs` and `T`.

    Args:
        task: task that drew the trials.
        trials: a batch of trials, as `AbstractTask.generate_batch` returns it.
        n: number of trials in the batch.
        dtype: type of the numbers in the result.

    Returns:
        Stimuli u (n, n_in, T) and targets z (n, T), or (n, n_out, T) of several outputs, both unitless.

    Raises:
        ValueError: names the task and what does not fit.

    Source:
        docs/model.md 1.1 (shapes of u and z).
    """
    # Trials of a batch that differ in length are filled up to the longest of them, not of the task.
    T = task.T if getattr(trials, "trials", None) is None else trials.u.shape[-1]
    out = () if getattr(task, "n_outputs", 1) == 1 else (task.n_outputs,)
    try:
        u = array_of("the stimulus u", trials.u, (n, task.n_inputs, T), dtype)
        z = array_of("the target z", trials.z, (n, *out, T), dtype)
    except ValueError as error:
        raise ValueError(f"task {task.name}, {n} trials: {error}") from error
    if not len(trials.labels) == len(trials.conditions) == n:
        counts = f"{len(trials.labels)} labels and {len(trials.conditions)} conditions"
        raise ValueError(f"task {task.name}, {n} trials: {counts}; each trial must have one of both")
    return u, z


def _not_finite(name: str, value: NDArray[Any] | torch.Tensor) -> ValueError:
    return ValueError(f"{name} holds NaN, infinity or a number beyond {str(value.dtype).removeprefix('torch.')}")


def _as_array(name: str, value: object) -> NDArray[Any]:
    """An array, tensor or sequence as an array; torch is imported by those who have tensors."""
    try:
        detach = getattr(value, "detach", None)
        if detach is None:
            return np.asarray(value)
        tensor: torch.Tensor = value  # type: ignore[assignment]  # or something with the same methods
        try:
            return tensor.numpy()
        except (RuntimeError, TypeError):  # on another device, part of a graph, or bfloat16, which numpy lacks
            tensor = detach().cpu()
            return (tensor.float() if tensor.is_floating_point() and tensor.dtype.itemsize < 4 else tensor).numpy()
    except (ValueError, TypeError, RuntimeError) as error:  # rows of different lengths, among others
        raise ValueError(f"{name} is no array of numbers: {error}") from error


def _another_shape(name: str, actual: Sequence[int], shape: Sequence[Dimension]) -> ValueError:
    names = [length[0] if isinstance(length, tuple) else str(length) for length in shape]
    allowed = ", ".join(names) + ("," if len(shape) == 1 else "")
    free = [length for length in shape if isinstance(length, tuple)]
    least = ", ".join(f"{letter} >= {n}" for letter, n in free if n > 1 or (n and 0 in actual))
    swapped = len(actual) >= 2 and _fits((*actual[:-2], actual[-1], actual[-2]), shape)
    return ValueError(
        f"{name} has shape {tuple(actual)}; it must be ({allowed})"
        + (f" with {least}" if least else "")
        + ("; its last two dimensions seem to be swapped" if swapped else "")
    )


def _fits(actual: Sequence[int], shape: Sequence[Dimension]) -> bool:
    if len(actual) != len(shape):
        return False
    for n, allowed in zip(actual, shape):  # noqa: B905  # quicker than strict and than all()
        if n != allowed and not (type(allowed) is tuple and n >= allowed[1]):
            return False
    return True


def _convert(name: str, value: NDArray[Any], dtype: type[np.generic] | np.dtype[Any]) -> NDArray[Any]:
    if value.dtype.kind not in REAL:
        what = "complex" if value.dtype.kind == "c" else f"of dtype {value.dtype}"
        raise ValueError(f"{name} is {what}; it must be real numbers")
    with np.errstate(over="ignore"):  # to infinity, which is then refused
        return np.array(value, dtype, order="C")
