"""Read the rows of one run's Parquet files with PyArrow, some thousands at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from multitrack._text import clean_text

#: Types of attributes whose rows are points of a series; of the others, each row is a field.
HISTOGRAMS: Final = "histogram_series"
_NUMBERS: Final = "float_series"
_SERIES: Final = (_NUMBERS, "string_series", HISTOGRAMS)
_COLUMNS: Final = {
    "project_id", "run_id", "attribute_path", "attribute_type", "step", "timestamp", "int_value", "float_value",
    "string_value", "bool_value", "datetime_value", "string_set_value", "file_value",
}  # fmt: skip
_ROWS: Final = 4096

Point = tuple[str, str, Decimal | None, int | None, float | str | None]
"""Path, type, step, time (ms) and value; only floats and texts have one."""


class Rows:
    """The rows of a run.

    Args:
        paths: Its files, in their order.

    Attributes:
        run_id: The run's id; None before the first row is read.
        project: Its project.
        first: The earliest time of a point (ms).
        last: The latest.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)
        self.run_id: str | None = None
        self.project: str | None = None
        self.first: int | None = None
        self.last: int | None = None

    def single(self, damage: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the rows that are fields, and note the facts of the others.

        Args:
            damage: Collects a sentence for each file that cannot be read, or not to its end.
        """
        for batch in self._batches(None, damage):
            if batch.num_rows and self.run_id is None:
                self.run_id, self.project = batch.column("run_id")[0].as_py(), batch.column("project_id")[0].as_py()
            series, fields = self._split(batch)
            times = [each for each in _milliseconds(series.column("timestamp")) if each is not None]
            if times:
                self.first = min(times if self.first is None else (self.first, *times))
                self.last = max(times if self.last is None else (self.last, *times))
            for row in fields.to_pylist():
                yield {**row, "attribute_path": clean_text(row["attribute_path"] or "")}

    def series(self) -> Iterator[Point]:
        """Yield the points of all series, in the order of the files; without those that :meth:`single` named."""
        columns = ["attribute_path", "attribute_type", "step", "timestamp", "float_value", "string_value"]
        for batch in self._batches(columns, []):
            series, _ = self._split(batch)
            paths, kinds, steps = (series.column(name).to_pylist() for name in columns[:3])
            floats, texts = (series.column(name).to_pylist() for name in columns[4:])
            times = _milliseconds(series.column("timestamp"))
            for path, kind, step, time, number, text in zip(paths, kinds, steps, times, floats, texts, strict=True):
                value: float | str | None = text
                if kind == _NUMBERS:  # the exporter's tables have no NaN: it is missing there
                    value = math.nan if number is None else number
                yield clean_text(path or ""), kind, step, time, value

    def _batches(self, columns: list[str] | None, damage: list[str]) -> Iterator[Any]:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

        for path in self._paths:
            try:
                with pq.ParquetFile(path, pre_buffer=False) as file:
                    missing = _COLUMNS - set(file.schema_arrow.names)
                    if missing:
                        damage.append(f"{path.name} has no columns {', '.join(sorted(missing))}, and was left out")
                        continue
                    yield from file.iter_batches(_ROWS, columns=columns)
            except (pa.ArrowException, OSError) as error:
                damage.append(f"{path.name} cannot be read to its end: {str(error).splitlines()[0]}")

    def _split(self, batch: Any) -> tuple[Any, Any]:
        """The rows that are points, and the others."""
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.compute as pc  # noqa: PLC0415 - an extra

        are_points = pc.is_in(batch.column("attribute_type"), value_set=pa.array(_SERIES))
        return batch.filter(are_points), batch.filter(pc.invert(are_points))


def _milliseconds(column: Any) -> list[int | None]:
    import pyarrow as pa  # noqa: PLC0415 - an extra

    found: list[int | None] = column.cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).to_pylist()
    return found
