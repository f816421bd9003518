"""Environments of neurogym: their names and arguments, and a trial from a seed. Imported late, since it is an extra."""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib
import inspect
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ratecore.settings.base import shown, task_key
from ratecore.tasks.environment_parts import copied, is_duration, parts_of, plain, reseed, take_longest
from ratecore.tasks.values import TaskError

PREFIX = "neurogym:"
DT = 20  # ms per step; neurogym's own 100 ms are coarse for a network whose time constants are a few steps
# Arguments without a default, as in neurogym's documentation.
REQUIRED: dict[str, dict[str, Any]] = {"AnnubesEnv-v0": {"session": {"v": 0.5, "a": 0.5}, "catch_prob": 0.5}}
PROBES = 32  # trials that tell whether an environment has targets, and how long its trials are


class _Arguments(Exception):
    """Carries the arguments with which a class of environments would be made."""


class _Given:
    """Stands for the value of an argument; a class, since gymnasium copies arguments."""


def neurogym() -> Any:
    """Import neurogym.

    Returns:
        The module.

    Raises:
        TaskError: it is not installed.
    """
    try:
        with quiet():
            return importlib.import_module("neurogym")
    except ImportError as error:
        missing = "" if error.name == "neurogym" else f" ({error})"
        raise TaskError(
            f"tasks named {PREFIX}NAME need the package neurogym, which cannot be imported{missing}: "
            "pip install 'ratecore[neurogym]'"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide what neurogym and gymnasium warn of: `dt`, wrappers, and types that NumPy or SciPy will change.

    Yields:
        Nothing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def environment_ids() -> dict[str, str]:
    """The environments of neurogym, and those that a task file registered.

    Returns:
        Name of the task: id of the environment, 'neurogym:gonogo-v0': 'GoNogo-v0'.

    Raises:
        TaskError: neurogym is not installed.
    """
    neurogym()
    registry = importlib.import_module("gymnasium").registry
    own = {name for name, spec in registry.items() if not _origin(spec.entry_point).startswith("gymnasium.")}
    return {task_key(PREFIX + name): name for name in sorted(own)}


def _origin(entry: Any) -> str:
    return str(entry.__module__ if callable(entry) else entry)


@functools.cache
def environment(name: str) -> Environment:
    """An environment by the name of its task.

    Args:
        name: in its canonical spelling, 'neurogym:gonogo-v0'.

    Returns:
        The environment.

    Raises:
        TaskError: neurogym is not installed, or the environment has no supervised targets.
        ValueError: there is none of this name; the message has the nearest ones.
    """
    known = environment_ids()
    if name not in known:
        keys = difflib.get_close_matches(name, known, 5, cutoff=0.0)
        near = ", ".join(PREFIX + known[key] for key in keys)
        version = neurogym().__version__
        raise ValueError(
            f"unknown task {shown(name)}; of the {len(known)} environments of neurogym {version} the nearest are {near}"
        )
    return Environment(known[name])


class Environment:
    """An environment, from which trials can be drawn one by one.

    Each trial is the first of a new environment, in which all random numbers come from one seed and a schedule of
    several environments starts at a random one: so a trial does not depend on those before it.

    Attributes:
        name: of the task.
        version: of neurogym.
        module: that defines the environment's class.
        discrete: whether each step has one of several actions.
        defaults: settings: its arguments, `timing` and `rewards` with one setting per entry.

    Args:
        env_id: id in gymnasium's registry, 'yang19.go-v0'.

    Raises:
        TaskError: it has no supervised targets; the message says why.
    """

    def __init__(self, env_id: str):
        self.id, self.name, self.version = env_id, task_key(PREFIX + env_id), str(neurogym().__version__)
        registration = importlib.import_module("gymnasium.envs.registration")
        spec = importlib.import_module("gymnasium").registry[env_id]
        entry = spec.entry_point
        self._create: Callable[..., Any] = entry if callable(entry) else registration.load_env_creator(entry)
        self._fixed = {**spec.kwargs, **REQUIRED.get(env_id, {})}
        self._places: dict[str, tuple[str, str | None]] = {}  # setting: argument and entry
        self._kept = threading.local()
        self._shapes: dict[str, tuple[int, int, int]] = {}
        try:
            env = self._made({"dt": DT})
        except Exception as error:
            raise TaskError(
                f"task '{self.name}': neurogym cannot make {env_id}: {type(error).__name__}: {error}"
            ) from error
        self._class = type(env.unwrapped)
        self.module = self._class.__module__
        if not isinstance(env.unwrapped, importlib.import_module("neurogym.core").TrialEnv):
            raise self.unsupervised("it is no environment of trials (TrialEnv)")
        self.discrete = hasattr(env.unwrapped.action_space, "n")
        self.defaults = self._find_settings(env.unwrapped)
        self._check_supervised()

    def unsupervised(self, why: str) -> TaskError:
        """The error for an environment without targets.

        Args:
            why: the reason.

        Returns:
            An error, not yet raised.
        """
        return TaskError(f"task '{self.name}': neurogym's {self.id} offers no supervised targets: {why}")

    def _made(self, arguments: Mapping[str, Any]) -> Any:
        with quiet():
            return self._create(**{**self._fixed, **arguments})

    def _find_settings(self, inner: Any) -> dict[str, Any]:
        parameters = inspect.signature(self._class.__init__).parameters
        given = self._passed({"dt": DT})
        own = parameters["dt"].default if "dt" in parameters else DT
        found: dict[str, Any] = {"dt": min(DT, own) if isinstance(own, int) else DT}  # pulses of 10 ms need 10 ms
        for name, parameter in list(parameters.items())[1:]:
            if name in ("dt", "timing", "rewards") or parameter.kind in (
                parameter.VAR_KEYWORD,
                parameter.VAR_POSITIONAL,
            ):
                continue
            if self._passed({"dt": DT, name: _Given}).get(name) is not _Given:
                continue  # the environment itself decides
            value = given.get(name, parameter.default)
            found |= self._settings_in(name, plain(getattr(inner, name, None) if value is None else value))
        if "rewards" in parameters and isinstance(inner.rewards, dict):
            known = {key: value for key, value in inner.rewards.items() if isinstance(value, int | float)}
            other = self._made({"dt": DT, "rewards": {key: value + 1 for key, value in known.items()}}).unwrapped
            # Rewards that are computed from others stay out.
            found |= self._settings_in("rewards", {k: float(v) for k, v in known.items() if other.rewards[k] == v + 1})
        timing = {key: plain(value) for key, value in inner.timing.items()}
        durations = {key: value if is_duration(value) else [] for key, value in timing.items()}
        return found | self._settings_in("timing", durations)

    def _settings_in(self, argument: str, value: Any) -> dict[str, Any]:
        """The settings of an argument; none for one that no setting can hold."""
        if isinstance(value, dict):
            keys = {f"{argument}_{key}": (argument, key) for key in value}
            self._places |= keys
            return {name: value[key] for name, (_, key) in keys.items()}
        if not isinstance(value, bool | int | float | str | list):
            return {}
        self._places[argument] = argument, None
        return {argument: value}

    def _passed(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that reach the environment's class, through the function that makes it, if there is one."""
        original = self._class.__init__

        def record(_: Any, *more: Any, **named: Any) -> None:
            raise _Arguments(named)

        self._class.__init__ = record
        try:
            self._made(arguments)
        except _Arguments as found:
            passed: dict[str, Any] = found.args[0]
            return passed
        except TypeError:  # the function that makes it gives the argument itself
            return {}
        finally:
            self._class.__init__ = original
        return {}

    def _check_supervised(self) -> None:
        for seed in range(PROBES):
            inner = self.trial(self.defaults, seed).unwrapped
            if not getattr(inner, "_gt_built", False) or not getattr(inner, "_ob_built", False):
                raise self.unsupervised(
                    "a trial has no ground truth for each step; which action is right depends on those before it, or "
                    "rewards alone teach it"
                )
            n = getattr(inner.action_space, "n", None)
            if n is None and len(inner.action_space.shape or ()) != 1:
                raise self.unsupervised(f"its actions are {inner.action_space}, which are no numbers of a network")
            wrong = [] if n is None else sorted(set(np.unique(inner.gt).tolist()) - set(range(n)))
            if n is not None and wrong:
                raise self.unsupervised(
                    f"its ground truth is a quantity such as {wrong[0]}, not one of its actions 0 to {int(n) - 1}"
                )

    def build(self, values: Mapping[str, Any], seed: int) -> Any:
        """The environment as it is when new, in which all random numbers come from a seed.

        Args:
            values: a value for each of `defaults`.
            seed: of the trial.

        Returns:
            The environment, before its first trial; the next call in this thread takes it back.

        Raises:
            ValueError: it refuses the values.
        """
        kept = vars(self._kept).setdefault("built", {})  # making an environment takes longer than drawing a trial
        key = repr(sorted(values.items()))
        if key not in kept:
            env = self._configured(values)
            kept[key] = env, [(part, copied(vars(part))) for part in parts_of(env)]
        env, states = kept[key]
        generator = np.random.RandomState(seed)
        for part, state in states:
            vars(part).clear()
            vars(part).update(copied(state))
        for part, _ in states:
            reseed(part, generator)
        return env

    def _configured(self, values: Mapping[str, Any]) -> Any:
        arguments: dict[str, Any] = {}
        for key, (argument, entry) in self._places.items():
            if values[key] == self.defaults[key]:
                continue
            if entry is None:
                arguments[argument] = values[key]
            else:
                arguments.setdefault(argument, dict(self._fixed.get(argument, {})))[entry] = values[key]
        timing = arguments.get("timing", {})
        if not inspect.isclass(self._create):
            arguments.pop("timing", None)  # these functions have a timing of their own
        try:
            env = self._made({"dt": values["dt"], **arguments})
        except Exception as error:
            changed = ", ".join(f"{key} = {shown(values[key])}" for key in values if values[key] != self.defaults[key])
            raise ValueError(f"{self.name}: neurogym refuses {changed}: {type(error).__name__}: {error}") from error
        for part in parts_of(env):
            if isinstance(timing_of := vars(part).get("timing"), dict):
                timing_of.update(timing)
        return env

    def trial(self, values: Mapping[str, Any], seed: int, prepare: Callable[[Any], None] | None = None) -> Any:
        """Draw a trial.

        Args:
            values: a value for each of `defaults`.
            seed: of the trial.
            prepare: called with the environment before the trial is drawn.

        Returns:
            The environment at the first step of the trial, with `unwrapped.ob` (T, n_in) and `unwrapped.gt` (T,) or
            (T, n_out).

        Raises:
            ValueError: it refuses the values.
        """
        env = self.build(values, seed)
        with quiet():
            if prepare is not None:
                prepare(env)
            inner = env.unwrapped
            inner._top.new_trial()
            inner = env.unwrapped
            inner.t = inner.t_ind = 0
            inner.performance = 0
        return env

    def shown(self, env: Any) -> tuple[Any, Any]:
        """What a trial shows, and the right actions.

        Args:
            env: from `trial`; it cannot be replayed afterwards.

        Returns:
            Observations (T, n_in) and ground truth (T,) or (T, n_out), unitless.
        """
        inner = env.unwrapped
        if any(type(part).__name__ == "ReactionTime" for part in parts_of(env)):
            with quiet():
                env.step(0)  # ReactionTime changes a trial at its first step
        T = min(len(inner.ob), round(inner.tmax / inner.dt))
        return np.array(inner.ob[:T], float).reshape(T, -1), np.array(inner.gt[:T])

    def shape(self, values: Mapping[str, Any]) -> tuple[int, int, int]:
        """Length of the longest trial, and numbers of inputs and outputs.

        Args:
            values: a value for each of `defaults`.

        Returns:
            T in steps, n_in, n_out.

        Raises:
            ValueError: its trials have no longest duration, or it refuses the values.
        """
        key = repr(sorted(values.items()))
        if key not in self._shapes:
            lengths = []
            for seed in range(PROBES):
                for prepare in (take_longest, None):
                    env = self.trial(values, seed, prepare)
                    ob, _ = self.shown(env)
                    lengths.append(len(ob))
            self._shapes[key] = (max(lengths), *self.sizes(values))
        return self._shapes[key]

    def sizes(self, values: Mapping[str, Any]) -> tuple[int, int]:
        """Numbers of inputs and outputs.

        Args:
            values: a value for each of `defaults`.

        Returns:
            n_in, n_out.

        Raises:
            ValueError: it refuses the values.
        """
        env = self.trial(values, 0)
        actions = env.unwrapped.action_space
        n_out = int(actions.n) if hasattr(actions, "n") else int(actions.shape[0])
        return self.shown(env)[0].shape[1], n_out

    def replay(self, values: Mapping[str, Any], seed: int, actions: Any) -> tuple[float, int]:
        """Play a trial with given actions, as the environment itself would with an agent.

        Args:
            values: a value for each of `defaults`.
            seed: of the trial.
            actions: action at each step (T,) or (T, n_out).

        Returns:
            Performance (unitless) as the environment scores it, 1 for a right answer, and the step at which the trial
            ended.

        Source:
            none
        """
        env = self.trial(values, seed)
        inner, step = env.unwrapped, 0
        with quiet():
            for step, action in enumerate(actions):
                *_, info = env.step(action)
                if info["new_trial"]:
                    return float(info["performance"]), step
        return float(inner.performance), step
