"""Convert rows of the tables back to records: the inverse of :mod:`multitrack.tables.rows`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from multitrack.inputs.params import flatten_params
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, ObjectText, Params, Tags
from multitrack.sources.source import Gap, SourceRecord
from multitrack.tables.schema import ARTIFACTS, LINES, PARAMS, POINTS, TAGS, Row, TableSchema
from multitrack.tables.values import number_in, param_in

#: The rows of one record, as they come from the tables: their types are those of the columns.
_Rows = Sequence[tuple[Any, ...]]


def records_in(table: TableSchema, rows: Sequence[Row]) -> Iterator[SourceRecord]:
    """Yield the records in rows of one ordinal: usually one, and more if rows between them were deleted.

    Raises:
        ValueError: A value is none of its type.
    """
    yield from _RECORDS[table](rows)


def _params(rows: _Rows) -> Iterator[SourceRecord]:
    for _, name, kind, value, text, source, object_type, whole, time, _ in rows:
        flat = flatten_params({name: param_in(kind, value, text)})
        objects = {} if object_type is None else {name: ObjectText(object_type, whole)}
        yield Params(time=time, values=flat.values, types=flat.types, source=source, objects=objects)


def _points(rows: _Rows) -> Iterator[SourceRecord]:
    """Yield a record of the numbers of a call, and one of each part of a list without a gap."""
    calls: dict[tuple[int, int | None], dict[str, int | float | str]] = {}  # one, unless someone changed a row
    lists: list[ListMetric] = []
    for _, name, kind, step, time, value, text, _ in rows:
        number = number_in(value, text)
        if number is None:
            yield Gap(f"metric {name}: a row at step {step} has no number")
        elif kind != "list":
            calls.setdefault((time, step), {})[name] = number
        elif lists and (lists[-1].time, lists[-1].index + len(lists[-1].values)) == (time, step):
            lists[-1].values.append(number)
        else:
            lists.append(ListMetric(time=time, name=name, values=[number], index=step))
    yield from lists
    for (time, step), values in calls.items():
        yield Metric(time=time, values=values, step=step)


def _references(rows: _Rows) -> Iterator[SourceRecord]:
    for _, name, kind, role, uri, digest, version, size, time, _ in rows:
        yield ArtifactRef(
            time=time, name=name, kind=kind, role=role, uri=uri, digest=digest, version=version, size=size
        )


def _lines(rows: _Rows) -> Iterator[SourceRecord]:
    for _, _, stream, time, text, _ in rows:
        yield Lines(time=time, lines=[text], stream=stream)


def _tags(rows: _Rows) -> Iterator[SourceRecord]:
    for _, name, text, time, _ in rows:
        yield Tags(time=time, values={name: text})


_RECORDS: Final[dict[TableSchema, Callable[[_Rows], Iterator[SourceRecord]]]] = {
    POINTS: _points,
    LINES: _lines,
    PARAMS: _params,
    TAGS: _tags,
    ARTIFACTS: _references,
}
