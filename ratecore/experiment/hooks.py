"""What a call of the workflow does before its first job and after its last, also as a module of another workflow."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ratecore.experiment.claims_files import stale_claims
from ratecore.experiment.closing import Closing
from ratecore.experiment.configurations import keep_configuration
from ratecore.experiment.grid import Experiment
from ratecore.experiment.jobs import (
    TABLE_WRITTEN,
    mark_times,
    note_grid,
    restore_times,
    stale_files,
    was_copied,
)
from ratecore.experiment.launch import StopFilter, cannot_run, hide_errors_after_stop, same_snakemake, shell, ui_command
from ratecore.experiment.networks_from import keep as keep_files
from ratecore.experiment.stages.table import stages_of
from ratecore.experiment.terminal import shown
from ratecore.system.devices import device_pool
from ratecore.system.files import network_file_system
from ratecore.tracking.mlflow.follow import Follower
from ratecore.tracking.mlflow.sqlite import has_artifacts_elsewhere, sqlite_file
from ratecore.tracking.mlflow.state import is_tracked_in
from ratecore.tracking.mlflow.uri import stored_uri
from ratecore.tracking.queue import mirror_message, note_deaths


class Launch:
    """One call of the workflow for one experiment, in the process of its Snakemake.

    Snakemake calls only the handlers `onstart`, `onsuccess` and `onerror` of the main Snakefile. `attach` puts this
    launch in front of them, so that a grid is mirrored and summarized whether its workflow is the main one, is included
    in another or is a module of it.

    Args:
        workflow: Snakemake's.
        experiment: of the configuration.
        config: the configuration as it was given.
        uri: tracking URI.
        train: name of the rule `train` in the main workflow.
    """

    def __init__(self, workflow: Any, experiment: Experiment, config: dict[str, Any], uri: str, train: str = "train"):
        self.workflow, self.experiment, self.uri = workflow, experiment, uri
        self._config, self._train = config, train
        self.root = experiment.root.as_posix()
        settings = experiment.settings
        self.follower = Follower(uri, settings.experiment, settings.results, runs=experiment.run_names)
        self.stale: list[str] | None = None  # files of other grids, to be made again; None: not known yet
        self._stop_filter = _hide_errors_after_stop()
        self.closing = self._closing()
        self._attached = False

    @classmethod
    def for_experiment(
        cls, workflow: Any, experiment: Experiment, *arguments: Any, **named: Any
    ) -> tuple[Launch, bool]:
        """The launch of an experiment, created once.

        Snakemake reads the Snakefile of a module again for each `use rule` statement.

        Args:
            workflow: Snakemake's.
            experiment: of the configuration.
            *arguments: as of `Launch`.
            **named: as of `Launch`.

        Returns:
            the launch, and whether it is new.
        """
        launches = workflow.__dict__.setdefault("ratecore_launches", {})
        root = experiment.root.absolute()
        is_new = root not in launches
        if is_new:
            launches[root] = cls(workflow, experiment, *arguments, **named)
        return launches[root], is_new

    def _closing(self) -> Closing:
        """The object that formats the closing words, with the commands that fit this launch."""
        workflow, directory = self.workflow, self.workflow.overwrite_workdir
        same = same_snakemake(sys.argv, workflow.main_snakefile, workflow.overwrite_configfiles, directory, self.uri)
        repository = Path(workflow.main_snakefile).parents[1]
        ui = ui_command(self.uri, self.experiment.settings.results, repository, directory)
        # With --directory, relative paths would not be valid in the folder of the launch.
        seen = None if directory is None else self.experiment.root.resolve()
        return Closing(self.experiment, ui, shell([*same, "--report", "report.html"]), seen)

    def restore_copied_times(self) -> None:
        """Restore the file times of copied results, before Snakemake checks them."""
        if not was_copied(self.root):
            return
        try:
            n = restore_times(self.root)
            message = f"the modification times of {n} files were restored, so that no job is repeated because of them."
        except OSError as error:
            message = f"its modification times cannot be restored, so all jobs may run again: {error}"
        print(f"{self.root} is a copy: {message}", file=sys.stderr)

    def mark_stale_files(self, figures: list[str]) -> None:
        """Attach the handlers, and tell Snakemake which files belong to other settings, before it checks file times.

        The files are removed in `begin`, when no other launch is active in this folder, and not in a dry run.

        Args:
            figures: of grid points, as Snakemake names them.
        """
        if not self.workflow.is_main_process:
            return  # a job; its launch has done this
        self.attach()
        if self.stale is not None or self.workflow.touch:
            return
        self.stale = stale_files(self.experiment, stages_of(self.experiment.settings), figures)
        settings = self.experiment.settings
        self.stale += stale_claims(settings, self.experiment.root)
        location, table = f"{self.root}/tracking.json", f"{self.root}/{TABLE_WRITTEN}"
        if Path(location).exists():
            if not is_tracked_in(location, stored_uri(self.uri, settings.results), settings.experiment):
                self.stale.append(location)
        if Path(table).exists() and has_artifacts_elsewhere(self.uri, settings.results):
            self.stale.append(table)
        self.workflow.dag.forcefiles.update(self.stale)

    def attach(self) -> None:
        """Have Snakemake call this launch first, and then the handlers of the main Snakefile, if it has any.

        By now Snakemake has read the entire main Snakefile, whose handlers may follow the module.
        """
        if self._attached:
            return
        self._attached = True
        ours = {"onstart": self.begin, "onsuccess": self.succeed, "onerror": self.fail}
        for name, handler in ours.items():
            theirs = getattr(self.workflow, f"_{name}")  # Snakemake has no public access to it
            getattr(self.workflow, name)(partial(_call_both, handler, theirs))

    def begin(self) -> None:
        """Prepare the work before the first job, and start the process that sends all records to MLflow.

        Jobs therefore do not wait for a server or load its client.

        Raises:
            snakemake.exceptions.WorkflowError: no job can ever start.
        """
        self._refuse_what_cannot_run()
        self._warn_of_shared_sqlite()
        mark_times(self.root)
        self.closing.earlier = keep_configuration(self.root, self._config)
        keep_files(self.root, self.experiment.files)
        if self.stale is not None:
            note_grid(self.experiment, self.stale)
        for folder in note_deaths(self.root):
            print(f"{folder}: its process was killed; training resumes from the last checkpoint")
        self.follower.start()
        shown.begin(self.workflow)

    def succeed(self) -> None:
        """Finish after all jobs are done."""
        self.follower.stop()
        shown.settle()
        print(self.closing.success() + mirror_message(self.closing.root))

    def fail(self) -> None:
        """Finish after jobs failed or Snakemake was stopped."""
        if self._stop_filter.stopped:
            shown.settle()
            print(self.closing.interrupted(), flush=True)
            self._stop_following()
        else:
            self.follower.stop()  # first, so that the table lists the MLflow runs
            shown.settle()
            print(self.closing.failure(self._failed_jobs()) + mirror_message(self.closing.root))

    def _refuse_what_cannot_run(self) -> None:
        from snakemake.exceptions import WorkflowError

        workflow = self.workflow
        rate = workflow.scheduling_settings.max_jobs_per_timespan
        problems = cannot_run(
            workflow.cores if workflow.local_exec else None,
            None if workflow.local_exec else workflow.nodes,
            rate and rate.max_jobs,
            workflow.resource_settings.max_threads,
        )
        trains = (job.rule.name == self._train for job in workflow.dag.needrun_jobs())
        if self.experiment.settings.device == "cuda" and any(trains):
            if workflow.scheduler.global_resources.get("gpu") == 0:
                problems.append("--resources gpu=0: device = 'cuda' needs at least 1")
            if workflow.local_exec and not device_pool():
                problems.append("device = 'cuda': no GPU is visible here; allowed: 'cpu', 'auto'")
        if problems:
            raise WorkflowError("\n".join(problems))

    def _warn_of_shared_sqlite(self) -> None:
        """Warn if MLflow's SQLite file is on a network file system, whose locks are unreliable."""
        if file := sqlite_file(self.uri):
            if kind := network_file_system(file):
                print(
                    f"WARNING: MLflow's database {file} is on a network file system ({kind}), "
                    "where it can be corrupted. "
                    "Set tracking: {uri: sqlite:////a/local/disk/mlflow.db}, or use a server: docs/tracking.md. "
                    "Nothing is lost: `ratecore replay` rebuilds the database from the results."
                )

    def _failed_jobs(self) -> list[tuple[str, str]]:
        """(rule, log) of the jobs that failed."""
        failed = self.workflow.scheduler.failed
        return [(job.rule.name, str(next(iter(job.log), "no log"))) for job in failed]

    def _stop_following(self) -> None:
        """Wait until MLflow is up to date; a second Ctrl-C leaves this to the next call."""
        message = "Updating MLflow; press Ctrl-C again to leave this to the next call."
        slow = threading.Timer(2.0, print, [message], {"flush": True})
        slow.start()
        try:
            self._stop_filter.listen_again()
            self.follower.stop()
        except KeyboardInterrupt:
            print("The next call, or `ratecore replay`, will update MLflow.")
        finally:
            slow.cancel()


def _call_both(ours: Callable[[], None], theirs: Callable[[Any], None], log: Any) -> None:
    ours()
    theirs(log)


def _hide_errors_after_stop() -> StopFilter:
    from snakemake.logging import logger

    return hide_errors_after_stop(logger)
