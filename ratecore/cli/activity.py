"""`ratecore activity`: the activity and spikes of networks, written for other programs."""

from __future__ import annotations

import argparse
import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ratecore.experiment.results import Results
    from ratecore.experiment.spikes import Spikes

NONE = "none"  # of --variables: spikes alone
EVALUATION = "evaluation"


def activity_command(args: argparse.Namespace) -> int:
    """Writes the activity of the chosen networks. Nothing is simulated before all arguments are known to be right.

    Raises:
        ValueError: an argument that cannot be used; the message names it.
        OSError: the file exists, or cannot be written.
        ImportError: a package is missing; the message names the extra.
    """
    from ratecore.cli.networks import settings_in
    from ratecore.formats.activity import Contents, check_target, folder_of, write_activity

    suffix = check_target(args.out, args.overwrite)
    variables, trials, where = variables_in(args.variables), trials_in(args.trials), settings_in(args.where, "--where")
    if args.bin is not None and not args.spikes:
        raise ValueError(f"--bin {args.bin:g}: spikes are counted in bins; give --spikes, too")
    if not variables and not args.spikes:
        raise ValueError(f"--variables {NONE}: there is nothing to write; give --spikes, too")
    if "task" in where:
        raise ValueError(f"--where task={where['task']}: choose the task with --task {where['task']}")

    from ratecore.experiment.opening import open_results

    exp = open_results(args.results, task_file=args.task_file)
    activity = exp.activity(args.task, trials, **where) if variables else None
    spikes = _spikes(exp, args.task, trials, where) if args.spikes else None
    if spikes is not None and args.bin is not None:
        spikes.check_bins(args.bin)
    contents = Contents(activity, spikes, variables, args.bin, args.dtype)
    paths = write_activity(args.out, contents, args.overwrite)
    n = contents.n_networks
    there = paths[0] if len(paths) == 1 else f"{folder_of(args.out)}/, {len(paths)} files {suffix}"
    with_spikes = f", {len(spikes)} of them with spikes" if spikes is not None and variables else ""
    print(f"{n} network{'s' if n > 1 else ''}{with_spikes}: {there}")
    return 0


def _spikes(exp: Results, task: str | None, trials: Any, where: dict[str, Any]) -> Spikes:
    """The spikes; what Python warns of is a note here."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        spikes = exp.spikes(task, "conversion" if trials == EVALUATION else trials, **where)
    for warning in caught:
        print(f"note: {warning.message}", file=sys.stderr)
    return spikes


def variables_in(text: str | None) -> tuple[str, ...]:
    """The variables of `--variables r,o`; all of them for None.

    Raises:
        ValueError: an unknown variable, or one that is given twice.
    """
    from ratecore.formats.activity import VARIABLES

    if text is None:
        return VARIABLES
    if text == NONE:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in VARIABLES:
            raise ValueError(f"--variables {text}: '{name}' must be one of {', '.join(VARIABLES)}, or {NONE} alone")
        if names.count(name) > 1:
            raise ValueError(f"--variables {text}: {name} is given twice")
    return names


def trials_in(text: str) -> str | int | list[int]:
    """The trials of `--trials evaluation`, `--trials 20` or `--trials 1,4,9`.

    Raises:
        ValueError: anything else.
    """
    if text == EVALUATION:
        return text
    parts = [part.strip() for part in text.removesuffix(",").split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts) or text.strip() == "0":
        raise ValueError(
            f"--trials {text}: it must be {EVALUATION}, how many of its trials (1 or more), or numbers of trials from "
            "0, as 1,4,9; of one trial 4,"
        )
    return [int(part) for part in parts] if "," in text else int(text)
