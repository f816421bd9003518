"""One point of a grid, without its seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ratecore.experiment.axes import path_of
from ratecore.settings.run import RunSettings, hash_of


@dataclass(frozen=True)
class GridPoint:
    """A grid point without its seed.

    Attributes:
        values: column: value as part of a path.
        settings: of the run with the first seed; other runs differ only in the seed.
        number: of the point, counted from 0.
    """

    values: dict[str, str]
    settings: RunSettings
    number: int = 0
    _hashed: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def path(self) -> str:
        """The path, with one folder per axis: task~xor/N~200/taus~4_20."""
        return path_of(self.values)

    def path_in(self, columns: Iterable[str]) -> str:
        """The path with some of the columns.

        Args:
            columns: their names.

        Returns:
            the path.
        """
        return path_of({column: self.values[column] for column in columns})

    def run(self, seed: int) -> RunSettings:
        """The settings of one run.

        Args:
            seed: of the run.

        Returns:
            the settings.

        Raises:
            SettingsError: a setting is not possible with this seed, which som_N can depend on.
        """
        if seed == self.settings.seed:
            return self.settings
        fields = {name: getattr(self.settings, name) for name in RunSettings.model_fields}
        return RunSettings(**{**fields, "seed": seed})

    def identity(self, seed: int, *stages: str) -> str:
        """The same as `run(seed).identity(*stages)`, without creating the settings.

        A workflow asks for it three times per run.

        Args:
            seed: of the run.
            *stages: sections of the settings, as of `RunSettings.identity`.

        Returns:
            the hash.
        """
        if stages not in self._hashed:
            self._hashed[stages] = self.settings.identity_values(*stages)
        return hash_of({**self._hashed[stages], "seed": seed})
