"""Convert columns of cells to data frames of pandas, polars and Arrow; the libraries are imported on use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from multitrack.summaries.doubles import as_double


class Framed:
    """Base class of objects that can be converted to data frames."""

    __slots__ = ()

    def _columns(self) -> dict[str, list[Any]]:
        """The cells of each column; ``time`` has milliseconds since the epoch."""
        raise NotImplementedError

    def to_pandas(self) -> Any:
        """Convert to a ``pandas.DataFrame``, with ``time`` as a UTC timestamp.

        A column of several types becomes strings. A column with integers and floats, or with an integer beyond 64 bits,
        becomes floats; integers beyond the range of floats become infinite.

        Raises:
            ImportError: If pandas is not installed.
        """
        return pandas_frame(self._columns(), ["time"])

    def to_polars(self) -> Any:
        """Convert to a ``polars.DataFrame``; types as in :meth:`to_pandas`.

        Raises:
            ImportError: If polars is not installed.
        """
        return polars_frame(self._columns(), ["time"])

    def to_arrow(self) -> Any:
        """Convert to a ``pyarrow.Table``; types as in :meth:`to_pandas`.

        Raises:
            ImportError: If pyarrow is not installed.
        """
        return arrow_table(self._columns(), ["time"])


def pandas_frame(columns: Mapping[str, list[Any]], times: Collection[str]) -> Any:
    """Create a ``pandas.DataFrame``.

    Args:
        columns: The cells of each column; ``None`` for a missing value.
        times: Columns with milliseconds since the epoch, to be converted to UTC timestamps.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - optional
    except ImportError:
        raise _missing("to_pandas", "pandas") from None
    frame = pd.DataFrame({name: _of_one_type(cells) for name, cells in columns.items()})
    for name in times:
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    return frame


def polars_frame(columns: Mapping[str, list[Any]], times: Collection[str]) -> Any:
    """Create a ``polars.DataFrame``; arguments as for :func:`pandas_frame`."""
    try:
        import polars as pl  # noqa: PLC0415 - optional
    except ImportError:
        raise _missing("to_polars", "polars") from None
    frame = pl.DataFrame({name: _of_one_type(cells) for name, cells in columns.items()}, strict=False)
    return frame.with_columns(**{name: pl.col(name).cast(pl.Datetime("ms", "UTC")) for name in times})


def arrow_table(columns: Mapping[str, list[Any]], times: Collection[str]) -> Any:
    """Create a ``pyarrow.Table``; arguments as for :func:`pandas_frame`."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional
    except ImportError:
        raise _missing("to_arrow", "pyarrow") from None
    kind = pa.timestamp("ms", tz="UTC")
    return pa.table(
        {name: pa.array(_of_one_type(cells), kind if name in times else None) for name, cells in columns.items()}
    )


def _of_one_type(cells: list[Any]) -> list[Any]:
    """Convert a column to one type, which every library can hold and write to a file."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {int, float} or (
        kinds == {int} and any(cell is not None and not -1 << 63 <= cell < 1 << 63 for cell in cells)
    ):
        return [None if cell is None else as_double(cell) for cell in cells]
    if len(kinds) > 1 or kinds & {list, dict}:
        return [None if cell is None else str(cell) for cell in cells]
    return cells


def _missing(method: str, library: str) -> ImportError:
    return ImportError(f"{method}() needs {library}: pip install {library}")
