"""The command `ratecore`: a folder for a grid, single networks without Snakemake, tasks, and MLflow.

Nothing here imports torch, numpy or pydantic before a command needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from ratecore.cli.arguments import command_parser, parser, unknown_argument, unknown_command


def _run(args: argparse.Namespace) -> int:
    """Runs a parsed command. Returns its exit status."""
    if args.command == "init":
        from ratecore.cli.folder import init_command, list_command

        return list_command() if args.list else init_command(args.folder, args.example)
    if args.command in ("train", "evaluate", "convert"):
        from ratecore.cli import networks

        command: Callable[[argparse.Namespace], int] = getattr(networks, f"{args.command}_command")
        return command(args)
    if args.command == "activity":
        from ratecore.cli.activity import activity_command

        return activity_command(args)
    if args.command == "claims":
        from ratecore.cli.claims import claims_command

        return claims_command(args)
    if args.command == "combine":
        from ratecore.cli.combine import combine_command

        return combine_command(args)
    if args.command == "panels":
        from ratecore.cli.panels import panels_command

        return panels_command(args)
    if args.command == "replay":
        from ratecore.cli.mirror import replay_command

        return replay_command(args.results, args.uri)
    if args.command == "ui":
        from ratecore.cli.mirror import ui_command

        return ui_command(args.results, args.host, args.port, args.uri)
    if args.command == "task":
        from ratecore.cli import tasks

        action: Callable[[argparse.Namespace], int] = getattr(tasks, f"{args.action}_command")
        return action(args)
    from ratecore.cli.folder import schema_command

    return schema_command(args.json)


def _words(args: argparse.Namespace) -> str:
    """The words of a command: `train`, or `task show`."""
    return " ".join(word for word in (args.command, getattr(args, "action", "")) if word)


def _sentence(error: Exception) -> str:
    """The message of an error, with the file first and without the number that Python puts before it."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        the exit status: 2 for arguments and files that cannot be used, 130 after Ctrl-C.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    if problem := unknown_command(argv):
        print(f"error: {problem}", file=sys.stderr)
        return 2
    args, unknown = parser().parse_known_args(argv)
    if unknown:
        print(f"error: {unknown_argument(_words(args), unknown[0])}", file=sys.stderr)
        return 2
    try:
        return _run(args)
    except (ValueError, OSError, FloatingPointError) as error:
        if isinstance(error, BrokenPipeError):  # `ratecore schema | head`
            sys.stderr.close()
            return 1
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("ratecore"):
            raise
        print(f"error: {error.name} is not installed: pip install 'ratecore[workflow]'", file=sys.stderr)
        return 2
    except ImportError as error:  # of a package that an extra installs; the message says which
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


__all__ = ["command_parser", "main", "parser"]
