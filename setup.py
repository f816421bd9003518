"""Puts the workflow into the wheel; all else about the package is in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

REPOSITORY = ("workflow", "scripts", "config", "examples")  # folders of the repository that are no Python packages


class BuildWithWorkflow(build_py):
    """Adds the folders as data of the package, in `ratecore/repository/`, where `ratecore.system.shipped` looks.

    An editable install uses them where they are.
    """

    def _get_data_files(self):
        found = list(super()._get_data_files())
        if self.editable_mode:
            return found
        for folder in REPOSITORY:
            if not Path(folder).is_dir():
                raise SystemExit(f"setup.py: the folder {folder} is missing; build from all of the repository")
            for place in sorted({path.parent for path in Path(folder).rglob("*") if path.is_file()}):
                if "__pycache__" not in place.parts:
                    names = sorted(path.name for path in place.iterdir() if path.is_file())
                    built = Path(self.build_lib, "ratecore/repository", place)
                    found.append(("ratecore", str(place), str(built), names))
        return found


setup(cmdclass={"build_py": BuildWithWorkflow})
