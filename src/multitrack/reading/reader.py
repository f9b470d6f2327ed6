"""Read runs and series from a journal, without any tracker.

Everything is read from disk on each call and returned as plain Python values. A run that is being written can be
read at any time.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from multitrack.errors import JournalError, RunError
from multitrack.journal.run_ids import is_run_id
from multitrack.reading.archived import directory_of
from multitrack.reading.conditions import Conditions, to_statuses, to_tags
from multitrack.reading.followed import Followed
from multitrack.reading.labels import Place, labelled
from multitrack.reading.locating import LEFT_OUT, located
from multitrack.reading.lookups import lookup_in
from multitrack.reading.points import Line, Point
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.terminal import excerpt, safe

if TYPE_CHECKING:  # imported on first use: training code opens no journal
    from multitrack.lineage.walk import Lineage
    from multitrack.query.filters import Lookup
    from multitrack.query.times import Moment
    from multitrack.reading.indexing import Indexing
    from multitrack.reading.places import Listing

__all__ = ["Identified", "JournalReader"]

log = logging.getLogger("multitrack")


class Identified(Protocol):
    """An object with a run id: a recorded run or one that is recording."""

    @property
    def id(self) -> str:
        """The run's id."""


class JournalReader:
    """All runs of a journal, or of several read as one; made by :func:`open_journal`.

    Args:
        directory: The journal's directory, or several journals with their labels.

    Attributes:
        places: The journals, each with its label.
    """

    def __init__(self, directory: Path | Sequence[Place]) -> None:
        self.places = labelled([(directory, None)]) if isinstance(directory, Path) else list(directory)
        self._said = False

    @cached_property
    def _indexing(self) -> Indexing:
        from multitrack.reading.indexing import Indexing  # noqa: PLC0415 - see above

        return Indexing(self.places)

    def __repr__(self) -> str:
        return f"<JournalReader of {safe(self.where)}>"

    @property
    def directory(self) -> Path:
        """The directory of the only journal.

        Raises:
            JournalError: If there are several.
        """
        if len(self.places) > 1:
            raise JournalError(f"this needs one journal, and not {len(self.places)}: {self.where}")
        return self.places[0].directory

    @property
    def where(self) -> str:
        """The directories, and the data sets in place of their copies; for messages."""
        from multitrack.dataset.cache import copied_from  # noqa: PLC0415 - see above

        return ", ".join(dict.fromkeys(copied_from(place.directory) or str(place.directory) for place in self.places))

    def count(self) -> int:
        """Count all runs that are not deleted, each once, also those that cannot be read."""
        return sum(not entry.is_deleted for entry in self._listing().entries())

    def copies(self) -> dict[str, list[str]]:
        """The runs that several journals have a copy of, by id, with the labels of these journals.

        Such a run counts once: the copy with the most records.
        """
        return self._listing().copies

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
        deleted: bool = False,
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
            where: Only runs that match this filter, ``params.lr < 0.01 and metrics.acc > 0.9``: see docs/reading.md.
            deleted: Also runs that a client of MLflow has deleted. :meth:`run` finds them by their ids without.

        Raises:
            QueryError: If the filter, the status or a time is invalid, or the filter compares a text with a value that
                is a number in all runs of the project that have it; a ``ValueError``.
            RunError: If no run or several runs match ``parent``.
        """
        from multitrack.query.filters import parse_where  # noqa: PLC0415
        from multitrack.query.times import milliseconds  # noqa: PLC0415 - see above

        predicate = None if where is None else parse_where(where)
        wanted = Conditions(
            project, to_statuses(status), to_tags(tags), group, None if parent is None else self._parent_id(parent),
            milliseconds(since), milliseconds(until), predicate, deleted,
        )  # fmt: skip
        if predicate is not None:
            predicate.check(self._lookups(project, deleted=deleted))
        return self._runs(wanted)

    def _runs(self, wanted: Conditions) -> Iterator[RecordedRun]:
        listing = self._listing()
        relatives, additions = listing.relatives(), self._indexing.additions(listing)
        for entry in listing.oldest_first():
            if not wanted.deleted and entry.is_deleted:
                continue
            try:
                run = entry.read(relatives)
            except JournalError as error:
                log.warning("multitrack: %s", error, extra={LEFT_OUT: entry.name})
                continue
            additions.add(entry, run)
            if wanted.hold(run):
                yield run
        additions.write()

    def _lookups(self, project: str | None, *, deleted: bool) -> Iterator[Lookup]:
        """Yield a column lookup for each run, in any order; skips unreadable runs, which :meth:`_runs` reports."""
        listing = self._listing()
        relatives = listing.relatives()
        wanted = Conditions(project, deleted=deleted)
        for entry in listing.entries():
            with contextlib.suppress(JournalError):
                run = entry.read(relatives)
                if wanted.hold(run) and (deleted or not entry.is_deleted):
                    yield lookup_in(run)

    def _listing(self) -> Listing:
        """List the runs; say once which of them are in several journals."""
        listing = self._indexing.list()
        if listing.copies and not self._said:
            self._said = True
            log.warning(
                "multitrack: %s in several journals and counted once: %s",
                f"{len(listing.copies)} runs are" if len(listing.copies) > 1 else "1 run is",
                f"{', '.join(list(listing.copies)[:5])}{', …' if len(listing.copies) > 5 else ''}",
            )
        return listing

    def _parent_id(self, parent: str | Identified) -> str:
        try:
            return self.run(parent).id
        except RunError:  # a deleted parent may still have children
            if isinstance(parent, str) and any(self._runs(Conditions(parent=parent))):
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
        from multitrack.reading.follow import follow  # noqa: PLC0415 - see above

        return follow(self.runs(**filters), metric, by, lambda: self.runs(filters.get("project")))

    def lineage(
        self, target: str | Identified | None = None, *, up: bool = True, down: bool = True, depth: int | None = None,
        journals: Iterable[str | Path] = (),
    ) -> Lineage:  # fmt: skip
        """Follow data and models through the runs; ``print`` draws the result as a tree. See docs/lineage.md.

        Args:
            target: A run, or what ``multitrack lineage`` takes: a name, ``NAME@VERSION``, a run's id, a version or
                digest, a URI or a path. Default: everything.
            up: True to include what it came from.
            down: True to include what came from it.
            depth: Maximum number of steps from the target; default: no limit.
            journals: Directories of other journals whose runs belong to the graph.

        Raises:
            QueryError: If nothing or several things match the target.
            JournalError: If a journal cannot be read.
        """
        from multitrack.lineage.targets import find_nodes  # noqa: PLC0415 - see above
        from multitrack.lineage.walk import Lineage  # noqa: PLC0415 - see above
        from multitrack.reading.lineage import read_graph  # noqa: PLC0415 - see above

        together: list[tuple[Path, str | None]] = [(place.directory, place.label) for place in self.places]
        together += [place for journal in journals for place in located(journal)]
        graph = read_graph(JournalReader(labelled(together)))
        name = target if target is None or isinstance(target, str) else target.id
        return Lineage(graph, None if name is None else find_nodes(graph, name), up=up, down=down, depth=depth)

    def run(self, run: str | Identified) -> RecordedRun:
        """Find a run by its id, its name if unique, or a unique prefix of its id.

        Args:
            run: The id, name or prefix; ``LABEL:ID`` if several journals have it; or a run, which is found by its id.

        Raises:
            RunError: If no run or several runs match.
        """
        if isinstance(run, RecordedRun):
            return run
        run_id = run if isinstance(run, str) else run.id
        if len(self.places) == 1 and (directory := directory_of(self.directory, run_id)) is not None:
            return RecordedRun(directory)
        if (found := self._in_places(run_id)) is not None:
            return found
        every = [one for one in self.runs() if one.own_id.startswith(run_id) or _name_of(one) == run_id]
        matching = [one for one in every if _name_of(one) == run_id] or every
        if len(matching) == 1:
            return matching[0]
        options = " ".join(f"--journal {place.directory}" for place in self.places)
        known = ", ".join(one.id for one in matching[:5]) or f"`multitrack runs {options}` lists them"
        raise RunError(
            f"{'several runs match' if matching else 'no run matches'} {excerpt(run_id)!r} in {self.where}: {known}"
        )

    def _in_places(self, address: str) -> RecordedRun | None:
        """The run of an id that one of several journals has, or of ``LABEL:ID``."""
        label, _, run_id = address.rpartition(":")
        if not is_run_id(run_id) or (len(self.places) == 1 and not label):
            return None
        return self._listing().find(run_id, label)


def _name_of(run: RecordedRun) -> str:
    """The name of a run that was just listed."""
    name: str = run.facts.name if run.row is None else run.row.once("name")
    return name
