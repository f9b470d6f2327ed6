"""The monitor of a page: windows of each metric by deployment, and the executions, as JSON values.

Only runs with the tag ``deployment`` are part of it. Their values are held in memory, 16 bytes each, so that a served
page reads only what is new.
"""

from __future__ import annotations

import time
from typing import Any, Final

from multitrack._text import clean_text
from multitrack.monitor.executions import execution_of
from multitrack.monitor.monitored import windowed
from multitrack.monitor.points import Range, RunPoints
from multitrack.monitor.windows import STATISTICS, Window
from multitrack.query.cells import Value
from multitrack.query.columns import parse_column
from multitrack.reading.formatting import value_text
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import number_to_json
from multitrack.summaries.summary import Summary
from multitrack.summaries.writes import WriteReader

#: The monitor of a page without deployments.
NOTHING: Final[dict[str, Any]] = {"metrics": {}, "executions": {}}
_DEPLOYMENT: Final = parse_column("tags.deployment")
#: Maximum number of windows of a metric in a deployment, and about that in all of them.
_WINDOWS, _ALL_WINDOWS = 400, 100_000
#: Maximum number of inputs or outputs of an execution.
_VALUES: Final = 12
#: A served page computes windows for at most this part of the time.
_SHARE: Final = 0.1


class PageMonitor:
    """Collects the values and executions of a page's runs."""

    def __init__(self) -> None:
        self._readers: dict[str, WriteReader] = {}
        self._executions: dict[str, dict[str, Any]] = {}
        self._deployments: dict[str, str] = {}
        self._block = NOTHING
        self._is_new = False
        self._due = 0.0

    def add(self, run: RecordedRun, summary: Summary) -> None:
        """Add a run, or what is new of its inputs and outputs; one without a deployment is left out."""
        execution = execution_of(run, summary, _DEPLOYMENT)
        if execution.by is None:
            return
        self._is_new = True
        self._deployments[run.id] = clean_text(execution.by)
        self._readers.setdefault(run.id, WriteReader(run.directory))
        self._executions[run.id] = {
            "deployment": self._deployments[run.id], "trigger": execution.trigger,
            "inputs": _values(execution.inputs), "outputs": _values(execution.outputs),
        }  # fmt: skip

    def refresh(self) -> bool:
        """Read on and compute the windows if anything is new, unless that takes too much of the time.

        Returns:
            True if the windows are new.
        """
        begun = time.monotonic()
        if begun < self._due:
            return False
        for reader in self._readers.values():  # also of runs that only their forked processes write
            self._is_new = reader.read_on() or self._is_new
        if not self._is_new:
            return False
        names = dict.fromkeys(name for reader in self._readers.values() for name in reader.names())
        metrics = {name: found for name in names if (found := self._metric(name))}
        self._block = {"metrics": metrics, "executions": dict(self._executions)}
        self._is_new = False
        ended = time.monotonic()
        self._due = ended + (ended - begun) / _SHARE
        return True

    def block(self) -> dict[str, Any]:
        """Return the monitor as of the last :meth:`refresh`: windows by metric and deployment, executions by run."""
        return self._block

    def _metric(self, name: str) -> dict[str, Any]:
        points = [
            RunPoints(run, self._deployments[run], writes.times, writes.values, writes.windows)
            for run, reader in self._readers.items()
            if (writes := reader.writes(name))
        ]
        deployments = len({each.by for each in points}) or 1
        most = max(10, min(_WINDOWS, _ALL_WINDOWS // deployments))
        found = windowed(points, name, str(_DEPLOYMENT), None, Range(), STATISTICS, most)
        return {deployment: _columns(windows) for deployment, windows in found.groups.items()}


def _columns(windows: list[Window]) -> dict[str, list[Any]]:
    """Return the windows that have values, a list for each field; ``run`` is the run's id if they are of one."""
    shown = [window for window in windows if window.count]
    return {
        "start": [window.start for window in shown], "end": [window.end for window in shown],
        "run": [window.runs[0] if len(window.runs) == 1 else None for window in shown],
        **{name: [_number(window.statistics[name]) for window in shown] for name in STATISTICS},
    }  # fmt: skip


def _number(value: float | None) -> float | int | str | None:
    return None if value is None else number_to_json(value)


def _values(values: dict[str, Value]) -> dict[str, Any]:
    """Return inputs or outputs as texts, with the number of those that are left out."""
    shown = list(values.items())[:_VALUES]
    return {
        "shown": [
            [clean_text(name), value_text(value.value), value.type, clean_text(value.source)] for name, value in shown
        ],
        "more": len(values) - len(shown),
    }
