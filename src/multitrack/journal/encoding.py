"""Encode records as lines of a journal, and decode them."""

from __future__ import annotations

from typing import Final

import msgspec

from multitrack.records import AnyRecord, ListMetric, Metric, Record, number_from_text


def encode(record: Record) -> bytes:
    """One journal line, with its newline."""
    return to_json(record) + b"\n"


def decode(line: bytes) -> AnyRecord:
    """The record of one line, its numbers resolved.

    Raises:
        ValueError: The line is no record (torn, damaged, or of a later format).
    """
    record = _decoder.decode(line)
    if type(record) is Metric:
        for key, value in record.values.items():
            if type(value) is str:
                record.values[key] = number_from_text(value)
    elif type(record) is ListMetric and str in map(type, record.values):
        record.values[:] = [number_from_text(value) if type(value) is str else value for value in record.values]
    return record


def decode_or_none(line: bytes) -> AnyRecord | None:
    """Like :func:`decode`, but ``None`` for a line that is no record."""
    try:
        return decode(line)
    except (ValueError, RecursionError):
        return None


_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[AnyRecord]] = msgspec.json.Decoder(AnyRecord)
#: For many lines at once; what it gives still has the strings of :func:`number_to_json`.
plain_decoder: Final = _decoder
#: What each kind is called on disk.
TAGS: Final = ("segment", "params", "metric", "list", "artifact", "lines", "tags", "mistake", "trained", "lost", "end")
#: A record as JSON, without its newline: for the recording calls, where one call of a function more can be measured.
to_json: Final = _encoder.encode
