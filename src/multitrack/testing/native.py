"""A run as read back from a tracker, in the common form that the contract compares."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple


class NativePoint(NamedTuple):
    """A point of a series: step, value, and time in milliseconds (``None`` if the tracker keeps none)."""

    step: int
    value: float
    time: int | None


@dataclasses.dataclass
class NativeRun:
    """One run as read by the tracker's own reader.

    Attributes:
        name: Display name.
        status: ``finished``, ``failed``, ``killed`` or ``running``.
        params: Params by flat key, in the tracker's types.
        metrics: Simple metrics: value by name.
        series: Points of each series and list metric, in the tracker's order.
        artifacts: URI by name.
        lines: Text of all lines, in order.
        tags: Tags by key.
        parent: The tracker's id of the parent, or the parent's run id.
        started: Start time (ms), ``None`` if the tracker keeps none.
        ended: End time (ms), ``None`` if the tracker keeps none.
        identity: Those of ``user``, ``host`` and ``program`` that the tracker can show.
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
    """The values that a tracker can hold unchanged. Anything else must have a visible, lossless stand-in.

    A test that needs a capability that is ``False`` must fail; it then counts as skipped, with the field as its reason.
    If it passes, the contract fails, because the declaration is wrong.

    Attributes:
        typed_params: Numbers and booleans keep their type; otherwise they become text.
        nan: NaN in a series reads back as NaN.
        infinity: ±inf in a series reads back as ±inf.
        point_times: Each point keeps its time.
        end_time: A run keeps its end time.
        start_time: A run keeps its start time.
        resumable: A finished run can be continued in place.
        any_names: Names of any Unicode are kept exactly.
        call_order: The points of a series are in the order of their calls; otherwise in the order of their times.
        history: Every point of a series and of a list metric is kept; otherwise only the last one.
        params: Params are kept.
        artifacts: Artifact references are kept.
        lines: Lines are kept.
        tags: Tags are kept, whatever their keys are.
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
    history: bool = True
    params: bool = True
    artifacts: bool = True
    lines: bool = True
    tags: bool = True
