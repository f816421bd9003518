"""The seeds of a grid and the blocks that jobs handle."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import Any

from ratecore.settings.base import SettingsError, as_number, shown
from ratecore.settings.hints import for_seed, for_seeds

COUNT = frozenset({int})
MOST_RUNS = 10_000_000


def parse_seeds(given: Any) -> tuple[int, ...]:
    """Read the seeds of a grid.

    Args:
        given: a list of seeds, or a range such as '0..99'.

    Returns:
        the seeds.

    Raises:
        SettingsError: not a range, out of range, too many or not unique.
    """
    if isinstance(given, str):
        match = re.fullmatch(r"([0-9]{1,19})\.\.([0-9]{1,19})", given)
        if not match or int(match[1]) > int(match[2]):
            allowed = f"a range of seeds is written 'first..last', as '0..99'{for_seeds(given)}"
            raise SettingsError(f"grid.seed = {shown(given)}: {allowed}")
        given = range(int(match[1]), int(match[2]) + 1)
        if len(given) > MOST_RUNS:
            raise SettingsError(
                f"grid.seed = '{given.start}..{given[-1]}': {len(given):,} seeds; at most {MOST_RUNS:,} are allowed"
            )
    given = [as_number(seed, COUNT) for seed in given] if isinstance(given, list) else given
    for seed in given if isinstance(given, list) else given[-1:]:  # for a range, checking the largest is enough
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            allowed = f"it must be a whole number >= 0 and below 2^63{for_seed(seed)}"
            raise SettingsError(f"grid.seed = {shown(seed)}: {allowed}")
    twice = sorted(s for s, n in Counter(given).items() if n > 1) if isinstance(given, list) else []
    if twice:
        raise SettingsError(f"grid.seed: {', '.join(map(str, twice[:20]))} is listed more than once")
    return tuple(given)


def block_name(seeds: tuple[int, ...]) -> str:
    """The name of a block of seeds: '0-9' or '0-3+7'; for a long one the first and last seed and a hash of all.

    Args:
        seeds: of the block.

    Returns:
        the name.
    """
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    name = "+".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
    if len(name) <= 60:
        return name
    return f"{seeds[0]}-{seeds[-1]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
