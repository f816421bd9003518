"""GPU leases with simulated devices: never two holders of a slot, and none lost when processes die."""

import io
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from conftest import PATIENCE

from ratecore.system import devices
from ratecore.system.devices import device_pool, job_device, leased_device


@pytest.mark.parametrize(
    ("named", "pool"),
    [
        ("0,2", ["0", "2"]),
        ("GPU-8932f937, GPU-1f", ["GPU-8932f937", "GPU-1f"]),
        ("MIG-GPU-83/1/0", ["MIG-GPU-83/1/0"]),
        ("", []),
        ("-1", []),
        ("1,-1,2", ["1"]),
    ],
)
def test_the_pool_is_what_was_inherited(monkeypatch, named, pool):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert device_pool() == pool


def test_without_the_variable_the_pool_is_the_machine(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices.glob, "glob", lambda pattern: ["/dev/nvidia0", "/dev/nvidia1"])
    assert device_pool() == ["0", "1"]


def test_a_device_that_is_wanted_alone_is_never_shared(tmp_path, monkeypatch):
    monkeypatch.setattr(devices.time, "sleep", lambda seconds: (_ for _ in ()).throw(TimeoutError))
    log = io.StringIO()

    def taken(pool, jobs):
        with pytest.raises(TimeoutError), leased_device(pool, jobs, tmp_path, log):
            pass
        return True

    with leased_device(["0", "1"], 1, tmp_path) as first, leased_device(["0", "1"], 1, tmp_path) as second:
        assert {first, second} == {"0", "1"} and taken(["0", "1"], 1) and taken(["0", "1"], 2)
        assert log.getvalue().count("all GPUs are taken (0, 1); waiting for one") == 2
    with leased_device(["0", "1"], 2, tmp_path) as first, leased_device(["0", "1"], 2, tmp_path) as second:
        assert {first, second} == {"0", "1"}  # evenly
        with leased_device(["0", "1"], 2, tmp_path), leased_device(["0", "1"], 2, tmp_path):
            assert taken(["0", "1"], 2) and taken(["0", "1"], 1)
    with leased_device(["MIG-GPU-83/1/0"], 1, tmp_path) as device:
        assert device == "MIG-GPU-83/1/0" and taken(["MIG-GPU-83/1/0"], 1)


def test_one_device_has_one_lock_under_either_name(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "_uuids", lambda: {"0": "GPU-a", "1": "GPU-b"})
    with leased_device(["0", "1"], 1, tmp_path) as first, leased_device(["GPU-a", "GPU-b"], 1, tmp_path) as second:
        assert (first, second) == ("0", "GPU-b")


HOLDER = """
import os, random, sys, time
from ratecore.system.devices import leased_device
folder, jobs, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
with leased_device(["0", "GPU-x", "MIG-1/0"], jobs, folder + "/locks") as device:
    name = device.replace("/", "_")
    mine = f"{folder}/held/{name}.{os.getpid()}"
    open(mine, "w").close()
    # Who is dead has let go of the device, whatever file it has left.
    others = [n for n in os.listdir(folder + "/held") if n.startswith(name + ".") and n != os.path.basename(mine)]
    alive = [n for n in others if os.path.exists("/proc/" + n.rpartition(".")[2] + "/fd")
             and open("/proc/" + n.rpartition(".")[2] + "/stat").read().rpartition(")")[2].split()[0] != "Z"]
    if len(alive) >= jobs:
        open(f"{folder}/broken/{os.getpid()}", "w").write(repr(alive))
    time.sleep(rng.uniform(0, 0.2))
    os.unlink(mine)
open(f"{folder}/done/{seed}", "w").close()
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_of_many_processes_never_two_hold_a_slot_and_none_is_lost(tmp_path, jobs):
    for name in ("held", "broken", "done"):
        (tmp_path / name).mkdir()
    rng, waiting, killed, running = random.Random(jobs), list(range(100)), 0, []
    end = time.monotonic() + PATIENCE
    while (waiting or running) and time.monotonic() < end:
        while waiting and len(running) < 8:
            seed = waiting.pop()
            running.append(
                (seed, subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), str(jobs), str(seed)]))
            )
        time.sleep(0.02)
        if rng.random() < 0.3 and killed < 40:
            seed, process = rng.choice(running)
            if process.poll() is None and not (tmp_path / "done" / str(seed)).exists():
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed += 1
                if not (tmp_path / "done" / str(seed)).exists():
                    waiting.append(seed)
        running = [(seed, process) for seed, process in running if process.poll() is None]
    assert not running and killed > 10
    assert not list((tmp_path / "broken").iterdir())
    assert len(list((tmp_path / "done").iterdir())) == 100
    # All slots are free again.
    with leased_device(["0"], 1, tmp_path / "locks"), leased_device(["GPU-x"], 1, tmp_path / "locks"):
        pass


def test_a_job_says_why_it_has_no_gpu(monkeypatch, capfd):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with job_device("cpu") as given:
        assert given == ("cpu", None)
    with job_device("auto") as given:
        assert given == ("cpu", "no GPU is visible")
    assert "no GPU is visible: using the CPU" in capfd.readouterr().err
    with (
        pytest.raises(ValueError, match="device = 'cuda': no GPU is visible; allowed here: 'cpu', 'auto'"),
        job_device("cuda"),
    ):
        pass


def test_a_job_sees_the_device_that_it_has_leased(monkeypatch, tmp_path):
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(devices, "_unusable", lambda frac: fractions.append(frac))
    fractions = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    with leased_device(["2"]), job_device("auto") as given:
        assert given == ("cuda", None) and os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    with job_device("cuda", jobs_per_gpu=4), job_device("cuda", jobs_per_gpu=4, gpu_frac=0.1):
        assert fractions == [1, 0.25, 0.1]
    # In a SLURM job the scheduler has chosen, unless it has given several.
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with leased_device(["5"]), job_device("cuda"):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with leased_device(["0"]), job_device("cuda"):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


def test_a_gpu_that_torch_cannot_use(monkeypatch, tmp_path):
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with job_device("auto") as (device, reason):
        assert device == "cpu" and "cannot use GPU 0" in reason
