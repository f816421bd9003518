"""Settings of a rate network."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from ratecore.settings.base import Settings, SettingsError, shown
from ratecore.settings.paths import LocalPathAsWritten
from ratecore.settings.unit_sets import Units, as_units
from ratecore.settings.units import TYPES, area_sizes, block_of, check_areas, check_group

NOISE_SD, X0_SD = 0.1, 0.01  # of the noise added to x at every step, and of the state at the first step
MOST_UNITS = 100_000  # the weights alone are 40 GB then

Activation = Literal["sigmoid", "clipped_relu", "softplus"]
ACTIVATIONS = get_args(Activation)


def _as_tuple(taus: Any) -> tuple[Any, ...]:
    if not isinstance(taus, int | float | list | tuple):
        raise ValueError("give one time constant, or a minimum and a maximum as [4, 20], in steps of 5 ms")
    return tuple(taus) if isinstance(taus, list | tuple) else (taus,)


Taus = Annotated[tuple[float, ...], BeforeValidator(_as_tuple, json_schema_input_type=float | tuple[float, ...])]


def _checked_areas(areas: dict[str, float]) -> dict[str, float]:
    check_areas(areas)
    return areas


def _as_chosen(groups: Any) -> Any:
    given = list(groups) if isinstance(groups, tuple) else groups
    texts = [given] if isinstance(given, str) else given
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        return tuple(texts)  # whose names `_check_structure` checks
    return as_units(given)


def _as_groups(groups: Any) -> Any:
    return (groups,) if isinstance(groups, str) else tuple(groups) if isinstance(groups, list) else groups


def _as_rows(matrix: Any) -> Any:
    return tuple(tuple(row) if isinstance(row, list) else row for row in matrix) if type(matrix) is list else matrix


# Lists of groups of units, of which one can be given alone, or of indices.
Groups = Annotated[
    tuple[str, ...] | tuple[int, ...],
    Field(min_length=1),
    BeforeValidator(_as_chosen, json_schema_input_type=str | tuple[str, ...] | tuple[int, ...]),
]
Blocks = Annotated[tuple[str, ...], BeforeValidator(_as_groups, json_schema_input_type=str | tuple[str, ...])]
TrainedName = Literal["w", "w_in", "w_out", "b_out", "taus", "taus_exc", "taus_inh", "x0"]
TrainedNames = Annotated[
    tuple[TrainedName, ...],
    Field(min_length=1),
    BeforeValidator(_as_groups, json_schema_input_type=TrainedName | tuple[TrainedName, ...]),
]
Probability = Annotated[float, Field(ge=0, le=1)]
Densities = Annotated[
    dict[str, Probability] | tuple[tuple[Probability, ...], ...],
    BeforeValidator(_as_rows, json_schema_input_type=dict[str, Probability] | tuple[tuple[Probability, ...], ...]),
]
Areas = Annotated[dict[str, float], AfterValidator(_checked_areas)]


def _as_places(given: Any) -> Any:
    """Centres of areas with tuples for lists; a word as it is."""
    if isinstance(given, dict):
        places = {key: tuple(centre) if isinstance(centre, list) else centre for key, centre in given.items()}
        if any(not isinstance(c, tuple) or len(c) != 3 for c in places.values()):
            raise ValueError("the centre of an area must be a list of three numbers, as {sensory: [0, 0, 0]}")
        return {key: tuple(float(x) if type(x) is int else x for x in centre) for key, centre in places.items()}
    if given not in ("random", "areas"):
        raise ValueError("it must be random, areas, or centres of the areas, as {sensory: [0, 0, 0]}")
    return given


Places = Annotated[
    str | dict[str, tuple[float, float, float]],
    BeforeValidator(
        _as_places, json_schema_input_type=Literal["random", "areas"] | dict[str, tuple[float, float, float]]
    ),
]


class NetworkSettings(Settings):
    """A network before training (docs/model.md 1)."""

    N: int = Field(200, ge=1, le=MOST_UNITS, description="number of units")
    P_inh: float = Field(0.2, ge=0, le=1, description="probability that a unit is inhibitory")
    P_rec: float = Field(0.2, ge=0, le=1, description="probability that a connection is present before training")
    som_N: int = Field(0, ge=0, le=MOST_UNITS, description="number of SST units among the inhibitory units")
    gain: float = Field(1.5, gt=0, description="scale of the weights before training (gaus)")
    apply_dale: bool = Field(True, description="whether Dale's law holds")
    w_dist: Literal["gaus", "gamma"] = Field("gaus", description="distribution of the weights before training")
    taus: Taus = Field((4.0, 20.0), description="decay time, or its bounds [minimum, maximum], in steps of 5 ms")
    activation: Activation = Field("sigmoid", description="activation function phi")
    noise_sd: float = Field(NOISE_SD, ge=0, description="SD of the noise that is added to each unit at every step")
    x0_sd: float = Field(X0_SD, ge=0, description="SD of the state at the first step")
    input_noise_sd: float = Field(0.0, ge=0, description="SD of the noise that is added to each input at every step")

    autapses: bool = Field(True, description="whether units may have connections to themselves")
    areas: Areas | None = Field(
        None, description="areas by name, in their order: numbers of units that add up to N, or shares that add up to 1"
    )
    area_density: Densities | None = Field(
        None,
        description="probability of connections by block of areas: a mapping of `within`, `between` and `from->to`, or "
        "a matrix with a row for each receiving area; P_rec where it says nothing",
    )
    long_range: Literal["exc", "all"] = Field("exc", description="units with connections to other areas")
    feedback: bool = Field(True, description="whether areas have connections to areas before them")
    mask_file: LocalPathAsWritten | None = Field(
        None, description="file with a matrix (N, N) of 0 and 1: the connections that are allowed, row = receiving unit"
    )
    input_units: Groups = Field(("all",), description="units that receive the inputs: groups, named sets, or indices")
    output_units: Groups = Field(("all",), description="units that the outputs are read from, as input_units")
    readout_dale: bool = Field(
        False,
        description="whether Dale's law holds for the readout: weights of excitatory units are never negative, "
        "those of inhibitory units never positive",
    )
    trained: TrainedNames = Field(
        ("w", "w_out", "b_out", "taus"),
        description="what is trained: w, w_in, w_out, b_out, taus (or taus_exc, taus_inh: of one type), x0",
    )
    frozen: Blocks = Field((), description="blocks of connections, from->to, that training leaves as they are")
    balance: bool = Field(
        False, description="whether inhibitory weights are scaled so that the mean row sum is 0 before training"
    )
    spectral_radius: float | None = Field(
        None, gt=0, description="largest absolute eigenvalue before training, to which the weights are scaled"
    )
    rank: int | None = Field(None, ge=1, le=MOST_UNITS, description="rank of the weights before training, if it is low")
    taus_file: LocalPathAsWritten | None = Field(
        None, description="file with the time constant of each unit (N,), in steps of 5 ms, which is then not trained"
    )
    positions: Places = Field(
        "random",
        description="places of the units, for training.penalties.distance: at random in a cube of edge 1; `areas`: in "
        "one for each area, side by side; or the centres of these cubes by area",
    )
    positions_file: LocalPathAsWritten | None = Field(
        None, description="file with the place of each unit (N, 3), in place of random ones"
    )

    named_units: dict[str, Units] | None = Field(
        None, description="units of the sets that input_units and output_units name; filled in from unit_sets"
    )

    # Newer than the first networks, whose identity and files stay as they are: none has one of these at its default.
    newer: ClassVar[tuple[str, ...]] = (
        *("noise_sd", "x0_sd", "input_noise_sd"),
        *("autapses", "areas", "area_density", "long_range", "feedback", "mask_file", "input_units"),
        *("output_units", "readout_dale", "trained", "frozen", "balance", "spectral_radius", "rank", "taus_file"),
        *("positions", "positions_file", "named_units"),
    )

    def newer_values(self) -> dict[str, Any]:
        """The settings that are newer than the first networks and not at their defaults.

        Returns:
            Values by name, as in JSON.
        """
        fields, values = type(self).model_fields, self.model_dump(mode="json", include=set(self.newer))
        return {key: values[key] for key in self.newer if getattr(self, key) != fields[key].default}

    @field_validator("taus")
    @classmethod
    def _check_taus(cls, taus: tuple[float, ...]) -> tuple[float, ...]:
        if len(taus) not in (1, 2):
            raise ValueError("give one time constant, or a minimum and a maximum as [4, 20]")
        if not all(math.isfinite(t) and t >= 1 for t in taus):
            raise ValueError("each time constant must be at least one step (DeltaT = 1, 5 ms)")
        if len(taus) == 2 and taus[0] >= taus[1]:
            raise ValueError("the minimum must be below the maximum")
        return taus

    @model_validator(mode="after")
    def _check_som(self) -> Self:
        if self.som_N > 0 and not self.apply_dale:
            allowed = "without Dale's law there are 0 inhibitory units; it must be 0"
            raise SettingsError.for_key("som_N", self.som_N, allowed)
        if self.som_N > self.N:
            raise SettingsError.for_key("som_N", self.som_N, f"it must be at most N = {self.N}")
        return self

    @model_validator(mode="after")
    def _check_structure(self) -> Self:
        areas = self.areas or {}
        with _naming("areas", {name: int(size) if size.is_integer() else size for name, size in areas.items()}):
            self.area_sizes()
        with _naming("area_density", self.area_density):
            self._check_density()
        for key in ("input_units", "output_units"):
            with _naming(key, list(getattr(self, key)), "; unit_sets gives a list a name"):
                for group in getattr(self, key):
                    if isinstance(group, str):
                        check_group(group, (*areas, *(self.named_units or ())))
        with _naming("frozen", list(self.frozen)):
            for text in self.frozen:
                for group in block_of(text):
                    check_group(group, areas)
        for key in ("readout_dale", "balance"):
            if getattr(self, key) and not self.apply_dale:
                raise SettingsError.for_key(key, True, "it needs Dale's law (apply_dale)")
        self._check_positions(areas)
        if self.rank is not None and self.rank > self.N:
            raise SettingsError.for_key("rank", self.rank, f"it must be at most N = {self.N}")
        if self.taus_file is not None and len(self.taus) == 1:
            bounds = "taus must be the bounds of the time constants in the file, as [4, 20]"
            raise SettingsError([(("taus_file",), f" = {shown(self.taus_file)}: {bounds}")])
        if not {"w", "w_in", "w_out", "b_out", "x0"} & set(self.trained) and not self.trains_taus:
            fixed = "there is nothing to train, since the time constants are fixed"
            raise SettingsError([(("trained",), f" = {list(self.trained)}: {fixed}")])
        return self

    def _check_positions(self, areas: Mapping[str, float]) -> None:
        given = self.positions
        if given != "random" and self.positions_file is not None:
            raise SettingsError.for_key("positions", given, "with positions_file it must be random, its default")
        if given != "random" and not areas:
            raise SettingsError.for_key("positions", given, "it needs areas")
        if isinstance(given, dict) and given.keys() != areas.keys():
            raise SettingsError.for_key("positions", given, f"it must have the centre of each area: {', '.join(areas)}")

    @property
    def trains_taus(self) -> bool:
        """Whether the time constants of some units are trained."""
        return (
            len(self.taus) == 2
            and self.taus_file is None
            and bool({"taus", "taus_exc", "taus_inh"} & set(self.trained))
        )

    @property
    def not_convertible(self) -> str:
        """Why a network cannot become a spiking one, or ''."""
        return (
            "its first state is trained (network.trained has x0), and a spiking network starts from random potentials"
            if "x0" in self.trained
            else ""
        )

    def area_sizes(self) -> dict[str, int]:
        """The number of units of each area.

        Returns:
            Units by area, in the order of the areas; empty without areas.

        Raises:
            ValueError: the sizes do not fit N.
        """
        return area_sizes(self.areas, self.N) if self.areas else {}

    @property
    def depends_on_types(self) -> bool:
        """Whether the types that are drawn for a seed decide whether a network can be made."""
        groups = [*self.input_units, *self.output_units]
        for own in (self.named_units or {}).values():
            groups += [own] if isinstance(own, str) else own
        kinds = {group.rpartition(".")[2] for group in groups if isinstance(group, str)}
        return self.som_N > 0 or self.balance or not kinds.isdisjoint(TYPES)

    @property
    def has_mask(self) -> bool:
        """Whether some connections can never be there, so that a network has a mask."""
        return not self.autapses or self.areas is not None or self.mask_file is not None

    def _check_density(self) -> None:
        areas, given = tuple(self.areas or ()), self.area_density
        if given is not None and not areas:
            raise ValueError("it needs areas")
        if isinstance(given, tuple) and {len(given), *map(len, given)} != {len(areas)}:
            raise ValueError(f"it must have a row and a column for each of the {len(areas)} areas")
        for key in given if isinstance(given, dict) else ():
            if key not in ("within", "between") and not set(block_of(key)) <= set(areas):
                raise ValueError(
                    f"'{key}' is no block of areas; allowed: within, between, from->to of {', '.join(areas)}"
                )


@contextlib.contextmanager
def _naming(key: str, value: object, hint: str = "") -> Iterator[None]:
    """Turns a ValueError into one that names a setting and its value."""
    try:
        yield
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError([((key,), f" = {shown(value)}: {error}{hint}")]) from None
