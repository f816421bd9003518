"""Where tensors live: the seed's `set_gpu`, and for a job of the workflow a GPU that no other job has."""

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
from pathlib import Path

from ratecore.system.files import open_to_lock


def set_gpu(gpu: str, frac: float):
    """Chooses a GPU and bounds the memory that this process may take on it; the CPU when there is none.

    Args:
        gpu: index among the devices that this process can see ('0', '1' ...). With CUDA_VISIBLE_DEVICES=2,3 index 0 is
            physical device 2: what the environment left is never asked for by its outside number.
        frac: fraction of the device's memory, in (0, 1].

    Returns:
        torch.device.

    Raises:
        ValueError: `gpu` is no index of a visible device, or `frac` is out of range.
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


def torch_device(device):
    """`device` as a torch.device: 'cpu', 'cuda', 'cuda:0' ..., one of torch's own, or None, the CPU.

    Raises:
        ValueError: no such device, or a GPU where none can be used.
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
    """The GPUs that a process here may use, found without importing torch.

    CUDA_VISIBLE_DEVICES as it was inherited (indices, UUIDs or MIG names), or the indices of the machine's NVIDIA GPUs.
    As CUDA does, the list ends before the first index below 0.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(k) for k in range(len(glob.glob("/dev/nvidia[0-9]*")))]
    names = [name.strip() for name in named.split(",")]
    end = next((k for k, name in enumerate(names) if not name or name.startswith("-")), len(names))
    return names[:end]


@contextlib.contextmanager
def leased_device(pool: list[str], jobs_per_gpu: int = 1, folder=None, log=None):
    """One GPU of the pool for this process alone, or shared with so many jobs; waits until one is free.

    The lease is a lock on a file that the kernel frees when the process ends, however it ends. All processes of a
    machine that lease from the same folder keep out of each other's way, whoever started them.

    Args:
        pool: of `device_pool`.   jobs_per_gpu: processes that may share a device; one that wants it alone never does.
        folder: of the locks.   log: file for messages, standard error when None.

    Yields:
        the name of the device, as in the pool.
    """
    folder, log = Path(folder or Path(tempfile.gettempdir(), "ratecore-gpus")), log or sys.stderr
    _make_for_all(folder)
    aliases, said = _uuids(), -math.inf
    while True:
        for slot in range(jobs_per_gpu):  # first one on each device, so that they are used evenly
            for name in pool:
                with contextlib.ExitStack() as stack:
                    if _take(stack, folder / _file_name(aliases.get(name, name)), slot, jobs_per_gpu):
                        held = stack.pop_all()
                        with held:
                            yield name
                        return
        if time.monotonic() - said > 300:
            said = time.monotonic()
            print(f"all GPUs are taken ({', '.join(pool)}); waiting for one", file=log, flush=True)
        time.sleep(0.5)


def _take(stack, path: Path, slot: int, jobs_per_gpu: int) -> bool:
    """Locks a device alone, or one of its slots and the device together with the others that share it."""
    try:
        stack.enter_context(_flock(path, fcntl.LOCK_EX if jobs_per_gpu == 1 else fcntl.LOCK_SH))
        if jobs_per_gpu > 1:
            stack.enter_context(_flock(path.with_name(f"{path.name}.{slot}"), fcntl.LOCK_EX))
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _flock(path: Path, how: int):
    handle = open_to_lock(path, links=False)
    try:
        with contextlib.suppress(PermissionError):  # made by another user, who has opened it to all
            os.fchmod(handle, 0o666)
        fcntl.flock(handle, how | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _make_for_all(folder: Path) -> None:
    """Makes the folder of the locks, which all users of the machine share, as /tmp is shared."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(PermissionError):
        folder.chmod(0o1777)


def _file_name(device: str) -> str:
    return re.sub(r"[^\w-]", "_", device)


def _uuids() -> dict[str, str]:
    """Index: UUID of the machine's GPUs, so that a device has one lock under either name; empty without nvidia-smi."""
    try:
        query = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
        out = subprocess.run(query, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    rows = (line.split(",") for line in out.stdout.splitlines() if out.returncode == 0)
    return {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}


@contextlib.contextmanager
def job_device(wanted: str, jobs_per_gpu: int = 1, gpu_frac: float | None = None, log=None):
    """The torch device of a job, chosen before torch is imported.

    A GPU job sees the one device that it has leased. A SLURM job that sees one device takes no lease: the scheduler
    has chosen for it. One that sees several, as in an interactive allocation, leases among these.

    Args:
        wanted: 'cpu', 'cuda', or 'auto', a GPU when there is one.   jobs_per_gpu: as in `leased_device`.
        gpu_frac: fraction of the device's memory for this process; by default its share of the device.
        log: file for messages, standard error when None.

    Yields:
        'cpu' or 'cuda', and why it is the CPU where a GPU would have been taken, else None.

    Raises:
        ValueError: 'cuda' without a GPU that works.
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
    """Bounds the memory on the visible GPU; why it cannot be used, None if it can."""
    import torch

    if not torch.cuda.is_available():
        return f"torch {torch.__version__} cannot use GPU {os.environ.get('CUDA_VISIBLE_DEVICES', '')}".rstrip()
    torch.cuda.set_per_process_memory_fraction(frac, 0)
    return None
