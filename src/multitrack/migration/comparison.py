"""Compare a run with its content in a tracker, value by value."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from multitrack.migration.content import Content, Series
from multitrack.migration.findings import MISSING, StandIns, Verified, note
from multitrack.reading.recorded_run import RecordedRun
from multitrack.sources.run import SourceRun

_Point = tuple[int, int, float]


def compare(run: RecordedRun, native: SourceRun, content: Content, stand_ins: list[str], found: Verified) -> None:
    """Compare a run with what a tracker holds of it.

    Args:
        run: The run.
        native: The tracker's facts of it.
        content: Its records there.
        stand_ins: The sentences of the delivery report.
        found: The outcome, to which everything is added.
    """
    expected = Content()
    for record in run.records():
        expected.add(record)
    summary = run.summary()
    facts = {
        "name": (run.manifest.name, native.name),
        "project": (run.manifest.project, native.project),
        "status": (summary.status, native.status),
        "start": (run.manifest.created, native.created),
        "end": (summary.ended, native.ended),
    }
    notes = StandIns(stand_ins)
    for thing, (here, there) in facts.items():
        note(found, notes, thing, [] if here == there else [(here, there)], int(here == there))
    for kind, ours, theirs in (
        ("param", expected.params, content.params), ("tag", expected.tags, content.tags),
        ("reference", expected.artifacts, content.artifacts),
        ("metric", expected.simple, _last_values(expected, content)),
    ):  # fmt: skip
        for name, value in ours.items():
            equal = name in theirs and _equal(value, theirs[name])
            note(found, notes, f"{kind} {name}", [] if equal else [(value, theirs.get(name, MISSING))], int(equal))
    for name, series in expected.series.items():
        extra = _compare_points(found, notes, f"metric {name}", series, content.series.get(name))
        found.extra += max(0, extra - _writes_among(name, expected, content))
    _compare_lines(found, notes, expected, content)
    found.extra += len(content.params.keys() - expected.params.keys()) + len(content.tags.keys() - expected.tags.keys())
    found.extra += sum(
        len(series.values) for name, series in content.series.items()
        if name not in expected.series and name.removesuffix("/summary") not in expected.simple
    )  # fmt: skip


def _compare_points(found: Verified, notes: StandIns, thing: str, ours: Series, theirs: Series | None) -> int:
    """Compare the points of each moment and step; returns the number of those that only the tracker has."""
    pairs: list[tuple[Any, Any]] = []
    equal = extra = 0
    groups = _moments(theirs)
    current = next(groups, None)
    for key, points in _moments(ours):
        while current is not None and current[0] < key:
            extra += len(current[1])
            current = next(groups, None)
        others: list[_Point] = []
        if current is not None and current[0] == key:
            others = current[1]
            current = next(groups, None)
        unequal = []
        for point in points:
            index = next((i for i, other in enumerate(others) if _equal(point[2], other[2])), None)
            if index is None:
                unequal.append(point)
            else:
                del others[index]
                equal += 1
        pairs += itertools.zip_longest(unequal, others[: len(unequal)], fillvalue=MISSING)
        extra += max(0, len(others) - len(unequal))
    note(found, notes, thing, pairs, equal)
    return extra + (0 if current is None else len(current[1])) + sum(len(points) for _, points in groups)


def _moments(series: Series | None) -> Iterator[tuple[tuple[int, int], list[_Point]]]:
    """Yield the points of each time and step."""
    for key, points in itertools.groupby(() if series is None else series.points(), key=lambda point: point[:2]):
        yield key, list(points)


def _writes_among(name: str, expected: Content, content: Content) -> int:
    """The number of values of simple metrics that a tracker without them has among the points of a series.

    They were written before the series began, or stand beside another one, under a name that this series has, too.
    """
    names = {name, name.removesuffix("/summary")}
    return sum(expected.writes[each] for each in names if each not in content.simple)


def _compare_lines(found: Verified, notes: StandIns, expected: Content, content: Content) -> None:
    ours, theirs = [text for text, _ in expected.lines], [text for text, _ in content.lines]
    pairs: list[tuple[Any, Any]] = [(here, there) for here, there in zip(ours, theirs, strict=False) if here != there]
    pairs += [(here, MISSING) for here in ours[len(theirs) :]]
    found.extra += max(0, len(theirs) - len(ours))
    note(found, notes, "lines", pairs, len(ours) - len(pairs))


def _last_values(expected: Content, content: Content) -> Mapping[str, Any]:
    """Simple metrics by name; in trackers without them they are series, whose last value counts.

    If the run has a series of the name as well, the value may be any of its points.
    """
    values: dict[str, Any] = {name: series.last() for name, series in content.series.items()}
    for name in expected.simple.keys() & expected.series.keys() & values.keys():
        value = expected.simple[name]
        if any(_equal(value, there) for _, _, there in content.series[name].points()):
            values[name] = value
    beside = {name.removesuffix("/summary"): value for name, value in values.items() if name.endswith("/summary")}
    return values | beside | content.simple


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are the same; trackers may have text for a value or a value for its text, and 1 for 1.0."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    if isinstance(one, bool) != isinstance(other, bool):
        return str(one) == str(other)
    if isinstance(one, str) != isinstance(other, str):
        return _is_text_of(*((one, other) if isinstance(one, str) else (other, one)))
    return bool(one == other)


def _is_text_of(text: str, value: Any) -> bool:
    """Whether a text is a tracker's form of a value, or one that a tracker without types took for a value."""
    return text in (str(value), json.dumps(value, ensure_ascii=False, default=str))
