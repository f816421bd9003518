"""Stage 'train' for the network of a file (`grid.networks_from`): it is taken over, and nothing is trained."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

from ratecore.experiment.networks_from import DRAWN_BY, OURS
from ratecore.experiment.progress import say
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import record_file

if TYPE_CHECKING:
    from ratecore.formats.told import Told

STAGE = "train"


def adopt_run(run: Run, log: TextIO | None = None) -> dict[str, Any]:
    """Save the network of a file as that of a run, with what its authors kept of its training and its scores.

    Args:
        run: with `training.network_from`.
        log: file for messages; None for standard error.

    Returns:
        the fields of the stage's `end`.

    Raises:
        FormatError: the file is missing or damaged, or has changed since the grid was planned.
    """
    from ratecore.formats.adopting import adopted
    from ratecore.formats.pth import save_pth
    from ratecore.tracking.environment import write_environment

    own = run.settings.training.network_from
    assert own is not None  # the caller has looked
    result, told = adopted(run.settings)
    for test in result.tests:
        values = {"loss": test["train_loss"], "test_loss": test["loss"], "test_accuracy": test["accuracy"]}
        if run.record.tests().get(test["trial"]) != values:
            run.record.append("metrics", STAGE, step=test["trial"], values=values)
    record_file(run, STAGE, *write_environment(run.root))
    sha256 = save_pth(run.network, run.settings, result)
    notes = [*told.notes, *_not_told(told, run)]
    say(f"{run.name(STAGE)}: the network of {own.file} ({told.origin}); {'; '.join(notes)}", log or sys.stderr)
    end = {
        "trained": result.trained,
        "device": "cpu",
        "origin": told.origin,
        "file": own.file,
        "file_sha256": own.sha256,
        **{f"published_{name}": value for name, value in told.published.items()},
        "notes": notes,
        "files": {run.relative(run.network): sha256},
    }
    return end if told.n_trials is None else end | {"n_trials": told.n_trials}


def _not_told(told: Told, run: Run) -> list[str]:
    """What the file does not tell, and what stands for it."""
    missing = [name for name in DRAWN_BY if name not in told.network and told.origin != OURS]
    notes = [f"it does not tell {', '.join(missing)}, on which nothing depends any more"] if missing else []
    if told.seed is None:
        notes.append(f"it does not tell a seed: its trials are drawn from seed {run.settings.seed}")
    if told.trained is None:
        test = {"loss": "loss_threshold", "accuracy": "accuracy_threshold"}.items()
        own = [
            f"{key} {told.published[key]:g} ({getattr(run.settings.training, limit):g})"
            for key, limit in test
            if key in told.published
        ]
        judged = f"by its last test, {' and '.join(own)}" if own else "since it has no test"
        notes.append(f"it does not tell whether it was trained: decided {judged}")
    return notes
