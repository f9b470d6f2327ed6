"""Read one run from its journal, as plain Python values.

Everything is read from disk on each call. A run that is being written can be read at any time.
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
from multitrack.journal.manifest import Context, Manifest, context_of, origin_of, read_manifest
from multitrack.journal.provenance import PATCH
from multitrack.journal.segments import check_readable
from multitrack.reading.code import read_code
from multitrack.reading.points import Line, Point, lines_in, lists_in, points_in
from multitrack.reading.relatives import RelativesOf
from multitrack.records import Mistake, Record
from multitrack.security.terminal import safe

if TYPE_CHECKING:  # imported on first use: training code opens no journal
    from multitrack.query.columns import Column
    from multitrack.query.times import Moment
    from multitrack.summaries.series import Series
    from multitrack.summaries.summary import Summary


class RecordedRun:
    """One run of a journal, read on demand.

    Args:
        directory: The run's directory.
        relatives: Shared lookup of parents and children; default: a new one for its journal.

    Attributes:
        directory: The run's directory.

    Raises:
        JournalError: If the run is damaged or cannot be read.
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
        """Lookup of the run's parents and children."""
        if self._known is None:
            self._known = Relatives(self.directory.parent.parent)
        return self._known

    @property
    def manifest(self) -> Manifest:
        """The run's manifest."""
        if self._manifest is None:
            self._manifest = read_manifest(self.directory)
        return self._manifest

    @property
    def facts(self) -> Manifest:
        """The manifest, without backends and packages if it comes from the cache."""
        return self.manifest if self._cached is None else self._cached.facts

    @property
    def id(self) -> str:
        """The run's id; ``LABEL:ID`` in a list of several journals of which another has a different run of this id."""
        return self.facts.id if self._known is None else self._known.address(self.facts.id)

    @property
    def parent(self) -> str | None:
        """The parent's id, in the form of :attr:`id`; None if the run has no parent."""
        parent = self.facts.parent
        return parent if parent is None or self._known is None else self._known.address(parent)

    @property
    def journal(self) -> str:
        """The label of the run's journal."""
        return self.relatives.label

    @property
    def context(self) -> Context | None:
        """The run's own context, or its nearest ancestor's; None if an ancestor's manifest cannot be read."""
        return context_of(self.directory, self.manifest)

    @property
    def origin(self) -> Context | None:
        """Like :attr:`context`, but possibly without packages, and as fast as :attr:`facts`."""
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
        """Iterate over all records, in the run's order."""
        cursor = Cursor(self.directory)
        while stretch := cursor.read():
            yield from stretch

    def summary(self) -> Summary:
        """The run's summary: everything but the points of series, the numbers of lists and the lines.

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
            self._cached, self._stamp, self._manifest = found, stamp, None  # packages take most of the memory
        return found.summary

    def ended(self, summary: Summary | None = None) -> int | None:
        """The end time (ms since the epoch); of a killed run, the time of the last record of it or a descendant.

        Args:
            summary: The run's summary, if already read.

        Returns:
            The end time; None while the run is running, or while a child of a killed run is.
        """
        return self._ended(summary or self.summary(), set())

    def _ended(self, summary: Summary, seen: set[str]) -> int | None:
        if summary.status == "running":
            return None
        ended = max(summary.ended, self.facts.created)
        seen.add(self.facts.id)  # damaged manifests may form a cycle
        if summary.status == "killed":
            for child in self.relatives.children(self.facts.id):
                if child.facts.id not in seen:
                    of_child = child._ended(child.summary(), seen)
                    if of_child is None:
                        return None
                    ended = max(ended, of_child)
        return ended

    def took(self, summary: Summary | None = None) -> int:
        """The duration in milliseconds from the run's start to its end, or until now while it runs."""
        ended = self.ended(summary)
        return max(0, (int(time.time() * 1000) if ended is None else ended) - self.facts.created)

    def get(self, column: str | Column, reduction: str = "last") -> Any:
        """The run's value in a column (``params.lr``, ``metrics.loss:min``); None if it has none, or the value is None.

        Args:
            column: The column, or its name.
            reduction: Reduction of a series or list, if the column does not name one.

        Raises:
            QueryError: If the column's name is invalid.
        """
        from multitrack.query.cells import ABSENT, cell  # noqa: PLC0415 - see above
        from multitrack.query.columns import parse_column  # noqa: PLC0415 - see above

        found = parse_column(column) if isinstance(column, str) else column
        value = cell(found, self, self.summary(), reduction)
        return None if value is ABSENT else value

    def get_series(self, name: str) -> Series:
        """Read one series fast; its times are those of the calls.

        For points repeated within a millisecond, :meth:`get_metrics` returns the moved times that trackers show.
        """
        from multitrack.summaries.series import read_series  # noqa: PLC0415 - see above

        return read_series(self.directory, name)

    def get_all_series(self) -> dict[str, Series]:
        """Read all series, by name, in one pass as fast as :meth:`get_series`."""
        from multitrack.summaries.series import read_all_series  # noqa: PLC0415 - see above

        return read_all_series(self.directory)

    def lanes(self) -> dict[str, LaneState]:
        """The delivery state of each backend, by name."""
        manifest = self._manifest or read_manifest(self.directory)  # not kept: its packages take much memory
        return {entry.name: state_of(self.directory, entry.name) for entry in manifest.backends}

    def get_params(self) -> dict[str, Any]:
        """The flattened params, with the types they were logged with."""
        return self.summary().params

    def get_metrics(self, name: str | None = None) -> dict[str, list[Point]]:
        """The points of the series, by name, in the order they were logged.

        Args:
            name: Only this series: ``get_metrics("loss")["loss"]``; default: all.
        """
        return points_in(self.records(), name)

    def get_list_metrics(self, name: str | None = None) -> dict[str, list[float]]:
        """The numbers of the list metrics, by name: all, or only the named one."""
        return lists_in(self.records(), name)

    def get_lines(
        self, from_time: Moment | None = None, to_time: Moment | None = None, limit: int | None = None
    ) -> Iterator[Line]:
        """Iterate over the log lines between two times, both included.

        Args:
            from_time: Milliseconds since the epoch, a datetime, or a text as in filters (``2026-11-01``, ``7d`` ago).
            to_time: As ``from_time``.
            limit: Maximum number of lines.

        Raises:
            ValueError: If a text is not a time (a :class:`QueryError`), or the limit is negative.
        """
        from multitrack.query.times import milliseconds  # noqa: PLC0415 - see above
        from multitrack.summaries.series import read_lines  # noqa: PLC0415 - see above

        if limit is not None and limit < 0:
            raise ValueError(f"limit must not be negative, got {limit}")
        return lines_in(read_lines(self.directory), milliseconds(from_time), milliseconds(to_time), limit)

    def get_code(self, name: str = PATCH) -> bytes | None:
        """Read a file of the run's source, or of its nearest ancestor's; None if there is none.

        Args:
            name: ``diff.patch``, ``untracked.txt``, ``script.py`` or ``notebook.py``. The patch is for ``git apply``
                in the recorded commit; ``context.code`` has what was left out of it and where secrets were redacted.

        Raises:
            ValueError: If the name is another one.
            JournalError: If the file cannot be read, or multitrack did not write it: a link, or a larger file.
        """
        return read_code(origin_of(self.directory, self.manifest)[0], name)

    def get_mistakes(self) -> Counter[tuple[str, str]]:
        """The number of invalid calls that were set aside, by call and reason."""
        found = (record for record in self.records() if isinstance(record, Mistake) and not record.is_gap)
        return Counter((record.call, record.reason) for record in found)

    def get_gaps(self) -> list[str]:
        """What an import of the run could not bring exactly, in sentences."""
        return [record.reason for record in self.records() if isinstance(record, Mistake) and record.is_gap]


class Relatives(RelativesOf[RecordedRun]):
    """Lookup of parents and children, shared by the runs of one listing."""

    def read(self, directory: Path) -> RecordedRun:
        """Read a run of the journal."""
        return RecordedRun(directory, relatives=self)
