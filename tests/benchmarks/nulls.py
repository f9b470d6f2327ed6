"""Backends that take everything and keep nothing: what is left of a delivery's cost is ours. ``nulls:null1`` and so on."""

from __future__ import annotations

from collections.abc import Sequence

from multitrack import hookimpl
from multitrack.hookspecs import Opened, RunInfo
from multitrack.records import ListMetric, Metric, Params

COUNT = 8


class Null:
    """One of them."""

    def __init__(self, name: str) -> None:
        self.name = name

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        return Opened(run.id)

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> None: ...

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> None: ...

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> None: ...

    @hookimpl
    def flush(self, run: RunInfo, position: int) -> int:
        return position

    @hookimpl
    def close_run(self, run: RunInfo, status: str, time: int) -> None: ...


globals().update({f"null{i}": Null(f"null{i}") for i in range(1, COUNT + 1)})
NAMES = tuple(f"nulls:null{i}" for i in range(1, COUNT + 1))
