"""`ratecore init` and `ratecore schema`: what a folder outside the repository needs for a grid, or for an example."""

from __future__ import annotations

import difflib
import json
import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from ratecore.system.files import AnyPath, check_writable, write_atomic
from ratecore.system.shipped import shipped

SNAKEFILE = """# The workflow of the installed ratecore, whatever its version. Rules of your own can follow.
import ratecore


module grid:
    snakefile:
        ratecore.workflow_path()


use rule * from grid
"""
README = """# A grid of rate networks

Trained by [ratecore](https://pypi.org/project/ratecore/); `config/config.yaml` says which networks.

    snakemake --cores 2 --dry-run                  # the plan
    snakemake --cores 2                            # train, evaluate, export and convert; again after any interruption
    ratecore ui                                    # MLflow on http://127.0.0.1:5000
    snakemake --report report.html                 # all figures in one file
    snakemake --profile workflow/profiles/slurm    # on a SLURM cluster

Every key of the configuration is explained in `config/README.md`. `results/<experiment>/summary.csv` has one row per
network; `models/` beside it holds them as `.mat` and `.pth`.
"""
MORE = """
# More that can be set, with defaults; config/README.md has every key.
# training: {n_trials: 6000, learning_rate: 0.01}
# convert: false        # no spiking networks
# device: auto          # a GPU if there is one
"""
SCHEMA = "config/config.schema.yaml"
TEXT = (".md", ".py", ".yaml", ".csv", ".ipynb")  # kinds of files that examples have
IN_REPOSITORY = "workflow/schemas/config.schema.yaml"


def examples() -> dict[str, Path]:
    """Name and folder of each example project that comes with the package."""
    return {path.parent.name: path.parent for path in sorted(shipped("examples").glob("*/README.md"))}


def contents(example: str | None = None) -> dict[str, str]:
    """Path in the folder: text of each file that `ratecore init` writes.

    Args:
        example: name of the example whose files take the place of the demo's.

    Raises:
        ValueError: there is no such example.
    """
    config = shipped("config/config.yaml").read_text()
    config = config.replace(f"../{IN_REPOSITORY}", Path(SCHEMA).name)
    return {**_for_any_grid(config.rstrip() + "\n" + MORE), **({} if example is None else _of_example(example))}


def _of_example(name: str) -> dict[str, str]:
    """Path and text of each file of an example."""
    known = examples()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise ValueError(f"--example {name}: there is no such example{hint}; there are {', '.join(known)}")
    root = known[name]
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix in TEXT)
    texts = {path.relative_to(root).as_posix(): path.read_text() for path in files}
    return {path: text.replace(f"../../../{IN_REPOSITORY}", Path(SCHEMA).name) for path, text in texts.items()}


def _for_any_grid(config: str) -> dict[str, str]:
    """Path and text of the files that every grid has, with this configuration."""
    profiles = ("workflow/profiles/default/config.yaml", "workflow/profiles/slurm/config.yaml")
    return {
        "config/config.yaml": config,
        "config/README.md": _for_outside(shipped("config/README.md").read_text()),
        **_grids_of_the_paper(),
        SCHEMA: shipped(IN_REPOSITORY).read_text(),
        "workflow/Snakefile": SNAKEFILE,
        **{path: shipped(path).read_text() for path in profiles},
        "README.md": README,
        ".gitignore": "results/\n.snakemake/\nlogs/\nreport.html\n",
    }


def _for_outside(text: str) -> str:
    """A page of the repository, with the schema where `ratecore init` writes it and no links to pages that stay out."""
    text = text.replace(IN_REPOSITORY, SCHEMA)
    return re.sub(r"\[([^]]+)\]\(\.\./[^)]+\)", r"\1 of ratecore", text)


def _grids_of_the_paper() -> dict[str, str]:
    """Path and text of each grid of the paper; config/README.md explains how to run them."""
    grids = sorted(shipped("config/paper").glob("*.yaml"))
    return {f"config/paper/{path.name}": path.read_text().replace(IN_REPOSITORY, SCHEMA) for path in grids}


def list_command() -> int:
    """Prints the name of each example, with what it is and its question."""
    for name, path in examples().items():
        text = (path / "README.md").read_text()
        title, question = text.splitlines()[0].removeprefix("# "), text.split("**")[1]
        print(f"{name}\n  {title}\n  {question[0].upper()}{' '.join(question[1:].split())}")
    print("`ratecore init --example NAME FOLDER` copies one.")
    return 0


def init_command(folder: AnyPath, example: str | None = None) -> int:
    """Writes the files of a new grid, all of them or none, and prints the next commands.

    Args:
        folder: where, created if it does not exist.
        example: name of the example to copy; the demo's grid when None.

    Raises:
        FileExistsError: some of the files exist already.   OSError: the folder cannot be written in.
        ValueError: there is no such example.
    """
    root, files = Path(folder), contents(example)
    check_writable(root)
    if present := [path for path in files if (root / path).exists() or (root / path).is_symlink()]:
        exist = "exists" if len(present) == 1 else "exist"
        raise FileExistsError(f"{root}: {', '.join(present)} {exist} already; name another folder: ratecore init NEW")
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(root / path, text.encode())
    grid = "the demo's grid" if example is None else f"the grid of {example}, which README.md explains"
    print(f"{root / 'config/config.yaml'} describes {grid}: edit it, or run it as it is.")
    enter = "" if root.resolve() == Path.cwd() else f"cd {shlex.quote(str(root))} && "
    print(f"  {enter}snakemake --cores 2\n  ratecore ui")
    if not (find_spec("snakemake") and find_spec("mlflow")):
        print("Snakemake and MLflow are needed for that: pip install 'ratecore[workflow]'", file=sys.stderr)
    return 0


def schema_command(as_json: bool) -> int:
    """Prints the schema of the configuration, as YAML or JSON."""
    from ratecore.settings.experiment import schema_yaml

    text = schema_yaml()
    if as_json:
        import yaml

        text = json.dumps(yaml.safe_load(text), indent=2) + "\n"
    print(text, end="")
    return 0
