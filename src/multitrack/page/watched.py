"""The runs of a served page: read on request, and sent as far as the page does not have them.

A page of few runs has them completely. A page of many runs has what its table shows; curves, log lines and statistics
are read when the page requests them. An update has only the runs, contexts and nodes that changed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from multitrack.errors import JournalError, QueryError
from multitrack.journal.prepared import prepared
from multitrack.page.collect import Collected, Tables
from multitrack.page.ledger import Ledger
from multitrack.page.lineage import PageLineage
from multitrack.page.monitor import PageMonitor
from multitrack.page.render import Options, data_block, metric_names, page_head, plotly, policy_header, render
from multitrack.page.sampling import FEW, Limits
from multitrack.page.schema import Counted, PageRun, Points
from multitrack.reading.recorded_run import RecordedRun
from multitrack.summaries.cache import Stamp, stamp_of
from multitrack.summaries.run_index import IndexedRow

#: Number of statistics of a series in a page of many runs: count, first and last.
_FIRST_STATISTICS: Final = 3


class _Seen(msgspec.Struct):
    """One run as it was last read.

    Attributes:
        run: The run.
        collected: What was read of it; None if no process writes it and the page has many runs.
        row: Its row in the journal's index, which stays the same while nothing of the run changes.
        stamp: The stamp of its files when they were read.
        short: The encoded run for a new page, with the first statistics only if the page has many runs.
    """

    run: RecordedRun
    collected: Collected | None
    row: IndexedRow | None
    stamp: Stamp
    short: bytes


class _Statistics(msgspec.Struct):
    """The part of an encoded run that a column needs."""

    series: dict[str, Counted]
    lists: dict[str, Counted]


class Watched:
    """The runs of a growing page, read on request, but not more often than every ``every`` seconds.

    Args:
        source: Returns the current runs at each call.
        options: The options of the page.
        every: Minimum interval between reads, in seconds.
    """

    def __init__(self, source: Callable[[], Iterable[RecordedRun]], options: Options, every: float = 2.0) -> None:
        self._source = source
        self._options = options
        self._every = every
        self._charts = plotly() if options.charts else ""
        self._tables = Tables()
        self._marks = [(0, 0, 0)]  # the numbers of contexts and packages in each version that had more of them
        self._seen: dict[str, _Seen] = {}
        self._runs = Ledger()
        self._told: set[tuple[str, str]] = set()
        self._names: dict[str, None] = {}
        self._monitor = PageMonitor()
        self._windows, self._executions = Ledger(), Ledger()
        self._lineage = PageLineage()
        self._version = 0
        self._read_at = -every
        self._lock = threading.Lock()

    def page(self) -> bytes:
        """Return the whole page."""
        with self._lock:
            self._refresh()
            few = len(self._seen) <= FEW
            head = self._head(
                contexts=self._tables.contexts if few else {}, packages=self._tables.packages if few else {},
                lineage=self._lineage.block() if few else None, monitor=self._monitor.block(),
            )  # fmt: skip
            block = data_block(head, [seen.short for seen in self._seen.values()])
        return render(block, self._charts, served=True)

    def changes(self, since: int) -> bytes:
        """Return what changed after a version of the page, as JSON."""
        with self._lock:
            self._refresh()
            if self._version <= since:
                return data_block({"version": self._version}, [])
            _, contexts, packages = self._marks[bisect_right(self._marks, since, key=lambda mark: mark[0]) - 1]
            head = self._head(
                contexts=_after(self._tables.contexts, contexts), packages=_after(self._tables.packages, packages),
                lineage=_raw(self._lineage.since(since)),
                monitor={"metrics": self._windows_since(since), "executions": _raw(self._executions.since(since))},
            )  # fmt: skip
            return data_block(head, self._runs.since(since).values())

    def run(self, run_id: str) -> bytes:
        """Return a run with its curves and log lines, and its context, as JSON; none if it is gone."""
        with self._lock:
            tables = Tables()  # this context has packages, which those of the table lack
            seen = self._seen.get(run_id)
            found: list[PageRun] = []
            with contextlib.suppress(JournalError):  # its directory is gone
                found += [] if seen is None else [self._whole(seen, self._options.lines).page_run(tables)]
            head = {"contexts": tables.contexts, "packages": tables.packages}
            return data_block(head, map(msgspec.json.encode, found))

    def curves(self, group: str, name: str, ids: Iterable[str]) -> bytes:
        """Return the points of a series or list of each of these runs that has it, by run id, as JSON."""
        with self._lock:
            found: dict[str, Points] = {}
            for run_id in ids:
                with contextlib.suppress(JournalError, KeyError):  # its directory is gone, or there is no such run
                    points = self._whole(self._seen[run_id], 0).points(group, name)
                    found |= {} if points is None else {run_id: points}
            return msgspec.json.encode({"curves": found})

    def contexts(self) -> bytes:
        """Return all contexts, with the packages that they name, as JSON."""
        with self._lock:
            return msgspec.json.encode({"contexts": self._tables.contexts, "packages": self._tables.packages})

    def lineage(self) -> bytes:
        """Return the nodes of the lineage by id, as in an update of the page, as JSON."""
        with self._lock:
            return msgspec.json.encode({"lineage": _raw(self._lineage.since(0))})

    def column(self, group: str, name: str) -> bytes:
        """Return the statistics of a series or list of each run that has it, by run id, as JSON."""
        with self._lock:
            found: dict[str, list[Any]] = {}
            for run_id, encoded in zip(self._runs, self._runs.values(), strict=True):
                of_run = msgspec.json.decode(encoded, type=prepared(_Statistics))
                held = of_run.lists if group == "lists" else of_run.series
                if name in held:
                    found[run_id] = held[name].statistics
            return msgspec.json.encode({"statistics": found})

    def policy(self) -> str:
        """Return the page's content security policy, as an HTTP header."""
        return policy_header(self._charts)

    def _head(self, **more: Any) -> dict[str, Any]:
        limits = Limits(self._options.points, self._options.lines)
        told = self._told
        head = page_head(self._options.title, told, self._names, limits, version=self._version, watch=self._every)
        return head | more

    def _chosen(self) -> Iterator[RecordedRun]:
        """Yield the runs; stop if the current runs make the filter invalid."""
        with contextlib.suppress(QueryError):
            yield from self._source()

    def _collected(self, run: RecordedRun, lines: int) -> Collected:
        return Collected(run, self._options.points, lines)

    def _whole(self, seen: _Seen, lines: int) -> Collected:
        """Return what is read of a run now; it is held only while a process writes the run."""
        collected = seen.collected or self._collected(seen.run, lines)
        collected.read_on()
        return collected

    def _refresh(self) -> None:
        if time.monotonic() - self._read_at < self._every:
            return
        version = self._version + 1
        runs = list(self._chosen())
        few = len(runs) <= FEW
        is_new = [self._read(run, version, few=few) for run in runs]
        monitored = self._monitor.refresh()
        if monitored:
            self._put_monitor(version)
        if any(is_new) or monitored or self._lineage.is_due:
            self._lineage.refresh(version)
            self._version = version
            self._marks.append((version, len(self._tables.contexts), len(self._tables.packages)))
            if self._marks[-1][1:] == self._marks[-2][1:]:
                del self._marks[-1]
        self._read_at = time.monotonic()

    def _read(self, run: RecordedRun, version: int, *, few: bool) -> bool:
        """Read what is new of a run; return True if the page has to get it."""
        seen = self._seen.get(run.id)
        if seen is not None and seen.collected is None:
            row = run.row
            if _is_same(row, seen.row):
                return False
            if seen.stamp == stamp_of(run.directory):
                seen.row = row
                return False
        collected = (seen and seen.collected) or self._collected(run, self._options.lines)
        collected.run = run  # its manifest may have been written again
        stamp = stamp_of(run.directory)
        collected.read_on()
        found = collected.page_run(self._tables) if few else collected.listed_run(self._tables)
        whole = msgspec.json.encode(found)
        is_over = not few and collected.is_at_rest and found.ended is not None
        short = whole if few else msgspec.json.encode(_shortened(found))
        self._seen[run.id] = _Seen(run, None if is_over else collected, run.row, stamp, short)
        if not self._runs.put(run.id, whole, version):
            return False
        self._names |= metric_names(found)
        self._told.add((found.project, str(run.directory.parent.parent)))
        self._lineage.add(collected.references(), version)
        self._monitor.add(run, collected.summary())
        return True

    def _put_monitor(self, version: int) -> None:
        block = self._monitor.block()
        for name, deployments in block["metrics"].items():
            for deployment, columns in deployments.items():
                key = msgspec.json.encode([name, deployment]).decode()
                self._windows.put(key, msgspec.json.encode(columns), version)
        for run_id, execution in block["executions"].items():
            self._executions.put(run_id, msgspec.json.encode(execution), version)

    def _windows_since(self, version: int) -> dict[str, dict[str, msgspec.Raw]]:
        found: dict[str, dict[str, msgspec.Raw]] = {}
        for key, columns in self._windows.since(version).items():
            name, deployment = msgspec.json.decode(key)
            found.setdefault(name, {})[deployment] = msgspec.Raw(columns)
        return found


def _is_same(row: IndexedRow | None, other: IndexedRow | None) -> bool:
    return row is not None and other is not None and row.index is other.index and row.number == other.number


def _shortened(run: PageRun) -> PageRun:
    """Return a run of the table with the first statistics of each series."""

    def first(held: Mapping[str, Any]) -> dict[str, Counted]:
        return {name: Counted(each.statistics[:_FIRST_STATISTICS], each.count) for name, each in held.items()}

    return msgspec.structs.replace(run, series=first(run.series), lists=first(run.lists))


def _raw(values: Mapping[str, bytes]) -> dict[str, msgspec.Raw]:
    return {key: msgspec.Raw(value) for key, value in values.items()}


def _after(table: list[Any], start: int) -> dict[int, Any]:
    """Return the values from a place on, by their places."""
    return dict(enumerate(table[start:], start))
