"""Write a lineage as OpenLineage run events, for Marquez, DataHub and other catalogs.

A run is a START event, and a COMPLETE, FAIL or ABORT event once it has ended. The OpenLineage run id is a UUID made
from the run's id, the same each time: :func:`run_uuid`. Datasets are named by their place, as the naming conventions of
OpenLineage say, and the version is a facet.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from multitrack._text import clean_text
from multitrack.journal.manifest import GitState
from multitrack.lineage.graph import Graph
from multitrack.lineage.nodes import DataNode, Edge, ModelNode, RunNode

_SPEC: Final = "https://openlineage.io/spec"
_EVENT: Final = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
#: The event that ends a run of each status; a running one has none yet.
_ENDS: Final = {"finished": "COMPLETE", "failed": "FAIL", "killed": "ABORT"}
#: Buckets, whose names are global and whose keys have no slash in front.
_BUCKETS: Final = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs", "gcs": "gs"}
#: A remote of git without a scheme: ``git@host:owner/repository.git``.
_SCP: Final = re.compile(r"([\w.-]+@)?([\w.-]+):(?!/)(.+)")
#: The latest time that a datetime holds, in ms since the epoch.
_LATEST: Final = 253_402_300_799_999
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def run_uuid(run_id: str) -> str:
    """Return the OpenLineage run id of a run: ``uuid5(NAMESPACE_URL, "multitrack:" + run_id)``."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"multitrack:{run_id}"))


def events(graph: Graph, release: str) -> Iterator[dict[str, Any]]:
    """Yield the events of all runs of a graph, each run's start before its end.

    Args:
        graph: The graph.
        release: The release of multitrack, which is named as the producer.
    """
    facets = _Facets(f"urn:multitrack:{release}")
    for node in graph.nodes.values():
        if not isinstance(node, RunNode):
            continue
        inputs = _datasets(graph, graph.into.get(node.id, []), "input", facets)
        outputs = _datasets(graph, graph.out_of.get(node.id, []), "output", facets)
        base = {
            "producer": facets.producer, "schemaURL": _EVENT,
            "run": {"runId": run_uuid(node.id), "facets": _run_facets(graph, node, facets)},
            "job": {"namespace": clean_text(node.project), "name": _job(node), "facets": _job_facets(node, facets)},
        }  # fmt: skip
        yield {"eventType": "START", "eventTime": _time(node.started), **base, "inputs": inputs, "outputs": []}
        if (end := _ENDS.get(node.status)) is not None:
            ended = node.started if node.ended is None else node.ended
            yield {"eventType": end, "eventTime": _time(ended), **base, "inputs": inputs, "outputs": outputs}


def dataset_name(uri: str) -> tuple[str, str]:
    """Return namespace and name of a dataset by the naming conventions of OpenLineage.

    ::

        s3://bucket/data/a.csv?versionId=3   s3://bucket            data/a.csv
        file:///data/a.csv                   file                   /data/a.csv
        hdfs://namenode:8020/a.csv           hdfs://namenode:8020   /a.csv
    """
    try:
        parts = urlsplit(uri)
    except ValueError:  # an invalid host
        return "unknown", clean_text(uri)
    scheme, path = parts.scheme, parts.path
    if not scheme:
        return "unknown", clean_text(uri)
    if scheme == "file":
        return (f"file://{parts.netloc}" if parts.netloc else "file"), clean_text(unquote(path)) or "/"
    if scheme in _BUCKETS:
        return f"{_BUCKETS[scheme]}://{parts.netloc}", clean_text(path.lstrip("/")) or "/"
    namespace = f"{scheme}://{parts.netloc}" if parts.netloc else scheme
    return clean_text(namespace), clean_text(path) or "/"


class _Facets:
    """Makes facets: their fields, the producer and the schema."""

    def __init__(self, producer: str) -> None:
        self.producer = producer

    def of(self, facet: str, release: str, /, **fields: Any) -> dict[str, Any]:
        schema = f"{_SPEC}/facets/{release}/{facet}.json#/$defs/{facet}"
        return {
            "_producer": self.producer, "_schemaURL": schema,
            **{key: value for key, value in fields.items() if value is not None},
        }  # fmt: skip

    def tags(self, name: str, tags: dict[str, str | None]) -> dict[str, Any]:
        found = [
            {"key": clean_text(key), "value": clean_text(value), "source": "multitrack"}
            for key, value in tags.items()
            if value is not None
        ]
        return self.of(name, "1-0-0", tags=found)


def _run_facets(graph: Graph, node: RunNode, facets: _Facets) -> dict[str, Any]:
    parameters = [{"key": clean_text(name), "value": _param_text(value)} for name, value in node.params.items()]
    found = {
        "executionParameters": facets.of("ExecutionParametersRunFacet", "1-0-0", parameters=parameters),
        "tags": facets.tags("TagsRunFacet", {**node.tags, "multitrack.run": node.run, "multitrack.name": node.name}),
    }
    if node.context is not None:
        found["processing_engine"] = facets.of(
            "ProcessingEngineRunFacet", "1-1-1", name="Python", version=clean_text(node.context.python)
        )
    parents = [edge.source for edge in graph.into.get(node.id, ()) if edge.role == "child"]
    for parent in (graph.nodes[each] for each in parents):
        if isinstance(parent, RunNode):
            job = {"namespace": clean_text(parent.project), "name": _job(parent)}
            found["parent"] = facets.of("ParentRunFacet", "1-1-0", run={"runId": run_uuid(parent.id)}, job=job)
    return found


def _job(node: RunNode) -> str:
    """Return the job of a run: its script's path in the repository, with ``.child`` for a run that has a parent."""
    program = None if node.context is None else node.context.program
    name = "interactive" if program is None else _path(node) or PurePosixPath(program).name
    return clean_text(name if node.parent is None else f"{name}.child")


def _path(node: RunNode) -> str | None:
    """Return the path of the script in the repository; None if it is not in one."""
    if node.context is None or node.context.program is None or node.git is None or node.git.root is None:
        return None
    program = PurePosixPath(node.context.program)
    return str(program.relative_to(node.git.root)) if program.is_relative_to(node.git.root) else None


def _job_facets(node: RunNode, facets: _Facets) -> dict[str, Any]:
    found = {
        "jobType": facets.of(
            "JobTypeJobFacet", "2-0-3", processingType="BATCH", integration="MULTITRACK", jobType="RUN"
        )
    }
    git, path = node.git, _path(node)
    dirty = "-dirty" if git is not None and git.dirty else ""  # as git describe marks uncommitted changes
    if git is not None and (url := _repository(git)) is not None:
        found["sourceCodeLocation"] = facets.of(
            "SourceCodeLocationJobFacet", "1-0-1", type="git", url=url, repoUrl=git.remote and clean_text(git.remote),
            path=path and clean_text(path), version=clean_text(git.commit) + dirty,
            branch=git.branch and clean_text(git.branch),
        )  # fmt: skip
    return found


def _repository(git: GitState) -> str | None:
    """Return the URL of the repository: that of the remote, or of the local directory."""
    remote = git.remote or git.root
    if remote is None or "://" in remote:
        return remote and clean_text(remote)
    if remote.startswith("/"):
        return PurePosixPath(remote).as_uri()
    match = _SCP.fullmatch(remote)
    return clean_text(remote if match is None else f"ssh://{match[1] or ''}{match[2]}/{match[3]}")


def _datasets(graph: Graph, edges: list[Edge], role: str, facets: _Facets) -> list[dict[str, Any]]:
    """Return the datasets of a run's edges, each once."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for edge in edges:
        node = graph.nodes[edge.source if role == "input" else edge.target]
        if edge.role == role and isinstance(node, DataNode) and edge.uri is not None:
            namespace, name = dataset_name(edge.uri)
            found[namespace, name] = {
                "namespace": namespace, "name": name, "facets": _dataset_facets(node, edge, facets)
            }  # fmt: skip
    return list(found.values())


def _dataset_facets(node: DataNode, edge: Edge, facets: _Facets) -> dict[str, Any]:
    models = node.model_versions if isinstance(node, ModelNode) else {}
    numbered = models.get(edge.name or "") or models.get(node.name)
    version = numbered[-1] if numbered else node.version or node.digest
    kind = "MODEL" if isinstance(node, ModelNode) else "FILE"
    tags = {"name": edge.name, "kind": node.kind, "version": node.version, "digest": node.digest}
    found = {
        "datasetType": facets.of("DatasetTypeDatasetFacet", "1-0-0", datasetType=kind),
        "tags": facets.tags("TagsDatasetFacet", tags),
    }
    if version is not None:
        found["version"] = facets.of("DatasetVersionDatasetFacet", "1-0-0", datasetVersion=clean_text(version))
    return found


def _param_text(value: Any) -> str:
    """Return a param as text: a text as it is, all else as JSON, with NaN and infinities as Python writes them."""
    return clean_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _time(milliseconds: int) -> str:
    """Return a time as ISO 8601 in UTC; a damaged manifest may hold any number."""
    moment = _EPOCH + timedelta(milliseconds=min(max(milliseconds, 0), _LATEST))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
