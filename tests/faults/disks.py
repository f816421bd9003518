"""Faults of disks: a disk that fills up while a training writes."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from faults.harness import fault
from faults.lives import VARIANTS, Life, Truth, problem_of
from faults.warm import Warm

SIZE = 2**21  # size of the small disk in bytes; a training here needs up to half a megabyte


@contextlib.contextmanager
def warm_on_a_small_disk(folder: Path):
    """Yields a `Warm`, the folder of its file system of SIZE bytes, and the path of that folder in this process.

    It is a tmpfs in the mount namespace of the process and disappears with it. If only `sudo` may mount, all processes
    see it.
    """
    disk, errors = folder / "disk", folder / "errors"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size={SIZE} tmpfs "{disk}"'
    for namespace in (["unshare", "-m"], ["unshare", "-rm"]):
        if subprocess.run([*namespace, "sh", "-c", mount], capture_output=True).returncode == 0:
            with Warm(errors, (*namespace, "sh", "-c", f'{mount} && exec "$@"', "sh")) as warm:
                yield warm, disk, Path(f"/proc/{warm.process.pid}/root{disk}")
            return
    owner = f"uid={os.getuid()},gid={os.getgid()}"
    subprocess.run(["sudo", "-n", "mount", "-t", "tmpfs", "-o", f"size={SIZE},{owner}", "tmpfs", disk], check=True)
    try:
        with Warm(errors) as warm:
            yield warm, disk, disk
    finally:
        subprocess.run(["sudo", "-n", "umount", disk], check=True)


def free(disk: Path) -> int:
    """Returns the free bytes."""
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def fill(disk: Path, left: int) -> None:
    """Writes a file that leaves at most the given number of bytes."""
    with contextlib.suppress(OSError), open(disk / "filler", "ab", buffering=0) as filler:
        while (more := free(disk) - left) > 0:
            filler.write(bytes(more))


def fill_up(life: Life, warm: Warm, disk: Path, rng: random.Random, job: Life, seconds: float) -> dict:
    """Runs the job on a disk that has little space from the start, or none from some instant on."""
    if rng.random() < 0.5:
        fill(disk, rng.randrange(0, 300_000))
        return job.job(warm)
    instant = rng.uniform(0, seconds)
    thread = threading.Thread(target=lambda: (time.sleep(instant), fill(disk, 0)))
    thread.start()
    try:
        return job.job(warm)
    finally:
        thread.join()


@fault(
    "full-disk", 10, 1, "an error with file and reason, the last checkpoint intact; with free space, the same network"
)
def full_disk(times: int, rng: random.Random, folder: Path) -> Iterator[str | None]:
    """Fills the disk of a training that was killed before, so that there is a checkpoint to lose."""
    with warm_on_a_small_disk(folder) as (warm, disk, seen), Warm(folder / "other errors") as elsewhere:
        truths, done = {}, 0
        for number in range(1, 20 * times):
            variant = list(VARIANTS)[number % len(VARIANTS)]
            if variant not in truths:
                truths[variant] = Truth(variant, elsewhere, folder / f"truth of {variant}")
            # The same life, with its folder as seen by the job and by this process.
            life = Life(variant, seen / str(number), number)
            inside = Life(variant, disk / str(number), number)
            if (problem := _one(warm, seen, rng, truths[variant], life, inside, folder / "errors")) != "room enough":
                yield problem and f"{variant}: {problem}"
                done += 1
            (seen / "filler").unlink(missing_ok=True)
            shutil.rmtree(life.folder)
            if done == times:
                return


def _parts(life: Life) -> set[Path]:
    return {path for run in life.runs for path in run.folder.rglob(".*.part")}


def _one(warm, seen, rng, truth: Truth, life: Life, inside: Life, errors: Path) -> str | None:
    inside.job(warm, signal=signal.SIGKILL, after=rng.uniform(0, truth.seconds))
    life.wait_for_orphans()
    before, printed, parts = life.updates(), errors.stat().st_size, _parts(life)
    ended = fill_up(life, warm, seen, rng, inside, truth.seconds)
    if not ended["status"]:
        return "room enough"
    with open(errors) as file:
        file.seek(printed)
        printed = file.read()
    named = re.findall(r"No space left on device: '([^']+)'", printed.strip().splitlines()[-1])
    if not named or not all(name.startswith(str(inside.folder)) for name in named):
        return f"no file and reason in the last words of the error: {printed[-2000:]}"
    if problem := problem_of(truth.on_the_way, life):
        return problem
    if life.updates() < before:
        return f"of {before} updates {life.updates()} are left"
    if _parts(life) - parts:
        return f"left behind: {_parts(life) - parts}"
    (seen / "filler").unlink()
    ended = inside.job(warm)
    return f"the same job again ends with {ended}" if ended["status"] else truth.in_the_end(life)
