"""Read whole series from a run's journal: for plots and statistics over many points.

The lines are decoded in bulk, and only the fields that a series needs. That takes a fifth of the time of a
:class:`~multitrack.journal.cursor.Cursor`, which decodes whole records one by one and resolves their derived
fields.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack.journal import encoding
from multitrack.journal.segments import is_held, segment_path
from multitrack.records import Compacted, Lines, ListMetric, Metric, number_from_text
from multitrack.summaries.dataframes import Framed

#: Bytes of the journal decoded at a time: few enough that the records stay in the processor's cache.
_STRETCH: Final = 1 << 18


class Series(Framed, msgspec.Struct, frozen=True):
    """The points of a series, in the order they were logged; as a frame, one row per point.

    Attributes:
        name: The metric.
        steps: The step of each point; steps may repeat and go back.
        values: The value of each point; NaN and ±inf are kept.
        times: The time of each point (ms since the epoch).
    """

    name: str
    steps: list[int]
    values: list[int | float]
    times: list[int]

    def __len__(self) -> int:
        return len(self.steps)

    def _columns(self) -> dict[str, list[Any]]:
        return {"step": self.steps, "value": self.values, "time": self.times}


def read_series(directory: Path, name: str) -> Series:
    """Read one series of the run in ``directory``; empty if there is none."""
    found = Series(name, [], [], [])
    try:
        point, decoder = _decoder(name)
    except ValueError:  # a name that must be escaped in JSON
        return read_all_series(directory).get(name, found)
    for lines in _stretches(directory):
        points: list[Any] = [
            record
            for record in decode_lines(decoder, lines)
            if type(record) is point and record.values.value is not None and record.step is not None
        ]
        values = [record.values.value for record in points]
        if str in set(map(type, values)):  # NaN and the like, which are strings in JSON
            points = [record for record in points if _is_number(record.values.value)]
            texts = [record.values.value for record in points]
            values = [number_from_text(text) if type(text) is str else text for text in texts]
        found.steps.extend([record.step for record in points])
        found.times.extend([record.time for record in points])
        found.values.extend(values)
    return found


def read_all_series(directory: Path) -> dict[str, Series]:
    """Read all series of the run in ``directory``, in one pass."""
    found: dict[str, Series] = {}
    for pieces, _ in read_pieces(directory):
        for name, piece in pieces.items():
            series = found.setdefault(name, piece)
            if series is not piece:
                series.steps.extend(piece.steps)
                series.values.extend(piece.values)
                series.times.extend(piece.times)
    return found


def read_pieces(directory: Path) -> Iterator[tuple[dict[str, Series], list[ListMetric]]]:
    """Yield all series and lists of the run in ``directory`` in pieces: points by series, and whole calls of lists."""
    parts: list[ListMetric] = []
    for lines in _stretches(directory):
        pieces: dict[str, Series] = {}
        calls: list[ListMetric] = []
        for record in decode_lines(encoding.decoder(), lines):
            if type(record) is ListMetric:
                if not all(map(_is_number, record.values)):
                    continue
                record.values[:] = [number_from_text(v) if isinstance(v, str) else v for v in record.values]
                parts = with_part(parts, record)
                if parts and record.part >= record.parts:
                    calls += parts
                    parts = []
            elif type(record) is Metric and (step := record.step) is not None:
                for name, value in record.values.items():
                    if isinstance(value, str):  # rare, so the usual case costs no function call
                        if not _is_number(value):
                            continue
                        value = number_from_text(value)
                    piece = pieces.get(name)
                    if piece is None:
                        piece = pieces[name] = Series(name, [], [], [])
                    piece.steps.append(step)
                    piece.values.append(value)
                    piece.times.append(record.time)
        yield pieces, calls


def read_list(directory: Path, name: str) -> Series:
    """Read one list metric of the run in ``directory``, with indexes as steps; empty if there is none."""
    found = Series(name, [], [], [])
    parts: list[ListMetric] = []  # of a call that was too long for a line; complete once the last part is read
    for stretch in _stretches(directory):
        if b'"list"' not in stretch:
            continue
        for line in stretch.splitlines():
            if b'"list"' not in line:
                continue
            record = encoding.decode_or_none(line)
            if not isinstance(record, ListMetric):
                continue
            parts = with_part(parts, record)
            if not parts or record.part < record.parts:
                continue
            for part in parts if record.name == name else ():
                found.values.extend(part.numbers)
                found.times.extend([part.time] * len(part.values))
            parts = []
    found.steps.extend(range(len(found.values)))
    return found


def read_lines(directory: Path) -> Iterator[Lines]:
    """Yield the records of log lines of the run in ``directory``."""
    for stretch in _stretches(directory):
        if b'"lines"' in stretch:
            yield from [record for record in decode_lines(_lines_decoder, stretch) if type(record) is Lines]


def read_compacted(directory: Path) -> Iterator[Compacted]:
    """Yield the records of the run in ``directory`` that stand for compacted ones."""
    for stretch in _stretches(directory):
        if b'"compacted"' in stretch:
            yield from [record for record in decode_lines(encoding.decoder(), stretch) if type(record) is Compacted]


def with_part(parts: list[ListMetric], record: ListMetric) -> list[ListMetric]:
    """Append the next part of a list call; return an empty list if a part before it is missing."""
    if parts and record.part == len(parts) + 1:
        return [*parts, record]
    return [record] if record.part == 1 else []


def _stretches(directory: Path) -> Iterator[bytes]:
    """Yield blocks of whole lines of a run's journal; like a cursor, stops at the end of an open segment."""
    for number in itertools.count(1):
        path = segment_path(directory, number)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            held = is_held(path)  # checked before reading, so that no later line is missed
            while lines := file.read(_STRETCH):
                lines += file.readline()
                yield lines if lines.endswith(b"\n") else lines[: lines.rfind(b"\n") + 1]
        if held:
            return


def decode_lines(decoder: msgspec.json.Decoder[Any], lines: bytes) -> list[Any]:
    """Decode some lines; skip those that are not valid records."""
    try:
        return decoder.decode_lines(lines)
    except (ValueError, RecursionError):
        found = []
        for line in lines.splitlines():
            try:
                found.append(decoder.decode(line))
            except (ValueError, RecursionError):
                continue
        return found


@functools.lru_cache(maxsize=64)
def _decoder(name: str) -> tuple[type[Any], msgspec.json.Decoder[Any]]:
    """Create a decoder for one metric's values: it skips the other names and the fields of other kinds of records."""
    values = msgspec.defstruct("Values", [("value", float | int | str | None, None)], rename={"value": name}, gc=False)
    fields: list[Any] = [("time", int), ("values", values), ("step", int | None, None)]
    point = msgspec.defstruct("Point", fields, tag_field="record", tag="metric", gc=False)
    return point, _decoder_of(point, "metric")


def _decoder_of(kind: type[Any], tag: str) -> msgspec.json.Decoder[Any]:
    """Create a decoder for one kind of record; the others become structs without fields."""
    others = [
        msgspec.defstruct("Other", [], tag_field="record", tag=other, gc=False)
        for other in encoding.TAGS
        if other != tag
    ]
    return msgspec.json.Decoder(functools.reduce(operator.or_, others, kind))


_lines_decoder: Final = _decoder_of(Lines, "lines")


def _is_number(value: float | str) -> bool:
    """Return True if a journal's value is a number; in a damaged journal, a string may be anything."""
    if isinstance(value, str):
        try:
            number_from_text(value)
        except ValueError:
            return False
    return True
