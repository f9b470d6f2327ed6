"""Serve the page to a browser on this machine while training runs, with updates, curves and columns on request.

Nothing is read while no page is open. The URL contains a secret, because other users of the machine can connect to
127.0.0.1, too. The ``Host`` header is checked, because a foreign page can make its name resolve to 127.0.0.1.
"""

from __future__ import annotations

import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from multitrack.page.watched import Watched

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageServer:
    """Serves a page at :attr:`url`, until it is closed.

    Args:
        watched: The runs of the page.
        port: The port; 0 for any free one.
    """

    def __init__(self, watched: Watched, port: int = 0) -> None:
        self._secret = secrets.token_urlsafe(16)
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(watched, f"/{self._secret}/"))
        except OSError as error:
            error.filename = f"port {port}"
            raise
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """The URL of the page."""
        return f"http://127.0.0.1:{self._server.server_port}/{self._secret}/"

    def serve(self) -> None:
        """Serve until :meth:`close` is called from another thread."""
        self._server.serve_forever(poll_interval=0.1)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve, name="multitrack-report", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._thread.join()


def _handler(watched: Watched, root: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version = "multitrack"
        sys_version = ""

        def do_GET(self) -> None:
            if self.headers.get("Host") not in (f"127.0.0.1:{self._port}", f"localhost:{self._port}"):
                self._answer(403, "text/plain", b"open the address that multitrack report printed\n")
                return
            asked = urlsplit(self.path)
            given = parse_qs(asked.query, keep_blank_values=True)
            if asked.path == root:
                self._answer(200, "text/html", watched.page(), {"Content-Security-Policy": watched.policy()})
            elif asked.path == f"{root}changes":
                since = given.get("since", ["0"])[0]
                self._answer(200, "application/json", watched.changes(int(since) if since.isdecimal() else 0))
            elif asked.path == f"{root}run":
                self._answer(200, "application/json", watched.run(given.get("id", [""])[0]))
            elif asked.path == f"{root}curves":
                group, name = given.get("group", [""])[0], given.get("name", [""])[0]
                self._answer(200, "application/json", watched.curves(group, name, given.get("id", [])))
            elif asked.path == f"{root}contexts":
                self._answer(200, "application/json", watched.contexts())
            elif asked.path == f"{root}lineage":
                self._answer(200, "application/json", watched.lineage())
            elif asked.path == f"{root}column":
                group, name = given.get("group", [""])[0], given.get("name", [""])[0]
                self._answer(200, "application/json", watched.column(group, name))
            else:
                self._answer(404, "text/plain", b"not found: open the address that multitrack report printed\n")

        @property
        def _port(self) -> int:
            server: ThreadingHTTPServer = self.server  # type: ignore[assignment]
            return server.server_port

        def _answer(self, status: int, kind: str, body: bytes, more: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (_HEADERS | (more or {})).items():
                self.send_header(name, value)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """Log nothing, since requests contain the secret."""

    return Handler
