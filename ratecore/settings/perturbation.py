"""What is changed in a trained network before it is tested (docs/perturbations.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from ratecore.settings.base import Settings, SettingsError
from ratecore.settings.unit_sets import Units, as_units, as_window
from ratecore.settings.units import block_of

KINDS = {
    f"{a}-{b}": (of_a, of_b) for a, of_a in (("E", "exc"), ("I", "inh")) for b, of_b in (("E", "exc"), ("I", "inh"))
}


def synapses_between(text: str) -> tuple[str, str]:
    """The groups of units that some synapses connect.

    Args:
        text: 'all', 'E-I' (from - to, by type), or 'from->to' with any groups of units.

    Returns:
        groups of the sending and of the receiving units.

    Raises:
        ValueError: it is not written so.
    """
    if text == "all":
        return "all", "all"
    if text in KINDS:
        return KINDS[text]
    try:
        sender, receiver = block_of(text)
        as_units(sender), as_units(receiver)
    except ValueError:
        raise ValueError(
            f"'{text}' names no synapses; allowed: all, {', '.join(KINDS)} (from - to), or groups as exc->motor"
        ) from None
    return sender, receiver


def _as_names(given: Any) -> Any:
    return (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list) else given


def _checked(names: Any) -> Any:
    for name in names:
        synapses_between(name)
    return names


Names = Annotated[
    tuple[str, ...], BeforeValidator(_as_names, json_schema_input_type=str | tuple[str, ...]), AfterValidator(_checked)
]
Factors = Annotated[dict[str, Annotated[float, Field(ge=0)]], AfterValidator(_checked)]


class PerturbationSettings(Settings):
    """Changes of a trained network, before it is tested as a rate or as a spiking network."""

    lesion_units: Units | None = Field(
        None, description="units that are removed: indices from 0, a type, an area, a named set, or several groups"
    )
    lesion_fraction: float = Field(
        1.0, ge=0, le=1, description="share of them that is removed; a larger share removes a superset"
    )
    lesion_order: Literal["random", "listed"] = Field(
        "random", description="which of them are removed first: random ones, or the first of a list or named set"
    )
    scale_synapses: Factors = Field(
        {}, description="factors of the weights by synapses: all, E-E, E-I, I-E, I-I (from - to), or groups, from->to"
    )
    shuffle_synapses: Names = Field(
        (), description="synapses whose weights are shuffled, named as in scale_synapses; each pair of types by itself"
    )
    shuffle_keeps: Literal["graph", "in_degree", "out_degree", "number"] = Field(
        "graph",
        description="what a shuffle keeps besides the weights: which units are connected, the number of synapses onto "
        "each unit, or of each unit, or only their total number",
    )
    weight_noise: float = Field(
        0.0,
        ge=0,
        description="SD of the factors, with mean 1, by which recurrent weights change; none becomes negative",
    )
    inputs_to: Units = Field("all", description="units that the inputs reach; others get none")
    stimulation_units: Units = Field("all", description="units that get the current")
    stimulation_current: float = Field(
        0.0, description="constant current into these units, in units of x (rate) and mV (spiking), as W_in u"
    )
    stimulation_window: tuple[float, float] | None = Field(
        None, description="start and end of the current in ms; by default the entire trial"
    )

    @field_validator("stimulation_window", mode="before")
    @classmethod
    def _check_window(cls, window: Any) -> tuple[float, ...] | None:
        return as_window(window)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lesion_units is None and self.lesion_fraction != 1:
            allowed = "it needs lesion_units, such as all"
            raise SettingsError.for_key("lesion_fraction", self.lesion_fraction, allowed)
        if self.stimulation_window is not None and self.stimulation_window[1] - self.stimulation_window[0] < 5:
            allowed = "it must last at least a step of 5 ms"
            raise SettingsError.for_key("stimulation_window", list(self.stimulation_window), allowed)
        return self

    def groups(self) -> Iterator[tuple[str, Any]]:
        """The units that these settings choose.

        Yields:
            key of the setting, and the units.
        """
        for key in ("lesion_units", "inputs_to", "stimulation_units", "noise_units"):
            if (units := getattr(self, key, None)) is not None:
                yield key, units
        for key in ("scale_synapses", "shuffle_synapses"):
            for name in getattr(self, key):
                yield key, synapses_between(name)

    @property
    def changes_nothing(self) -> bool:
        """Whether the network stays as it is, whatever units are chosen."""
        return self == type(self)()

    def changed(self) -> dict[str, Any]:
        """The settings that are not at their defaults.

        Returns:
            values by name, as in JSON.
        """
        return self.model_dump(mode="json", exclude_defaults=True)


class RatePerturbationSettings(PerturbationSettings):
    """Changes of a trained rate network, before it is tested."""

    noise_sd: float | None = Field(
        None, ge=0, description="SD of the noise of noise_units at every step, in place of the network's"
    )
    noise_units: Units = Field("all", description="units whose noise is noise_sd")


def names_of(perturbations: Sequence[PerturbationSettings]) -> list[dict[str, Any]]:
    """The settings that name each of several perturbations in a table.

    Args:
        perturbations: the settings.

    Returns:
        of each the values, by name, of all settings that some of them change.
    """
    keys = {key: None for own in perturbations for key in own.changed()}
    return [{key: own.model_dump()[key] for key in keys} for own in perturbations]
