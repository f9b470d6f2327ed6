"""Files beside a run that cache values computed from its journal.

A cached value is valid for as long as its stamp is: the sizes and modification times of the manifest and the
segments. A resumed run has one more segment. The files can be deleted at any time; if one cannot be written, its
value is computed on each read.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from multitrack.journal.atomic import write_whole
from multitrack.journal.prepared import prepared

Stamp = list[tuple[int, int]]
"""Size and modification time (ns) of the manifest and of each segment."""

Value = TypeVar("Value")


class Entry(msgspec.Struct, Generic[Value], frozen=True, array_like=True, gc=False):
    """The content of a cache file.

    Attributes:
        version: Cache format.
        stamp: Size and mtime of the source files.
        value: The cached value.
    """

    version: int
    stamp: Stamp
    value: Value


class CacheFile(Generic[Value]):
    """A cache file of one kind of value, in the directory of each run.

    Encoded as MessagePack rather than JSON, which has no NaN.

    Args:
        name: The file's name.
        version: Cache format; increased whenever the value's fields or their meaning change.
        kind: The value's type.
    """

    def __init__(self, name: str, version: int, kind: type[Value]) -> None:
        self.name = name
        self.version = version
        content: Any = Entry[kind]  # type: ignore[valid-type]  # a type known only at run time
        self._decoder: msgspec.msgpack.Decoder[Entry[Value]] = msgspec.msgpack.Decoder(prepared(content))

    def read(self, directory: Path, stamp: Stamp) -> Value | None:
        """Return the cached value of the run in ``directory``; None if there is no valid one.

        Args:
            directory: The run's directory.
            stamp: The current stamp of its files.
        """
        try:
            with open(f"{directory}/{self.name}", "rb", buffering=0) as file:  # noqa: PTH123 - see stamp_of
                entry = self._decoder.decode(file.read())
        except (OSError, ValueError):  # missing, another user's, of another version, damaged
            return None
        return entry.value if (entry.version, entry.stamp) == (self.version, stamp) else None

    def write(self, directory: Path, stamp: Stamp, value: Value) -> None:
        """Write a value, unless the directory is a symbolic link, which may lead to another user's files.

        Args:
            directory: The run's directory.
            stamp: The stamp of its files before they were read, so that a write in the meantime invalidates the entry.
            value: The value.
        """
        if directory.is_symlink():
            return
        with contextlib.suppress(OSError, OverflowError):  # a read-only journal; an integer beyond 64 bits
            write_whole(directory / self.name, msgspec.msgpack.encode(Entry(self.version, stamp, value)))


def stamp_of(directory: Path) -> Stamp:
    """The current stamp of the run in ``directory``."""
    stamp: Stamp = []
    base = str(directory)  # for thousands of runs, pathlib takes longer than the system calls
    try:
        found = os.stat(f"{base}/manifest.json")  # noqa: PTH116
        while True:
            stamp.append((found.st_size, found.st_mtime_ns))
            found = os.stat(f"{base}/{len(stamp):06}.jsonl")  # noqa: PTH116
    except OSError:
        return stamp
