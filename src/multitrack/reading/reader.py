"""Read runs and series from a journal, without any tracker.

Everything is read from disk on each call and returned as plain Python values. A run that is being written can be
read at any time.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from multitrack.config import Settings, load_config
from multitrack.errors import JournalError, QueryError, RunError
from multitrack.journal.layout import cannot_read, is_run, run_directories, runs_directory
from multitrack.journal.run_ids import is_run_id, text_of_time, time_in_id
from multitrack.reading.lookups import lookup_in
from multitrack.reading.points import Line, Point
from multitrack.reading.recorded_run import RecordedRun, Relatives
from multitrack.records import STATUSES
from multitrack.security.terminal import excerpt, safe
from multitrack.summaries.dataframes import Framed

if TYPE_CHECKING:  # imported on first use: training code opens no journal
    from multitrack.query.filters import Lookup, Predicate
    from multitrack.query.times import Moment

log = logging.getLogger("multitrack")

#: Attribute of log records about unreadable runs that are left out; its value is the run id.
LEFT_OUT: Final = "multitrack_left_out"


class Measured(msgspec.Struct, frozen=True):
    """The value of a metric in one run: a point of a metric followed over runs."""

    run: str
    name: str
    time: int
    value: Any


class Followed(dict[Any, list[Measured]], Framed):
    """Points of a metric over runs, by the value of a column; as a frame, one row per run, with the value as ``by``."""

    def _columns(self) -> dict[str, list[Any]]:
        found = [(by, point) for by, points in self.items() for point in points]
        return {
            "by": [by for by, _ in found],
            **{name: [getattr(point, name) for _, point in found] for name in ("run", "name", "time", "value")},
        }


class Identified(Protocol):
    """An object with a run id: a recorded run or one that is recording."""

    @property
    def id(self) -> str:
        """The run's id."""


class JournalReader:
    """All runs of a journal; made by :func:`open_journal`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __repr__(self) -> str:
        return f"<JournalReader of {safe(self.directory)}>"

    def runs(
        self,
        project: str | None = None,
        *,
        status: str | Collection[str] | None = None,
        tags: Mapping[str, Any] | None = None,
        group: str | None = None,
        parent: str | Identified | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        where: str | None = None,
    ) -> Iterator[RecordedRun]:
        """Iterate over the runs, oldest first; a run that cannot be read is left out with a warning.

        Args:
            project: Only runs of this project.
            status: Only runs with this status or one of these: ``running``, ``finished``, ``failed`` or ``killed``.
            tags: Only runs with all these tags.
            group: Only runs of this group.
            parent: Only children of this run: the run, its id or a unique prefix of it, or its unique name.
            since: Only runs started at or after this time: milliseconds since the epoch, a datetime, or a text as in
                filters (``2026-11-01``, ``7d`` ago).
            until: Only runs started at or before this time.
            where: Only runs that match this filter: ``params.lr < 0.01 and metrics.val_accuracy > 0.9``. See
                docs/reading.md.

        Raises:
            QueryError: If the filter, the status or a time is invalid, or the filter compares a text with a value that
                is a number in all runs of the project that have it; a ``ValueError``.
            RunError: If no run or several runs match ``parent``.
        """
        from multitrack.query.filters import parse_where  # noqa: PLC0415
        from multitrack.query.times import milliseconds  # noqa: PLC0415 - see above

        predicate = None if where is None else parse_where(where)
        since_, until_ = milliseconds(since), milliseconds(until)
        parent_id = None if parent is None else self._parent_id(parent)
        if predicate is not None:
            predicate.check(self._lookups(project))
        return self._runs(project, _statuses(status), _tags(tags), group, parent_id, since_, until_, predicate)

    def _runs(
        self, project: str | None, statuses: frozenset[str] | None, tags: dict[str, str], group: str | None,
        parent: str | None, since: int | None, until: int | None, predicate: Predicate | None,
    ) -> Iterator[RecordedRun]:  # fmt: skip
        relatives = Relatives(self.directory)
        for directory in self._oldest_first():
            try:
                run = RecordedRun(directory, relatives=relatives)
            except JournalError as error:
                log.warning("multitrack: %s", error, extra={LEFT_OUT: directory.name})
                continue
            facts = run.facts
            if (
                project in (None, facts.project)
                and group in (None, facts.group)
                and parent in (None, facts.parent)
                and (since is None or facts.created >= since)
                and (until is None or facts.created <= until)
                and (statuses is None or run.summary().status in statuses)
                and (not tags or tags.items() <= run.summary().tags.items())
                and (predicate is None or predicate(lookup_in(run)))
            ):
                yield run

    def _lookups(self, project: str | None) -> Iterator[Lookup]:
        """Yield a column lookup for each run, in any order; skips unreadable runs, which :meth:`_runs` reports."""
        relatives = Relatives(self.directory)
        for directory in run_directories(self.directory):
            with contextlib.suppress(JournalError):
                run = RecordedRun(directory, relatives=relatives)
                if project in (None, run.facts.project):
                    yield lookup_in(run)

    def _oldest_first(self) -> list[Path]:
        """The runs' directories in the order of their creation.

        Generated ids begin with the creation time, so only the manifests of runs with other ids are read.
        """
        order = {}
        for directory in run_directories(self.directory):
            made = time_in_id(directory.name)
            if made is not None:
                order[directory] = (made, False, directory.name)
                continue
            try:
                facts = RecordedRun(directory).facts
                order[directory] = (text_of_time(facts.created), facts.parent is not None, directory.name)
            except (JournalError, ValueError, OverflowError):  # damaged, or an impossible creation time
                order[directory] = ("", False, directory.name)
        return sorted(order, key=order.__getitem__)

    def _parent_id(self, parent: str | Identified) -> str:
        try:
            return self.run(parent).id
        except RunError:  # a deleted parent may still have children
            if isinstance(parent, str) and any(self._runs(None, None, {}, None, parent, None, None, None)):
                return parent
            raise

    def get_metrics(self, run: str | Identified, name: str | None = None) -> dict[str, list[Point]]:
        """The points of a run's series, by name. See :meth:`RecordedRun.get_metrics`.

        Args:
            run: The run, or any argument of :meth:`run`.
            name: Only this series: ``get_metrics(run, "loss")["loss"]``; default: all.
        """
        return self.run(run).get_metrics(name)

    def get_list_metrics(self, run: str | Identified, name: str | None = None) -> dict[str, list[float]]:
        """The numbers of a run's list metrics, by name: all, or only the named one."""
        return self.run(run).get_list_metrics(name)

    def get_lines(
        self, run: str | Identified, from_time: Moment | None = None, to_time: Moment | None = None,
        limit: int | None = None,
    ) -> Iterator[Line]:  # fmt: skip
        """Iterate over the log lines of a run between two times, both included, at most ``limit``.

        Times are given as in :meth:`runs`.
        """
        return self.run(run).get_lines(from_time, to_time, limit)

    def follow_metric(self, metric: str, by: str | None = None, **filters: Any) -> Followed:
        """Follow a metric over runs, oldest first.

        Args:
            metric: A column: ``accuracy``, ``metrics.val_loss:min``, ``lists.latency:median``.
            by: A column to group the runs by, such as ``tags.deployment``; runs without it are left out.
            filters: As for :meth:`runs`.

        Returns:
            A dict from the value of ``by`` to the points of the runs that have the metric; without ``by``, its one key
            is ``None``. Empty if the filters leave out all runs with the metric.

        Raises:
            QueryError: If a column or filter is invalid, or no run of the project has the column.
        """
        from multitrack.query.columns import GROUPS, parse_column  # noqa: PLC0415 - see above
        from multitrack.query.selection import Known  # noqa: PLC0415 - see above

        column = parse_column(metric if metric.partition(".")[0] in GROUPS else f"metrics.{metric}")
        parted = None if by is None else parse_column(by)
        found = Followed()
        for run in self.runs(**filters):
            value, key = run.get(column), None if parted is None else run.get(parted)
            if value is not None and (parted is None or key is not None):
                found.setdefault(key, []).append(Measured(run.id, run.facts.name, run.facts.created, value))
        if not found:
            known = Known([run.summary() for run in self.runs(filters.get("project"))])
            for asked in (column, parted):
                if asked is not None:
                    known.check(asked)
        return found

    def run(self, run: str | Identified) -> RecordedRun:
        """Find a run by its id, its name if unique, or a unique prefix of its id.

        Args:
            run: The id, name or prefix; or a run, which is found by its id.

        Raises:
            RunError: If no run or several runs match.
        """
        if isinstance(run, RecordedRun):
            return run
        run_id = run if isinstance(run, str) else run.id
        if is_run_id(run_id):  # excludes paths such as ".."
            directory = runs_directory(self.directory) / run_id
            if is_run(directory):
                return RecordedRun(directory)
        every = [one for one in self.runs() if one.id.startswith(run_id) or one.facts.name == run_id]
        found = [one for one in every if one.facts.name == run_id] or every
        if len(found) == 1:
            return found[0]
        known = ", ".join(one.id for one in found[:5]) or f"`multitrack runs --journal {self.directory}` lists them"
        raise RunError(
            f"{'several runs match' if found else 'no run matches'} {excerpt(run_id)!r} in {self.directory}: {known}"
        )


def open_journal(path: str | Path | None = None) -> JournalReader:
    """Open a journal for reading.

    Args:
        path: The journal's directory, or one with a journal in ``.multitrack``; default: the config's.

    Raises:
        JournalError: If there is no journal, or it cannot be read.
    """
    directory = Path(load_config().settings.journal if path is None else path).absolute()
    runs = runs_directory(directory)
    try:
        there = runs.is_dir()
        if not there and path is not None and (inside := runs_directory(directory / Settings().journal)).is_dir():
            directory, runs, there = inside.parent, inside, True
        if there and not os.access(runs, os.R_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise cannot_read(runs, error) from error
    if not there:
        file = ", which is a file" if directory.is_file() else ""
        raise JournalError(f"no journal in {directory}{file}; name one with --journal, or start a run")
    return JournalReader(directory)


def _statuses(status: str | Collection[str] | None) -> frozenset[str] | None:
    if status is None:
        return None
    wanted = frozenset([status] if isinstance(status, str) else status)
    if wrong := [one for one in wanted if one not in STATUSES]:
        raise QueryError(f"there is no status {excerpt(str(wrong[0]))!r}; there are {', '.join(STATUSES)}")
    return wanted


def _tags(tags: Mapping[str, Any] | None) -> dict[str, str]:
    if tags is not None and not isinstance(tags, Mapping):
        raise TypeError(f'tags must be a mapping, such as {{"stage": "prod"}}, got {tags!r}')
    return {name: str(value) for name, value in (tags or {}).items()}
