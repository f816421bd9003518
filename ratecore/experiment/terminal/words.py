"""Words of the display: durations, and what the jobs of a rule do."""

from __future__ import annotations

from collections.abc import Mapping

OTHERS = "others"  # kinds of which there is one job, or which are not ratecore's
DOING = {  # by the stage, or by what a rule makes
    "train": "training",
    "evaluate": "scoring",
    "export": "exporting",
    "convert": "converting",
    "analyse": "analysing",
    "figures": "drawing figures",
    "summarize": "writing the table",
    "claims": "judging claims",
    "init_tracking": "preparing MLflow",
    "draw_panel": "drawing panels",
    OTHERS: "others",
}


def doing(kind: str) -> str:
    """What a job does.

    Args:
        kind: of the job, as `Board` has it.

    Returns:
        such as 'training'; the name of the rule if it is none of ratecore's.
    """
    return DOING.get(kind, kind.replace("_", " "))


def duration(seconds: float) -> str:
    """A duration that has passed.

    Args:
        seconds: its length, s.

    Returns:
        '12 s', '3 min 40 s', '2 h 5 min' or '3 d 4 h'.
    """
    whole = max(0, round(seconds))
    for size, unit, small, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit} {rest} {part}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def about(seconds: float) -> str:
    """A duration that is estimated, with one or two digits.

    Args:
        seconds: its length, s.

    Returns:
        'about 40 s', 'about 3 min', 'about 2.5 h' or 'about 3 d'.
    """
    if seconds < 55:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    if seconds < 90 * 60:
        return f"about {max(1, round(seconds / 60))} min"
    hours = seconds / 3600
    if hours < 10:
        return f"about {round(2 * hours) / 2:g} h"
    return f"about {round(hours)} h" if hours < 48 else f"about {round(hours / 24)} d"


def counted(n: int, noun: str) -> str:
    """A count with its noun.

    Args:
        n: the count.
        noun: in the singular.

    Returns:
        '1 network', '12,000 networks'.
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def listed(counts: Mapping[str, int]) -> str:
    """Counts in a row.

    Args:
        counts: kind of job: number.

    Returns:
        'training 6, scoring 6'.
    """
    return ", ".join(f"{doing(kind)} {n:,}" for kind, n in counts.items())
