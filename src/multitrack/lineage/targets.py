"""Find the nodes that a text names: an artifact, a run, a place, a digest or a version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from multitrack._hints import closest
from multitrack.errors import QueryError
from multitrack.inputs.references import describe, digest_of
from multitrack.lineage.graph import Graph
from multitrack.lineage.nodes import DataNode, ModelNode, RunNode
from multitrack.security.terminal import excerpt

#: Minimum number of characters of a digest that is cut, without ``sha256:``.
_SHORTEST: Final = 6
#: Maximum number of nodes that a message names.
_NAMED: Final = 5


def find_nodes(graph: Graph, target: str) -> list[str]:
    """Return the ids of the nodes that a text names: one run, or all versions of an artifact.

    Args:
        graph: The graph.
        target: A run's id, a name, ``NAME@VERSION``, the beginning of a run's id, a version or digest, a URI, or a
            local path. A local file that exists is found by its content, and if no run had that, by its path.

    Raises:
        QueryError: If nothing or several things have this name.
    """
    node = graph.nodes.get(target)
    if isinstance(node, RunNode):
        return [target]
    runs = [node for node in graph.nodes.values() if isinstance(node, RunNode)]
    data = [node for node in graph.nodes.values() if isinstance(node, DataNode)]
    named = [node.id for node in data if target in node.names]
    called = [run.id for run in runs if target in (run.name, run.run)]
    if len(called) > 1 or (named and called):
        raise _ambiguous(graph, target, [*named, *called])
    if found := named or called or _of_version(data, target) or _by_version(data, target):
        return found
    started = [run.id for run in runs if target and run.id.startswith(target)]
    if len(started) > 1:
        raise _ambiguous(graph, target, started)
    if found := started or _by_place(data, target):
        return found
    raise _unknown(target, runs, data)


def versions_of(node: DataNode) -> list[str]:
    """Return the texts that distinguish a node from others of its name, the best to read first."""
    models = [one for each in node.model_versions.values() for one in each] if isinstance(node, ModelNode) else []
    return [text for text in (*models, node.version, node.digest) if text is not None]


def _of_version(data: Iterable[DataNode], target: str) -> list[str]:
    """Find ``NAME@VERSION``."""
    name, sign, version = target.rpartition("@")
    if not sign or not name:
        return []
    found = []
    for node in data:
        if name in node.names:
            own = node.model_versions.get(name, []) if isinstance(node, ModelNode) else []
            if version in own or _matches(node, version):
                found.append(node.id)
    return found


def _by_version(data: Iterable[DataNode], target: str) -> list[str]:
    return [node.id for node in data if _matches(node, target)]


def _matches(node: DataNode, text: str) -> bool:
    """Return True if a text is the version or digest of a node, or the beginning of one."""
    if text == node.version or (text and text == node.digest):
        return True
    if node.version and len(text.rpartition(":")[2]) >= _SHORTEST and ":" in text and node.version.startswith(text):
        return True
    bare = text.removeprefix("sha256:")
    return len(bare) >= _SHORTEST and (node.digest or "").startswith(f"sha256:{bare}")


def _by_place(data: Sequence[DataNode], target: str) -> list[str]:
    """Find the data at a URI or a path."""
    try:
        described = describe(target, digest=False)
    except (ValueError, OSError):  # not a path
        return []
    if described.path is not None and (found := _of_content(data, described.path)):
        return found
    return [node.id for node in data if {target, described.uri} & set(node.uris)]


def _of_content(data: Sequence[DataNode], path: Path) -> list[str]:
    """Find the data with the content of a file, which is read only if its size is that of some data."""
    sizes = {node.size for node in data if node.digest is not None}
    try:
        if not path.is_file() or not {None, path.stat().st_size} & sizes:
            return []
        digest, _ = digest_of(path)
    except (ValueError, OSError):  # it cannot be read: its path may do
        return []
    return [node.id for node in data if node.digest == digest]


def _ambiguous(graph: Graph, target: str, found: list[str]) -> QueryError:
    shown = []
    for node in (graph.nodes[each] for each in found):
        if isinstance(node, RunNode):
            shown.append(f"run {node.id}")
        else:
            version = next(iter(versions_of(node)), None)
            shown.append(excerpt(node.uris[-1] if version is None else f"{target}@{version}"))
    more = f", and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return QueryError(f"{excerpt(target)!r} may be {', '.join(shown[:_NAMED])}{more}; give one of these")


def _unknown(target: str, runs: list[RunNode], data: list[DataNode]) -> QueryError:
    if not data:
        return QueryError(
            f"nothing is called {excerpt(target)!r}: "
            + ("no run has a reference; run.log_artifact_ref records them" if runs else "there are no runs")
        )
    name, _, version = target.rpartition("@")
    if name and (versions := [text for node in data if name in node.names for text in versions_of(node)[:1]]):
        return QueryError(f"{excerpt(name)!r} has no version {excerpt(version)!r}{closest(version, versions)}")
    missing = " (no such file)" if "/" in target and "://" not in target and not Path(target).exists() else ""
    names = list(dict.fromkeys([name for node in data for name in node.names] + [run.name for run in runs]))
    return QueryError(f"no run or artifact is called {excerpt(target)!r}{missing}{closest(target, names)}")
