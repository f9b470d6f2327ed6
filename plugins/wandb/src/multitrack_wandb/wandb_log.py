"""Read the framing of ``.wandb`` files, to count the SDK's records: the SDK does not report a full disk.

The format is LevelDB's log format after seven bytes of W&B's own. A record is a Protocol Buffers message. Only the
field numbers are read here, which do not change, because ``wandb sync`` reads files of older releases.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

_HEADER: Final = b":W&B\xe1\xbe\0"  # with the version of the format
_BLOCK: Final = 32 * 1024
_FRAME: Final = struct.Struct("<IHB")  # checksum, length, kind
_WHOLE, _FIRST, _LAST = 1, 2, 4
# Fields of a record: the kinds that are counted.
_HISTORY, _OUTPUT_RAW, _EXIT, _OUTPUT_LOGGER = 2, 13, 18, 27
_EXIT_CODE: Final = 1
# Wire types of Protocol Buffers, and the length in bytes of the fixed ones.
_VARINT, _BYTES = 0, 2
_FIXED: Final = {1: 8, 5: 4}
#: Timeout in seconds for the helper process to write its last records.
_FAREWELL: Final = 10.0
_LOOK_EVERY: Final = 0.02


class Tally(NamedTuple):
    """Counts of a ``.wandb`` file.

    Attributes:
        rows: Rows of the history.
        texts: Texts of the logs.
        exit_code: The run's exit code; None if it is not finished.
    """

    rows: int
    texts: int
    exit_code: int | None


def tally_finished(directory: Path) -> Tally | None:
    """Count the records in a finished run's file; return None if its format is unknown.

    The helper process writes the last records a moment after ``finish`` has returned; this function waits for them.
    """
    deadline = time.monotonic() + _FAREWELL
    while (found := tally(directory)) is not None and found.exit_code is None and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
    return found


def tally(directory: Path) -> Tally | None:
    """Count the records written so far to the ``.wandb`` file in ``directory``; None if its format is unknown."""
    rows = texts = 0
    exit_code = None
    for path in directory.glob("*.wandb"):
        with path.open("rb") as file:
            if not _HEADER.startswith(file.read(len(_HEADER))):
                return None
        for body in _records(path):
            for field, value in _fields(body):
                rows += field == _HISTORY
                texts += field in {_OUTPUT_RAW, _OUTPUT_LOGGER}
                if field == _EXIT and isinstance(value, bytes):
                    exit_code = next((code for key, code in _fields(value) if key == _EXIT_CODE), 0)
    return Tally(rows, texts, exit_code if isinstance(exit_code, int) else None)


def _records(path: Path) -> Iterator[bytes]:
    """Yield the records of LevelDB's log format, up to the first one that is damaged or incomplete."""
    pieces: list[bytes] = []
    with path.open("rb") as file:
        position = len(_HEADER)  # in the first block only
        while block := file.read(_BLOCK):
            view = memoryview(block)
            while position + _FRAME.size <= len(block):
                checksum, length, kind = _FRAME.unpack_from(block, position)
                begin = position + _FRAME.size
                position = begin + length
                if zlib.crc32(view[begin - 1 : position]) != checksum:  # includes the kind
                    return
                body = block[begin:position]
                if kind == _WHOLE:
                    yield body
                    continue
                pieces = [body] if kind == _FIRST else [*pieces, body]
                if kind == _LAST:
                    yield b"".join(pieces)
            position = 0


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the number and value of each field of a message."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield field, value
        elif kind == _BYTES:
            length, position = _varint(message, position)
            yield field, message[position : position + length]
            position += length
        elif kind in _FIXED:
            yield field, message[position : position + _FIXED[kind]]
            position += _FIXED[kind]
        else:
            return


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Return a number of variable length, and the position after it."""
    value = shift = 0
    while position < len(message):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value, position
