"""What each kind of record becomes in acme. It depends on the record alone, never on where a batch was cut."""

from typing import Any, NamedTuple

from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Tags, typed_params


class Row(NamedTuple):
    """One value of a record. The record's ordinal and the value's place in it are the key.

    Attributes:
        ordinal: The record's position in the run.
        item: The value's place in the record, from 0.
        kind: ``param``, ``simple``, ``series``, ``artifact``, ``line`` or ``tag``.
        name: The value's name; the stream of a line.
        step: The step of a point; the number of a line.
        time: Time of the call (ms).
        value: The value; any JSON.
    """

    ordinal: int
    item: int
    kind: str
    name: str
    step: int | None
    time: int
    value: Any


def params(record: Params) -> list[Row]:
    """Return a row for each param, with its type in Python."""
    values = typed_params(record).items()
    return [Row(record.ordinal, i, "param", name, None, record.time, value) for i, (name, value) in enumerate(values)]


def metric(record: Metric) -> list[Row]:
    """Return a row for each number: a point of a series, or without a step a simple metric."""
    kind, step, values = "simple" if record.step is None else "series", record.step, record.numbers.items()
    return [Row(record.ordinal, i, kind, name, step, record.time, value) for i, (name, value) in enumerate(values)]


def list_metric(record: ListMetric) -> list[Row]:
    """Return a row for each number, with its index as the step."""
    return [
        Row(record.ordinal, i, "series", record.name, record.index + i, record.time, value)
        for i, value in enumerate(record.numbers)
    ]


def artifact_ref(record: ArtifactRef) -> list[Row]:
    """Return the row of a reference. A digest or version that becomes known later comes in a record of its own."""
    facts = {
        "uri": record.uri, "kind": record.kind, "role": record.role,
        "digest": record.digest, "version": record.version, "size": record.size,
    }  # fmt: skip
    return [Row(record.ordinal, 0, "artifact", record.name, None, record.time, facts)]


def lines(record: Lines) -> list[Row]:
    """Return a row for each line, with its number in the run as the step."""
    return [
        Row(record.ordinal, i, "line", record.stream, record.index + i, record.time, line)
        for i, line in enumerate(record.lines)
    ]


def tags(record: Tags) -> list[Row]:
    """Return a row for each tag."""
    values = record.values.items()
    return [Row(record.ordinal, i, "tag", name, None, record.time, value) for i, (name, value) in enumerate(values)]
