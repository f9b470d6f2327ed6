"""The structs that hooks take and return; a part of :mod:`multitrack.hookspecs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from multitrack.journal.manifest import Context


class Alert(msgspec.Struct, frozen=True):
    """An alert that fires or is resolved, as a notifier receives it.

    Attributes:
        id: The same for the firing of an alert, its resolution, and every repetition of either.
        state: ``firing`` or ``resolved``.
        name: The rule's name.
        rule: The rule, such as ``score:mean over 1h < 0.9 by deployment``.
        by: The column whose values are the rule's groups; ``run`` if each run is one.
        group: The value of that column: a run's id, or a deployment's name. From a journal, like names: any Unicode.
        value: The value that fired or resolved the alert; None if there is none.
        since: Time of the record that made it fire.
        time: Time of this change.
        reason: The reason of a resolution without a value, such as the run's end.
        run: The id of the run with the record that changed the alert; None if no record did.
        run_name: The name of that run.
        journal: The journal's directory.
        text: All this in one line for people, harmless to a terminal.
    """

    id: str
    state: Literal["firing", "resolved"]
    name: str
    rule: str
    by: str
    group: str
    value: int | float | None
    since: int
    time: int
    reason: str | None
    run: str | None
    run_name: str | None
    journal: str
    text: str


class RunInfo(msgspec.Struct, frozen=True):
    """The information about a run that a backend receives.

    Attributes:
        id: The run's id: letters, digits, ``-`` and ``_``. A run of another journal may have the same id.
        project: The project; any Unicode.
        name: The run's name; any Unicode.
        created: Start time of the run.
        options: An instance of the struct that ``backend_options`` returned.
        context: The training process; show its identity, not the courier's.
        directory: A directory private to this lane, for state that must survive a restart. Use it as the key of
            open runs.
        segment: Number of the journal's last segment when the lane opened; above 1 if the run was resumed.
        group: Label of runs that belong together.
        parent: The parent's run id.
        notes: Free text.
        backend_id: The tracker's id for the run, once ``open_run`` has returned it.
        parent_name: The parent's name, if there is a parent.
    """

    id: str
    project: str
    name: str
    created: int
    options: Any
    context: Context | None
    directory: Path
    segment: int = 1
    group: str | None = None
    parent: str | None = None
    notes: str | None = None
    backend_id: str | None = None
    parent_name: str | None = None


class Opened(msgspec.Struct, frozen=True):
    """The result of ``open_run``.

    Attributes:
        id: The tracker's id for the run.
        url: The run's web page, or ``None``.
        position: The ordinal to resume at, if the tracker knows what it holds durably; 0 if the backend
            discarded an unfinished file. ``None``: resume at the lane's last saved position.
    """

    id: str
    url: str | None = None
    position: int | None = None
