"""The command line of the `rate` package: `python -m ratecore.main` trains one network, or scores a saved one."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratecore.settings.base import SettingsError
from ratecore.settings.network import ACTIVATIONS, NetworkSettings
from ratecore.settings.run import RunSettings
from ratecore.settings.training import LOSS_FUNCTIONS, EvaluationSettings, TrainingSettings
from ratecore.tasks.base import ACCURACY_AMPLITUDE

if TYPE_CHECKING:
    import torch

TASK_TIMES = ("T", "stim_on", "stim_dur", "delay")  # the settings of tasks that the existing packages name


def restricted_float(x: str) -> float:
    """Parse a number in [0, 1].

    Args:
        x: text of the argument.

    Returns:
        the number, in [0, 1].

    Raises:
        argparse.ArgumentTypeError: it is not such a number.

    Source: none
    """
    try:
        value = float(x)
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError(f"{x!r} is not a number") from None
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{x} is not in the range [0, 1]")
    return value


def str2bool(v: str | bool) -> bool:
    """Parse a truth value: yes, true, t, y, 1 or no, false, f, n, 0.

    Args:
        v: text of the argument.

    Returns:
        the value.

    Raises:
        argparse.ArgumentTypeError: it is none of these.
    """
    if isinstance(v, bool):
        return v
    if str(v).lower() in ("yes", "true", "t", "y", "1"):
        return True
    if str(v).lower() in ("no", "false", "f", "n", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{v!r} is not a truth value; allowed: true, false")


def parser() -> argparse.ArgumentParser:
    """The arguments, with their defaults and ranges.

    Returns:
        the parser.
    """
    net = NetworkSettings()
    p = argparse.ArgumentParser(
        prog="python -m ratecore.main", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = p.add_argument
    add(
        "--mode",
        type=str.lower,
        choices=("train", "eval"),
        default="train",
        help="train a network or score a saved one",
    )
    add("--output_dir", required=True, help="networks are saved under <output_dir>/models/<task>")
    add("--task", type=str.lower, required=True, help="task: go-nogo, xor, mante, or one of --task_file")
    add("--N", type=int, default=argparse.SUPPRESS, help="number of units, >= 1; required but for eval with --model")
    add(
        "--decay_taus",
        type=float,
        nargs="+",
        default=argparse.SUPPRESS,
        help="minimum and maximum time constant, or one for all, >= 1 step of 5 ms; required like --N",
    )
    add("--n_trials", type=int, default=200, help="most trials of training, >= 1")
    add("--gain", type=float, default=net.gain, help="scale of the starting weights, > 0")
    add("--P_inh", type=restricted_float, default=net.P_inh, help="proportion of inhibitory units, in [0, 1]")
    add("--P_rec", type=restricted_float, default=net.P_rec, help="starting connection probability, in [0, 1]")
    add("--som_N", type=int, default=net.som_N, help="number of SST units, 0 to the number of inhibitory units")
    add("--apply_dale", type=str2bool, default=net.apply_dale, help="apply Dale's law")
    add("--w_dist", type=str.lower, default=net.w_dist, help="distribution of the starting weights: gaus, gamma")
    add("--act", type=str.lower, default=net.activation, help=f"activation function: {', '.join(ACTIVATIONS)}")
    _add_training(p)
    return p


def _add_training(p: argparse.ArgumentParser) -> None:
    """Add the arguments of training, device, task and evaluation."""
    add, training = p.add_argument, TrainingSettings()
    add("--loss_fn", type=str.lower, default=training.loss_fn, help=f"loss: {', '.join(LOSS_FUNCTIONS)}")
    add("--learning_rate", type=float, default=training.learning_rate, help="of Adam, > 0")
    add("--DeltaT", type=float, default=1, help="only 1 can be trained: for a longer step give smaller --decay_taus")
    add("--loss_threshold", type=float, default=training.loss_threshold, help="mean test loss to stop below, > 0")
    add("--eval_freq", type=int, default=training.eval_freq, help="trials between tests, >= 1")
    add("--eval_tr", type=int, default=training.eval_tr, help="trials of a test, >= 1")
    add(
        "--eval_amp_thresh",
        "--eval_amp_threh",
        type=float,
        default=ACCURACY_AMPLITUDE,
        help="output of a correct answer; only the published value: another needs a task of your own",
    )
    add("--batch_size", type=int, default=training.batch_size, help="trials an update, >= 1")
    add(
        "--seed",
        type=int,
        default=argparse.SUPPRESS,
        help="seed of everything random, >= 0 (default: drawn and printed)",
    )
    add("--gpu", default="0", help="index of the GPU among the visible ones; the CPU is used when there is none")
    add("--gpu_frac", type=restricted_float, default=0.4, help="fraction of the GPU's memory, in (0, 1]")
    for key in TASK_TIMES:
        add(
            f"--{key}",
            type=int,
            default=argparse.SUPPRESS,
            help="of the task, in steps of 5 ms (default: the task's own; eval: as it was trained)",
        )
    add("--task_file", default=argparse.SUPPRESS, help="Python file that registers a task of your own")
    add(
        "--model",
        default=argparse.SUPPRESS,
        help="eval: the .mat or .pth file (default: the newest in --output_dir that fits)",
    )
    add("--eval_trials", type=int, default=EvaluationSettings().n_trials, help="fresh trials to score on, >= 1")


def given_times(args: argparse.Namespace) -> dict[str, int]:
    """The task settings among parsed arguments.

    Args:
        args: of `parser`.

    Returns:
        name: value, in steps.
    """
    return {key: getattr(args, key) for key in TASK_TIMES if hasattr(args, key)}


def run_settings(args: argparse.Namespace) -> RunSettings:
    """The settings of a run from parsed arguments.

    Args:
        args: of `parser`.

    Returns:
        the settings.

    Raises:
        SettingsError: with every problem.
    """
    if args.DeltaT != 1:
        raise SettingsError(
            f"DeltaT = {args.DeltaT:g}: networks are trained with DeltaT = 1. Only DeltaT / tau enters the equations: "
            f"give --decay_taus {' '.join(f'{t / args.DeltaT:g}' for t in args.decay_taus if args.DeltaT > 0)}"
        )
    if args.eval_amp_thresh != ACCURACY_AMPLITUDE:
        raise SettingsError(
            f"eval_amp_thresh = {args.eval_amp_thresh:g}: training stops by the published criterion, "
            f"{ACCURACY_AMPLITUDE}; for another write a task whose is_correct has it, and give its file as --task_file"
        )
    values: dict[str, Any] = dict(
        task=args.task,
        task_file=getattr(args, "task_file", None),
        task_settings=given_times(args) if args.mode == "train" else {},
        seed=args.seed,
        network=dict(
            N=args.N,
            P_inh=args.P_inh,
            P_rec=args.P_rec,
            som_N=args.som_N,
            gain=args.gain,
            w_dist=args.w_dist,
            apply_dale=args.apply_dale,
            taus=args.decay_taus,
            activation=args.act,
        ),
        training=dict(
            n_trials=args.n_trials,
            loss_fn=args.loss_fn,
            learning_rate=args.learning_rate,
            batch_size=args.batch_size,
            loss_threshold=args.loss_threshold,
            eval_freq=args.eval_freq,
            eval_tr=args.eval_tr,
        ),
        evaluation=dict(n_trials=args.eval_trials),
    )
    return RunSettings(**values)


def train_command(settings: RunSettings, output_dir: str, device: str | torch.device) -> int:
    """Train, score and save one network; print where.

    Args:
        settings: of the run.
        output_dir: the folder above `models`.
        device: torch device.

    Returns:
        the exit status.
    """
    from ratecore.experiment.exporting import export
    from ratecore.experiment.progress import ProgressBar
    from ratecore.formats.starting import start_of
    from ratecore.rate.evaluation import evaluate
    from ratecore.rate.testing import tested
    from ratecore.rate.training import train
    from ratecore.system.files import ensure_writable
    from ratecore.tasks.trials import require_criterion

    require_criterion(settings.create_task())
    ensure_writable(output_dir)
    with ProgressBar(settings) as bar:
        result = train(settings, device, bar.update, start=start_of(settings, device))
    if result.trained:
        print(f"trained after {result.n_trials} trials, {result.seconds:.1f} s")
    else:
        print(f"not trained within {result.n_trials} trials; the network is kept")
    task, net = tested(settings, result.net)
    evaluation = evaluate(task, net, settings.seed, settings.evaluation, settings.training.last.loss_fn)
    print(f"accuracy {evaluation.scores.accuracy:.3f}, loss {evaluation.scores.loss:.3f} on fresh trials")
    for path in export(output_dir, settings, result, evaluation.scores):
        print(path)
    return 0


def newest_network(output_dir: str, settings: RunSettings) -> Path:
    """The network file that was saved last and fits the settings.

    Args:
        output_dir: the folder above `models`.
        settings: of the run.

    Returns:
        the path.

    Raises:
        FileNotFoundError: there is none; the message has the pattern.
    """
    from ratecore.formats import export_stem

    stem = export_stem(output_dir, settings)
    # The name ends in the time at which training finished, and in _2, _3 ... for networks of one second.
    found = sorted(stem.parent.glob(f"{stem.name}_*.pth"), key=lambda p: (p.stat().st_mtime, p.name))
    if not found:
        raise FileNotFoundError(f"no saved network {stem.parent}/{stem.name}_*.pth; name a file with --model")
    return found[-1]


def eval_command(
    settings: RunSettings,
    output_dir: str,
    model: str | None,
    device: str | torch.device,
    times: dict[str, int] | None = None,
) -> int:
    """Score a saved network on fresh trials; print the scores and save them as JSON.

    The JSON file is next to the network if that is in `output_dir`, and otherwise in `output_dir`.

    Args:
        settings: of the run.
        output_dir: folder of the networks.
        model: the `.mat` or `.pth` file; None for the newest that fits.
        device: torch device.
        times: settings of the task that replace those that the network was trained with.

    Returns:
        the exit status.
    """
    from ratecore.formats import load_network, load_task
    from ratecore.rate.evaluation import evaluate
    from ratecore.system.files import ensure_writable, write_atomic

    path = Path(model) if model else newest_network(output_dir, settings)
    net = load_network(path, device)
    task = load_task(path, settings.task, times)
    folder = path.parent if path.resolve().is_relative_to(Path(output_dir).resolve()) else Path(output_dir)
    ensure_writable(folder)
    net.display()
    result = evaluate(task, net, settings.seed, settings.evaluation, settings.training.loss_fn).summary()
    of = {"network": str(path), "task": settings.task, "task_settings": task.settings, "seed": settings.seed}
    result = {**of, **result}
    print(f"accuracy {result['accuracy']:.3f}, loss {result['loss']:.3f} on {result['n_trials']} fresh trials")
    for name, row in result["conditions"].items():
        print(f"  {name}: accuracy {row['accuracy']:.3f} of {row['n']} trials, loss {row['loss']:.3f}")
    scores = folder / f"{path.stem}_eval_seed_{settings.seed}_trials_{result['n_trials']}.json"
    write_atomic(scores, json.dumps(result, indent=2).encode())
    print(scores)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments; None for those of the process.

    Returns:
        the exit status: 2 for arguments that cannot be used.
    """
    p = parser()
    args = p.parse_args(argv)
    if args.mode == "eval" and hasattr(args, "model"):
        # The file has the settings of the network.
        args.N, args.decay_taus, args.som_N = 1, [1.0], 0
    elif missing := [f"--{key}" for key in ("N", "decay_taus") if not hasattr(args, key)]:
        p.error(f"the following arguments are required: {', '.join(missing)}")
    if not hasattr(args, "seed"):
        args.seed = secrets.randbelow(2**32)
        print(f"seed {args.seed}")
    try:
        settings = run_settings(args)
        from ratecore.system.devices import set_gpu

        device = set_gpu(args.gpu, args.gpu_frac)
        if args.mode == "train":
            return train_command(settings, args.output_dir, device)
        return eval_command(settings, args.output_dir, getattr(args, "model", None), device, given_times(args))
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
