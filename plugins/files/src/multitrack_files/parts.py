"""The rows of one run in one table: a few files, each named by the ordinal from which on it has the rows.

Every change replaces the end of the table, from one part on. A reader sees at any time a beginning of the run: no row
twice, and none missing before the last one that is there. The same holds after ``kill -9`` at any moment, because

1. the new content is written and forced to disk in another directory,
2. the parts that it replaces are deleted, the last one first,
3. it is moved into place.

Content that was left before step 3 is moved into place before anything else is done, by another process if need be.

Rows that are delivered again replace the rows with the same ordinals, and everything behind them.
"""

from __future__ import annotations

import functools
import re
import secrets
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from multitrack.tables import merging
from multitrack.tables.merging import to_merge
from multitrack.tables.schema import Row, TableSchema
from multitrack_files.durable import rename_durably, sync_directory, write_durably
from multitrack_files.formats import Chunk, Format


class Part(NamedTuple):
    """A file with the rows of the ordinals from ``first`` up to the next part's ``first``."""

    first: int
    path: Path


def parts_in(directory: Path, suffix: str) -> list[Part]:
    """Return the parts in a directory, in order; none if there is no directory."""
    pattern = re.compile(rf"part-(\d+){re.escape(suffix)}")
    try:
        found = [(pattern.fullmatch(path.name), path) for path in directory.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(Part(int(match[1]), path) for match, path in found if match)


class Parts:
    """The parts of one run in one table. Not thread-safe; one process at a time.

    Args:
        table: The table.
        directory: Directory of the parts.
        drafts: Directory of the run's unfinished files, in the same file system.
        files: The format.
    """

    def __init__(self, table: TableSchema, directory: Path, drafts: Path, files: Format) -> None:
        self._table = table
        self._directory = directory
        self._files = files
        # A writer that hangs, on another machine, may go on one day: without its draft, it replaces nothing.
        for left in drafts.glob(f"{table.name}*.draft"):
            left.unlink(missing_ok=True)
        self._draft = drafts / f"{table.name}-{secrets.token_hex(4)}.draft"
        self._drafts = drafts
        self._last: int | None = None  # None if unknown

    def replace_from(self, start: int, rows: Sequence[Row]) -> None:
        """Replace all rows with ordinals from ``start`` on by ``rows``, which are sorted by their ordinals."""
        self._complete_replacement()
        if not rows and self.last < start:
            return
        before = [part for part in self._parts() if part.first < start]
        chunks = [self._files.encode(self._table, rows)] if rows else []
        if before and self.last >= start and self._files.last_ordinal(before[-1].path) >= start:
            # The cut is within this part: its beginning and the new rows become one.
            cut = before[-1]
            self._replace(cut.first, chain(self._files.read(cut.path, before=start), chunks))
        elif rows:
            self._replace(start, chunks)
        else:
            self._last = None
            self._delete_from(start)

    def merge(self, *, closing: bool = False) -> None:
        """Merge the last parts if there are many, or at the run's end all that fit into one file."""
        self._complete_replacement()
        parts = self._parts()
        if len(parts) < (2 if closing else merging.FEWEST):
            return
        count = to_merge([part.path.stat().st_size for part in parts], closing=closing)
        if count:
            merged = parts[-count:]
            self._replace(merged[0].first, chain.from_iterable(self._files.read(part.path) for part in merged))

    @property
    def last(self) -> int:
        """The ordinal of the last row; -1 if there is none."""
        if self._last is None:
            parts = self._parts()
            self._last = self._files.last_ordinal(parts[-1].path) if parts else -1
        return self._last

    def _parts(self) -> list[Part]:
        return parts_in(self._directory, self._files.suffix)

    def _replace(self, first: int, chunks: Iterable[Chunk]) -> None:
        """Replace everything from the part ``first`` on by one part."""
        self._last = None
        try:
            write_durably(self._draft, functools.partial(self._files.write, self._table, chunks))
            if self._from(first + 1):
                staged = self._drafts / f"{self._table.name}-{first:012}{self._files.suffix}"
                rename_durably(self._draft, staged)
                self._move(staged, first)
            else:
                self._move(self._draft, first)
        finally:
            self._draft.unlink(missing_ok=True)

    def _complete_replacement(self) -> None:
        """Complete the replacement that a killed process or an error left. There is at most one."""
        for staged in self._drafts.glob(f"{self._table.name}-*{self._files.suffix}"):
            self._move(staged, int(staged.stem.rpartition("-")[2]))

    def _move(self, source: Path, first: int) -> None:
        self._delete_from(first + 1)
        self._directory.mkdir(parents=True, exist_ok=True)
        rename_durably(source, self._directory / f"part-{first:012}{self._files.suffix}")

    def _delete_from(self, first: int) -> None:
        """Delete the parts from ``first`` on, the last one first."""
        parts = self._from(first)
        for part in reversed(parts):
            part.path.unlink()
        if parts:
            sync_directory(self._directory)

    def _from(self, first: int) -> list[Part]:
        return [part for part in self._parts() if part.first >= first]
