"""A W&B server for tests: as much of its HTTP interface as the SDK and ``wandb sync`` use, on a loopback port.

It keeps what it is sent as W&B documents it: history and logs are lines placed at an offset, the config and summary are
the last that came. It can also be one of those servers that do not say how much they hold, or not yet.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

KEY = "local-" + "0" * 40


@dataclasses.dataclass
class ServedRun:
    """A run as the server has it."""

    name: str
    project: str
    display_name: str = ""
    group: str | None = None
    tags: list[str] = dataclasses.field(default_factory=list)
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    files: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    exit_code: int | None = None
    sweep: str | None = None
    notes: str | None = None
    job_type: str | None = None

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files.get("wandb-history.jsonl", [])]

    @property
    def summary(self) -> dict[str, Any]:
        lines = self.files.get("wandb-summary.json", [])
        return json.loads(lines[-1]) if lines else {}

    @property
    def lines(self) -> list[str]:
        return self.files.get("output.log", [])


class RefusedError(Exception):
    """A GraphQL answer that is an error, with an HTTP status; without one, no answer at all."""

    def __init__(self, message: str, status: int | None = 200) -> None:
        super().__init__(message)
        self.status = status


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: wandb-core hangs up without a word when it is done, or killed."""


class StandInServer:
    """Serves while the ``with`` block runs.

    Attributes:
        url: Its address.
        runs: What it holds, by run id.
        artifacts: The input of each artifact that was created.
        requests: Name or path of each request, in order.
        uploads: Name and bytes of each file that came, in order.
        withholds: Whether it takes no image and does not say so.
        artifact_types: Type of the artifacts that the project has already, by name.
        denied: Whether it refuses every key, and in which words.
        counts: How it answers who asks how much it holds: ``exact``; with ``zero``, ``null``, a ``text`` or ``nothing``;
            with ``errors``, as one that knows no such ``operation``, or ``never``; or with an HTTP status.
        unnamed: The same of questions without a name; default: as all others.
        appends: Whether it puts what it is sent behind what it has, wherever that belongs, and hands it out as files.
        behind: How many of its rows it has not counted yet; at each question ``step_behind`` less.
        refuses_rows: Whether it refuses every row and line.
        nonsense: Whether it takes them, and answers with what is no JSON.
        sweeps: The sweeps that it knows; ``None``: any. Whether it ``refuses`` others, or ignores them.
        interrupted: A function called once a request with rows was carried out, before it is answered.
    """

    def __init__(self) -> None:
        self.runs: dict[str, ServedRun] = {}
        self.artifacts: list[dict[str, Any]] = []
        self.artifact_types: dict[str, str] = {}
        self.requests: list[str] = []
        self.uploads: list[tuple[str, bytes]] = []
        self.withholds = False
        self.denied: bool | str = False
        self.counts: str | int = "exact"
        self.unnamed: str | int | None = None
        self.appends = False
        self.behind, self.step_behind = 0, 1
        self.refuses_rows = self.nonsense = False
        self.sweeps: set[str] | None = None
        self.refuses = False
        self.interrupted: Callable[[], None] | None = None
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self._http = _Http(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()

    def answer(self, query: str, variables: dict[str, Any], operation: str = "") -> dict[str, Any]:
        """The data of a GraphQL answer; every mutation needs its whole shape, or wandb-core dies of it."""
        if re.search(r"\bbucket\s*\(", query):
            self.refuse_to_count(operation)
        for field, reply in _ANSWERS.items():
            if re.search(rf"\b{field}\b\s*[({{]", query):
                return reply(self, variables)
        if "__type" in query:
            no_type: dict[str, Any] = {"fields": [], "inputFields": []}  # releases before 0.26 look into them
            return dict.fromkeys(re.findall(r"(\w+)\s*:\s*__type", query), no_type)
        return {}

    def refuse_to_count(self, operation: str) -> None:
        """Answer a question about a run as one of the servers does that do not know it."""
        counts = self.counts if operation or self.unnamed is None else self.unnamed
        if isinstance(counts, int):
            raise RefusedError("not here", counts)
        if counts == "errors":
            raise RefusedError('Cannot query field "historyLineCount" on type "Run"')
        if counts == "operation":
            raise RefusedError(f'Unknown operation named "{operation}".', 400)
        if counts == "never":
            raise RefusedError("", None)

    def stream(self, run: ServedRun, sent: dict[str, Any]) -> None:
        for name, chunk in (sent.get("files") or {}).items():
            lines = run.files.setdefault(name, [])
            offset = len(lines) if self.appends and name.endswith(("jsonl", "log")) else chunk.get("offset", 0)
            lines += [""] * (offset - len(lines))
            lines[offset : offset + len(chunk["content"])] = chunk["content"]
        if sent.get("complete"):
            run.exit_code = sent["exitcode"]


def _viewer(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    return {
        "viewer": {"id": _id("User"), "entity": "team", "username": "someone", "email": "someone@team", "flags": "{}",
                   "admin": False, "apiKeys": {"edges": []}, "teams": {"edges": []}},
        "serverInfo": _SERVER,
    }  # fmt: skip


def _upsert(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    name, project = variables["name"], variables.get("project") or "project"
    is_new = name not in server.runs
    run = server.runs.setdefault(name, ServedRun(name, project))
    run.display_name = variables.get("displayName") or run.display_name
    run.group = variables.get("groupName") or run.group
    run.notes = variables.get("notes") or run.notes
    run.job_type = variables.get("jobType") or run.job_type
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
    return {"model": {"id": _id("Project"), "name": variables.get("project"), "entity": _ENTITY,
                      "bucket": _bucket(server, run) if run else None}}  # fmt: skip


def _bucket(server: StandInServer, run: ServedRun) -> dict[str, Any]:
    events = run.files.get("wandb-events.jsonl", [])
    history = run.files.get("wandb-history.jsonl", [])
    if server.behind:
        history = history[: max(0, len(history) - server.behind)]
        server.behind = max(0, server.behind - server.step_behind)
    found = {
        "id": _id(f"Run:{run.name}"), "name": run.name, "displayName": run.display_name, "description": "",
        "config": json.dumps({key: {"value": value} for key, value in run.config.items()}),
        "summaryMetrics": json.dumps(run.summary), "tags": run.tags, "sweepName": run.sweep,
        "historyLineCount": len(history), "eventsLineCount": len(events), "logLineCount": len(run.lines),
        "historyTail": json.dumps(history[-1:]), "eventsTail": json.dumps(events[-1:]),
        "wandbConfig": json.dumps({"t": 1}),
        "project": {"id": _id("Project"), "name": run.project, "entity": _ENTITY},
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
    files = [{"name": name, "uploadUrl": f"{server.url}/upload/{name}"} for name in variables["files"]]
    return {"createRunFiles": {"runID": "run", "uploadHeaders": [], "files": files}}


def _upload_urls(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    """The same, as early releases ask for it."""
    nodes = [{"node": {"name": name, "url": f"{server.url}/upload/{name}", "updatedAt": None}}
             for name in variables["files"]]  # fmt: skip
    return {"model": {"bucket": {"id": "run", "files": {"uploadHeaders": [], "edges": nodes}}}}


def _artifact(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    given = dict(variables.get("input") or variables)
    if names := given.get("artifactCollectionNames"):  # of `wandb sync` before 0.26
        given["artifactCollectionName"] = names[0]
    server.artifacts.append(given)
    sequence = {"id": _id("Sequence"), "name": "sequence", "latestArtifact": None}
    return {"createArtifact": {"artifact": {"id": _id("Artifact"), "state": "PENDING", "artifactSequence": sequence}}}


def _artifact_type(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    kind = server.artifact_types.get(variables["name"].partition(":")[0])
    return {"project": kind and {"artifact": {"artifactType": {"name": kind}}}}


def _manifest(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    name = "wandb_manifest.json"
    file = {"id": _id("File"), "name": name, "displayName": name, "uploadUrl": f"{server.url}/upload/{name}",
            "uploadHeaders": []}  # fmt: skip
    return {"createArtifactManifest": {"artifactManifest": {"id": _id("Manifest"), "file": file}}}


def _commit(server: StandInServer, variables: dict[str, Any]) -> dict[str, Any]:
    return {"commitArtifact": {"artifact": {"id": _id("Artifact"), "digest": "digest"}}}


def _id(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_ENTITY = {"id": _id("Entity"), "name": "team"}
_SERVER = {"cliVersionInfo": {"max_cli_version": "99.0.0"}, "latestLocalVersionInfo": None, "features": []}
_ANSWERS: dict[str, Callable[[StandInServer, dict[str, Any]], dict[str, Any]]] = {
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
    "serverInfo": lambda *_: {"serverInfo": _SERVER},
}


def _handler(server: StandInServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            """Nothing: the tests look at what was kept."""

        def do_POST(self) -> None:
            body = self._body()
            if server.denied:
                said = server.denied if isinstance(server.denied, str) else "permission denied"
                return self._reply({"errors": [{"message": said}]}, 401)
            if self.path.endswith("/graphql"):
                sent = json.loads(body)
                with server.lock:
                    server.requests.append(sent.get("operationName") or sent["query"][:80])
                    try:
                        data = server.answer(
                            sent["query"], sent.get("variables") or {}, sent.get("operationName") or ""
                        )
                    except RefusedError as refusal:
                        status, error = refusal.status, {"data": None, "errors": [{"message": str(refusal)}]}
                    else:
                        status, error = 200, {"data": data}
                if status is None:
                    return server.stopped.wait()
                return self._reply(error, status)
            if server.refuses_rows and self.path.endswith("/file_stream"):
                return self._reply({"error": "too large"}, 413)
            with server.lock:
                server.requests.append(self.path)
                if match := re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path):
                    server.stream(server.runs[match[1]], json.loads(body))
            if server.interrupted is not None and b"wandb-history.jsonl" in body:
                server.interrupted()
            if match and server.nonsense:
                return self._send(b"<html>OK", 200, "text/html")
            return self._reply({}, 200 if match else 404)

        def do_PUT(self) -> None:
            body = self._body()
            if server.withholds and "/media/" in self.path:
                return server.stopped.wait()
            server.uploads.append((unquote(self.path).removeprefix("/upload/"), body))
            return self._reply({})

        def do_GET(self) -> None:
            match = re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/(.+)", self.path)
            if match and server.appends and match[1] in server.runs:
                lines = server.runs[match[1]].files.get(match[2], [])
                self._send("".join(f"{line.rstrip()}\n" for line in lines).encode(), 200, "text/plain")
            else:
                self._reply({})

        def _body(self) -> bytes:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            return gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body

        def _reply(self, answer: dict[str, Any], status: int = 200) -> None:
            self._send(json.dumps(answer).encode(), status, "application/json")

        def _send(self, body: bytes, status: int, kind: str) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
