"""A run as another tool recorded it: the facts that stand in a manifest, not among the records."""

from __future__ import annotations

import msgspec

from multitrack.records import Status


class SourceRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a source.

    Attributes:
        id: The id that the tracker knows it by.
        scope: The part of the tracker within which ids are unique, such as ``entity/project`` of W&B; empty if they are
            unique in all of it.
        project: The project that it belongs to.
        name: Its readable name.
        created: Start time in milliseconds since the epoch.
        ended: End time; None if it has not ended, or nobody knows when.
        status: Its status; ``running`` also if the tracker never heard of an end.
        parent: The tracker's id of its parent, in the same scope.
        group: Label of runs that belong together.
        notes: Free text.
        user: Login name of its owner.
        host: Name of the machine.
        program: Path of the script.
        command: The command line.
        commit: Commit of the source's repository.
        branch: Branch of that repository.
        remote: URL of that repository.
        url: Its web page.
        run_id: The id that multitrack gave it, if multitrack delivered it to this tracker.
        parent_run_id: The id that multitrack gave its parent.
        deleted: True if it was deleted in the tracker, and can be restored there.
    """

    id: str
    scope: str = ""
    project: str
    name: str
    created: int
    ended: int | None = None
    status: Status = "running"
    parent: str | None = None
    group: str | None = None
    notes: str | None = None
    user: str | None = None
    host: str | None = None
    program: str | None = None
    command: list[str] = []
    commit: str | None = None
    branch: str | None = None
    remote: str | None = None
    url: str | None = None
    run_id: str | None = None
    parent_run_id: str | None = None
    deleted: bool = False
