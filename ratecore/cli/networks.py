"""`ratecore train`, `evaluate` and `convert`: single networks, with the settings of a grid and without Snakemake."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratecore.settings.base import SettingsError
from ratecore.system.files import AnyPath, check_writable

if TYPE_CHECKING:
    from ratecore.settings.experiment import ExperimentSettings
    from ratecore.settings.run import RunSettings
    from ratecore.tasks.base import AbstractTask


def settings_in(pairs: list[str], option: str = "--set") -> dict[str, object]:
    """Key: value of arguments such as 'N=200', the values read as YAML.

    Raises:
        SettingsError: no '=', a key given twice, or a value that is no YAML.
    """
    import yaml

    from ratecore.settings.reading import misread

    found: dict[str, object] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise SettingsError(f"{option} {pair}: it must be KEY=VALUE, as {option} N=200")
        if key in found:
            raise SettingsError(f"{option} {key}: given twice; give it once")
        try:
            found[key] = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError) as error:
            raise SettingsError(f"{option} {pair}: its value cannot be read: {str(error).splitlines()[0]}") from None
        tag = "int" if isinstance(found[key], int) else "float" if isinstance(found[key], float) else ""
        if problem := misread(text.strip(), tag):
            raise SettingsError(f"{option} {pair}: {problem}")
    return found


def single_run(
    config: AnyPath | None,
    task: str | None = None,
    given: dict[str, object] | None = None,
    seed: object = None,
    task_file: str | None = None,
) -> tuple[RunSettings, ExperimentSettings]:
    """The settings of one network, and those of the experiment around it.

    Args:
        config: path of a grid's configuration, or None for the defaults.   task, seed: of the network.
        given: setting: value, named as axes of a grid are; they take the place of what the configuration sweeps.
        task_file: registers the task.

    Returns:
        RunSettings, ExperimentSettings.

    Raises:
        SettingsError: a setting that cannot be used, or a grid that leaves more than one network.
    """
    from ratecore.experiment.axes import axis_path
    from ratecore.experiment.grid import Experiment
    from ratecore.settings.grid import ALLOWED, NAME
    from ratecore.settings.reading import load_yaml

    values = {"experiment": "single", **(load_yaml(config) if config else {})}
    chosen = {**({} if task is None else {"task": task}), **(given or {})}
    values.pop("claims", None)  # about networks of the whole grid, most of which are not in the one that is left here
    grid = values.get("grid") or {}
    if not all(isinstance(part, dict) for part in (grid if isinstance(grid, list) else [grid])):
        raise SettingsError(f"{config}: grid: {ALLOWED}")
    if "seed" in chosen:
        seed = chosen.pop("seed")
    try:
        places = {axis_path(key) for key in chosen}
    except SettingsError as error:
        raise SettingsError(str(error).replace("grid: unknown axis", "--set: unknown setting")) from None
    fixed: dict[str, Any] = {key: [value] for key, value in chosen.items()} | ({} if seed is None else {"seed": [seed]})

    def with_choice(product: dict[str, Any]) -> dict[str, Any]:
        kept = {k: v for k, v in product.items() if k in ("seed", NAME) or axis_path(k) not in places}
        return kept | fixed

    if task_file:
        values["task_file"] = task_file
    if isinstance(grid, list):
        Experiment.from_config(values)
        values["grid"] = _possible(values, [with_choice(part) for part in grid])
    else:
        values["grid"] = with_choice(grid)
    experiment = Experiment.from_config(values)
    columns = [axis.column for axis in experiment.axes]
    left = [f"--set {c}=..." for c in columns if len({point.values[c] for point in experiment.grid_points}) > 1]
    left += ["--seed ..."] if len(experiment.seeds) > 1 else []
    if left:
        n = experiment.n_runs
        raise SettingsError(
            f"{config}: its grid has {n:,} networks, and `ratecore train` trains one; choose it with "
            f"{' '.join(left)}, or train them all with `snakemake --configfile {config}`"
        )
    return experiment.grid_points[0].run(experiment.seeds[0]), experiment.settings


def _possible(values: dict[str, Any], products: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The products that can have what was chosen, so none with a setting of another task. All if none can."""
    from ratecore.experiment.grid import Experiment

    possible = []
    for product in products:
        try:
            Experiment.from_config({**values, "grid": [product]})
        except SettingsError:
            continue
        possible.append(product)
    return possible or products


def train_command(args: argparse.Namespace) -> int:
    """Trains one network, scores and saves it. Returns 0, also for a network that did not meet the criterion."""
    from ratecore.main import train_command as train_and_save
    from ratecore.system.devices import job_device

    check_writable(args.out)
    run, experiment = single_run(args.config, args.task, settings_in(args.set), args.seed, args.task_file)
    print(f"{run.task}, seed {run.seed}")
    with job_device(args.device or experiment.device, experiment.jobs_per_gpu, experiment.gpu_frac) as (device, _):
        return train_and_save(run, args.out, device)


def _check_counts(args: argparse.Namespace) -> None:
    counts = {"trials": 1, "seed": 0, "threads": 1}
    for name, least in counts.items():
        value = getattr(args, name, least)
        if value < least:
            raise ValueError(f"--{name} {value}: it must be a whole number, at least {least}")


def _check_numbers(args: argparse.Namespace) -> None:
    for name in ("noise_sd", "input_gain"):
        value = getattr(args, name, None)
        if value is not None and not 0 <= value < float("inf"):
            raise ValueError(f"--{name.replace('_', '-')} {value:g}: it must be a finite number, at least 0")


def _task(path: str, name: str | None, given: dict[str, object]) -> AbstractTask:
    """The task of a saved network. Raises SettingsError for a `--set` that it does not have; in Python that warns."""
    from ratecore.formats import load_task

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*the task has no setting")
        task = load_task(path, name, given or None, elsewhere=True)
    for key in given:
        if key not in task.settings:
            raise SettingsError(f"--set {key}: {task.name} has no such setting; it has {', '.join(task.settings)}")
    return task


def evaluate_command(args: argparse.Namespace) -> int:
    """Scores a saved network on fresh trials and prints the scores."""
    from ratecore.formats import load_network
    from ratecore.rate.evaluation import evaluate
    from ratecore.rate.testing import changed
    from ratecore.settings.training import EvaluationSettings
    from ratecore.system.intervals import wilson_interval
    from ratecore.tasks.files import load_task_file

    _check_counts(args)
    given = settings_in(args.set)
    if args.task_file:
        load_task_file(args.task_file)
    if Path(args.network).is_dir():
        raise ValueError(f"{args.network}: this is a folder; name one .mat or .pth file")
    _check_numbers(args)
    task = _task(args.network, args.task, given)
    net = changed(load_network(args.network), args.noise_sd, args.input_gain, elsewhere=bool(given))
    settings = EvaluationSettings(n_trials=args.trials, psychometric_trials=0)
    scores = evaluate(task, net, args.seed, settings).summary()
    rows = {"all": {"n": scores["n_trials"], **scores}, **scores.pop("conditions")}
    for row in rows.values():
        row["ci_low"], row["ci_high"] = wilson_interval(round(row["accuracy"] * row["n"]), row["n"])
    if args.json:
        keys = ("n", "accuracy", "ci_low", "ci_high", "loss")
        plain = {name: {key: row[key] for key in keys} for name, row in rows.items()}
        of: dict[str, Any] = {
            "network": str(args.network),
            "task": task.name,
            "task_settings": task.settings,
            "seed": args.seed,
        }
        of |= {"noise_sd": net.settings.noise_sd, "input_gain": args.input_gain}
        print(json.dumps({**of, "scores": plain.pop("all"), "conditions": plain}, indent=2))
        return 0
    for name, row in rows.items():
        head = f"{task.name}: " if name == "all" else f"  {name}: "
        print(f"{head}accuracy {row['accuracy']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}] "
              f"of {row['n']} fresh trials, loss {row['loss']:.3f}")  # fmt: skip
    return 0


def convert_command(args: argparse.Namespace) -> int:
    """Finds lambda of each file, adds it and prints the spiking accuracy. Returns 2 if some files could not be done."""
    from ratecore.settings.spiking import SpikingSettings
    from ratecore.spiking.__main__ import scaling_range
    from ratecore.spiking.companion import lambda_grid_search
    from ratecore.tasks.files import load_task_file

    _check_counts(args)
    _check_numbers(args)
    if args.out is not None:
        check_writable(args.out)
    values: dict[str, Any] = settings_in(args.spiking, "--spiking")
    spiking = SpikingSettings(**values)
    given = settings_in(args.set)
    if args.task_file:
        load_task_file(args.task_file)
    try:
        factors = None if args.factors is None else scaling_range(args.factors)
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"--factors {args.factors}: {error}") from None
    failed = 0
    for path in args.networks:
        try:
            files = sorted(Path(path).glob("*.mat")) if Path(path).is_dir() else [Path(path)]
            if not files:
                raise FileNotFoundError(f"{path}: no .mat file in this folder itself; folders in it are not searched")
            for file in files if given else []:
                _task(str(file), args.task, given)
            lambda_grid_search(
                path,
                args.task,
                args.trials,
                factors,
                given or None,
                search=args.search,
                seed=args.seed,
                threads=args.threads,
                settings=spiking,
                input_gain=args.input_gain,
                elsewhere=bool(given),
                output_dir=args.out,
            )
        except (ValueError, OSError) as error:  # of this file: the others can be converted
            failed += 1
            print(f"error: {error}", file=sys.stderr)
    return 2 if failed else 0
