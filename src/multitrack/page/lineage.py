"""The lineage of a page's runs: nodes and edges, which the page's JavaScript lays out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import structs

from multitrack._text import clean_text
from multitrack.lineage.graph import RunReferences, graph_of, references_of
from multitrack.lineage.nodes import Node, RunNode
from multitrack.lineage.text import facts_of, title, version_of
from multitrack.page.ledger import Ledger
from multitrack.reading.recorded_run import RecordedRun
from multitrack.summaries.summary import Summary

#: A served page builds its lineage for at most this part of the time.
_SHARE: Final = 0.1


def page_references(run: RecordedRun, summary: Summary) -> RunReferences:
    """Return a run and its references, without the params that its page has anyway."""
    found = references_of(run, summary)
    return structs.replace(found, node=structs.replace(found.node, params={}, tags={}))


def lineage_block(runs: Iterable[RunReferences]) -> dict[str, Any]:
    """Return the lineage of runs as JSON values.

    Returns:
        ``nodes``, each with id, type, title, fact and places; and ``edges``, each with the positions of its two nodes,
        and 1 if only the URI joins them. Both are empty if no run has a reference.
    """
    graph = graph_of(runs)
    if all(edge.role == "child" for edge in graph.edges):
        return {"nodes": [], "edges": []}
    place = {node: i for i, node in enumerate(graph.nodes)}
    return {
        "nodes": [_node(node) for node in graph.nodes.values()],
        "edges": [[place[edge.source], place[edge.target], int(edge.joined == "uri")] for edge in graph.edges],
    }


class PageLineage:
    """The lineage of a served page's runs, built anew when references change, but not all the time."""

    def __init__(self) -> None:
        self._runs: dict[str, RunReferences] = {}
        self._joins: dict[str, list[list[Any]]] = {}
        self._ledger = Ledger()
        self._is_new = False
        self._due = 0.0

    def add(self, run: RunReferences, version: int) -> None:
        """Add a run, or what is new of it.

        Args:
            run: The run and its references.
            version: The version of the page that has them.
        """
        known = self._runs.get(run.node.id)
        self._runs[run.node.id] = run
        if known is not None and _joins(known) == _joins(run):
            if run.node.id in self._joins:
                self._put(run.node, version)
        elif known is not None or run.references or run.node.parent is not None:
            self._is_new = True

    @property
    def is_due(self) -> bool:
        """True if references are new, and there is time to build the lineage."""
        return self._is_new and time.monotonic() >= self._due

    def refresh(self, version: int) -> None:
        """Build the lineage if it is due.

        Args:
            version: The version of the page that has it.
        """
        if not self.is_due:
            return
        begun = time.monotonic()
        graph = graph_of(self._runs.values())
        joined = any(edge.role != "child" for edge in graph.edges)
        gone, self._joins = self._joins, {node: [] for node in graph.nodes} if joined else {}
        for edge in graph.edges if joined else ():
            self._joins[edge.source].append([clean_text(edge.target), int(edge.joined == "uri")])
        for node in self._joins:
            self._put(graph.nodes[node], version)
        for node in gone.keys() - self._joins.keys():
            self._ledger.put(clean_text(node), b"null", version)
        self._is_new = False
        ended = time.monotonic()
        self._due = ended + (ended - begun) / _SHARE

    def _put(self, node: Node, version: int) -> None:
        found = {"node": _node(node), "to": self._joins[node.id]}
        self._ledger.put(clean_text(node.id), msgspec.json.encode(found), version)

    def block(self) -> dict[str, Any]:
        """Return the whole lineage, as :func:`lineage_block` does."""
        return lineage_block(self._runs.values())

    def since(self, version: int) -> dict[str, bytes]:
        """Return the nodes that changed after a version of the page, by id.

        Returns:
            Each encoded with ``node`` and ``to``, its edges: the id of a node, and 1 if only the URI joins them. A node
            that is gone is null.
        """
        return self._ledger.since(version)


def _joins(run: RunReferences) -> tuple[Any, ...]:
    return run.references, run.model_versions, run.node.parent, run.node.journal


def _node(node: Node) -> dict[str, Any]:
    if isinstance(node, RunNode):
        fact, more = "  ".join(facts_of(node)), node.id
        return {"id": node.id, "type": "run", "title": node.name, "fact": fact or node.status, "more": more}
    more = "\n".join([*node.names, *(text for text in (node.version, node.digest) if text), *node.uris])
    kind = "model" if node.kind == "model" else "data"
    return {
        "id": clean_text(node.id), "type": kind, "title": title(node), "fact": version_of(node), "more": more[:2000],
    }  # fmt: skip
