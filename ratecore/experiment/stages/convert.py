"""Stage 'convert': a trained network as a spiking one (docs/model.md 5)."""

from __future__ import annotations

from ratecore.experiment.progress import say
from ratecore.experiment.runs import Run
from ratecore.experiment.stages import table
from ratecore.experiment.stages.running import record_file, write_figures, write_file
from ratecore.system.files import read_sealed_json, sealed_json, sha256_of, write_atomic

STAGE = "convert"
LARGEST_SEARCH = 2**28  # bytes of the trials of a search that are read
SCORES = ("spiking_accuracy", "ci_low", "ci_high", "mean_rate_exc", "mean_rate_inh")


def convert_run(run: Run, threads: int = 1, log=None) -> dict:
    """Finds the run's lambda, adds it to its `.mat` and draws the spiking network beside the rate network.

    Args:
        threads: processes that the trials are spread over.

    Returns:
        the fields of the stage's `end`; `skipped` with the reason for a network that was not trained.
    """
    from ratecore.formats.mat import add_to_mat
    from ratecore.formats.npz import comparison_bytes
    from ratecore.formats.pth import result_from_pth
    from ratecore.spiking.comparison import compare
    from ratecore.spiking.conversion import convert
    from ratecore.spiking.source import model_of

    s, result = run.settings, result_from_pth(run.network)
    if not result.trained:
        return _skipped(run, f"the network was not trained within {result.n_trials:,} trials", log)
    mat = _exported(run)
    model, task = model_of(result.net, result.initial), s.create_task()
    kept = SavedTrials(run, log)
    found, scored = convert(model, task, s.conversion, s.spiking, seed=s.seed, threads=threads, earlier=kept.load(),
                            on_round=kept.save)  # fmt: skip
    summary = found.summary()
    comparison = compare(result.net, task, s.spiking, found.opt_scaling_factor, s.seed, s.conversion.trials_shown,
                         model=scored)  # fmt: skip
    files = write_file(run, STAGE, run.conversion, sealed_json(summary, indent=2))
    files |= write_file(run, STAGE, run.comparison, comparison_bytes(comparison))
    files |= _draw(run, summary, comparison)
    add_to_mat(mat, found.for_mat())
    files |= record_file(run, STAGE, mat, sha256_of(mat))
    share = found.n_trials.sum() / (len(found.n_trials) * s.conversion.n_trials)
    say(f"{run.name(STAGE)}: lambda {found.opt_scaling_factor:g}, accuracy {found.spiking_accuracy:.3f} "
        f"[{found.ci_low:.3f}, {found.ci_high:.3f}], {share:.0%} of the trials of a full search", log)  # fmt: skip
    return _end(summary) | {"files": files}


def redraw_run(run: Run) -> dict[str, str]:
    """Draws the run's figures again from its search and its comparison. Returns them as `write_figures`."""
    from ratecore.formats.npz import load_comparison

    return _draw(run, read_sealed_json(run.conversion), load_comparison(run.comparison))


def _draw(run: Run, summary: dict, comparison) -> dict[str, str]:
    from ratecore import figures

    return write_figures(run, STAGE, figures.of_conversion(summary, comparison))


def _skipped(run: Run, reason: str, log) -> dict:
    say(f"{run.name('convert')}: not converted: {reason}", log)
    return {"skipped": reason}


def _exported(run: Run):
    """The run's `.mat`. Raises FileNotFoundError when it is not there as it was written."""
    stage, key = table.STAGES[STAGE].adds_to
    export = run.outcome(stage, code=False)  # an export of another version of the code will do
    if export is None:
        raise FileNotFoundError(
            f"{run.folder}: the network is not exported, or its files were changed; run '{stage}' again"
        )
    return run.named(export[key])


def _end(summary: dict) -> dict:
    """The numbers of a conversion."""
    known = {name: summary[name] for name in SCORES if summary[name] is not None}  # no rate without units of the type
    pairs = zip(summary["scaling_factors"], summary["all_perfs"], strict=True)
    return {"lambda": summary["lambda"], **known, "search": [[value, perf] for value, perf in pairs]}


class SavedTrials:
    """The trials of a search under way, in a file from which a search that was killed resumes.

    Variants of a network whose searches are the same share the file, as lesions do with the intact network.
    """

    def __init__(self, run: Run, log=None):
        from ratecore.settings.run import hash_of
        from ratecore.spiking.conversion import unperturbed

        s = run.settings
        values = s.identity_values("training") | {
            "network": run.reads(STAGE), "spiking": unperturbed(s.spiking).model_dump(mode="json"),
            "output_of_step": s.conversion.output_of_step,
        }  # fmt: skip
        self.run, self.log = run, log
        self.path = run.folder / f"search-{table.code_hash(STAGE)}-{hash_of(values)}.json"

    def load(self) -> dict:
        """Lambda: Outcomes; empty when there are none, or when the file is damaged, which the log says.

        Files of other versions of the code are removed.
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

    def save(self, outcomes: dict) -> None:
        """Writes the trials so far."""
        columns = {str(value): [o.correct, o.rate_exc, o.rate_inh] for value, o in outcomes.items()}
        write_atomic(self.path, sealed_json(columns))
