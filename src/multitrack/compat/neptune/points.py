"""The values of a series as rows: read back from the journal, and shown as Neptune shows them."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, NamedTuple

from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import Lines


class Row(NamedTuple):
    """A value of a series, with the time of the call (ms)."""

    step: int
    value: Any
    time: int


def number_rows(directory: Path, path: str) -> list[Row]:
    """The points of a series in the order of the calls."""
    points = RecordedRun(directory).get_metrics(path).get(path, [])
    return [Row(point.step, point.value, point.time) for point in points]


def text_rows(directory: Path, path: str) -> list[Row]:
    """The lines of a text series."""
    prefix = f"{path}: "
    rows: list[Row] = []
    for record in RecordedRun(directory).records():
        if isinstance(record, Lines) and record.stream == "log":
            for line in record.lines:
                if line.startswith(prefix):
                    rows.append(Row(len(rows), line.removeprefix(prefix), record.time))
    return rows


def rows_as_frame(rows: list[Row], *, with_times: bool) -> Any:
    """Rows as a ``DataFrame`` with the columns ``step``, ``value`` and ``timestamp``; without pandas, as dicts."""
    columns: dict[str, list[Any]] = {
        "step": [float(row.step) for row in rows],
        "value": [row.value for row in rows],
    }
    if with_times:
        columns["timestamp"] = [datetime.datetime.fromtimestamp(row.time / 1000) for row in rows]
    try:
        import pandas as pd  # noqa: PLC0415 - a frame is rarely asked for
    except ImportError:
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return pd.DataFrame(columns)
