"""A served model for the tests of this backend: workers as processes of their own, in two deployments."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_server import until

from multitrack.journal.cursor import Cursor
from multitrack.records import Metric

#: A worker that answers requests until there is a file ``enough``. With a file ``drop-<deployment>``, most are wrong.
#: Latencies are multiples of 2⁻¹⁰ s, so that sums of doubles are exact.
WORKER = """
import sys, time
from pathlib import Path
import multitrack

deployment, name = sys.argv[1:]
config = {"journal": "journal", "interval": 0.1, "prometheus": OPTIONS}
with multitrack.start_run("digits", name, run_id=name, deployment=deployment, trigger="endpoint", config=config,
                          backends=["prometheus"]) as run:
    request = 0
    while not Path("enough").exists():
        right = request % 10 < (3 if Path("drop-" + deployment).exists() else 10)
        run.log_metrics({"score": int(right), "latency": (1 + request % 100) / 1024, "class": request % 10})
        request += 1
        time.sleep(0.005)
"""


class Service:
    """Workers by name, and the journal that they share."""

    def __init__(self, directory: Path, options: dict[str, Any]) -> None:
        self._directory = directory
        self._script = textwrap.dedent(WORKER.replace("OPTIONS", repr(options)))
        self._deployments: dict[str, str] = {}
        self.workers: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, deployment: str, name: str) -> None:
        """Start a worker, whose name is its run's id."""
        self._deployments[name] = deployment
        with (self._directory / f"{name}.log").open("wb") as log:
            self.workers[name] = subprocess.Popen(
                [sys.executable, "-c", self._script, deployment, name], cwd=self._directory, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        """Kill a worker as the kernel does, and leave its courier."""
        worker = self.workers.pop(name)
        worker.kill()
        worker.wait()

    def kill_courier(self, name: str) -> None:
        """Kill the courier of a worker, and leave the worker."""
        pid = self.workers[name].pid
        (courier,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(courier), signal.SIGKILL)

    def drop(self, deployment: str) -> None:
        """Let the workers of a deployment be wrong from now on."""
        (self._directory / f"drop-{deployment}").touch()

    def end(self) -> None:
        """End all workers in order."""
        (self._directory / "enough").touch()
        for name, worker in self.workers.items():
            assert worker.wait(60) == 0, (self._directory / f"{name}.log").read_text()
        until(lambda: not self._open_runs(), "end of the runs whose workers were killed")

    def recorded(self, deployment: str) -> tuple[dict[str, float], dict[str, float], Counter[float]]:
        """The number and the sum of each metric's values in the journal, and the latencies."""
        counts: dict[str, float] = {}
        sums: dict[str, float] = {}
        latencies: Counter[float] = Counter()
        for name in [name for name, its in self._deployments.items() if its == deployment]:
            cursor = Cursor(self._directory / "journal" / "runs" / name)
            while records := cursor.read():
                for record in records:
                    for metric, value in record.numbers.items() if isinstance(record, Metric) else ():
                        counts[metric] = counts.get(metric, 0) + 1
                        sums[metric] = sums.get(metric, 0) + value
                        if metric == "latency":
                            latencies[value] += 1
        return counts, sums, latencies

    def _open_runs(self) -> list[str]:
        states = (self._directory / "journal").glob("runs/*/lanes/prometheus.json")
        return [str(path) for path in states if '"closed": true' not in path.read_text()]


@contextlib.contextmanager
def service(directory: Path, options: dict[str, Any]) -> Iterator[Service]:
    """A service without workers; those that are left are killed at the end."""
    directory.mkdir()
    started = Service(directory, options)
    try:
        yield started
    finally:
        (directory / "enough").touch()
        for worker in started.workers.values():
            worker.kill()
            worker.wait()
