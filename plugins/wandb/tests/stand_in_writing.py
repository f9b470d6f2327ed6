"""Answers of the stand-in server to the SDK's runs, and to ``wandb sync``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stand_in_runs import ENTITY, SERVER, RefusedError, ServedRun, artifact_node, artifact_place, node_id

if TYPE_CHECKING:
    from stand_in_server import StandInServer


def _viewer(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    return {
        "viewer": {"id": node_id("User"), "entity": "team", "username": "someone", "email": "someone@team", "flags": "{}",
                   "admin": False, "apiKeys": {"edges": []}, "teams": {"edges": []}},
        "serverInfo": SERVER,
    }  # fmt: skip


def _upsert(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    name, project = variables["name"], variables.get("project") or "project"
    is_new = name not in server.runs
    run = server.runs.setdefault(name, ServedRun(name, project))
    run.display_name = variables.get("displayName") or run.display_name
    run.group = variables.get("groupName") or run.group
    run.notes = variables.get("notes") or run.notes
    run.job_type = variables.get("jobType") or run.job_type
    run.commit = variables.get("commit") or run.commit
    if sweep := variables.get("sweep"):
        if server.sweeps is None or sweep in server.sweeps:
            run.sweep = sweep
        elif server.refuses:
            if is_new:
                del server.runs[name]
            raise RefusedError(f"could not find sweep {sweep} during upsertBucket", 404)
    if variables.get("tags") is not None:
        run.tags = variables["tags"]
    if variables.get("config"):
        run.config = {key: item["value"] for key, item in json.loads(variables["config"]).items()}
    bucket = _bucket(server, run)
    if server.counts == "text":  # which would keep every run from starting
        bucket["historyLineCount"] = None
    return {"upsertBucket": {"bucket": bucket, "inserted": is_new}}


def _resume_status(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    run = server.runs.get(variables["name"])
    return {"model": {"id": node_id("Project"), "name": variables.get("project"), "entity": ENTITY,
                      "bucket": _bucket(server, run) if run else None}}  # fmt: skip


def _bucket(server: StandInServer, run: ServedRun) -> dict[str, Any]:
    events = run.files.get("wandb-events.jsonl", [])
    history = run.files.get("wandb-history.jsonl", [])
    if server.behind:
        history = history[: max(0, len(history) - server.behind)]
        server.behind = max(0, server.behind - server.step_behind)
    found = {
        "id": node_id(f"Run:{run.name}"), "name": run.name, "displayName": run.display_name, "description": "",
        "config": json.dumps({key: {"value": value} for key, value in run.config.items()}),
        "summaryMetrics": json.dumps(run.summary), "tags": run.tags, "sweepName": run.sweep,
        "historyLineCount": len(history), "eventsLineCount": len(events), "logLineCount": len(run.lines),
        "historyTail": json.dumps(history[-1:]), "eventsTail": json.dumps(events[-1:]),
        "wandbConfig": json.dumps({"t": 1}),
        "project": {"id": node_id("Project"), "name": run.project, "entity": ENTITY},
    }  # fmt: skip
    wrong = {"zero": 0, "null": None, "text": "many"}
    for key in ("historyLineCount", "eventsLineCount", "logLineCount"):
        if server.counts in wrong:
            found[key] = wrong[server.counts]
            found |= dict.fromkeys(("historyTail", "eventsTail"))
            found["wandbConfig"] = "{}" if server.counts == "zero" else found["wandbConfig"]  # nothing to resume
        elif server.counts == "nothing":
            del found[key]
    return found


def _run_files(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    files = [
        {"name": name, "uploadUrl": f"{server.url}/upload/{name}?run={variables['run']}"} for name in variables["files"]
    ]
    return {"createRunFiles": {"runID": "run", "uploadHeaders": [], "files": files}}


def _upload_urls(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    """The same, as early releases ask for it."""
    nodes = [{"node": {"name": name, "url": f"{server.url}/upload/{name}?run={variables['run']}", "updatedAt": None}}
             for name in variables["files"]]  # fmt: skip
    return {"model": {"bucket": {"id": "run", "files": {"uploadHeaders": [], "edges": nodes}}}}


def _artifact(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    given = dict(variables.get("input") or variables)
    if names := given.get("artifactCollectionNames"):  # of `wandb sync` before 0.26
        given["artifactCollectionName"] = names[0]
    server.artifacts.append(given)
    sequence = {"id": node_id("Sequence"), "name": "sequence", "latestArtifact": None}
    artifact_id = artifact_node(len(server.artifacts) - 1)
    return {"createArtifact": {"artifact": {"id": artifact_id, "state": "PENDING", "artifactSequence": sequence}}}


def _artifact_type(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    kind = server.artifact_types.get(variables["name"].partition(":")[0])
    return {"project": kind and {"artifact": {"artifactType": {"name": kind}}}}


def _manifest(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    name, place = "wandb_manifest.json", artifact_place(variables["artifactID"])
    file = {"id": node_id("File"), "name": name, "displayName": name,
            "uploadUrl": f"{server.url}/upload/{name}?artifact={place}",
            "uploadHeaders": []}  # fmt: skip
    return {"createArtifactManifest": {"artifactManifest": {"id": node_id("Manifest"), "file": file}}}


def _commit(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    return {"commitArtifact": {"artifact": {"id": variables["artifactID"], "digest": "digest"}}}


def shown_artifact(server: StandInServer, place: int = -1) -> dict[str, Any]:
    """An artifact as W&B describes it; by default the one that was created last."""
    given, place = server.artifacts[place], place % len(server.artifacts)
    return {
        "__typename": "Artifact", "id": artifact_node(place), "artifactSequence": _collection(
            "ArtifactSequence", given["artifactCollectionName"], given["projectName"]),
        "versionIndex": 0, "artifactType": {"name": given["artifactTypeName"]}, "description": None,
        "metadata": given.get("metadata") or "{}", "ttlDurationSeconds": -2, "ttlIsInherited": True, "tags": [],
        "historyStep": None, "state": "COMMITTED", "size": 0, "digest": "digest", "digestAlgorithm": "MANIFEST_MD5",
        "commitHash": "commit", "fileCount": 1, "createdAt": "2026-01-01T00:00:00Z", "updatedAt": None, "aliases": [],
    }  # fmt: skip


def _collection(kind: str, name: str, project: str) -> dict[str, Any]:
    of = {"id": node_id("Project"), "internalId": node_id("Internal"), "name": project, "entity": ENTITY}
    return {"__typename": kind, "name": name, "project": of}


def _link(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    given = variables["input"]
    if given["projectName"].removeprefix("wandb-registry-") not in server.registries:
        raise RefusedError(f"project {given['entityName']}/{given['projectName']} not found", 404)
    server.links.append({**given, "artifact": server.artifacts[-1]})
    membership = {
        "__typename": "ArtifactCollectionMembership", "id": node_id("Link"), "versionIndex": len(server.links) - 1,
        "createdAt": "2026-01-01T00:00:00Z", "artifact": shown_artifact(server),
        "artifactCollection": _collection("ArtifactPortfolio", given["artifactPortfolioName"], given["projectName"]),
        "aliases": [{"__typename": "ArtifactAlias", "id": node_id(each["alias"]), "alias": each["alias"]}
                    for each in given["aliases"]],
    }  # fmt: skip
    answer = {"versionIndex": len(server.links) - 1, "artifactMembership": membership}
    return {"result": answer, "linkArtifact": answer}  # as later and early releases call it


ANSWERS: dict[str, Callable[[StandInServer, dict[str, Any]], dict[str, Any]]] = {
    "upsertBucket": _upsert,
    "createRunFiles": _run_files,
    "createArtifactManifest": _manifest,
    "createArtifact": _artifact,
    "commitArtifact": _commit,
    "notifyScriptableRunAlert": lambda *_: {"notifyScriptableRunAlert": {"success": True}},
    "files": _upload_urls,
    "bucket": _resume_status,
    "artifactType": _artifact_type,
    "viewer": _viewer,
    "serverInfo": lambda *_: {"serverInfo": SERVER},
}
NAMED: dict[str, Callable[[StandInServer, dict[str, Any]], dict[str, Any]]] = {
    "ArtifactByID": lambda server, _: {"artifact": shown_artifact(server)},
    "FetchOrgInfoFromEntity": lambda *_: {
        "entity": {"organization": {"name": "org", "orgEntity": {"name": "org-entity"}}, "user": None}
    },
    "LinkArtifact": _link,
    # As early releases ask; they find the organization by this field.
    "TypeInfo": lambda _, variables: {
        "__type": {"name": variables["name"], "fields": [{"name": "orgEntity", "args": []}], "inputFields": []}
    },
}
