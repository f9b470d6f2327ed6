"""Seals: where a segment ends whose writer was given up, on a file system whose locks do not hold between machines.

A writer that was only paused may go on to write into its segment, which readers have left by then. So whoever gives it
up notes the segment's size, and readers read no further. The writer notices soon after it wakes up, and moves what it
wrote since to a new segment: nothing that was acknowledged is lost, and nothing is there twice.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from multitrack.journal.atomic import write_json
from multitrack.journal.encoding import decode_or_none
from multitrack.journal.prepared import prepared
from multitrack.journal.signs import observe
from multitrack.records import ListMetric

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Seal(msgspec.Struct, frozen=True):
    """The content of a seal, ``000001.sealed``.

    Attributes:
        size: Bytes of the segment that count.
        by: The process that gave its writer up, in words.
    """

    size: int
    by: str


def lease_of(segment: Path) -> Path:
    """The lease of a segment's writer; it is there for as long as that writes, or is not given up."""
    return segment.with_suffix(".lease")


def seal_of(segment: Path) -> Path:
    """The seal of a segment."""
    return segment.with_suffix(".sealed")


def read_seal(segment: Path) -> Seal | None:
    """The seal of a segment; None if it has none."""
    try:
        with open(seal_of(segment), "rb") as file:  # noqa: PTH123 - a Path's method takes twice as long
            return msgspec.json.decode(file.read(), type=prepared(Seal))
    except FileNotFoundError:
        return None


def seal_if_silent(segment: Path, by: str) -> bool | None:
    """Seal a segment whose writer has been silent for too long; only for the holder of the run's ``lock``.

    Args:
        segment: The segment's file.
        by: This process, in words.

    Returns:
        True if it was sealed now, False if its writer has given a sign of life, None if that is not known yet.
    """
    found = observe(lease_of(segment))
    if found is None:
        return True
    if not found.is_free:
        return False if found.lives else None
    fd = os.open(segment, os.O_RDONLY | os.O_CLOEXEC)  # opened, so that NFS asks its server for the size
    try:
        write_json(seal_of(segment), Seal(os.fstat(fd).st_size, by))
    finally:
        os.close(fd)
    lease_of(segment).unlink(missing_ok=True)
    return True


def size_of(segment: Path, fd: int) -> int:
    """The bytes of a closed segment that count, which is open as ``fd``."""
    size, seal = os.fstat(fd).st_size, read_seal(segment)
    return size if seal is None else min(size, seal.size)


def until(file: BinaryIO, size: int) -> BinaryIO:
    """A file that ends after ``size`` bytes."""
    return io.BufferedReader(_Part(file, size))


class _Part(io.RawIOBase):
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        found = self._file.read(max(0, min(len(view), self._size - self._file.tell())))
        view[: len(found)] = found
        return len(found)


def tail_of(segment: Path, seal: Seal) -> bytes:
    """The lines of a sealed segment that readers do not have.

    A line that the seal cuts is among them as a whole, and so is a list if the seal cuts off some of its parts.
    """
    offset = 0
    listed: int | None = None  # where the list begins whose parts are being read
    with segment.open("rb") as file:
        for line in file:
            if offset + len(line) > seal.size:
                break
            record = decode_or_none(line) if b'"parts"' in line else None
            if isinstance(record, ListMetric) and record.parts > 1:
                listed = offset if record.part == 1 else listed
                listed = None if record.part == record.parts else listed
            else:
                listed = None
            offset += len(line)
        file.seek(offset if listed is None else listed)
        return file.read()
