"""Comparisons as CSV, Markdown and data frames."""

from __future__ import annotations

import re
from typing import Any, Final

from multitrack.compare.rows import Compared
from multitrack.query.cells import ABSENT, Value
from multitrack.query.columns import Column
from multitrack.reading.formatting import column_texts, iso
from multitrack.security.terminal import safe
from multitrack.summaries.dataframes import arrow_table, pandas_frame, polars_frame

#: What begins a formula in a spreadsheet.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_SPECIAL: Final = re.compile('[,"\r\n]')
_MARKDOWN: Final = re.compile(r"[\\`*{}\[\]<>|~&]|(?<!\w)_|_(?!\w)")


def csv_of(comparison: Compared) -> str:
    """CSV with a line of names; times are ISO 8601, UTC."""
    columns = [(column, field) for column in comparison.columns for field in _fields(column)]
    lines: list[list[Any]] = [[f"{column}{field}" for column, field in columns]]
    cells = [
        [_machine(column, _plain(value, field)) for value in comparison.values(column)] for column, field in columns
    ]
    lines += map(list, zip(*cells, strict=True))
    return "".join(f"{','.join(map(quoted, line))}\n" for line in lines)


def quoted(value: Any) -> str:
    """A cell of CSV; one with a return as well is in quotes, which Python's ``csv`` forgets before 3.13."""
    text = _harmless(value) if isinstance(value, str) else str(value)
    return '"{}"'.format(text.replace('"', '""')) if _SPECIAL.search(text) else text


def markdown_of(comparison: Compared) -> str:
    """A Markdown table; the best run in bold."""
    columns = comparison.columns
    best = comparison.best and comparison.best.row.id
    lines = [
        [_escaped(str(column)) for column in columns],
        ["---:" if column.kind in ("number", "seconds") else "---" for column in columns],
    ]
    texts = [column_texts(column, comparison.values(column)) for column in columns]
    for i, row in enumerate(comparison.rows):
        cells = [_escaped(texts_of_column[i]) for texts_of_column in texts]
        lines.append([f"**{cell}**" if cell else "" for cell in cells] if row.id == best else cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def pandas_of(comparison: Compared) -> Any:
    """A ``pandas.DataFrame``."""
    return pandas_frame(_arrays(comparison), _times(comparison))


def polars_of(comparison: Compared) -> Any:
    """A ``polars.DataFrame``."""
    return polars_frame(_arrays(comparison), _times(comparison))


def arrow_of(comparison: Compared) -> Any:
    """A ``pyarrow.Table``."""
    return arrow_table(_arrays(comparison), _times(comparison))


def _arrays(comparison: Compared) -> dict[str, list[Any]]:
    return {
        f"{column}{field}": [None if value is ABSENT else _plain(value, field) for value in comparison.values(column)]
        for column in comparison.columns
        for field in _fields(column)
    }


def _times(comparison: Compared) -> list[str]:
    return [str(column) for column in comparison.columns if column.kind == "time"]


def _fields(column: Column) -> tuple[str, ...]:
    """What follows a column's name, of each column that it becomes: inputs and outputs have three."""
    return ("", " type", " source") if column.kind == "value" else ("",)


def _plain(value: Any, field: str) -> Any:
    return getattr(value, field.strip() or "value") if isinstance(value, Value) else value


def _machine(column: Column, value: Any) -> Any:
    if value is ABSENT:
        return ""
    value = iso(value) if column.kind == "time" else value
    return "None" if value is None else value


def _harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _escaped(text: str) -> str:
    """Text that Markdown shows as it stands, on one line."""
    return _MARKDOWN.sub(r"\\\g<0>", safe(text))
