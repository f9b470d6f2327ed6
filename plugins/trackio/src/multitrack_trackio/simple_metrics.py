"""Tell the writes of simple metrics in Trackio's rows from the points of series.

A write is a row of its own, and says so in its id. It has the metric's key, or ``<key>/summary`` once there is a series
of the name. Trackio removes the ids of a run that is renamed there. Then a write is known by its step, which is the
count of the metric's earlier writes: under the metric's key, writes come before the points of the series.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from multitrack_trackio.names import OWN, SUMMARY, metric_key
from multitrack_trackio.rows import WRITE

#: The rows without an id in which a text stands, as step and values.
FindRows = Callable[[str], Iterable[tuple[int, str]]]


class SimpleMetrics:
    """The simple metrics of a run, while its rows are read in their order.

    Args:
        config: The run's config, which has the last value of each.
        find_rows: Finds rows of the run.
    """

    def __init__(self, config: Mapping[str, Any], find_rows: FindRows) -> None:
        self._names: dict[str, str] = {}
        self._writes: dict[str, int] = {}
        #: Number of writes under the metric's own key; by that key, for rows without ids.
        self._first: dict[str, float] = {}
        for name in [key.removeprefix(SUMMARY) for key in config if key.startswith(SUMMARY)]:
            key, beside = metric_key(name), metric_key(f"{name}/summary")
            self._names[key] = self._names[beside] = name
            self._writes[name] = 0
            self._first[key] = min(_steps(beside, find_rows), default=math.inf)

    def name_of(self, key: str, step: int, row_id: str | None) -> str | None:
        """Return the metric's name if the next row is a write of it; None if it is a point of a series.

        Args:
            key: A key of the row.
            step: Its step.
            row_id: Its id; None if Trackio has removed it.
        """
        name = self._names.get(key)
        if name is None:
            return None
        if row_id is None:
            is_write = step == self._writes[name] and step < self._first.get(key, math.inf)
        else:
            is_write = f".{WRITE}" in row_id
        if is_write:
            self._writes[name] += 1
            return name
        self._first[key] = 0  # a series has begun
        return None


def row_id_of(log_id: str | None, row: Mapping[str, Any]) -> str | None:
    """Return multitrack's id of a row, without the run's; None if it has none."""
    found = row.get(f"{OWN}row", log_id)
    return None if found is None else str(found).rpartition("/")[2]


def _steps(key: str, find_rows: FindRows) -> Iterable[int]:
    for step, text in find_rows(json.dumps(key, ensure_ascii=False)):
        row = json.loads(text)
        if key in row and row_id_of(None, row) is None:
            yield step
