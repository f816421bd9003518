"""The arguments of the command `ratecore`; imports nothing that takes long."""

from __future__ import annotations

import argparse
import difflib
import sys
from typing import TYPE_CHECKING, NoReturn

from ratecore import __version__

COMMANDS = (
    "init", "train", "evaluate", "convert", "activity", "claims", "combine", "panels", "replay", "ui", "schema", "task",
)  # fmt: skip
SETTING = "KEY=VALUE"


class _Parser(argparse.ArgumentParser):
    """Prints an error in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[_Parser]


def unknown_command(argv: list[str]) -> str | None:
    """A sentence about a first argument that is no command, with the nearest one; None for anything else."""
    if not argv or argv[0] in COMMANDS:
        return None
    if argv[0].startswith("-"):
        return _unknown_option(argv[0].partition("=")[0])
    near = difflib.get_close_matches(argv[0], COMMANDS, 1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return f"unknown command '{argv[0]}'{hint}; commands: {', '.join(COMMANDS)}"


def _unknown_option(option: str) -> str | None:
    """A sentence about an option that no command is needed for and that does not exist; None for one that does."""
    options = list(parser()._option_string_actions)
    if any(known.startswith(option) for known in options):  # argparse takes `--vers` as `--version`
        return None
    near = difflib.get_close_matches(option, options, 1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return f"unknown argument '{option}'{hint}; see `ratecore --help`"


def unknown_argument(command: str, argument: str) -> str:
    """A sentence about an argument that a command does not have, with the nearest one."""
    name = argument.partition("=")[0]
    near = difflib.get_close_matches(name, command_parser(command)._option_string_actions, 1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return f"unknown argument '{name}'{hint}; see `ratecore {command} --help`"


def parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    p = _Parser(
        prog="ratecore",
        description="Rate recurrent neural networks with biological constraints. `ratecore init` makes a folder in "
        "which `snakemake` trains a grid of networks; train, evaluate and convert work on one network without "
        "Snakemake.",
        epilog="`ratecore COMMAND --help` says more about each command.",
    )
    p.add_argument("--version", action="version", version=f"ratecore {__version__}")
    commands = p.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    networks, grids = (_init, _train, _evaluate, _convert, _activity), (_claims, _combine, _panels)
    for add in (*networks, *grids, _replay, _ui, _schema, _task):
        add(commands)
    return p


def command_parser(name: str) -> argparse.ArgumentParser:
    """The parser of one command, `train` or `task show`."""
    found: argparse.ArgumentParser = parser()
    for word in name.split():
        (commands,) = (action for action in found._actions if isinstance(action, argparse._SubParsersAction))
        found = commands.choices[word]
    return found


def _add(commands: _Commands, name: str, short: str, description: str, example: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=short,
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _init(commands: _Commands) -> None:
    p = _add(
        commands,
        "init",
        "make a folder for a grid",
        "Writes what `snakemake --cores 2` needs to train a grid: config/config.yaml (the demo, to be edited),\n"
        "config/README.md (every key of it), workflow/Snakefile (uses the installed ratecore, whatever its\n"
        "version), profiles for workstations and SLURM, README.md and .gitignore. With --example the configuration\n"
        "is that of a complete small project, with its task, its README.md and a notebook. No file is overwritten.",
        "ratecore init my-grid && cd my-grid && snakemake --cores 2",
    )
    p.add_argument(
        "folder",
        nargs="?",
        default=".",
        metavar="FOLDER",
        help="created if it does not exist (default: the current folder)",
    )
    p.add_argument("--example", metavar="NAME", help="delayed-match, constraints or psychometrics, see --list")
    p.add_argument("--list", action="store_true", help="print the examples, each with its question, and write nothing")


def _train(commands: _Commands) -> None:
    p = _add(
        commands,
        "train",
        "train one network",
        "Trains one network, scores it on fresh trials and saves it as .mat and .pth, in OUT/models/<task>/.\n"
        "Settings are those of a grid's configuration, with the same names and defaults.",
        "ratecore train --task mante --set N=200 --set taus=[4,25] --seed 3 --out results/single",
    )
    p.add_argument("config", nargs="?", metavar="CONFIG",
                   help="configuration of a grid; what it sweeps is chosen by --task, --set and --seed")  # fmt: skip
    p.add_argument("--task", help="one of `ratecore task list`, or of --task-file (default: go-nogo)")
    _set(p, "a setting by its name in the configuration: N=200, network.gain=1.5, training.n_trials=6000, "
            "task_settings.delay=20; VALUE is read as YAML. Give it once for each setting")  # fmt: skip
    p.add_argument("--seed", type=int, help="of everything random, >= 0 (default: 0)")
    p.add_argument("--out", default="results/single", metavar="FOLDER", help="(default: %(default)s)")
    p.add_argument("--device", choices=("cpu", "cuda", "auto"), help="auto is a GPU if there is one (default: cpu)")
    _task_file(p)


def _evaluate(commands: _Commands) -> None:
    p = _add(
        commands,
        "evaluate",
        "score a saved network",
        "Scores the rate network of a file on fresh trials of the task that it was trained on: accuracy with its\n"
        "95 % interval (Wilson) and loss, over all trials and for each condition. --set, --noise-sd and --input-gain\n"
        "test it elsewhere than it was trained.",
        "ratecore evaluate results/single/models/mante/P_rec_0.2_Taus_4.0_25.0/*.mat --trials 500",
    )
    p.add_argument("network", metavar="NET", help=".mat or .pth file, of ratecore or of the existing packages")
    _of_saved(p, "fresh trials (default: %(default)s)")
    p.add_argument("--noise-sd", type=float, metavar="SD", help="of the noise that is added to each unit at every step "
                   "(default: that of the network)")  # fmt: skip
    p.add_argument("--json", action="store_true", help="print the scores as JSON")


def _convert(commands: _Commands) -> None:
    p = _add(
        commands,
        "convert",
        "find lambda of saved networks",
        "Turns rate networks into spiking (LIF) networks: finds lambda, by which the weights are divided, adds it\n"
        "with the search to each .mat file, and prints the accuracy of the spiking network with its 95 % interval.",
        "ratecore convert results/single/models/mante/*/*.mat --threads 4",
    )
    p.add_argument("networks", nargs="+", metavar="NET.mat", help="files of networks, or folders of them")
    _of_saved(p, "trials of each value (default: %(default)s)")
    _set(p, "a setting of the spiking network: refractory=5. Give it once for each setting", "spiking")
    p.add_argument("--factors", metavar="VALUES", help="values of lambda, as 20:75:5 or 20,25,40 (default: by the "
                   "activation)")  # fmt: skip
    p.add_argument("--search", choices=("racing", "full"), default="racing",
                   help="full: all trials of all values; racing: a value that can no longer win is dropped, with the "
                   "same best value (default: %(default)s)")  # fmt: skip
    p.add_argument("--threads", type=int, default=1, help="processes at once (default: %(default)s)")
    p.add_argument(
        "--out", metavar="FOLDER", help="where the files with lambda go (default: into the files themselves)"
    )


def _activity(commands: _Commands) -> None:
    p = _add(
        commands,
        "activity",
        "write activity and spikes for other programs",
        "Draws trials of trained networks again and writes what they did, to the bit of the evaluation: states and\n"
        "outputs of the rate networks, and with --spikes the spikes of those that were converted. The suffix of FILE\n"
        "chooses the format: .nc (NetCDF) and .zarr hold all networks, .mat (MATLAB) and .nwb one each, several of\n"
        "them in a folder named as FILE without suffix. FILE appears whole or not at all.",
        "ratecore activity results/demo --task mante --where N=200 --trials 50 --spikes --out mante.nwb",
    )
    p.add_argument("results", metavar="RESULTS",
                   help="folder of an experiment, results/demo, or a .mat or .pth file of a network")  # fmt: skip
    p.add_argument("--out", required=True, metavar="FILE", help="FILE.nc, FILE.zarr, FILE.mat or FILE.nwb")
    p.add_argument("--task", help="of the networks (needed where there are several)")
    p.add_argument("--where", action="append", default=[], metavar="COLUMN=VALUE",
                   help="networks with this value in summary.csv: N=200, seed=[0,1,2]; VALUE is read as YAML. Give it "
                   "once for each column")  # fmt: skip
    p.add_argument("--trials", default="evaluation", metavar="TRIALS",
                   help="evaluation: all of its trials, and of spikes those on which the conversion scored; 20: the "
                   "first 20; 1,4,9: these (default: %(default)s)")  # fmt: skip
    p.add_argument("--variables", metavar="NAMES", help="among x,r,o,u,target; none for spikes alone (default: all)")
    p.add_argument("--spikes", action="store_true", help="spikes, rates and outputs of the converted networks, too")
    p.add_argument("--bin", type=float, metavar="MS", help="also count spikes in bins of this length, in ms")
    p.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="(default: %(default)s)")
    p.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    _task_file(p)


def _claims(commands: _Commands) -> None:
    p = _add(
        commands,
        "claims",
        "judge the claims of a publication",
        "Judges the claims of a configuration by the networks of an experiment: reproduced, not reproduced, or too\n"
        "few seeds. Nothing is written.",
        "ratecore claims results/paper --partial",
    )
    p.add_argument("results", metavar="RESULTS", help="folder of an experiment, results/paper")
    p.add_argument("--partial", action="store_true", help="also while networks are not done; nothing is decided about "
                   "groups of networks of which some are not done")  # fmt: skip
    p.add_argument("--claims", metavar="FILE", help="configuration whose section claims is judged in place of that of "
                   "the results")  # fmt: skip
    p.add_argument("--csv", action="store_true", help="print the table, as in claims.csv")
    _task_file(p)


def _combine(commands: _Commands) -> None:
    p = _add(
        commands,
        "combine",
        "make one configuration from several",
        "Writes a configuration whose grid is the list of the grids of several files, so that they share networks,\n"
        "one table and one call of Snakemake. Each grid is named after its file; settings in which the files differ\n"
        "become axes of one value, and every network is the one of its file.",
        "ratecore combine config/paper/*.yaml --experiment paper --seeds 0..4 -o paper.yaml",
    )
    p.add_argument("files", nargs="+", metavar="FILE", help="configurations")
    p.add_argument(
        "--experiment", metavar="NAME", help="of the combined one (default: that of the files, if they agree)"
    )
    p.add_argument("--seeds", metavar="SEEDS", help="of all grids, as 0..4 or [0,3] (default: those of each file)")
    p.add_argument("-o", "--output", metavar="FILE", help="where it goes (default: it is printed)")


def _panels(commands: _Commands) -> None:
    p = _add(
        commands,
        "panels",
        "draw the panels of an experiment",
        "Draws the figures that the section `panels` of the configuration describes, from the networks that are done,\n"
        "as PDF and PNG with their captions in RESULTS/figures/panels/. The workflow does so at its end.",
        "ratecore panels results/demo --only fig2e --config config/config.yaml",
    )
    p.add_argument("results", metavar="RESULTS", help="folder of an experiment, results/demo")
    p.add_argument("--only", action="append", default=[], metavar="ID",
                   help="name of a panel (default: all). Give it once for each panel")  # fmt: skip
    p.add_argument("--config", metavar="FILE",
                   help="configuration whose section panels is drawn (default: that of the results)")  # fmt: skip
    p.add_argument("--out", metavar="FOLDER", help="where the files go (default: RESULTS/figures/panels)")
    _task_file(p)


def _replay(commands: _Commands) -> None:
    p = _add(
        commands,
        "replay",
        "bring what MLflow has missed into it",
        "Brings everything that the run records of a results folder have, and MLflow does not, into MLflow.\n"
        "Doing so again changes nothing; on an empty store it makes the complete database.",
        "ratecore replay results",
    )
    p.add_argument("results", metavar="RESULTS", help="folder of all results, or of one experiment in it")
    p.add_argument("--uri", help="MLflow tracking URI (default: MLFLOW_TRACKING_URI, or the last workflow's)")


def _ui(commands: _Commands) -> None:
    p = _add(
        commands,
        "ui",
        "open MLflow for the results",
        "Serves MLflow's user interface for a results folder, also one that was moved or copied, until Ctrl-C.",
        "ratecore ui results --port 5001",
    )
    p.add_argument("results", nargs="?", default="results", metavar="RESULTS",
                   help="folder of all results, or of one experiment in it (default: %(default)s)")  # fmt: skip
    p.add_argument("--port", type=int, default=5000, help="(default: %(default)s)")
    p.add_argument("--host", default="127.0.0.1", help="(default: %(default)s, this machine alone)")
    p.add_argument("--uri", help="tracking URI (default: the database in the folder, or else the last workflow's)")


def _schema(commands: _Commands) -> None:
    p = _add(
        commands,
        "schema",
        "print the JSON schema of the configuration",
        "Prints the JSON schema of config/config.yaml, by which editors complete and check it.",
        "ratecore schema > config/config.schema.yaml",
    )
    p.add_argument("--json", action="store_true", help="as JSON (default: as YAML)")


def _task(commands: _Commands) -> None:
    p = _add(
        commands,
        "task",
        "list, show and check tasks",
        "Lists the tasks, shows the trials and the settings of one, or checks a task file of your own.",
        "ratecore task show delayed-match --set delay=100",
    )
    actions = p.add_subparsers(dest="action", required=True, metavar="list|show|check", parser_class=_Parser)
    listing = _add(actions, "list", "list all tasks", "Lists all tasks, with their sizes.", "ratecore task list")
    _task_file(listing)
    show = _add(
        actions,
        "show",
        "draw a trial of each condition",
        "Prints what a task is, with its settings, their defaults and what they may be, and draws a trial of each\n"
        "condition: stimulus, target, weight in the loss and response window.",
        "ratecore task show delayed-match --set delay=100 -o trials.png",
    )
    show.add_argument("name", metavar="NAME", help="of the task")
    _set(show, "a setting of the task in place of its default: delay=100. Give it once for each setting")
    show.add_argument("--seed", type=int, default=0, help="of the trials, >= 0 (default: %(default)s)")
    show.add_argument("-o", "--out", metavar="FILE.png", help="(default: NAME.png)")
    _task_file(show)
    check = _add(
        actions,
        "check",
        "find faults in a task file",
        "Loads a task file and checks each task that it registers, as is done before any training: draws trials of\n"
        "each type twice and compares them. Names the first fault of each task.",
        "ratecore task check my_task.py",
    )
    check.add_argument("file", metavar="FILE", help="Python file that registers a task of your own")
    check.add_argument("name", nargs="?", metavar="NAME", help="of one of its tasks (default: all)")
    _set(check, "a setting of the task in place of its default: delay=100. Give it once for each setting")


def _set(p: argparse.ArgumentParser, text: str, name: str = "set") -> None:
    p.add_argument(f"--{name}", action="append", default=[], metavar=SETTING, help=text)


def _task_file(p: argparse.ArgumentParser) -> None:
    p.add_argument("--task-file", metavar="FILE", help="Python file that registers a task of your own")


def _of_saved(p: argparse.ArgumentParser, trials: str) -> None:
    """What evaluate and convert have in common."""
    p.add_argument("--trials", type=int, default=100, metavar="N", help=trials)
    p.add_argument("--seed", type=int, default=0, help="of the trials, >= 0 (default: %(default)s)")
    p.add_argument("--task", help="(default: the one in the file)")
    _set(p, "a setting of the task in place of the one that it was trained with: delay=20")
    p.add_argument("--input-gain", type=float, default=1.0, metavar="FACTOR",
                   help="of the input weights (default: %(default)s)")  # fmt: skip
    _task_file(p)
