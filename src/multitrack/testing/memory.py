"""The memory backend: the simplest true implementation of the hooks, and the contract's reference.

It keeps what it is given in ``runs``, by run id, as a tracker with every capability would.
"""

from __future__ import annotations

from collections.abc import Sequence

from multitrack.hookspecs import Opened, RunInfo
from multitrack.markers import hookimpl
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags, typed_params
from multitrack.testing.native import NativePoint, NativeRun


class MemoryBackend:
    """Holds runs in memory; give an instance to ``start_run(backends=[...])`` with ``delivery = "thread"``.

    Attributes:
        runs: What it holds, by run id.
    """

    name = "memory"

    def __init__(self) -> None:
        self.runs: dict[str, NativeRun] = {}
        self._held: dict[str, set[int]] = {}

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        """Make the run, or find it again."""
        native = self.runs.setdefault(run.id, NativeRun())
        native.name, native.started, native.status = run.name, run.created, "running"
        if run.context is not None:
            native.identity = {
                "user": run.context.user,
                "host": run.context.host,
                "program": run.context.program,
            }
        self._held.setdefault(run.id, set())
        return Opened(run.id)

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> None:
        """Keep params with their types."""
        for record in records:
            self.runs[run.id].params.update(typed_params(record))

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> None:
        """Keep every point once; the last value of a simple metric."""
        native = self.runs[run.id]
        for record in records:
            if self._is_held(run, record.ordinal):
                continue
            for key, value in record.numbers.items():
                if record.step is None:
                    native.metrics[key] = value
                else:
                    native.series.setdefault(key, []).append(NativePoint(record.step, value, record.time))

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> None:
        """Keep every value once, at its index."""
        for record in records:
            if not self._is_held(run, record.ordinal):
                points = self.runs[run.id].series.setdefault(record.name, [])
                points += [NativePoint(record.index + i, value, record.time) for i, value in enumerate(record.numbers)]

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> None:
        """Keep the URI."""
        self.runs[run.id].artifacts.update({record.name: record.uri for record in records})

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> None:
        """Keep every line once."""
        for record in records:
            if not self._is_held(run, record.ordinal):
                self.runs[run.id].lines += record.lines

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> None:
        """Keep the last value."""
        for record in records:
            self.runs[run.id].tags.update(record.values)

    @hookimpl
    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        """Keep the parent's id."""
        self.runs[run.id].parent = parent_id

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> None:
        """Keep how and when it ended."""
        self.runs[run.id].status, self.runs[run.id].ended = status, time

    def _is_held(self, run: RunInfo, ordinal: int) -> bool:
        """Whether a record came before; remembers that it has come now."""
        held = self._held[run.id]
        if ordinal in held:
            return True
        held.add(ordinal)
        return False
