"""The memory backend: the simplest correct implementation of the hooks, and the contract's reference.

It keeps all records in ``runs``, by its own run ids, like a tracker with every capability.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from multitrack.errors import SourceError
from multitrack.hookspecs import Opened, RunInfo, Source
from multitrack.markers import hookimpl
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags, typed_params
from multitrack.testing.native import NativePoint, NativeReference, NativeRun
from multitrack.testing.native_source import NativeSource


class MemoryBackend:
    """Holds runs in memory. Pass an instance to ``start_run(backends=[...])`` with ``delivery = "thread"``.

    Attributes:
        runs: The runs by the backend's own id: the run id, or a variant of it if another journal has a run of that id.
    """

    name = "memory"

    def __init__(self) -> None:
        self.runs: dict[str, NativeRun] = {}
        self._ids: dict[Path, str] = {}  # by the lane's directory, which is unique
        self._held: dict[Path, set[int]] = {}

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        """Create the run, or find it again."""
        free = run.id if run.id not in self.runs else f"{run.id}-{len(self.runs)}"
        native_id = self._ids.setdefault(run.directory, free)
        native = self.runs.setdefault(native_id, NativeRun(references={}))
        native.name, native.started, native.status = run.name, run.created, "running"
        if run.context is not None:
            native.identity = {
                "user": run.context.user,
                "host": run.context.host,
                "program": run.context.program,
            }
        self._held.setdefault(run.directory, set())
        return Opened(native_id)

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> None:
        """Keep params with their types."""
        for record in records:
            self._run(run).params.update(typed_params(record))

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> None:
        """Keep every point once, and the last value of a simple metric."""
        native = self._run(run)
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
                points = self._run(run).series.setdefault(record.name, [])
                points += [NativePoint(record.index + i, value, record.time) for i, value in enumerate(record.numbers)]

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> None:
        """Keep the last reference of a name."""
        native = self._run(run)
        for record in records:
            native.artifacts[record.name] = record.uri
            reference = NativeReference(record.kind, record.role, record.digest, record.size, record.version)
            native.references = {**(native.references or {}), record.name: reference}

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> None:
        """Keep every line once."""
        for record in records:
            if not self._is_held(run, record.ordinal):
                self._run(run).lines += record.lines

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> None:
        """Keep the last value."""
        for record in records:
            self._run(run).tags.update(record.values)

    @hookimpl
    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        """Keep the parent's id."""
        self._run(run).parent = parent_id

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> None:
        """Keep the status and the end time."""
        self._run(run).status, self._run(run).ended = status, time

    @hookimpl
    def read_run(self, run: RunInfo) -> Source:
        """Read the run.

        Raises:
            SourceError: It was never delivered to this object.
        """
        native = self.runs.get(str(run.backend_id))
        if native is None:
            raise SourceError(f"the memory of this process has no run {run.backend_id}")
        return NativeSource(native, run)

    def _run(self, run: RunInfo) -> NativeRun:
        return self.runs[self._ids[run.directory]]

    def _is_held(self, run: RunInfo, ordinal: int) -> bool:
        """Return True if a record was delivered before, and remember it."""
        held = self._held[run.directory]
        if ordinal in held:
            return True
        held.add(ordinal)
        return False
