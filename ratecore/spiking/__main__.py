"""The `spiking` package's commands: `python -m ratecore.spiking search` finds lambda, `evaluate` scores a network."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ratecore.compat.spiking_arguments import values_in_words
from ratecore.settings.spiking import ConversionSettings


def scaling_range(text: str) -> list[float]:
    """Parse '20:75:5' (first, last and step, the last one included), '20:75' (step 1) or '20,25,40'.

    Args:
        text: of an option.

    Returns:
        values of lambda, unitless.

    Raises:
        argparse.ArgumentTypeError: anything else.

    Source: none
    """
    try:
        return values_in_words(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("scaling_factors = ")) from None


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line.

    Returns:
        the parser.
    """
    p = argparse.ArgumentParser(prog="python -m ratecore.spiking", description=__doc__)
    commands = p.add_subparsers(dest="command", required=True)
    default = ConversionSettings()
    search = commands.add_parser("search", aliases=["lambda_grid_search"], help="find lambda for each network")
    search.add_argument("--model_dir", "--model_path", required=True, help="folder of .mat files, or one of them")
    search.add_argument("--task_name", "--task", required=True, help="task: go-nogo, xor, mante, or one of --task_file")
    search.add_argument("--n_trials", type=int, default=default.n_trials, help="trials of each value, >= 1")
    search.add_argument("--scaling_factors", type=scaling_range, help="as 20:75:5 (default: by the activation)")
    search.add_argument(
        "--search", choices=("full", "racing"), default="full", help="racing gives up on poor values early"
    )
    score = commands.add_parser("evaluate", aliases=["eval_tasks"], help="score a spiking network")
    score.add_argument("--model_dir", "--model_path", required=True, help="folder with a .mat file, or the file")
    score.add_argument("--task", "--task_name", dest="task_name", required=True, help="as for search")
    names = ("--scaling_factor", "--optimal_scaling_factor")
    score.add_argument(*names, type=float, help="lambda (default: the one in the file)")
    score.add_argument("--n_trials", type=int, default=100, help="fresh trials, >= 1")
    score.add_argument("--no_plots", action="store_true", help="save no figures")
    score.add_argument("--all_trial_types", action="store_true", help="save a trial of each type, too, as plots/*.npz")
    for command in (search, score):
        for key in ("T", "stim_on", "stim_dur", "delay"):
            command.add_argument(f"--{key}", type=int, help="of the task, in steps of 5 ms (default: as trained)")
        amplitude = "output that counts as an answer (default: 0.7, as published)"
        command.add_argument("--eval_amp_thresh", "--eval_amp_threh", type=float, help=amplitude)
        command.add_argument("--output_dir", help="folder of the results (default: that of the file)")
        command.add_argument("--task_file", help="Python file that registers a task of your own")
        command.add_argument("--seed", type=int, default=0, help="of the trials, >= 0")
        command.add_argument("--threads", type=int, default=1, help="processes at once")
    return p


def _save_trials(model: Path, trials: list[dict[str, Any]]) -> Path:
    """Save the trials of each type beside a network's file, as arrays <trial type>/<name>, and return the path."""
    import io

    import numpy as np

    from ratecore.system.files import write_atomic

    keys = ("stimulus", "target", "label", "spikes", "output")
    arrays = {f"{trial['trial_type']}/{key}": trial[key] for trial in trials for key in keys}
    buffer, path = io.BytesIO(), model.parent / "plots" / f"{model.stem}_trial_types.npz"
    np.savez_compressed(buffer, **arrays)
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, buffer.getvalue())
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments; by default those of the process.

    Returns:
        the exit status: 2 for arguments or files that cannot be used.
    """
    args = parser().parse_args(argv)
    from ratecore.spiking.companion import evaluate_task, lambda_grid_search
    from ratecore.tasks.files import load_task_file

    keys = ("T", "stim_on", "stim_dur", "delay", "eval_amp_thresh")
    task_settings = {key: getattr(args, key) for key in keys if getattr(args, key) is not None}
    how = {"seed": args.seed, "threads": args.threads, "output_dir": args.output_dir}
    if args.n_trials < 1 or args.seed < 0:
        print(f"error: n_trials = {args.n_trials}, seed = {args.seed}; they must be >= 1 and >= 0", file=sys.stderr)
        return 2
    try:
        if args.task_file:
            load_task_file(args.task_file)
        if args.command in ("search", "lambda_grid_search"):
            values = args.scaling_factors
            lambda_grid_search(
                args.model_dir, args.task_name, args.n_trials, values, task_settings, search=args.search, **how
            )
        else:
            how |= {"n_trials": args.n_trials, "all_trial_types": args.all_trial_types}
            scores = evaluate_task(
                args.task_name, args.model_dir, args.scaling_factor, task_settings, not args.no_plots, **how
            )
            if args.all_trial_types:
                model = Path(scores["model"])
                folder = Path(args.output_dir or model.parent)
                print(_save_trials(folder / model.name, scores.pop("trial_types", [])), file=sys.stderr)
            print(json.dumps(scores, indent=2))
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
