"""Where tensors live: the seed's `set_gpu`, and the `device` of the configuration."""

from __future__ import annotations

import glob
import os
import sys


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

    if not 0 < frac <= 1:
        raise ValueError(f"gpu_frac = {frac}; it must be in (0, 1]")
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


def choose_device(name: str) -> str:
    """The torch device of the configuration's `device`: 'cpu', 'cuda', or 'auto', a GPU when there is one.

    Raises:
        ValueError: 'cuda' without a GPU.
    """
    if name == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise ValueError("device = 'cuda': no GPU is visible; allowed here: 'cpu', 'auto'")
    return "cpu"


def visible_gpus() -> int:
    """Number of NVIDIA GPUs that a process here can see, found without importing torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return len([name for name in named.split(",") if name.strip() and not name.strip().startswith("-")])
    return len(glob.glob("/dev/nvidia[0-9]*"))
