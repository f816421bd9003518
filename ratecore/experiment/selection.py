"""The table of an experiment with typed columns, and the choice of rows in it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ratecore.experiment.axes import ABSENT, format_value
from ratecore.experiment.products import GRIDS
from ratecore.settings.base import shown

if TYPE_CHECKING:
    import pandas as pd

MOST_SHOWN = 20  # values of a column that an error lists


def typed_column(values: Sequence[Any]) -> Any:
    """The values of an axis as a column: numbers, booleans, or categories in the order of the grid.

    Args:
        values: of the axis's setting, for each row. Lists, such as `taus`, become text as in paths, '4_20', and
            `ABSENT` is missing.

    Returns:
        the column; a missing number is NaN, and a missing boolean <NA>.
    """
    import pandas as pd

    absent = [value is ABSENT for value in values]
    values = [None if missing else value for value, missing in zip(values, absent, strict=True)]
    given = [value for value in values if value is not None]
    if given and all(isinstance(value, bool | np.bool_) for value in given):
        return pd.array(list(values), dtype="bool" if len(given) == len(values) else "boolean")
    if given and all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in given):
        whole = all(isinstance(value, int | np.integer) for value in given) and len(given) == len(values)
        return pd.array([np.nan if v is None else v for v in values], dtype="int64" if whole else "float64")
    texts = [value if isinstance(value, str) else format_value(value) for value in values]
    known = [None if missing else text for text, missing in zip(texts, absent, strict=True)]
    return pd.Categorical(known, categories=[text for text in dict.fromkeys(known) if text is not None])


def chosen_rows(table: pd.DataFrame, selection: dict[str, Any], values: dict[str, list[Any]]) -> pd.DataFrame:
    """The rows of a table that a selection means.

    Args:
        table: the table.
        selection: column: a value, a list or range of values, or a function that takes the column and returns whether
            each row is meant.
        values: column: the values of the axes as the settings have them, row by row; for axes of lists.

    Returns:
        the rows.

    Raises:
        ValueError: an unknown column, or a value that is nowhere in it.
    """
    keep = np.ones(len(table), bool)
    for column, wanted in selection.items():
        if column not in table.columns:
            near = difflib.get_close_matches(column, list(table.columns), 1)
            hint = f"; did you mean '{near[0]}'" if near else ""
            raise ValueError(f"there is no column '{column}'{hint}. Columns: {', '.join(table.columns)}")
        if column == GRIDS and not callable(wanted):
            keep &= _in_products(table[column], wanted)
        else:
            keep &= _meant(table[column], wanted, values.get(column))
    return table[keep]


def _meant(column: pd.Series[Any], wanted: Any, raw: list[Any] | None) -> np.ndarray:
    """Which rows have one of the values that are wanted of a column."""
    if callable(wanted):
        return _by_function(column, wanted)
    rows = [_plain(v) for v in (column if raw is None else raw)]
    if isinstance(wanted, range):
        found = np.array([isinstance(row, int | float) and row in wanted for row in rows], bool)
        if not found.any():
            raise ValueError(f"{column.name} = {wanted}: no network has one of these; {_listed(column)}")
        return found
    texts = None if raw is None else [format_value(v) for v in raw]

    def has(value: Any) -> np.ndarray:
        value = _plain(value)
        found = np.array([_same(row, value) for row in rows], bool)
        if texts is not None and isinstance(value, str):
            found |= np.array([text == value for text in texts], bool)
        return found

    wanted = wanted.tolist() if hasattr(wanted, "tolist") else wanted
    several = isinstance(wanted, Iterable) and not isinstance(wanted, str) and not has(wanted).any()
    alternatives = list(wanted) if several else [wanted]
    found_each = [has(value) for value in alternatives]
    for value, found in zip(alternatives, found_each, strict=True):
        if not found.any():
            raise ValueError(f"{column.name} = {shown(value)}: no network has it; {_listed(column)}")
    if not alternatives:
        raise ValueError(f"{column.name} = {shown(wanted)}: it names no value; {_listed(column)}")
    return np.asarray(np.stack(found_each).any(0))


def _in_products(column: pd.Series[Any], wanted: Any) -> np.ndarray:
    """Which rows are in a product of the grid, or in one of several."""
    rows = [set(names.split()) for names in column.fillna("")]
    known = list(dict.fromkeys(name for names in column.fillna("") for name in names.split()))
    given = [wanted] if isinstance(wanted, str) else list(wanted) if isinstance(wanted, Iterable) else [wanted]
    for name in given:
        if name not in known:
            raise ValueError(f"{column.name} = {shown(name)}: no network is in it; products: {', '.join(known)}")
    if not given:
        raise ValueError(f"{column.name} = {shown(wanted)}: it names no product; products: {', '.join(known)}")
    return np.array([bool(names & set(given)) for names in rows], bool)


def _by_function(column: pd.Series[Any], meant: Callable[[Any], Any]) -> np.ndarray:
    import pandas as pd

    found = meant(column)
    if np.shape(found) != (len(column),):
        raise ValueError(
            f"{column.name}: the function returned {shown(found)}; it takes the column and must return True or False "
            "for each row"
        )
    return np.array([value is not pd.NA and bool(value) for value in np.asarray(found, object)])


def _plain(value: Any) -> Any:
    """A value that `==` compares: lists as tuples, and scalars of NumPy as those of Python."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_plain(v) for v in value)
    return value.item() if isinstance(value, np.generic) else value


def _same(row: Any, value: Any) -> bool:
    """Whether a row has a value; None stands for what is missing, and True is not 1."""
    import pandas as pd

    if row is None or row is pd.NA or row != row:
        return value is None
    return isinstance(row, bool) == isinstance(value, bool) and bool(row == value)


def _listed(column: pd.Series[Any]) -> str:
    """The values of a column, for an error."""
    values = [shown(_plain(value)) for value in column.dropna().unique()]
    more = f", ... ({len(values)} values)" if len(values) > MOST_SHOWN else ""
    return f"values: {', '.join(values[:MOST_SHOWN])}{more}" if values else "the column is empty"
