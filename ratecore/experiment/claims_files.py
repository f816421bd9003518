"""The files with the judged claims of an experiment: claims.csv, and claims.html for the report."""

from __future__ import annotations

import html
import math
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratecore.analysis.claims import Outcome
from ratecore.experiment.stages.table import PACKAGE, WITHOUT_NUMBERS
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.run import hash_of
from ratecore.system.files import read_sealed_json, sealed_json, write_atomic
from ratecore.system.source_code import code_hash_of

if TYPE_CHECKING:
    import pandas as pd

TABLE, PAGE, JUDGED = "claims.csv", "claims.html", "jobs/claims.json"  # in the folder of the results
# Marks and colours (Okabe and Ito) that differ for everyone, also in grey.
MARKS = {
    Outcome.REPRODUCED: ("\u2713", "#0072B2"),
    Outcome.NOT_REPRODUCED: ("\u2717", "#D55E00"),
    Outcome.TOO_FEW: ("?", "#666666"),
}
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 1.5em; color: #222; background: #fff; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .35em .7em; border-bottom: 1px solid #ddd; }
th { border-bottom: 2px solid #444; position: sticky; top: 0; background: #fff; }
td.claim { min-width: 20em; max-width: 34em; }
td.source, td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.outcome { white-space: nowrap; font-weight: 600; }
.outcome b { display: inline-block; width: 1.3em; text-align: center; border-radius: 3px; color: #fff; }
.outcome b { margin-right: .4em; }
small { color: #555; }
"""
HEADS = ("", "outcome", "claim", "published", "ours", "n", "difference", "margin", "test")


def claims_hash(settings: ExperimentSettings) -> str:
    """A hash of the claims and of the code that judges them. If it changes, they are judged again.

    Args:
        settings: of the experiment.

    Returns:
        hex digits.
    """
    code = code_hash_of(PACKAGE, ["ratecore.experiment.claims", "ratecore.experiment.claims_files"], WITHOUT_NUMBERS)
    claims = {name: claim.model_dump(mode="json") for name, claim in settings.claims.items()}
    return hash_of({"claims": claims, "order": list(claims), "code": code})


def stale_claims(settings: ExperimentSettings, root: Path) -> list[str]:
    """The files with claims that were judged by other rules than the current ones, or that are no longer asked for.

    Args:
        settings: of the experiment.
        root: folder of its results.

    Returns:
        paths of existing files, as the rules name them.
    """
    files = [root / name for name in (TABLE, PAGE, JUDGED)]
    there = [path.as_posix() for path in files if path.exists()]
    if not there:
        return []
    try:
        judged = read_sealed_json(root / JUDGED).get("claims")
    except (OSError, ValueError):
        judged = None
    return [] if settings.claims and judged == claims_hash(settings) else there


def write_claims(judged: pd.DataFrame, settings: ExperimentSettings, root: Path) -> None:
    """Write the judged claims, each file whole or not at all.

    Args:
        judged: of `judge_claims`.
        settings: of the experiment.
        root: folder of its results.
    """
    write_atomic(root / TABLE, judged.to_csv(index=False).encode())
    write_atomic(root / PAGE, claims_page(judged, settings.experiment).encode())
    write_atomic(root / JUDGED, sealed_json({"claims": claims_hash(settings)}))


def remove_claims(root: Path) -> None:
    """Remove the files, because the table that they were judged by is replaced by one of fewer networks.

    Args:
        root: folder of the experiment's results.
    """
    for name in (TABLE, PAGE, JUDGED):
        (root / name).unlink(missing_ok=True)


def by_source(judged: pd.DataFrame) -> pd.DataFrame:
    """Sort claims by where they are made: 'Fig. 2C' before 'Fig. 2E' before 'Fig. 10'.

    Args:
        judged: of `judge_claims`.

    Returns:
        the same rows.
    """

    def key(source: str) -> tuple[Any, ...]:
        parts = re.split(r"(\d+)", source)
        return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part)

    order = sorted(range(len(judged)), key=lambda k: key(str(judged["source"].iloc[k])))
    return judged.iloc[order]


def counted_outcomes(judged: pd.DataFrame) -> str:
    """Count the outcomes of claims.

    Args:
        judged: of `judge_claims`.

    Returns:
        '12 claims: 9 reproduced, 1 not reproduced, 2 too few seeds'.
    """
    counts = Counter(judged["outcome"])
    found = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    return f"{len(judged)} claim{'' if len(judged) == 1 else 's'}{f': {found}' if found else ''}"


def claims_page(judged: pd.DataFrame, title: str) -> str:
    """A page with the claims, sorted by where they are made.

    Args:
        judged: of `judge_claims`.
        title: name of the experiment.

    Returns:
        HTML, which needs no other file.
    """
    rows = [_row(row) for row in by_source(judged).to_dict("records")]
    head = "".join(f"<th>{name}</th>" for name in HEADS)
    note = (
        "Numbers are as in summary.csv: shares and accuracies in [0, 1]. In brackets: the confidence interval. "
        "An outcome follows from the interval of the difference and the margin alone, by a rule that was set before "
        "the runs; tests are shown for comparison. n: networks, of two groups the smaller number."
    )
    return (
        f"<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>Claims: {html.escape(title)}</title>"
        f"<style>{STYLE}</style></head><body>\n<p><b>{html.escape(counted_outcomes(judged))}</b></p><p>"
        f"<small>{note}</small></p>\n<table><thead><tr>{head}</tr></thead><tbody>\n" + "\n".join(rows) + "\n</tbody>"
        "</table></body></html>\n"
    )


def _row(row: dict[Any, Any]) -> str:
    mark, colour = MARKS[Outcome(row["outcome"])]
    needed = "" if _missing(row["n_needed"]) else f"<br><small>about {int(row['n_needed'])} needed</small>"
    reason = "" if _missing(row["reason"]) else f"<br><small>{html.escape(str(row['reason']))}</small>"
    test = "" if _missing(row["test"]) else f"{html.escape(str(row['test']))}, {p_words(row['p'])}"
    margin = "" if _missing(row["margin"]) else f"{row['margin']:g}"
    difference = with_interval(row, "difference", "difference_low", "difference_high")
    measure = html.escape(str(row["measure"]))
    cells = [
        f"<td class='source'>{html.escape(str(row['source']))}</td>",
        f"<td class='outcome'><b style='background:{colour}'>{mark}</b>{row['outcome']}</td>",
        f"<td class='claim'>{html.escape(str(row['says']))}<br><small>{measure}</small>{reason}</td>",
        f"<td class='number'>{html.escape(str(row['published']))}</td>",
        f"<td class='number'>{_two_lines(with_interval(row, 'ours', 'ci_low', 'ci_high'), ' [')}</td>",
        f"<td class='number'>{'' if _missing(row['n']) else int(row['n'])}{needed}</td>",
        f"<td class='number'>{_two_lines(difference, ' [')}</td>",
        f"<td class='number'>{margin}</td>",
        f"<td class='number'>{_two_lines(test, ', ')}</td>",
    ]
    return f"<tr id='{html.escape(str(row['id']))}'>{''.join(cells)}</tr>"


def _two_lines(text: str, at: str) -> str:
    """A text with its second part, such as an interval, in small letters on a line of its own."""
    first, sign, second = text.partition(at)
    return f"{first}<br><small>{sign.strip(', ')}{second}</small>" if second else first


def with_interval(row: dict[Any, Any], value: str, low: str, high: str) -> str:
    """A number of a row and its interval.

    Args:
        row: of the judged claims.
        value: column of the number.
        low: column of the lower end.
        high: column of the upper end.

    Returns:
        '0.931 [0.887, 0.975]', or '' where there is none.
    """
    if _missing(row[value]):
        return ""
    return f"{row[value]:.4g} [{row[low]:.4g}, {row[high]:.4g}]"


def p_words(p: Any) -> str:
    """A p-value as text.

    Args:
        p: the value, or nothing.

    Returns:
        'p = 0.031', 'p < 0.001' or 'no p'.
    """
    if _missing(p):
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _missing(value: Any) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
