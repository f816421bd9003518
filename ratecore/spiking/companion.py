"""Functions of the `spiking` package under its names, with its arguments (docs/migrating.md)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ratecore.compat.aliases import accepts
from ratecore.compat.spiking_arguments import (
    ScalingByFile,
    count,
    number,
    path_of,
    searched_values,
    threads_for,
)
from ratecore.compat.spiking_evaluation import task_of, trials_of_each_type
from ratecore.compat.spiking_own import scores_of_own
from ratecore.compat.spiking_simulation import LIF_network_fnc as LIF_network_fnc
from ratecore.formats import FormatError, add_to_mat
from ratecore.formats.mat import read_variables
from ratecore.formats.single import number as stored_number
from ratecore.settings.spiking import ConversionSettings, SpikingSettings
from ratecore.spiking.conversion import SearchResult, search_scaling
from ratecore.spiking.lif import Simulator
from ratecore.spiking.results import Example
from ratecore.spiking.scoring import TrialsOfTask, run_trials
from ratecore.spiking.source import RateModel, rate_model
from ratecore.spiking.testing import changed
from ratecore.system.files import ensure_writable, write_atomic
from ratecore.tasks import AbstractTask, TaskFactory
from ratecore.tasks.trials import Trial, draw_stimulus, response_of


@accepts(model_path="model_dir", task_type="task_name", n_trials_per_factor="n_trials")
def lambda_grid_search(
    model_dir: Any,
    task_name: str | None = None,
    n_trials: Any = 100,
    scaling_factors: Any = None,
    task_settings: Mapping[str, Any] | None = None,
    *,
    search: Literal["full", "racing"] = "full",
    seed: Any = 0,
    threads: Any = 1,
    settings: SpikingSettings | None = None,
    input_gain: float = 1.0,
    elsewhere: bool = False,
    output_dir: Any = None,
    scaling_range: Any = None,
    parallel: bool | None = None,
) -> Any:
    """`lambda_grid_search` of the `spiking` package: find lambda for every network in a folder.

    `opt_scaling_factor`, `all_perfs` and `scaling_factors` are added to each `.mat` file as soon as its search is done.

    Args:
        model_dir: a folder, or one file.
        task_name: of a registered task; by default the file's own, else go-nogo.
        n_trials: trials at each value.
        scaling_factors: values of lambda; by default those of the paper for the network's activation.
        task_settings: replace the settings that the network was trained with, see `load_task`; `eval_amp_thresh` is
            the output that counts as an answer.
        search: 'full' or 'racing'.
        seed: of the trials.
        threads: processes at once.
        settings: of the simulation.
        input_gain: factor of the input weights, unitless.
        elsewhere: whether the networks are tested with other settings of their task on purpose, so that no note says
            that these differ from those of training.
        output_dir: folder that each file is written to with its lambda; by default the file itself is changed.
        scaling_range: (first, last) in steps of 5, instead of `scaling_factors`.
        parallel: True for all cores.

    Returns:
        the best lambda; for a folder a dict of it by file name, which for a single file is a number as well.

    Raises:
        FileNotFoundError: nothing to search.
        OSError: a folder is not writable, checked before any search.
        ValueError: some files are not networks; the others are done.
    """
    files = _mat_files(model_dir)
    if files[0].suffix.lower() != ".mat":
        raise ValueError(f"{files[0]}: lambda is added to a .mat file; give the one that was saved with this network")
    TaskFactory.task_class(task_name or "go-nogo")  # raises for an unknown task, before any file is read
    folder = None if output_dir is None else path_of("output_dir", output_dir)
    targets = {path: None if folder is None else folder / path.name for path in files}
    for parent in {(targets[path] or path.resolve()).parent for path in files}:
        _ensure_writable(parent, "name another with output_dir (--output_dir)")
    chosen, threads = searched_values(scaling_factors, scaling_range), threads_for(threads, parallel)
    n_trials, seed = count("n_trials", n_trials), count("seed", seed, 0)
    values = None if chosen is None else tuple(chosen)
    conversion = ConversionSettings(n_trials=n_trials, scaling_factors=values, search=search)
    best: dict[str, float] = {}
    failed: list[str] = []
    unsaved: list[str] = []
    for path in files:
        try:
            model = rate_model(path)
            task = task_of(model, task_name, task_settings, elsewhere)
            model = changed(model, input_gain, elsewhere=elsewhere)
            result = search_scaling(model, task, conversion, settings, seed=seed, threads=threads)
        except ValueError as error:  # the other files can be searched
            failed.append(str(error) if path.name in str(error) else f"{path}: {error}")
            continue
        best[path.name] = result.opt_scaling_factor
        accuracy = f"{result.spiking_accuracy:.3f} [{result.ci_low:.3f}, {result.ci_high:.3f}]"
        found = f"lambda {result.opt_scaling_factor:g}, accuracy {accuracy} of {conversion.n_trials} trials"
        print(f"{targets[path] or path}: {found}", flush=True)
        try:
            add_to_mat(path, result.for_mat(), targets[path])
        except (OSError, ValueError) as error:  # the disk is full, or the file is no longer readable
            unsaved.append(_kept_elsewhere(path, result, error))
    if failed:
        unsaved.insert(0, f"{len(failed)} of {len(files)} files could not be searched: " + "; ".join(failed))
    if unsaved:
        raise ValueError("; ".join(unsaved))
    if not Path(model_dir).is_dir():
        return best[files[0].name]
    return ScalingByFile(best) if len(best) == 1 else best


def _ensure_writable(folder: Path, hint: str) -> None:
    """Raise OSError with a hint where results could not be written."""
    try:
        ensure_writable(folder)
    except OSError as error:
        raise type(error)(error.errno, f"{error.strerror}; {hint}", error.filename) from None


def _kept_elsewhere(path: Path, result: SearchResult, error: Exception) -> str:
    """Print a result that cannot be added to its file, save it in the working directory, and return a message."""
    found = json.dumps({key: np.asarray(value).tolist() for key, value in result.for_mat().items()})
    print(found, flush=True)
    why = getattr(error, "strerror", None) or error
    text = f"{path}: the search is done, but its result could not be saved there ({why})"
    with contextlib.suppress(OSError):
        beside = Path(f"{path.stem}_lambda.json").absolute()
        write_atomic(beside, found.encode())
        return f"{text}; it is in {beside}"
    return f"{text}; it is printed above"


def _mat_files(model_path: Any) -> list[Path]:
    """The `.mat` files in a folder, or the one file. Raises FileNotFoundError."""
    path = path_of("model_path (model_dir)", model_path)
    files = sorted(path.glob("*.mat")) if path.is_dir() else [path] if path.is_file() else []
    if not files:
        raise FileNotFoundError(f"{path}: no .mat file there")
    return files


@accepts(model_path="model_dir", scaling_factor="optimal_scaling_factor", plot_results="save_plots")
def evaluate_task(
    task_name: str,
    model_dir: Any,
    optimal_scaling_factor: Any = None,
    task_settings: dict[str, Any] | None = None,
    save_plots: bool = True,
    *,
    n_trials: Any = 100,
    all_trial_types: bool = False,
    seed: Any = 0,
    threads: Any = 1,
    settings: SpikingSettings | None = None,
    output_dir: Any = None,
) -> dict[str, Any]:
    """`evaluate_task` of the `spiking` package: score a file's spiking network on fresh trials.

    Args:
        task_name: of a registered task.
        model_dir: a file, or a folder whose newest file is used.
        optimal_scaling_factor: lambda; by default the one in the file.
        task_settings: as in `lambda_grid_search`.
        save_plots: whether spikes and output of a trial of each type are drawn in `plots`.
        n_trials: number of trials.
        all_trial_types: whether the result has a trial of each type, as `trial_types`.
        seed: of the trials; fresh entropy when None.
        threads: processes at once.
        settings: of the simulation.
        output_dir: folder for `plots` and a JSON file with the scores; by default `plots` is beside the file, and the
            scores are only returned.

    Returns:
        model, scaling_factor, n_trials, overall_accuracy, ci_low, ci_high, mean_rate_exc and mean_rate_inh (spikes/s),
        and for each condition <name>_accuracy and <name>_trials; 'Correct trials', 'Incorrect trials' and 'Total
        trials'. For a task with a user's evaluator (`ratecore.spiking.eval_tasks`) the result of that.

    Raises:
        FileNotFoundError: no file.
        ValueError: no lambda in it and none given.
        OSError: a folder is not writable, checked before the trials.
    """
    path = max(_mat_files(model_dir), key=lambda file: (file.stat().st_mtime, file.name))
    if not isinstance(save_plots, bool):
        raise ValueError(f"save_plots = {save_plots!r}; it must be True or False. The number of trials is n_trials=")
    n_trials, threads = count("n_trials", n_trials), count("threads", threads)
    seed = int(np.random.default_rng().integers(2**32)) if seed is None else count("seed", seed, 0)
    scaling = _scaling_of(path) if optimal_scaling_factor is None else number(optimal_scaling_factor)
    if (own := scores_of_own(task_name, path, scaling, task_settings, n_trials)) is not None:
        return own
    TaskFactory.task_class(task_name)
    model = rate_model(path)
    task = task_of(model, task_name, task_settings)
    folder = path.parent if output_dir is None else path_of("output_dir", output_dir)
    if output_dir is not None or save_plots:
        hint = "name another with output_dir (--output_dir), or save no figures (--no_plots)"
        _ensure_writable(folder / "plots" if save_plots else folder, hint)
    trials = TrialsOfTask(model, task, settings or SpikingSettings(), seed)
    (result,) = run_trials(trials, range(n_trials), [scaling], threads)
    scores: dict[str, Any] = {"model": str(path), "scaling_factor": scaling, "n_trials": n_trials}
    for name, value in result.scores().items():
        scores["overall_accuracy" if name == "accuracy" else name] = value
    conditions = np.array([trials.condition(k) for k in range(n_trials)])
    for name in sorted(set(conditions.tolist())):
        correct = np.array(result.correct)[conditions == name]
        scores |= {f"{name}_accuracy": float(correct.mean()), f"{name}_trials": int(correct.size)}
    hits = int(sum(result.correct))
    scores |= {"Correct trials": hits, "Incorrect trials": n_trials - hits, "Total trials": n_trials}
    if output_dir is not None:
        name = f"{path.stem}_spiking_seed_{seed}_trials_{n_trials}.json"
        write_atomic(folder / name, json.dumps(scores, indent=2).encode())
    if all_trial_types:
        scores["trial_types"] = trials_of_each_type(model, task, scaling, trials.simulator.settings, seed)
    if save_plots:
        _save_plots(folder / "plots", path.stem, model, task, trials.simulator.settings, scaling, seed)
    return scores


def _scaling_of(path: Path) -> float:
    if path.suffix.lower() != ".mat":
        raise FormatError(f"{path}: it holds no opt_scaling_factor, which is in a .mat; give a scaling factor")
    advice = "run the search first, or give a scaling factor"
    content = read_variables(path, ["opt_scaling_factor"], nested=True)
    held = content.get("opt_scaling_factor")
    if held is None or (isinstance(held, np.ndarray) and (not held.size or (held != held).all())):
        raise FormatError(f"{path}: it has no opt_scaling_factor; {advice}")
    try:
        found = stored_number(content, "opt_scaling_factor")
        if found <= 0:
            raise ValueError(f"opt_scaling_factor = {found:g}; it must be above 0")
    except ValueError as error:
        raise FormatError(f"{path}: {error}; {advice}") from error
    return found


def _save_plots(
    folder: Path,
    stem: str,
    model: RateModel,
    task: AbstractTask,
    settings: SpikingSettings,
    scaling: float,
    seed: int,
) -> None:
    from ratecore.figures import png, raster

    simulator, rng = Simulator(model, settings), np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    for kind in task.trial_types:
        windows: tuple[Any, Any] = task.stimulus_windows, task.response_steps
        u, label = draw_stimulus(task, kind, rng)
        if isinstance(label, Trial):
            window = response_of(task, label)
            windows = list(label.stimuli) or windows[0], (window.start, window.stop)
        name = str(getattr(label, "condition", label)) if kind is None else kind
        trial = simulator.record(scaling, u, simulator.draw(rng, simulator.steps(u.shape[1])))
        examples = {name: Example.from_trial(trial, u)}
        figure = raster(examples, model.inh, model.som, *windows, f"λ = {scaling:g}")
        write_atomic(folder / f"{stem}_{name}.png", png(figure))
