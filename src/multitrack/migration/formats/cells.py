"""Values in the cells of a table: texts of a CSV file, or typed values of a Parquet file."""

from __future__ import annotations

import datetime
import decimal
import math
import re
from typing import Any, Final

#: A number as people write it: not ``1_000``, which Python reads too, and not ``007``, which is a name.
_NUMBER: Final = re.compile(
    r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE
)
_BOOLS: Final = {"true": True, "false": False}


def is_empty(cell: Any) -> bool:
    """Return True for a cell without a value."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def number_in_cell(cell: Any) -> int | float | None:
    """The number in a cell; a bool is 0 or 1. None for any other value."""
    if isinstance(cell, (bool, int)):
        return int(cell)
    if isinstance(cell, (float, decimal.Decimal)):
        return float(cell)
    if not isinstance(cell, str):
        return None
    text = cell.strip()
    if text.casefold() in _BOOLS:
        return int(_BOOLS[text.casefold()])
    if _NUMBER.fullmatch(text) is None:
        return None
    if text.lstrip("+-").isdecimal() and len(text) <= 300:
        return int(text)
    number = float(text)
    return None if math.isinf(number) and text[-1].isdecimal() else number  # 1e999: no number that anything holds


def param_in(cell: Any) -> Any:
    """The value of a param in a cell: a number or bool if it is the text of one."""
    if isinstance(cell, str):
        text = cell.strip()
        number = _BOOLS.get(text.casefold(), number_in_cell(text))
        return cell if number is None else number
    if isinstance(cell, decimal.Decimal):
        return float(cell)
    return str(cell) if isinstance(cell, (datetime.date, datetime.time, datetime.timedelta)) else cell


def step_in(cell: Any) -> tuple[int | None, bool]:
    """The step in a cell, rounded down, or None; and whether it is exact."""
    number = number_in_cell(cell)
    if number is None or not math.isfinite(number):
        return None, False
    step = math.floor(number)
    return step, step == number


def moment_in(cell: Any) -> int | None:
    """The time in a cell, in milliseconds since the epoch; None if it has none.

    A number counts seconds, or, if it is too large for that, milli-, micro- or nanoseconds. A text is ISO 8601 or a
    number. A time without an offset is UTC.
    """
    if isinstance(cell, str):
        try:
            cell = datetime.datetime.fromisoformat(cell.strip())
        except ValueError:
            cell = number_in_cell(cell)
    if isinstance(cell, datetime.datetime):
        aware = cell if cell.tzinfo is not None else cell.replace(tzinfo=datetime.UTC)
        return round(aware.timestamp() * 1000)
    if isinstance(cell, datetime.date):
        return moment_in(datetime.datetime.combine(cell, datetime.time()))
    number = None if isinstance(cell, bool) else number_in_cell(cell)
    if number is None or not math.isfinite(number) or number <= 0:
        return None
    for limit, factor in ((1e11, 1000.0), (1e14, 1.0), (1e17, 1e-3)):
        if number < limit:
            return round(number * factor)
    return round(number * 1e-6)
