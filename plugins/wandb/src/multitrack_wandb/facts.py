"""The facts of a W&B run, wherever it is read: in ``.wandb`` files or at a server."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from multitrack.records import Status

#: States of a server. Of a crashed run nothing has been heard for minutes: nobody knows an exit code.
_STATES: Final[Mapping[str, Status]] = {
    "finished": "finished", "failed": "failed", "killed": "killed", "crashed": "killed", "preempted": "killed",
}  # fmt: skip
#: Exit codes; the SDK has 255 for Ctrl-C.
_EXITS: Final[Mapping[int, Status]] = {0: "finished", 255: "killed"}


class Entry(NamedTuple):
    """A file of an artifact.

    Attributes:
        path: Its path in the artifact.
        reference: Its URI, if it is kept elsewhere.
        digest: W&B's digest.
        size: Its size in bytes; 0 if unknown.
        local: Its path on this disk, if known.
    """

    path: str
    reference: str = ""
    digest: str = ""
    size: int = 0
    local: str = ""


@dataclasses.dataclass
class Artifact:
    """An artifact that the run logged or used.

    Attributes:
        name: Its name.
        kind: Its type.
        role: Whether the run wrote or read it.
        entries: Its files; empty if unknown.
        version: ``:v3``; empty if unknown, as offline.
    """

    name: str
    kind: str
    role: Literal["input", "output"]
    entries: list[Entry] = dataclasses.field(default_factory=list)
    version: str = ""


@dataclasses.dataclass
class Facts:
    """Everything about a run but its rows, texts and files.

    Attributes:
        id: The run's id.
        entity: The entity; empty if the SDK did not know it offline.
        project: The project.
        name: The display name.
        group: The group.
        notes: The notes.
        tags: The tags.
        job_type: The job type.
        sweep: The id of its sweep.
        started: Start time (ms).
        runtime: Seconds from the start to the end; None if it did not end.
        exit_code: The exit code; None if it did not end, or if a server has the state instead.
        state: The state that a server has; empty in files.
        heartbeat: Time of the last sign of life (ms), of which only a server knows.
        config: The config at its end.
        summary: The summary at its end.
        step_metrics: The metric that is the x axis of others, by their names or patterns.
        environment: ``program``, ``host``, ``username`` and the like.
        args: The script's arguments.
        commit: The commit.
        remote: The repository's URL.
        url: The run's page.
    """

    id: str = ""
    entity: str = ""
    project: str = ""
    name: str = ""
    group: str = ""
    notes: str = ""
    tags: list[str] = dataclasses.field(default_factory=list)
    job_type: str = ""
    sweep: str = ""
    started: int = 0
    runtime: int | None = None
    exit_code: int | None = None
    state: str = ""
    heartbeat: int | None = None
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    summary: dict[str, Any] = dataclasses.field(default_factory=dict)
    step_metrics: dict[str, str] = dataclasses.field(default_factory=dict)
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    args: list[str] = dataclasses.field(default_factory=list)
    commit: str = ""
    remote: str = ""
    url: str = ""

    @property
    def status(self) -> Status:
        """The run's status."""
        if self.state:
            return _STATES.get(self.state, "running")
        if self.exit_code is None:
            return "running"
        return _EXITS.get(self.exit_code, "failed")

    @property
    def scope(self) -> str:
        """The part of W&B within which ids are unique."""
        return "/".join(filter(None, (self.entity, self.project)))
