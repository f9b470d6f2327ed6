"""Read a run in the contract's common form as the hook ``read_run`` does, for trackers that keep little."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from multitrack.hookspecs import RunInfo, SourceRecord, SourceRun
from multitrack.inputs.params import flatten_params
from multitrack.records import ArtifactRef, Lines, Metric, Params, Tags
from multitrack.testing.native import NativeReference, NativeRun


class NativeSource:
    """A source with one run.

    Args:
        native: What the tracker holds of the run.
        run: The run, for what the common form does not have: ids and the project.

    Attributes:
        tracker: ``memory``.
        address: The tracker's id of the run.
        notes: None.
    """

    tracker = "memory"
    notes = ()

    def __init__(self, native: NativeRun, run: RunInfo) -> None:
        self.address = str(run.backend_id)
        self._native = native
        self._run = run

    def runs(self) -> Iterator[SourceRun]:
        """Yield the run."""
        native, status = self._native, _any(self._native.status)
        yield SourceRun(
            id=self.address, project=self._run.project, name=str(native.name), created=native.started or 0,
            ended=native.ended, status=status, parent=native.parent, run_id=self._run.id,
        )  # fmt: skip

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        """Yield everything: points with their times, the rest at the run's start."""
        native, time = self._native, run.created
        flat = flatten_params(native.params)
        yield Params(time=time, values=flat.values, types=flat.types)
        yield Tags(time=time, values=native.tags)
        for name, value in native.metrics.items():
            yield Metric(time=time, values={name: value})
        for name, points in native.series.items():
            for point in points:
                yield Metric(time=point.time or time, values={name: point.value}, step=point.step)
        for name, uri in native.artifacts.items():
            kind, role, digest, size, version = (native.references or {}).get(name, NativeReference("", "", None, None))
            yield ArtifactRef(
                time=time, name=name, uri=uri, kind=kind, role=_any(role), digest=digest, version=version, size=size
            )
        yield Lines(time=time, lines=native.lines)

    def close(self) -> None:
        """Do nothing."""


def _any(text: Any) -> Any:
    """A text of a tracker where one of a few words belongs: a wrong one is for the comparison to find."""
    return text
