"""Find the segments of a run that may be compacted, and say why others may not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from multitrack.alerts.state import read_state as read_alerts
from multitrack.compaction.segment import compacted_kinds, last_time, positions
from multitrack.delivery.lane_state import state_of
from multitrack.journal.manifest import Manifest
from multitrack.journal.segments import is_held, segment_path
from multitrack.reading.formatting import moment


class Due(msgspec.Struct, frozen=True):
    """A segment that is old enough.

    Attributes:
        path: Its file.
        reason: Why it is not compacted yet; None if it may be.
    """

    path: Path
    reason: str | None = None


def due_segments(directory: Path, manifest: Manifest, kinds: list[str], until: int) -> Iterator[Due]:
    """Yield the closed segments of a run whose records are all old enough, and not compacted yet.

    A segment has to wait until each backend has its records, and until alerts were evaluated over them and need them
    no more.

    Args:
        directory: The run's directory.
        manifest: Its manifest.
        kinds: The kinds of records to compact.
        until: The time (ms) up to which records are old enough.

    Raises:
        OSError: If a segment cannot be read.
        JournalError: If the state of the journal's alerts cannot be read.
    """
    position, number = 0, 1
    delivered: dict[str, int] | None = None
    while (path := segment_path(directory, number)).exists():
        number += 1
        time = last_time(path)
        if time > until:
            return  # later segments are not older
        if is_held(path):
            yield Due(path, "a process still writes it")
            return  # later segments cannot be delivered yet
        position += positions(path)
        if set(kinds) <= set(compacted_kinds(path)):
            continue
        if delivered is None:
            states = {entry.name: state_of(directory, entry.name) for entry in manifest.backends}
            delivered = {name: state.position for name, state in states.items()}
        yield Due(path, _waits_for(directory, delivered, position, time))


def _waits_for(directory: Path, delivered: dict[str, int], position: int, time: int) -> str | None:
    late = [name for name, reached in delivered.items() if reached < position]
    if late:
        return f"not delivered to {', '.join(late)} yet: run `multitrack sync`"
    alerts = read_alerts(directory.parent.parent)
    if alerts is None or time < alerts.until - alerts.lookback:
        return None
    if time < alerts.until:
        return f"windows of alerts need its records until {moment(time + alerts.lookback)}"
    return (
        f"alerts are evaluated up to {moment(alerts.until)}: run `multitrack alerts check`, or remove "
        f"{directory.parent.parent / 'alerts.json'} if there are no alerts any more"
    )
