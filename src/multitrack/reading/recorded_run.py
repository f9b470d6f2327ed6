"""One run back out of its journal, in plain Python values.

Everything is read from the disk when asked for; a run that is being written may be read at any time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multitrack.delivery.lane_state import LaneState, state_of
from multitrack.errors import JournalError
from multitrack.journal.cursor import Cursor
from multitrack.journal.layout import run_directories
from multitrack.journal.manifest import Context, Manifest, context_of, read_manifest
from multitrack.journal.segments import check_readable
from multitrack.reading.points import Line, Point, lines_in, lists_in, points_in
from multitrack.records import Mistake, Record
from multitrack.security.terminal import safe

if TYPE_CHECKING:  # what is imported as it is asked for: training code opens no journal
    from multitrack.query.columns import Column
    from multitrack.query.filters import Lookup
    from multitrack.query.times import Moment
    from multitrack.summaries.series import Series
    from multitrack.summaries.summary import Summary


class RecordedRun:
    """One run of a journal, read when something is asked for.

    Args:
        directory: The run's directory.
        relatives: Where its parents and children are found; default: looked for in its journal.

    Attributes:
        directory: The run's directory.

    Raises:
        JournalError: It is damaged, or cannot be read.
    """

    def __init__(self, directory: Path, *, relatives: Relatives | None = None) -> None:
        from multitrack.summaries.cache import stamp_of  # noqa: PLC0415 - see above
        from multitrack.summaries.cached_runs import cached_run  # noqa: PLC0415 - see above

        self.directory = directory
        self._known = relatives
        self._stamp = stamp = stamp_of(directory)
        self._cached = cached_run(directory, stamp)
        self._manifest: Manifest | None = None
        if self._cached is None:
            self._manifest = read_manifest(directory)
            check_readable(directory, len(stamp) - 1)

    @property
    def relatives(self) -> Relatives:
        """The runs around it."""
        if self._known is None:
            self._known = Relatives(self.directory.parent.parent)
        return self._known

    @property
    def manifest(self) -> Manifest:
        """What the run is."""
        if self._manifest is None:
            self._manifest = read_manifest(self.directory)
        return self._manifest

    @property
    def facts(self) -> Manifest:
        """The manifest without backends and packages, which are not read again if the run's summary is cached."""
        return self.manifest if self._cached is None else self._cached.facts

    @property
    def id(self) -> str:
        """The run's id."""
        return self.facts.id

    @property
    def context(self) -> Context | None:
        """Where it came from: its own context, or its parent's."""
        return context_of(self.directory, self.manifest)

    @property
    def origin(self) -> Context | None:
        """The same without the packages, as quick as :attr:`facts`."""
        run, seen = self, set[str]()
        while run.facts.context is None:
            parent = run.facts.parent
            if parent is None or parent in seen:
                return None
            seen.add(parent)
            try:
                run = self.relatives.run(self.directory.parent / parent)
            except JournalError:
                return None
        return run.facts.context

    def __repr__(self) -> str:
        return f"<RecordedRun {safe(self.facts.name)!r} ({self.id}) of {safe(self.facts.project)!r}>"

    def _repr_html_(self) -> str:
        from multitrack.reading.notebook import run_html  # noqa: PLC0415 - see above

        summary = self.summary()
        return run_html(self.facts, summary, self.took(summary))

    def records(self) -> Iterator[Record]:
        """Every record, in the run's order."""
        cursor = Cursor(self.directory)
        while stretch := cursor.read():
            yield from stretch

    def summary(self) -> Summary:
        """Everything but the series' points and the lines.

        It is cached for a run that has ended; otherwise the journal is read.
        """
        from multitrack.summaries.cache import stamp_of  # noqa: PLC0415 - see above
        from multitrack.summaries.cached_runs import read_run  # noqa: PLC0415 - see above

        stamp = stamp_of(self.directory)
        if self._cached is not None and self._stamp == stamp:
            return self._cached.summary
        found = read_run(self.directory, stamp, self.manifest)
        if found.summary.status == "running":
            self._cached = None
        else:
            self._cached, self._stamp, self._manifest = found, stamp, None  # packages take most of the room
        return found.summary

    def ended(self, summary: Summary | None = None) -> int | None:
        """When it ended (ms since the epoch): of a run that was killed, the last sign of life that it or a child left.

        Args:
            summary: Its summary, where that was read already.

        Returns:
            ``None`` while it runs, or a child of one that was killed does.
        """
        return self._ended(summary or self.summary(), set())

    def _ended(self, summary: Summary, seen: set[str]) -> int | None:
        if summary.status == "running":
            return None
        ended = max(summary.ended, self.facts.created)
        seen.add(self.id)  # damaged manifests may make a circle
        if summary.status == "killed":
            for child in self.relatives.children(self.id):
                if child.id not in seen:
                    of_child = child._ended(child.summary(), seen)
                    if of_child is None:
                        return None
                    ended = max(ended, of_child)
        return ended

    def took(self, summary: Summary | None = None) -> int:
        """Milliseconds from its start to its end; while it runs, until now."""
        ended = self.ended(summary)
        return max(0, (int(time.time() * 1000) if ended is None else ended) - self.facts.created)

    def get(self, column: str | Column, reduction: str = "last") -> Any:
        """What it has in a column (``params.lr``, ``metrics.loss:min``), ``None`` where it has nothing, or just that.

        Args:
            column: The column, or its name.
            reduction: What a series or list is reduced to where the column does not say.

        Raises:
            QueryError: There can be no such column.
        """
        from multitrack.query.cells import ABSENT, cell  # noqa: PLC0415 - see above
        from multitrack.query.columns import parse_column  # noqa: PLC0415 - see above

        found = parse_column(column) if isinstance(column, str) else column
        value = cell(found, self, self.summary(), reduction)
        return None if value is ABSENT else value

    def get_series(self, name: str) -> Series:
        """One series, all at once and quickly; its times are those of the calls.

        Where points repeat within a millisecond, :meth:`get_metrics` moves their times as trackers show them.
        """
        from multitrack.summaries.series import read_series  # noqa: PLC0415 - see above

        return read_series(self.directory, name)

    def get_all_series(self) -> dict[str, Series]:
        """Every series, by name, in one pass as quick as :meth:`get_series`."""
        from multitrack.summaries.series import read_all_series  # noqa: PLC0415 - see above

        return read_all_series(self.directory)

    def lanes(self) -> dict[str, LaneState]:
        """How far each backend is."""
        manifest = self._manifest or read_manifest(self.directory)  # not kept: its packages take most of the room
        return {entry.name: state_of(self.directory, entry.name) for entry in manifest.backends}

    def get_params(self) -> dict[str, Any]:
        """The params, flat, with the types they were logged with."""
        return self.summary().params

    def get_metrics(self, name: str | None = None) -> dict[str, list[Point]]:
        """The series, points by name, in the order they were logged: all, or the one named.

        Args:
            name: Only this one: ``get_metrics("loss")["loss"]``.
        """
        return points_in(self.records(), name)

    def get_list_metrics(self, name: str | None = None) -> dict[str, list[float]]:
        """The list metrics, numbers by name: all, or the one named."""
        return lists_in(self.records(), name)

    def get_lines(
        self, from_time: Moment | None = None, to_time: Moment | None = None, limit: int | None = None
    ) -> Iterator[Line]:
        """The log lines between two times, both included.

        Args:
            from_time: Milliseconds since the epoch, a datetime, or a text as in filters (``2026-11-01``, ``7d`` ago).
            to_time: The same.
            limit: At most so many.

        Raises:
            ValueError: The text is no time (a :class:`QueryError`), or the limit is negative.
        """
        from multitrack.query.times import milliseconds  # noqa: PLC0415 - see above
        from multitrack.summaries.series import read_lines  # noqa: PLC0415 - see above

        if limit is not None and limit < 0:
            raise ValueError(f"limit must not be negative, got {limit}")
        return lines_in(read_lines(self.directory), milliseconds(from_time), milliseconds(to_time), limit)

    def get_mistakes(self) -> Counter[tuple[str, str]]:
        """How often each wrong call was set aside: the call, and the reason."""
        return Counter((record.call, record.reason) for record in self.records() if isinstance(record, Mistake))


class Relatives:
    """What is known of the runs around those of one listing.

    Args:
        journal: The journal's directory.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._read: dict[str, RecordedRun] = {}
        self._children: dict[str, list[Path]] | None = None

    def run(self, directory: Path) -> RecordedRun:
        """A run that others descend from; read once.

        Raises:
            JournalError: It is not there, or damaged.
        """
        found = self._read.get(directory.name)
        if found is None:
            found = self._read[directory.name] = RecordedRun(directory, relatives=self)
        return found

    def names(self, directory: Path) -> tuple[str, ...]:
        """What a run is called: its id, and its name unless it is gone."""
        try:
            return directory.name, self.run(directory).facts.name
        except JournalError:
            return (directory.name,)

    def children(self, run_id: str) -> list[RecordedRun]:
        """The children of a run; the first time this looks at what every run of the journal is."""
        if self._children is None:
            self._children = {}
            for directory in run_directories(self._journal):
                try:
                    parent = RecordedRun(directory, relatives=self).facts.parent
                except JournalError:
                    continue
                if parent is not None:
                    self._children.setdefault(parent, []).append(directory)
        return [RecordedRun(directory, relatives=self) for directory in self._children.get(run_id, ())]


def lookup_in(run: RecordedRun) -> Lookup:
    """What a filter asks, with one look at the run's files; a parent by its id and its name."""
    from multitrack.query.cells import cell  # noqa: PLC0415 - see above

    summary = run.summary()

    def look(column: Column) -> Any:
        if (column.group, column.name) == ("metadata", "parent") and (parent := run.facts.parent):
            return run.relatives.names(run.directory.parent / parent)
        return cell(column, run, summary)

    return look
