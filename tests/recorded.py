"""A run's journal written by any calls, without a courier: for the journal's properties."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from multitrack.config import Settings
from multitrack.journal import writer
from multitrack.journal.cursor import Cursor
from multitrack.journal.layout import runs_directory
from multitrack.journal.manifest import Manifest, write_manifest
from multitrack.journal.segments import last_segment, segment_path
from multitrack.journal.writer import Writer
from multitrack.reading.opening import open_journal
from multitrack.recording import checkpoint, resuming
from multitrack.recording.history import Past
from multitrack.recording.recorder import Recorder
from multitrack.recording.run_journal import RunJournal
from multitrack.records import Record
from multitrack.testing.model import Model, plain
from multitrack.testing.native import NativePoint
from multitrack.testing.strategies import Call, Clock, make

#: So short that Hypothesis writes lists in parts.
PART_BYTES = 50


class Recorded:
    """One run, a model beside it, and where in the file each call ended.

    Attributes:
        ends: Each right call of the open segment, with the size of the file once it had returned.
    """

    def __init__(self, base: Path, clock: Clock) -> None:
        self.base = base
        self.directory = runs_directory(base) / "run"
        self.directory.mkdir(parents=True)
        write_manifest(self.directory, Manifest(id="run", project="p", name="n", created=clock.ms))
        self.clock = clock
        self.model = Model()
        self.open()

    def open(self) -> None:
        """Start the run, or resume it: what it holds is known from its journal alone."""
        past = self._past()
        self.writer = Writer(self.directory, not_before=past.last_time)
        self.journal = RunJournal("run", "n", self.directory, Settings(), writer=self.writer, past=past)
        self.recorder = Recorder(self.journal)
        self.ends: list[tuple[Call, int, int]] = []

    def _past(self) -> Past:
        """The recorded state, which is the same with and without a cache."""
        with mock.patch.object(resuming, "_WORTH", 1):
            cached = resuming.past_of(self.directory)
        (self.directory / "past.msgpack").unlink(missing_ok=True)
        past = resuming.past_of(self.directory)
        cached.kinds = {name: kind for name, kind in cached.kinds.items() if kind != "simple"}  # which nothing violates
        assert msgspec.to_builtins(cached) == msgspec.to_builtins(past)
        return past

    @property
    def path(self) -> Path:
        return segment_path(self.directory, last_segment(self.directory))

    def make(self, calls: Sequence[Call]) -> None:
        for call in calls:
            if make(call, self.recorder, self.model, self.clock):
                self.ends.append((call, self.clock.ms, self.path.stat().st_size))

    def end(self) -> None:
        with mock.patch.object(resuming, "_WORTH", 1):
            self.journal.end("finished", [])

    def die(self) -> None:
        """``kill -9``: the kernel closes the file, nobody writes anything more."""
        self.writer.close()

    def read(self, max_records: int = 2000, max_bytes: int = 1 << 20) -> list[Record]:
        return read_all(Cursor(self.directory), max_records, max_bytes)

    def expect(self, model: Model | None = None) -> None:
        assert held(self.base) == expected(model or self.model)


@contextlib.contextmanager
def recorded() -> Iterator[Recorded]:
    clock = Clock()
    with (
        tempfile.TemporaryDirectory() as base,
        mock.patch.object(writer, "time", clock),
        mock.patch.object(writer, "PART_BYTES", PART_BYTES),
        # A checkpoint after each call after which there can be one.
        mock.patch.multiple(checkpoint, _RECORDS=1, _LOOK_EVERY=0, _MOST=3600.0),
    ):
        run = Recorded(Path(base), clock)
        try:
            yield run
        finally:
            run.die()


def read_all(cursor: Cursor, max_records: int = 2000, max_bytes: int = 1 << 20) -> list[Record]:
    found: list[Record] = []
    while stretch := cursor.read(max_records, max_bytes):
        found += stretch
    return found


def replayed(calls: Sequence[tuple[Call, int]]) -> Model:
    """The model of right calls, at their times."""
    model = Model()
    for call, time in calls:
        method = "log_metrics" if call.method == "log_metric" else call.method
        getattr(model, method)(*call.plain, time=time)
    return model


def held(base: Path) -> dict[str, Any]:
    """What the journal's reader gives."""
    run = open_journal(base).run("run")
    summary = run.summary()
    series = {
        name: [NativePoint(point.step, point.value, point.time) for point in points]
        for name, points in run.get_metrics().items()
    }
    quick = run.get_all_series()
    for name, points in run.get_metrics().items():  # but for the times of repeated points
        expected_points = [(point.step, plain(point.value)) for point in points]
        for found in (quick[name], run.get_series(name)):
            assert list(zip(found.steps, map(plain, found.values), strict=True)) == expected_points
    assert set(quick) == set(series)
    told = {
        "params": summary.params, "metrics": summary.metrics, "lengths": summary.lengths, "tags": summary.tags,
        "artifacts": {reference.name: reference.uri for reference in summary.artifacts},
        "lines": [line.text for line in run.get_lines()], "series": series, "lists": run.get_list_metrics(),
    }  # fmt: skip
    return {name: plain(value) for name, value in told.items()}


def expected(model: Model) -> dict[str, Any]:
    """What it should give; of a series without a simple metric, the last value."""
    lists = {name: [point.value for point in model.series[name]] for name in model.lists}
    last = {name: points[-1].value for name, points in model.series.items()}
    found = {
        "params": model.params, "metrics": {**last, **model.metrics}, "tags": model.tags,
        "lengths": {name: len(points) for name, points in model.series.items()},
        "artifacts": model.artifacts, "lines": model.lines, "lists": lists,
        "series": {name: points for name, points in model.series.items() if name not in model.lists},
    }  # fmt: skip
    return {name: plain(value) for name, value in found.items()}
