"""Arrays from outside, checked once on their way in: compiled loops read by index and do not look where.

What has the wrong shape, is no array of real numbers or holds NaN or infinity is refused with a ValueError that names
it. Integers, booleans, other floats and other memory layouts are converted.
"""

from __future__ import annotations

import numpy as np

REAL = "fiub"  # kinds of dtype that are real numbers
BATCH, STEPS = ("B", 1), ("T", 2)  # free dimensions of a shape: a name, and the least length


def array_of(name: str, value, shape, dtype=np.float64, finite: bool = True) -> np.ndarray:
    """`value` as a writable C-contiguous array of this shape and dtype; itself where it is that already.

    Args:
        name: of the argument, for messages.   value: array, tensor or nested sequence.
        shape: for each dimension its length, or a name and the least length where it is free.
        finite: whether NaN and infinity are refused.

    Raises:
        ValueError: names the argument, what came and what is allowed.
    """
    if type(value) is not np.ndarray:
        value = _as_array(name, value)
    if value.shape != shape and not _fits(value.shape, shape):
        raise _another_shape(name, value.shape, shape)
    if value.dtype != dtype or not value.flags.carray:  # any other kind of array would be compiled for
        value = _convert(name, value, dtype)
    if finite and not is_finite(value):
        raise _not_finite(name, value)
    return value


def tensor_of(name: str, value, shape, dtype, device="cpu", finite: bool = True):
    """As `array_of`, a tensor of this dtype on this device; a tensor stays part of its graph and keeps its layout."""
    import torch

    if not isinstance(value, torch.Tensor):
        value = _as_array(name, value)
        exact = np.float32 if value.dtype == np.float32 else np.float64
        value = torch.from_numpy(_convert(name, value, exact))
    if not _fits(value.shape, shape):
        raise _another_shape(name, value.shape, shape)
    if value.dtype != dtype or value.device != device:
        if value.is_complex():
            raise ValueError(f"{name} is complex; it must be real numbers")
        value = value.to(device=device, dtype=dtype)
    if finite and not is_finite(value):
        raise _not_finite(name, value)
    return value


def real_tensor(name: str, value, dtype=None):
    """`value` as a tensor of finite real numbers, by default in its own precision; a tensor stays as it is.

    Raises:
        ValueError: names the argument and what came.
    """
    import torch

    if not isinstance(value, torch.Tensor):
        array = _as_array(name, value)
        if array.dtype.kind not in REAL:
            dtype = f" of dtype {value.dtype}" if hasattr(value, "dtype") else ""
            what = "complex" if array.dtype.kind == "c" else f"a {type(value).__name__}{dtype}"
            raise ValueError(f"{name} is {what}; it must be an array of real numbers")
        value = torch.as_tensor(value if isinstance(value, list | tuple) else np.ascontiguousarray(array), dtype=dtype)
    if value.is_complex():
        raise ValueError(f"{name} is complex; it must be real numbers")
    if not is_finite(value):
        raise _not_finite(name, value)
    return value


def is_finite(value) -> bool:
    """Whether an array or tensor holds neither NaN nor infinity."""
    if not isinstance(value, np.ndarray):
        import torch

        value = value.detach()
        if value.device.type != "cpu" or value.dtype == torch.bfloat16:
            return bool(torch.isfinite(value).all())
        value = value.numpy()
    return np.count_nonzero(np.isfinite(value)) == value.size


def arrays_of_trials(task, trials, n: int, dtype=np.float64) -> tuple[np.ndarray, np.ndarray]:
    """u (n, n_inputs, T) and z (n, T) of n Trials, checked against the task's own `n_inputs` and `T`.

    Raises:
        ValueError: names the task and what does not fit.
    """
    T = task.T
    try:
        u = array_of("the stimulus u", trials.u, (n, task.n_inputs, T), dtype)
        z = array_of("the target z", trials.z, (n, T), dtype)
    except ValueError as error:
        raise ValueError(f"task {task.name}, {n} trials: {error}") from error
    if not len(trials.labels) == len(trials.conditions) == n:
        counts = f"{len(trials.labels)} labels and {len(trials.conditions)} conditions"
        raise ValueError(f"task {task.name}, {n} trials: {counts}; each trial must have one of both")
    return u, z


def _not_finite(name: str, value) -> ValueError:
    return ValueError(f"{name} holds NaN, infinity or a number beyond {str(value.dtype).removeprefix('torch.')}")


def _as_array(name: str, value) -> np.ndarray:
    """Of a tensor without importing torch for all others."""
    try:
        detach = getattr(value, "detach", None)
        if detach is None:
            return np.asarray(value)
        try:
            return value.numpy()
        except (RuntimeError, TypeError):  # on another device, part of a graph, or bfloat16, which numpy has not
            value = detach().cpu()
            return (value.float() if value.is_floating_point() and value.dtype.itemsize < 4 else value).numpy()
    except (ValueError, TypeError, RuntimeError) as error:  # rows of different lengths, among others
        raise ValueError(f"{name} is no array of numbers: {error}") from error


def _another_shape(name: str, found, shape) -> ValueError:
    free = [of for of in shape if isinstance(of, tuple)]
    allowed = ", ".join(of[0] if of in free else str(of) for of in shape) + ("," if len(shape) == 1 else "")
    least = ", ".join(f"{letter} >= {n}" for letter, n in free if n > 1 or (n and 0 in found))
    swapped = len(found) >= 2 and _fits((*found[:-2], found[-1], found[-2]), shape)
    return ValueError(
        f"{name} has shape {tuple(found)}; it must be ({allowed})"
        + (f" with {least}" if least else "")
        + ("; its last two dimensions seem to be swapped" if swapped else "")
    )


def _fits(found, shape) -> bool:
    if len(found) != len(shape):
        return False
    for n, of in zip(found, shape):  # noqa: B905, SIM110  # quicker than strict and than all()
        if n != of and not (type(of) is tuple and n >= of[1]):
            return False
    return True


def _convert(name: str, value: np.ndarray, dtype) -> np.ndarray:
    if value.dtype.kind not in REAL:
        what = "complex" if value.dtype.kind == "c" else f"of dtype {value.dtype}"
        raise ValueError(f"{name} is {what}; it must be real numbers")
    with np.errstate(over="ignore"):  # to infinity, which is then refused
        return np.array(value, dtype, order="C")
