"""Series out of a run's journal, all at once: for plots and statistics over many points.

The lines are decoded many at a time, into as little as one series needs. That takes a fifth of what a
:class:`~multitrack.journal.cursor.Cursor` does, which gives back whole records, one by one, with all that
follows from those before.
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
from multitrack.records import Lines, ListMetric, Metric, number_from_text
from multitrack.summaries.dataframes import Framed

#: Bytes of the journal that are decoded at a time: so few that the records made of them stay in the processor's cache.
_STRETCH: Final = 1 << 18


class Series(Framed, msgspec.Struct, frozen=True):
    """The points of a series, in the order they were logged, one list each; as a frame, a row a point.

    Attributes:
        name: The metric.
        steps: Each point's step; steps may repeat and go back.
        values: Each point's value; NaN and ±inf are kept.
        times: When each was logged (ms since the epoch).
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
    """Read one series of the run in ``directory``; empty where there is none."""
    found = Series(name, [], [], [])
    try:
        point, decoder = _decoder(name)
    except ValueError:  # a name that JSON must escape
        return read_all_series(directory).get(name, found)
    for lines in _stretches(directory):
        points: list[Any] = [
            record
            for record in _decoded(decoder, lines)
            if type(record) is point and record.values.value is not None and record.step is not None
        ]
        values = [record.values.value for record in points]
        if str in set(map(type, values)):  # NaN and the like, which JSON has not
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
    """All series and lists of the run in ``directory`` as they come: pieces of each series, whole calls of lists."""
    parts: list[ListMetric] = []
    for lines in _stretches(directory):
        pieces: dict[str, Series] = {}
        calls: list[ListMetric] = []
        for record in _decoded(encoding.plain_decoder, lines):
            if type(record) is ListMetric:
                if not all(map(_is_number, record.values)):
                    continue
                record.values[:] = [number_from_text(v) if isinstance(v, str) else v for v in record.values]
                parts = _with_part(parts, record)
                if parts and record.part >= record.parts:
                    calls += parts
                    parts = []
            elif type(record) is Metric and (step := record.step) is not None:
                for name, value in record.values.items():
                    if isinstance(value, str):  # seldom, so the usual case costs no call
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
    """Read one list metric of the run in ``directory``; its steps are its places; empty where there is none."""
    found = Series(name, [], [], [])
    parts: list[ListMetric] = []  # of a call that was too long for a line; they count once the last is there
    for stretch in _stretches(directory):
        if b'"list"' not in stretch:
            continue
        for line in stretch.splitlines():
            if b'"list"' not in line:
                continue
            record = encoding.decode_or_none(line)
            if not isinstance(record, ListMetric):
                continue
            parts = _with_part(parts, record)
            if not parts or record.part < record.parts:
                continue
            for part in parts if record.name == name else ():
                found.values.extend(part.numbers)
                found.times.extend([part.time] * len(part.values))
            parts = []
    found.steps.extend(range(len(found.values)))
    return found


def read_lines(directory: Path) -> Iterator[Lines]:
    """The records of log lines of the run in ``directory``."""
    for stretch in _stretches(directory):
        if b'"lines"' in stretch:
            yield from [record for record in _decoded(_lines_decoder, stretch) if type(record) is Lines]


def _with_part(parts: list[ListMetric], record: ListMetric) -> list[ListMetric]:
    """The parts of a call that was too long for a line, with the next one; none where one is missing."""
    if parts and record.part == len(parts) + 1:
        return [*parts, record]
    return [record] if record.part == 1 else []


def _stretches(directory: Path) -> Iterator[bytes]:
    """The whole lines of a run's journal; as a cursor does, beyond a segment only when it is closed."""
    for number in itertools.count(1):
        path = segment_path(directory, number)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            held = is_held(path)  # asked before reading, so that nothing is missed after it
            while lines := file.read(_STRETCH):
                lines += file.readline()
                yield lines if lines.endswith(b"\n") else lines[: lines.rfind(b"\n") + 1]
        if held:
            return


def _decoded(decoder: msgspec.json.Decoder[Any], lines: bytes) -> list[Any]:
    """The records of some lines, without those that are none."""
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
    """A decoder that makes a metric's record without its other names, and of other kinds nothing at all."""
    values = msgspec.defstruct("Values", [("value", float | int | str | None, None)], rename={"value": name}, gc=False)
    fields: list[Any] = [("time", int), ("values", values), ("step", int | None, None)]
    point = msgspec.defstruct("Point", fields, tag_field="record", tag="metric", gc=False)
    return point, _decoder_of(point, "metric")


def _decoder_of(kind: type[Any], tag: str) -> msgspec.json.Decoder[Any]:
    """A decoder that makes records of one kind, and of the others nothing at all."""
    others = [
        msgspec.defstruct("Other", [], tag_field="record", tag=other, gc=False)
        for other in encoding.TAGS
        if other != tag
    ]
    return msgspec.json.Decoder(functools.reduce(operator.or_, others, kind))


_lines_decoder: Final = _decoder_of(Lines, "lines")


def _is_number(value: float | str) -> bool:
    """Whether a journal's number is one; a text may be anything, where the journal was damaged."""
    if isinstance(value, str):
        try:
            number_from_text(value)
        except ValueError:
            return False
    return True
