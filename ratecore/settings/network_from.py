"""The network of a file in place of a trained one (`grid.networks_from`)."""

from __future__ import annotations

from pydantic import Field

from ratecore.settings.base import Settings
from ratecore.settings.paths import LocalPathAsWritten

NETWORKS_FROM = "networks_from"  # in the grid of a configuration: files, folders and patterns
PATH = ("training", "network_from")  # of the setting that each of their networks has
SHOWN = 12  # digits of a SHA-256 in paths and tables


class NetworkFromSettings(Settings):
    """The file of a network. What counts is its content: moved or renamed, it is the same network."""

    file: LocalPathAsWritten = Field(description=".mat or .pth file of the network, where it was found")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the file")

    def __str__(self) -> str:
        """The network in paths and tables: the start of the SHA-256, which no program takes for a number."""
        return f"sha256-{self.sha256[:SHOWN]}"
