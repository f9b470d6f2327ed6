"""A backend that is a real one and kills its own process at one named moment.

``"fatal:mlflow"`` in a config is the backend ``mlflow``, called through. What it adds: the process that finds itself named
in the environment variable ``MULTITRACK_FAULT`` dies by SIGKILL as soon as the named hook of the real backend
has returned, so that the tracker has taken what the lane has not noted. It dies once: the first to make the mark's
file is the one.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from multitrack import hookimpl
from multitrack.hookspecs import Opened, RunInfo
from multitrack.plugins import Backend, load_backend
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags

VARIABLE = "MULTITRACK_FAULT"


class Fatal:
    """The backend ``name``, until its process dies."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._loaded: Backend | None = None
        self._seen = 0

    def _real(self) -> Backend:
        if self._loaded is None:
            self._loaded = load_backend(self.name)
        return self._loaded

    @hookimpl
    def backend_options(self) -> type[msgspec.Struct]:
        return self._real().options_type()

    @hookimpl
    def environment_variables(self) -> Sequence[str]:
        return self._real().environment_variables()

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        opened = self._real().open_run(run)
        self._moment("opened")
        return opened

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> Sequence[str]:
        return self._taken(self._real().log_params(run, records))

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> Sequence[str]:
        return self._taken(self._real().log_metric(run, records))

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> Sequence[str]:
        return self._taken(self._real().log_list_metric(run, records))

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> Sequence[str]:
        return self._taken(self._real().log_artifact_ref(run, records))

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> Sequence[str]:
        return self._taken(self._real().log_lines(run, records))

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> Sequence[str]:
        return self._taken(self._real().set_tags(run, records))

    @hookimpl
    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        self._real().link_parent(run, parent_id)

    @hookimpl
    def flush(self, run: RunInfo, position: int) -> int:
        durable = self._real().flush(run, position)
        self._moment("flushed")
        return durable

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> Sequence[str]:
        said = self._real().close_run(run, status, time)
        self._moment("closed")
        return said

    def _taken(self, stand_ins: Sequence[str]) -> Sequence[str]:
        self._moment("taken")
        return stand_ins

    def _moment(self, moment: str) -> None:
        fault: dict[str, Any] = json.loads(os.environ.get(VARIABLE, "{}"))
        if (fault.get("backend"), fault.get("moment")) != (self.name, moment):
            return
        self._seen += 1
        if self._seen < fault["nth"]:
            return
        try:
            mark = os.open(fault["mark"], os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return  # its successor, which lives
        os.write(mark, b"%d" % os.getpid())
        os.close(mark)
        kill(os.getpid(), os.getppid(), fault["victim"])


def kill(courier: int, training: int, victim: str) -> None:
    """Kill the courier (or ``sync``, in its place), the training, both, or the process groups of both, ``group``.

    Each is stopped before any is killed, so that none sees another's death.
    """
    targets: list[tuple[Callable[[int, int], None], int]]
    if victim == "group":
        targets = [(os.killpg, os.getpgid(pid)) for pid in (training, courier)]
    else:
        chosen = {"training": [training], "courier": [courier], "sync": [courier], "both": [training, courier]}
        targets = [(os.kill, pid) for pid in chosen[victim]]
    own = os.getpid(), os.getpgid(0)
    for send, target in targets:
        if target not in own:  # whoever stops itself kills nobody
            send(target, signal.SIGSTOP)
    for send, target in sorted(targets, key=lambda each: each[1] in own):
        send(target, signal.SIGKILL)


def __getattr__(name: str) -> Fatal:
    """``fatal:<name>`` for whatever backend is installed."""
    if name.startswith("_"):
        raise AttributeError(name)
    made = globals()[name] = Fatal(name)
    return made
