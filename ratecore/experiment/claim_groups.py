"""The networks that claims are about, found in the grid before any work starts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ratecore.experiment.axes import MISSING, format_value
from ratecore.experiment.networks_from import PUBLISHED
from ratecore.experiment.seeds import parse_seeds
from ratecore.experiment.stages.table import TRAIN, stages_of
from ratecore.settings.base import Problem, SettingsError, did_you_mean, shown, task_name
from ratecore.settings.claims import TRAINED, ClaimSettings
from ratecore.system.intervals import widened
from ratecore.system.published import published_half_width

if TYPE_CHECKING:
    from ratecore.experiment.grid import Experiment
    from ratecore.experiment.points import GridPoint

MOST_SHOWN = 20  # values or columns that an error lists
SEED = "seed"
TEXTS, ORIGIN = ("device", "status"), "origin"  # columns of results that are no numbers; the last one with files
SAME_NETWORKS = "have several rows of each network"


@dataclass(frozen=True)
class Group:
    """Networks that a claim compares with something.

    Attributes:
        name: in words, 'N = 250'; '' for all networks of a claim.
        where: column: values that are meant, as the table has them; of axes as text.
        points: numbers of the grid points.
    """

    name: str
    where: dict[str, tuple[Any, ...]]
    points: tuple[int, ...]


@dataclass(frozen=True)
class ClaimedNetworks:
    """A claim and its groups of networks.

    Attributes:
        id: of the claim.
        claim: its settings.
        groups: in their order; of a trend from the smallest value, of 'best' the best one first.
        paired: whether they are compared network by network.
        pair_columns: columns that, with the seed, tell which networks make a pair.
    """

    id: str
    claim: ClaimSettings
    groups: tuple[Group, ...]
    paired: bool
    pair_columns: tuple[str, ...]


def claimed_networks(experiment: Experiment) -> list[ClaimedNetworks]:
    """Find the networks of all claims of an experiment.

    Args:
        experiment: with its grid.

    Returns:
        those of each claim.

    Raises:
        SettingsError: names every column, value or product that does not exist, and every claim that no rule
            can judge.
    """
    problems: list[Problem] = []
    found = []
    for name, claim in experiment.settings.claims.items():
        try:
            found.append(_Finder(experiment, name, claim).find())
        except SettingsError as error:
            problems += [(("claims", name, *path), message) for path, message in error.problems]
    if problems:
        raise SettingsError(problems)
    return found


def grid_names(experiment: Experiment) -> list[str]:
    """The names of the products of a grid.

    Args:
        experiment: with its grid.

    Returns:
        the names; none if the grid is a mapping.
    """
    return [product.name for product in experiment.products if product.name]


class _Finder:
    """Finds the groups of one claim."""

    def __init__(self, experiment: Experiment, name: str, claim: ClaimSettings):
        self.experiment, self.name, self.claim = experiment, name, claim
        self.axes = [axis.column for axis in experiment.axes]
        stages = stages_of(experiment.settings).values()
        self.graded = [column for stage in stages for column in stage.columns_if_any]
        self.texts = (*TEXTS, *((ORIGIN,) if experiment.files else ()))
        of_files = PUBLISHED if experiment.files else ()
        self.results = [TRAINED, *(column for stage in stages for column in stage.columns), *self.graded, *of_files]

    def find(self) -> ClaimedNetworks:
        claim = self.claim
        self._check_measure()
        points = self._of_grid()
        where = self._resolved(claim.where, points, ("where",))
        within = _meant(points, where)
        if not within:
            raise SettingsError([(("where",), f" = {shown(claim.where)}: no grid point has all of these values")])
        if claim.over is not None:
            groups = self._over(claim.over, where, within)
        elif claim.groups is not None:
            groups = [self._group(k, given, where, within) for k, given in enumerate(claim.groups)]
        else:
            groups = [Group("", where, tuple(point.number for point in within))]
        if claim.kind == "differ" and len(groups) != 2:
            raise SettingsError(f"kind: differ compares two groups; there are {len(groups)}")
        self._refuse_variants(groups)
        self._refuse_shared(groups)
        self._check_margin(len(groups))
        paired, columns = self._pairs(groups)
        return ClaimedNetworks(self.name, claim, tuple(groups), paired, columns)

    def _check_measure(self) -> None:
        known = [column for column in self.results if column not in self.texts]
        for column in self.claim.read_measure.columns:
            if column not in known:
                hint = did_you_mean(column, known)
                raise SettingsError(
                    [(("measure",), f" = '{self.claim.measure}': these results have no number '{column}'{hint}; "
                      f"they have {_listed(known)}")]
                )  # fmt: skip
            if column in self.graded:
                self._check_graded(column)

    def _check_graded(self, column: str) -> None:
        """Raise SettingsError for the fit of a psychometric function that no network has."""
        section = "conversion" if column.startswith("spiking_") else "evaluation"
        for point in self._of_grid():
            if getattr(point.settings, section).psychometric_trials and point.settings.create_task().evidence_levels:
                return
        raise SettingsError(
            [(("measure",), f" = '{self.claim.measure}': no network has it; it needs a task with graded evidence and "
              f"{section}.psychometric_trials above 0 (docs/testing.md)")]
        )  # fmt: skip

    def _of_grid(self) -> list[GridPoint]:
        """The points of the product that is meant."""
        points, name = self.experiment.grid_points, self.claim.grid
        if name is None:
            return points
        names = grid_names(self.experiment)
        if name not in names:
            there = f"there are {_listed(names)}" if names else "the grid is no list of products with names"
            raise SettingsError([(("grid",), f" = '{name}': the grid has no such product{did_you_mean(name, names)}; "
                                  f"{there}")])  # fmt: skip
        return [p for p in points if name in (product.name for product in p.products)]

    def _resolved(
        self, given: dict[str, Any], points: Sequence[GridPoint], path: tuple[str, ...]
    ) -> dict[str, tuple[Any, ...]]:
        """The values of `where` as the table has them."""
        problems: list[Problem] = []
        found: dict[str, tuple[Any, ...]] = {}
        for column, wanted in given.items():
            try:
                found[column] = self._values(column, wanted, points)
            except ValueError as error:
                problems.append(((*path, column), str(error).removeprefix("grid.seed")))  # of `parse_seeds`
        if problems:
            raise SettingsError(problems)
        return found

    def _values(self, column: str, wanted: Any, points: Sequence[GridPoint]) -> tuple[Any, ...]:
        if column in self.axes:
            return _texts(column, wanted, _known(column, points))
        if column == SEED:
            seeds = parse_seeds(wanted) if isinstance(wanted, str | list) else [wanted]
            if unknown := [seed for seed in seeds if seed not in self.experiment.seeds]:
                raise ValueError(f" = {shown(wanted)}: no network has the seed {shown(unknown[0])}")
            return tuple(seeds)
        if column in (*self.results, *self.texts):
            return tuple(wanted) if isinstance(wanted, list) else (wanted,)
        known = list(dict.fromkeys([*self.axes, SEED, *self.texts, *self.results]))
        raise ValueError(f": there is no column '{column}'{did_you_mean(column, known)}; columns: {_listed(known)}")

    def _group(self, k: int, given: dict[str, Any], where: dict[str, tuple[Any, ...]],
               within: Sequence[GridPoint]) -> Group:  # fmt: skip
        own = self._resolved(given, within, (f"groups[{k}]",))
        points = _meant(within, own)
        if not points:
            raise SettingsError([((f"groups[{k}]",), f" = {shown(given)}: no grid point has all of these values")])
        words = ", ".join(f"{column} = {' or '.join(map(str, values))}" for column, values in own.items())
        return Group(words, {**where, **own}, tuple(point.number for point in points))

    def _over(self, column: str, where: dict[str, tuple[Any, ...]], within: Sequence[GridPoint]) -> list[Group]:
        """A group for each value of a column."""
        if column not in self.axes:
            hint = did_you_mean(column, self.axes)
            raise SettingsError([(("over",), f" = '{column}': it must be an axis{hint}; axes: {_listed(self.axes)}")])
        texts, claim = _known(column, within), self.claim
        least = 1 if claim.kind in ("mean", "share", "range") else 2
        if len(texts) < least:
            there = f"there is one value, {texts[0]}" if texts else "no grid point has a value"
            raise SettingsError([(("over",), f" = '{column}': {there}; kind: {claim.kind} needs {least} or more")])
        if claim.kind == "trend":
            texts = self._in_order(column, texts)
        if claim.kind == "best":
            (best,) = self._best(column, claim.at, texts)
            texts = [best, *(text for text in texts if text != best)]
        return [
            Group(f"{column} = {text}", {**where, column: (text,)},
                  tuple(point.number for point in within if point.values[column] == text))
            for text in texts
        ]  # fmt: skip

    @staticmethod
    def _best(column: str, wanted: Any, texts: list[str]) -> tuple[Any, ...]:
        try:
            found = _texts(column, wanted, texts)
        except ValueError as error:
            raise SettingsError([(("at",), str(error))]) from None
        if len(found) != 1:
            raise SettingsError([(("at",), f" = {shown(wanted)}: it must be one value of {column}")])
        return found

    @staticmethod
    def _in_order(column: str, texts: list[str]) -> list[str]:
        """The values of an axis from the smallest; lists such as `taus` by their last number."""
        numbers = {}
        for text in texts:
            try:
                numbers[text] = float(text.rpartition("_")[2])
            except ValueError:
                message = f" = '{column}': a trend needs numbers; it has the value {text}"
                raise SettingsError([(("over",), message)]) from None
        return sorted(texts, key=lambda text: numbers[text])

    def _check_margin(self, n: int) -> None:
        """Raise SettingsError for a margin that the intervals of several groups, which are wider, never come within."""
        claim, p = self.claim, self.claim.published
        if n < 2 or claim.kind not in ("mean", "share") or claim.margin is None or p.value is None:
            return
        left = published_half_width(p.value, p.sd, p.n, widened(claim.confidence, n))
        if claim.margin <= left:
            raise SettingsError(
                [(("margin",), f" = {claim.margin:g}: it must be above {left:.3g}, the half of the interval of the "
                  f"published number alone, which is wider for {n} values of {claim.over} together")]
            )  # fmt: skip

    def _refuse_variants(self, groups: Iterable[Group]) -> None:
        """Raise SettingsError for a group that has a network more than once, which would count it as several."""
        of_training = self.experiment.columns(TRAIN)
        for group in groups:
            points = [self.experiment.grid_points[number] for number in group.points]
            if len({point.path_in(of_training) for point in points}) < len(points):
                differ = [c for c in self.axes if c not in of_training and len({p.values[c] for p in points}) > 1]
                of_group = f" with {group.name}" if group.name else ""
                raise SettingsError(
                    [(("where",), f": the networks{of_group} {SAME_NETWORKS}, with other values of "
                      f"{', '.join(differ)}; choose one value of each in where, or name it in over")]
                )  # fmt: skip

    def _refuse_shared(self, groups: Sequence[Group]) -> None:
        """Raise SettingsError for two groups that have networks in common, which would be compared with themselves."""
        for a, b in itertools.combinations(groups, 2):
            columns = a.where.keys() & b.where.keys()
            apart = any(not any(value in b.where[c] for value in a.where[c]) for c in columns)
            later = {*self.results, *self.texts}  # columns that are known when the networks are done
            of_results = not later.isdisjoint({*a.where, *b.where})
            if not apart and not of_results and set(a.points) & set(b.points):
                names = " and ".join(f"'{group.name or 'all'}'" for group in (a, b))
                raise SettingsError([(("groups",), f": {names} have networks in common; make them exclude each other")])

    def _pairs(self, groups: Sequence[Group]) -> tuple[bool, tuple[str, ...]]:
        """Whether groups are compared network by network, and the columns in which pairs agree."""
        if len(groups) < 2:
            return False, ()
        chosen = [[self.experiment.grid_points[number] for number in group.points] for group in groups]
        differ = {column for group in groups for column in group.where if group.where != groups[0].where
                  and group.where.get(column) != groups[0].where.get(column)}  # fmt: skip
        columns = tuple(column for column in self.axes if column not in differ)
        keys = [[point.path_in(columns) for point in points] for points in chosen]
        same = all(len(set(k)) == len(k) and set(k) == set(keys[0]) for k in keys)
        can = same and differ <= set(self.axes)  # groups by seed or by a result have no seed, or network, in common
        if self.claim.paired is not None:
            if self.claim.paired and not can:
                raise SettingsError(
                    [(("paired",), f" = True: apart from {', '.join(sorted(differ))}, the groups are not of the same "
                      "grid points; leave it out")]
                )  # fmt: skip
            return self.claim.paired, columns
        of_training = self.experiment.columns(TRAIN)
        networks = [{point.path_in(of_training) for point in points} for points in chosen]
        return can and all(n == networks[0] for n in networks), columns


def _known(column: str, points: Sequence[GridPoint]) -> list[str]:
    """The values that grid points have on an axis; not all of them need to have one."""
    return [text for text in dict.fromkeys(point.values[column] for point in points) if text != MISSING]


def _meant(points: Sequence[GridPoint], where: dict[str, tuple[Any, ...]]) -> list[GridPoint]:
    """The points with all of these values, and with a network of one of the seeds."""
    seeds = where.get(SEED)
    return [
        p
        for p in points
        if all(p.values[c] in values for c, values in where.items() if c in p.values)
        and (seeds is None or not set(seeds).isdisjoint(p.seeds))
    ]


def _texts(column: str, wanted: Any, known: list[str]) -> tuple[str, ...]:
    """The values of an axis that are meant: the value itself, or one or more of a list."""
    named = task_name if column == "task" else lambda value: value
    if (text := format_value(named(wanted))) in known:
        return (text,)
    wanted = wanted if isinstance(wanted, list) and wanted else [wanted]
    texts = tuple(format_value(named(value)) for value in wanted)
    for value, text in zip(wanted, texts, strict=True):
        if text not in known:
            raise ValueError(f" = {shown(value)}: no grid point has it; values: {_listed(known)}")
    return texts


def _listed(names: Sequence[str]) -> str:
    more = f", ... ({len(names)})" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more
