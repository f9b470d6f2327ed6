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
from multitrack.journal.cursor import Cursor
from multitrack.journal.manifest import Context, Manifest, context_of, origin_of, read_manifest
from multitrack.journal.provenance import PATCH
from multitrack.journal.segments import check_readable
from multitrack.reading.ancestry import end_of, nearest_context
from multitrack.reading.code import read_code
from multitrack.reading.points import Line, Point, gaps_in, lines_in, lists_in, mistakes_in, points_in
from multitrack.reading.relatives import RelativesOf
from multitrack.records import Record
from multitrack.security.terminal import safe

if TYPE_CHECKING:  # imported on first use: training code opens no journal
    from multitrack.query.columns import Column
    from multitrack.query.times import Moment
    from multitrack.summaries.cached_runs import CachedRun
    from multitrack.summaries.run_index import IndexedRow, RunIndex
    from multitrack.summaries.series import Series
    from multitrack.summaries.summary import Summary


class RecordedRun:
    """One run of a journal, read on demand.

    Args:
        directory: The run's directory.
        relatives: Shared lookup of parents and children; default: a new one for its journal.

    Raises:
        JournalError: If the run is damaged or cannot be read.
    """

    __slots__ = ("_cached", "_directory", "_index", "_is_read", "_known", "_manifest", "_name", "_row", "_stamp")

    def __init__(self, directory: Path, *, relatives: Relatives | None = None) -> None:
        self._index: RunIndex | None = None
        self._row = 0
        self._name = directory.name
        self._directory: Path | None = directory
        self._known = relatives
        self._manifest: Manifest | None = None
        self._read()

    @classmethod
    def with_row(cls, name: str, index: RunIndex, row: int, relatives: Relatives) -> RecordedRun:
        """Create a run by its row in the journal's index; it is read, and may raise, only when more is needed."""
        run = cls.__new__(cls)
        run._name, run._index, run._row, run._known = name, index, row, relatives
        run._directory = run._manifest = run._cached = None
        run._is_read = False
        return run

    def _read(self) -> None:
        """Read the cached parts of the run, or its manifest; raise JournalError if it is damaged."""
        from multitrack.summaries.cache import stamp_of  # noqa: PLC0415 - see above
        from multitrack.summaries.cached_runs import cached_run  # noqa: PLC0415 - see above

        self._stamp = stamp_of(self.directory)
        self._cached = cached_run(self.directory, self._stamp)
        if self._cached is None:
            self._manifest = read_manifest(self.directory)
            check_readable(self.directory, len(self._stamp) - 1)
        self._is_read = True

    @property
    def directory(self) -> Path:
        """The run's directory."""
        if self._directory is None:
            self._directory = self.relatives.directory(self._name)
        return self._directory

    @property
    def own_id(self) -> str:
        """The run's id in its own journal."""
        return self._name

    @property
    def cached(self) -> CachedRun | None:
        """The cached parts of the run, if they were read and valid."""
        return self._cached

    @property
    def row(self) -> IndexedRow | None:
        """The run's row in the index of its journal when it was listed; None if it had none."""
        return None if self._index is None else self._index.at(self._row)

    def valid_row(self) -> tuple[RunIndex, int] | None:
        """Return the run's index and row, unless the run has changed since it was listed."""
        if self._index is not None and not self._index.is_valid(self._row, self._name):
            self._index = None
        return None if self._index is None else (self._index, self._row)

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
        if not self._is_read:
            self._read()
        return self.manifest if self._cached is None else self._cached.facts

    @property
    def id(self) -> str:
        """The run's id; ``LABEL:ID`` in a list of several journals of which another has a different run of this id."""
        return self._name if self._known is None else self._known.address(self._name)

    @property
    def parent(self) -> str | None:
        """The parent's id, in the form of :attr:`id`; None if the run has no parent."""
        parent = self.facts.parent if (row := self.row) is None else row.once("parent")
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
        return nearest_context(self)

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

        if not self._is_read:
            self._read()
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

        None while the run is running, or a child of a killed run. The run's summary is given if already read.
        """
        return end_of(self, summary or self.summary(), set())

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
        return mistakes_in(self.records())

    def get_gaps(self) -> list[str]:
        """What an import of the run could not bring exactly, in sentences."""
        return gaps_in(self.records())


class Relatives(RelativesOf[RecordedRun]):
    """Lookup of parents and children, shared by the runs of one listing."""

    def read(self, directory: Path) -> RecordedRun:
        """Read a run of the journal."""
        return RecordedRun(directory, relatives=self)
