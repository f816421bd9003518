"""Runs a folder of small inputs that once broke ratecore: `make cases CASES=folder`.

`.sh` and `.py` files run in an empty folder and must exit with status 0; a script that takes arguments gets this
checkout and the folder's `mini.yaml`. A `.py` file that registers a task is loaded, and the task is checked. A `.mat`
file is read by every reader, and all must agree. A `.yaml` file must give a plan. Each line of `uris.txt` must be
refused before any job starts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECONDS = 1800


def run(command, folder, **env) -> str:
    """Runs a command and returns what is wrong with its end; '' if it succeeds."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    printed = done.stdout + done.stderr
    if done.returncode or "Traceback (most recent call last)" in printed:
        return f"status {done.returncode}: " + " | ".join(printed.strip().splitlines()[-4:])
    return ""


def script(case: Path, folder: Path) -> str:
    """Checks a shell or Python script."""
    if "register_task(" in case.read_text():
        code = (
            "import sys; from ratecore.tasks import TaskFactory; from ratecore.tasks.files import load_task_file\n"
            "from ratecore.tasks.checks import check_task; before = set(TaskFactory.list_available_tasks())\n"
            "load_task_file(sys.argv[1])\n"
            "for name in set(TaskFactory.list_available_tasks()) - before: check_task(TaskFactory.create_task(name))"
        )
        return run([sys.executable, "-c", code, str(case)], folder)
    program = "bash" if case.suffix == ".sh" else sys.executable
    arguments = [str(ROOT), str(case.with_name("mini.yaml"))] if case.suffix == ".sh" else [str(folder / "made")]
    return run([program, str(case), *arguments], folder)


def network(case: Path) -> str:
    """Checks a `.mat` file: all readers read it, or all refuse it with a sentence that names it."""
    from ratecore.formats import load_mat, load_network
    from ratecore.spiking import rate_model

    found = []
    for reader in (load_mat, load_network, rate_model):
        try:
            reader(case)
            found.append("")
        except ValueError as error:
            found.append(str(error))
    if any(found[1:]) and not all(found[1:]):
        return f"one reader refuses it: {found}"
    return "" if all(case.name in text for text in found if text) else f"an error does not name it: {found}"


def plan(case: Path, folder: Path) -> str:
    """Checks a configuration."""
    snakefile = str(ROOT / "workflow" / "Snakefile")
    call = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        snakefile,
        "--configfile",
        str(case),
        "--cores",
        "1",
        "-n",
    ]
    return run(call, folder)


def uri(text: str) -> str:
    """Checks a tracking URI that can never work."""
    from ratecore.tracking.mlflow.uri import check_uri

    try:
        check_uri("tracking.uri", text)
    except ValueError as error:
        return "" if "tracking.uri" in str(error) else f"the error does not name the key: {error}"
    return "it was taken"


def problems(case: Path, folder: Path) -> list[str]:
    """Returns what does not hold for a case."""
    if case.suffix in (".sh", ".py"):
        found = [script(case, folder)]
        found += [f"{made.name}: {network(made)}" for made in sorted(folder.rglob("made/*.mat")) if network(made)]
    elif case.suffix == ".mat":
        found = [network(case)]
    elif case.suffix in (".yaml", ".yml"):
        found = [plan(case, folder)]
    elif case.name == "uris.txt":
        found = [f"{line}: {uri(line)}" for line in case.read_text().split("\n") if line and uri(line)]
    else:
        found = []
    return [text for text in found if text]


def main() -> int:
    """Prints one line per case. Returns 1 if something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    cases = sorted(path.resolve() for path in parser.parse_args().folder.rglob("*") if path.is_file())
    broken = 0
    for case in cases:
        if case.suffix not in (".sh", ".py", ".mat", ".yaml", ".yml") and case.name != "uris.txt":
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = problems(case, Path(folder))
        broken += bool(found)
        print(f"{'broken' if found else 'held':8}{case.name}", *found, sep="\n        ", flush=True)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
