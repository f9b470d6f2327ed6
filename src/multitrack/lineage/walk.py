"""Follow a lineage graph from some nodes: upstream to what they came from, downstream to what came from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from multitrack.lineage.graph import Graph
from multitrack.lineage.text import Piece, tree


class Lineage:
    """The part of a graph around some nodes.

    Attributes:
        graph: The nodes and edges of the part.
        targets: The ids of the nodes that it was followed from; empty for the whole graph.
        upstream: The number of steps to each node that they came from.
        downstream: The number of steps to each node that came from them.
    """

    def __init__(
        self, graph: Graph, targets: Sequence[str] | None, *, up: bool = True, down: bool = True,
        depth: int | None = None,
    ) -> None:  # fmt: skip
        """Follow a graph.

        Args:
            graph: The whole graph.
            targets: The ids of the nodes to follow it from; None for the whole graph.
            up: True to follow it upstream.
            down: True to follow it downstream.
            depth: Maximum number of steps; default: no limit. From data to a run is one step.
        """
        self.targets = list(targets or ())
        if targets is None:
            self.graph, self.upstream, self.downstream = graph, {}, {}
            return
        most = (depth if up else 0), (depth if down else 0)
        self.upstream = _reached(targets, lambda node: [edge.source for edge in graph.into.get(node, ())], most[0])
        self.downstream = _reached(targets, lambda node: [edge.target for edge in graph.out_of.get(node, ())], most[1])
        inside = [
            edge for edge in graph.edges
            if (edge.source in self.upstream and edge.target in self.upstream)
            or (edge.source in self.downstream and edge.target in self.downstream)
        ]  # fmt: skip
        reached = self.upstream.keys() | self.downstream.keys()
        self.graph = Graph({key: node for key, node in graph.nodes.items() if key in reached}, inside)

    def __str__(self) -> str:
        return "\n".join("".join(text for text, _ in line) for line in self.lines())

    def lines(self, *, ascii_only: bool = False) -> Iterator[list[Piece]]:
        """Yield the lines of its tree, or of the whole graph's list, as pieces with styles."""
        return tree(self.graph, self.targets, self.upstream, self.downstream, ascii_only=ascii_only)

    def as_json(self) -> dict[str, Any]:
        """Return targets, nodes and edges as JSON values."""
        return {"targets": self.targets, **self.graph.as_json()}


def _reached(starts: Iterable[str], follow: Callable[[str], list[str]], depth: int | None) -> dict[str, int]:
    """Return the number of steps to each node that can be reached; each is visited once, so a cycle ends."""
    steps = dict.fromkeys(starts, 0)
    newest = list(steps)
    while newest and (depth is None or steps[newest[0]] < depth):
        found = []
        for node in newest:
            for other in follow(node):
                if other not in steps:
                    steps[other] = steps[node] + 1
                    found.append(other)
        newest = found
    return steps
