"""The two trackers that are reached over HTTP: a real server behind the proxy, and what it holds by its own reader."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from mlflow.tracking import MlflowClient
from mlflow_reader import read_run
from mlflow_server import free_port, mlflow_server
from stand_in_server import KEY, StandInServer

from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import Lines, ListMetric, Metric
from multitrack_wandb.names import STEP
from proxy import Proxy


@dataclasses.dataclass
class Held:
    """A run as a tracker has it, or should have it.

    Attributes:
        points: Step, value and time (ms) of each point, by series, in the tracker's order.
        lines: The text, in order.
        best: The simple metric.
        rate: The param.
        tag: The tag.
        status: How it ended.
        runs: How many runs there are for it.
    """

    points: dict[str, list[tuple[int, float, int]]]
    lines: list[str]
    best: float
    rate: str
    tag: str
    status: str
    runs: int = 1


def recorded(run: RecordedRun) -> Held:
    """What a tracker should have: what the journal says."""
    points: dict[str, list[tuple[int, float, int]]] = {}
    lines: list[str] = []
    for record in run.records():
        if isinstance(record, Metric) and record.step is not None:
            for key, value in record.numbers.items():
                points.setdefault(key, []).append((record.step, value, record.time))
        elif isinstance(record, ListMetric):
            rows = [(record.index + i, value, record.time) for i, value in enumerate(record.numbers)]
            points.setdefault(record.name, []).extend(rows)
        elif isinstance(record, Lines):
            lines += record.lines
    summary = run.summary()
    return Held(
        points, lines, summary.metrics["best"], str(summary.params["lr"]), summary.tags["reached"], summary.status
    )


class MlflowServer:
    """A real MLflow server with its store in a directory, which can be killed and started again.

    Args:
        directory: Where its store is.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self.start()

    def start(self) -> None:
        """Start it, on the port that it has always had."""
        self._running = mlflow_server(self._directory, self._port)
        self.address = self._running.__enter__()

    def kill(self) -> None:
        """kill -9, of all its processes."""
        self._running.__exit__(None, None, None)


class MlflowSite:
    """A real MLflow server behind the proxy; the server outlives this site.

    Args:
        server: The server.
        options: Options of the backend.
    """

    name = "mlflow"
    patience = 4.0  # seconds after which a trouble has surely been met
    credential = "MLFLOW_TRACKING_TOKEN"

    def __init__(self, server: MlflowServer, **options: Any) -> None:
        parts = urlsplit(server.address)
        self.server = server
        self.address = server.address
        self.proxy = Proxy((str(parts.hostname), int(parts.port or 0)))
        self.options = {"tracking_uri": self.proxy.url, **options}
        self.environment = {"MLFLOW_TRACKING_TOKEN": "token"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.proxy.fail(None)

    def kill_server(self) -> None:
        """kill -9."""
        self.server.kill()

    def restart_server(self) -> None:
        """On the same port and store."""
        self.server.start()

    def runs(self, run_id: str) -> int:
        """How many runs there are for one of ours, asked without the proxy."""
        client = MlflowClient(tracking_uri=self.address)
        experiment = client.get_experiment_by_name("faults")
        return len(client.search_runs([experiment.experiment_id], f"tags.`multitrack.run_id` = '{run_id}'"))

    def held(self, run: RecordedRun) -> Held:
        """What the server has, asked without the proxy."""
        native_id = run.lanes()["mlflow"].id
        assert native_id is not None
        native = read_run(self.address, native_id)
        points = {
            key: [(int(step), value, int(time or 0)) for step, value, time in series]
            for key, series in native.series.items()
            if key != "best"
        }
        return Held(
            points, native.lines, native.metrics["best"], native.params["lr"], native.tags["reached"],
            str(native.status), self.runs(run.id),
        )  # fmt: skip


class WandbSite:
    """The stand-in for W&B's server.

    Args:
        directory: Where the SDK puts its files.
        options: Options of the backend.
    """

    name = "wandb"
    patience = 9.0  # the SDK gathers what it sends for up to 5 seconds
    credential = "WANDB_API_KEY"

    def __init__(self, directory: Path, **options: Any) -> None:
        self.server = StandInServer().__enter__()
        parts = urlsplit(self.server.url)
        self.proxy = Proxy((str(parts.hostname), int(parts.port or 0)))
        self.server.url = self.proxy.url  # so that uploads take the same way
        self.options = {"base_url": self.proxy.url, "dir": str(directory), "mode": "online", **options}
        self.environment = {"WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.proxy.fail(None)
        self.server.__exit__(None, None, None)

    def kill_server(self) -> None:
        """As kill -9 would: whoever is being answered hears no more."""
        self.proxy.fail(None)
        self.server.__exit__(None, None, None)

    def restart_server(self) -> None:
        """With what the killed one had kept."""
        before, self.server = self.server, StandInServer().__enter__()
        parts = urlsplit(self.server.url)
        self.server.runs, self.server.url = before.runs, self.proxy.url
        self.proxy.upstream = (str(parts.hostname), int(parts.port or 0))
        self.proxy.lift()

    def held(self, run: RecordedRun) -> Held:
        """What the server was sent."""
        native = self.server.runs[run.id]
        points: dict[str, list[tuple[int, float, int]]] = {}
        assert [row["_step"] for row in native.rows] == list(range(len(native.rows)))
        for row in native.rows:
            for key in row.keys() - {STEP, "_step", "_runtime", "_timestamp"}:
                point = (row[STEP], row[key], round(row["_timestamp"] * 1000))
                points.setdefault(key, []).append(point)
        return Held(
            points,
            [line.partition(" ")[2].rstrip("\n") for line in native.lines],
            native.summary["best"],
            str(native.config["lr"]),
            native.config["multitrack/tags/reached"],
            {0: "finished", None: "running"}.get(native.exit_code, "failed"),
        )
