"""The mode ``serve``: an HTTP server in the courier, which Prometheus scrapes."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from multitrack.errors import PermanentError, RetryableError
from multitrack_prometheus.exposition import families, registry_of
from multitrack_prometheus.options import PrometheusOptions
from multitrack_prometheus.values import RunValues

if TYPE_CHECKING:
    from prometheus_client.core import Metric

#: Number of ports that are tried, from the option's on: each training on a machine has a courier of its own.
PORTS: Final = 16


class Served:
    """Serves the runs of this process at one address, until the process ends.

    Args:
        options: Address, and the maximum number of runs.

    Attributes:
        url: The page that Prometheus scrapes.
    """

    def __init__(self, options: PrometheusOptions) -> None:
        self._max_runs = options.max_runs
        self._lock = threading.Lock()
        self._runs: dict[tuple[str, str], RunValues] = {}  # ended ones first, in the order of their ends
        self._waiting: dict[tuple[str, str], RunValues] = {}  # open ones for which there is no room
        self._scraped = threading.Condition()
        self._last_scrape = self._started = time.monotonic()  # when the last scrape began
        self._server = _listen(options, self._app(registry_of(self._collect)))
        port = self._server.server_address[1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        self.url = f"http://{host}:{port}/metrics"
        threading.Thread(target=self._server.serve_forever, name="multitrack-prometheus", daemon=True).start()

    def show(self, values: RunValues) -> list[str]:
        """Show a run from now on; return a sentence if there is no room for it."""
        with self._lock:
            if self._runs.get(values.identity) is not values:
                self._runs.pop(values.identity, None)  # the same run, before it was resumed
                if not self._make_room():
                    self._waiting[values.identity] = values
                    return [f"not shown: max_runs = {self._max_runs} other runs are; multitrack_runs_left_out counts"]
                self._waiting.pop(values.identity, None)
                self._runs[values.identity] = values
        return []

    def close(self, values: RunValues) -> list[str]:
        """Show how a run ended. If no other run is open, wait until Prometheus has seen it.

        The next scrape is due within ``hold`` seconds of the last one. If it does not come, nobody scrapes.
        """
        said = self.show(values)
        with self._lock:
            self._waiting.pop(values.identity, None)
            if self._runs.pop(values.identity, None) is not None:
                ended = {key: run for key, run in self._runs.items() if run.ended is not None}
                self._runs = {
                    **ended,
                    values.identity: values,
                    **{k: v for k, v in self._runs.items() if k not in ended},
                }
            others = any(run.ended is None for run in [*self._runs.values(), *self._waiting.values()])
        if not others and not said and values.ended is not None:
            now = time.monotonic()
            hold = values.run.options.hold
            since_end = time.time() - values.ended / 1000
            with self._scraped:
                self._scraped.wait_for(
                    lambda: self._last_scrape >= now, min(hold - since_end, hold - (now - self._last_scrape))
                )
        return said

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()

    def _make_room(self) -> bool:
        if len(self._runs) >= self._max_runs:
            first = next(iter(self._runs.values()))
            if first.ended is None:
                return False
            del self._runs[first.identity]
        return True

    def _collect(self) -> list[Metric]:
        with self._lock:
            for runs in (self._runs, self._waiting):
                for values in [run for run in runs.values() if run.superseded]:
                    del runs[values.identity]
            shown, waiting = [run for run in self._runs.values() if run.caught_up], len(self._waiting)
        return families(shown, waiting)

    def _app(self, registry: Any) -> Callable[..., Iterator[bytes]]:
        """The client's own application, at ``/metrics`` only; it notes each scrape that was answered whole."""
        from prometheus_client import make_wsgi_app  # noqa: PLC0415 - only in the courier

        metrics = make_wsgi_app(registry)

        def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            if environ["PATH_INFO"] != "/metrics":
                start_response("404 Not Found", [("Content-Type", "text/plain")])
                yield b"the metrics are at /metrics\n"
                return
            began = time.monotonic()
            yield from metrics(environ, start_response)
            if environ["REQUEST_METHOD"] == "GET":
                with self._scraped:
                    self._last_scrape = max(began, self._last_scrape)
                    self._scraped.notify_all()

        return app


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that went away."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds for a client that connects and says nothing

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Log nothing: a scrape every few seconds would fill the courier's log."""


def _listen(options: PrometheusOptions, app: Callable[..., Iterator[bytes]]) -> _Server:
    kind = _Server6 if ":" in options.host else _Server
    ports = range(options.port, min(options.port + PORTS, 65536)) if options.port else range(1)
    for port in ports:
        try:
            server = kind((options.host, port), _Handler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise PermanentError(f"cannot serve at {options.host}:{port}: {error}") from error
            continue
        server.set_app(app)
        return server
    raise RetryableError(f"the ports {ports[0]} to {ports[-1]} of {options.host} are taken")
