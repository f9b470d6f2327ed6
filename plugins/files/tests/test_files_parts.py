"""The parts of a table, whatever dies and whatever comes again: a reader sees a beginning of the run, at any moment."""

from __future__ import annotations

import contextlib
import errno
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pytest
from files_reader import csv_rows, parquet_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from multitrack.tables import merging
from multitrack.tables.merging import to_merge
from multitrack.tables.schema import LINES, Row
from multitrack_files import durable, parts
from multitrack_files.formats import format_named
from multitrack_files.parts import Parts

#: Texts that a cut must not split: a row of CSV may have line ends and quotes in it.
TEXTS: Final = ("plain", 'a "quoted" one', "two\nlines", '\n"\n', ",", "", "x" * 300)


class Dead(BaseException):
    """Stands for ``kill -9``: nothing is done after it."""


class Disk:
    """The directory of one table, with every operation on its files as a moment to look, or to die.

    Attributes:
        life: Operations until death; ``None`` if never.
    """

    def __init__(self, root: Path, name: str, look: Callable[[list[Row]], None]) -> None:
        self.life: int | None = None
        self._root = root
        self._files = format_named(name)
        self._look = look
        self._rows_of = (parquet_rows if name == "parquet" else csv_rows)(root)
        (root / "drafts").mkdir()
        directory = root / LINES.name
        directory.mkdir()
        with (directory / f"empty{self._files.suffix}").open("wb") as file:
            self._files.write(LINES, (), file)

    def open(self) -> Parts:
        """The table as a new process opens it."""
        return Parts(LINES, self._root / LINES.name / "run", self._root / "drafts", self._files)

    def rows(self) -> list[Row]:
        """Its rows, by the readers that users have."""
        found = self._rows_of(LINES)
        return sorted((tuple(row.values())[-1], row["line"], row["text"]) for row in found)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look before and after each operation, and die when life is over."""

        def at(operation: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                self._live()
                found = operation(*arguments, **options)
                self._live()
                return found

            return call

        patches = [
            mock.patch.object(parts, "write_durably", at(durable.write_durably)),
            mock.patch.object(parts, "rename_durably", at(durable.rename_durably)),
            mock.patch.object(Path, "unlink", at(Path.unlink)),
        ]
        with contextlib.ExitStack() as stack:
            for patch in patches:
                stack.enter_context(patch)
            yield

    def _live(self) -> None:
        if self.life == 0:
            raise Dead
        self._look(self.rows())
        if self.life is not None:
            self.life -= 1


def rows_of(ordinal: int, version: int) -> list[Row]:
    """The rows of one record: none, one or two, always the same."""
    chance = random.Random(f"{ordinal} {version}")
    return [
        ("run", ordinal * 2 + i, "log", 1_700_000_000_000, chance.choice(TEXTS), ordinal)
        for i in range(chance.choice([0, 1, 1, 2]))
    ]


def shown(rows: list[Row]) -> list[Row]:
    return [(row[-1], row[1], row[4]) for row in rows]


#: A batch of so many records, or a restart that delivers again from so far back; and operations until death.
moves = st.lists(
    st.tuples(st.integers(1, 6) | st.sampled_from([-1, -2, -7, -100]), st.none() | st.integers(0, 12)), max_size=25
)


@pytest.mark.long("csv")
@pytest.mark.parametrize("name", ["parquet", "csv"])
@given(moves=moves, largest=st.sampled_from([1, 4000, 10**9]))
@settings(max_examples=settings().max_examples // 5, deadline=None)  # each reads the table after every operation
def test_a_reader_sees_a_beginning_whatever_dies(name: str, moves: list[tuple[int, int | None]], largest: int) -> None:
    everything = [row for ordinal in range(300) for row in rows_of(ordinal, 0)]

    def look(rows: list[Row]) -> None:
        assert rows == shown(everything[: len(rows)])

    with (
        tempfile.TemporaryDirectory() as directory,
        mock.patch.object(merging, "FEWEST", 3),
        mock.patch.object(merging, "LARGEST", largest),
    ):
        disk = Disk(Path(directory), name, look)
        table, position = disk.open(), 0

        def deliver(count: int) -> None:
            nonlocal position
            batch = [row for ordinal in range(position, position + count) for row in rows_of(ordinal, 0)]
            table.replace_from(min((row[-1] for row in batch), default=position), batch)  # type: ignore[type-var]
            table.merge()
            position += count

        with disk.watched():
            for size, life in moves:
                disk.life = life
                try:
                    if size > 0:
                        deliver(size)
                    else:
                        table, position = disk.open(), max(0, position + size)
                except Dead:
                    disk.life = None
                    table = disk.open()
            disk.life = None
            deliver(3)
            table.merge(closing=True)
        assert disk.rows() == shown([row for row in everything if isinstance(row[-1], int) and row[-1] < position])
        assert not list((Path(directory) / "drafts").iterdir())
        if largest == 10**9:
            assert len(list((Path(directory) / LINES.name / "run").iterdir())) <= 1


@pytest.mark.parametrize("name", ["parquet", "csv"])
@pytest.mark.parametrize("same_process", [True, False])
@pytest.mark.parametrize("more", [0, 3])
@pytest.mark.parametrize("cut", range(12))
def test_other_records_of_the_same_ordinals_replace_the_earlier_ones(
    tmp_path: Path, name: str, cut: int, more: int, same_process: bool
) -> None:
    """As after a power cut: the journal lost its last lines, and a resumed run wrote others, or none."""
    disk = Disk(tmp_path, name, lambda rows: None)
    table = disk.open()
    for first in (0, 4, 8):
        table.replace_from(first, [row for ordinal in range(first, first + 4) for row in rows_of(ordinal, 1)])
        table.merge(closing=first == 4)
    new = [row for ordinal in range(cut, cut + more) for row in rows_of(ordinal, 2)]
    (table if same_process else disk.open()).replace_from(cut, new)
    kept = [row for ordinal in range(cut) for row in rows_of(ordinal, 1)]
    assert disk.rows() == shown(kept + new)


@pytest.mark.parametrize("name", ["parquet", "csv"])
@pytest.mark.parametrize("merges_again", [True, False])
def test_a_replacement_that_failed_half_way_is_completed_by_the_same_process(
    tmp_path: Path, name: str, merges_again: bool
) -> None:
    """Its new content is the only copy by then: later rows must not be written without it."""
    disk = Disk(tmp_path, name, lambda rows: None)
    table, expected = disk.open(), []
    for ordinal in range(6):
        rows: list[Row] = [("run", ordinal, "log", 0, "x", ordinal)]
        expected += rows
        table.replace_from(ordinal, rows)
    full = OSError(errno.ENOSPC, "No space left on device")
    renames = mock.Mock(wraps=durable.rename_durably, side_effect=[mock.DEFAULT, full])
    with mock.patch.object(parts, "rename_durably", renames), pytest.raises(OSError, match="No space"):
        table.merge(closing=True)
    assert disk.rows() == shown(expected[:1]), "the others were deleted already"
    if merges_again:
        table.merge(closing=True)
    else:
        expected.append(("run", 6, "log", 0, "y", 6))
        table.replace_from(6, expected[6:])
    assert disk.rows() == shown(expected)


def test_a_failed_write_leaves_no_draft(tmp_path: Path) -> None:
    """A disk that is full stays as full as it was."""
    disk = Disk(tmp_path, "csv", lambda rows: None)
    with (
        mock.patch.object(parts, "rename_durably", side_effect=OSError(errno.ENOSPC, "No space left on device")),
        pytest.raises(OSError, match="No space"),
    ):
        disk.open().replace_from(0, [("run", 0, "log", 0, "x", 0)])
    assert not list((tmp_path / "drafts").iterdir())


def test_a_draft_that_another_process_left_is_removed_and_its_name_is_not_used_again(tmp_path: Path) -> None:
    """That process may only hang, and write on into the same file."""
    disk = Disk(tmp_path, "csv", lambda rows: None)
    left = disk.open()._draft
    left.write_bytes(b"half")
    second = disk.open()
    assert not left.exists()
    assert second._draft != left


def test_parts_stay_few_and_rows_are_seldom_written_again() -> None:
    sizes: list[int] = []
    written = most = 0
    for _ in range(20_000):
        sizes.append(100)
        written += 100
        if count := to_merge(sizes, closing=False):
            sizes[-count:] = [sum(sizes[-count:])]
            written += sizes[-1]
        most = max(most, len(sizes))
    assert most <= 20
    assert written / sum(sizes) < 16


@pytest.mark.parametrize(
    ("sizes", "closing", "merged"),
    [
        ([], True, 0), ([5], True, 0), ([9, 1], True, 2), ([9, 1], False, 0), ([1] * 8, False, 8), ([1] * 7, False, 0),
        ([100, *[1] * 8], False, 8), ([100, *[1] * 8], True, 9), ([merging.LARGEST, 1, 1], True, 2),
        ([merging.LARGEST // 2, merging.LARGEST // 2], True, 2), ([1, merging.LARGEST, 1], True, 0),
    ],
)  # fmt: skip
def test_which_parts_are_merged(sizes: list[int], closing: bool, merged: int) -> None:
    assert to_merge(sizes, closing=closing) == merged
