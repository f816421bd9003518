"""A real SLURM cluster on this machine: a controller and two nodes with a simulated GPU each. It ends with the test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

NODES = {"n0": "/dev/null", "n1": "/dev/zero"}  # node: a harmless device file instead of its GPU
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch")
# Snakemake's executor removes SLURM_CONF from a job's environment, where `srun` then looks here.
USUAL_PLACE = Path("/etc/slurm")


def missing() -> list[str]:
    """Returns why there can be no cluster: programs are not installed, the user is not root, or SLURM is in use."""
    absent = [name for name in NEEDED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    in_use = [
        f"no {file} of another" for file in USUAL_PLACE.glob("*.conf") if file.name in ("slurm.conf", "gres.conf")
    ]
    return absent + (["root"] if os.geteuid() else []) + in_use


def free_ports(n: int) -> list[int]:
    """Returns free ports of this machine."""
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Slurm:
    """The cluster, as a context manager. `env` is the environment of a shell on its login node.

    Args:
        folder: an empty folder for its configuration, state and logs.
    """

    def __init__(self, folder):
        self.folder, self.daemons = Path(folder), {}
        self.env = {
            **os.environ,
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        }

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        try:
            self._start_munge()
            self._configure()
            self.start("slurmctld", "slurmctld", "-D", "-i")
            for node in NODES:
                self.start_node(node)
            self.wait_for(lambda: set(self.nodes().values()) == {"idle"}, "both nodes idle", 60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        if "slurmctld" in self.daemons and self.daemons["slurmctld"].poll() is None:
            subprocess.run(["scancel", "--full", "-u", "root"], env=self.env, capture_output=True, timeout=300)
            deadline = time.monotonic() + 300
            while self.jobs() and time.monotonic() < deadline:
                time.sleep(0.5)
        for process in reversed(self.daemons.values()):
            process.terminate()
        for link in USUAL_PLACE.glob("*.conf"):
            if link.is_symlink() and link.readlink().parent == self.folder:
                link.unlink()
        for process in self.daemons.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start_munge(self) -> None:
        place = self.folder / "munge"
        place.mkdir(mode=0o755)
        (place / "key").write_bytes(os.urandom(1024))
        (place / "key").chmod(0o400)
        files = {name: f"--{name}-file={place / name}" for name in ("log", "pid", "seed", "key")}
        self.start("munged", "munged", "--foreground", "--force", f"--socket={place / 'socket'}", *files.values())
        self.wait_for(lambda: (place / "socket").exists(), "munge's socket", 20)

    def _configure(self) -> None:
        controller, *ports = free_ports(1 + len(NODES))
        size = "CPUs=2 RealMemory=12000 Gres=gpu:1"
        nodes = [
            f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} {size}"
            for node, port in zip(NODES, ports, strict=True)
        ]
        (self.folder / "slurm.conf").write_text("\n".join([
            "ClusterName=test", "SlurmctldHost=localhost(127.0.0.1)", "SlurmUser=root", f"SlurmctldPort={controller}",
            "AuthType=auth/munge",
            # Seconds until a requeued job starts again; two minutes by default.
            f"AuthInfo=socket={self.folder}/munge/socket,cred_expire=20",
            "ProctrackType=proctrack/linuxproc", "TaskPlugin=task/none", "JobAcctGatherType=jobacct_gather/linux",
            "SelectType=select/cons_tres", "SelectTypeParameters=CR_Core_Memory", "GresTypes=gpu",
            "ReturnToService=2", "SlurmdTimeout=10", "SlurmctldTimeout=10", "KillWait=10", "MinJobAge=60",
            "JobRequeue=1", "BatchStartTimeout=30", "SchedulerParameters=sched_interval=2,bf_interval=2",
            "MpiDefault=none", f"StateSaveLocation={self.folder}/state", f"SlurmdSpoolDir={self.folder}/spool-%n",
            f"SlurmctldPidFile={self.folder}/slurmctld.pid", f"SlurmdPidFile={self.folder}/slurmd-%n.pid",
            f"SlurmctldLogFile={self.folder}/slurmctld.log", f"SlurmdLogFile={self.folder}/slurmd-%n.log",
            *nodes, "PartitionName=main Nodes=ALL Default=YES MaxTime=240 State=UP", "",
        ]))  # fmt: skip
        gres = [f"NodeName={node} Name=gpu File={device}" for node, device in NODES.items()]
        (self.folder / "gres.conf").write_text("\n".join([*gres, ""]))
        (self.folder / "state").mkdir()
        USUAL_PLACE.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            (USUAL_PLACE / name).symlink_to(self.folder / name)

    def start(self, name: str, *command: str) -> None:
        """Starts a daemon in the foreground of a child process."""
        log = open(self.folder / f"{name}.out", "ab")
        self.daemons[name] = subprocess.Popen(
            [shutil.which(command[0], path=self.env["PATH"]), *command[1:]],
            env=self.env,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        log.close()

    def start_node(self, node: str) -> None:
        self.start(node, "slurmd", "-D", "-N", node)

    def nodes(self) -> dict[str, str]:
        """Returns {node: state}."""
        out = self.run("sinfo", "-h", "-N", "-o", "%N %t", check=False).stdout.split()
        return dict(zip(out[::2], out[1::2], strict=True))

    def jobs(self) -> list[dict]:
        """Returns the jobs that have not ended: id, state, node, comment (rule and wildcards), time."""
        out = self.run("squeue", "-h", "-o", "%A|%T|%N|%k|%M", check=False).stdout.splitlines()
        return [dict(zip(("id", "state", "node", "comment", "time"), line.split("|"), strict=True)) for line in out]

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        """Runs a command on the login node."""
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=600, check=check)

    def wait_for(self, condition, what: str, seconds: float):
        """Waits until the condition holds and returns its value. The TimeoutError has the daemons' last output."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := condition():
                return value
            if dead := [name for name, process in self.daemons.items() if process.poll() is not None]:
                raise RuntimeError(f"{dead} ended while waiting for {what}:\n{self.last_words()}")
            time.sleep(0.3)
        raise TimeoutError(f"{what} not after {seconds} s\n{self.last_words()}")

    def last_words(self) -> str:
        files = [*self.folder.glob("*.out"), *self.folder.glob("*.log"), self.folder / "munge/log"]
        return "\n".join(f"== {f.name}\n{f.read_text(errors='replace')[-1500:]}" for f in files if f.exists())
