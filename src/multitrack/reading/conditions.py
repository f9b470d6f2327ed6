"""Conditions that select runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from multitrack.errors import QueryError
from multitrack.reading.lookups import lookup_in
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import STATUSES
from multitrack.security.terminal import excerpt

if TYPE_CHECKING:
    from multitrack.query.filters import Predicate
    from multitrack.summaries.run_index import IndexedRow


class Conditions(NamedTuple):
    """Conditions that all hold of a selected run; one that is None or empty always holds.

    Attributes:
        project: The run's project.
        statuses: One of these is its status.
        tags: It has these tags.
        group: Its group.
        parent: The id of its parent.
        since: It was created at or after this time (ms).
        until: It was created at or before this time (ms).
        predicate: A filter that it matches.
        deleted: True to select also runs that are deleted.
    """

    project: str | None = None
    statuses: frozenset[str] | None = None
    tags: Mapping[str, str] = {}
    group: str | None = None
    parent: str | None = None
    since: int | None = None
    until: int | None = None
    predicate: Predicate | None = None
    deleted: bool = False

    def hold(self, run: RecordedRun) -> bool:
        """Return True if all hold of a run that was just listed; its summary is read only if one needs it."""
        row = run.row
        return self._hold_of_facts(run) if row is None else self._hold_of_row(run, row)

    def _hold_of_facts(self, run: RecordedRun) -> bool:
        facts = run.facts
        return (
            self.project in (None, facts.project)
            and self.group in (None, facts.group)
            and (self.parent is None or self.parent == run.parent)
            and (self.since is None or facts.created >= self.since)
            and (self.until is None or facts.created <= self.until)
            and (self.statuses is None or run.summary().status in self.statuses)
            and (not self.tags or self.tags.items() <= run.summary().tags.items())
            and (self.predicate is None or self.predicate(lookup_in(run)))
        )

    def _hold_of_row(self, run: RecordedRun, row: IndexedRow) -> bool:
        return (
            (self.project is None or self.project == row.once("project"))
            and (self.group is None or self.group == row.once("group"))
            and (self.parent is None or self.parent == run.parent)
            and (self.since is None or row.once("created") >= self.since)
            and (self.until is None or row.once("created") <= self.until)
            and (self.statuses is None or row.once("status") in self.statuses)
            and (not self.tags or all(row.tag(name) == value for name, value in self.tags.items()))
            and (self.predicate is None or self.predicate(lookup_in(run)))
        )


def to_statuses(status: str | Collection[str] | None) -> frozenset[str] | None:
    """Check statuses.

    Raises:
        QueryError: If there is no such status.
    """
    if status is None:
        return None
    wanted = frozenset([status] if isinstance(status, str) else status)
    if wrong := [one for one in wanted if one not in STATUSES]:
        raise QueryError(f"there is no status {excerpt(str(wrong[0]))!r}; there are {', '.join(STATUSES)}")
    return wanted


def to_tags(tags: Mapping[str, Any] | None) -> dict[str, str]:
    """Check tags.

    Raises:
        TypeError: If they are not a mapping.
    """
    if tags is not None and not isinstance(tags, Mapping):
        raise TypeError(f'tags must be a mapping, such as {{"stage": "prod"}}, got {tags!r}')
    return {name: str(value) for name, value in (tags or {}).items()}
