"""Leave out of a source's records those that the journal has, so that an import can be repeated and continued."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from multitrack.errors import SourceError
from multitrack.journal.cursor import Cursor
from multitrack.records import ArtifactRef, End, Lines, ListMetric, Metric, Mistake, Params, Record, Tags
from multitrack.sources.source import Gap, PlainRecord


class _Stream:
    """Numbers or lines in their order: how many there are, and a checksum over them."""

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0

    def add(self, *item: Any) -> None:
        self.count += 1
        self.sum = zlib.crc32(repr(item).encode("utf-8", "backslashreplace"), self.sum)


class _Content:
    """All records of a run, or those so far: points and lines are counted, everything else is kept."""

    def __init__(self) -> None:
        self.streams: dict[tuple[str, str], _Stream] = {}
        self.simple: Counter[tuple[Any, ...]] = Counter()
        self.params: dict[str, tuple[Any, ...]] = {}
        self.tags: dict[str, str] = {}
        self.artifacts: set[tuple[Any, ...]] = set()
        self.gaps: set[str] = set()

    def stream(self, kind: str, name: str) -> _Stream:
        key = kind, name
        found = self.streams.get(key)
        if found is None:
            found = self.streams[key] = _Stream()
        return found


class Held:
    """The records that a journal holds of an imported run.

    Args:
        directory: The run's directory.

    Attributes:
        is_empty: True if there is no segment yet.
        end: The run's end; None if it has none.
        last_time: The latest time in it (ms).
    """

    def __init__(self, directory: Path | None) -> None:
        self.is_empty = directory is None
        self.end: End | None = None
        self.last_time = 0
        self._held, self._seen = _Content(), _Content()
        if directory is None:
            return
        cursor = Cursor(directory, resolved=False)  # with the times on disk, which are those of the source
        while records := cursor.read():
            for record in records:
                _add(self._held, record)
        self.end, self.last_time = cursor.ended, cursor.last_time

    def new_part(self, record: PlainRecord) -> PlainRecord | None:
        """The part of a record that the journal lacks; None if it has all of it.

        A param keeps the value that was imported first, as in every run.

        Raises:
            SourceError: If the source has other numbers or lines than were imported.
        """
        if isinstance(record, Gap):
            return None if record.reason in self._held.gaps else record
        if isinstance(record, Params):
            fresh = [key for key in record.values if key not in self._held.params]
            return _picked(record, fresh, ("values", "types", "objects")) if fresh else None
        if isinstance(record, Tags):
            fresh = [key for key, value in record.values.items() if self._held.tags.get(key) != value]
            return _picked(record, fresh, ("values",)) if fresh else None
        if isinstance(record, ArtifactRef):
            return None if _reference(record) in self._held.artifacts else record
        if isinstance(record, Metric):
            fresh = [
                name for name, value in record.values.items()
                if not self._has_value(record, name, value)
            ]  # fmt: skip
            return _picked(record, fresh, ("values",)) if fresh else None
        if isinstance(record, ListMetric):
            numbers = [value for value in record.values if not self._has("list", record.name, (value,))]
            return msgspec.structs.replace(record, values=numbers) if numbers else None
        lines = [line for line in record.lines if not self._has("lines", "", (line,))]
        return msgspec.structs.replace(record, lines=lines) if lines else None

    def changed_params(self, record: Params) -> list[Gap]:
        """A gap for each param whose value changed in the source after it was imported."""
        return [
            Gap(f"param {key}: changed in the source to {value[0]!r}, the imported value stays")
            for key, value in _params(record).items()
            if self._held.params.get(key, value) != value
        ]

    def check_all(self) -> None:
        """Check, after the last record, that the source still has what was imported.

        Raises:
            SourceError: If it has fewer values.
        """
        for (kind, name), stream in self._held.streams.items():
            if self._seen.stream(kind, name).count < stream.count:
                raise _changed(kind, name, f"{self._seen.stream(kind, name).count} now, {stream.count} imported")

    def _has_value(self, record: Metric, name: str, value: Any) -> bool:
        if record.step is not None:
            return self._has("series", name, (record.time, record.step, value))
        # The summary of a run that went on may have other values now, which replace the earlier ones.
        item = name, record.time, repr(value)
        self._seen.simple[item] += 1
        return self._seen.simple[item] <= self._held.simple[item]

    def _has(self, kind: str, name: str, item: tuple[Any, ...]) -> bool:
        seen, held = self._seen.stream(kind, name), self._held.streams.get((kind, name))
        seen.add(*item)
        if held is None or seen.count > held.count:
            return False
        if seen.count == held.count and seen.sum != held.sum:
            raise _changed(kind, name, "other values")
        return True


def _add(content: _Content, record: Record) -> None:
    if isinstance(record, Params):
        content.params |= _params(record)
    elif isinstance(record, Tags):
        content.tags |= record.values
    elif isinstance(record, ArtifactRef):
        content.artifacts.add(_reference(record))
    elif isinstance(record, Metric):
        for name, value in record.values.items():
            if record.step is None:
                content.simple[name, record.time, repr(value)] += 1
            else:
                content.stream("series", name).add(record.time, record.step, value)
    elif isinstance(record, ListMetric):
        for value in record.values:
            content.stream("list", record.name).add(value)
    elif isinstance(record, Lines):
        for line in record.lines:
            content.stream("lines", "").add(line)
    elif isinstance(record, Mistake) and record.is_gap:
        content.gaps.add(record.reason)


def _params(record: Params) -> dict[str, tuple[Any, ...]]:
    return {key: (value, record.types.get(key)) for key, value in record.values.items()}


def _reference(record: ArtifactRef) -> tuple[Any, ...]:
    return record.name, record.uri, record.kind, record.role, record.digest, record.version, record.size


def _picked(record: Any, keys: list[str], fields: tuple[str, ...]) -> Any:
    """The record with only these keys in its mappings."""
    parts = {
        field: {key: getattr(record, field)[key] for key in keys if key in getattr(record, field)} for field in fields
    }
    return msgspec.structs.replace(record, **parts)


def _changed(kind: str, name: str, how: str) -> SourceError:
    thing = "its lines" if kind == "lines" else f"metric {name}"
    return SourceError(f"{thing} changed in the source since the last import ({how}); import it into another journal")
