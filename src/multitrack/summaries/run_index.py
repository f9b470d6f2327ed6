"""One file for a journal that holds the columns of all its ended runs, so that a hundred thousand are read at once.

A row is valid for as long as the run's directory has the change time that the row was made at: a new segment,
compaction, another manifest, a mark of deletion, and another directory in its place change it. Runs that are being
written have no rows, nor have those whose writer died without an end, which another host may still write where locks do
not work. The file is only a cache of the summaries beside the runs (:mod:`multitrack.summaries.cached_runs`): it can be
deleted at any time, and if it cannot be read or written, the runs are read one by one.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack.journal.atomic import write_whole
from multitrack.journal.layout import runs_directory
from multitrack.journal.prepared import prepared
from multitrack.journal.run_ids import is_run_id
from multitrack.summaries.cached_runs import CACHE, CachedRun
from multitrack.summaries.columns import MISSING, Block, BlockBuilder
from multitrack.summaries.run_columns import CONTEXT, RUN, columns_of

#: The file's name in the journal.
NAME: Final = "runs.index"
#: Format of the file; the columns follow from summaries, so that a new format of these is a new one of the index.
VERSION: Final = (1, CACHE.version, sys.byteorder)
#: Nanoseconds for which a directory must not have changed before it gets a row: another change within the same tick of
#: the file system's clock, at most 2 s, would not change its change time.
SETTLED: Final = 2_500_000_000
#: Runs that must be new before the file is written again: at least so many, and one of so many rows.
_FEW: Final = 50
_SHARE: Final = 50
#: Decoded columns that are held: a column of 100,000 doubles takes 3 MB.
_HELD: Final = 24


class _File(msgspec.Struct, array_like=True):
    version: tuple[int, int, str]
    blocks: list[tuple[int, memoryview]]
    """Each with its checksum."""


class RunIndex:
    """The rows of a journal's runs, as its file has them.

    Args:
        journal: The journal's directory.

    Attributes:
        path: The file.
        count: Number of rows.
    """

    def __init__(self, journal: Path) -> None:
        self.path = journal / NAME
        self._runs = str(runs_directory(journal))
        self._encoded: list[tuple[int, memoryview]] = []
        self._blocks: list[Block] = []
        self._stamp = _stamp_of(self.path)
        with contextlib.suppress(OSError, ValueError):  # missing, damaged, or of another version
            self._encoded, self._blocks = _read(self.path)
        self._keys = [key for block in self._blocks for key in block.keys.cast("q")]
        self._rows = {name: row for row, name in enumerate(self._names())}
        self.count = len(self._keys)
        self._columns: dict[tuple[Any, ...], list[Any]] = {}
        self._lock = threading.RLock()  # to make a column may read another one

    def is_foreign(self) -> bool:
        """Return True if another user has written the file: it is not read, and left to that user."""
        return _stamp_of(self.path)[:1] not in ((), (os.geteuid(),))

    def is_current(self) -> bool:
        """Return True if the file has not been replaced since it was read."""
        return self._stamp == _stamp_of(self.path)

    def _names(self) -> Iterator[str]:
        for block in self._blocks:
            yield from block.names

    def scan(self, names: Iterable[str]) -> tuple[list[int], list[int | None]]:
        """Return the change time (ns) of each directory in the journal's directory of runs, and its row.

        The row is None if there is none of this change time. What cannot be accessed has the time 0.
        """
        changes: list[int] = []
        known, keys, runs, stat = self._rows, self._keys, self._runs, os.stat
        rows: list[int | None] = []
        for name in names:
            try:
                changed = stat(f"{runs}/{name}").st_ctime_ns
            except OSError:
                changed = 0
            changes.append(changed)
            row = known.get(name)
            rows.append(row if row is not None and keys[row] == changed else None)
        return changes, rows

    def at(self, row: int) -> IndexedRow:
        """Return a row."""
        return IndexedRow(self, row)

    def is_valid(self, row: int, name: str) -> bool:
        """Return True if the directory of a run has not changed since its row was made."""
        try:
            return os.stat(f"{self._runs}/{name}").st_ctime_ns == self._keys[row]  # noqa: PTH116 - see stamp_of
        except OSError:
            return False

    @cached_property
    def deleted(self) -> frozenset[int]:
        """The rows of runs that are marked as deleted."""
        if not self.has(RUN, "deleted"):
            return frozenset()
        return frozenset(row for row, value in enumerate(self.column(RUN, "deleted")) if value is not MISSING)

    def has(self, group: str, name: str) -> bool:
        """Return True if some row has a value in a column."""
        return any(name in block.columns.get(group, ()) for block in self._blocks)

    def column(self, group: str, name: str) -> list[Any]:
        """Return a column's value of each row, or :data:`MISSING`. Not to be changed."""
        return self.held((group, name), lambda: [one for block in self._blocks for one in block.column(group, name)])

    def held(self, key: tuple[Any, ...], make: Callable[[], list[Any]]) -> list[Any]:
        """Return a column that was made before, or make it; only the latest ones are held."""
        with self._lock:
            found = self._columns.pop(key, None)
            if found is None:
                found = make()
                while len(self._columns) >= _HELD:
                    del self._columns[next(iter(self._columns))]
            self._columns[key] = found
            return found

    def blocks(self) -> Iterator[tuple[bytes | memoryview, Block]]:
        """Yield each block, encoded and decoded."""
        for (_, encoded), block in zip(self._encoded, self._blocks, strict=True):
            yield encoded, block


class IndexedRow:
    """A run's row.

    Args:
        index: The index of the run's journal.
        number: The row.
    """

    __slots__ = ("index", "number")

    def __init__(self, index: RunIndex, number: int) -> None:
        self.index = index
        self.number = number

    def once(self, name: str) -> Any:
        """Return what a run has once: ``created``, ``parent``, ``status``, ``deleted``; None if it has none."""
        value = self.index.column(RUN, name)[self.number]
        return None if value is MISSING else value

    def tag(self, name: str) -> str | None:
        """Return the last value of a tag; None if the run does not have it."""
        value = self.index.column("tags", name)[self.number]
        return None if value is MISSING else value

    def of_context(self, name: str) -> Any:
        """Return a value of the run's own context; None if that has none."""
        value = self.index.column(CONTEXT, name)[self.number]
        return None if value is MISSING else value


def _stamp_of(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_uid, found.st_ino, found.st_size, found.st_mtime_ns


def _read(path: Path) -> tuple[list[tuple[int, memoryview]], list[Block]]:
    """Read the file.

    Raises:
        OSError: It is missing or cannot be read.
        ValueError: It is damaged, or of another version.
    """
    # not mapped into memory: on NFS, a page of a file that another host has replaced would end the process
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_uid != os.geteuid():  # its values are not checked one by one
            raise PermissionError("it belongs to another user")
        found = msgspec.msgpack.decode(file.read(), type=prepared(_File))
    if found.version != VERSION:
        raise ValueError("of another version")
    if any(zlib.crc32(encoded) != checksum for checksum, encoded in found.blocks):
        raise ValueError("damaged")
    return found.blocks, [msgspec.msgpack.decode(encoded, type=prepared(Block)) for _, encoded in found.blocks]


class IndexUpdate:
    """New rows for a journal's index, gathered by a listing of its runs.

    Args:
        index: The index.
    """

    def __init__(self, index: RunIndex) -> None:
        self._index = index
        self._new = BlockBuilder()
        self._done: list[bytes] = []
        self._count = 0
        self._before = time.time_ns() - SETTLED

    def takes(self, key: int, run: CachedRun) -> bool:
        """Return True if a run may have a row: it has ended, and its directory has not changed for a while."""
        return run.closed and self.is_settled(key) and (run.facts.parent is None or is_run_id(run.facts.parent))

    def is_settled(self, changed: int) -> bool:
        """Return True if a change time (ns) is old enough for a later change to have another one."""
        return changed < self._before

    def add(
        self, name: str, key: int, run: CachedRun, *, deleted: bool, more: Iterable[tuple[str, str, Any]] = ()
    ) -> None:
        """Add a run that :meth:`takes` allows.

        Args:
            name: The name of its directory.
            key: The change time of the directory before the run was read (ns).
            run: Its cached parts.
            deleted: True if it is marked as deleted.
            more: Values of more columns.
        """
        values = columns_of(run, deleted=deleted)
        if values is None:
            return
        self._new.add(name, key, [*values, *more])
        self._count += 1
        self._end_block_if_full()

    def write(self, live: Collection[int]) -> None:
        """Write the index with the new rows, if they are many enough.

        Args:
            live: The rows of the index that are still valid.
        """
        if self._count < max(_FEW, self._index.count // _SHARE) or self._index.is_foreign():
            return
        kept: list[bytes | memoryview] = []
        first = 0
        for encoded, block in self._index.blocks():
            rows = [row for row in range(len(block.names)) if first + row in live]
            first += len(block.names)
            if block.large and 2 * len(rows) > len(block.names):
                kept.append(encoded)
                continue
            self._new.copy(block, rows)
            self._end_block_if_full()
        if len(self._new):
            self._done.append(self._new.block())
        # new rows of a run are behind its former ones, and hide them
        content = _File(VERSION, [(zlib.crc32(block), memoryview(block)) for block in [*kept, *self._done]])
        with contextlib.suppress(OSError):  # a read-only journal, a full disk
            write_whole(self._index.path, msgspec.msgpack.encode(content))

    def _end_block_if_full(self) -> None:
        if self._new.full:
            self._done.append(self._new.block())
            self._new = BlockBuilder()
