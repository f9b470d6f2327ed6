"""What a tracker holds of a run, as its own reader gives it: the common form that the contract compares."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple


class NativePoint(NamedTuple):
    """A point of a series: step, value, and time in milliseconds (``None`` where the tracker keeps none)."""

    step: int
    value: float
    time: int | None


@dataclasses.dataclass
class NativeRun:
    """One run as a tracker's own reader gives it.

    Attributes:
        name: Display name.
        status: ``finished``, ``failed``, ``killed`` or ``running``.
        params: By flat key, in whatever type the tracker has.
        metrics: Simple metrics: their value.
        series: Points of each series and list metric, in the tracker's order.
        artifacts: URI by name.
        lines: Text of all lines, in order.
        tags: By key.
        parent: The tracker's id of the parent, or what else shows it.
        started: Start time (ms), ``None`` where the tracker keeps none.
        ended: End time (ms), ``None`` where the tracker keeps none.
        identity: ``user``, ``host`` and ``program`` as the tracker shows them, those it can show.
    """

    name: str | None = None
    status: str = "running"
    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    series: dict[str, list[NativePoint]] = dataclasses.field(default_factory=dict)
    artifacts: dict[str, str] = dataclasses.field(default_factory=dict)
    lines: list[str] = dataclasses.field(default_factory=list)
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    parent: str | None = None
    started: int | None = None
    ended: int | None = None
    identity: dict[str, str | None] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """What a tracker can hold as it is; what it cannot must have a visible, lossless stand-in.

    A test of something that is ``False`` here is skipped with this field as its reason.

    Attributes:
        typed_params: Numbers and truth values keep their type (else: their text).
        nan: A NaN in a series reads back as NaN.
        infinity: ±inf in a series reads back as such.
        point_times: Each point keeps its time.
        end_time: A run keeps its end time.
        start_time: A run keeps its start time.
        resumable: A finished run can be continued in place.
        any_names: Names of any Unicode are kept letter for letter.
        call_order: The points of a series come in the order of their calls; else: in the order of their times.
    """

    typed_params: bool = True
    nan: bool = True
    infinity: bool = True
    point_times: bool = True
    end_time: bool = True
    start_time: bool = True
    resumable: bool = True
    any_names: bool = True
    call_order: bool = True
