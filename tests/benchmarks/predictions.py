"""What it costs a service to record each prediction: the request, and the recording call alone.

Two servers, one that records and one that does not, are processes of their own with one worker each. One client sends
one request after the other, to each of them in turns: whatever else the machine does meets both.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import bench
from bench import Case, Figures, Group, Results, percentile

SERVING = bench.ROOT / "examples" / "serving"
#: The digit that was read, and the seconds that it took.
Record = Callable[[int, float], object]
PIXELS = [float(i % 17) for i in range(64)]


def nothing() -> Record:
    return lambda digit, seconds: None


def multitrack(*backends: str) -> Callable[[], Record]:
    def start() -> Record:
        import multitrack

        options = {"mlflow": {"tracking_uri": os.environ["SERVER"]}} if backends else {}
        run = multitrack.start_run("bench", deployment="eu", backends=list(backends), config={**options})
        return lambda digit, seconds: run.log_metrics({"class": digit, "latency": seconds, "score": 1})

    return start


def prometheus() -> Record:
    """As its documentation shows it; with ``PROMETHEUS_MULTIPROC_DIR``, in files that its workers share."""
    from prometheus_client import Counter, Histogram

    classes = Counter("predictions", "by class", ["digit"])
    right = Counter("right", "predictions that were right")
    latency = Histogram("latency_seconds", "of a prediction")

    def record(digit: int, seconds: float) -> None:
        classes.labels(str(digit)).inc()
        right.inc()
        latency.observe(seconds)

    return record


def mlflow(*, synchronous: bool) -> Callable[[], Record]:
    def start() -> Record:
        from mlflow.entities import Metric
        from mlflow.tracking import MlflowClient

        client = MlflowClient(os.environ["SERVER"])
        run_id = client.create_run("0").info.run_id

        def record(digit: int, seconds: float) -> None:  # mlflow.log_metrics asks the server for the run as well
            numbers = {"class": digit, "latency": seconds, "score": 1.0}
            now = time.time_ns() // 1_000_000
            metrics = [Metric(name, value, now, 0) for name, value in numbers.items()]
            client.log_batch(run_id, metrics, synchronous=synchronous)

        return record

    return start


NONE = "no tracking"
#: What records, the number of requests, and the number of calls alone.
RECORDERS: dict[str, tuple[Callable[[], Record], int, int]] = {
    NONE: (nothing, 1000, 50_000),
    "multitrack": (multitrack(), 1000, 50_000),
    "multitrack, delivered to an MLflow server": (multitrack("mlflow"), 1000, 2_000),
    "prometheus-client": (prometheus, 1000, 50_000),
    "prometheus-client, several workers": (prometheus, 1000, 50_000),
    "MLflow server": (mlflow(synchronous=True), 200, 100),
    "MLflow server, `synchronous=False`": (mlflow(synchronous=False), 200, 200),
}


def serve(name: str, port: int) -> None:
    """Serve the example's model with a recorder, until the process is killed."""
    import uvicorn
    from fastapi import FastAPI

    sys.path.insert(0, str(SERVING))
    import service

    record, app = RECORDERS[name][0](), FastAPI()

    def predict(image: service.Image) -> dict[str, int]:
        begun = time.perf_counter()
        digit = service.model(service.np.array(image.pixels))
        record(digit, time.perf_counter() - begun)
        return {"class": digit}

    predict.__annotations__ = {"image": service.Image, "return": dict[str, int]}  # instead of text that names locals
    app.post("/predict")(predict)
    uvicorn.run(app, port=port, log_level="warning", access_log=False)


def measured(name: str) -> Callable[[float], Figures]:
    start, requests, calls = RECORDERS[name]

    def run(scale: float) -> Figures:
        with contextlib.ExitStack() as stack:
            if "several workers" in name:
                Path("shared").mkdir()
                os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.path.abspath("shared")  # noqa: PTH100
            if "MLflow" in name:
                from mlflow_server import mlflow_server

                os.environ["SERVER"] = stack.enter_context(mlflow_server(Path.cwd()))
            served = requested(name, max(20, round(requests * scale)))
            return {**served, "call": alone(start(), max(20, round(calls * scale)))}

    return run


def alone(record: Record, count: int) -> float:
    """The median of a call, in seconds."""
    clock, took = time.perf_counter_ns, []
    for i in range(count):
        before = clock()
        record(i % 10, 0.001)
        took.append(clock() - before)
    return percentile(sorted(took), 0.5) / 1e9


def requested(name: str, count: int) -> Figures:
    """Requests to two servers, in turns: the medians, the 99th percentile, and the CPU time of the servers."""
    servers = [_Server(name), _Server(NONE)]
    try:
        for server in servers:
            server.connect()
            for _ in range(max(10, count // 10)):
                server.ask()
        for server in servers:
            server.begin()
        for i in range(count):
            for server in servers if i % 2 else reversed(servers):
                server.ask()
        (own, p99, cpu), (none, _, bare) = (server.figures() for server in servers)
    finally:
        for server in servers:
            server.end()
    return {"request": own, "p99": p99, "ratio": own / none, "added": own - none, "cpu": cpu, "cpu added": cpu - bare}


class _Server:
    """One server, and a connection to it."""

    def __init__(self, name: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"import predictions; predictions.serve({name!r}, {self._port})"]
        )
        self._body = json.dumps({"pixels": PIXELS})
        self._took: list[int] = []
        self._cpu = 0.0

    def connect(self) -> None:
        self._connection = _connected(self._port, self._process)

    def ask(self) -> None:
        begun = time.perf_counter_ns()
        self._connection.request("POST", "/predict", self._body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        self._took.append(time.perf_counter_ns() - begun)
        if answer.status != 200:
            raise SystemExit(f"{answer.status}: {text!r}")

    def begin(self) -> None:
        self._took, self._cpu = [], _cpu(self._process.pid)

    def figures(self) -> tuple[float, float, float]:
        """The median and the 99th percentile of a request, and its CPU time."""
        ordered = sorted(self._took)
        cpu = (_cpu(self._process.pid) - self._cpu) / len(ordered)
        return percentile(ordered, 0.5) / 1e9, percentile(ordered, 0.99) / 1e9, cpu

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def _connected(port: int, server: subprocess.Popen[bytes]) -> http.client.HTTPConnection:
    for _ in range(1200):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.connect()
        except OSError:
            if server.poll() is not None:
                raise SystemExit(f"the server ended with {server.returncode}") from None
            time.sleep(0.1)
        else:
            assert connection.sock is not None
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
    raise SystemExit("the server does not answer")


def _cpu(pid: int) -> float:
    """Seconds of CPU of all threads of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def page(results: Results) -> str:
    rows = [
        "| each prediction is recorded by | request, against none beside it | added, p50 ms | request p50 ms | p99 ms | "
        "CPU of the service added, ms a request | the call alone, p50 µs |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {name} | {results.spread(name, 'ratio', form='.2f')} | {results.median(name, 'added') * 1e3:.2f} | "
        f"{results.median(name, 'request') * 1e3:.2f} | {results.median(name, 'p99') * 1e3:.1f} | "
        f"{results.median(name, 'cpu added') * 1e3:.2f} | "
        + ("|" if name == NONE else f"{results.spread(name, 'call', 1e6)} |")
        for name in RECORDERS
        if name in results
    ]
    return "\n".join(rows)


CASES: Sequence[Case] = [Case(name, measured(name)) for name in RECORDERS]
SHORT = (NONE, "multitrack", "prometheus-client, several workers", "MLflow server")
GROUP = Group("predictions", CASES, page, rounds=7, short=[case for case in CASES if case.name in SHORT])
