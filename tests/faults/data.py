"""Damaged files: every file that ratecore reads, truncated, overwritten or with flipped bits."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from faults.harness import fault
from faults.limits import at_most
from ratecore.cli.mirror import uri_of
from ratecore.experiment.checkpoints import NEWEST, Checkpoints
from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.convert import convert_run
from ratecore.experiment.stages.evaluate import evaluate_run
from ratecore.experiment.stages.export import export_run
from ratecore.experiment.stages.running import run_block
from ratecore.experiment.stages.table import STAGES, TRAIN, code_hash
from ratecore.experiment.stages.train import train_run
from ratecore.experiment.summary import IncompleteError, summarize
from ratecore.formats import (
    FormatError,
    checkpoint_bytes,
    load_comparison,
    load_mat,
    load_network,
    load_scores,
    result_from_pth,
)
from ratecore.system.files import read_sealed_json, sealed_json
from ratecore.tracking.mlflow.state import Mirrored, read_state, write_state
from ratecore.tracking.queue import note_deaths, open_runs
from ratecore.tracking.record import RecordError

STORE = "0123456789abcdef"
CONFIG = {
    "experiment": "faults",
    "grid": {"seed": [0, 1]},
    "network": {"N": 20, "P_inh": 0.3},
    # A criterion that the networks meet, so that they are converted.
    "training": {
        "n_trials": 30,
        "min_trials": 30,
        "eval_freq": 10,
        "eval_tr": 8,
        "loss_threshold": 1e6,
        "learning_rate": 1e-6,
        "accuracy_threshold": 0,
    },
    "conversion": {"n_trials": 4, "scaling_factors": [4, 8], "trials_shown": 1},
    "evaluation": {"n_trials": 8},
    "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
}


def small_experiment(folder: Path) -> tuple[Experiment, list[Run]]:
    """Creates two trained, evaluated, exported and converted networks, with all other files of a workflow."""
    experiment = Experiment.from_config({**CONFIG, "results": str(folder)})
    runs = [Run.at(experiment, experiment.grid_points[0], seed) for seed in experiment.seeds]
    log = io.StringIO()
    works = {
        "train": lambda run: train_run(run, log=log),
        "evaluate": evaluate_run,
        "export": export_run,
        "convert": lambda run: convert_run(run, log=log),
    }
    for stage, work in works.items():
        run_block(stage, runs, work, log)
    mirrored = Mirrored(experiment.root, STORE)
    for k, run in enumerate(runs):
        size = run.record.path.stat().st_size
        write_state(run.folder, {"store": STORE, "run_id": f"{k:032x}", "bytes": size, "open": False})
        mirrored.add(run.folder, f"{k:032x}", size)
        data = checkpoint_bytes(run.settings, result_from_pth(run.network), code_hash(TRAIN))
        (run.folder / NEWEST).write_bytes(data)
    mirrored.write()
    (experiment.root / "tracking.json").write_bytes(sealed_json({"uri": f"sqlite:///{folder}/mlflow.db"}))
    return experiment, runs


@dataclass
class Target:
    """A file to damage, and how it is read.

    Attributes:
        path: path of the file.   other: a file of the same kind, whose bytes are copied into it.
        read: returns the content, for comparison; raises a `named` error with the file's name.
        harmless: (content, truth) -> whether the content is as good as the truth.
        seen: whether the damage must be detected even if the content equals the truth.
    """

    path: Path
    other: Path
    read: Callable[[], object]
    named: tuple[type[Exception], ...] = ()
    harmless: Callable[[object, object], bool] = lambda read, truth: False
    seen: bool = False


def same(a, b) -> bool:
    """Returns whether two values, including tensors and arrays, are equal."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if hasattr(a, "shape"):
        a, b = torch.as_tensor(a), torch.as_tensor(b)
        return a.dtype == b.dtype and torch.equal(a, b)
    return type(a) is type(b) and a == b


def _loaded(path) -> dict:
    return dict(load_network(path, dtype=torch.float64).state_dict())


def _trained(path) -> list:
    result = result_from_pth(path)
    return [dict(result.net.state_dict()), result.initial, result.optimizer, result.losses, result.tests,
            result.n_trials, result.trained, result.finished]  # fmt: skip


def _scored(path) -> list:
    scores = load_scores(path)
    conditions = scores.conditions.tolist()
    return [scores.losses, scores.correct, scores.outputs, scores.labels, conditions]


def _compared(path) -> list:
    c = load_comparison(path)
    examples = [[e.u, e.spike_steps, e.spike_units, e.out] for e in c.examples]
    return [c.conditions, c.lif_mean, c.lif_sd, c.rates, c.lif_activity, c.lif_components.projections, examples]


def _added(path) -> dict:
    return load_mat(path, ("opt_scaling_factor", "all_perfs", "scaling_factors"))


def _from_checkpoint(run: Run):
    log = io.StringIO()
    result = Checkpoints(run.folder, run.settings, log=log).load()
    if result is None:
        raise FormatError(log.getvalue())  # so it is skipped
    return [dict(result.net.state_dict()), result.optimizer, result.losses, result.tests, result.n_trials]


DONE = [stage for stage, row in STAGES.items() if row.switch != "analyses"]  # those of the grid


def _outcomes(run: Run) -> list:
    return [run.outcome(stage) for stage in DONE]


def _table(experiment: Experiment) -> list:
    return summarize(experiment).astype(object).where(lambda t: t.notna(), None).to_dict("records")


def targets(experiment: Experiment, runs: list[Run]) -> list[Target]:
    """Returns every file of the first run that is read, with every way to read it."""
    run, twin = runs
    ends = [r.outcome("export") for r in runs]
    mats, pths = ([r.root / end[key] for r, end in zip(runs, ends, strict=True)] for key in ("mat", "pth"))
    networks = [r.network for r in runs]
    evaluations = [r.evaluation for r in runs]
    records = [r.record.path for r in runs]
    states = [r.folder / "mirror.json" for r in runs]
    notes = [r.root / "open" / r.folder.name for r in runs]
    root = experiment.root

    def redone(read, truth):  # a stage that is not complete is repeated
        return all(a is None or same(a, b) for a, b in zip(read, truth, strict=True))

    def not_whole(file):  # a stage that has written or read the file is repeated
        def repeated(read, truth):
            for stage, a, b in zip(DONE, read, truth, strict=True):
                listed = run.relative(file) in {**b.get("files", {}), **b.get("reads", {})}
                # The variables added by the conversion can be damaged while the export itself is complete.
                listed &= not (stage == "export" and file.suffix == ".mat")
                if a is not None if listed else not (a is None or same(a, b)):
                    return False
            return True

        return repeated

    def noted():
        note_deaths(root)
        return dict.fromkeys(open_runs(root))

    found = [
        Target(*records, run.record.events, (RecordError,), lambda read, truth: same(read, truth[: len(read)])),
        Target(*records, lambda: _table(experiment), (RecordError, IncompleteError)),
        Target(run.folder / NEWEST, twin.folder / NEWEST, lambda: _from_checkpoint(run), (FormatError,)),
        Target(*states, lambda: read_state(run.folder), (), lambda read, truth: read == {}),
        Target(*states, lambda: [row["accuracy"] for row in _table(experiment)]),
        Target(*notes, noted, (), lambda read, truth: read.keys() <= truth.keys()),
        Target(root / "mirrored.json", states[1], lambda: _table(experiment)),
        Target(root / "tracking.json", states[1], lambda: uri_of(root, None), (ValueError,)),
    ]
    found += [Target(*paths, lambda p=paths[0]: _loaded(p), (FormatError,)) for paths in (mats, pths, networks)]
    found += [Target(*paths, lambda p=paths[0]: _trained(p), (FormatError,)) for paths in (pths, networks)]
    found += [Target(*evaluations, lambda: _scored(run.evaluation), (FormatError,))]
    found += [Target(*records, lambda: _outcomes(run), (RecordError,), redone)]
    conversions, comparisons = [r.conversion for r in runs], [r.comparison for r in runs]
    found += [Target(*conversions, lambda: read_sealed_json(run.conversion), (ValueError,))]
    found += [Target(*comparisons, lambda: _compared(run.comparison), (FormatError,))]
    found += [Target(*mats, lambda: _added(mats[0]), (FormatError,), lambda read, truth: not read)]
    of_stages = (mats, pths, networks, evaluations, [r.scores for r in runs], conversions, comparisons)
    found += [Target(*paths, lambda: _outcomes(run), (), not_whole(paths[0]), seen=True) for paths in of_stages]
    return found


def damaged(data: bytes, other: bytes, rng) -> tuple[str, bytes]:
    """Returns a description of the damage, and the damaged bytes."""
    place = rng.randrange(len(data))
    kind = rng.choice(
        ["cut", "bit", "bits", "zeros", "block", "empty"] if rng.random() < 0.3 else ["cut", "bit", "bits"]
    )
    changed = bytearray(data)
    if kind == "empty":
        return "empty", b""
    if kind == "cut":
        return f"cut at {place}", data[:place]
    if kind in ("bit", "bits"):
        places = [place] if kind == "bit" else [rng.randrange(len(data)) for _ in range(rng.randrange(2, 9))]
        for where in places:
            changed[where] ^= 1 << rng.randrange(8)
        return f"bits flipped at {places}", bytes(changed)
    # Faults of disks: lost blocks, and blocks from a file of the same kind.
    size = min(rng.choice([16, 64, 512, 4096]), len(data) - 1)
    begin = place - place % size
    block = bytes(size) if kind == "zeros" else other[begin : begin + size]
    changed[begin : begin + size] = block[: len(data) - begin]
    return f"{kind} of {size} at {begin}", bytes(changed)


def problem_of(target: Target, truth) -> str | None:
    """Returns what reading a damaged file did wrong, or None."""
    try:
        with at_most(600):
            read = target.read()
    except target.named as error:
        name = target.path.name if not isinstance(error, IncompleteError) else "not"
        return None if name in str(error) else f"an error that does not name the file: {error}"
    except Exception:
        return traceback.format_exc()
    if target.harmless(read, truth) or (same(read, truth) and not target.seen):
        return None
    return f"wrong values were read: {read!r:.500}"


@fault("damaged-files", 500, 25, "the file is named, or its content is correct")
def damaged_files(times, rng, folder):
    experiment, runs = small_experiment(folder)
    every = targets(experiment, runs)
    truths = [target.read() for target in every]
    order = [k % len(every) for k in range(times)]
    rng.shuffle(order)
    for k in order:
        target, whole = every[k], every[k].path.read_bytes()
        words, changed = damaged(whole, target.other.read_bytes(), rng)
        while changed == whole:
            words, changed = damaged(whole, target.other.read_bytes(), rng)
        target.path.write_bytes(changed)
        problem = problem_of(target, truths[k])
        target.path.write_bytes(whole)
        yield problem and f"{target.path.name}, {words}: {problem}"
