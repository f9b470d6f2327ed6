"""Select the columns of two tables that can be compared, and bring both to the same types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from multitrack._hints import closest
from multitrack.drift.sources import Source
from multitrack.errors import DriftError
from multitrack.security.terminal import excerpt

Kind = Literal["numerical", "categorical"]

#: A text column in which more than this share of the values are different holds ids or sentences, not categories.
_DISTINCT: Final = 0.5
#: With so few different values it may hold categories all the same.
_FEW: Final = 20


class Comparable(msgspec.Struct, frozen=True):
    """Two tables with the same columns.

    Attributes:
        reference: The reference table, a DataFrame.
        current: The current table, a DataFrame.
        kinds: The kind of each column, in the order of the reference.
        skipped: The reason why a column is not compared, by name.
    """

    reference: Any
    current: Any
    kinds: dict[str, Kind]
    skipped: dict[str, str]


def comparable(
    reference: tuple[Source, Any], current: tuple[Source, Any], columns: Sequence[str] | None = None
) -> Comparable:
    """Bring two tables to the same columns and types.

    Numbers are compared as numbers; texts and booleans as categories. Without ``columns``, all columns of the
    reference must be in the current table; its further columns, times, nested values and texts that are nearly all
    different are skipped.

    Args:
        reference: The origin of the reference table, and the table.
        current: The origin of the current table, and the table.
        columns: The columns to compare; default: those of the reference.

    Raises:
        DriftError: If a column is missing, has no values, or is numeric in one table only; if a column that
            ``columns`` names would be skipped; if there are none to compare.
    """
    (source, before), (other, after) = reference, current
    before, after = before.rename(columns=str), after.rename(columns=str)
    for origin, frame in ((source, before), (other, after)):
        _check_columns(origin, list(frame.columns), columns if columns is not None else list(before.columns), columns)
    skipped = {} if columns is not None else {
        name: f"only in {other.name}" for name in after.columns if name not in before.columns
    }  # fmt: skip
    kinds: dict[str, Kind] = {}
    kept: dict[str, tuple[Any, Any]] = {}
    for name in dict.fromkeys(columns if columns is not None else before.columns):
        reason = _unsuitable(before[name]) or _unsuitable(after[name])
        if reason is None:
            kinds[name] = _kind_in_both(name, (source, before[name]), (other, after[name]))
            reason = _many(before[name], after[name]) if kinds[name] == "categorical" and columns is None else None
        if reason is not None:
            if columns is not None:
                raise DriftError(f"column {excerpt(name)!r} cannot be compared: it holds {reason}")
            skipped[name] = reason
            kinds.pop(name, None)
            continue
        kept[name] = _converted(before[name], kinds[name]), _converted(after[name], kinds[name])
        for origin, column in zip((source, other), kept[name], strict=True):
            if not column.notna().any():
                raise DriftError(f"column {excerpt(name)!r} has no values in {origin.name}")
    if not kept:
        raise DriftError(f"{source.name} and {other.name} have no columns to compare")
    frame_of = type(before)
    return Comparable(
        frame_of({name: pair[0].reset_index(drop=True) for name, pair in kept.items()}),
        frame_of({name: pair[1].reset_index(drop=True) for name, pair in kept.items()}),
        kinds,
        skipped,
    )


def _check_columns(origin: Source, present: list[str], wanted: Sequence[str], named: Sequence[str] | None) -> None:
    if len(set(present)) < len(present):
        raise DriftError(f"{origin.name} has several columns of one name")
    missing = [name for name in wanted if name not in present]
    if not missing:
        return
    shown = ", ".join(excerpt(name) for name in missing[:8])
    if named is not None:
        raise DriftError(f"{origin.name} has no column {shown}{closest(missing[0], present)}")
    common = [name for name in wanted if name in present]
    rest = (
        f"; --columns {','.join(common[:8])}{',…' if len(common) > 8 else ''} compares those in both" if common else ""
    )
    raise DriftError(f"{origin.name} has not all columns of the reference: {shown} missing{rest}")


def _unsuitable(column: Any) -> str | None:
    """Say what a column holds that is neither numbers nor categories."""
    from pandas.api import types  # noqa: PLC0415 - an extra, and half a second

    if types.is_complex_dtype(column) or types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        return f"values of type {column.dtype}"
    if types.is_numeric_dtype(column) or not types.is_object_dtype(column):
        return None
    for value in column.dropna():
        if not isinstance(value, (str, bool, int, float)):
            return f"values of type {type(value).__name__}"
    return None


def _kind_in_both(name: str, reference: tuple[Source, Any], current: tuple[Source, Any]) -> Kind:
    (source, before), (other, after) = reference, current
    kinds = _kind(before), _kind(after)
    if kinds[0] == kinds[1]:
        return kinds[0]
    if not (before.notna().any() and after.notna().any()):  # an empty column has no kind; its error is the better one
        return "categorical"
    raise DriftError(f"column {excerpt(name)!r} is {kinds[0]} in {source.name} and {kinds[1]} in {other.name}")


def _kind(column: Any) -> Kind:
    from pandas.api import types  # noqa: PLC0415 - as above

    return "numerical" if types.is_numeric_dtype(column) and not types.is_bool_dtype(column) else "categorical"


def _many(before: Any, after: Any) -> str | None:
    """Say that texts are not categories, as nearly every value is another one."""
    for column in (before, after):
        different, count = column.astype("object").nunique(), int(column.notna().sum())
        if different > _FEW and different > count * _DISTINCT:
            return f"{different} different texts in {count} rows"
    return None


def _converted(column: Any, kind: Kind) -> Any:
    """Convert to floats without infinities, or to texts."""
    if kind == "numerical":
        numbers = column.astype("float64")
        return numbers.where(numbers.abs() != float("inf"))
    return column.astype("object").map(str, na_action="ignore")
