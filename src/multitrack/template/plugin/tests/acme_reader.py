"""Reads a run of acme, for the tests. It shares no code with the backend, so that it sees what others see."""

import contextlib
import json
import sqlite3
from pathlib import Path

from multitrack.testing import NativePoint, NativeRun


def read_run(file: Path, acme_id: str) -> NativeRun:
    """Read one run by its id in acme."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        (run,) = connection.execute("SELECT * FROM runs WHERE id = ?", (acme_id,))
        rows = connection.execute("SELECT * FROM rows WHERE id = ? ORDER BY ordinal, item", (acme_id,)).fetchall()
    native = NativeRun(
        name=run["name"],
        status=run["status"],
        parent=run["parent"],
        started=run["started"],
        ended=run["ended"],
        identity={key: run[key] for key in ("user", "host", "program")},
    )
    for row in rows:
        name, value = row["name"], json.loads(row["value"])
        match row["kind"]:
            case "param":
                native.params[name] = value
            case "simple":
                native.metrics[name] = value
            case "series":
                native.series.setdefault(name, []).append(NativePoint(row["step"], value, row["time"]))
            case "artifact":
                native.artifacts[name] = value["uri"]
            case "line":
                native.lines.append(value)
            case "tag":
                native.tags[name] = value
    return native
