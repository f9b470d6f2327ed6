"""A metric followed over runs."""

from __future__ import annotations

from typing import Any

import msgspec

from multitrack.summaries.dataframes import Framed


class Measured(msgspec.Struct, frozen=True):
    """The value of a metric in one run: a point of a metric followed over runs."""

    run: str
    name: str
    time: int
    value: Any


class Followed(dict[Any, list[Measured]], Framed):
    """Points of a metric over runs, by the value of a column; as a frame, one row per run, with the value as ``by``."""

    def _columns(self) -> dict[str, list[Any]]:
        found = [(by, point) for by, points in self.items() for point in points]
        return {
            "by": [by for by, _ in found],
            **{name: [getattr(point, name) for _, point in found] for name in ("run", "name", "time", "value")},
        }
