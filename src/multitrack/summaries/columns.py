"""Columns of values of many runs, stored compactly: a block of rows, and the values that the rows have in each column.

A value comes out of a column as it went in, an ``int`` beside a ``float`` included. Decoding costs nothing until a
column is read.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

#: Marks a missing value; ``None`` is a value.
MISSING: Final = msgspec.UNSET
#: Rows of a block, and columns that a block may have before it ends: what one block takes of memory is bounded.
ROWS: Final = 8192
COLUMNS: Final = 20_000

_INTEGERS: Final = 1 << 63


class Column(msgspec.Struct, frozen=True, array_like=True):
    """The values of one column in one block.

    Attributes:
        kind: ``d``: doubles; ``q``: integers of 64 bits; ``c``: positions in ``distinct``.
        values: The values or positions, one after the other; positions have 32 bits.
        rows: The rows that have a value, as numbers of 32 bits; empty if all have.
        distinct: The distinct values, as MessagePack.
    """

    kind: Literal["d", "q", "c"]
    values: memoryview
    rows: memoryview
    distinct: memoryview

    @classmethod
    def of(cls, rows: array[int], values: Sequence[Any], count: int) -> Column:
        """Encode the values of some of ``count`` rows."""
        where = memoryview(b"" if len(rows) == count else rows.tobytes())
        kinds = set(map(type, values))
        if kinds == {float}:
            return cls("d", memoryview(array("d", values).tobytes()), where, memoryview(b""))
        if kinds == {int} and min(values) >= -_INTEGERS and max(values) < _INTEGERS:
            return cls("q", memoryview(array("q", values).tobytes()), where, memoryview(b""))
        # Compared in their encoded form: 1, 1.0 and True are equal, and NaN is not equal to itself.
        positions: dict[bytes, int] = {}
        codes = array("I")
        for value in values:
            codes.append(positions.setdefault(_encode(value), len(positions)))
        distinct = msgspec.msgpack.encode([msgspec.Raw(one) for one in positions])
        return cls("c", memoryview(codes.tobytes()), where, memoryview(distinct))

    def present(self) -> list[Any]:
        """Return the values of the rows that have one."""
        if self.kind != "c":
            return self.values.cast(self.kind).tolist()
        distinct: list[Any] = msgspec.msgpack.decode(self.distinct)
        return list(map(distinct.__getitem__, self.values.cast("I")))

    def whole(self, count: int) -> list[Any]:
        """Return the value of each of ``count`` rows, or :data:`MISSING`."""
        values = self.present()
        if not len(self.rows):
            return values
        found: list[Any] = [MISSING] * count
        for row, value in zip(self.rows.cast("I"), values, strict=True):
            found[row] = value
        return found


_encode: Final = msgspec.msgpack.Encoder().encode


class Block(msgspec.Struct, frozen=True, array_like=True):
    """Some rows: the runs that they are of, and their columns.

    Attributes:
        names: The name of each row.
        keys: The key of each row, as numbers of 64 bits.
        columns: The columns, by group and name.
    """

    names: list[str]
    keys: memoryview
    columns: dict[str, dict[str, Column]]

    @property
    def large(self) -> bool:
        """True if the block need not be joined with others."""
        return 2 * len(self.names) > ROWS or 2 * sum(map(len, self.columns.values())) > COLUMNS

    def column(self, group: str, name: str) -> list[Any]:
        """Return a column's value of each row, or :data:`MISSING`."""
        found = self.columns.get(group, {}).get(name)
        return [MISSING] * len(self.names) if found is None else found.whole(len(self.names))


class BlockBuilder:
    """Gathers the rows of a block."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._keys = array("q")
        self._columns: dict[tuple[str, str], tuple[array[int], list[Any]]] = {}

    def __len__(self) -> int:
        return len(self._names)

    @property
    def full(self) -> bool:
        """True if the block should end here."""
        return len(self._names) >= ROWS or len(self._columns) >= COLUMNS

    def add(self, name: str, key: int, values: Iterable[tuple[str, str, Any]]) -> None:
        """Add a row: group, name and value of each of its columns."""
        row, columns = len(self._names), self._columns
        self._names.append(name)
        self._keys.append(key)
        for group, column, value in values:
            found = columns.get((group, column))
            if found is None:
                found = columns[group, column] = (array("I"), [])
            found[0].append(row)
            found[1].append(value)

    def copy(self, block: Block, rows: Sequence[int]) -> None:
        """Add some rows of another block."""
        first, keys = len(self._names), block.keys.cast("q")
        self._names += [block.names[row] for row in rows]
        self._keys.extend([keys[row] for row in rows])
        for group, columns in block.columns.items():
            for name, column in columns.items():
                values = column.whole(len(block.names))
                there = [(first + i, values[row]) for i, row in enumerate(rows) if values[row] is not MISSING]
                if there:
                    found = self._columns.setdefault((group, name), (array("I"), []))
                    found[0].extend([row for row, _ in there])
                    found[1].extend([value for _, value in there])

    def block(self) -> bytes:
        """Return the block, encoded."""
        columns: dict[str, dict[str, Column]] = {}
        for (group, name), (rows, values) in self._columns.items():
            columns.setdefault(group, {})[name] = Column.of(rows, values, len(self._names))
        return _encode(Block(self._names, memoryview(self._keys.tobytes()), columns))
