"""The ways to install ratecore list the same dependencies: pip, the lock file, conda, Docker and Apptainer."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# What conda calls otherwise, and what only the program needs that starts jobs.
OF_CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
SNAKEMAKES_OWN = {"snakemake", "snakemake-executor-plugin-slurm", "rich"}


def requirements(*extras) -> dict[str, Requirement]:
    """Name: requirement of the package and some of its extras."""
    texts = [*PROJECT["dependencies"], *(text for extra in extras for text in PROJECT["optional-dependencies"][extra])]
    found = [Requirement(text) for text in texts]
    return {canonicalize_name(one.name): one for one in found if one.name != PROJECT["name"]}


def locked() -> dict[str, str]:
    lines = [line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if line]
    assert all(version for _, _, version in lines)
    return {canonicalize_name(name): version for name, _, version in lines}


def test_the_lock_file_has_a_version_that_fits_of_all_that_is_asked_for():
    versions = locked()
    for name, one in requirements("workflow", "postgres", "bench", "docs", "dev").items():
        assert one.specifier.contains(versions[name]), f"{one}: {versions[name]} is locked"


def test_the_lock_file_has_whatever_these_bring_with_them():
    # What is not locked is another version tomorrow.
    waiting, versions = list(requirements("workflow", "postgres", "bench", "docs", "dev").values()), locked()
    seen = {"setuptools"}  # which a virtual environment has of its own
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name in seen or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        try:
            brought = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # without the benchmarks, or the site
        assert name in versions
        waiting += [Requirement(text) for text in brought]
    assert {"torch", "sqlalchemy", "pulp"} < seen  # down to what is asked for by others alone


def test_conda_has_the_same_bounds():
    dependencies = yaml.safe_load((ROOT / "workflow/envs/ratecore.yaml").read_text())["dependencies"]
    conda = dict(re.fullmatch(r"([a-z-]+) (\S+)", text).groups() for text in dependencies)
    python = conda.pop("python").removeprefix("=")
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python)
    pip = {name: str(one.specifier) for name, one in requirements("workflow").items() if name not in SNAKEMAKES_OWN}
    assert conda == {OF_CONDA.get(name, name): bounds for name, bounds in pip.items()}


def dockerfile() -> tuple[str, list[str], list[str]]:
    """Image, what is copied into it, and how pip is called."""
    text = re.sub(r"\s*\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    copied = [path for line in re.findall(r"^COPY (.*)$", text, re.M) for path in line.split()[:-1]]
    return re.search(r"^FROM (\S+)", text, re.M)[1], copied, re.findall(r"(pip install .*)$", text, re.M)


def apptainer() -> tuple[str, list[str], list[str]]:
    text = (ROOT / "apptainer.def").read_text()
    sections = dict(re.findall(r"^%(\w+)\n((?:[ \t].*\n|\n)*)", text, re.M))
    copied = [line.split()[0] for line in sections["files"].splitlines() if line.strip()]
    return re.search(r"^From: (\S+)", text, re.M)[1], copied, re.findall(r"(pip install .*)$", sections["post"], re.M)


@pytest.mark.parametrize("recipe", [dockerfile, apptainer])
def test_a_recipe_copies_and_installs_what_is_there(recipe):
    image, copied, commands = recipe()
    assert image.startswith("python:3.11-")
    assert all((ROOT / path).exists() for path in copied)
    # What the build reads: the readme and the license are named in pyproject.toml, the rest is what the wheel holds.
    assert set(copied) == {
        "constraints.txt",
        "pyproject.toml",
        "setup.py",
        PROJECT["readme"],
        "LICENSE",
        "ratecore",
        "snakemake_logger_plugin_ratecore",
        "workflow",
        "scripts",
        "config",
        "examples",
    }
    assert commands == ['pip install --no-cache-dir --constraint constraints.txt ".[workflow]"']


def test_both_recipes_make_the_same():
    assert [dockerfile()[0], *sorted(dockerfile()[1])] == [apptainer()[0], *sorted(apptainer()[1])]
    run = "snakemake --snakefile /opt/ratecore/workflow/Snakefile"
    assert f"exec {run} " in (ROOT / "apptainer.def").read_text()
    assert str(run.split()).replace("'", '"') in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("python", "says"),
    [
        ('[ "$1" = --version ] && echo Python 3.10.4 || exit 1', "is Python 3.10.4"),
        (None, "not found"),
    ],
)
def test_a_python_that_will_not_do_is_named_before_anything_is_made(tmp_path, python, says):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    if python is not None:
        (tmp_path / "python").write_text(f"#!/bin/sh\n{python}\n")
        (tmp_path / "python").chmod(0o755)
    call = ["make", "--no-print-directory", "install", "PYTHON=./python"]
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    made = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, env={**env, "LC_ALL": "C"})
    assert made.returncode and not (tmp_path / ".venv").exists()
    assert "ratecore needs Python 3.11 or later" in made.stderr and says in made.stderr and not made.stdout


def test_an_environment_that_does_not_work_is_made_again(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(tmp_path / "gone")
    text = (tmp_path / "Makefile").read_text()
    (tmp_path / "Makefile").write_text(text.replace("\t$(BIN)/pip install", "\ttrue"))
    subprocess.run(["make", "install", f"PYTHON={sys.executable}"], cwd=tmp_path, check=True, capture_output=True)
    version = [tmp_path / ".venv" / "bin" / "python", "-c", "import sys; print(sys.version_info[:2])"]
    assert subprocess.run(version, capture_output=True, text=True).stdout.strip() == str(sys.version_info[:2])
