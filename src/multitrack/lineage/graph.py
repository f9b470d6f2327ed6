"""Build the lineage graph of runs from their summaries: data → run → model → runs that used it.

Only references, params and metadata are needed, which are cached for runs that have ended.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import msgspec

from multitrack.errors import QueryError
from multitrack.journal.manifest import Context, Manifest
from multitrack.lineage.identity import Identities, Identity, digest_of
from multitrack.lineage.nodes import DataNode, Edge, ModelNode, Node, RunNode
from multitrack.query.columns import better
from multitrack.query.criteria import objective_of
from multitrack.records import DRIFT, ArtifactRef
from multitrack.summaries.doubles import is_finite
from multitrack.summaries.summary import Summary

#: The kind of references to models.
MODEL = "model"


class LineageRun(Protocol):
    """A run as this module needs it: :class:`~multitrack.reading.recorded_run.RecordedRun`."""

    @property
    def directory(self) -> Path:
        """The run's directory."""

    @property
    def id(self) -> str:
        """The run's id, unique among the runs."""

    @property
    def facts(self) -> Manifest:
        """The run's manifest."""

    @property
    def origin(self) -> Context | None:
        """The run's context, or None."""

    def summary(self) -> Summary:
        """The run's summary."""

    def ended(self, summary: Summary) -> int | None:
        """Return the end time in milliseconds, or None if the run has not ended."""


class RunReferences(msgspec.Struct, frozen=True):
    """A run and its references.

    Attributes:
        node: The run.
        references: The last reference of each name.
        model_versions: The version of each model that it wrote, by name.
    """

    node: RunNode
    references: list[ArtifactRef]
    model_versions: dict[str, str]


class Graph:
    """Nodes by id, and edges.

    Args:
        nodes: The nodes.
        edges: The edges between them.
    """

    def __init__(self, nodes: dict[str, Node], edges: list[Edge]) -> None:
        self.nodes = nodes
        self.edges = edges

    @cached_property
    def into(self) -> dict[str, list[Edge]]:
        """The edges that lead to each node."""
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.target, []).append(edge)
        return found

    @cached_property
    def out_of(self) -> dict[str, list[Edge]]:
        """The edges that lead from each node."""
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.source, []).append(edge)
        return found

    def as_json(self) -> dict[str, Any]:
        """Return nodes and edges as JSON values."""
        return {"nodes": msgspec.to_builtins(list(self.nodes.values())), "edges": msgspec.to_builtins(self.edges)}


def references_of(run: LineageRun, summary: Summary | None = None) -> RunReferences:
    """Return a run and its references.

    Args:
        run: The run.
        summary: Its summary, if already read.
    """
    summary = summary or run.summary()
    facts, context = run.facts, run.origin
    if context is not None:
        context = msgspec.structs.replace(context, packages={}, urls={}, code=None, hardware=None)
    metric, value = _metric(summary) or (None, None)
    node = RunNode(
        id=run.id, run=facts.id, name=facts.name, project=facts.project, status=summary.status,
        started=facts.created, ended=run.ended(summary), journal=str(run.directory.parent.parent), parent=facts.parent,
        metric=metric, value=value, params=summary.params, tags=summary.tags,
        context=context,
    )  # fmt: skip
    return RunReferences(node, summary.artifacts, {model.name: model.version for model in summary.models.values()})


def _metric(summary: Summary) -> tuple[str, int | float] | None:
    """Return the metric to show with a run: the objective of its model, else one at its best, of a validation first."""
    for ref in summary.artifacts:
        if ref.model is not None and ref.model.objective is not None:
            with contextlib.suppress(QueryError):  # checked at the call; a journal may come from somebody else
                if (value := objective_of(summary, ref.model.objective)[1]) is not None:
                    return ref.model.objective, value
    ends = {name: end for name in (*summary.simple, *summary.series) if (end := better(name)) is not None}
    names = [*summary.simple, *summary.series]
    for name in sorted(names, key=lambda name: not name.startswith("val")):
        if (end := ends.get(name)) is None:
            continue
        value = summary.simple[name] if name in summary.simple else summary.series[name].reduce(end)
        if value is not None and is_finite(value):
            return (name if name in summary.simple else f"{name}:{end}"), value
    return None


def graph_of(runs: Iterable[RunReferences]) -> Graph:
    """Build the graph of runs; a run that two journals hold copies of counts once.

    Args:
        runs: The runs, oldest first, each with its references.
    """
    found = _each_once(runs)
    identities = Identities(ref for run in found for ref in run.references)
    things: dict[str, _Thing] = {}
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    by_run = {(run.node.journal, run.node.run): run.node.id for run in found}
    for run in found:
        node = run.node
        nodes[node.id] = node
        if node.parent is not None and (parent := by_run.get((node.journal, node.parent))) is not None:
            edges.append(Edge(parent, node.id, "child"))
        for ref in run.references:
            identity = identities.of(ref)
            thing = things.setdefault(identity.key, _Thing(identity.key, ref))
            version = run.model_versions.get(ref.name) if ref.role == "output" else None
            thing.add(ref, identity, version, node.id)
            ends = (thing.id, node.id) if ref.role == "input" else (node.id, thing.id)
            edges.append(Edge(*ends, ref.role, ref.name, ref.uri, identity.joined))
    return Graph({**nodes, **{thing.id: thing.node() for thing in things.values()}}, edges)


def _each_once(runs: Iterable[RunReferences]) -> list[RunReferences]:
    """Drop copies of a run, and give another run of the same id in a second journal an id of its own."""
    found: dict[str, RunReferences] = {}
    for run in runs:
        node, other = run.node, found.get(run.node.id)
        if other is not None:
            if (other.node.started, other.node.project, other.node.name) == (node.started, node.project, node.name):
                continue
            run = RunReferences(
                msgspec.structs.replace(node, id=f"{node.run} ({node.journal})"), run.references, run.model_versions
            )
        found.setdefault(run.node.id, run)
    return list(found.values())


class _Thing:
    """Collects the references of one thing."""

    def __init__(self, key: str, first: ArtifactRef) -> None:
        self.id = key
        self._newest = first
        self._rank = (False, False, 0)
        self._run = ""
        self._names: dict[str, None] = {}
        self._uris: dict[str, None] = {}
        self._model = False
        self._versioned = False
        self._digest: str | None = None
        self._version: str | None = None
        self._size: int | None = None
        self._model_versions: dict[str, list[str]] = {}

    def add(self, ref: ArtifactRef, identity: Identity, model_version: str | None, run: str) -> None:
        """Add a reference; one that only its URI joins says nothing about the content."""
        self._names[ref.name] = None
        self._uris[ref.uri] = None
        self._model |= ref.kind == MODEL
        # Compared inputs have the name of the run that read or wrote them. Of several in one run, the first counts.
        rank = ref.role == "output", not ref.name.startswith(DRIFT), ref.time
        if rank > self._rank and (run != self._run or rank[:2] != self._rank[:2]):
            self._newest, self._rank, self._run = ref, rank, run
        if model_version is not None and model_version not in (known := self._model_versions.setdefault(ref.name, [])):
            known.append(model_version)
        if identity.joined != "uri":
            self._versioned = True
            self._digest = digest_of(ref) or self._digest
            self._version = ref.version or self._version
        self._size = ref.size if ref.size is not None else self._size

    def node(self) -> DataNode:
        """Return the node."""
        newest = self._newest
        facts: dict[str, Any] = {
            "id": self.id, "name": newest.name, "names": list(self._names), "uris": list(self._uris),
            "kind": MODEL if self._model else newest.kind, "digest": self._digest, "version": self._version,
            "size": self._size, "versioned": self._versioned,
        }  # fmt: skip
        return ModelNode(**facts, model_versions=self._model_versions) if self._model else DataNode(**facts)
