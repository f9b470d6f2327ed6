"""Encode records as lines of a journal, and decode them."""

from __future__ import annotations

import functools
from typing import Final

import msgspec

from multitrack.journal.prepared import prepared
from multitrack.records import AnyRecord, ListMetric, Metric, Record, number_from_text


def encode(record: Record) -> bytes:
    """Encode a record as one journal line, with its newline."""
    return to_json(record) + b"\n"


def decode(line: bytes) -> AnyRecord:
    """Decode the record of one line; number strings become numbers.

    Raises:
        ValueError: If the line is not a valid record (torn, damaged, or of a later format).
    """
    record = decoder().decode(line)
    if type(record) is Metric:
        for key, value in record.values.items():
            if type(value) is str:
                record.values[key] = number_from_text(value)
    elif type(record) is ListMetric and str in map(type, record.values):
        record.values[:] = [number_from_text(value) if type(value) is str else value for value in record.values]
    return record


def decode_or_none(line: bytes) -> AnyRecord | None:
    """Like :func:`decode`, but return None for a line that is not a valid record."""
    try:
        return decode(line)
    except (ValueError, RecursionError):
        return None


@functools.cache
def decoder() -> msgspec.json.Decoder[AnyRecord]:
    """Return the decoder of records, which leaves the number strings of :func:`number_to_json` as they are.

    It is made on the first call, in 2 ms that an import does without.
    """
    return msgspec.json.Decoder(prepared(AnyRecord))


_encoder: Final = msgspec.json.Encoder()
#: The name of each kind of record on disk.
TAGS: Final = ("segment", "params", "metric", "list", "artifact", "lines", "tags", "mistake", "trained", "lost", "end",
              "compacted")  # fmt: skip
#: Encodes a record without its newline; for the recording calls, where one more function call is measurable.
to_json: Final = _encoder.encode
