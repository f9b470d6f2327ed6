"""Write imported records with their own times into segments in which times never go back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from multitrack.errors import JournalError
from multitrack.journal.manifest import Manifest
from multitrack.journal.writer import Writer
from multitrack.migration.held import Held
from multitrack.records import End, Lines, ListMetric, Metric, Record, number_to_json

#: Records whose times are those of the tracker. The others, such as tags, have no time there.
_TIMED = (Metric, ListMetric, Lines, End)


class Segments:
    """The segments that an import adds to a run.

    Readers rely on times that never go back within a segment. Trackers have runs in which they do: a clock that was
    set, or a second file that was written beside the first. There, another segment begins.

    Args:
        directory: The run's directory, locked for opening segments.
        manifest: The run's manifest.
        held: The records that it has.
        created: Start time of the run (ms).
    """

    def __init__(self, directory: Path, manifest: Manifest, held: Held, created: int) -> None:
        self._directory = directory
        self._manifest = msgspec.to_builtins(manifest)
        self._writer: Writer | None = None
        self._last_time = max(held.last_time, created)
        # A first segment without ``fork`` means that the run was resumed after its end.
        self._continues = held.end is None and not held.is_empty
        if held.is_empty:
            self._open(created)  # a run without records has a segment as well

    def append(self, record: Record) -> None:
        """Write a record.

        Raises:
            JournalError: If it cannot be written; nothing more is imported into this run then.
        """
        if not isinstance(record, _TIMED):
            record = msgspec.structs.replace(record, time=max(record.time, self._last_time))
        writer = self._writer
        if writer is None or record.time < self._last_time:
            writer = self._open(record.time)
        self._last_time = record.time
        if not _write(writer, record):
            raise JournalError(f"run {self._directory.name}: the journal cannot be written; import again to go on")

    def close(self) -> None:
        """Close the last segment."""
        if self._writer is not None:
            self._writer.close()

    def _open(self, time: int) -> Writer:
        self.close()
        self._writer = Writer(self._directory, fork=self._continues, manifest=self._manifest, time=time)
        self._continues = True
        self._last_time = time
        return self._writer


def _write(writer: Writer, record: Any) -> int:
    if isinstance(record, Metric):
        numbers: dict[str, Any] = {key: number_to_json(value) for key, value in record.numbers.items()}
        record = msgspec.structs.replace(record, values=numbers)
    if isinstance(record, ListMetric):
        return writer.append_list(
            msgspec.structs.replace(record, values=[number_to_json(value) for value in record.numbers])
        )
    return writer.append(record)
