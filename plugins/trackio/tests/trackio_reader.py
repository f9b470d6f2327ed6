"""What Trackio holds of a run, by Trackio's own reader, as the contract compares it.

The reader keeps its directory in a global variable that is set when it is imported, so it runs in a process of its own.
"""

import datetime
import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from multitrack.testing import NativePoint, NativeReference, NativeRun
from multitrack_trackio import name_of
from multitrack_trackio.values import value_of

_SCRIPT = """
import inspect, json, sys
import trackio
from trackio.sqlite_storage import SQLiteStorage
for line in sys.stdin:
    directory, project = json.loads(line)
    for module in [m for name, m in sys.modules.items() if name.startswith("trackio") and hasattr(m, "TRACKIO_DIR")]:
        module.TRACKIO_DIR = __import__("pathlib").Path(directory)
    runs = []
    for run in trackio.Api().runs(project):
        told = {"run_id": run.id} if "run_id" in inspect.signature(SQLiteStorage.get_logs).parameters else {}
        logs = SQLiteStorage.get_logs(project, run.name, **told)
        runs.append({"id": run.id, "name": run.name, "config": run.config, "logs": logs})
    print(json.dumps(runs), flush=True)
"""
_PREFIXES = ("logs/", "exact/", "figures/", "multitrack/")


class Reader:
    """Trackio's reader in another process, kept for many questions."""

    def __init__(self, python: str = sys.executable) -> None:
        self._python = python
        self._process = self._started()

    def _started(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        return subprocess.Popen(
            [self._python, "-c", _SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def runs(self, directory: Path, project: str) -> list[dict[str, Any]]:
        """Id, name, config and logs of every run of a project. A process that has died is started again, once."""
        answer = self._ask(directory, project)
        if not answer:
            self._process = self._started()
            answer = self._ask(directory, project)
        found: list[dict[str, Any]] = json.loads(answer)
        return found

    def _ask(self, directory: Path, project: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(directory), project]) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@functools.lru_cache(maxsize=1)
def reader() -> Reader:
    return Reader()


def read_run(directory: Path, project: str, native_id: str) -> NativeRun:
    """One run, which must be there exactly once; written by public functions, it is told by its name."""
    runs = reader().runs(directory, project)
    (run,) = [run for run in runs if run["id"] == native_id or run["name"].endswith(f"({native_id})")]
    return native(run)


def find_run(directory: Path, project: str, run_id: str) -> NativeRun:
    """One run by multitrack's id."""
    (run,) = [run for run in reader().runs(directory, project) if run["config"]["multitrack/run_id"] == run_id]
    return native(run)


def native(run: dict[str, Any]) -> NativeRun:
    config = dict(run["config"])

    def own(key: str) -> Any:
        return value_of(config.get(f"multitrack/{key}"))

    found = NativeRun(
        name=own("name"), status=own("status"), parent=own("parent"),
        started=_ms(own("started")), ended=_ms(own("ended")) if own("ended") else None,
        identity={key: own(key) for key in ("user", "host", "program")},
    )  # fmt: skip
    found.references = {}
    for key, value in config.items():
        if key.startswith("tags/"):
            found.tags[key.removeprefix("tags/")] = value_of(value)
        elif key.startswith("artifacts/"):
            name = key.removeprefix("artifacts/")
            found.artifacts[name] = value["uri"]
            found.references[name] = NativeReference(
                value["kind"], value["role"], value.get("digest"), value.get("size"), value.get("version")
            )
        elif key.startswith("summary/"):
            found.metrics[key.removeprefix("summary/")] = value_of(value)
        elif not key.startswith(("_", "multitrack/", "exact/")):
            found.params[name_of(key)] = value_of(value)
    lines: dict[int, str] = {}
    for row in run["logs"]:
        time, step = row.pop("timestamp"), row.pop("step")
        time = _ms(row.get("multitrack/time", time))  # the recorded one, where Trackio has its own
        for key, value in row.items():
            if key.startswith("logs/"):
                assert step not in lines
                lines[step] = value_of(value)
            elif not key.startswith(_PREFIXES):
                exact = row.get(f"exact/{key}")
                point = NativePoint(step, value if exact is None else int(exact), time)
                found.series.setdefault(name_of(key), []).append(point)
    assert sorted(lines) == list(range(len(lines)))
    found.lines = [lines[number] for number in range(len(lines))]
    return found


def _ms(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text)
    return (moment - datetime.datetime.fromtimestamp(0, datetime.UTC)) // datetime.timedelta(milliseconds=1)
