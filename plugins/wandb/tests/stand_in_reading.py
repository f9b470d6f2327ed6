"""Answers of the stand-in server to W&B's public API, which reads runs back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stand_in_runs import RefusedError, ServedRun, artifact_place, node_id
from stand_in_writing import shown_artifact

if TYPE_CHECKING:
    from stand_in_server import StandInServer

#: Fields of a run that are not asked for where many are listed.
_HEAVY = {"config", "summaryMetrics", "systemMetrics", "historyKeys"}
_STATES = {None: "running", 0: "finished", 255: "killed"}


def _runs(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    found = [run for run in server.runs.values() if run.project == variables["project"]]
    if not found or variables["entity"] != "team":
        return {"project": None}
    edges, info = _page([_node(run) for run in found], variables["cursor"], variables["perPage"])
    listed = {"edges": edges, "pageInfo": info}
    return {"project": {"internalId": "1", "runCount": len(found), "readOnly": False, "runs": listed}}


def _page(nodes: Sequence[Any], cursor: str | None, size: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The edges behind a cursor, which is the number of those before, and what there is to know about the page."""
    first = int(cursor or 0)
    edges = [{"node": node, "cursor": str(first + i + 1)} for i, node in enumerate(nodes[first : first + size])]
    info = {"__typename": "PageInfo", "endCursor": str(first + len(edges)), "hasNextPage": first + size < len(nodes)}
    return edges, info


def _node(run: ServedRun) -> dict[str, Any]:
    last = run.rows[-1]["_timestamp"] if run.rows else None
    return {
        "id": node_id(f"Run:{run.name}"), "projectId": "1", "tags": run.tags, "name": run.name,
        "displayName": run.display_name or run.name, "sweepName": run.sweep,
        "state": _STATES.get(run.exit_code, "failed"), "group": run.group, "jobType": run.job_type,
        "commit": run.commit, "readOnly": False, "createdAt": run.created, "heartbeatAt": last and run.created,
        "description": "", "notes": run.notes, "systemMetrics": "{}", "historyLineCount": run.counted or len(run.rows),
        "config": json.dumps({key: {"value": value, "desc": None} for key, value in run.config.items()}),
        "summaryMetrics": json.dumps(_as_text(run.summary)), "user": {"name": "Some One", "username": "someone"},
        "historyKeys": _keys(run),
    }  # fmt: skip


def asked(query: str, answer: Any) -> Any:
    """The answer without the fields of runs that the query does not ask for."""
    if "fragment LightweightRunFragment" not in query:
        return answer
    if isinstance(answer, dict):
        return {key: asked(query, value) for key, value in answer.items() if key not in _HEAVY}
    return [asked(query, item) for item in answer] if isinstance(answer, list) else answer


def _keys(run: ServedRun) -> dict[str, Any]:
    return {"lastStep": max((row["_step"] for row in run.rows), default=-1), "sets": [], "keys": {}}


def _as_text(value: Any) -> Any:
    """A value with texts for numbers that JSON has no form for, as W&B hands them out."""
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _run(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    run = server.runs.get(variables["name"])
    return {"project": {"run": run and _node(run)}}


def _history_page(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    run, first, last = server.runs[variables["run"]], variables["minStep"], variables["maxStep"]
    if server.stops_at is not None and last > server.stops_at:
        raise RefusedError("the history is not available", server.stops_with)
    rows = [json.dumps(_as_text(row)) for row in run.rows if first <= row["_step"] < last]
    return {"project": {"run": {"history": rows[:: max(1, math.ceil(len(rows) / variables["pageSize"]))]}}}


def _files(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    run = server.runs[variables["name"]]
    names = [*run.uploads, *(["output.log"] if run.lines and "output.log" not in run.uploads else [])]
    wanted = variables.get("fileNames") or names
    nodes = [_file(server, run, name) for name in names if name in wanted]
    edges, info = _page(nodes, variables.get("fileCursor"), variables.get("fileLimit") or 50)
    listed = {"edges": edges, "pageInfo": info, "uploadHeaders": []}
    return {"project": {"internalId": "1", "run": {"fileCount": len(nodes), "files": listed}}}


def _file(server: StandInServer, run: ServedRun, name: str) -> dict[str, Any]:
    url = f"{server.url}/storage/{run.name}/{quote(name)}"
    size = len(stored_file(server, f"{run.name}/{name}") or b"")
    return {"id": node_id(f"File:{name}"), "name": name, "url": url, "directUrl": url, "sizeBytes": str(size),
            "mimetype": "text/plain", "updatedAt": run.created, "md5": ""}  # fmt: skip


def stored_file(server: StandInServer, path: str) -> bytes | None:
    """The bytes of a run's file, or of an artifact's manifest; None if there is none."""
    owner, _, name = path.partition("/")
    if owner == "manifest":
        return server.manifests.get(int(name))
    run = server.runs.get(owner)
    if run is not None and name == "output.log" and name not in run.uploads:
        return "".join(f"{line.rstrip()}\n" for line in run.lines).encode()
    return None if run is None else run.uploads.get(name)


def _artifacts(server: StandInServer, variables: dict[str, Any], *, is_used: bool) -> dict[str, Any]:
    if not server.lists_artifacts:
        raise RefusedError("artifacts are not available", 400)
    run = variables.get("run") or variables["runName"]
    logged = [place for place, given in enumerate(server.artifacts) if given["runName"] == run]
    places = server.runs[run].used if is_used else logged
    nodes = [shown_artifact(server, place) for place in places]
    edges, info = _page(nodes, variables.get("cursor"), variables.get("perPage") or 50)
    return {"project": {"run": {"artifacts": {"totalCount": len(nodes), "edges": edges, "pageInfo": info}}}}


def _manifest(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    url = f"{server.url}/storage/manifest/{artifact_place(variables['id'])}"
    return {"artifact": {"currentManifest": {"file": {"directUrl": url}}}}


def _log_page(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    """Lines without the time, and the level, that the SDK puts in front of them."""
    if not server.pages_logs:
        raise RefusedError('Unknown argument "useImprovedPagination" on field "logLines"', 400)
    lines = server.runs[variables["runName"]].lines
    nodes = []
    for number, line in enumerate(lines):
        level = "error" if line.startswith("ERROR ") else ""
        moment, _, text = line.removeprefix("ERROR ").partition(" ")
        nodes.append({"number": number, "timestamp": moment, "level": level, "label": "", "line": text.rstrip("\n")})
    edges, info = _page(nodes, variables.get("after"), variables["first"])
    return {"project": {"run": {"logLineCount": len(lines), "logLines": {"edges": edges, "pageInfo": info}}}}


READING: dict[str, Callable[[StandInServer, dict[str, Any]], dict[str, Any]]] = {
    "Runs": _runs,
    "Run": _run,
    "RunHistoryKeys": lambda server, variables: {"project": {"run": {
        "historyKeys": _keys(server.runs[variables["name"]])}}},
    # Nothing has been exported: the rows come page by page.
    "RunParquetHistory": lambda *_: {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": []}}}},
    "HistoryPage": _history_page,
    "RunFiles": _files,
    "RunOutputArtifacts": lambda server, variables: _artifacts(server, variables, is_used=False),
    "RunInputArtifacts": lambda server, variables: _artifacts(server, variables, is_used=True),
    "FetchArtifactManifest": _manifest,
    "RunConsoleLogPage": _log_page,
}  # fmt: skip
