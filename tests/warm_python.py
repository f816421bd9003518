"""A Python whose programs start within milliseconds, with torch, MLflow and Snakemake in memory.

`WarmPython` is a process that has imported what ratecore depends on, but not ratecore. `executable` is a program that
takes the place of `sys.executable`; beside it are `snakemake`, `ratecore` and `mlflow`. For each call, the process
forks a child, which gets the arguments, environment, folder and standard streams of the call, and runs the program as a
new interpreter would.

For tests that run many programs. Tests of how a program starts, of signals and of installed packages use
`sys.executable`: a warm program is no child of its caller, and modules that are imported already do not read the
environment again. With the variable of `NOT_RENDERED`, one PNG stands for all figures: rendering them takes a third of
the time of a grid of small networks.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from pathlib import Path

PACKAGES = (
    "alembic.command",
    "cffi",
    "fastjsonschema",
    "h5py",
    "jaxtyping",
    "jinja2",
    "jsonschema",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracking",
    "nbformat",
    "numba",
    "pandas",
    "psutil",
    "pyarrow.pandas_compat",
    "pydantic",
    "scipy.io",
    "scipy.optimize",
    "scipy.stats",
    "smart_open",
    "snakemake.cli",
    "snakemake.executors.local",
    "snakemake.report",
    "snakemake.report.html_reporter",
    "snakemake.script",
    "snakemake.workflow",
    "sqlalchemy.dialects.sqlite",
    "torch",
    "torch.utils.serialization.config",
)

COMMANDS = {"snakemake": "snakemake", "ratecore": "ratecore.cli", "mlflow": "mlflow"}
NOT_RENDERED = {"FIGURES": "not rendered"}

# The program that is called. Its interpreter imports little, which takes 20 ms.
CLIENT = """#!{python} -IS
import json, os, signal, socket, sys

arguments = sys.argv[1:]
known = arguments[1:] if arguments[:1] == ["-P"] else arguments
if known[:1] not in (["-m"], ["-c"]) and not os.path.isfile("".join(known[:1])) or "multiprocessing" in "".join(known):
    # Other options of the interpreter, or a process that inherits more files.
    os.execv("{python}", ["{python}", *arguments])
umask = os.umask(0)
os.umask(umask)
job = json.dumps(dict(arguments=arguments, env=dict(os.environ), folder=os.getcwd(), umask=umask)).encode()
server = socket.socket(socket.AF_UNIX)
server.connect("{address}")
socket.send_fds(server, [len(job).to_bytes(8, "big")], [0, 1, 2])
server.sendall(job)
lines = server.makefile()
pid = int(lines.readline())
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: os.killpg(pid, number))
status = int(lines.readline() or -signal.SIGKILL)
if status < 0:
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


class WarmPython:
    """The process that forks programs.

    Args:
        folder: for the program and its socket; their paths must be shorter than 100 characters.
    """

    def __init__(self, folder):
        self.executable = str(Path(folder, "python"))
        address = str(Path(folder, "socket"))
        Path(self.executable).write_text(CLIENT.format(python=sys.executable, address=address))
        Path(self.executable).chmod(0o755)
        for name, module in COMMANDS.items():
            Path(folder, name).write_text(f'#!/bin/sh\nexec {self.executable} -m {module} "$@"\n')
            Path(folder, name).chmod(0o755)
        command = [sys.executable, "-u", str(Path(__file__).resolve()), address, self.executable]
        env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        env |= {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONHASHSEED": "0"}  # as in jobs of the workflow
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("the process that forks programs did not start")

    def close(self):
        """Ends the process and what it runs."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Server:
    """Forks a child for each connection, and tells the client its process number and how it ended."""

    def __init__(self, address: str, executable: str):
        self.executable = executable
        self.selector = selectors.DefaultSelector()
        self.children: dict[int, socket.socket] = {}
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(address)
        self.listening.listen(64)
        woken, waking = socket.socketpair()
        waking.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        self.waking = waking
        self.selector.register(self.listening, selectors.EVENT_READ, self.accept)
        self.selector.register(woken, selectors.EVENT_READ, self.reap)
        self.selector.register(sys.stdin, selectors.EVENT_READ, self.end)

    def run(self) -> None:
        while True:
            for key, _ in self.selector.select():
                key.data(key.fileobj)

    def accept(self, listening) -> None:
        client, _ = listening.accept()
        header, streams, _, _ = socket.recv_fds(client, 8, 3)
        job = json.loads(client.makefile("rb").read(int.from_bytes(header, "big")))
        pid = os.fork()
        if not pid:
            os.setpgid(0, 0)
            self.become(job, streams)
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.setpgid(pid, pid)  # whichever comes first
        for number in streams:
            os.close(number)
        self.children[pid] = client
        self.tell(client, pid)
        self.selector.register(client, selectors.EVENT_READ, self.lost)

    def tell(self, client, number: int) -> None:
        with contextlib.suppress(OSError):  # it was killed; lost() is called
            client.sendall(f"{number}\n".encode())

    def lost(self, client) -> None:
        """The client has ended, so that its program is ended, too."""
        self.selector.unregister(client)
        for pid, its in self.children.items():
            if its is client:
                os.killpg(pid, signal.SIGKILL)

    def reap(self, woken) -> None:
        woken.recv(4096)
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            client = self.children.pop(pid)
            if client in self.selector.get_map():
                self.selector.unregister(client)
            self.tell(client, os.waitstatus_to_exitcode(status))
            client.close()

    def end(self, stdin) -> None:
        for pid in self.children:
            os.killpg(pid, signal.SIGKILL)
        os._exit(0)

    def become(self, job: dict, streams: list[int]) -> None:
        """Makes this process, a new child, the program. Does not return."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for client in (self.listening, *self.children.values()):
            client.close()
        self.selector.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)
        sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False, buffering=1)
        sys.stderr = sys.__stderr__ = open(2, "w", encoding="utf-8", closefd=False, buffering=1)
        os.chdir(job["folder"])
        os.umask(job["umask"])
        os.environ.clear()
        os.environ.update(job["env"])
        sys.executable = self.executable
        if any(name.startswith("COVERAGE_PROCESS") for name in os.environ):  # `make coverage`
            from coverage import process_startup

            process_startup()
        importlib.invalidate_caches()
        status = 1
        try:
            status = exit_status(job["arguments"])
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)


def render_nothing() -> None:
    """Makes `Figure.savefig` write a small figure instead."""
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    Figure(figsize=(1, 1)).savefig(buffer, format="png")
    Figure.savefig = lambda figure, file, **options: file.write(buffer.getvalue())


def exit_status(arguments: list[str]) -> int:
    """Runs a program as an interpreter does. Returns its exit status."""
    status = 0
    try:
        run(arguments)
    except SystemExit as end:
        status = end.code
        if status is not None and not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    except KeyboardInterrupt:
        traceback.print_exc()
        status = 128 + signal.SIGINT
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    return (status or 0) & 0xFF


def run(arguments: list[str]) -> None:
    """Runs `-m module ...`, `-c code ...` or `script ...`, each perhaps after `-P`."""
    if NOT_RENDERED.items() <= os.environ.items():
        render_nothing()
    safe = arguments[0] == "-P" or os.environ.get("PYTHONSAFEPATH")
    arguments = arguments[arguments[0] == "-P" :]
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    here = os.getcwd() if arguments[0] in ("-m", "-c") else str(Path(arguments[0]).resolve().parent)
    if not safe:
        sys.path.insert(0, here)
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        exec(compile(arguments[1], "<string>", "exec"), sys.modules["__main__"].__dict__)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def prepare() -> None:
    """Does what these packages do on first use."""
    import numba
    from PIL import Image

    sys.path.insert(0, str(Path(__file__).parent))
    import prepared_store

    del sys.path[0]
    prepared_store.install()
    numba.njit("float64(float64)")(lambda x: x)
    Image.preinit()


def main() -> None:
    """Imports the packages, then forks programs until standard input ends."""
    inherited = os.environ.pop("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [path for path in sys.path if path not in inherited and path != str(Path(__file__).parent)]
    for name in PACKAGES:
        importlib.import_module(name)
    prepare()
    if threading.active_count() > 1:
        raise RuntimeError(f"threads do not outlive a fork: {threading.enumerate()}")
    if "ratecore" in sys.modules:
        raise RuntimeError("ratecore is imported, so that no program could import another copy of it")
    gc.collect()
    gc.freeze()  # collections in children would copy all pages
    server = Server(*sys.argv[1:])
    os.write(1, b"ready\n")
    server.run()


if __name__ == "__main__":
    main()
