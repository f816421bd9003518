"""The names and arguments of the companion package `spiking` (SPEC 9), with the same meaning."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ratecore.files import write_atomic
from ratecore.formats import FormatError, add_to_mat, load_mat
from ratecore.spiking.comparison import Example
from ratecore.spiking.conversion import search_scaling
from ratecore.spiking.lif import Simulator, simulate
from ratecore.spiking.scoring import TrialsOfTask, run_trials
from ratecore.spiking.settings import ConversionSettings, SpikingSettings
from ratecore.spiking.source import rate_model
from ratecore.tasks import TaskFactory
from ratecore.tasks.trials import draw_stimulus


def LIF_network_fnc(model_or_path, scaling_factor, u, stims=None, downsample=1, use_initial_weights=False, *,
                    settings: SpikingSettings | None = None, rng=None):  # fmt: skip
    """Converts a trained rate network and runs one trial of it, with everything of every step.

    Args:
        model_or_path: path of a `.mat` (or `.pth`) file, the content of a `.mat` file, or a network.
        scaling_factor: lambda.   u: (n_in, T), array or tensor.
        stims: {'mode': 'none' | 'exc' | 'inh', 'dur': [first, last) LIF step from 0, 'units': indices from 0}.
        downsample: steps so many times as long.   use_initial_weights: the weights before training.
        settings: all else, see SpikingSettings.   rng: generator or seed; fresh entropy when None.

    Returns:
        W (N, N) over lambda, REC (N, nt) membrane in mV, spk (N, nt) of 0 and 1, rs (N, nt) filtered rates, all_fr (N,)
        spikes a second, out (nt,), and a dict: dt, T (s), nt, w_out (1, N), td and td0 (s; a number when all units
        share one), IPSCs (N, nt).

    Raises:
        ValueError: names the argument, its value and what is allowed.
    """
    model = rate_model(model_or_path)
    changes = {"downsample": downsample, "use_initial_weights": bool(use_initial_weights)}
    s = SpikingSettings(**{**(settings or SpikingSettings()).model_dump(), **changes})
    if stims is not None:
        s = SpikingSettings(**{**s.model_dump(), "stimulation": _stimulation(stims, s)})
    trial = simulate(model, scaling_factor, u, s, rng, states=True)
    td, td0 = ((tau[0] if model.homogeneous else tau) / 1000 for tau in (model.tau, model.tau_initial))
    params = {"dt": trial.dt, "T": trial.nt * trial.dt, "nt": trial.nt, "w_out": model.w_out[None], "td": td,
              "td0": td0, "IPSCs": trial.ipsc.T}  # fmt: skip
    W = model.weights(s.use_initial_weights) / scaling_factor
    return W, trial.v.T, trial.raster(model.N), trial.r.T, trial.rates, trial.out, params


def _stimulation(stims: dict, settings: SpikingSettings) -> dict:
    """The companion's `stims` as StimulationSettings; its times are LIF steps."""
    mode = str(stims.get("mode", "none")).lower()
    if mode == "none":
        return {**settings.stimulation.model_dump(), "mode": "none"}
    if missing := [key for key in ("dur", "units") if key not in stims]:
        raise ValueError(f"stims = {stims}: it has no {', '.join(missing)}")
    window = [float(step) * settings.step for step in np.ravel(stims["dur"])]
    units = tuple(int(k) for k in np.ravel(stims["units"]))
    return {**settings.stimulation.model_dump(), "mode": mode, "units": units, "window": window}


def lambda_grid_search(model_dir, task_name, n_trials=100, scaling_factors=None, task_settings=None, *,
                       search="full", seed=0, threads=1, settings: SpikingSettings | None = None):  # fmt: skip
    """Finds lambda for every network in a folder and adds it to its `.mat` file.

    Each file gets `opt_scaling_factor`, `all_perfs` and `scaling_factors`, when its own search is over.

    Args:
        model_dir: a folder, or one file.   task_name: of a registered task.   task_settings: over the task's defaults.
        n_trials: of each value.   scaling_factors: by default those of the paper for the network's activation.
        search: 'full' or 'racing'.   seed: of the trials.   threads: processes at once.

    Returns:
        the best lambda; for a folder a dict of it by the file's name.

    Raises:
        FileNotFoundError: nothing to search.   ValueError: some files are no networks; the others are done.
    """
    files = _mat_files(model_dir)
    task = TaskFactory.create_task(task_name, task_settings)
    chosen = None if scaling_factors is None else [float(v) for v in np.ravel(scaling_factors)]
    conversion = ConversionSettings(n_trials=int(n_trials), scaling_factors=chosen, search=search)
    best, failed = {}, []
    for path in files:
        try:
            result = search_scaling(rate_model(path), task, conversion, settings, seed=seed, threads=threads)
        except ValueError as error:  # of this file: the others can be searched
            failed.append(str(error) if path.name in str(error) else f"{path}: {error}")
            continue
        add_to_mat(path, result.for_mat())
        best[path.name] = result.opt_scaling_factor
        print(f"{path}: lambda {result.opt_scaling_factor:g}, accuracy {result.spiking_accuracy:.3f} "
              f"[{result.ci_low:.3f}, {result.ci_high:.3f}] of {conversion.n_trials} trials", flush=True)  # fmt: skip
    if failed:
        raise ValueError(f"{len(failed)} of {len(files)} files could not be searched: " + "; ".join(failed))
    return best if Path(model_dir).is_dir() else best[files[0].name]


def _mat_files(place) -> list[Path]:
    """The `.mat` files in a folder, or the one file. Raises FileNotFoundError."""
    place = Path(place)
    found = sorted(place.glob("*.mat")) if place.is_dir() else [place] if place.is_file() else []
    if not found:
        raise FileNotFoundError(f"{place}: no .mat file there")
    return found


def evaluate_task(task_name, model_dir, optimal_scaling_factor=None, task_settings=None, save_plots=True, *,
                  n_trials=100, seed=0, threads=1, settings: SpikingSettings | None = None) -> dict:  # fmt: skip
    """Scores the spiking network of a file on fresh trials.

    Args:
        task_name, task_settings: as in `lambda_grid_search`.   model_dir: a file, or a folder whose newest is taken.
        optimal_scaling_factor: lambda; by default the one in the file.
        save_plots: whether a raster and the output of a trial of each type are saved in `plots` beside the file.

    Returns:
        model, scaling_factor, n_trials, overall_accuracy, ci_low, ci_high, mean_rate_exc, mean_rate_inh, and of each
        condition <name>_accuracy and <name>_trials.

    Raises:
        FileNotFoundError: no file.   ValueError: no lambda in it and none given.
    """
    path = max(_mat_files(model_dir), key=lambda file: (file.stat().st_mtime, file.name))
    task, model = TaskFactory.create_task(task_name, task_settings), rate_model(path)
    scaling = _scaling_of(path) if optimal_scaling_factor is None else float(optimal_scaling_factor)
    trials = TrialsOfTask(model, task, settings or SpikingSettings(), seed)
    (result,) = run_trials(trials, range(n_trials), [scaling], threads)
    found = result.scores()
    scores = {"model": str(path), "scaling_factor": scaling, "n_trials": n_trials,
              "overall_accuracy": found.pop("accuracy"), **found}  # fmt: skip
    conditions = np.array([trials.condition(k) for k in range(n_trials)])
    for name in sorted(set(conditions.tolist())):
        of = np.array(result.correct)[conditions == name]
        scores |= {f"{name}_accuracy": float(of.mean()), f"{name}_trials": int(of.size)}
    if save_plots:
        _save_plots(path.parent / "plots", path.stem, model, task, trials.simulator.settings, scaling, seed)
    return scores


def _scaling_of(path) -> float:
    content = load_mat(path)
    found = float(np.ravel(content.get("opt_scaling_factor", np.nan))[0])
    if not found > 0:
        raise FormatError(f"{path}: it has no opt_scaling_factor; run the search first, or give a scaling factor")
    return found


def _save_plots(folder: Path, stem: str, model, task, settings, scaling: float, seed: int) -> None:
    from ratecore.figures import png, raster

    simulator, rng = Simulator(model, settings), np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    for kind in task.trial_types:
        u, label = draw_stimulus(task, kind, rng)
        name = str(label) if kind is None else kind
        trial = simulator.record(scaling, u, simulator.draw(rng, simulator.steps(u.shape[1])))
        figure = raster({name: Example.of(trial, u)}, model.inh, model.som, task.stimulus_windows, task.response_steps,
                        f"λ = {scaling:g}")  # fmt: skip
        write_atomic(folder / f"{stem}_{name}.png", png(figure))
