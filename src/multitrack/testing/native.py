"""A run as read back from a tracker, in the common form that the contract compares."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple


class NativePoint(NamedTuple):
    """A point of a series: step, value, and time in milliseconds (``None`` if the tracker keeps none)."""

    step: int
    value: float
    time: int | None


class NativeReference(NamedTuple):
    """What a tracker shows of an artifact reference, beside its URI."""

    kind: str
    role: str
    digest: str | None
    size: int | None
    version: str | None = None


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
        references: Kind, role, digest, size and version of each artifact, by name. Compared only if this is given.
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
    references: dict[str, NativeReference] | None = None
    lines: list[str] = dataclasses.field(default_factory=list)
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    parent: str | None = None
    started: int | None = None
    ended: int | None = None
    identity: dict[str, str | None] = dataclasses.field(default_factory=dict)
