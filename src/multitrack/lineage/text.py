"""Draw a lineage as a tree of lines: upstream above the target, downstream below it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from multitrack.lineage.graph import Graph
from multitrack.lineage.nodes import DataNode, ModelNode, Node, RunNode
from multitrack.security.terminal import excerpt, safe

#: What a piece of a line is, for its style; a status is one of :data:`~multitrack.records.STATUSES`.
Style = Literal["tree", "target", "name", "fact", "note", "running", "finished", "failed", "killed"]
#: A piece of a line.
Piece = tuple[str, Style]

#: Maximum number of branches of a node, of steps away from the target, and of targets.
BRANCHES: Final = 20
DEEPEST: Final = 12
TARGETS: Final = 20
#: Characters of a name, and of a digest with its ``sha256:``.
_NAME: Final = 60
_DIGEST: Final = 19


class _Glyphs(NamedTuple):
    """The parts of a tree that grows downwards, and of one that grows upwards."""

    middle: str
    last: str
    line: str
    first: str


_LINES: Final = _Glyphs("├── ", "└── ", "│   ", "┌── ")
_ASCII: Final = _Glyphs("|-- ", "`-- ", "|   ", ",-- ")


def tree(
    graph: Graph, targets: Sequence[str], upstream: Collection[str], downstream: Collection[str], *, ascii_only: bool
) -> Iterator[list[Piece]]:
    """Yield the lines of the trees of the newest targets; without targets, a line for each name of data.

    A node that was drawn before has ``(*)`` behind it, and its branches are not drawn again.

    Args:
        graph: The nodes and edges.
        targets: The ids of the nodes in the middle.
        upstream: The ids of the nodes to draw above them.
        downstream: The ids of the nodes to draw below them.
        ascii_only: True to draw with ASCII characters.
    """
    if not targets:
        yield from _listing(graph)
    glyphs = _ASCII if ascii_only else _LINES
    for count, target in enumerate(targets[-TARGETS:]):
        if count:
            yield []
        for line in reversed([*_branches(graph, target, lambda node: _sources(graph, node), upstream, glyphs)]):
            prefix, style = line[0]
            yield [(prefix.replace(glyphs.last, glyphs.first), style), *line[1:]]
        yield label(graph.nodes[target], "target")
        yield from _branches(graph, target, lambda node: _targets(graph, node), downstream, glyphs)
    if (more := len(targets) - TARGETS) > 0:
        yield []
        yield [(f"… {more:,} earlier ones: NAME@VERSION shows one, --json all", "note")]


def label(node: Node, style: Style = "name") -> list[Piece]:
    """Describe a node on one line, safe for a terminal."""
    if isinstance(node, RunNode):
        return _run_label(node, style)
    facts = [node.kind if not isinstance(node, ModelNode) else "model", version_of(node)]
    if not node.versioned:
        facts.append(excerpt(node.uris[-1]))
    return [(safe(excerpt(title(node), _NAME)), style), (f"  {safe('  '.join(facts))}", "fact")]


def title(node: DataNode) -> str:
    """Return the name of data, with the newest version of a model."""
    versions = node.model_versions.get(node.name) if isinstance(node, ModelNode) else None
    return f"{node.name} {versions[-1]}" if versions else node.name


def version_of(node: DataNode) -> str:
    """Return the version of data, or the beginning of its digest, or ``unversioned``."""
    if not node.versioned:
        return "unversioned"
    return excerpt(node.version) if node.version else (node.digest or "")[:_DIGEST]


def facts_of(node: RunNode) -> list[str]:
    """Return the commit of a run, and its best metric."""
    facts = []
    if (git := node.git) is not None:
        state = [excerpt(git.branch)] if git.branch else []
        state += ["uncommitted changes"] if git.dirty else []
        facts.append(git.commit[:12] + (f" ({', '.join(state)})" if state else ""))
    if node.metric is not None and node.value is not None:
        facts.append(f"{excerpt(node.metric)}={node.value:.6g}")
    return facts


def _listing(graph: Graph) -> Iterator[list[Piece]]:
    """List data and models by name, each with its newest version and the numbers of runs that wrote and used it."""
    named: dict[str, list[DataNode]] = {}
    for node in graph.nodes.values():
        if isinstance(node, DataNode):
            named.setdefault(node.name, []).append(node)
    for nodes in named.values():
        written = {source for node in nodes for source in _sources(graph, node.id)}
        used = {target for node in nodes for target in _targets(graph, node.id)}
        counts = [f"written by {len(written):,}", f"used by {len(used):,}"]
        counts += [f"{len(nodes):,} versions"] if len(nodes) > 1 else []
        yield [*label(nodes[-1]), (f"  {', '.join(counts)}", "note")]


def _run_label(node: RunNode, style: Style) -> list[Piece]:
    pieces: list[Piece] = [("run ", "fact"), (safe(excerpt(node.name, _NAME)), style), (f"  {safe(node.id)}  ", "fact")]
    pieces.append((node.status, node.status))
    if facts := facts_of(node):
        pieces.append((f"  {safe('  '.join(facts))}", "fact"))
    return pieces


def _sources(graph: Graph, node: str) -> list[str]:
    return list(dict.fromkeys(edge.source for edge in graph.into.get(node, ())))


def _targets(graph: Graph, node: str) -> list[str]:
    return list(dict.fromkeys(edge.target for edge in graph.out_of.get(node, ())))


def _branches(
    graph: Graph, start: str, follow: Callable[[str], list[str]], among: Collection[str], glyphs: _Glyphs
) -> Iterator[list[Piece]]:
    """Yield the lines below a node, depth first; without recursion, since chains of runs can be long."""
    seen = {start}
    stack: list[tuple[str | None, str, bool, int, int]] = []  # node, prefix, is it the last, depth, number left out

    def push(node: str, prefix: str, depth: int) -> None:
        others = [other for other in follow(node) if other in among]
        shown = others[:BRANCHES] if depth < DEEPEST else []
        left_out = len(others) - len(shown)
        branches: list[str | None] = [*shown, *([None] if left_out else [])]
        for i, branch in reversed(list(enumerate(branches))):
            stack.append((branch, prefix, i == len(branches) - 1, depth, left_out))

    push(start, "", 0)
    while stack:
        node, prefix, last, depth, left_out = stack.pop()
        branch = prefix + (glyphs.last if last else glyphs.middle)
        if node is None:
            yield [(branch, "tree"), (f"… {left_out:,} more (--json has all)", "note")]
            continue
        again = node in seen
        line: list[Piece] = [(branch, "tree"), *label(graph.nodes[node])]
        yield [*line, ("  (*)", "note")] if again and follow(node) else line
        if not again:
            seen.add(node)
            push(node, prefix + ("    " if last else glyphs.line), depth + 1)
