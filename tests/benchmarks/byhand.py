"""Three trackers by their own APIs: as fast as can be written by hand, and as their documentation shows it.

By hand means: whoever writes it knows every point beforehand and needs nothing after a kill. What is written is what
our plugins write: the same keys a row, steps and times.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self


class Row(NamedTuple):
    """One recorded call.

    Attributes:
        step: Its step.
        time: When, in milliseconds since the epoch.
        values: One number a key.
    """

    step: int
    time: int
    values: dict[str, float]


class Mlflow:
    """MLflow on SQLite, or a server of its own on loopback.

    Args:
        http: Whether there is a server.
    """

    name = "mlflow"
    best_is = "`log_batch` of 1,000"
    naive_is = "`log_metric`"

    def __init__(self, http: bool) -> None:
        self._http = http
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        place = Path.cwd()
        self.options = {"tracking_uri": f"sqlite:///{place / 'mlflow.db'}"}
        if self._http:
            from mlflow_server import mlflow_server

            self.options = {"tracking_uri": self._stack.enter_context(mlflow_server(place))}
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def open(self, run_id: str) -> None:
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient(**self.options)
        self.id = self.client.create_run("0").info.run_id

    def best(self, rows: Sequence[Row]) -> None:
        from mlflow.entities import Metric

        points = [Metric(key, value, row.time, row.step) for row in rows for key, value in row.values.items()]
        for start in range(0, len(points), 1000):
            self.client.log_batch(self.id, metrics=points[start : start + 1000], synchronous=True)

    def naive(self, rows: Sequence[Row]) -> None:
        for row in rows:
            for key, value in row.values.items():
                self.client.log_metric(self.id, key, value, step=row.step)

    def close(self) -> None:
        self.client.set_terminated(self.id)

    def count(self, run_id: str) -> int:
        """Points in the run whose native id is ``self.id``."""
        from mlflow.tracking import MlflowClient

        client = MlflowClient(**self.options)
        keys = client.get_run(self.id).data.metrics
        return sum(len(client.get_metric_history(self.id, key)) for key in keys)


class Wandb:
    """W&B offline, or online against the stand-in for its server.

    Args:
        online: Whether there is a server.
    """

    name = "wandb"
    best_is = "`run.log` of a row"
    naive_is = "`run.log` of a point"

    def __init__(self, online: bool) -> None:
        self._online = online
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.options = {"mode": "offline", "dir": str(Path.cwd())}
        if self._online:
            from stand_in_server import KEY, StandInServer

            self.server = self._stack.enter_context(StandInServer())
            self.options |= {"mode": "online", "base_url": self.server.url}
            os.environ["WANDB_API_KEY"] = KEY
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def open(self, run_id: str) -> None:
        import wandb

        given = {"root_dir": self.options["dir"], "console": "off", "silent": True, "disable_git": True,
                 "save_code": False, "x_disable_stats": True, "x_save_requirements": False}  # fmt: skip
        if self._online:
            given["base_url"] = self.options["base_url"]
        self.run = wandb.init(
            project="bench", id=run_id, mode=self.options["mode"], reinit="create_new", settings=wandb.Settings(**given)
        )

    def best(self, rows: Sequence[Row]) -> None:
        log = self.run.log
        for row in rows:
            log({**row.values, "step": row.step, "_timestamp": row.time / 1000})

    def naive(self, rows: Sequence[Row]) -> None:
        for row in rows:
            for key, value in row.values.items():
                self.run.log({key: value}, step=row.step)

    def close(self) -> None:
        self.run.finish()

    def count(self, run_id: str) -> int:
        """Points in the run's file, by W&B's own classes for its records, or on the server."""
        rows = self.server.runs[run_id].rows if self._online else self._written(run_id)
        return sum(key.startswith("metric_") for row in rows for key in row)

    def _written(self, run_id: str) -> list[dict[str, Any]]:
        """The rows of a run's file, once it is whole: ``finish()`` may return before its last block is written."""
        from wandb_file import read_wandb

        until = time.monotonic() + 30
        while True:
            try:
                run = read_wandb(Path(self.options["dir"]), run_id)
            except AssertionError:  # torn
                if time.monotonic() > until:
                    raise
            else:
                if run.exit_code is not None or time.monotonic() > until:
                    return run.rows
            time.sleep(0.05)


class Neptune:
    """Neptune offline."""

    name = "neptune"
    best_is = "`extend` of 1,000"
    naive_is = "`append`"

    def __enter__(self) -> Self:
        self.options = {"directory": str(Path.cwd() / ".neptune")}
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def open(self, run_id: str) -> None:
        import neptune

        self.run = neptune.init_run(
            mode="offline", source_files=[], git_ref=False, capture_stdout=False, capture_stderr=False,
            capture_hardware_metrics=False, capture_traceback=False,
        )  # fmt: skip

    def best(self, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), 1000):
            some = rows[start : start + 1000]
            steps, times = [row.step for row in some], [row.time / 1000 for row in some]
            for key in some[0].values:
                self.run[f"metrics/{key}"].extend([row.values[key] for row in some], steps=steps, timestamps=times)

    def naive(self, rows: Sequence[Row]) -> None:
        for row in rows:
            for key, value in row.values.items():
                self.run[f"metrics/{key}"].append(value, step=row.step)

    def close(self) -> None:
        self.run.stop()

    def count(self, run_id: str) -> int:
        """Points in the run that came last, by Neptune's own reader of its queue."""
        from neptune_file import read_operations, run_directories

        directory = max(run_directories(Path(self.options["directory"])), key=lambda path: path.stat().st_mtime_ns)
        return sum(len(op["values"]) for op in read_operations(directory) if op["type"] == "LogFloats")


Tracker = Mlflow | Wandb | Neptune
