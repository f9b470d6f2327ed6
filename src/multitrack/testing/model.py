"""The model: what a run holds after any calls, as plainly as it can be said.

It is the specification that a journal, and a tracker, are compared with. It takes calls as plain values, at the time of
the call, and refuses what training code must not do. It knows no files, no batches and no trackers.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from multitrack.errors import MetricKindError, ParamChangedError
from multitrack.testing.native import NativePoint, NativeRun


class Model(NativeRun):
    """A run, kept in memory; what a tracker with every capability shows of it.

    Attributes:
        writes: Each write of a simple metric: name, whether it was a series or list by then, and the value with its
            time and how often the name was written before. For trackers that keep all of them.
        lists: Which of the series are list metrics.
    """

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[str, bool, NativePoint]] = []
        self.lists: set[str] = set()
        self._latest: dict[object, int] = {}

    def log_params(self, params: Mapping[str, Any], *, time: int) -> None:
        """A param is written once; the same value again says nothing new."""
        if any(plain(self.params[key]) != plain(params[key]) for key in self.params.keys() & params.keys()):
            raise ParamChangedError("a param is written once")
        self.params |= {key: value for key, value in params.items() if key not in self.params}

    def log_metrics(self, values: Mapping[str, float], step: int | None, *, time: int) -> None:
        """With a step, a point of each series; without, the last value wins.

        Points that a tracker could take for one differ in time: a true repeat is a millisecond after the one before.
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
        """Appended; the index goes on."""
        if name in self.series and name not in self.lists:
            raise MetricKindError
        if values:
            self.lists.add(name)
            points = self.series.setdefault(name, [])
            points += [NativePoint(index, value, time) for index, value in enumerate(values, start=len(points))]

    def log_artifact_ref(self, name: str, uri: str, *, time: int) -> None:
        """By name, the last one."""
        self.artifacts[name] = uri

    def log_lines(self, lines: Sequence[str], *, time: int) -> None:
        """In order."""
        self.lines += lines

    def set_tags(self, tags: Mapping[str, str], *, time: int) -> None:
        """A later value replaces an earlier one."""
        self.tags |= tags

    def end(self, status: str) -> None:
        """A run that is resumed afterwards ends again."""
        self.status = status


def as_double(value: float) -> str:
    """The finite double, or NaN, that a tracker without infinities makes of a number; ``-0.0`` is ``0.0``."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    largest = sys.float_info.max
    return repr(number if math.isnan(number) else min(max(number + 0.0, -largest), largest))


def plain(value: Any) -> Any:
    """A value such that ``==`` tells ``1``, ``1.0`` and ``True`` apart, but no NaN from itself."""
    if isinstance(value, NativePoint):
        return value.step, plain(value.value), value.time
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if isinstance(value, str) else f"{type(value).__name__} {value!r}"


def as_number(value: float | None) -> object:
    """A number such that a NaN equals itself; ``1`` is ``1.0``, which few trackers tell apart."""
    return "NaN" if value != value else value
