"""Convert records to rows of the tables; the result depends on each record alone."""

from __future__ import annotations

from collections.abc import Iterator

from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Tags, typed_params
from multitrack.tables.schema import Row
from multitrack.tables.values import number_cells, param_cells


def param_rows(run: str, record: Params) -> Iterator[Row]:
    """Yield a row of ``params`` for each param; ``object`` and ``whole`` describe one that was an object."""
    for name, value in typed_params(record).items():
        kind, given = record.types[name], record.objects.get(name)
        about = (None, None) if given is None else (given.type, given.whole)
        yield run, name, kind, *param_cells(value, kind), record.source, *about, record.time, record.ordinal


def metric_rows(run: str, record: Metric) -> Iterator[Row]:
    """Yield a row of ``points`` for each number of one call."""
    kind = "simple" if record.step is None else "series"
    for name, value in record.numbers.items():
        yield run, name, kind, record.step, record.time, *number_cells(value), record.ordinal


def list_rows(run: str, record: ListMetric) -> Iterator[Row]:
    """Yield a row of ``points`` for each number of a list; its step is the index."""
    for step, value in enumerate(record.numbers, record.index):
        yield run, record.name, "list", step, record.time, *number_cells(value), record.ordinal


def artifact_rows(run: str, record: ArtifactRef) -> Iterator[Row]:
    """Yield the row of ``artifacts``."""
    yield (
        run, record.name, record.kind, record.role, record.uri, record.digest, record.version, record.size, record.time,
        record.ordinal,
    )  # fmt: skip


def line_rows(run: str, record: Lines) -> Iterator[Row]:
    """Yield a row of ``lines`` for each line."""
    for number, text in enumerate(record.lines, record.index):
        yield run, number, record.stream, record.time, text, record.ordinal


def tag_rows(run: str, record: Tags) -> Iterator[Row]:
    """Yield a row of ``tags`` for each tag."""
    for name, text in record.values.items():
        yield run, name, text, record.time, record.ordinal
