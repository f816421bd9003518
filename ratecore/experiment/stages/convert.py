"""Stage 'convert': a trained network as a spiking one (docs/model.md 5)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from ratecore.experiment.progress import say
from ratecore.experiment.runs import Run
from ratecore.experiment.stages import table
from ratecore.experiment.stages.running import record_file, write_figures, write_file
from ratecore.system.files import read_sealed_json, sealed_json, sha256_of, write_atomic

if TYPE_CHECKING:
    from ratecore.spiking.results import Comparison, SearchSummary
    from ratecore.spiking.scoring import Outcomes

STAGE = "convert"
LARGEST_SEARCH = 2**28  # bytes of the trials of a search that are read
SCORES = ("spiking_accuracy", "ci_low", "ci_high", "mean_rate_exc", "mean_rate_inh")


def convert_run(run: Run, threads: int = 1, log: TextIO | None = None) -> dict[str, Any]:
    """Find the run's lambda, add it to its `.mat` and plot the spiking network next to the rate network.

    Args:
        run: to convert.
        threads: processes that share the trials.
        log: file for messages; None for standard error.

    Returns:
        the fields of the stage's `end`; `skipped` with the reason for a network that was not trained.
    """
    from ratecore.analysis.psychometrics import fit_numbers
    from ratecore.formats.mat import add_to_mat
    from ratecore.formats.npz import comparison_bytes
    from ratecore.formats.pth import result_from_pth
    from ratecore.rate.testing import changed
    from ratecore.spiking.comparison import compare
    from ratecore.spiking.conversion import convert
    from ratecore.spiking.graded import graded_curves
    from ratecore.spiking.source import model_of
    from ratecore.spiking.testing import tested

    s, result = run.settings, result_from_pth(run.network)
    if not result.trained:
        return _skipped(run, f"the network was not trained within {result.n_trials:,} trials", log)
    if reason := result.net.settings.not_convertible:
        return _skipped(run, reason, log)
    mat = _exported(run)
    task, model, spiking = tested(s, model_of(result.net, result.initial), result.net)
    saved = SavedTrials(run, log)
    found, scored = convert(
        model, task, s.conversion, spiking, seed=s.seed, threads=threads, earlier=saved.load(), on_round=saved.save
    )
    summary = found.summary()
    net = changed(result.net, input_gain=s.conversion.input_gain)
    comparison = compare(net, task, spiking, found.opt_scaling_factor, s.seed, s.conversion.trials_shown, model=scored)
    curves = None
    if s.conversion.psychometric_trials and task.evidence_levels:
        curves = graded_curves(
            scored, task, found.opt_scaling_factor, s.conversion, spiking, seed=s.seed, threads=threads
        )
    rows, fits = dict[str, Any](), dict[str, float]()
    if curves is not None:
        fits = fit_numbers(curves.psychometric)
        rows = {"psychometric": curves.psychometric, "chronometric": curves.chronometric}
    files = write_file(run, STAGE, run.conversion, sealed_json({**summary, **rows}, indent=2))
    files |= write_file(run, STAGE, run.comparison, comparison_bytes(comparison, curves))
    files |= _draw(run, summary, comparison, rows) if run.draws else {}
    add_to_mat(mat, found.for_mat())
    files |= record_file(run, STAGE, mat, sha256_of(mat))
    share = found.n_trials.sum() / (len(found.n_trials) * s.conversion.n_trials)
    say(
        f"{run.name(STAGE)}: lambda {found.opt_scaling_factor:g}, accuracy {found.spiking_accuracy:.3f} "
        f"[{found.ci_low:.3f}, {found.ci_high:.3f}], {share:.0%} of the trials of a full search",
        log,
    )
    return _end(summary) | rows | ({"numbers": fits} if fits else {}) | {"files": files}


def redraw_run(run: Run) -> dict[str, str]:
    """Redraw the run's figures from its search and its comparison.

    Args:
        run: to draw.

    Returns:
        the files, as of `write_figures`.
    """
    from ratecore.formats.npz import load_comparison

    saved = read_sealed_json(run.conversion)
    rows: dict[str, Any] = {name: saved[name] for name in ("psychometric", "chronometric") if name in saved}
    return _draw(run, cast("SearchSummary", saved), load_comparison(run.comparison), rows)


def _draw(run: Run, summary: SearchSummary, comparison: Comparison, rows: dict[str, Any]) -> dict[str, str]:
    from ratecore import figures

    drawn, label = figures.conversion_figures(summary, comparison), run.settings.create_task().evidence_label
    graded = figures.graded_figures(rows.get("psychometric", []), rows.get("chronometric", []), label)
    return write_figures(run, STAGE, drawn | {f"spiking_{name}": figure for name, figure in graded.items()})


def _skipped(run: Run, reason: str, log: TextIO | None) -> dict[str, Any]:
    say(f"{run.name('convert')}: not converted: {reason}", log)
    return {"skipped": reason}


def _exported(run: Run) -> Path:
    """The run's `.mat`. Raises FileNotFoundError if it is missing or was changed."""
    adds_to = table.STAGES[STAGE].adds_to
    assert adds_to is not None  # see the table
    stage, key = adds_to
    export = run.outcome(stage, code=False)  # an export by another version of the code is fine
    if export is None:
        raise FileNotFoundError(
            f"{run.folder}: the network is not exported, or its files were changed; run '{stage}' again"
        )
    return run.named(export[key])


def _end(summary: SearchSummary) -> dict[str, Any]:
    """The numbers of a conversion."""
    values: dict[str, Any] = dict(summary)
    known = {name: values[name] for name in SCORES if values[name] is not None}  # no rate if no such unit
    pairs = zip(summary["scaling_factors"], summary["all_perfs"], strict=True)
    return {"lambda": summary["lambda"], **known, "search": [[value, perf] for value, perf in pairs]}


class SavedTrials:
    """The trials of an unfinished search, in a file from which a search that was killed resumes.

    Variants of a network with the same search share the file, for example lesions and the intact network.

    Args:
        run: to convert.
        log: file for messages; None for standard error.
    """

    def __init__(self, run: Run, log: TextIO | None = None) -> None:
        from ratecore.settings.run import hash_of
        from ratecore.spiking.conversion import unperturbed

        s = run.settings
        values = s.identity_values("training") | {
            "network": run.reads(STAGE),
            "spiking": unperturbed(s.spiking).model_dump(mode="json"),
            "output_of_step": s.conversion.output_of_step,
        }
        tested = s.identity_values("conversion")["conversion"]
        if elsewhere := {key: tested[key] for key in ("task_settings", "input_gain") if key in tested}:
            values["conversion"] = elsewhere
        self.run, self.log = run, log
        self.path = run.folder / f"search-{table.code_hash(STAGE)}-{hash_of(values)}.json"

    def load(self) -> dict[float, Outcomes]:
        """Read the trials, and remove the files of other versions of the code.

        Returns:
            lambda: outcomes; empty if there are none or if the file is damaged, which is logged.

        Source: none
        """
        from ratecore.spiking.scoring import Outcomes

        for old in self.run.folder.glob("search-*.json"):
            if not old.name.startswith(f"search-{table.code_hash(STAGE)}-"):
                old.unlink(missing_ok=True)
        try:
            found = read_sealed_json(self.path, most=LARGEST_SEARCH)
            return {float(value): Outcomes(*columns) for value, columns in found.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError) as error:
            say(f"{self.run.name(STAGE)}: {error}; the search starts over", self.log)
            return {}

    def save(self, outcomes: dict[float, Outcomes]) -> None:
        """Write the trials so far.

        Args:
            outcomes: lambda: outcomes.
        """
        columns = {str(value): [o.correct, o.rate_exc, o.rate_inh] for value, o in outcomes.items()}
        write_atomic(self.path, sealed_json(columns))
