"""The command `ratecore`: what is done by hand with the results of a workflow."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ratecore.system.files import read_sealed_json


def parser() -> argparse.ArgumentParser:
    """The subcommands and their arguments."""
    p = argparse.ArgumentParser(prog="ratecore", description=__doc__)
    commands = p.add_subparsers(dest="command", required=True)
    replay = commands.add_parser(
        "replay",
        help="bring what MLflow has missed into it",
        description="Brings everything that the run records of a results folder say, and MLflow does not have, into "
        "MLflow. Doing so again changes nothing; on an empty store it makes the whole database anew.",
    )
    replay.add_argument("results", help="folder of all results, or of one experiment in it")
    replay.add_argument("--uri", help="MLflow tracking URI (default: MLFLOW_TRACKING_URI, or the last workflow's)")
    return p


def experiments_in(folder) -> list[Path]:
    """Folders of experiments in a results folder, or the folder itself if it is one. Raises FileNotFoundError."""
    folder = Path(folder)
    found = [folder] if (folder / "runs").is_dir() else sorted(path.parent for path in folder.glob("*/runs"))
    if not found:
        raise FileNotFoundError(f"{folder}: no experiment in it, that is, no folder with a folder 'runs'")
    return found


def uri_of(root: Path, given: str | None) -> str:
    """The tracking URI for an experiment: as given, of the environment, as last used, or the results' SQLite file."""
    from ratecore.tracking.mlflow.uri import check_uri, tracking_uri

    if given:
        return check_uri("--uri", given)
    used = None
    if (root / "tracking.json").is_file():
        used = read_sealed_json(root / "tracking.json").get("uri")
        if not isinstance(used, str | None):
            raise ValueError(f"{root / 'tracking.json'}: its 'uri' is no text; name the store with --uri")
        if used and "***" in used and not os.environ.get("MLFLOW_TRACKING_URI"):
            raise ValueError(f"{root}: its MLflow is at {used}; give the URI with its password in MLFLOW_TRACKING_URI")
    return tracking_uri(None if used and _was_default(used, root) else used, root.parent)


def _was_default(uri: str, root: Path) -> bool:
    """Whether a URI is that of the default store where the results were before: earlier versions noted its path."""
    from ratecore.tracking.mlflow.sqlite import sqlite_file

    file = sqlite_file(uri)
    if file is None or file.name != "mlflow.db" or not (root.parent / "mlflow.db").is_file():
        return False
    return not file.exists() or (file.parent / root.name / "runs").is_dir()  # moved, or copied


def replay_command(results, uri: str | None) -> int:
    """Replays all runs. Returns 0 when MLflow has everything."""
    from ratecore.system.redaction import redact_output, without_secrets
    from ratecore.tracking.mlflow.follow import follow

    redact_output(uri or "")  # MLflow and what it imports write to standard error, too
    whole = True
    for root in experiments_in(results):
        place = uri_of(root, uri)
        job = {"experiment": root.name, "results": str(root.parent), "all_runs": True}
        done = follow(job, place, lambda seconds: True)
        print(f"{root.name}: {'all' if done else 'not all'} of its runs are in {without_secrets(place, place)}")
        whole = whole and done
    return 0 if whole else 1


def main(argv=None) -> int:
    """Runs the command line. Returns the exit status: 2 for arguments that cannot be used."""
    args = parser().parse_args(argv)
    try:
        return replay_command(args.results, args.uri)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
