"""A tracker with the HTTP API that docs/writing-a-plugin.md describes, on loopback, in memory."""

import contextlib
import json
import threading
import urllib.parse
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "open-sesame"  # noqa: S105 - no secret


class Acme(ThreadingHTTPServer):
    """The server.

    Attributes:
        runs: The facts of each run.
        rows: The rows of each run, by ordinal and item.
        answers: How it answers the next requests: with a status, or with ``None`` as it should.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.runs: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, dict[tuple[int, int], list[Any]]] = {}
        self.answers: list[int | None] = []


class _Request(BaseHTTPRequestHandler):
    server: Acme
    wbufsize = -1  # an answer is one packet

    def _handle(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
        if self.server.answers and (status := self.server.answers.pop(0)) is not None:
            return self._answer(status)
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self._answer(HTTPStatus.UNAUTHORIZED)
        url = urllib.parse.urlsplit(self.path)
        match [self.command, *url.path.split("/")[1:]]:
            case ["PUT" | "PATCH", "runs", run]:
                self.server.runs.setdefault(run, {}).update(body)
                return self._answer(HTTPStatus.OK, {"rows": len(self.server.rows.setdefault(run, {}))})
            case ["POST", "runs", run, "rows"]:
                self.server.rows[run].update({(row[0], row[1]): row for row in body})
                return self._answer(HTTPStatus.OK)
            case ["GET", "runs"]:
                wanted = dict(urllib.parse.parse_qsl(url.query))
                found = [run for run, facts in self.server.runs.items() if wanted.items() <= facts.items()]
                return self._answer(HTTPStatus.OK, {"id": found[0] if found else None})
        return self._answer(HTTPStatus.NOT_FOUND)

    do_GET = do_PATCH = do_POST = do_PUT = _handle  # noqa: N815 - names of http.server

    def _answer(self, status: int, content: object = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def serving() -> Iterator[Acme]:
    """Run a server."""
    with Acme() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
