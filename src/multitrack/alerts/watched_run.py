"""A run whose records are evaluated: the facts that rules group and select it by, and its records in their order."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack.journal.cursor import Cursor
from multitrack.journal.manifest import Manifest
from multitrack.journal.segments import segment_path
from multitrack.query.cells import ABSENT
from multitrack.query.columns import Column
from multitrack.records import End, Params, Record, Segment, Tags, typed_params

#: Records read at once, of each of the runs that were written at the same time.
_RECORDS: Final = 200
_BYTES: Final = 1 << 16
#: Milliseconds after its last record at which a run without an end, whose process is dead, counts as killed.
GONE: Final = 86_400_000


class _Segment:
    """The records of one segment: processes that a training forked write theirs at the same time as it does."""

    def __init__(self, directory: Path, number: int) -> None:
        self.waiting: deque[Record] = deque()
        self._cursor = Cursor(directory, resolved=False, only=number)
        self._path = segment_path(directory, number)
        self._read_at = -1  # the size of the file when there was nothing to read

    def next(self) -> Record | None:
        """The next record; None if there is none yet, which costs one call of the system."""
        if not self.waiting:
            size = self._path.stat().st_size
            if size == self._read_at:
                return None
            self.waiting.extend(self._cursor.read(_RECORDS, _BYTES))
            if not self.waiting:
                self._read_at = size
                return None
        return self.waiting[0]

    def at_end(self) -> bool:
        """Return True if no process writes the segment and everything was read."""
        if not self.waiting:
            self.waiting.extend(self._cursor.read(_RECORDS, _BYTES))  # a torn last line counts as read once it is dead
        return not self.waiting and self._cursor.at_end()


class WatchedRun:
    """One run.

    Args:
        directory: The run's directory.
        manifest: Its manifest.
        names: The tags and params to remember: those that rules use, as ``("tags", "deployment")``.
        evaluated: Number of segments that were evaluated before the run was resumed: of these, only tags and params
            count.

    Attributes:
        id: The run's id.
        name: The run's name.
        segments: Number of segments found.
        ended: True once its end was taken.
    """

    def __init__(
        self, directory: Path, manifest: Manifest, names: frozenset[tuple[str, str]], evaluated: int = 0
    ) -> None:
        self.id = manifest.id
        self.name = manifest.name
        self.segments = evaluated
        self.ended = False
        self._directory = directory
        self._facts: dict[tuple[str, str], Any] = {
            ("metadata", "run"): manifest.id, ("metadata", "name"): manifest.name,
            ("metadata", "project"): manifest.project, ("metadata", "group"): manifest.group,
            ("metadata", "parent"): manifest.parent,
        }  # fmt: skip
        self._names = names
        self._written: list[_Segment] = []
        self._next: tuple[_Segment, Record] | None = None
        self._time = 0
        self._groups: dict[int, str | None] = {}
        for number in range(1, evaluated + 1):
            cursor = Cursor(directory, resolved=False, only=number)
            while found := cursor.read():
                for record in found:
                    self._note(record)

    def find_segments(self) -> None:
        """Look for new segments."""
        while segment_path(self._directory, self.segments + 1).exists():
            self.segments += 1
            self._written.append(_Segment(self._directory, self.segments))

    def next_time(self) -> int | None:
        """The time of the next record in milliseconds, never before that of an earlier one; None if there is none."""
        found = None
        for segment in self._written:
            record = segment.next()
            if record is not None and (found is None or record.time < found[1].time):
                found = segment, record
        self._next = found
        return None if found is None else max(self._time, found[1].time)

    def take(self) -> tuple[int, Record]:
        """Return the next record and its time; call it only if :meth:`next_time` gave one."""
        assert self._next is not None  # noqa: S101 - see above
        segment, record = self._next
        segment.waiting.popleft()
        self._time = max(self._time, record.time)
        self._note(record)
        return self._time, record

    def killed(self, now: int) -> End | None:
        """The end of a run whose process died a day ago and that nobody has ended; None for every other run."""
        if self.ended or not self._time or now - self._time < GONE or not self._read_to_end():
            return None
        self.ended = True
        return End(time=self._time + GONE, status="killed")

    def finished(self) -> bool:
        """Return True if the run has ended and everything was read."""
        return self.ended and self._read_to_end()

    def _read_to_end(self) -> bool:
        return all(segment.at_end() for segment in self._written)

    def _note(self, record: Record) -> None:
        if type(record) is Tags:
            self._note_values("tags", record.values)
        elif type(record) is Params:
            self._note_values("params", typed_params(record))
        elif type(record) is End:
            self.ended = True
        elif type(record) is Segment and not record.fork:
            self.ended = False

    def _note_values(self, group: str, values: dict[str, Any]) -> None:
        for kind, name in self._names:
            if kind == group and name in values:
                self._facts[kind, name] = values[name]
                self._groups.clear()

    def lookup(self, column: Column) -> Any:
        """The value of a column, for filters."""
        found = self._facts.get((column.group, column.name), ABSENT)
        return ABSENT if found is None and column.name != "parent" else found

    def group(self, rule: int, column: Column, where: Callable[[Callable[[Column], Any]], bool] | None) -> str | None:
        """The group of a rule that the run belongs to now, as text; None if it belongs to none.

        Args:
            rule: The rule's number, for the cache.
            column: The column whose values are the groups.
            where: Returns True for the runs of the rule.
        """
        if rule not in self._groups:
            value = self._facts.get((column.group, column.name))
            taken = value is not None and (where is None or where(self.lookup))
            self._groups[rule] = group_text(value) if taken else None
        return self._groups[rule]


def group_text(value: Any) -> str:
    """The text of a group's value: of a number, truth value or list, its JSON."""
    return value if isinstance(value, str) else json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
