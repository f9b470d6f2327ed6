"""Write event files so that a reader never meets a torn or a repeated record.

An event file is a sequence of records: the length (64 bits), its checksum (32 bits), the data, its checksum. All are
little-endian; the checksum is a masked CRC-32C.
"""

from __future__ import annotations

import functools
import os
import struct
from pathlib import Path
from typing import Final

_LENGTH: Final = struct.Struct("<Q")
_CHECKSUM: Final = struct.Struct("<I")


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_TABLE: Final = _table()


def checksum(data: bytes) -> bytes:
    """Return the masked CRC-32C of the data, as four bytes."""
    table = _TABLE
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return _CHECKSUM.pack(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@functools.lru_cache(maxsize=1024)
def _head(length: int) -> bytes:
    packed = _LENGTH.pack(length)
    return packed + checksum(packed)


def framed(data: bytes) -> bytes:
    """Return one record of an event file."""
    return _head(len(data)) + data + checksum(data)


def append(path: Path, offset: int, data: bytes) -> int:
    """Write data at an offset, drop everything behind it, and synchronize the file to disk.

    Returns:
        The offset behind the data.
    """
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    return offset + len(data)


def replace(path: Path, data: bytes) -> None:
    """Write a file atomically, and synchronize it to disk.

    The draft's name differs from those of event files. If a kill leaves one, TensorBoard does not read it, and the next
    one overwrites it.
    """
    draft = path.with_name(".draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
