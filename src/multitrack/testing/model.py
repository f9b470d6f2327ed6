"""The model: the expected content of a run after any calls, in its simplest form.

It is the specification that journals and trackers are compared with. It takes calls with plain values and the time of
the call, and raises on invalid calls. It has no files, batches or trackers.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from multitrack.errors import MetricKindError, ParamChangedError
from multitrack.testing.native import NativePoint, NativeRun


class Model(NativeRun):
    """A run in memory, as a tracker with every capability shows it.

    Attributes:
        writes: Each write of a simple metric, for trackers that keep all of them: the name, True if it was already a
            series or list, and a point with the value, its time, and the number of earlier writes as its step.
        lists: The names of the series that are list metrics.
    """

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[str, bool, NativePoint]] = []
        self.lists: set[str] = set()
        self._latest: dict[object, int] = {}

    def log_params(self, params: Mapping[str, Any], *, time: int) -> None:
        """Add params. A param is written once; writing the same value again has no effect."""
        if any(plain(self.params[key]) != plain(params[key]) for key in self.params.keys() & params.keys()):
            raise ParamChangedError("a param is written once")
        self.params |= {key: value for key, value in params.items() if key not in self.params}

    def log_metrics(self, values: Mapping[str, float], step: int | None, *, time: int) -> None:
        """With a step, add a point to each series; without, set the value: the last one wins.

        Points that a tracker could merge differ in time: an exact repeat is a millisecond after the one before.
        """
        if self.lists & values.keys():
            raise MetricKindError
        if step is None:
            for name, value in values.items():
                earlier = sum(name == written for written, _, _ in self.writes)
                self.writes.append((name, name in self.series, NativePoint(earlier, value, time)))
                self.metrics[name] = value
            return
        points = [(name, step, as_double(value)) for name, value in values.items()]
        time = max([time, *(self._latest[point] + 1 for point in points if point in self._latest)])
        for (name, value), point in zip(values.items(), points, strict=True):
            self.series.setdefault(name, []).append(NativePoint(step, value, time))
            self._latest[point] = time

    def log_list_metric(self, name: str, values: Sequence[float], *, time: int) -> None:
        """Append values; the index continues."""
        if name in self.series and name not in self.lists:
            raise MetricKindError
        if values:
            self.lists.add(name)
            points = self.series.setdefault(name, [])
            points += [NativePoint(index, value, time) for index, value in enumerate(values, start=len(points))]

    def log_artifact_ref(self, name: str, uri: str, *, time: int) -> None:
        """Set the reference of a name; the last one wins."""
        self.artifacts[name] = uri

    def log_lines(self, lines: Sequence[str], *, time: int) -> None:
        """Append lines in order."""
        self.lines += lines

    def set_tags(self, tags: Mapping[str, str], *, time: int) -> None:
        """Set tags; a later value replaces an earlier one."""
        self.tags |= tags

    def end(self, status: str) -> None:
        """Set the final status; a run that is resumed afterwards ends again."""
        self.status = status


def as_double(value: float) -> str:
    """Return the repr of a number as a finite double or NaN, for trackers without infinities; ``-0.0`` is ``0.0``."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    largest = sys.float_info.max
    return repr(number if math.isnan(number) else min(max(number + 0.0, -largest), largest))


def plain(value: Any) -> Any:
    """Return a form of a value in which ``1``, ``1.0`` and ``True`` differ, and NaN equals NaN."""
    if isinstance(value, NativePoint):
        return value.step, plain(value.value), value.time
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if isinstance(value, str) else f"{type(value).__name__} {value!r}"


def as_number(value: float | None) -> object:
    """Return a form of a number in which NaN equals NaN; ``1`` equals ``1.0``, as few trackers distinguish them."""
    return "NaN" if value != value else value
