"""The nodes and edges of a lineage graph."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from multitrack.journal.manifest import Context, GitState
from multitrack.lineage.identity import Joined
from multitrack.records import Status

#: What an edge means: the run read it, the run wrote it, or the run started the other one.
Role = Literal["input", "output", "child"]


class DataNode(msgspec.Struct, frozen=True, kw_only=True, tag="data", tag_field="type"):
    """Data that runs read or wrote, in one version.

    Attributes:
        id: The node's id: its digest; without one its version, or its URI.
        name: Its name in the newest run that wrote it, or else that read it.
        names: All its names.
        kind: The kind of its references: ``dataset``, ``figure``, any word.
        uris: All places where it was.
        digest: Its digest, if known.
        version: The version that a tool gave it, if known.
        size: Its size in bytes, if known.
        versioned: False if only its URI is known, so that its content may have changed.
    """

    id: str
    name: str
    names: list[str]
    kind: str
    uris: list[str]
    digest: str | None = None
    version: str | None = None
    size: int | None = None
    versioned: bool = True


class ModelNode(DataNode, frozen=True, kw_only=True, tag="model"):
    """A model that runs read or wrote.

    Attributes:
        model_versions: The model's versions, such as ``1.2.0``, by name. A name has several if runs wrote the same
            bytes.
    """

    model_versions: dict[str, list[str]] = {}


class RunNode(msgspec.Struct, frozen=True, kw_only=True, tag="run", tag_field="type"):
    """A run.

    Attributes:
        id: The node's id: the run's id.
        run: The run's id. The node's id is longer if runs of two journals share it.
        name: The run's name.
        project: Its project.
        status: ``running``, ``finished``, ``failed`` or ``killed``.
        started: Its start (ms since the epoch).
        ended: Its end, or None while it runs.
        journal: The directory of its journal.
        parent: The id of its parent.
        context: Its origin: git commit, program, Python, host; without packages. A child has its parent's.
        metric: The metric shown with the run, one whose name says which end is best.
        value: Its best value.
        params: The params.
        tags: The tags.
    """

    id: str
    run: str
    name: str
    project: str
    status: Status
    started: int
    ended: int | None
    journal: str
    parent: str | None = None
    context: Context | None = None
    metric: str | None = None
    value: int | float | None = None
    params: dict[str, Any] = {}
    tags: dict[str, str] = {}

    @property
    def git(self) -> GitState | None:
        """The commit of its source."""
        return None if self.context is None else self.context.git


Node = DataNode | ModelNode | RunNode
"""A node of the graph."""


class Edge(msgspec.Struct, frozen=True):
    """An edge, in the direction in which data flows.

    Attributes:
        source: The id of the node that it leads from.
        target: The id of the node that it leads to.
        role: ``input`` from data to the run that read it, ``output`` from a run to what it wrote, ``child`` from a run
            to one of its children.
        name: The name of the reference; None for a child.
        uri: Where the run read or wrote it; None for a child.
        joined: What the reference was identified by; None for a child.
    """

    source: str
    target: str
    role: Role
    name: str | None = None
    uri: str | None = None
    joined: Joined | None = None
