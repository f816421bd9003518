"""What comes with the package besides its code: the Snakemake workflow, the demo's configuration and the examples."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# In an installed package they are in this folder of it (setup.py), in a checkout and an editable install beside it.
INSTALLED = PACKAGE / "repository"


def shipped(path: str) -> Path:
    """A file or folder of the repository that the package brings along.

    Args:
        path: in the repository: `workflow/...`, `scripts/...`, `config/...` or `examples/...`.

    Returns:
        where it is on this machine.

    Raises:
        FileNotFoundError: the package was built or copied without it.
    """
    for root in (INSTALLED, PACKAGE.parent):
        if (root / path).exists():
            return root / path
    raise FileNotFoundError(
        f"{path}: it did not come with this ratecore, in {PACKAGE}; install ratecore with pip, or from its repository"
    )


def workflow_path() -> str:
    """The Snakefile of the installed ratecore, for `include:` and `module:` in a Snakefile of your own.

    Returns:
        its absolute path, which changes with the installation: ask for it where it is used.

    Raises:
        FileNotFoundError: the package was built or copied without it.
    """
    return str(shipped("workflow/Snakefile"))
