"""One point of a grid, without its seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ratecore.experiment.axes import MISSING, path_of
from ratecore.experiment.products import Product
from ratecore.settings.run import RunSettings, hash_of


@dataclass(frozen=True)
class GridPoint:
    """A grid point without its seed.

    Attributes:
        values: column: value as part of a path.
        settings: of the run with the first seed; other runs differ only in the seed.
        number: of the point, counted from 0.
        products: of the grid, that have this point.
        seeds: of its runs, those of all these products.
    """

    values: dict[str, str]
    settings: RunSettings
    number: int = 0
    products: tuple[Product, ...] = ()
    seeds: tuple[int, ...] = ()
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

    @property
    def known_values(self) -> dict[str, str | None]:
        """As `values`, with None for a setting that the point does not have."""
        return {column: None if value == MISSING else value for column, value in self.values.items()}

    def grids(self, seed: int) -> tuple[str, ...]:
        """The names of the products that have one of the point's runs.

        Args:
            seed: of the run.

        Returns:
            the names; none if the grid is a mapping.
        """
        return tuple(product.name for product in self.products if product.name and seed in product.seed_set)

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
