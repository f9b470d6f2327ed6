"""Schema of the page's data, which its JavaScript reads as one JSON block.

Numbers that JSON lacks, or that JavaScript would alter, are texts, as in the journal: ``"NaN"``, ``"Infinity"``,
integers beyond 2⁵³. A param that is such a number is written as ``{"number": text}``, since a param may also be text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from multitrack.records import number_to_json
from multitrack.summaries.downsample import Curve, Means, Thinned
from multitrack.summaries.statistics import Statistics

_SPECIAL = {"NaN", "Infinity", "-Infinity"}
#: Characters with a meaning for an HTML parser or a JavaScript engine, and their escapes.
_ESCAPES = tuple((text.encode(), f"\\u{ord(text):04x}".encode()) for text in "<>&\u2028\u2029")


class Points(msgspec.Struct, frozen=True):
    """A series or list: its statistics, and the drawn points. Times are in milliseconds since the run's start.

    ``odd``, ``huge`` and ``below`` count the points, of all, that are NaN or infinite, integers beyond the doubles, and
    0 or below.
    """

    statistics: list[Any]
    count: int
    odd: int
    huge: int
    below: int
    steps: list[int]
    times: list[int]
    values: list[int | float | str]
    means: dict[str, list[Any]] | None


class Counted(msgspec.Struct, frozen=True):
    """A series or list without its points, which a served page requests when it draws them.

    ``statistics`` may be the first ones only; a served page requests the others when a reader chooses one of them.
    """

    statistics: list[Any]
    count: int


class Reference(msgspec.Struct, frozen=True):
    """An artifact reference."""

    name: str
    uri: str
    kind: str
    role: str
    digest: str | None
    version: str | None
    size: int | None


class LogLines(msgspec.Struct, frozen=True):
    """Log lines: their number, and the first ``head`` and the last ones as ``[time, stream, text]``."""

    count: int
    head: int
    kept: list[tuple[int, str, str]]


class BackendDelivery(msgspec.Struct, frozen=True):
    """The state of delivery to one backend."""

    name: str
    state: str
    id: str | None
    url: str | None


class PageRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run, with all data of its own page.

    ``ended`` is the result of :meth:`~multitrack.reading.recorded_run.RecordedRun.ended`, ``last`` the time of the last
    record, and ``context`` an index into the page's table of contexts.

    If ``listed`` is true, the run has only the data of the table: its series are :class:`Counted`, and it has no
    directory, delivery and texts of log lines.
    """

    id: str
    name: str
    project: str
    status: str
    started: int
    ended: int | None
    last: int
    parent: str | None
    group: str | None
    notes: str | None
    directory: str
    tags: dict[str, str]
    models: dict[str, str]
    params: dict[str, Any]
    sources: dict[str, str]
    metrics: dict[str, int | float | str]
    series: Mapping[str, Points | Counted]
    lists: Mapping[str, Points | Counted]
    references: list[Reference]
    lines: LogLines
    counts: dict[str, int]
    delivery: list[BackendDelivery]
    context: int | None
    listed: bool = False


def statistics_of(statistics: Statistics) -> list[Any]:
    """Convert the statistics of a series for the page."""
    return [None if value is None else number_to_json(value) for value in msgspec.structs.astuple(statistics)]


def points_of(statistics: Statistics, thinned: Thinned, started: int) -> Points:
    """Convert a series for the page."""
    curve, means = thinned.curve, thinned.means
    return Points(
        statistics_of(statistics),
        thinned.count, thinned.odd - thinned.huge, thinned.huge, thinned.below,
        curve.steps, [time - started for time in curve.times], _numbers(curve),
        None if means is None else {
            "steps": means.steps, "times": [time - started for time in means.times], "values": _numbers(means),
            "counts": means.counts,
        },
    )  # fmt: skip


def _numbers(curve: Curve | Means) -> list[int | float | str]:
    return [number_to_json(value) for value in curve.values]


def param_to_json(value: Any) -> Any:
    """Convert a param's value for the page."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return [_item(item) for item in value] if isinstance(value, (list, tuple)) else value
    plain = number_to_json(value)
    return {"number": plain} if isinstance(plain, str) else plain


def _item(value: Any) -> Any:
    found = param_to_json(value)
    return found["number"] if isinstance(found, dict) and "number" in found else found


def script_safe(document: bytes) -> bytes:
    """Escape JSON such that nothing in it ends a ``<script>`` element or has another meaning in one."""
    for text, escape in _ESCAPES:
        document = document.replace(text, escape)
    return document
