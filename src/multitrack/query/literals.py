"""Values of filters: read numbers exactly, and compare them with a run's values."""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable
from typing import Any, Final

from multitrack.query.cells import ABSENT

#: Maximum number of digits of an integer, in runs and filters.
DIGITS: Final = 4300
#: Error for a number beyond the doubles that no run can have. The page has the same.
BEYOND: Final = f"numbers beyond 1.8e308 are integers of {DIGITS:,} digits at most"

_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_SPACES: Final = " \t\n\r\f\v"
_NUMBER: Final = re.compile(r"([+-]?)(?=\.?\d)(\d*)(\.\d*)?(?:e([+-]?\d+))?", re.ASCII | re.IGNORECASE)
_ODD: Final = re.compile(r"[+-]?(?:inf|infinity|nan)", re.ASCII | re.IGNORECASE)
#: Maximum number of digits of an exponent; a longer one gives infinity or 0.
_EXPONENT: Final = 9


def number_of(text: str) -> int | float | None:
    """Read a text as a number; return ``None`` if it is not one.

    Integers are exact, and so are numbers beyond the doubles, such as ``1e400``. Others are doubles, which are infinite
    if :func:`is_beyond`.
    """
    plain = text.strip(_SPACES)
    match = _NUMBER.fullmatch(plain)
    if match is None:
        return float(plain) if _ODD.fullmatch(plain) else None
    sign, whole, fraction, exponent = match.groups()
    if fraction is None and exponent is None:
        exact = _integer(whole, 0)
    else:
        number = float(plain)
        if math.isfinite(number):
            return number
        fraction = (fraction or ".")[1:]
        shift = exponent or "0"
        exact = None if len(shift) > _EXPONENT else _integer(whole + fraction, int(shift) - len(fraction))
    if exact is None:
        return -math.inf if sign == "-" else math.inf
    return -exact if sign == "-" else exact


def is_beyond(text: str, number: float) -> bool:
    """Return True if a number is infinite although its text has digits: too many, or some after its point."""
    return isinstance(number, float) and math.isinf(number) and not _ODD.fullmatch(text.strip(_SPACES))


def _integer(digits: str, shift: int) -> int | None:
    """Return digits times a power of ten; ``None`` if the result is not an integer, or has too many digits."""
    digits = digits.lstrip("0")
    plain = digits.rstrip("0")
    shift += len(digits) - len(plain)
    if plain and (shift < 0 or len(plain) + shift > DIGITS):
        return None
    return int(plain + "0" * shift) if plain else 0


def compares(sign: str, found: Any, wanted: Any) -> bool:
    """Compare a run's value with a filter's value.

    Args:
        sign: ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
        found: The run's value; a tuple for a value with several names.
        wanted: A number, a text, ``True``, ``False`` or ``None``.
    """
    if isinstance(found, tuple):
        return (all if sign == "!=" else any)(compares(sign, name, wanted) for name in found)
    if found is ABSENT:
        return False
    if wanted is None:
        return (found is None) == (sign == "=")
    if found is None:
        return False
    if isinstance(found, str) and is_number(wanted):
        found = _read(found)
    elif isinstance(wanted, str) and is_number(found):
        wanted = _read(wanted)
    elif isinstance(wanted, str) and isinstance(found, (list, dict)):
        return sign in ("=", "!=") and _is_written(found, wanted) == (sign == "=")
    if _is_nan(found) and _is_nan(wanted):
        return sign == "="  # so that NaN can be searched for; otherwise it equals nothing
    if isinstance(found, bool) != isinstance(wanted, bool) or isinstance(found, str) != isinstance(wanted, str):
        return False
    try:
        return _COMPARE[sign](found, wanted)
    except TypeError:
        return False  # a list


def is_number(value: object) -> bool:
    """Return True if a value is a number; booleans are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _read(text: str) -> int | float | str:
    """Return the number that a text reads as, or the text."""
    number = number_of(text)
    return text if number is None else number


def _is_written(found: list[Any] | dict[str, Any], text: str) -> bool:
    """Return True if a text is the JSON of a list or mapping, with any spacing."""
    try:
        return _same(found, json.loads(text))
    except (ValueError, RecursionError):
        return False


def _same(one: Any, other: Any) -> bool:
    """Return True if two JSON values are equal; 1 equals 1.0, but not true."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def holds(found: Any, needle: str) -> bool:
    """Return True if a run's value contains a text, which must be in lower case."""
    if isinstance(found, tuple):
        return any(holds(name, needle) for name in found)
    found = getattr(found, "value", found)
    if isinstance(found, (list, dict)):  # in the forms of the terminal and of the page
        spaces = (
            json.dumps(found, ensure_ascii=False, separators=marks).lower() for marks in ((",", ":"), (", ", ": "))
        )
        return any(needle in text for text in spaces)
    return found not in (None, ABSENT) and needle in str(found).lower()
