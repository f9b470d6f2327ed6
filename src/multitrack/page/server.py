"""Serve the page to a browser on this machine while training runs, with updates on request.

Nothing is read while no page is open. The URL contains a secret, because other users of the machine can connect to
127.0.0.1, too. The ``Host`` header is checked, because a foreign page can make its name resolve to 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

from multitrack.errors import QueryError
from multitrack.lineage.graph import RunReferences
from multitrack.page.collect import Collected, Tables
from multitrack.page.lineage import lineage_block
from multitrack.page.monitor import PageMonitor
from multitrack.page.render import Options, data_block, metric_names, page_head, plotly, policy_header, render
from multitrack.page.sampling import Limits
from multitrack.page.schema import PageRun
from multitrack.reading.recorded_run import RecordedRun

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Seen(msgspec.Struct):
    """One run as it was last sent to the page."""

    collected: Collected
    encoded: bytes
    version: int
    told: tuple[str, str]
    references: RunReferences


class Watched:
    """The runs of a growing page, read on request, but not more often than every ``every`` seconds.

    Args:
        source: Returns the current runs at each call.
        options: The options of the page.
        every: Minimum interval between reads, in seconds.
    """

    def __init__(self, source: Callable[[], Iterable[RecordedRun]], options: Options, every: float = 2.0) -> None:
        self._source = source
        self._options = options
        self._every = every
        self._charts = plotly() if options.charts else ""
        self._tables = Tables()
        self._seen: dict[str, _Seen] = {}
        self._names: dict[str, None] = {}
        self._monitor = PageMonitor()
        self._version = 0
        self._read_at = -every
        self._lock = threading.Lock()

    def page(self) -> bytes:
        """Return the whole page."""
        with self._lock:
            self._refresh()
            block = data_block(self._head(), [seen.encoded for seen in self._seen.values()])
        return render(block, self._charts, served=True)

    def changes(self, since: int) -> bytes:
        """Return the runs that changed after a version of the page, as JSON."""
        with self._lock:
            self._refresh()
            new = [seen.encoded for seen in self._seen.values() if seen.version > since]
            return data_block(self._head() if self._version > since else {"version": self._version}, new)

    def policy(self) -> str:
        """Return the page's content security policy, as an HTTP header."""
        return policy_header(self._charts)

    def _head(self) -> dict[str, Any]:
        told = [seen.told for seen in self._seen.values()]
        return page_head(
            self._options.title, told, self._tables, self._names, Limits(self._options.points, self._options.lines),
            version=self._version, watch=self._every,
            lineage=lineage_block(seen.references for seen in self._seen.values()), monitor=self._monitor.block(),
        )  # fmt: skip

    def _chosen(self) -> Iterator[RecordedRun]:
        """Yield the runs; stop if the current runs make the filter invalid."""
        with contextlib.suppress(QueryError):
            yield from self._source()

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._read_at < self._every:
            return
        changed: dict[str, tuple[Collected, bytes, PageRun]] = {}
        for run in self._chosen():
            seen = self._seen.get(run.id)
            collected = seen.collected if seen else Collected(run, self._options.points, self._options.lines)
            collected.run = run  # its manifest may have been written again
            collected.read_on()
            found = collected.page_run(self._tables)
            encoded = msgspec.json.encode(found)
            if seen is None or encoded != seen.encoded:
                changed[run.id] = collected, encoded, found
        for collected, _, _ in changed.values():
            self._monitor.add(collected.run, collected.summary())
        if self._monitor.refresh() or changed:
            self._version += 1
        for run_id, (collected, encoded, found) in changed.items():
            self._names |= metric_names(found)
            told = found.project, str(collected.run.directory.parent.parent)
            self._seen[run_id] = _Seen(collected, encoded, self._version, told, collected.references())
        self._read_at = time.monotonic()


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
            if asked.path == root:
                self._answer(200, "text/html", watched.page(), {"Content-Security-Policy": watched.policy()})
            elif asked.path == f"{root}changes":
                since = parse_qs(asked.query).get("since", ["0"])[0]
                self._answer(200, "application/json", watched.changes(int(since) if since.isdecimal() else 0))
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
