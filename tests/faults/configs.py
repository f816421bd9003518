"""Random configurations: each gives a valid plan or an error that says what is wrong."""

from __future__ import annotations

import datetime
import functools
import os
import re
import time
import traceback
from pathlib import Path

import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from faults.harness import fault
from faults.limits import at_most
from ratecore.experiment.axes import SECTIONS
from ratecore.experiment.grid import Experiment
from ratecore.experiment.plan import announcement
from ratecore.experiment.runs import Run
from ratecore.settings.base import SettingsError
from ratecore.settings.experiment import ExperimentSettings, schema_yaml
from ratecore.settings.run import RunSettings
from ratecore.tasks import TaskFactory

SLOWEST = 10.0  # CPU seconds for one configuration, independent of other load

HUGE = st.sampled_from([(0, 1), (2, 31), (2, 63), (-2, 65), (10, 7), (10, 9), (10, 19), (10, 400), (10, 5000)]).map(
    lambda power: power[0] ** power[1]  # created late: Python refuses to print the largest
)
ODD = st.sampled_from(
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        1e308,
        5e-324,
        -0.0,
        "1e-3",
        "0..9",
        "9..0",
        "0..10000000000",
        "0..99999999999999999999999",
        "..",
        "../..",
        "/etc",
        "a/b",
        "a\0b",
        "~",
        "http://me:sesame-1@host/x",
        datetime.date(2026, 1, 1),
        b"bytes",
        {1, 2},
        (1, 2),
        [],
        {},
        "",
        "x" * 300,
    ]
)
LEAF = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), HUGE, ODD)
KEY = st.one_of(
    st.text(max_size=8), st.integers(), st.none(), st.sampled_from(["self", "N", "seed", "gain", "xor", "T"])
)
JUNK = st.recursive(LEAF, lambda s: st.lists(s, max_size=4) | st.dictionaries(KEY, s, max_size=4), max_leaves=8)

PROBABILITY = st.floats(0, 1) | st.sampled_from([0, 1])
TAU = st.integers(1, 40)
TAUS = st.one_of(TAU, TAU.map(float), st.tuples(TAU, st.integers(41, 200)).map(list), TAU.map(lambda t: [t]))
NETWORK = {
    "N": st.integers(1, 300),
    "P_inh": PROBABILITY,
    "P_rec": PROBABILITY,
    "som_N": st.integers(0, 3),
    "gain": st.floats(1e-3, 1e3),
    "apply_dale": st.booleans(),
    "w_dist": st.sampled_from(["gaus", "gamma"]),
    "taus": TAUS,
    "activation": st.sampled_from(["sigmoid", "clipped_relu", "softplus"]),
}
COUNT = st.integers(1, 10**9)
TRAINING = {
    "n_trials": COUNT,
    "batch_size": COUNT,
    "learning_rate": st.floats(1e-6, 10),
    "loss_fn": st.sampled_from(["l1", "l2"]),
    "loss_threshold": st.floats(0.1, 100),
    "accuracy_threshold": PROBABILITY,
    "eval_freq": COUNT,
    "eval_tr": COUNT,
}
EVALUATION = {"n_trials": COUNT, "psychometric_trials": st.integers(0, 100)}
TASK = {"T": st.integers(310, 10**6), "stim_on": st.integers(0, 60), "stim_dur": st.integers(1, 60)}
AXES = {
    **NETWORK,
    **{k: v for k, v in TRAINING.items() if k != "n_trials"},
    "training.n_trials": COUNT,
    "evaluation.n_trials": COUNT,
    **{f"task_settings.{k}": v for k, v in TASK.items()},
    "task": st.sampled_from(["go-nogo", "xor", "mante"]),
}
SEEDS = st.one_of(
    st.integers(0, 1000).map(lambda n: f"{n}..{n + 20}"), st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5)
)
NAME = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,20}\Z")


@st.composite
def configurations(draw):
    """Draws a configuration. Every part may be wrong with the same probability, which is often zero."""
    wrong = draw(st.sampled_from([0, 0, 5, 40]))  # percent

    def some(parts: dict, most: int = 9) -> dict:
        keys = draw(st.lists(st.sampled_from(list(parts)), max_size=most, unique=True))
        made = {key: part(parts[key]) for key in keys}
        return made | (draw(st.dictionaries(KEY, JUNK, max_size=2)) if is_wrong() else {})

    def is_wrong() -> bool:
        return draw(st.integers(0, 99)) < wrong

    def part(right):
        return draw(JUNK) if is_wrong() else draw(right)

    parts = {
        "results": st.sampled_from(["results", "../up", "/tmp/there", "a b/é"]),
        "seeds_per_job": COUNT,
        "threads_per_job": COUNT,
        "device": st.sampled_from(["cpu", "cuda", "auto"]),
        "task": AXES["task"],
    }
    config = {"experiment": part(NAME), **some(parts, 4)}
    sections = {
        "network": NETWORK,
        "training": TRAINING,
        "evaluation": EVALUATION,
        "task_settings": TASK,
        "tracking": {"uri": st.sampled_from([None, "sqlite:///x.db"])},
        "figures": {"grid_points": COUNT},
    }
    for name in draw(st.lists(st.sampled_from(list(sections)), max_size=4, unique=True)):
        config[name] = draw(JUNK) if is_wrong() else some(sections[name])
    if draw(st.booleans()):
        axes = draw(st.lists(st.sampled_from(list(AXES)), max_size=4, unique=True))
        grid = {
            axis: draw(JUNK) if is_wrong() else [part(AXES[axis]) for _ in range(draw(st.integers(1, 3)))]
            for axis in axes
        }
        config["grid"] = draw(JUNK) if is_wrong() else grid | ({"seed": part(SEEDS)} if draw(st.booleans()) else {})
    return config | (draw(st.dictionaries(KEY, JUNK, max_size=2)) if is_wrong() else {})


def _fields() -> set[str]:
    """Returns the names of all settings, tasks and sections of the configuration."""
    models = [ExperimentSettings, RunSettings, *SECTIONS.values()]
    names = {name for model in models for name in model.model_fields} | {"seed", "uri", "grid_points", "configuration"}
    return names | set(TaskFactory.list_available_tasks()) | {"unknown setting"}


ALLOWED = re.compile(
    r"allowed|available|must|should|needs|at most|required|no such file|is no path|list it once|say which|listed twice|"
    "given twice|more than once|is written|same path|at least|give one|Unable to parse|is no task|outside a trial"
)


def error_problem(error: SettingsError) -> str | None:
    """Returns what an error lacks: each line must name a key, say what is allowed, and be short enough to read."""
    lines = error.lines()
    for line in lines:
        if not any(name in line for name in _fields()) or not ALLOWED.search(line):
            return f"an error that does not say what is wrong: {line[:300]!r}"
        if len(line) > 3000 or "sesame" in line:
            return f"an error of {len(line)} letters, or one with a password: {line[:300]!r}"
    return None if lines else "an error without a line"


def plan_problem(experiment: Experiment, config: dict, validator) -> str | None:
    """Returns what is wrong with a plan: its grid points, blocks and folders."""
    seeds = [s for block in experiment.blocks.values() for s in block]
    if seeds != list(experiment.seeds) or not experiment.grid_points:
        return "its blocks are not its seeds, or it has no grid point"
    if len(experiment.by_path) < len(experiment.grid_points):
        return "two grid points have one path"
    root, folders = os.path.abspath(experiment.root), set()
    for grid_point in experiment.grid_points[:10]:
        for one in {seeds[0], seeds[-1]}:
            try:
                run = Run.at(experiment, grid_point, one)
            except SettingsError as error:
                return error_problem(error)
            for place in (os.path.abspath(run.folder), os.path.join(root, "jobs", "train", grid_point.path)):
                if not os.path.abspath(place).startswith(root + os.sep) or max(map(len, Path(place).parts)) > 255:
                    return f"a path outside the results, or too long: {place}"
            folders.add(str(run.folder))
    # Grid points that differ only after training share the folder of their network.
    trained = {grid_point.path_in(experiment.columns("train")) for grid_point in experiment.grid_points[:10]}
    if len(folders) < len(trained) * len({seeds[0], seeds[-1]}):
        return "two runs have one folder"
    announcement(experiment)
    if errors := [e.message for e in validator.iter_errors(experiment.given())]:
        return f"the schema refuses a plan that can be carried out: {errors[0][:300]}"
    return None


def config_problem(config: dict, validator) -> tuple[str | None, bool]:
    """Returns what did not hold for one configuration, and whether it gives a plan."""
    start, valid = time.process_time(), False
    try:
        with at_most(60 * SLOWEST):
            experiment = Experiment.from_config(config)
            valid, problem = True, plan_problem(experiment, config, validator)
    except SettingsError as error:
        problem = error_problem(error)
    except Exception:
        problem = traceback.format_exc()
    if time.process_time() - start > SLOWEST:
        problem = problem or f"it took {time.process_time() - start:.0f} s"
    return (f"{_short(config)}: {problem}" if problem else None), valid


def _short(config) -> str:
    try:
        return repr(config)[:600]
    except ValueError:
        return "(with a number of thousands of digits)"


@functools.cache
def _validator():
    import jsonschema

    return jsonschema.Draft202012Validator(yaml.safe_load(schema_yaml()))


@fault(
    "random-configs",
    1000,
    60,
    "a plan inside the results that the schema also accepts, or errors that name key and value",
)
def random_configs(times, rng, folder):
    found = []

    @seed(rng.getrandbits(32))
    @settings(
        max_examples=times,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(configurations())
    def look(config):
        found.append(config_problem(config, _validator()))

    look()
    valid = sum(is_plan for _, is_plan in found)
    if not times / 10 <= valid <= times * 0.9:  # otherwise the test would say little
        found[-1] = (f"{valid} of {times} configurations were plans", True)
    yield from (problem for problem, _ in found[:times])
