"""Write Parquet files as neptune-exporter 0.1 does: the schema of its ``model.py``, and a row group for each batch.

neptune-exporter needs Python 3.13 and is on no package index.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema([
    ("project_id", pa.string()),
    ("run_id", pa.string()),
    ("attribute_path", pa.string()),
    ("attribute_type", pa.string()),
    ("step", pa.decimal128(18, 6)),
    ("timestamp", pa.timestamp("ms", tz="UTC")),
    ("int_value", pa.int64()),
    ("float_value", pa.float64()),
    ("string_value", pa.string()),
    ("bool_value", pa.bool_()),
    ("datetime_value", pa.timestamp("ms", tz="UTC")),
    ("string_set_value", pa.list_(pa.string())),
    ("file_value", pa.struct([("path", pa.string())])),
    ("histogram_value", pa.struct([
        ("type", pa.string()), ("edges", pa.list_(pa.float64())), ("values", pa.list_(pa.float64())),
    ])),
])  # fmt: skip
Row = dict[str, Any]


def field(path: str, kind: str, value: Any) -> Row:
    """A row of a single value."""
    return {"attribute_path": path, "attribute_type": kind, f"{kind}_value": value}


def point(path: str, step: str | None, time: int | None, value: float | str | None, kind: str = "float") -> Row:
    """A row of a series; the step is a decimal."""
    return {
        "attribute_path": path, "attribute_type": f"{kind}_series", "timestamp": None if time is None else moment(time),
        "step": None if step is None else Decimal(step).quantize(Decimal("1.000000")), f"{kind}_value": value,
    }  # fmt: skip


def file(path: str, kind: str, place: str, step: str | None = None) -> Row:
    """A row of a file, by its path in the exporter's directory of files."""
    return point(path, step, None, None) | {"attribute_type": kind, "file_value": {"path": place}}


def histogram(path: str, step: str, time: int) -> Row:
    """A row of a series of histograms."""
    value = {"type": "COUNTING", "edges": [0.0, 1.0], "values": [3.0]}
    return point(path, step, time, None, "histogram") | {"histogram_value": value}


def moment(time: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(milliseconds=time)


def write_part(path: Path, run_id: str, batches: Iterable[list[Row]]) -> None:
    """Write one part of a run of the project ``w/p``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, SCHEMA, compression="snappy") as writer:
        for rows in batches:
            given = [{"project_id": "w/p", "run_id": run_id, **row} for row in rows]
            writer.write_batch(pa.RecordBatch.from_pylist(given, schema=SCHEMA))
