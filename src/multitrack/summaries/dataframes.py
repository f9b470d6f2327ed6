"""Data frames of pandas, polars and Arrow, of cells by column; the libraries are imported when one is asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from multitrack.summaries.doubles import as_double


class Framed:
    """What is a table by itself, and has its columns as :meth:`_columns`."""

    __slots__ = ()

    def _columns(self) -> dict[str, list[Any]]:
        """Cells by column; ``time`` holds milliseconds since the epoch."""
        raise NotImplementedError

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``, whose ``time`` is a timestamp of UTC; a column of several types becomes one of texts.

        Integers beside floats become floats, and so does a column with an integer beyond 64 bits; one beyond the floats
        is infinite.

        Raises:
            ImportError: pandas is not installed.
        """
        return pandas_frame(self._columns(), ["time"])

    def to_polars(self) -> Any:
        """A ``polars.DataFrame``; as :meth:`to_pandas`.

        Raises:
            ImportError: polars is not installed.
        """
        return polars_frame(self._columns(), ["time"])

    def to_arrow(self) -> Any:
        """A ``pyarrow.Table``; as :meth:`to_pandas`.

        Raises:
            ImportError: pyarrow is not installed.
        """
        return arrow_table(self._columns(), ["time"])


def pandas_frame(columns: Mapping[str, list[Any]], times: Collection[str]) -> Any:
    """A ``pandas.DataFrame``.

    Args:
        columns: The cells of each; ``None`` where there is nothing.
        times: Those that hold milliseconds since the epoch, and become timestamps of UTC.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - where it is installed
    except ImportError:
        raise _missing("to_pandas", "pandas") from None
    frame = pd.DataFrame({name: _of_one_type(cells) for name, cells in columns.items()})
    for name in times:
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    return frame


def polars_frame(columns: Mapping[str, list[Any]], times: Collection[str]) -> Any:
    """A ``polars.DataFrame``; arguments as for :func:`pandas_frame`."""
    try:
        import polars as pl  # noqa: PLC0415 - where it is installed
    except ImportError:
        raise _missing("to_polars", "polars") from None
    frame = pl.DataFrame({name: _of_one_type(cells) for name, cells in columns.items()}, strict=False)
    return frame.with_columns(**{name: pl.col(name).cast(pl.Datetime("ms", "UTC")) for name in times})


def arrow_table(columns: Mapping[str, list[Any]], times: Collection[str]) -> Any:
    """A ``pyarrow.Table``; arguments as for :func:`pandas_frame`."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - where it is installed
    except ImportError:
        raise _missing("to_arrow", "pyarrow") from None
    kind = pa.timestamp("ms", tz="UTC")
    return pa.table(
        {name: pa.array(_of_one_type(cells), kind if name in times else None) for name, cells in columns.items()}
    )


def _of_one_type(cells: list[Any]) -> list[Any]:
    """A column as every library can hold it, and write it to a file."""
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
