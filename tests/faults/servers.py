"""Faults of tracking servers, and many simultaneous jobs on a new database."""

from __future__ import annotations

import contextlib
import json
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from faults.harness import fault
from faults.stores import Postgresql, Proxy, Server, environment, missing, postgresql_programs, sqlite

HERE = Path(__file__).parent
# Tests share a server, and have an interpreter that starts faster.
PYTHON, SHARED = sys.executable, None
FULL = 5  # with fewer, as in the tests, a fault waits for less time
HELD = """networks as without a server; slower than the same work without one by at most a fifth and a second; trouble \
reported once; the end delayed by at most a minute; afterwards each run and point exactly once, every artifact"""


def _config(results: Path, experiment: str, seeds: int) -> dict:
    return {
        "experiment": experiment,
        "results": str(results),
        "grid": {"seed": list(range(seeds))},
        "task_settings": {"T": 100, "stim_on": 10, "stim_dur": 10},
        "network": {"N": 30, "P_inh": 0.3},
        "training": {"n_trials": 400, "eval_freq": 20, "eval_tr": 10, "loss_threshold": 1e-9},
        "evaluation": {"n_trials": 20, "psychometric_trials": 2},
    }


class Work:
    """The work of `recording.py` with a mirror, and the same work without one on the same machine at the same time."""

    def __init__(self, folder: Path, uri: str, seeds: int, grace: float):
        self.folder, self.experiment, self.uri, self.grace = folder, folder.name, uri, grace
        self._processes, self.work, self.twin, self._done = [], None, None, False
        for name, place in (("work", uri), ("twin", "-")):
            config = folder / f"{name}.json"
            folder.mkdir(exist_ok=True)
            config.write_text(json.dumps(_config(folder / name, self.experiment, seeds)))
            with open(folder / f"{name}.err", "w") as err:
                command = [PYTHON, HERE / "recording.py", config, place, str(grace)]
                self._processes.append(
                    subprocess.Popen(
                        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True, env=environment()
                    )
                )

    def begin(self) -> None:
        """Starts both at the same instant."""
        for process in self._processes:
            self._expect(process, "ready")
        for process in self._processes:
            process.stdin.write("go\n")
            process.stdin.flush()

    def wait_until_done(self) -> None:
        """Waits until the work is done; its follower may still be running."""
        if not self._done:
            self._expect(self._processes[0], "done")
        self._done = True

    def is_done(self) -> bool:
        """Returns whether the work is done."""
        return self._done or bool(select.select([self._processes[0].stdout], [], [], 0)[0])

    def _expect(self, process, word: str) -> None:
        if process.stdout.readline().strip() != word:
            raise RuntimeError(f"the work broke: {self.errors('work')}{self.errors('twin')}")

    def end(self) -> None:
        """Waits until both have ended, and reads their measurements."""
        if self.work is not None:
            return
        self.wait_until_done()
        self._expect(self._processes[1], "done")
        lines = [process.stdout.readline() for process in self._processes]
        if not all(lines):
            raise RuntimeError(f"the work broke: {self.errors('work')}{self.errors('twin')}")
        self.work, self.twin = map(json.loads, lines)
        for process in self._processes:
            process.stdin.close()
            process.stdout.close()
            process.wait(60)

    def errors(self, name: str = "work") -> str:
        return (self.folder / f"{name}.err").read_text()

    def runs(self, name: str = "work") -> list[Path]:
        """The folders of the runs."""
        return sorted(path.parent for path in (self.folder / name).rglob("record.jsonl"))

    def harmed(self) -> str | None:
        """Returns how the work was harmed, if it was."""
        networks = [{run.name: _weights(run) for run in self.runs(name)} for name in ("work", "twin")]
        if not networks[0] or networks[0] != networks[1]:
            return "the networks are not those without a server"
        if self.work["waited"] > 1.2 * self.twin["waited"] + 1:
            return f"the work waited for {self.work['waited']:.1f} s, without a server {self.twin['waited']:.1f} s"
        if self.work["held_up"] > self.grace + 12:
            return f"the end was held up by {self.work['held_up']:.0f} s"
        trouble = self.errors().count("tracking: ")
        if trouble > 1 or (not self.work["whole"] and trouble != 1):
            return f"the trouble was reported {trouble} times: {self.errors()[-2000:]}"
        return None

    def catch_up(self, rng: random.Random) -> str | None:
        """Sends the rest: by the next call of the workflow, or by a replay by hand, then by two at once."""
        by_hand = [PYTHON, "-m", "ratecore.cli", "replay", self.folder / "work", "--uri", self.uri]
        if not self.work["whole"]:
            if rng.random() < 0.5:
                # The next workflow has nothing to do; its follower finds the existing notes.
                code = (
                    "import sys; from ratecore.tracking.mlflow.follow import Follower;"
                    "sys.exit(not Follower(*sys.argv[1:]).start().stop(300))"
                )
                first = [PYTHON, "-c", code, self.uri, self.experiment, self.folder / "work"]
            else:
                first = by_hand
            done = subprocess.run(first, env=environment(), capture_output=True, text=True, timeout=1800)
            if done.returncode:
                return f"what was missed did not arrive: {done.stdout}{done.stderr[-2000:]}"
        return None if rng.random() < 0.5 else _replay_twice_at_once(by_hand)


def _replay_twice_at_once(command) -> str | None:
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    processes = [subprocess.Popen(command, env=environment(), **quiet) for _ in range(2)]
    printed = [process.communicate(timeout=1800)[0] for process in processes]
    return None if not any(process.returncode for process in processes) else f"a replay failed: {printed}"


def _weights(run: Path) -> dict:
    import torch

    state = torch.load(run / "network.pth", weights_only=True)["model_state_dict"]
    return {name: value.numpy().tobytes() for name, value in state.items() if torch.is_tensor(value)}


@contextlib.contextmanager
def _server(folder: Path):
    """Yields a server, each of whose faults has its own experiment."""
    if SHARED is not None:
        yield SHARED
        return
    (folder / "server").mkdir()
    with Server(folder / "server", f"sqlite:///{folder}/server/mlflow.db") as server:
        yield server


def database_of(server: Server) -> Path:
    return Path(server.database.removeprefix("sqlite:///"))


def _inflict(times: int, rng: random.Random, folder: Path, disturb, through_proxy: bool, seeds: int = 2):
    """Disturbs work `times` times; `disturb(work, server, proxy, short)` returns with the server restored."""
    short = times < FULL
    with _server(folder) as server, Proxy(server.port) as proxy:
        for k in range(times):
            work = Work(
                folder / f"{folder.name}-{k}", proxy.uri if through_proxy else server.uri, seeds, 8 if short else 60
            )
            work.begin()
            disturb(work, server, proxy, short)
            work.end()
            yield (
                work.harmed()
                or work.catch_up(rng)
                or missing(sqlite(database_of(server)), work.experiment, work.runs(), server.artifacts)
            )


@fault("server-killed", FULL, 1, HELD)
def server_killed(times, rng, folder):
    """Kills the server while the work records; restarts it during the work or only after its end."""

    def disturb(work, server, proxy, short):
        time.sleep(rng.uniform(1, 8))
        server.kill()
        if rng.random() < 0.5 and not short:
            time.sleep(rng.uniform(0, 6))
        else:
            work.wait_until_done()
            work.end()
        server.__enter__()

    yield from _inflict(times, rng, folder, disturb, through_proxy=False)


@fault("server-stopped", FULL, 1, HELD)
def server_stopped(times, rng, folder):
    """Stops the server for a minute: it accepts connections but does not answer."""

    def disturb(work, server, proxy, short):
        time.sleep(rng.uniform(0, 8))
        server.send(signal.SIGSTOP)
        time.sleep(12 if short else 60)
        server.send(signal.SIGCONT)

    yield from _inflict(times, rng, folder, disturb, through_proxy=False)


@fault("server-slow", FULL, 1, HELD)
def server_slow(times, rng, folder):
    """Delays every request by 5 s until the work has ended."""

    def disturb(work, server, proxy, short):
        proxy.delay = 5.0
        work.wait_until_done()
        work.end()
        proxy.delay = 0.0

    yield from _inflict(times, rng, folder, disturb, through_proxy=True)


@fault("server-500", FULL, 1, HELD)
def server_500(times, rng, folder):
    """Answers all or some requests with errors, half of them after the server has processed the request."""

    def disturb(work, server, proxy, short):
        share = rng.choice([0.2, 0.5, 1.0])
        time.sleep(rng.uniform(0, 4))
        proxy.refuse = lambda: rng.choice(["before", "after"]) if rng.random() < share else ""
        time.sleep(rng.uniform(4, 20))
        proxy.refuse = lambda: ""

    yield from _inflict(times, rng, folder, disturb, through_proxy=True)


@fault(
    "server-returns",
    FULL,
    0,
    """the server is down when the work begins and returns during it: the mirror is \
complete at the end without a replay, each run and point exactly once, and nothing was slowed""",
)
def server_returns(times, rng, folder):
    """Starts with the server down, and starts it while networks still train."""
    with _server(folder) as server:
        for k in range(times):
            work = Work(folder / f"{folder.name}-{k}", server.uri, 30, 60)
            server.kill()
            work.begin()
            time.sleep(rng.uniform(1, 5))
            server.__enter__()
            late = work.is_done()
            work.end()
            yield (
                ("the server came back after the work had ended" if late else None)
                or work.harmed()
                or (None if work.work["whole"] else f"not all was mirrored by itself: {work.errors()[-2000:]}")
                or missing(sqlite(database_of(server)), work.experiment, work.runs(), server.artifacts)
            )


MANY = 32


def write_records(root: Path, many: int = MANY) -> list[Path]:
    """Writes the given number of finished runs, each with a curve, a result and a file."""
    from ratecore.system.files import write_atomic
    from ratecore.tracking import Record
    from ratecore.tracking.queue import note_open

    folders = []
    for k in range(many):
        folder = root / "runs" / f"run{k:02}"
        record = Record(folder / "record.jsonl")
        record.append("start", "train", identity="i", labels={"name": f"seed={k}"}, params={"seed": k}, tags={"k": k})
        for step in range(10, 510, 10):
            record.append("metrics", "train", step=step, values={"train/loss": k + 1 / step, "train/test_loss": k})
        sha256 = write_atomic(folder / "scores.json", f"{k}".encode())
        record.append("artifact", "evaluate", path="scores.json", sha256=sha256, folder="evaluation")
        record.append("end", "train", status="done", identity="i", values={"train/n_trials": 500})
        note_open(root, folder)
        folders.append(folder)
    return folders


def _bring_at_once(uri: str, root: Path, folders: list[Path]) -> str | None:
    command = [PYTHON, HERE / "at_once.py", uri, root.name, root.parent, *folders]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=1800)
    return f"{done.returncode} of {MANY} did not bring theirs: {done.stderr[-1500:]}" if done.returncode else None


MANY_HELD = (
    f"{MANY} processes at the same instant, from the first use of the store: one experiment, {MANY} runs, every \
point and artifact"
)


@fault("many-at-once-sqlite", 3, 1, MANY_HELD)
def many_at_once_sqlite(times, rng, folder):
    """Uses a SQLite file that does not exist yet."""
    for k in range(times):
        root = folder / f"results{k}" / "many"
        folders = write_records(root)
        database = root.parent / "mlflow.db"
        yield _bring_at_once(f"sqlite:///{database}", root, folders) or missing(sqlite(database), "many", folders)


@fault("many-at-once-postgresql", 3, int(postgresql_programs() is not None), MANY_HELD)
def many_at_once_postgresql(times, rng, folder):
    """Uses an empty PostgreSQL database, in turn directly and through a server that has just created its tables."""
    with Postgresql() as postgresql:
        for k in range(times):
            root = folder / f"results{k}" / "many"
            folders = write_records(root)
            name, database = postgresql.fresh()
            with contextlib.ExitStack() as stack:
                server = stack.enter_context(Server(root.parent, database)) if k % 2 else None
                yield _bring_at_once(server.uri if server else database, root, folders) or missing(
                    postgresql.connect(name), "many", folders, server.artifacts if server else None
                )
