"""Devices: `set_gpu` of the `rate` package, and the lease by which a job of the workflow has a GPU to itself."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ratecore.system.files import AnyPath, open_to_lock

if TYPE_CHECKING:
    import torch


def set_gpu(gpu: str, frac: float) -> torch.device:
    """Choose a GPU and limit the memory that this process may use on it; without a GPU, use the CPU.

    Args:
        gpu: index among the devices that this process can see ('0', '1' ...). With CUDA_VISIBLE_DEVICES=2,3 index 0 is
            physical device 2.
        frac: fraction of the device's memory, in (0, 1].

    Returns:
        The device.

    Raises:
        ValueError: `gpu` is not the index of a visible device, or `frac` is out of range.
    """
    import torch

    if isinstance(frac, bool) or not isinstance(frac, int | float) or not 0 < frac <= 1:
        raise ValueError(f"gpu_frac = {frac!r}; it must be in (0, 1]")
    if not str(gpu).isdigit():
        raise ValueError(f"gpu = {gpu!r}; it must be the index of a device: 0, 1 ...")
    if not torch.cuda.is_available():
        print("no GPU is visible: using the CPU", file=sys.stderr)
        return torch.device("cpu")
    index, count = int(gpu), torch.cuda.device_count()
    if index >= count:
        raise ValueError(f"gpu = {gpu}; it must be below the number of visible devices, which is {count}")
    device = torch.device("cuda", index)
    torch.cuda.set_per_process_memory_fraction(frac, device)
    torch.cuda.set_device(device)
    return device


def torch_device(device: torch.device | str | int | None) -> torch.device:
    """Convert the name of a device.

    Args:
        device: 'cpu', 'cuda', 'cuda:0' ..., a torch.device, or None for the CPU.

    Returns:
        The device.

    Raises:
        ValueError: there is no such device, or it is a GPU and none can be used.
    """
    import torch

    if isinstance(device, torch.device | int) and not isinstance(device, bool):
        device = torch.device(device)
    elif device is None or (isinstance(device, str) and re.fullmatch(r"(cpu|cuda|mps|xpu|meta)(:\d+)?", device)):
        device = torch.device(device or "cpu")
    else:
        hint = " (did you mean 'cuda'?)" if str(device).lower() in ("gpu", "nvidia") else ""
        raise ValueError(f"device = {device!r}; it must be 'cpu', 'cuda' or 'cuda:<index>'{hint}")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device = '{device}': no GPU can be used; allowed here: 'cpu'")
    if device.type == "cuda" and (device.index or 0) >= (count := torch.cuda.device_count()):
        raise ValueError(f"device = '{device}'; its index must be below the number of visible GPUs, which is {count}")
    return device


def device_pool() -> list[str]:
    """The GPUs that this process may use, without importing torch.

    Returns:
        The inherited CUDA_VISIBLE_DEVICES (indices, UUIDs or MIG names) up to the first negative index, as CUDA reads
        it; without the variable, the indices of the machine's NVIDIA GPUs.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(k) for k in range(len(glob.glob("/dev/nvidia[0-9]*")))]
    names = [name.strip() for name in named.split(",")]
    end = next((k for k, name in enumerate(names) if not name or name.startswith("-")), len(names))
    return names[:end]


@contextlib.contextmanager
def leased_device(
    pool: list[str], jobs_per_gpu: int = 1, folder: AnyPath | None = None, log: TextIO | None = None
) -> Iterator[str]:
    """Lease a GPU of the pool, waiting until one is free.

    The lease is a file lock, which the kernel frees when the process ends. It holds between all processes of a machine
    that use the same folder, whoever started them.

    Args:
        pool: from `device_pool`.
        jobs_per_gpu: number of processes that may share a device; with 1 the device is exclusive.
        folder: folder of the locks; one for all users of the machine when None.
        log: file for messages, standard error when None.

    Yields:
        The name of the device, as in the pool.
    """
    folder, log = Path(folder or Path(tempfile.gettempdir(), "ratecore-gpus")), log or sys.stderr
    _make_for_all(folder)
    aliases, reported = _uuids(), -math.inf
    while True:
        for slot in range(jobs_per_gpu):  # the first slot of every device first, so that devices are used evenly
            for name in pool:
                with contextlib.ExitStack() as stack:
                    if _take(stack, folder / _file_name(aliases.get(name, name)), slot, jobs_per_gpu):
                        held = stack.pop_all()
                        with held:
                            yield name
                        return
        if time.monotonic() - reported > 300:
            reported = time.monotonic()
            print(f"all GPUs are taken ({', '.join(pool)}); waiting for one", file=log, flush=True)
        time.sleep(0.5)


def _take(stack: contextlib.ExitStack, path: Path, slot: int, jobs_per_gpu: int) -> bool:
    """Lock a device exclusively, or one of its slots and the device itself with a shared lock."""
    try:
        stack.enter_context(_flock(path, fcntl.LOCK_EX if jobs_per_gpu == 1 else fcntl.LOCK_SH))
        if jobs_per_gpu > 1:
            stack.enter_context(_flock(path.with_name(f"{path.name}.{slot}"), fcntl.LOCK_EX))
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _flock(path: Path, how: int) -> Iterator[None]:
    handle = open_to_lock(path, links=False)
    try:
        with contextlib.suppress(PermissionError):  # another user made it, and opened it to all
            os.fchmod(handle, 0o666)
        fcntl.flock(handle, how | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _make_for_all(folder: Path) -> None:
    """Make the folder of the locks, writable for all users of the machine, with the sticky bit, as /tmp."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(PermissionError):
        folder.chmod(0o1777)


def _file_name(device: str) -> str:
    return re.sub(r"[^\w-]", "_", device)


def _uuids() -> dict[str, str]:
    """Index to UUID of the machine's GPUs, so that both names of a device share a lock; empty without nvidia-smi."""
    try:
        query = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
        out = subprocess.run(query, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    rows = (line.split(",") for line in out.stdout.splitlines() if out.returncode == 0)
    return {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}


@contextlib.contextmanager
def job_device(
    wanted: str, jobs_per_gpu: int = 1, gpu_frac: float | None = None, log: TextIO | None = None
) -> Iterator[tuple[str, str | None]]:
    """Choose the device of a job before torch is imported.

    A GPU job sees only the device that it leased. A SLURM job that sees one device takes no lease, since the scheduler
    has chosen for it; one that sees several, as in an interactive allocation, leases one of them.

    Args:
        wanted: 'cpu', 'cuda', or 'auto', which is a GPU when there is one.
        jobs_per_gpu: number of processes that may share a device.
        gpu_frac: fraction of the device's memory for this process; by default its share of the device.
        log: file for messages, standard error when None.

    Yields:
        'cpu' or 'cuda'; and the reason when the CPU stands in for a GPU, else None.

    Raises:
        ValueError: 'cuda' is wanted and no GPU works.
    """
    pool = [] if wanted == "cpu" else device_pool()
    with contextlib.ExitStack() as stack:
        if pool and not ("SLURM_JOB_ID" in os.environ and len(pool) == 1):
            os.environ["CUDA_VISIBLE_DEVICES"] = stack.enter_context(leased_device(pool, jobs_per_gpu, log=log))
        reason = (
            None if wanted == "cpu" else "no GPU is visible" if not pool else _unusable(gpu_frac or 1 / jobs_per_gpu)
        )
        if reason and wanted == "cuda":
            raise ValueError(f"device = 'cuda': {reason}; allowed here: 'cpu', 'auto'")
        if reason:
            print(f"{reason}: using the CPU", file=log or sys.stderr, flush=True)
        yield "cpu" if wanted == "cpu" or reason else "cuda", reason


def _unusable(frac: float) -> str | None:
    """Limit the memory on the visible GPU; the reason when it cannot be used, else None."""
    import torch

    if not torch.cuda.is_available():
        return f"torch {torch.__version__} cannot use GPU {os.environ.get('CUDA_VISIBLE_DEVICES', '')}".rstrip()
    torch.cuda.set_per_process_memory_fraction(frac, 0)
    return None
