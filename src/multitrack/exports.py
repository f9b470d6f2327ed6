"""Comparisons as CSV, Markdown and data frames."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any, Final

from multitrack.cells import ABSENT, Value
from multitrack.columns import Column
from multitrack.terminal import safe
from multitrack.texts import column_texts, iso

if TYPE_CHECKING:
    from multitrack.compare import Comparison

#: What begins a formula in a spreadsheet.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN: Final = re.compile(r"[\\`*{}\[\]<>|~&]|(?<!\w)_|_(?!\w)")


def csv_of(comparison: Comparison) -> str:
    """CSV with a line of names; times are ISO 8601, UTC."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = comparison.columns
    writer.writerow([_harmless(str(column)) for column in columns])
    for row in comparison.rows:
        writer.writerow([_harmless(_machine(column, row.cells.get(str(column), ABSENT))) for column in columns])
    return out.getvalue()


def markdown_of(comparison: Comparison) -> str:
    """A Markdown table; the best run in bold."""
    columns = comparison.columns
    best = comparison.best and comparison.best.row.id
    lines = [
        [_escaped(str(column)) for column in columns],
        ["---:" if column.kind in ("number", "seconds") else "---" for column in columns],
    ]
    texts = [
        column_texts(column, (row.cells.get(str(column), ABSENT) for row in comparison.rows)) for column in columns
    ]
    for i, row in enumerate(comparison.rows):
        cells = [_escaped(texts_of_column[i]) for texts_of_column in texts]
        lines.append([f"**{cell}**" if cell else "" for cell in cells] if row.id == best else cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def pandas_of(comparison: Comparison) -> Any:
    """A ``pandas.DataFrame``."""
    try:
        import pandas as pd  # noqa: PLC0415 - where it is installed
    except ImportError:
        raise _missing("to_pandas", "pandas") from None
    frame = pd.DataFrame(_arrays(comparison))
    for name in _times(comparison):
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    return frame


def polars_of(comparison: Comparison) -> Any:
    """A ``polars.DataFrame``."""
    try:
        import polars as pl  # noqa: PLC0415 - where it is installed
    except ImportError:
        raise _missing("to_polars", "polars") from None
    times = {name: pl.col(name).cast(pl.Datetime("ms", "UTC")) for name in _times(comparison)}
    return pl.DataFrame(_arrays(comparison), strict=False).with_columns(**times)


def arrow_of(comparison: Comparison) -> Any:
    """A ``pyarrow.Table``."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - where it is installed
    except ImportError:
        raise _missing("to_arrow", "pyarrow") from None
    times = _times(comparison)
    kind = pa.timestamp("ms", tz="UTC")
    return pa.table(
        {name: pa.array(cells, kind if name in times else None) for name, cells in _arrays(comparison).items()}
    )


def _missing(method: str, library: str) -> ImportError:
    return ImportError(f"{method}() needs {library}: pip install {library}")


def _arrays(comparison: Comparison) -> dict[str, list[Any]]:
    """The cells of each column, of one type: where they differ, all are texts."""
    arrays = {}
    for column in comparison.columns:
        name = str(column)
        cells = [_plain(row.cells.get(name)) for row in comparison.rows]
        kinds = {type(cell) for cell in cells if cell is not None}
        if kinds == {int, float} or (
            kinds == {int} and any(cell is not None and abs(cell) >= 1 << 63 for cell in cells)
        ):
            cells = [None if cell is None else float(cell) for cell in cells]
        elif len(kinds) > 1 or list in kinds:
            cells = [None if cell is None else str(cell) for cell in cells]
        arrays[name] = cells
    return arrays


def _times(comparison: Comparison) -> list[str]:
    return [str(column) for column in comparison.columns if column.kind == "time"]


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Value) else value


def _machine(column: Column, value: Any) -> Any:
    if value is ABSENT:
        return ""
    value = iso(value) if column.kind == "time" else _plain(value)
    return "None" if value is None else value


def _harmless(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _escaped(text: str) -> str:
    """Text that Markdown shows as it stands, on one line."""
    return _MARKDOWN.sub(r"\\\g<0>", safe(text))
