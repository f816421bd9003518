"""Judges the claims of a publication by the table of a grid (docs/claims.md)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from ratecore.analysis import claims as rule
from ratecore.analysis.claims import Outcome
from ratecore.analysis.group_tests import group_test, published_mean_test, published_share_test, trend_test
from ratecore.analysis.intervals import (
    LEAST,
    Estimate,
    TooFewError,
    mean_difference,
    mean_interval,
    mean_minus_published,
    paired_difference,
    paired_share_difference,
    share_difference,
    share_interval,
    share_minus_published,
)
from ratecore.analysis.orders import trend
from ratecore.experiment.claim_groups import ClaimedNetworks, Group, claimed_networks
from ratecore.experiment.configurations import TABLE
from ratecore.experiment.grid import Experiment
from ratecore.experiment.products import GRIDS
from ratecore.experiment.summary import FINISHED
from ratecore.settings.claims import TRAINED, ClaimSettings, Measure
from ratecore.system.intervals import widened

if TYPE_CHECKING:
    import pandas as pd

SIGNS: dict[str, Callable[[Any, float], Any]] = {
    ">=": np.greater_equal, "<=": np.less_equal, ">": np.greater, "<": np.less,
}  # fmt: skip
COLUMNS = (
    "id", "source", "says", "kind", "measure", "published", "ours", "ci_low", "ci_high", "n", "difference",
    "difference_low", "difference_high", "margin", "confidence", "test", "p", "outcome", "n_needed", "grid", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """The networks of a group, as far as they are done.

    Attributes:
        group: that they belong to.
        values: (n,), in units of the measure.
        keys: which pair each of them belongs to.
        undone: number of networks that are not done.
        n_rows: number of networks of the group, done or not.
        missing: number of networks that are done, and meant, but have no value.
    """

    group: Group
    values: Float[np.ndarray, " n"]
    keys: list[tuple[Any, ...]]
    undone: int
    n_rows: int
    missing: int


@dataclass(frozen=True)
class Part:
    """What became of one comparison of a claim.

    Attributes:
        name: of the groups that it is about; '' for all networks of the claim.
        outcome: of the comparison.
        ours: our number, with its interval.
        judged: what the rule looked at, with its interval.
        reason: why there are too few seeds, or what else should be known.
        factor: by which the number of networks must grow until it is decided, a fraction above 1.
        worst: larger for what speaks more against the claim, in units of the measure.
        test: name of a test of the same groups.
        p: of the test, in [0, 1].
    """

    name: str
    outcome: Outcome
    ours: Estimate | None = None
    judged: Estimate | None = None
    reason: str = ""
    factor: float = math.inf
    worst: float = math.inf
    test: str = ""
    p: float = math.nan


def judge_claims(experiment: Experiment, table: pd.DataFrame) -> pd.DataFrame:
    """Judge all claims of an experiment.

    Args:
        experiment: of the configuration with the claims.
        table: of its networks, as of `summary.partial_summary` or `read_table`.

    Returns:
        a row for each claim, in their order, with the columns of claims.csv.
    """
    import pandas as pd

    rows = [_row_of(found, _parts_of(experiment, found, table)) for found in claimed_networks(experiment)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n": "Int64", "n_needed": "Int64"})


def read_table(experiment: Experiment) -> pd.DataFrame:
    """Read summary.csv with the values of all axes as text.

    Args:
        experiment: of the grid.

    Returns:
        the table.
    """
    import pandas as pd

    axes = {axis.column: str for axis in experiment.axes}
    return pd.read_csv(experiment.root / TABLE, dtype=axes, keep_default_na=False, na_values=[""])


def _parts_of(experiment: Experiment, found: ClaimedNetworks, table: pd.DataFrame) -> list[Part]:
    """All comparisons of a claim."""
    axes = {axis.column for axis in experiment.axes}
    samples = [_sample(found, group, table, axes) for group in found.groups]
    kind = found.claim.kind
    if kind in ("mean", "share", "range"):
        confidence = widened(found.claim.confidence, len(samples))
        return [_of_one(found.claim, sample, confidence) for sample in samples]
    if kind == "trend":
        return [_of_trend(found, samples)]
    pairs = _compared(kind, len(samples))
    confidence = widened(found.claim.confidence, len(pairs))
    parts = [_of_two(found, samples[i], samples[j], confidence) for i, j in pairs]
    return _tested_together(found, samples, parts) if kind == "equal" and len(samples) > 2 else parts


def _tested_together(found: ClaimedNetworks, samples: list[Sample], parts: list[Part]) -> list[Part]:
    """Comparisons of all groups with each other, with one test of all."""
    groups = _all_paired(samples) if found.paired else [sample.values for sample in samples]
    if min(map(len, groups)) < 2:
        return parts
    test, p = group_test(groups, found.paired, found.claim.read_measure.is_share)
    return [replace(part, test=test, p=p) for part in parts]


def _compared(kind: str, n: int) -> list[tuple[int, int]]:
    """Which groups a kind compares: the best with all others, each with the next, or all with each other."""
    if kind == "best":
        return [(0, j) for j in range(1, n)]
    if kind == "greater":
        return [(j, j + 1) for j in range(n - 1)]
    return [(i, j) for i in range(n) for j in range(i + 1, n)]


def _sample(found: ClaimedNetworks, group: Group, table: pd.DataFrame, axes: set[str]) -> Sample:
    """The values of a group of networks."""
    claim, rows = found.claim, table
    if claim.grid is not None:
        rows = rows[np.array([claim.grid in str(names).split() for names in rows[GRIDS]], bool)]
    later = {}
    for column, wanted in group.where.items():
        if column in axes or column == "seed":
            rows = rows[rows[column].isin(list(wanted))]
        else:
            later[column] = wanted  # known only of networks that are done
    done = rows[rows["status"].isin(FINISHED)]
    n_rows, undone = len(rows), len(rows) - len(done)
    for column, wanted in later.items():
        given: list[Any] = done[column].tolist() if column in done else [None] * len(done)
        done = done[np.array([_same(value, wanted) for value in given], bool)]
    trained = _as_numbers(done[TRAINED]) == 1
    if claim.only_trained:
        done, trained = done[trained], trained[trained]
    values = _measured(claim.read_measure, done, trained)
    known = ~np.isnan(values)
    keys = [tuple(row) for row in done[[*found.pair_columns, "seed"]].astype(str).to_numpy()[known]]
    return Sample(group, values[known], keys, undone, n_rows, int(np.sum(~known)))


def _same(value: Any, wanted: tuple[Any, ...]) -> bool:
    text = str(value)
    return any(value == w or text == str(w) for w in wanted)


def _as_numbers(column: pd.Series[Any]) -> Float[np.ndarray, " n"]:
    import pandas as pd

    plain = column.astype(object).map(lambda v: {"True": 1.0, "False": 0.0}.get(str(v), v))
    return pd.to_numeric(plain, errors="coerce").to_numpy(dtype=float, na_value=math.nan)


def _measured(measure: Measure, rows: pd.DataFrame, trained: Any) -> Float[np.ndarray, " n"]:
    """The measure of each network; NaN where it has none."""
    # A table without the fits of psychometric functions has none of any network.
    columns = [
        _as_numbers(rows[column]) if column in rows else np.full(len(rows), math.nan) for column in measure.columns
    ]
    values = columns[0] if len(columns) == 1 else columns[0] - columns[1]
    if measure.sign is None:
        return values
    reached = np.where(np.isnan(values), np.nan, SIGNS[measure.sign](values, measure.threshold))
    # A network that was not trained, such as one that was not converted, reaches nothing.
    return np.where(np.isnan(reached) & ~trained, 0.0, reached)


def _of_one(claim: ClaimSettings, sample: Sample, confidence: float) -> Part:
    """Compare a group with what is published."""
    p, measure, values = claim.published, claim.read_measure, sample.values
    try:
        if measure.is_share:
            k, n = int(values.sum()), len(values)
            ours = judged = share_interval(k, n, confidence)
        else:
            ours = judged = mean_interval(values, confidence, measure.bounds, claim.least_sd)
        if claim.kind == "range":
            low = -math.inf if p.low is None else p.low
            high = math.inf if p.high is None else p.high
            test, worst = ("", math.nan), max(low - ours.value, ours.value - high)
        else:
            assert p.value is not None and claim.margin is not None  # the settings see to it
            low, high = -claim.margin, claim.margin
            if measure.is_share:
                judged = share_minus_published(k, n, p.value, p.n, confidence)
                test = published_share_test(k, n, p.value, p.n)
            else:
                judged = mean_minus_published(values, (p.value, p.sd, p.n), confidence, measure.bounds, claim.least_sd)
                test = published_mean_test(values, p.value, p.sd, p.n)
            worst = abs(judged.value)
    except TooFewError as error:
        return _undecided(sample.group.name, str(error), [sample], claim)
    part = Part(sample.group.name, rule.judge_within(judged, low, high), ours, judged, "",
                rule.factor_within(judged, low, high), worst, *test)  # fmt: skip
    return _with_reason(part, [sample], claim)


def _of_two(found: ClaimedNetworks, a: Sample, b: Sample, confidence: float) -> Part:
    """Compare two groups."""
    claim, name = found.claim, f"{a.group.name}; {b.group.name}"
    share, bounds = claim.read_measure.is_share, claim.read_measure.bounds
    x, y = _paired(a, b) if found.paired else (a.values, b.values)
    if claim.kind == "best" and claim.direction == "lowest":
        x, y = y, x
    try:
        if share and found.paired:
            judged = paired_share_difference(x, y, confidence)
        elif share:
            judged = share_difference((int(x.sum()), len(x)), (int(y.sum()), len(y)), confidence)
        elif found.paired:
            judged = paired_difference(x, y, confidence, bounds, claim.least_sd)
        else:
            judged = mean_difference(x, y, confidence, bounds, claim.least_sd)
    except TooFewError as error:
        return _undecided(name, str(error), [a, b], claim)
    test = group_test([x, y], found.paired, share)
    outcome, factor, worst = _judged(claim, judged)
    return _with_reason(Part(name, outcome, judged, judged, "", factor, worst, *test), [a, b], claim)


def _judged(claim: ClaimSettings, e: Estimate) -> tuple[Outcome, float, float]:
    """Outcome, factor and `worst` of a difference or a trend."""
    margin = claim.smallest
    if claim.kind == "equal":
        return rule.judge_within(e, -margin, margin), rule.factor_within(e, -margin, margin), abs(e.value)
    if claim.kind == "differ":
        return rule.judge_differ(e, margin), rule.factor_differ(e, margin), -abs(e.value)
    return rule.judge_greater(e, margin), rule.factor_greater(e, margin), -e.value


def _of_trend(found: ClaimedNetworks, samples: list[Sample]) -> Part:
    """Judge a trend over all groups."""
    claim = found.claim
    groups = _all_paired(samples) if found.paired else [sample.values for sample in samples]
    try:
        ours = trend(groups, found.paired, claim.confidence)
    except TooFewError as error:
        return _undecided("", str(error), samples, claim)
    judged = replace(ours, value=-ours.value, low=-ours.high, high=-ours.low) if claim.direction == "falling" else ours
    outcome, factor, worst = _judged(claim, judged)
    part = Part("", outcome, ours, judged, "", factor, worst, *trend_test(groups, found.paired))
    return _with_reason(part, samples, claim)


def _paired(a: Sample, b: Sample) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    x, y = _all_paired([a, b])
    return x, y


def _all_paired(samples: Sequence[Sample]) -> list[Float[np.ndarray, " n"]]:
    """The values of the networks, or seeds, that all groups have."""
    by_key = [dict(zip(sample.keys, sample.values, strict=True)) for sample in samples]
    common = [key for key in by_key[0] if all(key in found for found in by_key)]
    return [np.array([found[key] for key in common], float) for found in by_key]


def _undecided(name: str, reason: str, samples: Sequence[Sample], claim: ClaimSettings) -> Part:
    """A part without an interval."""
    return _with_reason(Part(name, Outcome.TOO_FEW, reason=reason), samples, claim)


def _with_reason(part: Part, samples: Sequence[Sample], claim: ClaimSettings) -> Part:
    """A part with what should be known about its networks. Nothing is decided by few, or before all are done."""
    undone, missing = sum(s.undone for s in samples), sum(s.missing for s in samples)
    rows = sum(s.n_rows for s in samples)
    notes = [part.reason] if part.reason else []
    if undone:
        notes.insert(0, f"{undone} of {rows} networks are not done")
    empty = [s.group.name for s in samples if not s.undone and not len(s.values) and s.n_rows and not s.missing]
    if claim.only_trained and empty and part.outcome is Outcome.TOO_FEW:
        notes = [f"no network is trained{f' with {empty[0]}' if empty[0] else ''}", *notes[bool(part.reason) :]]
    if missing:
        notes.append(f"{missing} networks have no {claim.measure}")
    few = part.judged is not None and part.judged.n < LEAST
    if few and part.judged is not None:
        notes.append(f"{part.judged.n} networks have a value; nothing is decided by fewer than {LEAST}")
    elif part.outcome is Outcome.TOO_FEW and part.judged is not None and math.isinf(part.factor) and not undone:
        notes.append("so close to the margin that no number of networks would decide")
    outcome = Outcome.TOO_FEW if undone or few else part.outcome
    factor = math.inf if undone else max(part.factor, LEAST / part.judged.n) if few and part.judged else part.factor
    return replace(part, outcome=outcome, reason="; ".join(notes), factor=factor)


def _row_of(found: ClaimedNetworks, parts: list[Part]) -> dict[str, Any]:
    """The row of a claim in claims.csv: that of the comparison that decides."""
    claim, outcome = found.claim, rule.judge_all(part.outcome for part in parts)
    decisive = max((part for part in parts if part.outcome is outcome), key=lambda part: part.worst)
    factor = max(part.factor for part in parts) if outcome is Outcome.TOO_FEW else math.inf
    ours, judged = decisive.ours, decisive.judged
    row: dict[str, Any] = {
        "id": found.id,
        "source": claim.source,
        "says": claim.says,
        "kind": claim.kind,
        "measure": claim.measure,
        "published": published_words(claim),
        "margin": claim.margin,
        "confidence": claim.confidence,
        "test": decisive.test or None,
        "p": decisive.p,
        "outcome": str(outcome),
        "grid": claim.grid,
        "reason": _reason(decisive, parts) or None,
    }
    if ours is not None:
        row |= {"ours": ours.value, "ci_low": ours.low, "ci_high": ours.high, "n": ours.n}
        row["n_needed"] = math.ceil(ours.n * factor) if math.isfinite(factor) else None
    if judged is not None and claim.kind in ("mean", "share"):
        row |= {"difference": judged.value, "difference_low": judged.low, "difference_high": judged.high}
    return row


def _reason(decisive: Part, parts: list[Part]) -> str:
    """Which of several comparisons decides, and why there are too few seeds."""
    words = []
    if len(parts) > 1:
        counts = [f"{n} {outcome}" for outcome in Outcome if (n := sum(p.outcome is outcome for p in parts))]
        words = [f"shown: {decisive.name}" if decisive.name else "", f"of {len(parts)}: {', '.join(counts)}"]
    return "; ".join(filter(None, [*words, decisive.reason]))


def published_words(claim: ClaimSettings) -> str:
    """What is published, in a few words.

    Args:
        claim: the claim.

    Returns:
        such as '0.939 +- 0.078 (n = 100)', '0.96 to 1', 'no difference' or 'falling'.
    """
    p = claim.published
    if claim.kind in ("mean", "share"):
        sd = "" if p.sd is None else f" +- {p.sd:g}"
        return f"{p.value:g}{sd}{'' if p.n is None else f' (n = {p.n})'}"
    if claim.kind == "range":
        if p.low is None or p.high is None:
            return f"at most {p.high:g}" if p.low is None else f"at least {p.low:g}"
        return f"{p.low:g} to {p.high:g}"
    if claim.kind == "best":
        return f"{claim.direction or 'highest'} at {claim.over} = {claim.at}"
    words = {"equal": "no difference", "differ": "a difference", "greater": "each greater than the next"}
    return words.get(claim.kind) or str(claim.direction)
