"""Axes of parallel coordinates: the place of each run, and the ticks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from multitrack.query.literals import number_of
from multitrack.summaries.doubles import as_double, is_beyond, is_finite

#: Ratio of largest to smallest value from which a param's axis is logarithmic. The page has the same.
_WIDE: Final = 50.0
#: Distance of a 0 below the rest of a logarithmic axis, as a fraction of the axis.
_BELOW: Final = 0.15
#: Maximum number of values that all get a tick.
_MOST: Final = 6

#: Place of a run without the param or with a number that is not a finite double, and the tick texts of both.
_BENEATH, _MISSING, _ODD = -0.12, "none", "not finite"
#: Distance, as a fraction of the axis, up to which ticks are merged: 0.3 and 0.30000000000000004.
_NEAR: Final = 1e-6

Scale = Callable[[Any], float]


class Axis:
    """The axis of one param.

    Attributes:
        name: The param's name.
        places: The place of each run, from 0 to 1. Below 0 for a run without the param or with ``None``, and, if other
            runs have finite numbers, with NaN, an infinity or an integer beyond the doubles.
        ticks: Place and text of each tick.
        odd: Indexes in ``values`` of those below the axis because they are NaN or infinite.
        huge: Indexes in ``values`` of those below the axis because they are integers beyond the doubles.
    """

    def __init__(self, name: str, values: Sequence[Any]) -> None:
        self.name = name
        self.odd: list[int] = []
        self.huge: list[int] = []
        lacking = any(value is None for value in values)
        there = [value for value in values if value is not None]
        known = set(filter(is_finite, there)) if all(type(value) in (int, float) for value in there) else set()
        scale: Scale
        if known:
            below = [i for i, value in enumerate(values) if value is not None and not is_finite(value)]
            self.huge = [i for i in below if is_beyond(values[i])]
            self.odd = [i for i in below if not is_beyond(values[i])]
            values = [None if value is None or not is_finite(value) else value for value in values]
            distinct: list[Any] = sorted(known)
            scale, marks = _scale(distinct)
        else:
            values = _texts(values)
            distinct = sorted({value for value in values if value is not None}, key=_order)
            scale, marks = distinct.index, None
        low, high = (scale(distinct[0]), scale(distinct[-1])) if distinct else (0.0, 0.0)

        def place(value: Any) -> float:
            return 0.5 if high == low else (scale(value) - low) / (high - low)

        if marks is None:
            self.ticks = [(place(value), value) for value in distinct]
        else:
            apart = _apart(marks, place)
            told = _told(apart, 6 if marks is distinct else 3)
            self.ticks = [(place(value), text) for value, text in zip(apart, told, strict=True)]
        self.places = [_BENEATH if value is None else place(value) for value in values]
        told = [*([_MISSING] if lacking else []), *([_ODD] if self.odd or self.huge else [])]
        if told:
            self.ticks.append((_BENEATH, ", ".join(told)))


def _order(text: str) -> tuple[int, float, str]:
    """Return the sort key of a text on an axis: numbers in ascending order, then NaN, then other texts."""
    number = number_of(text)
    if number is None:
        return 2, 0, text
    return (1, 0, text) if number != number else (0, number, text)


def _scale(distinct: list[float]) -> tuple[Scale, list[float]]:
    """Return the scale and the ticks of numbers; logarithmic if they span a wide range, also with a 0 among them."""
    low, high = distinct[0], distinct[-1]
    least = distinct[1] if low == 0 and len(distinct) > 2 else low  # the lowest above 0
    bottom, top = (math.log10(least), math.log10(high)) if least > 0 else (0.0, 0.0)
    if top - bottom < math.log10(_WIDE):
        if not is_finite(as_double(high) - as_double(low)):  # their difference exceeds the doubles
            scale: Scale = lambda value: as_double(value) / 2  # noqa: E731
            marks = [as_double(low) / 4 * (4 - i) + as_double(high) / 4 * i for i in range(5)]
            return scale, distinct if len(distinct) <= _MOST else marks
        # The distance from the lowest, which is exact even for integers that doubles would round.
        marks = distinct if len(distinct) <= _MOST else [low + float(high - low) / 4 * i for i in range(5)]
        return lambda value: float(value - low), marks
    zero = bottom - _BELOW * (top - bottom)
    marks = (
        distinct
        if len(distinct) <= _MOST
        else [least, *(10 ** (bottom + (top - bottom) * i / 4) for i in (1, 2, 3)), high]
    )
    if low == 0 and marks is not distinct:
        marks = [0, *marks]
    return lambda value: math.log10(value) if value > 0 else zero, marks


def _apart(marks: list[float], place: Callable[[float], float]) -> list[float]:
    """Return ascending marks without those at the same place as the one before."""
    kept = marks[:1]
    for mark in marks[1:]:
        if place(mark) - place(kept[-1]) > _NEAR:
            kept.append(mark)
    return kept


def _texts(values: Sequence[Any]) -> list[str | None]:
    """Return values that are not all numbers as texts; floats with as many digits as needed to differ."""
    floats = {value: float(f"{value:.12g}") for value in values if type(value) is float and math.isfinite(value)}
    distinct = sorted(set(floats.values()))
    told = dict(zip(distinct, _told(distinct, 6), strict=True))
    return [
        None if value is None else told[floats[value]] if type(value) is float and value in floats else str(value)
        for value in values
    ]


def _told(values: Sequence[float], fewest: int) -> list[str]:
    """Return numbers as texts with as many digits as needed to differ, and at least ``fewest``."""
    for digits in range(fewest, 17):
        texts = [repr(value) if type(value) is int else f"{value:.{digits}g}" for value in values]
        if len(set(texts)) == len(texts):
            return texts
    return [repr(value) for value in values]


def finite(value: float | None) -> float:
    """Return the value as a double; NaN if it is None or not a finite double."""
    return as_double(value) if value is not None and is_finite(value) else math.nan


def differing(params: Sequence[dict[str, Any]], parents: Sequence[str | None]) -> list[str]:
    """Return the params in which runs differ, or that only some siblings have; of always equal params only the first.

    Args:
        params: The params of each run.
        parents: The parent of each run.
    """
    names = dict.fromkeys(name for values in params for name in values)
    columns: dict[str, tuple[str, ...]] = {}
    for name in names:
        exact = tuple(repr(values[name]) if name in values else "" for values in params)
        rounded = tuple(_short(values[name]) if name in values else "" for values in params)
        columns[name] = rounded if len(set(rounded)) == len(set(exact)) else exact
    first = {
        column: name
        for name, column in reversed(columns.items())
        if len(set(column) - {""}) > 1 or len(set(zip(parents, map(bool, column), strict=True))) > len(set(parents))
    }
    return [name for name in names if first.get(columns[name]) == name]


def _short(value: Any) -> str:
    """Return a text that is the same for 0.001 and its nearest 32-bit float."""
    return f"{value:.6g}" if type(value) is float else repr(value)
