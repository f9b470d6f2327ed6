"""Read the framing of ``.wandb`` files, without the SDK.

The format is LevelDB's log format after seven bytes of W&B's own. A record is a Protocol Buffers message. Only field
numbers are read here, which do not change, because ``wandb sync`` reads files of older releases.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

#: W&B's bytes at the start of a file, with the version of the format.
HEADER: Final = b":W&B\xe1\xbe\0"
_BLOCK: Final = 32 * 1024
_FRAME: Final = struct.Struct("<IHB")  # checksum, length, kind
_WHOLE, _FIRST, _LAST = 1, 2, 4
# Wire types of Protocol Buffers, and the length in bytes of the fixed ones.
_VARINT, _BYTES = 0, 2
_FIXED: Final = {1: 8, 5: 4}


def has_header(path: Path) -> bool:
    """Return True if a file begins as a ``.wandb`` file does, or is a beginning of that."""
    with path.open("rb") as file:
        return HEADER.startswith(file.read(len(HEADER)))


def records(path: Path, damage: list[int] | None = None) -> Iterator[bytes]:
    """Yield the records of LevelDB's log format.

    Args:
        path: The file.
        damage: Collects the positions of damaged or incomplete records; reading goes on at the next block of 32 KiB.
            None to stop at the first one.
    """
    pieces: list[bytes] = []
    start = 0  # of the block
    with path.open("rb") as file:
        position = len(HEADER)  # in the first block only
        while block := file.read(_BLOCK):
            view = memoryview(block)
            while position + _FRAME.size <= len(block):
                checksum, length, kind = _FRAME.unpack_from(block, position)
                begin = position + _FRAME.size
                position = begin + length
                if position > len(block) or zlib.crc32(view[begin - 1 : position]) != checksum:  # includes the kind
                    if damage is None:
                        return
                    damage.append(start + begin - _FRAME.size)
                    pieces, position = [], _BLOCK
                    break
                body = block[begin:position]
                if kind == _WHOLE:
                    yield body
                    continue
                if kind != _FIRST and not pieces:
                    continue  # the rest of a damaged one
                pieces = [body] if kind == _FIRST else [*pieces, body]
                if kind == _LAST:
                    yield b"".join(pieces)
                    pieces = []
            if position < len(block) < _BLOCK and damage is not None:
                damage.append(start + position)
                pieces = []
            position = 0
            start += _BLOCK
    if pieces and damage is not None:
        damage.append(start)


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
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
