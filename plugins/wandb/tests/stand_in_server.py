"""A W&B server for tests: as much of its HTTP interface as the SDK and ``wandb sync`` use, on a loopback port.

It keeps what it is sent as W&B documents it: history and logs are lines placed at an offset, the config and summary are
the last that came. It can also be one of those servers that do not say how much they hold, or not yet.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from stand_in_reading import READING, asked, stored_file
from stand_in_runs import RefusedError, ServedRun
from stand_in_writing import ANSWERS, NAMED

__all__ = ["KEY", "ServedRun", "StandInServer"]

KEY = "local-" + "0" * 40


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
        stops_at: Step from which on it refuses to hand out rows, and with which HTTP status; 0: it hangs up.
        pages_logs: Whether it hands out its log page by page, as later servers do.
        lists_artifacts: Whether it lists the artifacts of runs.
        manifests: Manifest of each artifact, by the artifact's place.
    """

    def __init__(self) -> None:
        self.runs: dict[str, ServedRun] = {}
        self.artifacts: list[dict[str, Any]] = []
        self.links: list[dict[str, Any]] = []
        self.registries = {"model"}
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
        self.stops_at: int | None = None
        self.stops_with = 200
        self.pages_logs = self.lists_artifacts = True
        self.manifests: dict[int, bytes] = {}
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
        named = re.match(r"(?:#\w+)?\s*(?:query|mutation)\s+(\w+)", query)
        if named is not None and named[1] in NAMED:
            return NAMED[named[1]](self, variables)
        if named is not None and named[1] in READING:
            return asked(query, READING[named[1]](self, variables))
        for field, reply in ANSWERS.items():
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
                if status == 0:
                    self.close_connection = True
                    return None
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
            path, _, owner = self.path.partition("?")
            name = unquote(path).removeprefix("/upload/")
            server.uploads.append((name, body))
            kind, _, place = owner.partition("=")
            if kind == "run":
                server.runs[unquote(place)].uploads[name] = body
            elif kind == "artifact":
                server.manifests[int(place)] = body
            return self._reply({})

        def do_GET(self) -> None:
            match = re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/(.+)", self.path)
            if match and server.appends and match[1] in server.runs:
                lines = server.runs[match[1]].files.get(match[2], [])
                self._send("".join(f"{line.rstrip()}\n" for line in lines).encode(), 200, "text/plain")
            elif self.path.startswith("/storage/"):
                found = stored_file(server, unquote(self.path.removeprefix("/storage/")))
                self._send(found or b"", 404 if found is None else 200, "application/octet-stream")
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
