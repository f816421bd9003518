"""Settings of one run: one network, one seed."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property, partial
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Bool
from pydantic import Field, field_validator, model_validator

from ratecore.settings.analysis import Analyses, AnalysisSettings, sections_of, settings_of
from ratecore.settings.base import Settings, SettingsError, TaskName, did_you_mean, flat_settings, shown
from ratecore.settings.hints import in_steps
from ratecore.settings.network import NetworkSettings
from ratecore.settings.network_connections import has_cycle
from ratecore.settings.network_files import hashes_of_files
from ratecore.settings.network_units import KEYS, units_in, with_named_units
from ratecore.settings.paths import LocalPathAsWritten
from ratecore.settings.spiking import ConversionSettings, SpikingSettings
from ratecore.settings.starts import as_text, check_sizes, check_start, with_changes
from ratecore.settings.task_values import TaskValue, for_another_kind, task_values
from ratecore.settings.training import EvaluationSettings, TrainingSettings
from ratecore.settings.unit_sets import Known, TuningSettings, UnitSet, UnitSets, used_sets
from ratecore.system.streams import draw_inhibitory, stream
from ratecore.tasks import AbstractTask, TaskFactory
from ratecore.tasks.checks import check_task, other_folder
from ratecore.tasks.decisions import draw_graded, graded_points
from ratecore.tasks.examples import conditions_of
from ratecore.tasks.files import load_task_file, registered_by, task_code
from ratecore.tasks.losses import check_probabilities, why_not
from ratecore.tasks.multi import settings_over
from ratecore.tasks.randomness import same_folder, working_folder

LARGEST_WEIGHTS = 512 * 2**20  # bytes of the weights kept during training
AFTER_TRAINING = ("evaluation", "spiking", "conversion", "analysis")  # sections that no trained network depends on
NOT_OF_THE_NETWORK = frozenset({*AFTER_TRAINING, "analyses", "unit_sets"})
Tested = Literal["evaluation", "conversion"]  # sections in which a network can be tested elsewhere
TESTED: tuple[Tested, ...] = ("evaluation", "conversion")


class RunSettings(Settings):
    """Everything that can change the numbers of a run, which is one network with one seed."""

    task: TaskName = Field(
        "go-nogo",
        description="name of a registered task; `neurogym:NAME`; or a list of tasks that one network does",
    )
    task_file: LocalPathAsWritten | None = Field(
        None, description="Python file that registers the task, when it is your own"
    )
    task_settings: dict[str, TaskValue] = Field(
        {}, description="settings of the task over its defaults; durations are in steps of 5 ms"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="seed of everything random in the run")
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    spiking: SpikingSettings = SpikingSettings()
    conversion: ConversionSettings = ConversionSettings()
    analyses: Analyses = Field((), description="analyses of the trained network")
    analysis: AnalysisSettings = AnalysisSettings()
    unit_sets: UnitSets = Field(
        {}, description="named sets of units: a list, {file: ...}, {tuning: ...}, or {units: [groups]}"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: Any) -> Any:
        return with_named_units(given)

    @field_validator("task_settings", mode="before")
    @classmethod
    def _convert(cls, given: Any) -> Any:
        return task_values(flat_settings(given))

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_task()
        for section in TESTED:
            self._check_tested(section)
        net = self.network
        self._check_unit_sets()
        self._check_kept_weights()
        self._check_start()
        try:
            hashes_of_files(net)
        except SettingsError as error:
            raise SettingsError([(("network", *path), message) for path, message in error.problems]) from None
        if net.depends_on_types or net.named_units or any(getattr(net, key) != ("all",) for key in KEYS):
            self._check_groups(draw_inhibitory(net.N, net.P_inh, net.apply_dale, stream(self.seed, "initialisation")))
        self._check_radius()
        if net.som_N and net.som_N <= net.N:
            # The types are the first draw of the network's stream, so the number of inhibitory units is known here.
            n_inh = int(draw_inhibitory(net.N, net.P_inh, net.apply_dale, stream(self.seed, "initialisation")).sum())
            if net.som_N > n_inh:
                allowed = (
                    f" = {net.som_N}: it must be at most the number of inhibitory units, which is {n_inh} with "
                    f"N = {net.N}, P_inh = {net.P_inh:g}, seed = {self.seed}"
                )
                raise SettingsError([(("network", "som_N"), allowed)])
        return self

    def _check_groups(self, inh: Bool[np.ndarray, " N"]) -> None:
        """Check that groups of units have units, of the types that are drawn for this seed."""
        net = self.network
        drawn = f"with N = {net.N}, P_inh = {net.P_inh:g}, seed = {self.seed}"
        if net.balance and inh.all() | ~inh.any():
            missing = "excitatory" if inh.all() else "inhibitory"
            raise SettingsError([(("network", "balance"), f" = True: there is no {missing} unit {drawn}")])
        for key in KEYS:
            given = f" = {shown(list(getattr(net, key)))}: "
            try:
                chosen = units_in(getattr(net, key), net, inh)
            except ValueError as error:
                raise SettingsError([(("network", key), f"{given}{error}")]) from None
            if not chosen.any():
                raise SettingsError([(("network", key), f"{given}it is no unit {drawn}")])

    def _check_unit_sets(self) -> None:
        """Check that there are all units that settings of later stages choose."""
        known = Known(self.network.N, self.network.som_N, self.network.areas or (), self.unit_sets)
        known.check_sets()
        if self.spiking.stimulation.mode != "none":
            known.check(self.spiking.stimulation.units, ("spiking", "stimulation", "units"))
        for section in TESTED:
            for key, units in getattr(self, section).perturbation.groups():
                known.check(units, (section, "perturbation", key))
        for name, own in self.sets_used_in(*AFTER_TRAINING).items():
            if own.tuning is not None:
                self._check_tuning(name, own.tuning)

    def _check_tuning(self, name: str, tuning: TuningSettings) -> None:
        """Check that the task has the conditions of a set by tuning."""
        known = conditions_of(self.create_task())
        for key in ("condition_a", "condition_b"):
            if (condition := getattr(tuning, key)) not in known:
                allowed = f"no condition of '{self.task}'{did_you_mean(condition, known)}; allowed: {', '.join(known)}"
                raise SettingsError([(("unit_sets", name, "tuning", key), f" = {shown(condition)}: {allowed}")])

    def sets_used_in(self, *sections: str) -> dict[str, UnitSet]:
        """The named sets of units that some sections use.

        Args:
            *sections: among 'evaluation', 'spiking' and 'conversion'; others use none.

        Returns:
            sets by name.
        """
        units: list[Any] = []
        for section in set(TESTED) & set(sections):
            units += [which for _, which in getattr(self, section).perturbation.groups()]
        if "spiking" in sections and self.spiking.stimulation.mode != "none":
            units.append(self.spiking.stimulation.units)
        return used_sets(units, self.unit_sets)

    def _check_radius(self) -> None:
        """Check that the connections that a network can have allow an eigenvalue other than 0."""
        net = self.network
        if net.spectral_radius is None:
            return
        if not has_cycle(net, draw_inhibitory(net.N, net.P_inh, net.apply_dale, stream(self.seed, "initialisation"))):
            reason = "no connections that the network can have form a loop, so that all eigenvalues are 0"
            raise SettingsError([(("network", "spectral_radius"), f" = {net.spectral_radius:g}: {reason}")])

    def _check_start(self) -> None:
        """Check that the run whose network the training starts from has one that fits."""
        if (start := self.start) is None:
            return
        name, task = as_text(self.training.start_from), start.create_task()  # type: ignore[arg-type]  # a mapping
        check_start(name, start.network, self.network)
        check_sizes(name, (task.n_inputs, task.n_outputs), self.create_task(0))

    def _check_kept_weights(self) -> None:
        """Check that the file of the weights kept during training does not become too large."""
        every = self.training.keep_weights
        most = max(LARGEST_WEIGHTS // (4 * self.network.N**2) - 2, 1)
        if every is not None and self.training.most_trials // every > most:
            least = -(-self.training.most_trials // most)
            allowed = f" = {every}: with N = {self.network.N} it must be at least {least:,}, so that the file of the "
            raise SettingsError([(("training", "keep_weights"), f"{allowed}weights has at most 512 MiB")])

    @cached_property
    def start(self) -> RunSettings | None:
        """The run with whose network this one's training starts, where `training.start_from` names its settings."""
        if not isinstance(self.training.start_from, dict):
            return None
        values: dict[str, Any] = {name: getattr(self, name) for name in ("task", "task_file", "seed")}
        values["task_settings"] = dict(self.task_settings)
        values |= {"network": self.network.model_dump(), "training": self.training.model_dump()}
        values["training"]["start_from"] = None
        values = with_changes(values, self.training.start_from)
        try:
            return RunSettings(**values)
        except SettingsError as error:
            raise SettingsError(
                [(("training", "start_from"), f": {'.'.join(path)}{message}") for path, message in error.problems]
            ) from None

    def in_stage(self, stage: int) -> RunSettings:
        """The run as if one stage of its curriculum were all of its training.

        Args:
            stage: number of the stage, from 0.

        Returns:
            these settings, without stages.
        """
        training, task = self.training.in_stage(stage), self.create_task(stage)
        return self.model_copy(update={"training": training, "task_settings": task.settings})

    def _check_task(self) -> None:
        """Check that the task can be made; the error names the key that prevents it."""
        folder = working_folder()
        try:
            with same_folder():
                task = self.create_task()
                moved = working_folder() != folder
                others = self._tasks_of_other_stages()
        except SettingsError:
            raise
        except ValueError as error:
            if not TaskFactory.knows(self.task):
                raise SettingsError([(("task",), f": {self._not_registered() or error}")]) from None
            hint = in_steps(self.task_settings, partial(TaskFactory.create_task, self.task, strict=True))
            hint = hint or for_another_kind(self.task_settings, TaskFactory.task_class(self.task).defaults)
            where = ("training", "stages", "task_settings") if self.training.stages else ("task_settings",)
            raise SettingsError([(where, f": {error}{hint}")]) from error.__cause__
        if moved:
            raise other_folder(f"task '{task.name}': its __init__ changes")
        check_task(task, self.create_task)
        self._check_loss(task, self.training.last)
        for stage, other in others:
            check_task(other, partial(self.create_task, stage))
            self._check_loss(other, self.training.in_stage(stage))
            for what in ("n_inputs", "n_outputs"):
                if (first := getattr(other, what)) != (last := getattr(task, what)):
                    message = f": {what} is {first} in stage {stage + 1} and {last} in the last; it must be the same"
                    raise SettingsError([(("training", "stages"), message)])

    def _check_loss(self, task: AbstractTask, training: TrainingSettings) -> None:
        if reason := why_not(task, training.loss_fn):
            raise SettingsError([(("training", "loss_fn"), f" = {shown(training.loss_fn)}: {reason}")])
        if training.loss_fn == "cross_entropy":
            check_probabilities(task)

    def _tasks_of_other_stages(self) -> list[tuple[int, AbstractTask]]:
        """The tasks of all stages before the last, each of other settings once."""
        found: dict[str, tuple[int, AbstractTask]] = {}
        for stage in range(len(self.training.stages) - 1):
            task = self.create_task(stage)
            found.setdefault(json.dumps(task.settings, sort_keys=True), (stage, task))
        return list(found.values())

    def _check_tested(self, section: Tested) -> None:
        """Check that the task can have the settings with which the network is tested, and grades what is asked for."""
        given, where = flat_settings(getattr(self, section).task_settings), (section, "task_settings")
        trained = self.create_task()
        if given:
            try:
                task = self.tested_task(section)
            except ValueError as error:
                hint = in_steps(given, partial(self._task_over, trained))
                hint = hint or for_another_kind(given, type(trained).defaults)
                raise SettingsError([(where, f": {error}{hint}")]) from error.__cause__
            check_task(task, partial(self.tested_task, section))
            for what in ("n_inputs", "n_outputs"):
                self._check_size(what, trained, task, where, given)
            trained = task
        self._check_levels(section, trained)

    def _check_size(
        self, what: str, trained: AbstractTask, task: AbstractTask, where: tuple[str, str], given: dict[str, Any]
    ) -> None:
        """Check that a task has the inputs or outputs of the network; the error names the setting that changes them."""
        if (has := getattr(trained, what)) == (wants := getattr(task, what)):
            return

        def changes(key: str) -> bool:
            try:
                return bool(getattr(self._task_over(trained, {key: given[key]}), what) != has)
            except ValueError:  # it needs the others
                return False

        keys = [key for key in given if changes(key)] or list(given)
        values = ", ".join(f"{key} = {shown(task.settings.get(key, given[key]))}" for key in keys)
        raise SettingsError([(where, f".{values}: {what} would be {wants}; the trained network has {has}")])

    def _check_levels(self, section: Tested, task: AbstractTask) -> None:
        """Check that the task can draw trials of the strengths of evidence that are asked for."""
        levels = getattr(self, section).evidence_levels
        if not levels or not task.evidence_levels:
            return
        for point in graded_points(task, levels):
            try:
                draw_graded(task, point, [np.random.default_rng(0)])
            except Exception as error:  # of a user's task, too
                message = f" = {point[1]:g}: {task.name} cannot draw such a trial: {error}"
                raise SettingsError([((section, "evidence_levels"), message)]) from error

    def tested_task(self, section: Tested) -> AbstractTask:
        """Make the task on which the trained network is tested: that of training with other settings over its own.

        Args:
            section: 'evaluation' or 'conversion', whose `task_settings` these are.

        Returns:
            The task; the same as `create_task` without such settings.

        Raises:
            ValueError: settings that the task cannot have.
        """
        task, given = self.create_task(), flat_settings(getattr(self, section).task_settings)
        return self._task_over(task, given) if given else task

    def _task_over(self, trained: AbstractTask, given: dict[str, Any]) -> AbstractTask:
        """The task with some settings over those that it was trained with."""
        type(trained).refuse_unknown(given)  # also what settings for all of several tasks leave unknown
        settings = settings_over(type(trained), trained.settings, given)
        return TaskFactory.create_task(self.task, settings, strict=True)

    def _not_registered(self) -> str:
        """The message for an unknown task when there is a file that should have registered it."""
        if not self.task_file:
            return ""
        file, available = f"task_file {shown(self.task_file)}", ", ".join(TaskFactory.list_available_tasks())
        if names := registered_by(self.task_file):
            return f"unknown task {shown(self.task)}; {file} registers {', '.join(names)}; available: {available}"
        line = f"TaskFactory.register_task({shown(self.task)}, <the class>)"
        return f"unknown task {shown(self.task)}; {file} registers no task: it must call {line} when it is imported"

    def create_task(self, stage: int = -1) -> AbstractTask:
        """Make the task of this run.

        Args:
            stage: number of a stage of the curriculum, from 0; the last one, which scores the network, when -1. Without
                stages there is one task.

        Returns:
            The task.

        Raises:
            ValueError: an unknown task, or settings that it cannot have.
        """
        if self.task_file:
            load_task_file(self.task_file)
        stages = self.training.stages
        given = {**self.task_settings, **stages[stage].task_settings} if stages else self.task_settings
        return TaskFactory.create_task(self.task, given, strict=True)

    def identity(self, *stages: str) -> str:
        """Hash of every setting that can change the numbers of some stages.

        Args:
            *stages: sections among 'training', 'evaluation', 'spiking', 'conversion' and 'analysis', by default all.
                The network, its task and the seed are always included. 'analysis' is the settings of the chosen
                analyses, and brings the sections that these depend on.

        Returns:
            16 hexadecimal digits.
        """
        return hash_of(self.identity_values(*stages))

    def identity_values(self, *stages: str) -> dict[str, Any]:
        """The values that `identity` hashes.

        Args:
            *stages: as in `identity`.

        Returns:
            Settings by section, with all settings of the task and the hash of its code.
        """
        every = {"training", *AFTER_TRAINING}
        given = set(stages or every)
        if "analysis" in given:
            given |= set(sections_of(self.analyses))
        values = self.model_dump(mode="json", exclude={"analyses", *(every - given)})
        values.pop("analysis", None)
        if "analysis" in given and self.analyses:
            chosen = settings_of(self.analyses, self.analysis)
            values["analysis"] = {name: own.identity_values() for name, own in chosen.items()}
        task = self.create_task()
        values["task_settings"] = task.settings
        del values["task_file"], values["unit_sets"]
        if sets := self.sets_used_in(*given):
            values["unit_sets"] = {name: own.identity_values() for name, own in sets.items()}
        older = NetworkSettings.model_fields.keys() - set(NetworkSettings.newer)
        values["network"] = {k: v for k, v in values["network"].items() if k in older} | self.network.newer_values()
        if areas := self.network.areas:
            values["network"]["areas"] = list(areas.items())  # their order counts
        values["network"] |= hashes_of_files(self.network)
        if "training" in values:
            values["training"] = self.training.identity_values()
            if start := self.start:  # its seed is this run's, which is hashed already
                own = start.identity_values("training")
                values["training"]["start_from"] = {key: value for key, value in own.items() if key != "seed"}
            for stage, own in enumerate(values["training"].get("stages", ())):
                own["task_settings"] = self.create_task(stage).settings
        for section in TESTED:
            if section in values:
                values[section] = self._tested_values(section, task)
        if code := task_code(type(task)):
            values["task_code"] = code
        return values

    def _tested_values(self, section: Tested, trained: AbstractTask) -> dict[str, Any]:
        """What a section adds to the identity; of the task's settings only those that are not the trained ones."""
        values: dict[str, Any] = getattr(self, section).identity_values()
        if values.pop("task_settings", None):
            own, tested = trained.settings, self.tested_task(section).settings
            if other := {key: value for key, value in tested.items() if key not in own or own[key] != value}:
                values["task_settings"] = other
        return values


def hash_of(values: dict[str, Any]) -> str:
    """Hash of a dictionary, independent of the order of its keys.

    Args:
        values: can be written as JSON.

    Returns:
        16 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
