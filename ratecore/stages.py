"""The stages of a run, as jobs do them for a block of seeds: train, evaluate, export.

Each run of a block succeeds or fails alone. What is whole already is left as it is.
"""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from collections.abc import Callable

from ratecore.files import remove_leftovers, write_atomic
from ratecore.processes import side_by_side
from ratecore.progress import say
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
        return _one(stage, run, lambda: _outcome(stage, run, work, log), log)

    found = side_by_side(do, runs, workers) if workers > 1 and len(runs) > 1 else [do(run) for run in runs]
    return _all_or_error(stage, found)


def _all_or_error(stage: str, found: list[tuple[dict | None, str]]) -> list[dict]:
    broken = [error for _, error in found if error]
    if broken:
        raise StageError(f"{len(broken)} of {len(found)} runs broke in {stage}:\n  " + "\n  ".join(broken))
    return [outcome for outcome, _ in found]


def _one(stage: str, run: Run, work, log) -> tuple[dict | None, str]:
    """What `work()` gives for one run, or what broke; the other runs of the block still have their turn."""
    name = run.labels["name"]
    try:
        return work(), ""
    except Exception as error:
        say(f"{name}: {stage} broke\n{traceback.format_exc()}", log)
        return None, f"{name}: {type(error).__name__}: {error}"


def _outcome(stage: str, run: Run, work, log) -> dict:
    """The `end` event of a run's stage, which is done if it is not whole."""
    with _at_work(stage, run, log) as outcome:
        return _do(stage, run, work, log) if outcome is None else outcome


@contextlib.contextmanager
def _at_work(stage: str, run: Run, log):
    """The lock of a run for which a stage is to be done; gives the outcome if it is whole."""
    outcome = run.outcome(stage) or _failed_before(stage, run)
    with contextlib.nullcontext() if outcome else run.locked(log):
        # Again, since another process may have done it until the lock was ours.
        outcome = outcome or run.outcome(stage) or _failed_before(stage, run)
        if outcome:
            say(f"{run.labels['name']}: {stage} is done already", log)
            _forget_checkpoints(stage, run)
        yield outcome


def _forget_checkpoints(stage: str, run: Run) -> None:
    if stage == "train":
        from ratecore.checkpoints import remove_checkpoints

        remove_checkpoints(run.folder)


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
    # Training asks for signals itself; one that comes after its end waits until the record says that it is done.
    with _signals(stage), _recorded(stage, run, log) as end:
        end |= work(run)
    return end


def _signals(stage: str):
    if stage != "train":
        return contextlib.nullcontext()
    from ratecore.checkpoints import waiting_signals

    return waiting_signals()


@contextlib.contextmanager
def _recorded(stage: str, run: Run, log):
    """The stage's `start` and `end` in the run's record; what is put into the dict given is part of the `end`."""
    start = {"identity": run.identity(stage), "labels": run.labels, "tags": _tags(run)}
    if stage == "train":
        start |= {"params": run.params(), "settings": run.settings.model_dump(mode="json"), "provenance": provenance()}
        commit = provenance()["git_commit"]
        start["tags"] |= {"git_commit": commit, "mlflow.source.git.commit": commit, "code_hash": code_hash()}
    remove_leftovers(run.folder, but="mirror.json")
    run.note_open()
    run.record.append("start", stage, **start)
    end = {"identity": run.identity(stage), "code_hash": code_hash()}
    try:
        end |= {"reads": run.reads(stage), "status": "done", "tags": {}}
        yield end
        end["tags"] = {"error": "", **end["tags"]}
    except FloatingPointError as error:
        end |= {"status": "failed", "error": str(error), "tags": {"error": str(error)}}
        say(f"{run.labels['name']}: {stage} failed: {error}", log)
    except BaseException as error:
        told_to_end = isinstance(error, SystemExit | KeyboardInterrupt)
        message = f"{type(error).__name__}: {error}"
        end |= {"status": "interrupted" if told_to_end else "broken", "error": message, "tags": {"error": message}}
        _end(run, stage, end)
        raise
    end |= _end(run, stage, end)
    _forget_checkpoints(stage, run)


def _end(run: Run, stage: str, end: dict) -> dict:
    event = run.record.append("end", stage, sync=True, **end)
    run.note_open()
    return event


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


def _recorded_tests(run: Run) -> dict[int, dict]:
    """Trial: values of the tests that were recorded before the run was interrupted."""
    events = run.record.events()
    return {e["step"]: e["values"] for e in events if (e["event"], e["stage"]) == ("metrics", "train")}


def _on_test(run: Run, log):
    """What is done with the result so far after every test: its numbers go to the record and the log."""
    from ratecore.progress import ProgressLog

    progress, recorded = ProgressLog(run.labels["name"], run.settings, file=log), _recorded_tests(run)

    def on_test(result):
        # All of them, since a cut of the power can lose lines of the record that a checkpoint has seen.
        for test in result.tests:
            values = {
                "train/loss": test["train_loss"],
                "train/test_loss": test["loss"],
                "train/test_accuracy": test["accuracy"],
            }
            if recorded.get(test["trial"]) != values:
                recorded[test["trial"]] = values
                run.record.append("metrics", "train", step=test["trial"], values=values)
        progress.update(result)

    return on_test


def _save(run: Run, result, device: str) -> dict:
    """Saves a network; gives the fields of its `end`."""
    from ratecore.formats import save_pth

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


def train_run(run: Run, device: str = "cpu", log=None, no_gpu: str | None = None) -> dict:
    """Trains the run's network and saves it; loss and accuracy go to the record while it trains.

    no_gpu: why it is trained on the CPU where a GPU was to be taken, for the record.
    """
    from ratecore.checkpoints import Checkpoints, waiting_signals
    from ratecore.training import train

    with waiting_signals() as signals:
        checkpoints = Checkpoints(run.folder, run.settings, signals, log=log)
        end = _save(run, train(run.settings, device, _on_test(run, log), checkpoints), device)
    if no_gpu:
        end["tags"]["no_gpu"] = no_gpu
    return end


def train_together(runs: list[Run], device: str, log=None) -> list[dict]:
    """Stage 'train' for a block of runs as one batched program on a device, see `block.train_block`.

    Arguments, what is returned and what is raised as `run_block`.
    """
    log, found = log or sys.stderr, {}
    with contextlib.ExitStack() as locks:
        # Every block takes its locks in the same order, so that no two wait for each other.
        for run in sorted(runs, key=lambda run: run.folder):

            def lock(run=run):
                return locks.enter_context(_at_work("train", run, log))

            found[run.folder] = _one("train", run, lock, log)
        found |= _train_undone([run for run in runs if found[run.folder] == (None, "")], device, log)
    return _all_or_error("train", [found[run.folder] for run in runs])


def _train_undone(runs: list[Run], device: str, log) -> dict:
    """Folder: (outcome, error message) of runs that are locked and not whole."""
    from ratecore.block import train_block
    from ratecore.checkpoints import Checkpoints, waiting_signals

    found, going = {}, []
    with waiting_signals() as signals, contextlib.ExitStack() as block:
        for run in runs:
            stack = block.enter_context(contextlib.ExitStack())

            def begin(run=run, stack=stack):
                checkpoints = Checkpoints(run.folder, run.settings, signals, log=log)
                earlier = checkpoints.load()
                end = stack.enter_context(_recorded("train", run, log))
                going.append((run, stack, end, checkpoints, _on_test(run, log), earlier))

            found[run.folder] = _one("train", run, begin, log)
        if not going:
            return found
        started, _, _, checkpoints, on_tests, results = zip(*going, strict=True)
        settings = [run.settings for run in started]
        trained = train_block(settings, device, lambda k, r: on_tests[k](r), list(results), list(checkpoints))
        for k, outcome in trained:
            run, stack, end, *_ = going[k]

            def finish(run=run, stack=stack, end=end, outcome=outcome):
                with stack.pop_all():
                    if isinstance(outcome, FloatingPointError):
                        raise outcome
                    end.update(_save(run, outcome, device))
                return end

            found[run.folder] = _one("train", run, finish, log)
    return found


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
