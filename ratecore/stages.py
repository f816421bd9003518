"""The stages of a run, as jobs do them for a block of seeds: train, evaluate, export.

Each run of a block succeeds or fails alone. What is whole already is left as it is.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable

from ratecore.files import write_atomic
from ratecore.processes import side_by_side
from ratecore.runs import Run
from ratecore.tracking.provenance import code_hash, provenance

CURVE_STEP = 10  # every tenth step of an output curve goes to the record; all of them are in the .npz


class StageError(RuntimeError):
    """Some runs of a block broke; the message names them."""


def run_block(stage: str, runs: list[Run], work: Callable[[Run], dict], log=None, workers: int = 1) -> list[dict]:
    """Does one stage for every run that it is not done for.

    A run that fails for what it is (its loss is not finite) is recorded as failed and is not tried again: the same
    settings give the same failure. A run that breaks for another reason is recorded as broken, and is tried again by
    the next call.

    Args:
        stage: 'train', 'evaluate' or 'export'.   runs: of the block.   work: does the stage for one run and returns
            the fields of its `end` event.   log: file for messages, standard error when None.
        workers: runs that are worked on at once, each in a process of its own.

    Returns:
        the `end` event of each run; of an earlier stage for runs that failed there.

    Raises:
        StageError: some runs broke; all others are done.
    """
    log = log or sys.stderr

    def do(run):
        return _outcome_or_error(stage, run, work, log)

    found = side_by_side(do, runs, workers) if workers > 1 and len(runs) > 1 else [do(run) for run in runs]
    broken = [error for _, error in found if error]
    if broken:
        raise StageError(f"{len(broken)} of {len(runs)} runs broke in {stage}:\n  " + "\n  ".join(broken))
    return [outcome for outcome, _ in found]


def _outcome_or_error(stage: str, run: Run, work, log) -> tuple[dict | None, str]:
    """The `end` event of a run's stage, or what broke; the other runs of the block still have their turn."""
    name = run.labels["name"]
    try:
        outcome = run.outcome(stage) or _failed_before(stage, run)
        if outcome is not None:
            print(f"{name}: {stage} is done already", file=log, flush=True)
        else:
            with run.locked():
                outcome = _do(stage, run, work, log)
    except Exception as error:
        print(f"{name}: {stage} broke\n{traceback.format_exc()}", file=log, flush=True)
        return None, f"{name}: {type(error).__name__}: {error}"
    return outcome, ""


def _failed_before(stage: str, run: Run) -> dict | None:
    if stage == "train":
        return None
    trained = run.outcome("train")
    if trained is None:
        raise FileNotFoundError(
            f"{run.network}: the network is not trained, or its file was changed; run 'train' again"
        )
    return trained if trained["status"] == "failed" else None


def _do(stage: str, run: Run, work, log) -> dict:
    start = {"identity": run.identity(stage), "labels": run.labels, "tags": _tags(run)}
    if stage == "train":
        start |= {"params": run.params(), "settings": run.settings.model_dump(mode="json"), "provenance": provenance()}
        commit = provenance()["git_commit"]
        start["tags"] |= {"git_commit": commit, "mlflow.source.git.commit": commit, "code_hash": code_hash()}
    run.record.append("start", stage, **start)
    end = {"identity": run.identity(stage), "code_hash": code_hash()}
    try:
        end |= {"reads": run.reads(stage), "status": "done", **work(run)}
        end["tags"] = {"error": "", **end["tags"]}
    except FloatingPointError as error:
        end |= {"status": "failed", "error": str(error), "tags": {"error": str(error)}}
        print(f"{run.labels['name']}: {stage} failed: {error}", file=log, flush=True)
    except BaseException as error:
        message = f"{type(error).__name__}: {error}"
        run.record.append("end", stage, status="broken", error=message, tags={"error": message}, sync=True, **end)
        raise
    return run.record.append("end", stage, sync=True, **end)


def _tags(run: Run) -> dict:
    s = run.settings
    return {
        "grid": run.labels["grid"],
        "cell": run.labels["cell"],
        "seed": s.seed,
        "task": s.task,
        "N": s.network.N,
        "taus": run.params()["taus"],
        "config_hash": s.identity(),
        "config": s.model_dump_json(),
        "mlflow.runColor": run.labels["color"],
    }


def _record_file(run: Run, stage: str, path, sha256: str, folder: str = "") -> None:
    run.record.append("artifact", stage, path=run.relative(path, run.folder), sha256=sha256, folder=folder)


# ---------------------------------------------------------------------------------------------------------- train


def train_run(run: Run, device: str = "cpu", log=None) -> dict:
    """Trains the run's network and saves it; loss and accuracy go to the record while it trains."""
    from ratecore.formats import save_pth
    from ratecore.progress import ProgressLog
    from ratecore.training import train

    progress = ProgressLog(run.labels["name"], run.settings, file=log)

    def on_test(result):
        test = result.tests[-1]
        values = {
            "train/loss": test["train_loss"],
            "train/test_loss": test["loss"],
            "train/test_accuracy": test["accuracy"],
        }
        run.record.append("metrics", "train", step=test["trial"], values=values)
        progress.update(result)

    result = train(run.settings, device, on_test)
    sha256 = save_pth(run.network, run.settings, result)
    return {
        "trained": result.trained,
        "n_trials": result.n_trials,
        "seconds": round(result.seconds, 3),
        "device": device,
        "files": {run.relative(run.network): sha256},
        "tags": {"trained": result.trained, "device": device},
        "values": {"train/n_trials": result.n_trials, "train/trained": int(result.trained),
                   "train/seconds": round(result.seconds, 3)},
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------- evaluate


def evaluate_run(run: Run) -> dict:
    """Scores the run's network on fresh trials; writes the scores and the figures of the run."""
    from ratecore import figures
    from ratecore.evaluation import evaluate
    from ratecore.formats import evaluation_bytes, result_from_pth

    s = run.settings
    result = result_from_pth(run.network)
    task = s.create_task()
    evaluation = evaluate(task, result.net, s.seed, s.evaluation, s.training.loss_fn)
    summary = evaluation.summary()
    files = {
        run.evaluation: write_atomic(run.evaluation, evaluation_bytes(evaluation)),
        run.scores: write_atomic(run.scores, json.dumps(summary, indent=2).encode()),
    }
    for path, sha256 in files.items():
        _record_file(run, "evaluate", path, sha256, "evaluation")
    for name, figure in figures.of_run(s, result, evaluation).items():
        path = run.folder / "figures" / f"{name}.png"
        files[path] = write_atomic(path, figures.png(figure))
        _record_file(run, "evaluate", path, files[path], "figures")
    return {
        "accuracy": summary["accuracy"],
        "loss": summary["loss"],
        "n_trials": summary["n_trials"],
        "files": {run.relative(path): sha256 for path, sha256 in files.items()},
        "tags": {"evaluation": json.dumps(s.evaluation.model_dump())},
        "values": _score_values(summary),
        "curves": _score_curves(evaluation, _evaluated_before(run)),
    }


def _evaluated_before(run: Run) -> int:
    """Number of other settings under which the run was evaluated."""
    ends = [e for e in run.record.events() if (e["event"], e["stage"]) == ("end", "evaluate")]
    return len({e["identity"] for e in ends} - {run.identity("evaluate")})


def _score_values(summary: dict) -> dict[str, float]:
    values = {"eval/accuracy": summary["accuracy"], "eval/loss": summary["loss"]}
    for name, row in summary["conditions"].items():
        values |= {
            f"eval_by_condition/{key}/{name}": row[key] for key in ("accuracy", "loss", "response_mean", "response_sd")
        }
    return values


def _score_curves(evaluation, number: int = 0) -> dict[str, list]:
    """Curves for MLflow: output over the steps of a trial; choice over evidence in thousandths of the offset.

    Curves of another evaluation of the same network get a `number`, since MLflow would draw both as one line.
    """
    group = f"eval_curves_{number + 1}" if number else "eval_curves"
    curves = {}
    for name, row in evaluation.scores.by_condition().items():
        for key in ("output_mean", "output_sd"):
            curve = row[key]
            curves[f"{group}/{key}/{name}"] = [[t, float(curve[t])] for t in range(0, len(curve), CURVE_STEP)]
    for row in evaluation.psychometric:
        for key in ("accuracy", "p_positive"):
            points = curves.setdefault(f"{group}/psychometric_{key}/{row['trial_type']}", [])
            points.append([round(1000 * row["evidence"]), row[key]])
    return curves


# --------------------------------------------------------------------------------------------------------- export


def export_run(run: Run) -> dict:
    """Writes the run's `.mat` and `.pth` under the experiment's `models` folder (SPEC 4)."""
    from ratecore.files import sha256_of
    from ratecore.formats import export, load_scores, result_from_pth

    result = result_from_pth(run.network)
    mat, pth = export(run.root, run.settings, result, load_scores(run.evaluation))
    files = {path: sha256_of(path) for path in (mat, pth)}
    for path, sha256 in files.items():
        _record_file(run, "export", path, sha256, "model")
    names = {"mat": run.relative(mat), "pth": run.relative(pth)}
    return {**names, "files": {run.relative(path): sha256 for path, sha256 in files.items()}, "tags": names}
