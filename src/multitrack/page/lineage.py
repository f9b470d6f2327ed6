"""The lineage of a page's runs: nodes and edges, which the page's JavaScript lays out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import structs

from multitrack._text import clean_text
from multitrack.lineage.graph import RunReferences, graph_of, references_of
from multitrack.lineage.nodes import Node, RunNode
from multitrack.lineage.text import facts_of, title, version_of
from multitrack.reading.recorded_run import RecordedRun
from multitrack.summaries.summary import Summary


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


def _node(node: Node) -> dict[str, Any]:
    if isinstance(node, RunNode):
        fact, more = "  ".join(facts_of(node)), node.id
        return {"id": node.id, "type": "run", "title": node.name, "fact": fact or node.status, "more": more}
    more = "\n".join([*node.names, *(text for text in (node.version, node.digest) if text), *node.uris])
    kind = "model" if node.kind == "model" else "data"
    return {
        "id": clean_text(node.id), "type": kind, "title": title(node), "fact": version_of(node), "more": more[:2000],
    }  # fmt: skip
