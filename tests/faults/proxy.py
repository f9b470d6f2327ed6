"""A proxy on loopback that spoils what passes between a client and a real server, switchable while it runs.

A fault is a function of one :class:`Exchange`: it may forward the request or not, wait, and answer with what the
server said, a part of it, something else, or nothing. The proxy keeps one port for its whole life, whatever happens
to the server behind it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclasses.dataclass(frozen=True)
class Seen:
    """One request: when it came (monotonic seconds), its path and body, and the fault that met it."""

    time: float
    path: str
    body: bytes
    fault: str


@dataclasses.dataclass
class Exchange:
    """One request, and the ways to answer it."""

    proxy: Proxy
    client: socket.socket
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def forward(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Hand the request to the real server, which carries it out; gives its answer."""
        host, port = self.proxy.upstream
        connection = http.client.HTTPConnection(host, port, timeout=120)
        try:
            connection.putrequest(self.method, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers:
                if name.lower() not in _HOP:
                    connection.putheader(name, value)
            connection.putheader("Host", f"{host}:{port}")
            connection.putheader("Content-Length", str(len(self.body)))
            connection.endheaders(self.body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, length: int | None = None) -> None:
        """Send an answer; ``length`` claims another length than the body has."""
        kept = [(name, value) for name, value in headers if name.lower() not in _HOP]
        kept.append(("Content-Length", str(len(body) if length is None else length)))
        head = f"HTTP/1.1 {status} {http.client.responses.get(status, 'Unknown')}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in kept)
        self.client.sendall(head.encode("latin-1") + b"\r\n" + body)

    def say(self, status: int, body: str, kind: str = "application/json", **headers: str) -> None:
        """Send an answer of the proxy's own."""
        given = [(name.replace("_", "-"), value) for name, value in headers.items()]
        self.answer(status, [("Content-Type", kind), *given], body.encode())

    def hang_up(self, *, reset: bool = False) -> None:
        """Close the connection, or reset it."""
        if reset:
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _HangUpError


class _HangUpError(Exception):
    """The connection is over."""


Fault = Callable[[Exchange], None]


def healthy(exchange: Exchange) -> None:
    """Pass everything on."""
    exchange.answer(*exchange.forward())


def reset(exchange: Exchange) -> None:
    """The server carries the request out, and its answer breaks off after some bytes: the client cannot know."""
    exchange.forward()
    exchange.client.sendall(b"HTTP/1.1 200 OK\r\nConte")
    exchange.hang_up(reset=True)


def truncated(exchange: Exchange) -> None:
    """As :func:`reset`, but the answer ends politely in the middle of its body."""
    status, headers, body = exchange.forward()
    exchange.answer(status, headers, body[: len(body) // 2], length=len(body) + 10)
    exchange.hang_up()


def hung(exchange: Exchange) -> None:
    """Take the request and never answer."""
    exchange.proxy.lifted.wait()
    exchange.hang_up()


def slow(seconds: float) -> Fault:
    """Carry each request out so much later, even where the client has gone meanwhile."""

    def slow(exchange: Exchange) -> None:
        time.sleep(seconds)
        healthy(exchange)

    return slow


def too_many(seconds: int) -> Fault:
    """429, with so many seconds to stay away."""

    def too_many(exchange: Exchange) -> None:
        exchange.say(429, json.dumps({"error": "rate limit exceeded"}), Retry_After=str(seconds))

    return too_many


def bursts(good: int, bad: int) -> Fault:
    """By turns so many requests that pass and so many that end in a 500."""
    count = iter(range(10**9))
    lock = threading.Lock()

    def bursts(exchange: Exchange) -> None:
        with lock:
            turn = next(count) % (good + bad)
        if turn < good:
            healthy(exchange)
        else:
            exchange.say(500, json.dumps({"error": "internal error"}))

    return bursts


def only(path: str, fault: Fault, times: int = 10**9) -> Fault:
    """Meet requests whose path ends like this, so many of them; pass on the others."""
    left = iter(range(times))

    def only(exchange: Exchange) -> None:
        if exchange.path.endswith(path) and next(left, None) is not None:
            fault(exchange)
        else:
            healthy(exchange)

    return only


def denied(exchange: Exchange) -> None:
    """401 for everything."""
    exchange.say(401, json.dumps({"errors": [{"message": "invalid credentials"}]}))


def html(exchange: Exchange) -> None:
    """What the login page of a network says to everything: 200 and HTML."""
    exchange.say(200, "<html><body>Please sign in</body></html>", kind="text/html")


def garbage(exchange: Exchange) -> None:
    """200 and JSON that is none."""
    exchange.say(200, '{"run": {"info": [}')


class Proxy:
    """Serves on one port while the ``with`` block runs.

    Args:
        upstream: Host and port of the real server.

    Attributes:
        url: The proxy's address.
        upstream: Host and port of the real server.
        seen: Every request, in order.
        lifted: Set while no fault is on.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self.seen: list[Seen] = []
        self.lifted = threading.Event()
        self.lifted.set()
        self._fault: Fault | None = healthy
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = self._listen(0)
        self._port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.fail(None)

    def is_idle(self) -> bool:
        """Return True if no client is connected, and no request of one that has gone waits to be carried out."""
        with self._lock:
            return not self._open

    def lift(self) -> None:
        """Be healthy again."""
        was, self._fault = self._fault, healthy
        if was is None:
            self._listener = self._listen(self._port)
        self.lifted.set()

    def fail(self, fault: Fault | None) -> None:
        """Meet every request from now on with this; ``None``: the port is closed and connections are refused."""
        was, self._fault = self._fault, fault
        self.lifted.clear()
        if fault is None and was is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accept
            self._listener.close()
            with self._lock:
                clients, self._open = self._open, set()
            for client in clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            self.lifted.set()  # what hangs may go

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))  # with SO_REUSEADDR
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = listener.accept()
                with self._lock:
                    self._open.add(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, http.client.HTTPException, ValueError, _HangUpError):
            stream = client.makefile("rb")
            while (exchange := self._read(client, stream)) is not None:
                fault = self._fault
                if fault is None:
                    break
                with self._lock:
                    self.seen.append(Seen(time.monotonic(), exchange.path, exchange.body, fault.__name__))
                fault(exchange)
        with self._lock:
            self._open.discard(client)

    def _read(self, client: socket.socket, stream: socket.SocketIO | object) -> Exchange | None:
        line = stream.readline(65537).decode("latin-1")  # type: ignore[union-attr]
        if not line:
            return None
        method, path, _ = line.split()
        headers = list(http.client.parse_headers(stream).items())  # type: ignore[arg-type]
        lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
        if any(name.lower() == "transfer-encoding" for name, _ in headers):
            raise ValueError("chunked requests are not understood")
        body = stream.read(lengths[0]) if lengths else b""  # type: ignore[union-attr]
        return Exchange(self, client, method, path, headers, body)
