"""Put the nodes of a lineage graph into columns from left to right, for pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Final

import msgspec

from multitrack.lineage.graph import Graph

#: Maximum number of columns, and of nodes in one, that a picture shows.
COLUMNS: Final = 12
ROWS: Final = 24


class Layout(msgspec.Struct, frozen=True):
    """Nodes in columns.

    Attributes:
        columns: The ids of the nodes of each column, from the top.
        left_out: The ids of the nodes of each column for which there is no room.
        beyond: The number of nodes in columns for which there is no room.
    """

    columns: list[list[str]]
    left_out: list[list[str]]
    beyond: int


def layout(graph: Graph, targets: Collection[str] = (), *, columns: int = COLUMNS, rows: int = ROWS) -> Layout:
    """Put nodes into columns such that edges lead to the right, apart from those that close a cycle.

    Args:
        graph: The graph.
        targets: Nodes to keep; the columns around them are shown.
        columns: Maximum number of columns.
        rows: Maximum number of nodes in a column; those with the most edges are kept.
    """
    layers = _layers(graph)
    filled: list[list[str]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for node, layer in layers.items():
        filled[layer].append(node)
    middle = max((layers[node] for node in targets if node in layers), default=len(filled) - 1)
    first = max(0, min(middle - columns // 2, len(filled) - columns))
    shown = filled[first : first + columns]
    beyond = sum(map(len, filled)) - sum(map(len, shown))
    wanted = set(targets)
    kept: list[list[str]] = []
    left_out: list[list[str]] = []
    places: dict[str, float] = {}
    for nodes in shown:
        ranked = sorted(nodes, key=lambda node: (node not in wanted, -_degree(graph, node)))
        chosen = set(ranked[: rows if len(ranked) <= rows else rows - 1])
        column = sorted((node for node in nodes if node in chosen), key=lambda node: _place(graph, node, places))
        places |= {node: (i + 0.5) / len(column) for i, node in enumerate(column)}
        kept.append(column)
        left_out.append([node for node in nodes if node not in chosen])
    return Layout(kept, left_out, beyond)


def _degree(graph: Graph, node: str) -> int:
    return len(graph.into.get(node, ())) + len(graph.out_of.get(node, ()))


def _place(graph: Graph, node: str, places: dict[str, float]) -> float:
    """Return the mean height of the nodes that lead to a node, so that edges cross less."""
    before = [places[edge.source] for edge in graph.into.get(node, ()) if edge.source in places]
    return sum(before) / len(before) if before else 0.5


def _layers(graph: Graph) -> dict[str, int]:
    """Return the column of each node: one more than those of all that lead to it."""
    waits = {node: len({edge.source for edge in graph.into.get(node, ())} - {node}) for node in graph.nodes}
    ready = deque(node for node, count in waits.items() if not count)
    layers: dict[str, int] = {}
    found = dict.fromkeys(graph.nodes, 0)
    remaining = dict.fromkeys(graph.nodes)
    while remaining:
        if not ready:  # only cycles remain: begin with the node that waits for the fewest
            ready.append(min(remaining, key=waits.__getitem__))
        node = ready.popleft()
        if node in layers:
            continue
        layers[node] = found[node]
        del remaining[node]
        for other in {edge.target: None for edge in graph.out_of.get(node, ())}:
            if other in remaining:
                found[other] = max(found[other], layers[node] + 1)
                waits[other] -= 1
                if not waits[other]:
                    ready.append(other)
    for node in graph.nodes:  # what nothing leads to stands beside the first that it leads to
        if not graph.into.get(node) and (after := [layers[edge.target] for edge in graph.out_of.get(node, ())]):
            layers[node] = max(0, min(after) - 1)
    return layers
