"""What must agree before a release: the version, the versions of Python, and the content of the wheel."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import ratecore

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def jobs() -> dict[str, dict]:
    """'ci.yml/test': the job."""
    return {
        f"{path.name}/{name}": job
        for path in WORKFLOWS
        for name, job in yaml.safe_load(path.read_text())["jobs"].items()
    }


def test_the_version_is_a_literal_that_a_build_reads_without_imports():
    assert "version" not in PROJECT and PROJECT["dynamic"] == ["version"]
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "ratecore.__version__"}
    assigned = {
        node.targets[0].id: node.value
        for node in ast.parse((ROOT / "ratecore/__init__.py").read_text()).body
        if isinstance(node, ast.Assign)
    }
    assert ast.literal_eval(assigned["__version__"]) == ratecore.__version__
    assert str(Version(ratecore.__version__)) == ratecore.__version__


def test_reading_the_version_imports_nothing_heavy():
    code = "import sys, ratecore; ratecore.__version__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"torch", "numba", "numpy", "scipy", "pydantic", "mlflow", "matplotlib"} & set(loaded.split())


def test_the_citation_has_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(citation["version"]) == ratecore.__version__
    assert citation["license"] == PROJECT["license"]


def test_the_changelog_begins_with_the_version():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    versions = []
    for heading in headings:
        version, rest = re.fullmatch(r"(\S+) \((unreleased|\d{4}-\d{2}-\d{2})\)", heading).groups()
        versions.append(Version(version))
        assert rest != "unreleased" or len(versions) == 1, f"{heading} is below another version"
    assert versions[0] == Version(ratecore.__version__)
    assert versions == sorted(set(versions), reverse=True)


def test_a_released_version_has_its_date_in_the_citation():
    newest = re.search(r"^## \S+ \((.+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    released = yaml.safe_load((ROOT / "CITATION.cff").read_text()).get("date-released")
    assert str(released) == (newest if newest != "unreleased" else "None")


def test_python_versions_are_those_that_are_tested():
    tested = jobs()["ci.yml/test"]["strategy"]["matrix"]["python"]
    assert all(isinstance(version, str) for version in tested)  # as a number, 3.10 is 3.1
    assert [f"Programming Language :: Python :: {version}" for version in tested] == [
        text for text in PROJECT["classifiers"] if "Python ::" in text
    ]
    allowed = SpecifierSet(PROJECT["requires-python"])
    oldest = Version(tested[0])
    assert all(version in allowed for version in tested)
    assert f"{oldest.major}.{oldest.minor - 1}" not in allowed
    # Containers and conda have the oldest one.
    assert f"FROM python:{oldest}-" in (ROOT / "Dockerfile").read_text()
    assert f"From: python:{oldest}-" in (ROOT / "apptainer.def").read_text()
    assert f"python ={oldest}" in yaml.safe_load((ROOT / "workflow/envs/ratecore.yaml").read_text())["dependencies"]


@pytest.mark.parametrize("name", jobs())
def test_a_job_of_continuous_integration_has_bounds(name):
    """A limit of time or no checkout of code, and no more rights than it needs."""
    file, _, _ = name.partition("/")
    workflow, job = yaml.safe_load((ROOT / ".github/workflows" / file).read_text()), jobs()[name]
    assert workflow["permissions"] == {"contents": "read"} and "concurrency" in workflow
    code = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    assert "timeout-minutes" in job or not code
    assert all(step["with"] == {"persist-credentials": False} for step in code)
    assert not code or "permissions" not in job, "a job that runs the project's code must not write to the repository"
    for step in job["steps"]:
        assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]), step["uses"]


def test_what_continuous_integration_calls_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = "\n".join(step.get("run", "") for job in jobs().values() for step in job["steps"])
    asked = re.findall(r"\bmake ([a-z-]+)", commands)
    assert asked and set(asked) <= targets
    for path, test in re.findall(r"--deselect (\S+)::(\w+)", commands):
        assert f"def {test}(" in (ROOT / path).read_text()


def test_hooks_use_the_programs_of_the_lock_file():
    hooks = [
        (repository["repo"], hook)
        for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
        for hook in repository["hooks"]
    ]
    assert {"ruff-check", "ruff-format", "snakefmt", "codespell"} <= {hook["id"] for _, hook in hooks}
    for repository, hook in hooks:
        assert repository == "local" and hook["language"] == "system" and hook["entry"].startswith(".venv/bin/")
        assert "additional_dependencies" not in hook


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of what builds read, without what they leave behind."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "constraints.txt", PROJECT["readme"],
                 *PROJECT["license-files"]):  # fmt: skip
        shutil.copy(ROOT / name, copy)
    for name in ("ratecore", *SHIPPED):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


SHIPPED = ("workflow", "scripts", "config", "examples")  # what `ratecore init` and modules of other workflows use


def built(kind: str, folder: Path, into: str) -> Path:
    """The wheel or sdist of a folder."""
    build = f"import sys; from setuptools.build_meta import build_{kind}; build_{kind}(sys.argv[1])"
    made = subprocess.run([sys.executable, "-c", build, into], cwd=folder, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert "Deprecat" not in made.stderr, made.stderr
    (found,) = (folder / into).iterdir()
    return found


def files_in(folder: Path) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_its_types_and_the_workflow(source):
    wheel = built("wheel", source, "dist")
    assert wheel.name == f"ratecore-{ratecore.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
        snakefile = archive.read("ratecore/repository/workflow/Snakefile")
    shipped = {f"ratecore/repository/{name}" for folder in SHIPPED for name in files_in(ROOT / folder)}
    assert held == files_in(ROOT / "ratecore") | shipped
    assert snakefile == (ROOT / "workflow/Snakefile").read_bytes()
    assert "ratecore/py.typed" in held
    assert f"\nVersion: {ratecore.__version__}\n" in metadata and "\nLicense-Expression: MIT\n" in metadata


def test_a_wheel_from_the_sdist_holds_the_same(source, tmp_path):
    wheel = built("wheel", source, "again")
    shutil.unpack_archive(built("sdist", source, "sdist"), tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(built("wheel", unpacked, "dist")) as second:
        contents = [
            {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
            for archive in (first, second)
        ]
    assert contents[0] == contents[1]


def test_a_build_without_the_workflow_says_what_is_missing(source, tmp_path):
    shutil.copytree(source, tmp_path / "source", ignore=shutil.ignore_patterns("scripts", "build", "*.egg-info"))
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    made = subprocess.run(
        [sys.executable, "-c", build, "dist"], cwd=tmp_path / "source", capture_output=True, text=True
    )
    assert made.returncode and "setup.py: the folder scripts is missing" in made.stderr


def test_the_workflow_has_the_version_of_the_package():
    assert re.findall(r'^VERSION = "(.*)"$', (ROOT / "workflow/Snakefile").read_text(), re.M) == [ratecore.__version__]
